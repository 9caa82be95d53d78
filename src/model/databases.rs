//! MongoDB sources: where the server is, who asks it, and what of it is captured.

use std::fmt;
use std::path::PathBuf;

use super::read::Resolver;
use super::set::SecretRef;
use crate::finding::{Finding, manifest as code};
use crate::manifest::tables::{self, FilledText};
use crate::manifest::{Entity, SourceTable};

/// Where a server listens unless a manifest says otherwise.
const PORT: u16 = 27017;

/// A MongoDB server or replica set.
#[derive(Debug, Clone, PartialEq)]
pub struct MongodbSource {
    /// Where it is.
    pub place: MongodbPlace,
    /// Who asks.
    pub username: Option<String>,
    /// Their password.
    pub password: Option<SecretRef>,
    /// The database that knows them.
    pub auth_database: Option<String>,
    /// How the connection is encrypted, unless the connection string says so.
    pub tls: Option<MongodbTls>,
    /// The databases that are captured. With `collections` empty too: all there is.
    pub databases: Vec<String>,
    /// The collections that are captured: database and collection.
    pub collections: Vec<(String, String)>,
}

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MongodbPlace {
    /// In a container.
    Container {
        /// The container's name.
        name: String,
        /// The port that the server listens on in it.
        port: u16,
    },
    /// A connection string without a password.
    Uri(String),
}

/// Certificates in PEM, joined to the manifest's folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MongodbTls {
    /// The authorities that may have signed the server's certificate; without it, those that Mozilla trusts.
    pub ca_file: Option<PathBuf>,
    /// The client's own certificate and its key.
    pub certificate_file: Option<PathBuf>,
}

impl fmt::Display for MongodbPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Container { name, port } => write!(f, "container {name}, port {port}"),
            // only the addresses: options may say what is nobody's business
            Self::Uri(uri) => {
                let rest = uri.split_once("://").map_or(uri.as_str(), |(_, rest)| rest);
                let hosts = rest.rsplit_once('@').map_or(rest, |(_, hosts)| hosts);
                f.write_str(hosts.split(['/', '?']).next().unwrap_or_default())
            }
        }
    }
}

impl MongodbSource {
    /// The container that the server runs in.
    pub fn container(&self) -> Option<&str> {
        match &self.place {
            MongodbPlace::Container { name, .. } => Some(name),
            MongodbPlace::Uri(_) => None,
        }
    }

    /// Whether all of the server is captured.
    pub fn whole(&self) -> bool {
        self.databases.is_empty() && self.collections.is_empty()
    }
}

