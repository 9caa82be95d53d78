//! Writing to a folder so that a power cut leaves whole objects or none.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use rustix::fs::{self, AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::Directory;
use super::flusher::Flusher;
use super::root::{absent, enter, split};
use crate::model::id::Random;
use crate::store::error::StoreError;
use crate::store::layout::{SCRATCH_PREFIX, TEMP_PREFIX};
use crate::store::lease::{Claim, Unlocked};
use crate::store::port::{Created, Locked, Removed, Upload, WriteStore, check_key, check_stored};

pub(super) const FILE_MODE: Mode = Mode::from_raw_mode(0o600);
const FOLDER_MODE: Mode = Mode::from_raw_mode(0o700);
/// How often a folder may vanish under a write (another process deletes the last object in it) before that is an error.
pub(super) const ATTEMPTS: usize = 100;

impl Directory {
    /// The folder `key`, made where it is missing, with every entry on the way durable.
    pub(super) fn make_folder(&self, key: &str) -> Result<OwnedFd, StoreError> {
        let mut at = match self.root() {
            Err(error) if error.is_not_found() => {
                self.make_root().map_err(|error| self.refused("make", "", error))?;
                self.root()?
            }
            other => other?,
        };
        let mut end = 0;
        for part in key.split('/').filter(|part| !part.is_empty()) {
            end += part.len() + usize::from(end > 0);
            let path = &key[..end];
            let failed = |errno| self.failed("make the folder", path, errno);
            let made = match fs::mkdirat(&at, part, FOLDER_MODE) {
                Ok(()) => true,
                Err(Errno::EXIST) => false,
                Err(errno) => return Err(failed(errno)),
            };
            let next = enter(&at, part).map_err(failed)?;
            // a folder that somebody else made a moment ago may not be durable yet either, so every folder is settled once
            if made || !self.settled.lock().unwrap_or_else(PoisonError::into_inner).contains(path) {
                fs::fsync(&at).map_err(failed)?;
                self.settled.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned());
            }
            at = next;
        }
        Ok(at)
    }

    fn make_root(&self) -> io::Result<()> {
        let missing: Vec<_> = self.root.ancestors().take_while(|path| !path.exists()).collect();
        for path in missing.into_iter().rev().filter(|path| !path.as_os_str().is_empty()) {
            match fs::mkdir(path, FOLDER_MODE) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            File::open(parent.unwrap_or(".".as_ref()))?.sync_all()?;
        }
        Ok(())
    }

    fn begin(&self, key: &str) -> Result<Partial, StoreError> {
        check_key(&self.place, key)?;
        let (folder, name) = split(key);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        for attempt in 1.. {
            let n = self.next.fetch_add(1, Ordering::Relaxed);
            let temp = format!("{TEMP_PREFIX}{}-{}-{n}", self.tag, std::process::id());
            let opened = self.make_folder(folder).and_then(|folder| {
                let file = fs::openat(&folder, &temp, flags, FILE_MODE).map_err(|errno| self.failed("write", key, errno))?;
                Ok((folder, File::from(file)))
            });
            match opened {
                Ok((folder, file)) => {
                    let (place, key, name) = (self.place.clone(), key.to_owned(), name.to_owned());
                    return Ok(Partial { place, key, folder, temp, name, file: Some(file), flusher: Flusher::new(), there: true });
                }
                Err(error) if error.is_not_found() && attempt < ATTEMPTS => {}
                Err(error) => return Err(error),
            }
        }
        unreachable!("the loop ends by returning")
    }

    /// Removes folders that became empty, from `folder` upwards, but neither the root nor an instance's own folder. A scratch folder goes.
    fn prune(&self, mut folder: &str, mut at: OwnedFd) -> Result<(), StoreError> {
        while folder.contains('/') || folder.starts_with(SCRATCH_PREFIX) {
            let (parent, name) = split(folder);
            let above = match self.folder(parent) {
                Err(error) if error.is_not_found() => return Ok(()),
                other => other?,
            };
            match fs::unlinkat(&above, name, AtFlags::REMOVEDIR) {
                Ok(()) => {
                    self.settled.lock().unwrap_or_else(PoisonError::into_inner).remove(folder);
                }
                // already gone is as good; anything else means that it stays, and that is not this delete's business
                Err(Errno::NOENT) => {}
                Err(_) => break,
            }
            (folder, at) = (parent, above);
        }
        // what was removed must stay removed before whatever is removed next
        fs::fsync(at).map_err(|errno| self.failed("delete from", folder, errno))
    }
}

