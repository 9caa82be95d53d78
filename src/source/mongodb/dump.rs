//! A full capture: everything that a server has, as an archive of mongodump.
//!
//! Collections are read one after the other while others write, so that what was read is of no instant; the oplog over all of that time
//! goes into the archive too, and whoever restores it does it again. It begins where the oldest open transaction began. What cannot be
//! done again over what was read (a renaming, a change of the feature compatibility version) makes the capture fail with the entry
//! named; the caller may try again. So does an oplog that has lost its beginning by the end, and an election meanwhile.
//!
//! A standalone has no oplog, and a selection is dumped without: their dumps say so.

use std::io::{self, Write};

use bson::{RawDocumentBuf, doc};
use futures_util::StreamExt;

use super::anchor::{Anchor, position};
use super::catalog::{Collection, CollectionKind, catalog};
use super::client::Client;
use super::error::MongoError;
use super::inventory::{Counted, INVENTORY_VERSION, Inventory, Span};
use super::oplog::{self, LOCAL, OPLOG, forbidden};
use super::probe::look;
use super::reading::{self, Piece, Wanted};
use super::rights::Need;
use super::scope::Selection;
use super::server::{Kind, OpTime, Server};
use crate::archive::mongodump::{Kind as ArchiveKind, Namespace, Prelude, Tally, Writer};
use crate::source::port::Watch;

/// Under which the oplog stands in an archive: no database, this collection.
const IN_ARCHIVE: &str = "oplog";
/// How often the newest entry is asked for before it is said that it does not appear.
const TRIES: usize = 100;

/// What was dumped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dumped {
    /// What is in the archive.
    pub inventory: Inventory,
    /// The entry that the archive's oplog begins with, and the one that it ends with.
    pub oplog: Option<(Anchor, Anchor)>,
    /// Bytes of all documents.
    pub bytes: u64,
}

/// Writes what is wanted as an archive; nothing said is everything.
pub fn dump(client: &Client, wanted: &[Selection], out: &mut (dyn Write + Send), watch: &Watch<'_>) -> Result<Dumped, MongoError> {
    let server = look(client, Need::Full)?;
    let everything = wanted.iter().all(|wanted| *wanted == Selection::All);
    let majority = match &server.kind {
        Kind::Member(member) if everything => Some(member.majority),
        Kind::Member(_) | Kind::Standalone => None,
    };
    let start = match majority {
        Some(majority) => Some((reaching(client, oplog::start(client, majority)?)?, majority)),
        None => None,
    };
    let mut collections = catalog(client)?;
    if !everything {
        collections.retain(|collection| wanted.iter().any(|wanted| has(wanted, collection)));
        missing(client, wanted, &collections)?;
    }
    let prelude = prelude(&server, &collections, start.is_some());
    let mut writer = Writer::new(out, &prelude).map_err(|error| unwritten(&error))?;
    let mut seen = (0, 0);
    let mut tell = |bytes: u64, count: u64| {
        seen = (seen.0 + bytes, seen.1 + count);
        (watch.progress)(seen.0, seen.1);
    };
    let reads = reads(client, &collections);
    for view in collections.iter().filter(|collection| collection.data().is_none()) {
        writer.close(&view.database, &view.name).map_err(|error| unwritten(&error))?;
    }
    reading::read(client, reads, watch.cancel, |piece| {
        let data = |place: usize| (&collections[place].database, collections[place].data().unwrap_or_default());
        match piece {
            Piece::Documents { place, bytes, count, .. } => {
                let (database, collection) = data(place);
                writer.write(database, &collection, &bytes).map_err(|error| unwritten(&error))?;
                tell(bytes.len() as u64, count);
            }
            Piece::End { place } => {
                let (database, collection) = data(place);
                writer.close(database, &collection).map_err(|error| unwritten(&error))?;
            }
            Piece::Failed(error) => return Err(error),
        }
        Ok(())
    })?;
    let oplog = match start {
        None => None,
        Some((start, majority)) => {
            let copied = copy(client, start, start == majority, &mut writer, watch, &mut tell)?;
            reaching(client, start)?;
            writer.close("", IN_ARCHIVE).map_err(|error| unwritten(&error))?;
            Some(copied)
        }
    };
    let tallies: Vec<Tally> = writer.tallies().cloned().collect();
    writer.finish().map_err(|error| unwritten(&error))?;
    Ok(dumped(&server, &collections, &tallies, oplog, !everything, seen.0))
}