impl Resolver<'_> {
    pub(super) fn mongodb(&mut self, entity: &Entity<SourceTable>, table: &tables::MongodbSource) -> MongodbSource {
        let place = self.mongodb_place(entity, table);
        let text = |this: &mut Self, key: &str, written: Option<&FilledText>| written.and_then(|text| this.filled(entity, key, text));
        let username = text(self, "username", table.username.as_ref());
        let auth_database = text(self, "auth_database", table.auth_database.as_ref());
        let password = table.password.as_ref().and_then(|secret| self.secret(entity, "password", secret));
        let ca_file = table.ca_file.as_ref().and_then(|file| self.path(entity, "ca_file", file));
        let certificate_file = table.certificate_file.as_ref().and_then(|file| self.path(entity, "certificate_file", file));
        let files = ca_file.is_some() || certificate_file.is_some();
        let named = |key: &str| {
            Finding::new(code::BAD_VALUE, format!("`{}.tls` switches off what `{key}` is for", entity.path))
                .at(entity.value("tls"), "says that nothing is encrypted")
                .at(entity.key(key), "only used to encrypt")
                .help("remove one of them")
        };
        if table.tls == Some(false) && files {
            let key = if ca_file.is_some() { "ca_file" } else { "certificate_file" };
            self.findings.push(named(key));
        }
        let tls = (files || table.tls == Some(true)).then_some(MongodbTls { ca_file, certificate_file });
        let databases = self.databases(entity, table.databases.as_deref());
        let collections = self.collections(entity, table.collections.as_deref(), &databases);
        MongodbSource { place, username, password, auth_database, tls, databases, collections }
    }

    fn mongodb_place(&mut self, entity: &Entity<SourceTable>, table: &tables::MongodbSource) -> MongodbPlace {
        let port = table.port.unwrap_or(PORT);
        if port == 0 {
            self.findings.push(Finding::new(code::OUT_OF_RANGE, "no server listens on port 0").at(entity.value("port"), "1 to 65535"));
        }
        match (&table.container, &table.uri) {
            (Some(_), Some(_)) => self.findings.push(
                Finding::new(code::MONGODB_PLACE, format!("`{}` is in two places", entity.path))
                    .at(entity.value("container"), "here it is in a container")
                    .at(entity.value("uri"), "here it is somewhere else")
                    .help("remove one of them"),
            ),
            (None, None) if entity.whole => self.findings.push(
                Finding::new(code::MONGODB_PLACE, format!("`{}` does not say where its server is", entity.path))
                    .at(entity.head(), "neither `container` nor `uri`")
                    .help("write `container = \"NAME\"`, or `uri = \"mongodb://HOST:PORT\"`"),
            ),
            _ => {}
        }
        if let (Some(_), Some(_)) = (&table.uri, &table.port) {
            self.findings.push(
                Finding::new(code::BAD_VALUE, format!("`{}.port` is a port in a container", entity.path))
                    .at(entity.key("port"), "would never be used")
                    .help("write the port into `uri`"),
            );
        }
        if let Some(name) = table.container.as_ref().and_then(|text| self.filled(entity, "container", text)) {
            return MongodbPlace::Container { name, port };
        }
        let uri = table.uri.as_ref().and_then(|text| self.filled(entity, "uri", text)).unwrap_or_default();
        if holds_password(&uri) {
            self.findings.push(
                Finding::new(code::SECRET_LITERAL, format!("`{}.uri` holds a password", entity.path))
                    .at(entity.value("uri"), "only a reference may give it")
                    .hidden()
                    .help("write `mongodb://HOST:PORT`, with `username` and `password = { env = \"NAME\" }` beside it"),
            );
        } else if let Some(wrong) = wrong_uri(&uri).filter(|_| !uri.is_empty()) {
            self.findings.push(
                Finding::new(code::BAD_VALUE, format!("`{}.uri` cannot be used", entity.path))
                    .at(entity.value("uri"), wrong)
                    .help("`uri = \"mongodb://HOST:PORT,HOST:PORT/?replicaSet=NAME\"`, with `username` and `password` beside it"),
            );
        }
        MongodbPlace::Uri(uri)
    }

    fn databases(&mut self, entity: &Entity<SourceTable>, written: Option<&[FilledText]>) -> Vec<String> {
        let Some(written) = written else { return Vec::new() };
        self.not_empty(entity, "databases", written.len());
        for (n, FilledText(name)) in written.iter().enumerate() {
            let wrong = if matches!(name.as_str(), "admin" | "local" | "config") {
                Some("the server's own: it is captured with all the others only")
            } else if name.is_empty() || name.len() > 63 || name.contains(['/', '\\', '.', '"', '$', ' ', '\0']) {
                Some("the name of a database has 1 to 63 bytes and none of `/\\.\"$` and space")
            } else {
                written[..n].iter().any(|other| other.0 == *name).then_some("named twice")
            };
            self.selected_wrong(entity, &format!("databases[{n}]"), wrong);
        }
        written.iter().map(|text| text.0.clone()).collect()
    }

    fn collections(&mut self, entity: &Entity<SourceTable>, written: Option<&[FilledText]>, databases: &[String]) -> Vec<(String, String)> {
        let Some(written) = written else { return Vec::new() };
        self.not_empty(entity, "collections", written.len());
        let mut collections = Vec::new();
        for (n, FilledText(name)) in written.iter().enumerate() {
            let place = format!("collections[{n}]");
            let parts = name.split_once('.').filter(|(database, collection)| !database.is_empty() && !collection.is_empty());
            let Some((database, collection)) = parts else {
                self.selected_wrong(entity, &place, Some("a collection is named `DATABASE.COLLECTION`"));
                continue;
            };
            let pair = (database.to_owned(), collection.to_owned());
            let wrong = if matches!(database, "admin" | "local" | "config") || collection.starts_with("system.") {
                Some("the server's own: it is captured with all the others only")
            } else if databases.iter().any(|other| other == database) {
                Some("`databases` names all of its database")
            } else {
                collections.contains(&pair).then_some("named twice")
            };
            self.selected_wrong(entity, &place, wrong);
            collections.push(pair);
        }
        collections
    }

    fn selected_wrong(&mut self, entity: &Entity<SourceTable>, place: &str, wrong: Option<&str>) {
        let finding = |wrong: &str| {
            Finding::new(code::BAD_VALUE, format!("`{}.{place}` cannot be captured", entity.path)).at(entity.value(place), wrong)
        };
        self.findings.extend(wrong.map(finding));
    }
}

/// Whether somebody wrote `USER:PASSWORD@`.
fn holds_password(uri: &str) -> bool {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    rest.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
}

/// What speaks against a connection string before a driver reads it: what it says to the server is the driver's to judge.
fn wrong_uri(uri: &str) -> Option<&'static str> {
    let Some(rest) = uri.strip_prefix("mongodb://") else { return Some("it begins with `mongodb://`") };
    let hosts = rest.rsplit_once('@').map_or(rest, |(_, hosts)| hosts);
    (hosts.is_empty() || hosts.starts_with(['/', '?'])).then_some("it names no host")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_string_names_a_host_and_no_password() {
        for good in ["mongodb://a", "mongodb://a:1,b:2/?replicaSet=r", "mongodb://ann@a/?authSource=x"] {
            assert_eq!(wrong_uri(good), None, "{good}");
        }
        for bad in ["a:1", "http://a", "mongodb+srv://a/db", "mongodb://", "mongodb:///db", "mongodb://?x=y"] {
            assert!(wrong_uri(bad).is_some() && !holds_password(bad), "{bad}");
        }
        for secret in ["mongodb://ann:s3cret@a", "mongodb://ann:s/3@c@a", "ann:s3cret@a"] {
            assert!(holds_password(secret), "{secret}");
        }
    }
}
