//! An archive of mongodump back into a server: ours, or its own.
//!
//! Collections with their options, documents, views, the archive's own oplog, indexes, users and roles, in this order; the indexes wait
//! because a dump taken in motion may hold what a unique one refuses until the oplog has settled it. Nothing is written before the server
//! and what is in it have been looked at.
//!
//! Refused: a server with older features, a target that holds data unless it is to be replaced, any document or index that the server
//! does not take, an archive that ends too early. What was written before that stays: such a server holds no restored state. Never
//! touched are `local`, `config` and `admin.system.version`; users and roles only with the whole.

use std::io::Read;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use super::client::Client;
use super::error::MongoError;
use super::indexes::Indexes;
use super::load_data::Loader;
use super::load_target::Aim;
use super::load_users;
use super::position::Position;
use super::probe::look;
use super::replay::{Open, Replayer};
use super::rights::Need;
use super::scope::{Scope, Selection};
use super::state::count;
use crate::archive::mongodump::{ArchiveError, Reader};
use crate::source::Watch;

/// What is to be done with an archive.
#[derive(Debug, Clone)]
pub struct LoadOrder {
    /// What of it is wanted.
    pub selection: Selection,
    /// Another name for the database or collection that is wanted.
    pub rename: Option<String>,
    /// Whether what is there is dropped; of the whole also what the archive has not.
    pub replace: bool,
    /// The last entry of the archive's own oplog that counts.
    pub until: Option<Position>,
    /// What is done with that oplog.
    pub oplog: OplogUse,
    /// A folder for files without names, where entries of the oplog wait.
    pub scratch: PathBuf,
}

/// What is done with an archive's own oplog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OplogUse {
    /// It is replayed, so that everything is of one instant.
    Replay,
    /// It is left: collections are of the times at which they were read.
    Leave,
}

/// What was loaded.
#[derive(Debug)]
pub struct Loaded {
    /// Collections as they are called now, and how many documents were written to each before the oplog was replayed. A time
    /// series counts by its buckets.
    pub documents: Vec<(String, u64)>,
    /// Entries of the archive's oplog that were replayed.
    pub replayed: u64,
    /// Where a replay of slices goes on.
    pub open: Open,
    /// What to know about it.
    pub warnings: Vec<String>,
}

/// Writes an archive into a server.
pub fn load(client: &Client, archive: &mut (dyn Read + Send), order: &LoadOrder, watch: &Watch<'_>) -> Result<Loaded, MongoError> {
    if order.selection == Selection::All && order.rename.is_some() {
        return Err(MongoError::Archive("a name is given to the whole of an archive, and only a part can have one".to_owned()));
    }
    let server = look(client, Need::Restore)?;
    let mut reader = Reader::open(archive).map_err(|error| unreadable(&error))?;
    let wants = reader.prelude().server_version.clone();
    check_features(client, &server.compatibility, &wants)?;
    let scope = Scope { selection: order.selection.clone(), rename: order.rename.clone() };
    let aim = Aim::of(client, &scope, reader.prelude(), order.oplog)?;
    let existing = aim.check(client, order.replace)?;

    aim.make(client, &existing, order.replace)?;
    let mut loader = Loader::new(client, &aim, &order.scratch);
    loader.run(&mut reader, watch)?;
    let (inserted, oplog) = loader.finish();
    let (mut documents, mut warnings) = (Vec::new(), Vec::new());
    if !reader.prelude().namespaces.iter().any(|namespace| namespace.db.is_empty()) {
        warnings.push("the archive has no oplog: what was written while it was taken is in it by halves".to_owned());
    }
    for (place, wanted) in &inserted {
        let (database, collection) = aim.data(*place);
        let found = count(client, database, collection)?;
        let lost = if aim.is_bounded(*place) { found > *wanted } else { found != *wanted };
        let namespace = format!("{database}.{collection}");
        if lost {
            return Err(MongoError::Count { place: client.place(), namespace, found, wanted: *wanted });
        }
        documents.push((namespace, *wanted));
    }
    aim.make_views(client)?;
    let mut indexes = Indexes::default();
    aim.list_indexes(&mut indexes);

    let mut replayer = Replayer::over_a_dump(client, server.version, order.until, scope, indexes, &order.scratch);
    oplog.drain(&order.scratch, |entry| {
        if watch.cancel.load(Ordering::Relaxed) {
            return Err(MongoError::Interrupted);
        }
        replayer.entry(entry)
    })?;
    let (replayed, open, indexes) = replayer.close()?;
    indexes.build(client)?;
    if aim.has_users() {
        load_users::merge(client)?;
    }
    Ok(Loaded { documents, replayed, open, warnings })
}

/// Data of a newer server may use what an older one misreads.
fn check_features(client: &Client, has: &str, wants: &str) -> Result<(), MongoError> {
    let first_two = |text: &str| -> Option<(u32, u32)> {
        let mut numbers = text.split('.').map(str::parse);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    };
    match (first_two(has), first_two(wants)) {
        (Some(has), Some(wants)) if has >= wants => Ok(()),
        // archives of old tools do not say
        (_, None) if wants.is_empty() => Ok(()),
        _ => Err(MongoError::Features { place: client.place(), has: has.to_owned(), wants: wants.to_owned() }),
    }
}

pub(super) fn unreadable(error: &ArchiveError) -> MongoError {
    MongoError::Archive(error.to_string())
}
