//! Opening a folder as a store, and reading from it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

use rustix::fs::{self, Access, AtFlags, CWD, Mode, OFlags, StatxAttributes, StatxFlags};
use rustix::io::Errno;

use super::{Directory, walk};
use crate::store::error::StoreError;
use crate::store::port::{Object, Reach, ReadStore, Survey, check_key};

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl Directory {
    /// A store at `path`, for reading and writing. Makes nothing. `temp_tag` (letters, digits, `-`) goes into the names of
    /// unfinished files; it says whose they are.
    pub fn open(path: &Path, mount: bool, temp_tag: &str) -> Result<Self, StoreError> {
        let store = Self::open_for_reading(path, mount, temp_tag)?;
        store.check_writable()?;
        Ok(store)
    }

    /// The same for a place that may be read-only, as the disk that a restore reads from.
    pub fn open_for_reading(path: &Path, mount: bool, temp_tag: &str) -> Result<Self, StoreError> {
        let store = Self {
            root: path.to_owned(),
            place: path.display().to_string(),
            mount,
            tag: temp_tag.to_owned(),
            next: AtomicU64::new(1),
            settled: Mutex::default(),
        };
        store.check_readable()?;
        Ok(store)
    }

    fn unusable(&self, what: &str, help: &str) -> StoreError {
        StoreError::Unusable { message: format!("`{}` {what}", self.place), help: help.to_owned() }
    }

    fn check_readable(&self) -> Result<(), StoreError> {
        let path = &self.root;
        match std::fs::metadata(path) {
            Ok(found) if !found.is_dir() => {
                return Err(self.unusable("is not a folder", "name a folder in `path`, or move what is there away"));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.check_mount(),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(self.unusable("lies below a file, not below a folder", "name a folder in `path`"));
            }
            Err(error) => return Err(self.unusable(&format!("cannot be looked at: {error}"), READABLE)),
        }
        fs::accessat(CWD, path, Access::READ_OK | Access::EXEC_OK, AtFlags::EACCESS)
            .map_err(|errno| self.unusable(&format!("cannot be read: {}", io::Error::from(errno)), READABLE))?;
        self.check_mount()
    }

    /// The nearest folder that exists must let us make things in it.
    fn check_writable(&self) -> Result<(), StoreError> {
        let wanted = Access::WRITE_OK | Access::EXEC_OK;
        for path in self.root.ancestors().filter(|path| !path.as_os_str().is_empty()) {
            return match fs::accessat(CWD, path, wanted, AtFlags::EACCESS) {
                Err(Errno::NOENT) => continue,
                Ok(()) => Ok(()),
                Err(Errno::ROFS) => {
                    Err(self.unusable("is on a file system that is mounted read-only", "mount it so that it can be written to"))
                }
                Err(errno) => {
                    let what = format!("cannot be written to: `{}`: {}", path.display(), io::Error::from(errno));
                    Err(self.unusable(&what, "give the user that runs lucid-policy write access to the folder"))
                }
            };
        }
        Ok(())
    }

    /// Where a mount is demanded, that there is one, now.
    fn check_mount(&self) -> Result<(), StoreError> {
        if !self.mount {
            return Ok(());
        }
        match is_mount_point(&self.root) {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.unusable("is not a mount point, and its store says `mount = true`", MOUNT)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(self.unusable("is not there, and its store says `mount = true`", MOUNT))
            }
            Err(error) => Err(self.unusable(&format!("cannot be looked at: {error}"), MOUNT)),
        }
    }

    /// The root folder. What the operator named may be a symlink.
    pub(super) fn root(&self) -> Result<OwnedFd, StoreError> {
        self.check_mount()?;
        fs::open(&self.root, FOLDER, Mode::empty()).map_err(|errno| self.failed("open", "", errno))
    }

    /// The folder `key` (no slash at its end), entered step by step and never through a symlink.
    pub(super) fn folder(&self, key: &str) -> Result<OwnedFd, StoreError> {
        let mut at = self.root()?;
        for part in key.split('/').filter(|part| !part.is_empty()) {
            at = enter(&at, part).map_err(|errno| self.failed("open", key, absent(errno)))?;
        }
        Ok(at)
    }

    fn file(&self, key: &str) -> Result<File, StoreError> {
        check_key(&self.place, key)?;
        let (folder, name) = split(key);
        let folder = self.folder(folder).map_err(|error| match error {
            StoreError::NotFound { place, .. } => StoreError::NotFound { place, key: key.to_owned() },
            other => other,
        })?;
        // NONBLOCK: opening a FIFO that somebody left here must not wait for its other end
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = fs::openat(folder, name, flags, Mode::empty()).map_err(|errno| self.failed("open", key, absent(errno)))?;
        let file = File::from(file);
        let regular = file.metadata().map_err(|error| self.refused("open", key, error))?.is_file();
        if regular { Ok(file) } else { Err(self.failed("open", key, Errno::NOENT)) }
    }

    pub(super) fn failed(&self, operation: &'static str, key: &str, errno: Errno) -> StoreError {
        self.refused(operation, key, errno.into())
    }

    pub(super) fn refused(&self, operation: &'static str, key: &str, error: io::Error) -> StoreError {
        StoreError::of(&self.place, operation, key, error)
    }
}

