//! The documents of an archive into collections: batches, taken by several threads at once.
//!
//! Memory: a batch for each thread and as many that wait. Documents of a capped collection are written in their order, by the thread that
//! reads.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};

use bson::raw::{RawDocument, RawDocumentBuf};
use bson::rawdoc;

use super::client::Client;
use super::error::MongoError;
use super::load::unreadable;
use super::load_target::{Aim, Fate};
use super::spool::Spool;
use crate::archive::mongodump::{Item, Reader};
use crate::source::Watch;

const WORKERS: usize = 4;
/// Most documents of a batch.
const DOCUMENTS: usize = 1000;
/// Most bytes of a batch, but for its last document.
const BYTES: usize = 2 << 20;
/// Most bytes of entries of the oplog in memory.
const OPLOG: usize = 64 << 20;
/// There is a document with this `_id`.
const TWICE: i32 = 11000;

struct Batch {
    place: usize,
    documents: Vec<RawDocumentBuf>,
}

/// Writes documents.
pub(super) struct Loader<'a> {
    client: &'a Client,
    aim: &'a Aim,
    scratch: &'a Path,
    /// By the place in the prelude.
    inserted: Mutex<BTreeMap<usize, u64>>,
    failure: Mutex<Option<MongoError>>,
    failed: AtomicBool,
    oplog: Spool,
}

impl<'a> Loader<'a> {
    pub(super) fn new(client: &'a Client, aim: &'a Aim, scratch: &'a Path) -> Self {
        let (inserted, failure) = (Mutex::default(), Mutex::default());
        Self { client, aim, scratch, inserted, failure, failed: AtomicBool::new(false), oplog: Spool::default() }
    }

    /// What was written to each place of the prelude, and the oplog that is to be replayed.
    pub(super) fn finish(self) -> (BTreeMap<usize, u64>, Spool) {
        (self.inserted.into_inner().unwrap_or_else(PoisonError::into_inner), self.oplog)
    }

    /// Reads the archive to its end.
    pub(super) fn run(&mut self, reader: &mut Reader<&mut (dyn Read + Send)>, watch: &Watch<'_>) -> Result<(), MongoError> {
        let mut oplog = std::mem::take(&mut self.oplog);
        let this = &*self;
        let (send, receive) = sync_channel::<Batch>(WORKERS);
        let receive = Mutex::new(receive);
        let read = std::thread::scope(|scope| {
            for _ in 0..WORKERS {
                scope.spawn(|| this.work(&receive));
            }
            this.read(reader, send, &mut oplog, watch)
        });
        self.oplog = oplog;
        // what the server said comes before what followed from it
        match self.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(error),
            None => read,
        }
    }

    fn read(
        &self,
        reader: &mut Reader<&mut (dyn Read + Send)>,
        send: SyncSender<Batch>,
        oplog: &mut Spool,
        watch: &Watch<'_>,
    ) -> Result<(), MongoError> {
        let mut batch = Batch { place: 0, documents: Vec::new() };
        let (mut bytes, mut all, mut entries) = (0, 0_u64, 0_u64);
        while let Some(item) = reader.next_item().map_err(|error| unreadable(&error))? {
            match item {
                Item::Block { place, .. } => {
                    if place != batch.place {
                        self.give(&send, std::mem::replace(&mut batch, Batch { place, documents: Vec::new() }));
                        bytes = 0;
                    }
                    if matches!(self.aim.fate(place), Fate::Made(_)) {
                        self.count(place, 0);
                    }
                }
                Item::Document(document) => {
                    (all, entries) = (all + document.len() as u64, entries + 1);
                    let wrong = |error: bson::error::Error| MongoError::Archive(error.to_string());
                    match self.aim.fate(batch.place) {
                        Fate::Left => {}
                        Fate::Oplog => {
                            oplog.push(RawDocument::from_bytes(document).map_err(wrong)?);
                            if oplog.weight() > OPLOG {
                                oplog.spill(self.scratch)?;
                            }
                        }
                        Fate::Made(_) | Fate::Waiting(_) => {
                            bytes += document.len();
                            batch.documents.push(RawDocumentBuf::from_bytes(document.to_vec()).map_err(wrong)?);
                        }
                    }
                }
                Item::Closed { .. } => {}
            }
            if batch.documents.len() >= DOCUMENTS || bytes >= BYTES {
                let place = batch.place;
                self.give(&send, std::mem::replace(&mut batch, Batch { place, documents: Vec::new() }));
                bytes = 0;
                (watch.progress)(all, entries);
            }
            if watch.cancel.load(Ordering::Relaxed) {
                return Err(MongoError::Interrupted);
            }
            if self.failed.load(Ordering::Relaxed) {
                return Ok(());
            }
        }
        self.give(&send, batch);
        (watch.progress)(all, entries);
        // without it the threads would wait for more
        drop(send);
        Ok(())
    }

    fn give(&self, send: &SyncSender<Batch>, batch: Batch) {
        if batch.documents.is_empty() {
            return;
        }
        match self.aim.fate(batch.place) {
            Fate::Made(made) if made.is_capped() => self.write_or_note(&batch),
            // the threads end after this one
            _ => drop(send.send(batch)),
        }
    }

    fn work(&self, receive: &Mutex<Receiver<Batch>>) {
        loop {
            let next = receive.lock().unwrap_or_else(PoisonError::into_inner).recv();
            match next {
                // what waits after a failure is taken and let go, so that nobody waits for room
                Ok(batch) if !self.failed.load(Ordering::Relaxed) => self.write_or_note(&batch),
                Ok(_) => {}
                Err(_) => return,
            }
        }
    }

    fn write_or_note(&self, batch: &Batch) {
        if let Err(error) = self.write(batch) {
            self.failed.store(true, Ordering::Relaxed);
            self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
    }

    fn write(&self, batch: &Batch) -> Result<(), MongoError> {
        let (database, collection) = self.aim.data(batch.place);
        let mut refused = self.client.insert(database, collection, &batch.documents)?;
        let mut written = batch.documents.len() - refused.len();
        if self.aim.settles() {
            // read twice while it changed: the later one stands until the oplog settles it
            for (place, _, _) in refused.extract_if(.., |(_, code, _)| *code == TWICE) {
                self.overwrite(database, collection, &batch.documents[place])?;
            }
        }
        if let Some((_, code, first)) = refused.first() {
            let namespace = format!("{database}.{collection}");
            let first = format!("{first} (error {code})");
            return Err(MongoError::Documents { place: self.client.place(), namespace, count: refused.len(), first });
        }
        written = written.min(batch.documents.len());
        self.count(batch.place, written as u64);
        Ok(())
    }

    fn overwrite(&self, database: &str, collection: &str, document: &RawDocumentBuf) -> Result<(), MongoError> {
        let insert = rawdoc! { "op": "i", "ns": format!("{database}.{collection}"), "o": document.clone() };
        let command = rawdoc! { "applyOps": [insert], "bypassDocumentValidation": true };
        self.client.perform("admin", command).map(drop)
    }

    fn count(&self, place: usize, documents: u64) {
        *self.inserted.lock().unwrap_or_else(PoisonError::into_inner).entry(place).or_default() += documents;
    }
}
