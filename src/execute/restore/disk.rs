//! What a restore does to file systems: looks, exchanges, moves, makes durable, removes what it staged itself.
//!
//! Nothing here replaces or removes anything that was there before. A tree with another file system mounted in it is never removed.

use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with, statvfs, syncfs};
use serde::{Deserialize, Serialize};

use super::error::RestoreError;

/// What tells one file or folder from every other, until the next boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileId {
    pub(super) device: u64,
    pub(super) inode: u64,
}

/// What stands at a path, which is not followed; none if nothing does.
pub(super) fn id_of(path: &Path) -> Result<Option<FileId>, RestoreError> {
    Ok(look(path)?.map(|seen| FileId { device: seen.dev(), inode: seen.ino() }))
}

/// The metadata of what stands at a path, which is not followed.
pub(super) fn look(path: &Path) -> Result<Option<fs::Metadata>, RestoreError> {
    match fs::symlink_metadata(path) {
        Ok(seen) => Ok(Some(seen)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(RestoreError::io("look at", path)(error)),
    }
}

/// Swaps what stands at two paths of one file system.
pub(super) fn exchange(one: &Path, other: &Path) -> Result<(), RestoreError> {
    let done = renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE);
    done.map_err(|errno| RestoreError::io("exchange what was staged with", one)(errno.into()))
}

/// Moves to a path at which nothing may stand.
pub(super) fn place(from: &Path, to: &Path) -> Result<(), RestoreError> {
    let done = renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE);
    done.map_err(|errno| RestoreError::io("move what was staged to", to)(errno.into()))
}

/// Makes everything on a folder's file system durable, and tells of writes that failed late.
pub(super) fn sync_file_system(folder: &Path) -> Result<(), RestoreError> {
    let opened = File::open(folder).map_err(RestoreError::io("open", folder))?;
    syncfs(&opened).map_err(|errno| RestoreError::io("sync the file system of", folder)(errno.into()))
}

/// Makes a folder's names durable.
pub(super) fn sync_folder(folder: &Path) -> Result<(), RestoreError> {
    File::open(folder).and_then(|opened| opened.sync_all()).map_err(RestoreError::io("sync", folder))
}

/// Makes a folder that only its owner may enter: what is staged in it is seen by nobody before it is in its place.
pub(super) fn make_private(folder: &Path) -> Result<(), RestoreError> {
    fs::DirBuilder::new().mode(0o700).create(folder).map_err(RestoreError::io("make the folder", folder))
}

/// The folders on the way to `path` that are not there, outermost first.
pub(super) fn missing_parents(path: &Path) -> Result<Vec<PathBuf>, RestoreError> {
    let mut missing = Vec::new();
    for folder in path.ancestors().skip(1) {
        if look(folder)?.is_some() {
            break;
        }
        missing.push(folder.to_owned());
    }
    missing.reverse();
    Ok(missing)
}

/// The nearest folder at or above `path` that is there.
pub(super) fn nearest_there(path: &Path) -> PathBuf {
    path.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/")).to_owned()
}

/// Bytes that may still be written on the file system of a folder.
pub(super) fn free(folder: &Path) -> Result<u64, RestoreError> {
    let seen = statvfs(folder).map_err(|errno| RestoreError::io("ask for the free space of", folder)(errno.into()))?;
    Ok(seen.f_bavail.saturating_mul(seen.f_frsize))
}

/// How often the list of mounts is read until it is twice the same.
const TRIES: usize = 100;

/// Every mount point that this process sees. The kernel hands the list out in pieces, and while another process mounts something a
/// piece may be skipped: so it counts only if it was the same twice.
pub(super) fn mounts() -> Result<Vec<PathBuf>, RestoreError> {
    let path = Path::new("/proc/self/mountinfo");
    let read = || fs::read(path).map_err(RestoreError::io("read", path));
    let mut text = read()?;
    for tries in 0.. {
        let again = read()?;
        if again == text {
            break;
        }
        if tries == TRIES {
            return Err(RestoreError::Changed("file systems are being mounted all the time; try again when that is over".to_owned()));
        }
        text = again;
    }
    let fields = text.split(|&b| b == b'\n').filter_map(|line| line.split(|&b| b == b' ').nth(4));
    Ok(fields.map(|field| PathBuf::from(std::ffi::OsString::from_vec(unescaped(field)))).collect())
}

