//! Entries of the oplog into a server, one after the other, up to a position.
//!
//! Documents go in batches through `applyOps`; every command ends a batch and runs by itself, mostly as the command that it was, because
//! `applyOps` leaves some undone and says that all is well. What a transaction did waits until it is committed; what is not committed at the
//! last position is not done at all. Validators are passed by.
//!
//! Refused, naming the entry: operations and commands that are not known, changes of `admin.system.version`, whatever the server does
//! not take. `local`, `config` and what says nothing are passed over.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bson::raw::{RawArrayBuf, RawBsonRef, RawDocument, RawDocumentBuf, cstr};
use bson::{Bson, doc};

use super::client::Client;
use super::error::MongoError;
use super::indexes::Indexes;
use super::load_target::{GONE, find, perform};
use super::load_users::{ROLES, USERS};
use super::position::Position;
use super::quiet::Quiet;
use super::replay_transactions::{Key, Transactions};
use super::scope::{Scope, Selection};
use super::server::{Version, version};

/// Most operations of a batch.
const OPERATIONS: usize = 1000;
/// Most bytes of a batch, but for its last operation.
const BYTES: usize = 8 << 20;

/// The last version whose `applyOps` takes several operations as one unless it is told not to.
const LAST_ATOMIC: Version = Version { major: 6, minor: 1, patch: u32::MAX };

/// Where a replay goes on: the last entry that was seen, and transactions that were open there.
#[derive(Default)]
pub struct Open {
    last: Option<Position>,
    transactions: Transactions,
}

impl Open {
    /// The last entry that was seen.
    pub fn last(&self) -> Option<Position> {
        self.last
    }
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Open(after {:?}, {} transactions)", self.last, self.transactions.len())
    }
}

/// What was replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// Entries that were seen up to the position.
    pub entries: u64,
    /// The last of them.
    pub last: Option<Position>,
    /// Transactions that were not committed by then, and so were not done.
    pub undone: usize,
    /// What to know about it.
    pub warnings: Vec<String>,
}

/// Replays entries.
pub struct Replayer<'c> {
    pub(super) client: &'c Client,
    pub(super) scope: Scope,
    /// Indexes that wait for the end; only over a dump that was taken in motion.
    pub(super) deferred: Option<Indexes>,
    /// Collections of users and roles that are known to be there.
    pub(super) waiting: Vec<&'static str>,
    until: Option<Position>,
    /// Whether an entry at the position or beyond it was seen.
    reached: bool,
    open: Open,
    entries: u64,
    /// The entry that is being replayed.
    at: Position,
    batch: RawArrayBuf,
    operations: usize,
    bytes: usize,
    /// The collections of the batch; only over a dump.
    namespaces: BTreeSet<(String, String)>,
    /// The first entry of the batch.
    from: Position,
    is_atomic: bool,
    scratch: PathBuf,
    /// Held for its end.
    quiet: Option<Quiet<'c>>,
    warnings: Vec<String>,
}

impl<'c> Replayer<'c> {
    /// Replays what comes after `since`, up to `until`, that one included. The folder takes files without names, for large transactions.
    pub fn new(client: &'c Client, until: Option<Position>, since: Open, scratch: &Path) -> Result<Self, MongoError> {
        let seen = client.ask("admin", doc! { "buildInfo": 1 })?;
        let odd = || MongoError::Odd { place: client.place(), command: "buildInfo".to_owned(), message: "names no version".to_owned() };
        let version = version(&seen).ok_or_else(odd)?;
        let (quiet, warning) = Quiet::new(client);
        let mut replayer = Self::with(client, version, until, Scope::everything(), None, scratch);
        replayer.open = since;
        replayer.quiet = Some(quiet);
        replayer.warnings.extend(warning);
        Ok(replayer)
    }

    /// Replays over a dump that was taken while the entries were written.
    pub(super) fn over_a_dump(
        client: &'c Client,
        version: Version,
        until: Option<Position>,
        scope: Scope,
        indexes: Indexes,
        scratch: &Path,
    ) -> Self {
        Self::with(client, version, until, scope, Some(indexes), scratch)
    }

    fn with(
        client: &'c Client,
        version: Version,
        until: Option<Position>,
        scope: Scope,
        deferred: Option<Indexes>,
        scratch: &Path,
    ) -> Self {
        let nowhere = Position { seconds: 0, ordinal: 0 };
        Self {
            client,
            scope,
            deferred,
            waiting: Vec::new(),
            until,
            reached: false,
            open: Open::default(),
            entries: 0,
            at: nowhere,
            batch: RawArrayBuf::new(),
            operations: 0,
            bytes: 0,
            namespaces: BTreeSet::new(),
            from: nowhere,
            is_atomic: version <= LAST_ATOMIC,
            scratch: scratch.to_owned(),
            quiet: None,
            warnings: Vec::new(),
        }
    }