impl WriteStore for Directory {
    fn create(&self, key: &str, bytes: &[u8]) -> Result<Created, StoreError> {
        let mut partial = self.begin(key)?;
        partial.write_all(bytes).map_err(|error| self.refused("write", key, error))?;
        Box::new(partial).commit()
    }

    fn upload(&self, key: &str) -> Result<Box<dyn Upload>, StoreError> {
        Ok(Box::new(self.begin(key)?))
    }

    fn delete(&self, key: &str) -> Result<Removed, StoreError> {
        check_stored(&self.place, key)?;
        let (folder, name) = split(key);
        let at = match self.folder(folder) {
            Err(error) if error.is_not_found() => return Ok(Removed::Gone),
            other => other?,
        };
        match fs::unlinkat(&at, name, AtFlags::empty()).map_err(absent) {
            // one that is not there may have been the last to come: a kill leaves the folder that was made for it
            Ok(()) | Err(Errno::NOENT) => self.prune(folder, at).map(|()| Removed::Gone),
            Err(errno) => Err(self.failed("delete", key, errno)),
        }
    }

    fn lock(&self, key: &str, claim: &Claim) -> Result<Locked, StoreError> {
        self.take_lease(key, claim)
    }

    fn unlock(&self, key: &str, run: &Random) -> Result<Unlocked, StoreError> {
        self.end_lease(key, run)
    }
}

/// A file on its way.
struct Partial {
    place: String,
    key: String,
    folder: OwnedFd,
    temp: String,
    name: String,
    /// None once writing failed.
    file: Option<File>,
    flusher: Flusher,
    /// Whether the temporary name still exists.
    there: bool,
}

impl Partial {
    fn error(&self, operation: &'static str, error: impl Into<io::Error>) -> StoreError {
        StoreError::of(&self.place, operation, &self.key, error.into())
    }

    /// Gives the name to the file, unless it is taken.
    fn name(&mut self) -> Result<Created, Errno> {
        let (folder, temp, name) = (&self.folder, self.temp.as_str(), self.name.as_str());
        match fs::renameat_with(folder, temp, folder, name, RenameFlags::NOREPLACE) {
            Ok(()) => {
                self.there = false;
                Ok(Created::New)
            }
            Err(Errno::EXIST) => Ok(Created::Taken),
            // file systems without the flag; a hard link refuses to replace as well
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => match fs::linkat(folder, temp, folder, name, AtFlags::empty()) {
                Ok(()) => Ok(Created::New),
                Err(Errno::EXIST) => Ok(Created::Taken),
                Err(errno) => Err(errno),
            },
            Err(errno) => Err(errno),
        }
    }

    fn remove(&mut self) {
        self.file = None;
        if std::mem::take(&mut self.there) {
            // what cannot be removed is listed as a leftover and swept later
            let _ = fs::unlinkat(&self.folder, self.temp.as_str(), AtFlags::empty());
        }
    }
}

impl Write for Partial {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let Some(file) = &mut self.file else {
            return Err(self.error("write", io::Error::other("an earlier write failed")).into());
        };
        match file.write(buffer) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                // at once: on a full disk others need the room
                self.remove();
                Err(self.error("write", error).into())
            }
            Ok(written) => {
                self.flusher.wrote(file, written);
                Ok(written)
            }
            other => other,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Upload for Partial {
    fn commit(mut self: Box<Self>) -> Result<Created, StoreError> {
        let Some(file) = self.file.take() else {
            return Err(self.error("write", io::Error::other("an earlier write failed")));
        };
        // a failed fsync is final: a second one would report success for pages that the kernel has dropped
        let flushed = std::mem::replace(&mut self.flusher, Flusher::new()).finish();
        flushed.and_then(|()| file.sync_all()).map_err(|error| self.error("write", error))?;
        drop(file);
        let created = self.name().map_err(|errno| self.error("name", errno))?;
        self.remove();
        // also when the name is taken: whoever has it may not have got this far yet
        fs::fsync(&self.folder).map_err(|errno| self.error("write", errno))?;
        Ok(created)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        self.remove();
    }
}
