//! Collections out of a server, several at once, as bytes in blocks.
//!
//! Batches are passed on as they come, undecoded. What is on its way is bounded in bytes, so that memory does not depend on how fast the
//! other side takes it. A collection that is dropped while it is read ends there.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use bson::{Document, RawArray, RawDocumentBuf, doc};
use futures_util::StreamExt;
use mongodb::error::{Error, ErrorKind};
use mongodb::options::Hint;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::client::Client;
use super::error::MongoError;

/// Documents are asked for by number, and this is how many bytes are wanted at a time: less is slower, more costs memory only.
const BATCH: u64 = 1 << 20;
/// Bytes on their way. A batch may be 16 MiB whatever is asked for, as a document may.
const ON_THE_WAY: usize = 24 << 20;
/// Collections that are read at once: compression is slower than one of them already.
const AT_ONCE: usize = 2;
/// Documents in a batch, whatever their size.
const MOST: u64 = 100_000;
/// What a server says of a cursor whose collection was dropped.
const DROPPED: [i32; 2] = [43, 175];

/// A collection that is to be read.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// The caller's number for it.
    pub(super) place: usize,
    pub(super) database: String,
    pub(super) collection: String,
    /// Bytes of all its documents and of one on average, where they are known.
    pub(super) size: Option<(u64, u64)>,
}

/// What comes of a collection.
pub(super) enum Piece {
    /// Whole documents, one after the other.
    Documents { place: usize, bytes: Vec<u8>, count: u64, _room: OwnedSemaphorePermit },
    /// It has been read to its end.
    End { place: usize },
    /// It could not be.
    Failed(MongoError),
}

/// How large a collection is. What cannot be known is not needed.
pub(super) fn size(client: &Client, database: &str, collection: &str) -> Option<(u64, u64)> {
    let stats = client.ask(database, doc! { "collStats": collection }).ok()?;
    let number = |name: &str| {
        let value = stats.get(name)?;
        value
            .as_i64()
            .or_else(|| value.as_i32().map(i64::from))
            .or_else(|| value.as_f64().and_then(|n| format!("{n:.0}").parse().ok()))
            .and_then(|n| u64::try_from(n).ok())
    };
    Some((number("size")?, number("avgObjSize").unwrap_or(0)))
}

/// Reads collections; `take` gets what comes, and ends everything by an error.
pub(super) fn read<E: From<MongoError>>(
    client: &Client,
    mut wanted: Vec<Wanted>,
    cancel: &AtomicBool,
    mut take: impl FnMut(Piece) -> Result<(), E>,
) -> Result<(), E> {
    // the largest first: the last one alone is a short one then
    wanted.sort_by_key(|wanted| std::cmp::Reverse(wanted.size));
    let queue = Arc::new(Mutex::new(VecDeque::from(wanted)));
    let room = Arc::new(Semaphore::new(ON_THE_WAY));
    let (send, mut pieces) = mpsc::unbounded_channel();
    let mut readers = Vec::new();
    for _ in 0..AT_ONCE {
        let reader = Reader { client: client.reads(), queue: Arc::clone(&queue), room: Arc::clone(&room), send: send.clone() };
        readers.push(client.begin(reader.run()));
    }
    drop(send);
    let mut result = Ok(());
    while let Some(piece) = pieces.blocking_recv() {
        result = match piece {
            _ if cancel.load(Ordering::Relaxed) => Err(MongoError::Interrupted.into()),
            Piece::Failed(error) => Err(error.into()),
            piece => take(piece),
        };
        if result.is_err() {
            break;
        }
    }
    readers.iter().for_each(tokio::task::JoinHandle::abort);
    result
}

/// What an error of the driver means, of a command.
type Meaning = dyn Fn(&str, &Error) -> MongoError + Send + Sync;

/// What a task needs to read.
#[derive(Clone)]
pub(super) struct Reads {
    pub(super) driver: mongodb::Client,
    pub(super) meaning: Arc<Meaning>,
}

struct Reader {
    client: Reads,
    queue: Arc<Mutex<VecDeque<Wanted>>>,
    room: Arc<Semaphore>,
    send: mpsc::UnboundedSender<Piece>,
}

impl Reader {
    async fn run(self) {
        loop {
            let next = self.queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop_front();
            let Some(wanted) = next else { return };
            let last = match self.collection(&wanted).await {
                Ok(()) => Piece::End { place: wanted.place },
                Err(error) => Piece::Failed(error),
            };
            let failed = matches!(last, Piece::Failed(_));
            if self.send.send(last).is_err() || failed {
                return;
            }
        }
    }

    async fn collection(&self, wanted: &Wanted) -> Result<(), MongoError> {
        let average = wanted.size.map_or(1024, |(_, average)| average.max(64));
        let documents = u32::try_from((BATCH / average).clamp(1, MOST)).unwrap_or(1);
        let collection = self.client.driver.database(&wanted.database).collection::<RawDocumentBuf>(&wanted.collection);
        let natural = Hint::Keys(doc! { "$natural": 1 });
        let name = format!("find in {}.{}", wanted.database, wanted.collection);
        let mut cursor = match collection.find(Document::new()).hint(natural).batch_size(documents).batch().await {
            Ok(cursor) => cursor,
            Err(error) => return gone(&error).then_some(()).ok_or_else(|| (self.client.meaning)(&name, &error)),
        };
        while let Some(batch) = cursor.next().await {
            let batch = match batch {
                Ok(batch) => batch,
                Err(error) if gone(&error) => return Ok(()),
                Err(error) => return Err((self.client.meaning)(&name, &error)),
            };
            let (bytes, count) = batch.doc_slices().map_err(|error| (self.client.meaning)(&name, &error)).and_then(|array| {
                documents_of(array).ok_or_else(|| MongoError::Odd {
                    place: String::new(),
                    command: name.clone(),
                    message: "holds what is no document".to_owned(),
                })
            })?;
            drop(batch);
            if count == 0 {
                continue;
            }
            let wanted_room = u32::try_from(bytes.len().min(ON_THE_WAY)).unwrap_or(u32::MAX);
            let Ok(room) = Arc::clone(&self.room).acquire_many_owned(wanted_room).await else { return Ok(()) };
            let piece = Piece::Documents { place: wanted.place, bytes, count, _room: room };
            if self.send.send(piece).is_err() {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Whether the collection is not there any more.
fn gone(error: &Error) -> bool {
    matches!(&*error.kind, ErrorKind::Command(refusal) if DROPPED.contains(&refusal.code) && refusal.message.contains("drop"))
}

/// The documents of a batch, one after the other.
pub(super) fn documents_of(array: &RawArray) -> Option<(Vec<u8>, u64)> {
    let mut bytes = Vec::with_capacity(array.as_bytes().len());
    let mut count = 0;
    for element in array {
        bytes.extend_from_slice(element.ok()?.as_document()?.as_bytes());
        count += 1;
    }
    Some((bytes, count))
}