    /// The next entry, whole. One that was seen before, or that is beyond the position, changes nothing.
    pub fn entry(&mut self, entry: &RawDocument) -> Result<(), MongoError> {
        let Ok(at) = entry.get_timestamp("ts") else { return Err(self.wrong("the entry after it has no `ts`")) };
        let at = Position::from(at);
        if self.open.last.is_some_and(|last| at <= last) {
            self.reached |= self.until.is_some_and(|until| at >= until);
            return Ok(());
        }
        if let Some(until) = self.until {
            self.reached |= at >= until;
            if at > until {
                return Ok(());
            }
        }
        self.at = at;
        match entry.get_str("op") {
            Ok("n") => {}
            Ok("c") => self.whole_command(entry)?,
            _ => self.operation(entry)?,
        }
        self.open.last = Some(at);
        self.entries += 1;
        Ok(())
    }

    /// Ends a replay that must have seen its position.
    pub fn finish(mut self) -> Result<Replayed, MongoError> {
        self.flush()?;
        if let (Some(until), false) = (self.until, self.reached) {
            let last = self.open.last.map_or("its beginning".to_owned(), |last| last.to_string());
            return Err(MongoError::RanOut { last, until: until.to_string() });
        }
        drop(self.quiet.take());
        let undone = self.open.transactions.len();
        Ok(Replayed { entries: self.entries, last: self.open.last, undone, warnings: self.warnings })
    }

    /// Ends a replay that another one goes on with.
    pub(super) fn close(mut self) -> Result<(u64, Open, Indexes), MongoError> {
        self.flush()?;
        Ok((self.entries, self.open, self.deferred.unwrap_or_default()))
    }

    pub(super) fn wrong(&self, why: &str) -> MongoError {
        MongoError::Entry { place: self.client.place(), at: self.at.to_string(), why: why.to_owned() }
    }

    /// What the server said of the entry.
    pub(super) fn refused(&self, error: MongoError) -> MongoError {
        match error {
            MongoError::Refused { .. } | MongoError::Indexes { .. } => self.wrong(&error.to_string()),
            other => other,
        }
    }

    /// A command with all that its entry says of it.
    fn whole_command(&mut self, entry: &RawDocument) -> Result<(), MongoError> {
        let command = entry.get_document("o").map_err(|_| self.wrong("it has no `o`"))?;
        let name = self.name_of(command)?;
        match name.as_str() {
            "applyOps" => {
                let key = Transactions::key(entry);
                if let Some(key) = &key {
                    self.open.transactions.begin(key);
                }
                let operations = command.get_array("applyOps").map_err(|_| self.wrong("its `applyOps` is no list"))?;
                for operation in operations {
                    let Ok(RawBsonRef::Document(operation)) = operation else {
                        return Err(self.wrong("its `applyOps` holds no operations"));
                    };
                    match &key {
                        Some(key) => self.open.transactions.push(key, operation, &self.scratch)?,
                        None => self.operation(operation)?,
                    }
                }
                let is = |name: &str| command.get_bool(name).unwrap_or_default();
                match key {
                    Some(key) if !is("partialTxn") && !is("prepare") => self.commit(&key),
                    _ => Ok(()),
                }
            }
            "commitTransaction" => match Transactions::key(entry) {
                Some(key) => self.commit(&key),
                None => Err(self.wrong("it commits a transaction and does not say which")),
            },
            "abortTransaction" => {
                if let Some(key) = Transactions::key(entry) {
                    self.open.transactions.take(&key);
                }
                Ok(())
            }
            _ => self.operation(entry),
        }
    }

    fn commit(&mut self, key: &Key) -> Result<(), MongoError> {
        let Some(done) = self.open.transactions.take(key) else {
            return Err(self.wrong("it commits a transaction that began before what is replayed"));
        };
        let scratch = self.scratch.clone();
        done.drain(&scratch, |operation| self.operation(operation))
    }

    /// The name of a command, which is its first field.
    pub(super) fn name_of(&self, command: &RawDocument) -> Result<String, MongoError> {
        match command.iter().next() {
            Some(Ok((name, _))) => Ok(name.as_str().to_owned()),
            _ => Err(self.wrong("its command is empty")),
        }
    }

