//! A folder as a store.
//!
//! An object is a file, its key the path below the root; modes are 0600 and 0700. A write is: a temporary file of a unique name in
//! the folder of the object, fsync, a rename that refuses to replace, fsync of the folder and of every folder that was made. So an
//! object is whole or absent, after a power cut too, and of two writers one is told that the name is taken.
//!
//! Opening makes nothing: folders come with the first write. Below the root no symlink is followed, neither in listing nor in
//! reading nor in deleting; what is no regular file is a stranger. A lease is `flock` on a file that holds who has it, which the
//! kernel frees when the process ends; the file stays. On a network's file system, where that lock may keep nobody out, there is none.
//!
//! It refuses a path that is not a folder, cannot be read or written, or should be a mount point and is none; the last is asked
//! again at every use, because what lies under a lost mount is another disk.

mod flusher;
mod lease;
mod root;
mod walk;
mod write;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

/// A store in a folder.
#[derive(Debug)]
pub struct Directory {
    root: PathBuf,
    place: String,
    mount: bool,
    tag: String,
    /// Number of the next temporary file.
    next: AtomicU64,
    /// Folders whose entries in their parents are known to be durable.
    settled: Mutex<BTreeSet<String>>,
}

#[cfg(test)]
mod tests;
