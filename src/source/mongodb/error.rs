//! What goes wrong with a server of MongoDB.
//!
//! Every error names the server by its addresses, and has a sentence about what to do. None holds a password, or a connection string.

use super::rights::{Need, Role, named};
use super::server::{OpTime, Version};

/// Why a server cannot be used, or not for what is wanted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MongoError {
    /// What the manifest says of it cannot be used.
    #[error("{place}: {message}")]
    Unusable {
        /// The server.
        place: String,
        /// What is wrong.
        message: String,
        /// What to do about it.
        help: String,
    },
    /// It does not answer, or not any more.
    #[error("{place} does not answer: {why}")]
    Unreachable {
        /// The server.
        place: String,
        /// What the connection came to.
        why: String,
    },
    /// It answered too late.
    #[error("{place} did not answer `{command}` within {seconds} s")]
    Late {
        /// The server.
        place: String,
        /// What it was asked.
        command: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The encrypted connection failed.
    #[error("{place}: no encrypted connection: {why}")]
    Tls {
        /// The server.
        place: String,
        /// What the connection came to.
        why: String,
    },
    /// It does not know the user, or the password is another one.
    #[error("{place} does not let user `{user}` in: {why}")]
    Denied {
        /// The server.
        place: String,
        /// The user.
        user: String,
        /// What the server said.
        why: String,
    },
    /// It wants to know who asks.
    #[error("{place} wants to know who asks, and no user is named")]
    Nobody {
        /// The server.
        place: String,
    },
    /// The user lacks rights.
    #[error("{place}: user `{user}` has not what {need} needs: {} `{}` {} missing", if roles.len() == 1 { "role" } else { "roles" }, named(roles), if roles.len() == 1 { "is" } else { "are" })]
    Lacks {
        /// The server.
        place: String,
        /// The user.
        user: String,
        /// The database that knows them.
        database: String,
        /// What is wanted.
        need: Need,
        /// The built-in roles that would give the rights.
        roles: Vec<Role>,
    },
    /// It is the door of a sharded cluster.
    #[error("{place} is `mongos`, the door of a sharded cluster: its shards are not of one instant")]
    Sharded {
        /// The server.
        place: String,
    },
    /// It is older than what is spoken here.
    #[error("{place} is {}, and {} is the oldest that is spoken here", version.map_or("an older MongoDB".to_owned(), |version| format!("MongoDB {version}")), Version::OLDEST)]
    Old {
        /// The server.
        place: String,
        /// Its version, if it could still be asked.
        version: Option<Version>,
    },
    /// It keeps no oplog.
    #[error("{place} is a standalone server and keeps no oplog, and {need} reads it")]
    Standalone {
        /// The server.
        place: String,
        /// What is wanted.
        need: Need,
    },
    /// It is a member of a set that cannot be used now.
    #[error("{place} {state}")]
    State {
        /// The server.
        place: String,
        /// What it is.
        state: String,
        /// What to do about it.
        help: String,
    },
    /// It refused a command.
    #[error("{place} refuses `{command}`: {message}{}", code.map(|code| format!(" (error {code})")).unwrap_or_default())]
    Refused {
        /// The server.
        place: String,
        /// What it was asked.
        command: String,
        /// What it said.
        message: String,
        /// The number of its error, where it came from the server.
        code: Option<i32>,
    },
    /// What it answered makes no sense.
    #[error("{place}: the answer to `{command}` {message}")]
    Odd {
        /// The server.
        place: String,
        /// What it was asked.
        command: String,
        /// What is wrong with the answer.
        message: String,
    },
    /// The archive cannot be read, or not as what is wanted.
    #[error("{0}")]
    Archive(String),
    /// The data uses features that the server has not.
    #[error("{place} has the features of MongoDB {has}, and the archive is of MongoDB {wants}")]
    Features {
        /// The server.
        place: String,
        /// Its feature compatibility version.
        has: String,
        /// The version of the server that the archive is of.
        wants: String,
    },
    /// There is data where data is to be written.
    #[error("{place} holds data already: {namespaces}")]
    Holds {
        /// The server.
        place: String,
        /// Some of the collections.
        namespaces: String,
    },
    /// Documents were not taken.
    #[error("{place}: {count} of the documents of `{namespace}` were refused, the first: {first}")]
    Documents {
        /// The server.
        place: String,
        /// The collection.
        namespace: String,
        /// How many of one batch.
        count: usize,
        /// Why.
        first: String,
    },
    /// There are other documents than were written.
    #[error("{place}: `{namespace}` has {found} documents after {wanted} were written")]
    Count {
        /// The server.
        place: String,
        /// The collection.
        namespace: String,
        /// How many there are.
        found: u64,
        /// How many were written.
        wanted: u64,
    },
    /// Indexes could not be built.
    #[error("{place}: indexes {names} of `{namespace}` could not be built: {why}")]
    Indexes {
        /// The server.
        place: String,
        /// The collection.
        namespace: String,
        /// The indexes that were built together.
        names: String,
        /// What the server said.
        why: String,
    },
    /// An entry of the oplog cannot be replayed.
    #[error("{place}: cannot replay the oplog entry at {at}: {why}")]
    Entry {
        /// The server.
        place: String,
        /// Where it stands, as `SECONDS:ORDINAL`, or from where to where.
        at: String,
        /// What is wrong with it.
        why: String,
    },
    /// The oplog ended before it was to.
    #[error("the oplog ends at {last}, before {until}")]
    RanOut {
        /// The last entry that there was.
        last: String,
        /// What was to be reached.
        until: String,
    },
    /// What is kept aside could not be written or read.
    #[error("cannot keep entries of the oplog in `{folder}`: {why}")]
    Scratch {
        /// Where.
        folder: String,
        /// Why.
        why: String,
    },
    /// What its oplog should reach back to is not in it any more.
    #[error("{place}: the oplog was rolled over: it begins at {oldest}, and {wanted} is needed")]
    RolledOver {
        /// The server.
        place: String,
        /// The entry that is needed.
        wanted: OpTime,
        /// The oldest entry that there is.
        oldest: OpTime,
    },
    /// Something happened that what was read so far does not go with.
    #[error("{place}: while it was read came {what} (oplog entry {at})")]
    Disturbed {
        /// The server.
        place: String,
        /// What happened.
        what: String,
        /// The entry that says so.
        at: OpTime,
    },
    /// What was read could not be written out.
    #[error("the output was not taken: {why}")]
    Output {
        /// What it said.
        why: String,
    },
    /// Somebody asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl MongoError {
    /// Whether the same may succeed right away.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Disturbed { .. } | Self::RolledOver { .. })
    }

    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::Unusable { help, .. } | Self::State { help, .. } => help.clone(),
            Self::Unreachable { .. } => {
                "see that it runs, that this host reaches its address and port, and whether it wants TLS".to_owned()
            }
            Self::Late { .. } => "see what keeps it busy, and try again".to_owned(),
            Self::Tls { .. } => "name the authority of its certificate in `ca_file`, and its address as the certificate has it; \
                                 where it wants a certificate of its clients, name one in `certificate_file`"
                .to_owned(),
            Self::Denied { .. } => "check `username`, `password` and `auth_database`, the database that the user was made in".to_owned(),
            Self::Nobody { .. } => "give `username` and `password`".to_owned(),
            Self::Lacks { user, database, roles, .. } => {
                let grants: Vec<String> = roles.iter().map(|role| format!("{{ role: \"{role}\", db: \"admin\" }}")).collect();
                format!("grant it: db.getSiblingDB(\"{database}\").grantRolesToUser(\"{user}\", [{}])", grants.join(", "))
            }
            Self::Sharded { .. } => "a sharded cluster is not backed up here; name a replica set or one server".to_owned(),
            Self::Old { .. } => format!("bring it to {} or later", Version::OLDEST),
            Self::Standalone { .. } => {
                "make it a replica set of one (`replication.replSetName`, then `rs.initiate()`), or leave out the oplog".to_owned()
            }
            Self::Refused { .. } | Self::Documents { .. } | Self::Indexes { .. } => "see the server's log".to_owned(),
            Self::Archive(_) => "take another copy of the backup, or an older one".to_owned(),
            Self::Features { wants, .. } => format!("restore to a server of MongoDB {wants}"),
            Self::Holds { .. } => "restore with `--replace` to drop it first, or a part of it under another name with `--as`".to_owned(),
            Self::Count { .. } => "keep clients off the server while it is restored".to_owned(),
            Self::Entry { .. } => "restore to an instant before it, or see the server's log".to_owned(),
            Self::RanOut { .. } => "name an earlier instant, or look for the slice that is missing".to_owned(),
            Self::Scratch { .. } => "make room there".to_owned(),
            Self::RolledOver { .. } => {
                "make the oplog larger: db.adminCommand({ replSetResizeOplog: 1, minRetentionHours: 24 })".to_owned()
            }
            Self::Disturbed { .. } => "capture it again when that is over".to_owned(),
            Self::Output { .. } | Self::Interrupted => "run it again".to_owned(),
            Self::Odd { .. } => "see that it is a server of MongoDB, and not something that only speaks like one".to_owned(),
        }
    }
}