    /// One operation, of an entry or of a transaction.
    fn operation(&mut self, operation: &RawDocument) -> Result<(), MongoError> {
        let kind = operation.get_str("op").map_err(|_| self.wrong("it has no `op`"))?;
        if kind == "n" {
            return Ok(());
        }
        let namespace = operation.get_str("ns").map_err(|_| self.wrong("it has no `ns`"))?;
        let Some((database, collection)) = namespace.split_once('.') else { return Err(self.wrong("its `ns` is no namespace")) };
        match kind {
            "i" | "u" | "d" => self.write(operation, kind, database, collection),
            "c" => {
                let command = operation.get_document("o").map_err(|_| self.wrong("it has no `o`"))?;
                self.command(database, command)
            }
            other => Err(self.wrong(&format!("its operation `{other}` is not known here"))),
        }
    }

    fn write(&mut self, operation: &RawDocument, kind: &str, database: &str, collection: &str) -> Result<(), MongoError> {
        if database == "admin" && matches!(collection, "system.version" | "system.keys") {
            let o = operation.get_document("o").map_err(|_| self.wrong("it has no `o`"))?;
            let id = o.get_str("_id").unwrap_or_default();
            // the form of users, written with the first of them; keys are the server's own
            if collection == "system.keys" || id == "authSchema" {
                return Ok(());
            }
            return Err(self.wrong("it changes `admin.system.version`, which a restore does not"));
        }
        let is_of_users = database == "admin" && matches!(collection, "system.users" | "system.roles");
        if is_of_users && self.scope.selection != Selection::All {
            return Ok(());
        }
        let Some((database, collection)) = self.scope.namespace(database, collection) else { return Ok(()) };
        if collection == "system.views" {
            return self.view(operation, kind, &database);
        }
        let mut name = collection.as_str();
        if is_of_users && self.deferred.is_some() {
            let waiting = if name == "system.users" { USERS } else { ROLES };
            self.make_waiting(waiting)?;
            name = waiting;
        }
        let namespace = format!("{database}.{name}");
        self.push(operation, kind, &namespace)?;
        if self.deferred.is_some() {
            self.namespaces.insert((database.clone(), name.to_owned()));
        }
        Ok(())
    }

    /// Puts an operation into the batch, under a namespace.
    pub(super) fn push(&mut self, operation: &RawDocument, kind: &str, namespace: &str) -> Result<(), MongoError> {
        let mut kept = RawDocumentBuf::new();
        kept.append(cstr!("op"), kind);
        kept.append(cstr!("ns"), namespace);
        for name in [cstr!("o"), cstr!("o2"), cstr!("b")] {
            match operation.get(name) {
                Ok(Some(value)) => kept.append(name, value),
                Ok(None) => {}
                Err(_) => return Err(self.wrong("it cannot be read")),
            }
        }
        let length = kept.as_bytes().len();
        if self.operations >= OPERATIONS || self.operations > 0 && self.bytes + length > BYTES {
            self.flush()?;
        }
        if self.operations == 0 {
            self.from = self.at;
        }
        self.batch.push(kept);
        self.operations += 1;
        self.bytes += length;
        Ok(())
    }

    /// Does what is in the batch.
    pub(super) fn flush(&mut self) -> Result<(), MongoError> {
        if self.operations == 0 {
            return Ok(());
        }
        let mut command = RawDocumentBuf::new();
        command.append(cstr!("applyOps"), std::mem::take(&mut self.batch));
        if self.is_atomic {
            command.append(cstr!("allowAtomic"), false);
        }
        // over a dump in motion a document may be gone already, and what then is made of a change goes with its own end
        if self.deferred.is_none() {
            command.append(cstr!("alwaysUpsert"), false);
        }
        command.append(cstr!("bypassDocumentValidation"), true);
        let wanted = std::mem::take(&mut self.operations);
        self.bytes = 0;
        let at = if self.from == self.at { self.at.to_string() } else { format!("{} to {}", self.from, self.at) };
        let failed = |why: String| MongoError::Entry { place: self.client.place(), at: at.clone(), why };
        let again = self.deferred.is_some().then(|| command.clone());
        let mut answer = self.client.perform("admin", command);
        if let (Some(again), Err(MongoError::Refused { code: Some(GONE), .. })) = (again, &answer) {
            // the dump came by after the collection was dropped, which is still to be replayed
            for (database, collection) in &self.namespaces {
                if find(self.client, database, collection)?.is_none() {
                    perform(self.client, database, &doc! { "create": collection }).map_err(|error| failed(error.to_string()))?;
                }
            }
            // what was done of it already comes to the same again
            answer = self.client.perform("admin", again);
        }
        self.namespaces.clear();
        let answer = answer.map_err(|error| match error {
            MongoError::Refused { .. } => failed(error.to_string()),
            other => other,
        })?;
        let results = answer.get_array("results").map(Vec::as_slice).unwrap_or_default();
        let done = results.iter().filter(|result| **result == Bson::Boolean(true)).count();
        if done == wanted && results.len() == wanted { Ok(()) } else { Err(failed(format!("{done} of {wanted} operations were done"))) }
    }
}