/// A field of `mountinfo`, where blanks and backslashes are three octal digits.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..3).filter(|d| first == b'\\' && d.iter().all(|b| (b'0'..=b'7').contains(b)));
        if let Some(digits) = digits {
            out.push(digits.iter().fold(0_u8, |sum, b| sum.wrapping_mul(8).wrapping_add(b - b'0')));
            rest = &after[3..];
        } else {
            out.push(first);
            rest = after;
        }
    }
    out
}

/// The mount point that a path is on.
pub(super) fn mount_of(path: &Path, mounts: &[PathBuf]) -> PathBuf {
    mounts
        .iter()
        .filter(|mount| path.starts_with(mount))
        .max_by_key(|mount| mount.as_os_str().as_bytes().len())
        .cloned()
        .unwrap_or_default()
}

/// Removes a folder that this program made, with all that is in it. One that is not there is removed.
pub(super) fn discard(folder: &Path) -> Result<(), RestoreError> {
    if look(folder)?.is_none() {
        return Ok(());
    }
    if let Some(mount) = mounts()?.into_iter().find(|mount| mount.starts_with(folder)) {
        let message = format!("`{}` is not removed, because a file system is mounted at `{}`", folder.display(), mount.display());
        return Err(RestoreError::refused(message, "unmount it first"));
    }
    fs::remove_dir_all(folder).map_err(RestoreError::io("remove", folder))?;
    folder.parent().map_or(Ok(()), sync_folder)
}

/// Removes folders that were made on the way to a target, innermost first, as long as they are empty.
pub(super) fn remove_made(made: &[PathBuf]) {
    for folder in made.iter().rev() {
        if fs::remove_dir(folder).is_err() {
            break;
        }
    }
}

/// Owner, mode and time of a folder that stays while its content is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Looks {
    uid: u32,
    gid: u32,
    mode: u32,
    seconds: i64,
    nanos: i64,
}

impl Looks {
    pub(super) fn of(path: &Path) -> Result<Self, RestoreError> {
        let seen = fs::metadata(path).map_err(RestoreError::io("look at", path))?;
        Ok(Self { uid: seen.uid(), gid: seen.gid(), mode: seen.mode() & 0o7777, seconds: seen.mtime(), nanos: seen.mtime_nsec() })
    }

    pub(super) fn give(&self, path: &Path) -> Result<(), RestoreError> {
        use std::os::unix::fs::PermissionsExt;
        // The owner first: a change of it drops set-id bits.
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid)).map_err(RestoreError::io("give its owner to", path))?;
        fs::set_permissions(path, fs::Permissions::from_mode(self.mode)).map_err(RestoreError::io("give its mode to", path))?;
        let time = rustix::fs::Timespec { tv_sec: self.seconds, tv_nsec: self.nanos };
        let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
        let done = rustix::fs::utimensat(CWD, path, &times, rustix::fs::AtFlags::empty());
        done.map_err(|errno| RestoreError::io("give its time to", path)(errno.into()))
    }
}

/// A path in JSON: text where it is text, else its bytes as numbers, so that every name comes back.
pub(super) mod raw {
    use super::{OsStrExt, OsStringExt, Path, PathBuf};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Text(String),
        Bytes(Vec<u8>),
    }

    pub(in super::super) fn serialize<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
        match path.to_str() {
            Some(text) => text.serialize(to),
            None => path.as_os_str().as_bytes().serialize(to),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
        Ok(match Form::deserialize(from)? {
            Form::Text(text) => text.into(),
            Form::Bytes(bytes) => std::ffi::OsString::from_vec(bytes).into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_in_mount_points_are_read() {
        assert_eq!(unescaped(br"/mnt/a\040b\134c\04"), br"/mnt/a b\c\04");
        assert!(mounts().unwrap().contains(&PathBuf::from("/")));
    }

    #[test]
    fn the_nearest_mount_wins() {
        let mounts = ["/", "/srv", "/srv/a"].map(PathBuf::from);
        for (path, mount) in [("/srv/a/b", "/srv/a"), ("/srv/ab", "/srv"), ("/x", "/"), ("/srv", "/srv")] {
            assert_eq!(mount_of(Path::new(path), &mounts), Path::new(mount), "{path}");
        }
    }
}
