//! What a user may do, against what is wanted of the server.
//!
//! Rights are judged, not names: a user with a role of their own that gives the same is as good. A built-in role that is held is enough
//! by its name, as its rights differ from version to version. What lacks is told as the built-in role that would give it.

use std::collections::BTreeSet;
use std::fmt;

use bson::{Bson, Document};

/// What is wanted of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Everything is read once. Of a set, the oplog is read with it; a standalone has none.
    Full,
    /// The oplog is read.
    Oplog,
    /// Everything is written.
    Restore,
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "a full capture",
            Self::Oplog => "a capture of the oplog",
            Self::Restore => "a restore",
        })
    }
}

/// A built-in role that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Reads everything.
    Backup,
    /// Writes everything, and replays inserts.
    Restore,
    /// Replays updates and deletes, and compares digests of data.
    ReadWriteAnyDatabase,
    /// Replays the dropping of databases.
    DbAdminAnyDatabase,
    /// Sees the other members of a set. Never refused for: less is seen without it.
    ClusterMonitor,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Backup, Self::Restore, Self::ReadWriteAnyDatabase, Self::DbAdminAnyDatabase, Self::ClusterMonitor];

    /// As the server has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Restore => "restore",
            Self::ReadWriteAnyDatabase => "readWriteAnyDatabase",
            Self::DbAdminAnyDatabase => "dbAdminAnyDatabase",
            Self::ClusterMonitor => "clusterMonitor",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Roles in a row.
pub(super) fn named(roles: &[Role]) -> String {
    roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join("`, `")
}

/// What a right is about.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Resource {
    Cluster,
    /// Everything there is.
    Any,
    /// Collections; an empty name stands for all that are not the system's own, an empty database for all but `local` and `config`.
    Collection(String, String),
    /// What time series keep their data in, in the same way.
    Buckets(String, String),
}

/// A right that is wanted, and what of it.
struct Wanted {
    role: Role,
    about: About,
    actions: &'static [&'static str],
}

#[derive(Clone, Copy)]
enum About {
    Cluster,
    Collection(&'static str, &'static str),
    Buckets,
}

use About::{Buckets, Cluster, Collection};

const ALL: About = Collection("", "");

const fn wanted(role: Role, about: About, actions: &'static [&'static str]) -> Wanted {
    Wanted { role, about, actions }
}

/// For [`Need::Full`].
const FULL: [Wanted; 10] = [
    wanted(Role::Backup, Cluster, &["listDatabases", "getParameter"]),
    wanted(Role::Backup, ALL, &["find", "listCollections", "listIndexes", "collStats"]),
    wanted(Role::Backup, Buckets, &["find"]),
    wanted(Role::Backup, Collection("", "system.js"), &["find"]),
    wanted(Role::Backup, Collection("admin", "system.users"), &["find"]),
    wanted(Role::Backup, Collection("admin", "system.roles"), &["find"]),
    wanted(Role::Backup, Collection("admin", "system.version"), &["find"]),
    wanted(Role::Backup, Collection("config", "transactions"), &["find"]),
    wanted(Role::Backup, Collection("local", "oplog.rs"), &["find"]),
    MEMBERS,
];

/// For [`Need::Oplog`].
const OPLOG: [Wanted; 4] = [
    wanted(Role::Backup, Cluster, &["getParameter"]),
    wanted(Role::Backup, Collection("config", "transactions"), &["find"]),
    wanted(Role::Backup, Collection("local", "oplog.rs"), &["find"]),
    MEMBERS,
];

/// For [`Need::Restore`].
const RESTORE: [Wanted; 9] = [
    wanted(Role::Restore, Cluster, &["getParameter"]),
    wanted(Role::Restore, ALL, &["insert", "createCollection", "createIndex", "collMod", "dropCollection", "createUser", "createRole"]),
    wanted(Role::Restore, Buckets, &["insert", "createCollection", "createIndex", "dropCollection"]),
    wanted(Role::Restore, Collection("", "system.js"), &["insert"]),
    wanted(Role::Restore, Collection("admin", "system.version"), &["find"]),
    wanted(Role::ReadWriteAnyDatabase, ALL, &["update", "remove", "find", "dropIndex", "renameCollectionSameDB", "dbHash"]),
    wanted(Role::ReadWriteAnyDatabase, Buckets, &["update", "remove"]),
    wanted(Role::DbAdminAnyDatabase, ALL, &["dropDatabase", "bypassDocumentValidation"]),
    MEMBERS,
];

const MEMBERS: Wanted = wanted(Role::ClusterMonitor, Cluster, &["replSetGetStatus"]);

/// What a user may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rights {
    /// Who asks, and the database that knows them, if anybody has said so.
    pub(super) user: Option<(String, String)>,
    held: BTreeSet<String>,
    allowed: Vec<(Resource, BTreeSet<String>)>,
}