fn has(wanted: &Selection, collection: &Collection) -> bool {
    match wanted {
        Selection::All => true,
        Selection::Database(database) => collection.database == *database,
        Selection::Collection(database, name) => collection.database == *database && collection.name == *name,
    }
}

/// Refuses what is wanted and is not there: an empty artifact would look like a good one.
fn missing(client: &Client, wanted: &[Selection], found: &[Collection]) -> Result<(), MongoError> {
    let absent = wanted.iter().filter(|wanted| !found.iter().any(|there| has(wanted, there)));
    let absent: Vec<String> = absent.map(|absent| format!("`{absent}`")).collect();
    if absent.is_empty() {
        return Ok(());
    }
    let message = format!("it has no {}", absent.join(", "));
    Err(MongoError::Unusable { place: client.place(), message, help: "name what is there, or leave the selection out".to_owned() })
}

fn prelude(server: &Server, collections: &[Collection], oplog: bool) -> Prelude {
    let namespace = |collection: &Collection| Namespace {
        db: collection.database.clone(),
        collection: collection.name.clone(),
        metadata: collection.metadata.clone(),
        kind: match collection.kind {
            CollectionKind::Plain => ArchiveKind::Collection,
            CollectionKind::View => ArchiveKind::View,
            CollectionKind::TimeSeries => ArchiveKind::TimeSeries,
        },
    };
    let log = Namespace { db: String::new(), collection: IN_ARCHIVE.to_owned(), metadata: String::new(), kind: ArchiveKind::Collection };
    Prelude {
        concurrent_collections: 2,
        server_version: server.version.to_string(),
        tool_version: concat!("lucid-policy ", env!("CARGO_PKG_VERSION")).to_owned(),
        namespaces: collections.iter().map(namespace).chain(oplog.then_some(log)).collect(),
    }
}

fn reads(client: &Client, collections: &[Collection]) -> Vec<Wanted> {
    let wanted = |(place, collection): (usize, &Collection)| {
        let data = collection.data()?;
        let size = reading::size(client, &collection.database, &data);
        Some(Wanted { place, database: collection.database.clone(), collection: data, size })
    };
    collections.iter().enumerate().filter_map(wanted).collect()
}

/// The start, if the oplog still reaches back to it.
fn reaching(client: &Client, start: OpTime) -> Result<OpTime, MongoError> {
    let oldest = oplog::oldest(client)?;
    if oldest <= start { Ok(start) } else { Err(MongoError::RolledOver { place: client.place(), wanted: start, oldest }) }
}