const READABLE: &str = "give the user that runs lucid-policy read access to the folder";
const MOUNT: &str = "mount the disk, or remove `mount = true` if this folder is meant to be on the system's own disk";

/// A folder's own folder and name.
pub(super) fn split(key: &str) -> (&str, &str) {
    key.rsplit_once('/').unwrap_or(("", key))
}

pub(super) fn enter(folder: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    fs::openat(folder, name, FOLDER | OFlags::NOFOLLOW, Mode::empty())
}

/// A symlink or a file where a folder should be holds none of our objects.
pub(super) fn absent(errno: Errno) -> Errno {
    if matches!(errno, Errno::NOTDIR | Errno::LOOP) { Errno::NOENT } else { errno }
}

fn is_mount_point(path: &Path) -> io::Result<bool> {
    let found = fs::statx(CWD, path, AtFlags::empty(), StatxFlags::BASIC_STATS)?;
    if found.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT) {
        return Ok(found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT));
    }
    // before Linux 5.8; misses bind mounts of the same file system
    Ok(std::fs::metadata(path)?.dev() != std::fs::metadata(path.join(".."))?.dev())
}

impl ReadStore for Directory {
    fn place(&self) -> String {
        self.place.clone()
    }

    fn survey(&self, prefix: &str, reach: Reach) -> Result<Survey, StoreError> {
        let folder = match self.folder(prefix.trim_end_matches('/')) {
            Ok(folder) => folder,
            Err(error) if error.is_not_found() => return Ok(Survey::default()),
            Err(error) => return Err(error),
        };
        walk::survey(folder, prefix, reach).map_err(|errno| self.failed("list", prefix, errno))
    }

    fn get(&self, key: &str) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::new();
        self.file(key)?.read_to_end(&mut bytes).map_err(|error| self.refused("read", key, error))?;
        Ok(bytes)
    }

    fn open(&self, key: &str, offset: u64) -> Result<Box<dyn Read + Send>, StoreError> {
        let mut file = self.file(key)?;
        if offset > 0 {
            file.seek(SeekFrom::Start(offset)).map_err(|error| self.refused("read", key, error))?;
        }
        Ok(Box::new(file))
    }

    fn read_at(&self, key: &str, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        let file = self.file(key)?;
        let mut done = 0;
        while done < buffer.len() {
            match file.read_at(&mut buffer[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.refused("read", key, error)),
            }
        }
        Ok(done)
    }

    fn look(&self, key: &str) -> Result<Option<Object>, StoreError> {
        let found = self.file(key).and_then(|file| file.metadata().map_err(|error| self.refused("look at", key, error)));
        match found {
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
            Ok(found) => {
                let modified = found.modified().map_err(|error| self.refused("look at", key, error))?.into();
                Ok(Some(Object { key: key.to_owned(), bytes: found.len(), modified }))
            }
        }
    }

    fn free(&self) -> Result<Option<u64>, StoreError> {
        for path in self.root.ancestors().filter(|path| !path.as_os_str().is_empty()) {
            match fs::statvfs(path) {
                Ok(found) => return Ok(Some(found.f_bavail.saturating_mul(found.f_frsize))),
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(self.failed("ask for the free space of", "", errno)),
            }
        }
        Ok(None)
    }
}
