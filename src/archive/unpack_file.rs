//! Small files, made by writer threads.
//!
//! Their folders were opened by the thread that walks the archive, so a writer only creates: exclusively, never through a link. A
//! digest that differs is found before anything is created. The first error is kept; what is queued after it is dropped.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, Condvar, Mutex};

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use super::error::{Damage, ReadError, Refusal};
use super::tar_read::Member;
use super::unpack_meta::{Conditions, Place};

/// A small file that is whole in memory.
pub(super) struct FileTask {
    pub dir: Arc<OwnedFd>,
    pub name: Vec<u8>,
    pub member: Member,
    pub data: Vec<u8>,
    pub digest: Option<[u8; 32]>,
}

const BATCH_BYTES: usize = 1 << 20;
const BATCH_TASKS: usize = 64;
const BATCH_FOLDERS: usize = 24;

/// What writers share.
#[derive(Default)]
pub(super) struct Shared {
    done: Mutex<u64>,
    moved: Condvar,
    error: Mutex<Option<ReadError>>,
    failed: AtomicBool,
}

impl Shared {
    pub(super) fn take_error(&self) -> Option<ReadError> {
        self.error.lock().ok().and_then(|mut error| error.take())
    }

    fn fail(&self, error: ReadError) {
        self.failed.store(true, Ordering::Relaxed);
        if let Ok(mut first) = self.error.lock() {
            first.get_or_insert(error);
        }
    }

    fn finish(&self) {
        if let Ok(mut done) = self.done.lock() {
            *done += 1;
            self.moved.notify_all();
        }
    }
}

/// The walking thread's end: gathers files into batches.
pub(super) struct Files<'a> {
    pub queue: SyncSender<Vec<FileTask>>,
    pub shared: &'a Shared,
    batch: Vec<FileTask>,
    bytes: usize,
    folders: usize,
    sent: u64,
}

impl<'a> Files<'a> {
    pub(super) fn new(queue: SyncSender<Vec<FileTask>>, shared: &'a Shared) -> Self {
        Self { queue, shared, batch: Vec::new(), bytes: 0, folders: 0, sent: 0 }
    }

    pub(super) fn add(&mut self, task: FileTask) -> Result<(), ReadError> {
        self.bytes += task.data.len();
        self.folders += usize::from(self.batch.last().is_none_or(|last| !Arc::ptr_eq(&last.dir, &task.dir)));
        self.batch.push(task);
        if self.bytes >= BATCH_BYTES || self.batch.len() >= BATCH_TASKS || self.folders >= BATCH_FOLDERS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), ReadError> {
        (self.bytes, self.folders) = (0, 0);
        if self.batch.is_empty() {
            return Ok(());
        }
        if self.shared.failed.load(Ordering::Relaxed) {
            return Err(ReadError::Pipeline);
        }
        self.sent += 1;
        self.queue.send(std::mem::take(&mut self.batch)).map_err(|_| ReadError::Pipeline)
    }

    /// Returns when all files so far are there.
    pub(super) fn wait(&mut self) -> Result<(), ReadError> {
        self.flush()?;
        let done = self.shared.done.lock().map_err(|_| ReadError::Pipeline)?;
        let done = self.shared.moved.wait_while(done, |done| *done < self.sent).map_err(|_| ReadError::Pipeline)?;
        drop(done);
        if self.shared.failed.load(Ordering::Relaxed) { Err(ReadError::Pipeline) } else { Ok(()) }
    }
}

/// Makes files until there are no more.
pub(super) fn write_files(queue: &Mutex<Receiver<Vec<FileTask>>>, shared: &Shared, conditions: &Conditions) {
    loop {
        let batch = match queue.lock() {
            Ok(queue) => queue.recv(),
            Err(_) => return,
        };
        let Ok(batch) = batch else { return };
        if !shared.failed.load(Ordering::Relaxed)
            && let Err(error) = batch.iter().try_for_each(|task| write_file(task, conditions))
        {
            shared.fail(error);
        }
        shared.finish();
    }
}

fn write_file(task: &FileTask, conditions: &Conditions) -> Result<(), ReadError> {
    let member = &task.member;
    if let Some(digest) = task.digest {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&member.lead).update(&task.data);
        if hasher.finalize() != digest {
            return Err(Damage::Digest { path: member.path.as_slice().into() }.into());
        }
    }
    let mut file = create(&task.dir, &task.name, member)?;
    let failed = |source| ReadError::Write { path: member.path.as_slice().into(), source };
    match &member.sparse {
        None => file.write_all(&task.data).map_err(failed)?,
        Some(map) => {
            file.set_len(map.size).map_err(failed)?;
            let mut at = 0;
            for &(offset, length) in &map.segments {
                let end = at + usize::try_from(length).unwrap_or(usize::MAX);
                file.write_all_at(&task.data[at..end], offset).map_err(failed)?;
                at = end;
            }
        }
    }
    conditions.apply(Place::Open(file.as_fd()), member, Some(member.mode & 0o777), false)
}

/// Creates a file that was not there.
pub(super) fn create(dir: &OwnedFd, name: &[u8], member: &Member) -> Result<File, ReadError> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(dir, name, flags, Mode::from_raw_mode(member.mode & 0o777)) {
        Ok(file) => Ok(File::from(file)),
        Err(errno) => Err(not_made(member, errno)),
    }
}

/// What a failed creation means.
pub(super) fn not_made(member: &Member, errno: Errno) -> ReadError {
    let path = member.path.as_slice().into();
    match errno {
        Errno::EXIST => ReadError::Refused { path, why: Refusal::Duplicate },
        Errno::NAMETOOLONG => ReadError::Refused { path, why: Refusal::Name },
        errno => ReadError::Write { path, source: errno.into() },
    }
}