/// Copies the oplog from its start to what is its newest entry now. `done`: what the first entry says was there before anything was read.
fn copy<W: Write>(
    client: &Client,
    start: OpTime,
    done: bool,
    writer: &mut Writer<W>,
    watch: &Watch<'_>,
    tell: &mut dyn FnMut(u64, u64),
) -> Result<(Anchor, Anchor, u64), MongoError> {
    let end = oplog::newest(client)?;
    if end.term != start.term {
        return Err(MongoError::Disturbed {
            place: client.place(),
            what: "an election, which may have taken writes back".to_owned(),
            at: end,
        });
    }
    let (mut first, mut last, mut entries) = (None, None, 0);
    let mut from = start;
    for _ in 0..TRIES {
        // what was written before the newest entry may appear after it; a cursor never goes past such a hole
        entries_between(client, from, end, watch, |documents| {
            let mut bytes = Vec::with_capacity(documents.iter().map(|entry| entry.as_bytes().len()).sum());
            let so_far = entries;
            for entry in documents {
                let odd = || oplog::odd(client, "gives an entry of the oplog without a position");
                let at = position(entry).ok_or_else(odd)?;
                if last.is_some_and(|last: Anchor| at <= last.at) {
                    continue;
                }
                let anchor = Anchor::of(entry).ok_or_else(odd)?;
                let before = done && first.is_none();
                first.get_or_insert(anchor);
                last = Some(anchor);
                match forbidden(entry) {
                    Some(_) if before => continue,
                    Some(what) => return Err(MongoError::Disturbed { place: client.place(), what, at }),
                    None => {}
                }
                bytes.extend_from_slice(entry.as_bytes());
                entries += 1;
            }
            if entries > so_far {
                writer.write("", IN_ARCHIVE, &bytes).map_err(|error| unwritten(&error))?;
                tell(bytes.len() as u64, entries - so_far);
            }
            Ok(())
        })?;
        match (first, last) {
            (Some(first), Some(_)) if (first.at.seconds, first.at.ordinal) != (start.seconds, start.ordinal) => {
                return Err(MongoError::RolledOver { place: client.place(), wanted: start, oldest: first.at });
            }
            (Some(first), Some(last)) if last.at >= end => return Ok((first, last, entries)),
            (_, Some(last)) => from = last.at,
            _ => {}
        }
    }
    Err(oplog::odd(client, "does not give the newest entry of the oplog"))
}

/// Reads entries in order, from one to another, both of them too.
pub(super) fn entries_between(
    client: &Client,
    from: OpTime,
    to: OpTime,
    watch: &Watch<'_>,
    mut take: impl FnMut(&[&bson::RawDocument]) -> Result<(), MongoError>,
) -> Result<(), MongoError> {
    let reads = client.reads();
    let filter = doc! { "ts": { "$gte": timestamp(from), "$lte": timestamp(to) } };
    let log = reads.driver.database(LOCAL).collection::<RawDocumentBuf>(OPLOG);
    let meaning = |error: mongodb::error::Error| (reads.meaning)("find in the oplog", &error);
    let mut cursor = client.wait(log.find(filter).batch_size(1000).batch()).map_err(meaning)?;
    while let Some(batch) = client.wait(cursor.next()) {
        if watch.cancel.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(MongoError::Interrupted);
        }
        let batch = batch.map_err(meaning)?;
        let array = batch.doc_slices().map_err(meaning)?;
        let documents: Option<Vec<&bson::RawDocument>> = array.into_iter().map(|element| element.ok()?.as_document()).collect();
        take(&documents.ok_or_else(|| oplog::odd(client, "holds what is no document"))?)?;
    }
    Ok(())
}

pub(super) fn timestamp(at: OpTime) -> bson::Timestamp {
    bson::Timestamp { time: at.seconds, increment: at.ordinal }
}

fn dumped(
    server: &Server,
    collections: &[Collection],
    tallies: &[Tally],
    oplog: Option<(Anchor, Anchor, u64)>,
    selected: bool,
    bytes: u64,
) -> Dumped {
    let counted = |(collection, tally): (&Collection, &Tally)| Counted {
        database: collection.database.clone(),
        name: collection.name.clone(),
        kind: collection.kind.as_str().to_owned(),
        documents: tally.documents,
        bytes: tally.bytes,
        crc: format!("{:016x}", tally.crc),
    };
    let member = match &server.kind {
        Kind::Member(member) => Some(member),
        Kind::Standalone => None,
    };
    let inventory = Inventory {
        format_version: INVENTORY_VERSION.to_owned(),
        server_version: server.version.to_string(),
        feature_compatibility: server.compatibility.clone(),
        replica_set: member.map(|member| member.set.clone()),
        member: member.map(|member| member.name.clone()),
        oplog: oplog.map(|(first, last, entries)| Span { from: first.at.to_string(), to: last.at.to_string(), entries }),
        selected,
        namespaces: collections.iter().zip(tallies).map(counted).collect(),
    };
    Dumped { inventory, oplog: oplog.map(|(first, last, _)| (first, last)), bytes }
}

/// The output's own words are its owner's to say.
fn unwritten(error: &io::Error) -> MongoError {
    MongoError::Output { why: error.to_string() }
}
