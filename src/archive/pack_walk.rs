//! The walk, cut into batches, and the readers that make them ready.
//!
//! A batch has its place in the queue before anybody works on it, so the order is the walker's whoever is faster. A batch is
//! bounded in bytes, members and open folders, and so are batches: that bounds memory and descriptors.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use super::entry::Kind;
use super::error::{PackError, Warning, WarningKind};
use super::pack_read::{Reader, Ready, SMALL, Task};
use super::walk::{Found, Visitor, WalkPlan, walk};

const BATCH_BYTES: u64 = 1 << 20;
const BATCH_TASKS: usize = 128;
const BATCH_FOLDERS: usize = 24;

/// A batch, made ready.
pub(super) struct Batch {
    pub members: Vec<Ready>,
    /// The tar bytes of those that are whole, one after the other.
    pub bytes: Vec<u8>,
}

/// A batch to be made ready.
pub(super) struct Order {
    tasks: Vec<Task>,
    reply: SyncSender<Result<Batch, PackError>>,
}

/// The first name of an inode, and how many names are still to come.
struct FirstName(Arc<[u8]>, u64);

/// Cuts the walk into batches.
pub(super) struct Batcher<'a> {
    pub orders: SyncSender<Order>,
    pub places: SyncSender<Receiver<Result<Batch, PackError>>>,
    pub warnings: &'a Mutex<Vec<Warning>>,
    pub cancel: &'a AtomicBool,
    tasks: Vec<Task>,
    bytes: u64,
    folders: usize,
    /// Of inodes with several names.
    links: HashMap<(u64, u64), FirstName>,
}

impl<'a> Batcher<'a> {
    pub(super) fn new(
        orders: SyncSender<Order>,
        places: SyncSender<Receiver<Result<Batch, PackError>>>,
        warnings: &'a Mutex<Vec<Warning>>,
        cancel: &'a AtomicBool,
    ) -> Self {
        Self { orders, places, warnings, cancel, tasks: Vec::new(), bytes: 0, folders: 0, links: HashMap::new() }
    }

    pub(super) fn run(mut self, plan: &WalkPlan) -> Result<(), PackError> {
        walk(plan, &mut self)?;
        self.flush()
    }

    fn flush(&mut self) -> Result<(), PackError> {
        if self.tasks.is_empty() {
            return Ok(());
        }
        let (reply, place) = sync_channel(1);
        let tasks = std::mem::take(&mut self.tasks);
        (self.bytes, self.folders) = (0, 0);
        self.places.send(place).map_err(|_| PackError::Pipeline)?;
        self.orders.send(Order { tasks, reply }).map_err(|_| PackError::Pipeline)
    }

    /// The first name of this inode, if this is a later one. Forgotten after the last.
    fn first_name(&mut self, found: &Found<'_>) -> Option<Arc<[u8]>> {
        let meta = &found.meta;
        if meta.nlink < 2 || meta.kind == Some(Kind::Directory) {
            return None;
        }
        let key = (meta.dev, meta.ino);
        let Some(FirstName(first, left)) = self.links.get_mut(&key) else {
            self.links.insert(key, FirstName(found.member.into(), meta.nlink - 1));
            return None;
        };
        let first = first.clone();
        *left = left.saturating_sub(1);
        if *left == 0 {
            self.links.remove(&key);
        }
        Some(first)
    }
}

impl Visitor for Batcher<'_> {
    fn found(&mut self, found: &Found<'_>) -> Result<(), PackError> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(PackError::Cancelled);
        }
        let first = self.first_name(found);
        let same_folder = self.tasks.last().is_some_and(|last| Arc::ptr_eq(&last.dir, found.dir));
        self.folders += usize::from(!same_folder);
        let last = found.member.rsplit(|&b| b == b'/').next().unwrap_or_default();
        let own_name = (last != found.name).then(|| found.name.to_vec());
        let meta = found.meta;
        self.bytes += 1024 + if meta.kind == Some(Kind::File) && meta.size <= SMALL { meta.size } else { 0 };
        let dir: Arc<OwnedFd> = found.dir.clone();
        self.tasks.push(Task { member: found.member.to_vec(), own_name, dir, meta, first });
        if self.bytes >= BATCH_BYTES || self.tasks.len() >= BATCH_TASKS || self.folders >= BATCH_FOLDERS { self.flush() } else { Ok(()) }
    }

    fn warn(&mut self, member: &[u8], kind: WarningKind) -> Result<(), PackError> {
        self.warnings.lock().map_err(|_| PackError::Pipeline)?.push(Warning { path: member.into(), kind });
        Ok(())
    }
}

/// Makes batches ready until there are no more.
pub(super) fn read_batches(plan: &WalkPlan, orders: &Mutex<Receiver<Order>>, spare: &Mutex<Receiver<Vec<u8>>>) {
    let mut reader = Reader::new(plan);
    loop {
        let order = match orders.lock() {
            Ok(orders) => orders.recv(),
            Err(_) => return,
        };
        let Ok(Order { tasks, reply }) = order else { return };
        let mut bytes = spare.lock().ok().and_then(|spare| spare.try_recv().ok()).unwrap_or_default();
        bytes.clear();
        let members: Result<Vec<Ready>, PackError> = tasks.into_iter().map(|task| reader.ready(task, &mut bytes)).collect();
        // Nobody waits for it when the work was given up.
        let _ = reply.send(members.map(|members| Batch { members, bytes }));
    }
}

/// Buffers to use again.
pub(super) type Spare = Sender<Vec<u8>>;