impl Rights {
    /// Reads the answer to `connectionStatus` with `showPrivileges`.
    pub(super) fn read(status: &Document) -> Result<Self, &'static str> {
        const ODD: &str = "says nothing of rights";
        let info = status.get_document("authInfo").map_err(|_| ODD)?;
        let list = |name: &str| info.get_array(name).map_err(|_| ODD);
        let user = |user: &Bson| {
            let user = user.as_document().ok_or(ODD)?;
            let text = |name: &str| user.get_str(name).map(str::to_owned).map_err(|_| ODD);
            Ok::<_, &'static str>((text("user")?, text("db")?))
        };
        let role = |role: &Bson| {
            let role = role.as_document()?;
            (role.get_str("db").ok()? == "admin").then(|| role.get_str("role").ok().map(str::to_owned)).flatten()
        };
        Ok(Self {
            user: list("authenticatedUsers")?.first().map(user).transpose()?,
            held: list("authenticatedUserRoles")?.iter().filter_map(role).collect(),
            allowed: list("authenticatedUserPrivileges")?.iter().filter_map(privilege).collect(),
        })
    }

    /// The built-in roles whose rights lack.
    pub(super) fn lacking(&self, need: Need) -> BTreeSet<Role> {
        let wanted: &[Wanted] = match need {
            Need::Full => &FULL,
            Need::Oplog => &OPLOG,
            Need::Restore => &RESTORE,
        };
        let held = |role: Role| self.held.contains("root") || self.held.contains(role.as_str());
        wanted.iter().filter(|wanted| !held(wanted.role) && !self.may(wanted)).map(|wanted| wanted.role).collect()
    }

    /// Whether anybody may do it who may do this.
    fn may(&self, wanted: &Wanted) -> bool {
        let may = |action: &&str| self.allowed.iter().any(|(resource, actions)| resource.covers(wanted.about) && actions.contains(*action));
        wanted.actions.iter().all(may)
    }
}

/// A right, where it is about something that is known here.
fn privilege(privilege: &Bson) -> Option<(Resource, BTreeSet<String>)> {
    let privilege = privilege.as_document()?;
    let about = privilege.get_document("resource").ok()?;
    let text = |name: &str| about.get_str(name).map(str::to_owned);
    let is = |name: &str| about.get_bool(name).unwrap_or_default();
    let resource = if is("anyResource") {
        Resource::Any
    } else if is("cluster") {
        Resource::Cluster
    } else if let Ok(buckets) = text("system_buckets") {
        Resource::Buckets(text("db").unwrap_or_default(), buckets)
    } else {
        Resource::Collection(text("db").ok()?, text("collection").ok()?)
    };
    let actions = privilege.get_array("actions").ok()?.iter().filter_map(|action| action.as_str().map(str::to_owned));
    Some((resource, actions.collect()))
}

impl Resource {
    fn covers(&self, about: About) -> bool {
        match (self, about) {
            (Self::Any, _) | (Self::Cluster, Cluster) => true,
            (Self::Collection(db, name), Collection(wanted_db, wanted)) => {
                let own = matches!(wanted_db, "local" | "config");
                let databases = if db.is_empty() { !own || !name.is_empty() } else { db == wanted_db };
                let names = if name.is_empty() { !wanted.starts_with("system.") } else { name == wanted };
                databases && names
            }
            (Self::Buckets(db, name), Buckets) => db.is_empty() && name.is_empty(),
            _ => false,
        }
    }
}

