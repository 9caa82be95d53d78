//! Writes a growing file's pages out while it grows, so that the fsync at its end finds little left to do.
//!
//! Only speed: durability is the last fsync's business. But an error is kept, because the kernel tells it once: a later fsync would
//! report success for pages that are lost.

use std::fs::File;
use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

/// Bytes between two flushes.
const STRIDE: u64 = 64 << 20;

/// Flushes one file from a thread of its own.
pub(super) struct Flusher {
    written: u64,
    due: u64,
    thread: Option<(SyncSender<()>, JoinHandle<io::Result<()>>)>,
}

impl Flusher {
    /// Nothing is flushed before the first stride.
    pub(super) fn new() -> Self {
        Self { written: 0, due: STRIDE, thread: None }
    }

    /// Notes what was written; starts a flush when one is due and none is under way.
    pub(super) fn wrote(&mut self, file: &File, bytes: usize) {
        self.written += bytes as u64;
        if self.written < self.due {
            return;
        }
        self.due = self.written + STRIDE;
        if self.thread.is_none() {
            // A system that gives no second handle or no thread has only a longer fsync at the end.
            self.thread = file.try_clone().ok().and_then(start);
        }
        if let Some((wake, _)) = &self.thread {
            // Full: the last flush is still under way, and takes these pages with it or leaves them to the next.
            let _ = wake.try_send(());
        }
    }

    /// Waits for the flush under way, and says whether any failed.
    pub(super) fn finish(self) -> io::Result<()> {
        let Some((wake, thread)) = self.thread else { return Ok(()) };
        drop(wake);
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread that flushes was lost")))
    }
}

fn start(file: File) -> Option<(SyncSender<()>, JoinHandle<io::Result<()>>)> {
    let (wake, woken) = sync_channel(1);
    let work = move || woken.iter().try_for_each(|()| file.sync_data());
    let thread = thread::Builder::new().name("flush".to_owned()).spawn(work).ok()?;
    Some((wake, thread))
}
