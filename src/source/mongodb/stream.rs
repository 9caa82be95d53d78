//! A source of the manifest as the executor sees it: its payload out of the server, and back into it.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use super::catalog::{Collection, catalog};
use super::client::Client;
use super::declared::Declared;
use super::dump::dump;
use super::error::MongoError;
use super::load::{LoadOrder, OplogUse, load};
use super::probe::look;
use super::rights::Need;
use super::scope::Selection;
use super::state;
use crate::archive::{StreamOptions, compress_from};
use crate::finding::count;
use crate::runtime::Runtime;
use crate::source::port::{Back, Captured, Fed, Output, Shape, SourceError, Stretch, Watch};

/// The file name of the payload.
const PAYLOAD: &str = "mongodb.archive.zst";
/// The file name of what is in it.
const INVENTORY: &str = "mongodb.archive.index";
/// So many names are enough for a message.
const NAMED: usize = 5;
/// Documents compress well, and the server is slower than this.
const LEVEL: i32 = 3;

/// How the payload is named and built.
pub fn shape() -> Shape {
    Shape {
        payload: PAYLOAD.to_owned(),
        index: Some(INVENTORY.to_owned()),
        codec: vec!["mongodump".to_owned(), "zstd".to_owned()],
        labels: BTreeMap::new(),
        excludes: Vec::new(),
    }
}

/// Writes everything out that the manifest selects.
pub fn capture(
    declared: Declared<'_>,
    runtime: &dyn Runtime,
    threads: usize,
    Output { payload, index }: Output<'_>,
    watch: &Watch<'_>,
) -> Result<Captured, SourceError> {
    let client = declared.open(runtime)?;
    let databases = declared.source.databases.iter().cloned().map(Selection::Database);
    let collections = declared.source.collections.iter().cloned().map(|(database, name)| Selection::Collection(database, name));
    let wanted: Vec<Selection> = databases.chain(collections).collect();
    let options = StreamOptions { threads, level: LEVEL, ..StreamOptions::default() };
    let written = compress_from(payload, options, watch.cancel, |out| dump(&client, &wanted, out, watch));
    let failed = |source| SourceError::Archive { name: declared.name.to_string(), source };
    let dumped = written.map_err(failed)?.map_err(|error| match error {
        MongoError::Interrupted => SourceError::Interrupted,
        error => declared.failed(error),
    })?;
    let inventory = &dumped.inventory;
    inventory.write(index).map_err(|error| failed(crate::archive::PackError::Index(error)))?;
    let mut warnings = Vec::new();
    if inventory.oplog.is_none() && inventory.replica_set.is_none() {
        warnings
            .push(format!("source `{}`: a standalone server has no oplog: what was written meanwhile is in it by halves", declared.name));
    }
    Ok(Captured {
        entries: inventory.documents(),
        bytes: dumped.bytes,
        warnings,
        version: Some(inventory.server_version.clone()),
        log: dumped.oplog.and_then(|(first, last)| {
            let instant = chrono::DateTime::from_timestamp(last.at.seconds.into(), 0)?;
            Some(Stretch { from: first.at.to_string(), to: last.to_string(), instant })
        }),
        ..Captured::default()
    })
}

/// Whether the server takes a payload as asked, as far as can be seen without it; gives what to know.
pub fn takes(declared: Declared<'_>, runtime: &dyn Runtime, back: &Back) -> Result<Vec<String>, SourceError> {
    let client = declared.open(runtime)?;
    let held = held(&client, back).map_err(|error| declared.failed(error))?;
    match held.split_first() {
        None => Ok(Vec::new()),
        Some((first, _)) if back.replace => {
            Ok(vec![format!("{} of the server, `{first}` among them, are dropped first", count(held.len(), "collection"))])
        }
        Some(_) => {
            let named: Vec<String> = held.iter().take(NAMED).map(|name| format!("`{name}`")).collect();
            let more = held.len().saturating_sub(NAMED);
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            Err(declared.failed(MongoError::Holds { place: client.place(), namespaces: named.join(", ") + &more }))
        }
    }
}

/// What the server has where something is to go, and that is not empty.
fn held(client: &Client, back: &Back) -> Result<Vec<String>, MongoError> {
    look(client, Need::Restore)?;
    let (selection, aside) = (selection(back), back.aside.as_ref());
    let wanted = |collection: &Collection| match &selection {
        Selection::All => !matches!(collection.database.as_str(), "admin" | "config"),
        Selection::Database(own) => collection.database == *aside.unwrap_or(own),
        Selection::Collection(database, own) => collection.database == *database && collection.name == *aside.unwrap_or(own),
    };
    let mut held = Vec::new();
    for collection in catalog(client)?.iter().filter(|collection| wanted(collection)) {
        let holds = match collection.data() {
            None => true,
            Some(data) => state::count(client, &collection.database, &data)? > 0,
        };
        if holds {
            held.push(format!("{}.{}", collection.database, collection.name));
        }
    }
    Ok(held)
}

/// Puts a payload back.
pub fn feed(
    declared: Declared<'_>,
    runtime: &dyn Runtime,
    back: &Back,
    scratch: &Path,
    payload: &mut (dyn Read + Send),
    watch: &Watch<'_>,
) -> Result<Fed, SourceError> {
    let client = declared.open(runtime)?;
    let loaded = load(&client, payload, &order(back, scratch), watch).map_err(|error| match error {
        MongoError::Interrupted => SourceError::Interrupted,
        error => declared.failed(error),
    })?;
    Ok(Fed { entries: Some(loaded.documents.iter().map(|(_, count)| count).sum()), warnings: loaded.warnings })
}

fn selection(back: &Back) -> Selection {
    match back.only.as_deref().map(|only| only.split_once('.').ok_or(only)) {
        None => Selection::All,
        Some(Ok((database, collection))) => Selection::Collection(database.to_owned(), collection.to_owned()),
        Some(Err(database)) => Selection::Database(database.to_owned()),
    }
}

fn order(back: &Back, scratch: &Path) -> LoadOrder {
    let (rename, scratch) = (back.aside.clone(), scratch.to_owned());
    LoadOrder { selection: selection(back), rename, replace: back.replace, until: None, oplog: OplogUse::Replay, scratch }
}

impl Declared<'_> {
    /// A connection.
    fn open(&self, runtime: &dyn Runtime) -> Result<Client, SourceError> {
        let engine = match self.source.container() {
            None => None,
            Some(_) => Some(runtime.picture().map_err(|error| SourceError::Unusable(format!("source `{}`: {error}", self.name)))?),
        };
        Client::open(&self.target(engine.as_ref())?).map_err(|error| self.failed(error))
    }
}
