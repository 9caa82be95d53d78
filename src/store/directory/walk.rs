//! One walk over a folder, by two threads.
//!
//! A catalogue of 100,000 artifacts is 300,000 files, and a plan waits for it. Folders are entered relative to their parents, so no
//! path is resolved twice; big folders are cut into parts that either thread takes; each sorts what it found, and one merge joins
//! the two. What vanishes while we look was not there. A folder that cannot be read is named, and the walk goes on.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use chrono::DateTime;
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, RawDir, Stat};
use rustix::io::Errno;

use crate::store::layout::TEMP_PREFIX;
use crate::store::port::{Object, Reach, Survey};

/// Names of one part of a big folder.
const PART: usize = 512;
/// Folders below a store's root that are still entered; ours are at most six deep.
const DEPTH: usize = 32;
/// Bytes of directory entries read at once.
const BUFFER: usize = 64 * 1024;

/// Looks below an open folder.
pub(super) fn survey(folder: OwnedFd, prefix: &str, reach: Reach) -> Result<Survey, Errno> {
    let queue = Queue::default();
    let mut first = Walker { reach, queue: &queue, found: Survey::default(), buffer: Vec::with_capacity(BUFFER) };
    first.folder(&Arc::new(folder), prefix)?;
    let Walker { mut found, .. } = first;
    if !queue.is_empty() {
        let work = || {
            let mut walker = Walker { reach, queue: &queue, found: Survey::default(), buffer: Vec::with_capacity(BUFFER) };
            while let Some(part) = queue.take() {
                walker.part(&part);
                queue.done();
            }
            walker.found.objects.sort_unstable_by(|a, b| a.key.cmp(&b.key));
            walker.found
        };
        let parts = std::thread::scope(|scope| {
            let helper = scope.spawn(work);
            let mine = work();
            [Some(mine), helper.join().ok()]
        });
        for part in parts {
            // a walker that panicked leaves an unknown rest
            let mut part = part.ok_or(Errno::IO)?;
            found.objects.append(&mut part.objects);
            found.leftovers.append(&mut part.leftovers);
            found.strangers.append(&mut part.strangers);
            found.unread.append(&mut part.unread);
        }
    }
    found.objects.sort_by(|a, b| a.key.cmp(&b.key));
    found.leftovers.sort_by(|a, b| a.key.cmp(&b.key));
    found.folders.sort_unstable();
    found.strangers.sort_unstable();
    found.unread.sort_unstable();
    Ok(found)
}

/// Names of one kind in one folder.
struct Part {
    folder: Arc<OwnedFd>,
    prefix: Arc<str>,
    folders: bool,
    names: Vec<Box<CStr>>,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    parts: Vec<Part>,
    busy: usize,
}

impl Queue {
    fn is_empty(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).parts.is_empty()
    }

    fn put(&self, part: Part) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).parts.push(part);
        self.changed.notify_one();
    }

    /// The next part; waits while the other thread may still bring one.
    fn take(&self) -> Option<Part> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(part) = state.parts.pop() {
                state.busy += 1;
                return Some(part);
            }
            if state.busy == 0 {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn done(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).busy -= 1;
        self.changed.notify_all();
    }
}

struct Walker<'a> {
    reach: Reach,
    queue: &'a Queue,
    found: Survey,
    buffer: Vec<u8>,
}

impl Walker<'_> {
    fn part(&mut self, part: &Part) {
        for name in &part.names {
            if part.folders {
                self.enter(&part.folder, &part.prefix, name);
            } else {
                self.file(&part.folder, &part.prefix, name);
            }
        }
    }

    /// Reads one folder; big ones leave their names to whoever is free.
    fn folder(&mut self, folder: &Arc<OwnedFd>, prefix: &str) -> Result<(), Errno> {
        let (mut files, mut folders) = (Vec::new(), Vec::new());
        self.buffer.clear();
        let room: &mut [MaybeUninit<u8>] = self.buffer.spare_capacity_mut();
        let mut entries = RawDir::new(folder, room);
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Ok(entry) => entry,
                // the folder was removed while we read it
                Err(Errno::NOENT) => break,
                Err(errno) => return Err(errno),
            };
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => match fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(found) => FileType::from_raw_mode(found.st_mode),
                    Err(_) => continue,
                },
                kind => kind,
            };
            match kind {
                _ if name.to_str().is_err() => self.found.strangers.push(format!("{prefix}{}", name.to_string_lossy())),
                FileType::RegularFile => files.push(Box::from(name)),
                FileType::Directory => folders.push(Box::from(name)),
                _ => self.found.strangers.push(format!("{prefix}{}", name.to_string_lossy())),
            }
        }
        self.names(folder, prefix, false, files);
        self.names(folder, prefix, true, folders);
        Ok(())
    }

    fn names(&mut self, folder: &Arc<OwnedFd>, prefix: &str, folders: bool, mut names: Vec<Box<CStr>>) {
        if names.len() > PART {
            let prefix: Arc<str> = prefix.into();
            while !names.is_empty() {
                let names = names.split_off(names.len().saturating_sub(PART));
                self.queue.put(Part { folder: Arc::clone(folder), prefix: Arc::clone(&prefix), folders, names });
            }
        } else if folders {
            for name in &names {
                self.enter(folder, prefix, name);
            }
        } else {
            for name in &names {
                self.file(folder, prefix, name);
            }
        }
    }

    fn enter(&mut self, parent: &OwnedFd, prefix: &str, name: &CStr) {
        let path = join(prefix, name, "/");
        if self.reach == Reach::Flat {
            self.found.folders.push(path[prefix.len()..].to_owned());
            return;
        }
        if path.split('/').count() > DEPTH {
            self.found.unread.push(format!("{path}: too deep"));
            return;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let outcome = match fs::openat(parent, name, flags, Mode::empty()) {
            Ok(folder) => self.folder(&Arc::new(folder), &path),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(()),
            Err(errno) => Err(errno),
        };
        if let Err(errno) = outcome {
            self.found.unread.push(format!("{path}: {}", std::io::Error::from(errno)));
        }
    }

    fn file(&mut self, folder: &OwnedFd, prefix: &str, name: &CStr) {
        let found = match fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) if FileType::from_raw_mode(found.st_mode) == FileType::RegularFile => found,
            Ok(_) | Err(Errno::NOENT) => return,
            Err(errno) => {
                self.found.unread.push(format!("{}: {}", join(prefix, name, ""), std::io::Error::from(errno)));
                return;
            }
        };
        let temporary = name.to_bytes().starts_with(TEMP_PREFIX.as_bytes());
        let list = if temporary { &mut self.found.leftovers } else { &mut self.found.objects };
        list.push(object(join(prefix, name, ""), &found));
    }
}

fn object(key: String, found: &Stat) -> Object {
    let nanos = u32::try_from(found.st_mtime_nsec).unwrap_or(0);
    // a time that no calendar holds counts as young: nothing is swept for it
    let modified = DateTime::from_timestamp(found.st_mtime, nanos).unwrap_or(DateTime::<chrono::Utc>::MAX_UTC);
    Object { key, bytes: u64::try_from(found.st_size).unwrap_or(0), modified }
}

/// A key of exactly the room it needs: there are hundreds of thousands.
fn join(prefix: &str, name: &CStr, end: &str) -> String {
    let name = name.to_str().unwrap_or_default();
    let mut key = String::with_capacity(prefix.len() + name.len() + end.len());
    key.push_str(prefix);
    key.push_str(name);
    key.push_str(end);
    key
}