/// Whether the server asks for rights at all, by the answer to `getCmdLineOpts`.
pub(super) fn enforced(options: &Document) -> bool {
    let Ok(security) = options.get_document("parsed").and_then(|parsed| parsed.get_document("security")) else { return false };
    let keys = security.contains_key("keyFile") || security.get_str("clusterAuthMode").is_ok_and(|mode| mode != "keyFile");
    let asked = security.get_str("authorization").is_ok_and(|word| word == "enabled") || keys;
    asked && !security.get_bool("transitionToAuth").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::*;

    fn user(roles: &[&str], privileges: Vec<Document>) -> Rights {
        let roles: Vec<Document> = roles.iter().map(|role| doc! { "role": *role, "db": "admin" }).collect();
        let info = doc! {
            "authenticatedUsers": [{ "user": "ann", "db": "admin" }],
            "authenticatedUserRoles": roles,
            "authenticatedUserPrivileges": privileges,
        };
        Rights::read(&doc! { "authInfo": info, "ok": 1.0 }).unwrap()
    }

    fn right(resource: Document, actions: &[&str]) -> Document {
        doc! { "resource": resource, "actions": actions.iter().map(|&a| Bson::from(a)).collect::<Vec<_>>() }
    }

    #[test]
    fn what_lacks_is_told_as_the_role_that_gives_it() {
        let lacking = |roles: &[&str], need| user(roles, Vec::new()).lacking(need).into_iter().collect::<Vec<_>>();
        assert_eq!(lacking(&[], Need::Full), [Role::Backup, Role::ClusterMonitor]);
        assert_eq!(lacking(&["restore", "clusterMonitor"], Need::Oplog), [Role::Backup]);
        assert_eq!(lacking(&["backup"], Need::Oplog), [Role::ClusterMonitor]);
        assert_eq!(
            lacking(&["backup", "clusterMonitor"], Need::Restore),
            [Role::Restore, Role::ReadWriteAnyDatabase, Role::DbAdminAnyDatabase]
        );
        assert_eq!(lacking(&["restore", "readWriteAnyDatabase", "clusterMonitor"], Need::Restore), [Role::DbAdminAnyDatabase]);
        for need in [Need::Full, Need::Oplog, Need::Restore] {
            assert_eq!(lacking(&["root"], need), []);
            assert_eq!(lacking(&Role::ALL.map(Role::as_str), need), []);
        }
    }

    #[test]
    fn a_role_of_another_database_gives_nothing() {
        let mut rights = user(&[], Vec::new());
        let info = doc! { "role": "backup", "db": "shop" };
        let status = doc! { "authInfo": { "authenticatedUsers": [], "authenticatedUserRoles": [info], "authenticatedUserPrivileges": [] } };
        let nobody = Rights::read(&status).unwrap();
        assert_eq!((&rights.user, &nobody.user), (&Some(("ann".to_owned(), "admin".to_owned())), &None));
        rights.held = nobody.held;
        assert!(rights.lacking(Need::Oplog).contains(&Role::Backup));
    }

    #[test]
    fn the_same_rights_under_another_name_are_as_good() {
        let cluster = right(doc! { "cluster": true }, &["getParameter", "replSetGetStatus"]);
        let oplog = right(doc! { "db": "local", "collection": "oplog.rs" }, &["find"]);
        let transactions = right(doc! { "db": "config", "collection": "" }, &["find"]);
        let own = user(&["mine"], vec![cluster.clone(), oplog.clone(), transactions.clone()]);
        assert_eq!(own.lacking(Need::Oplog), BTreeSet::new());
        assert_eq!(user(&[], vec![cluster.clone(), oplog]).lacking(Need::Oplog), BTreeSet::from([Role::Backup]));
        // `local` and `config` are not among all databases
        let everywhere = right(doc! { "db": "", "collection": "" }, &["find"]);
        assert_eq!(user(&[], vec![cluster, everywhere]).lacking(Need::Oplog), BTreeSet::from([Role::Backup]));
        let any = right(doc! { "anyResource": true }, &["find", "getParameter", "replSetGetStatus"]);
        assert_eq!(user(&[], vec![any]).lacking(Need::Oplog), BTreeSet::new());
    }

    #[test]
    fn the_systems_own_collections_are_not_among_all() {
        let all = Resource::Collection(String::new(), String::new());
        assert!(all.covers(ALL) && !all.covers(Collection("admin", "system.users")) && !all.covers(Cluster) && !all.covers(Buckets));
        assert!(Resource::Collection(String::new(), "system.users".to_owned()).covers(Collection("admin", "system.users")));
        assert!(!Resource::Collection("shop".to_owned(), String::new()).covers(ALL));
        assert!(!Resource::Buckets("shop".to_owned(), String::new()).covers(Buckets));
    }

    #[test]
    fn whatever_comes_as_rights_gives_none() {
        assert!(Rights::read(&doc! { "ok": 1.0 }).is_err());
        assert!(Rights::read(&doc! { "authInfo": { "authenticatedUsers": 1 } }).is_err());
        let unnamed = doc! { "authenticatedUsers": [{}], "authenticatedUserRoles": [], "authenticatedUserPrivileges": [] };
        assert!(Rights::read(&doc! { "authInfo": unnamed }).is_err());
        let odd = vec![
            doc! {},
            doc! { "resource": 1, "actions": 1 },
            right(doc! { "db": 1 }, &["find"]),
            doc! { "resource": { "cluster": true } },
        ];
        assert_eq!(user(&[], odd).allowed, []);
    }

    #[test]
    fn a_server_asks_for_rights_where_its_options_say_so() {
        let asks = |security: Document| enforced(&doc! { "parsed": { "security": security } });
        assert!(asks(doc! { "authorization": "enabled" }) && asks(doc! { "keyFile": "/k" }) && asks(doc! { "clusterAuthMode": "x509" }));
        assert!(!asks(doc! { "authorization": "disabled" }) && !asks(doc! { "keyFile": "/k", "transitionToAuth": true }));
        assert!(!enforced(&doc! { "parsed": {} }));
    }
}
