//! Where a server is and what opens it: plain values, checked when they are used.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::source::secret::Secret;

/// A server, or the members of a set, and who asks it.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where it is.
    pub place: Place,
    /// Who asks. A connection string may name them too, then not here.
    pub user: Option<String>,
    /// Their password.
    pub password: Option<Secret>,
    /// The database that knows them; `admin` where nothing says otherwise.
    pub auth_database: Option<String>,
    /// Whether and how the connection is encrypted; a connection string may say so too, then not here.
    pub tls: Option<Tls>,
    /// How long things may take.
    pub patience: Patience,
}

/// Where a server is.
#[derive(Clone, PartialEq, Eq)]
pub enum Place {
    /// Addresses as `HOST` or `HOST:PORT`. One is spoken to directly, whatever it belongs to; several are members of one set.
    Hosts(Vec<String>),
    /// A connection string, `mongodb://...`, without a password.
    Uri(String),
}

/// Certificates, in PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// The authorities that may have signed the server's certificate; without it, those that Mozilla trusts.
    pub ca_file: Option<PathBuf>,
    /// The client's own certificate and its key, in one file.
    pub certificate_file: Option<PathBuf>,
}

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// To get a connection.
    pub connect: Duration,
    /// Until a member that can be asked has been found, tries included.
    pub select: Duration,
    /// To the answer of what costs the server next to nothing.
    pub answer: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), select: Duration::from_secs(15), answer: Duration::from_mins(1) }
    }
}

impl Target {
    /// A server at a place, for whoever comes.
    pub fn new(place: Place) -> Self {
        Self { place, user: None, password: None, auth_database: None, tls: None, patience: Patience::default() }
    }

    /// The text without the password.
    pub(super) fn redact(&self, text: &str) -> String {
        self.password.as_ref().map_or_else(|| text.to_owned(), |password| password.redact(text))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hosts(hosts) => write!(f, "mongodb://{}", hosts.join(",")),
            // only the addresses: what stands before and behind them may hold what is not to be shown
            Self::Uri(uri) => {
                let parts = Parts::of(uri);
                write!(f, "{}{}", parts.scheme, parts.hosts)
            }
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({self})")
    }
}

/// A connection string, taken apart without judging it; together the parts are the whole of it.
pub(super) struct Parts<'a> {
    /// With its `://`.
    pub(super) scheme: &'a str,
    /// Who asks, with the `@` at its end.
    pub(super) user: &'a str,
    /// The addresses.
    pub(super) hosts: &'a str,
    /// The database and the options, from the `/` or `?` on.
    pub(super) rest: &'a str,
}

impl<'a> Parts<'a> {
    pub(super) fn of(uri: &'a str) -> Self {
        let (scheme, after) = uri.find("://").map_or(("", uri), |at| uri.split_at(at + 3));
        // the last one: a password that was not encoded may hold one, or a slash
        let (user, after) = after.rfind('@').map_or(("", after), |at| after.split_at(at + 1));
        let (hosts, rest) = after.find(['/', '?']).map_or((after, ""), |at| after.split_at(at));
        Self { scheme, user, hosts, rest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_shows_its_addresses_and_nothing_else() {
        let shown = |uri: &str| Place::Uri(uri.to_owned()).to_string();
        assert_eq!(shown("mongodb://ann:s3cret@a:1,b/db?authSource=x"), "mongodb://a:1,b");
        assert_eq!(shown("mongodb://ann:s3/cr@et@a?tls=true"), "mongodb://a");
        assert_eq!(shown("ann:s3cret@a"), "a");
        let place = Place::Uri("mongodb://ann:s3cret@a/?tlsCertificateKeyFilePassword=s3cret".to_owned());
        assert_eq!(format!("{:?}", Target::new(place)).find("s3cret"), None);
        assert_eq!(Place::Hosts(vec!["a:1".to_owned(), "b".to_owned()]).to_string(), "mongodb://a:1,b");
    }
}
