//! Owner, mode, attributes and times of what was made.
//!
//! The order matters: a change of owner clears set-id bits and capabilities, a change of mode rewrites an ACL's mask, and any of
//! them changes ctime only, so times come last. Who may not give files away keeps them, and set-id bits are dropped then: they
//! would run as somebody else.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{
    AtFlags, Gid, Mode, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags, chmod, chownat, fchmod, fchown, fsetxattr, fstat, futimens,
    lsetxattr, removexattr, utimensat,
};
use rustix::io::Errno;

use super::acl;
use super::entry::{Meta, Time};
use super::error::{ReadError, Warning, WarningKind};
use super::tar_read::Member;
use super::xattr::proc_path;

/// What this process is, and what it could not do.
pub(super) struct Conditions {
    uid: u32,
    gid: u32,
    umask: Option<u32>,
    /// New files in the target may have another group than ours, or ACLs.
    inherits: bool,
    users: String,
    groups: String,
    owners_kept: AtomicU64,
    warnings: Mutex<Vec<Warning>>,
}

/// Where a thing is: open, or by name in a folder.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    Open(BorrowedFd<'a>),
    Name(&'a OwnedFd, &'a [u8]),
}

impl Conditions {
    pub(super) fn new(target: &OwnedFd) -> Self {
        let meta = fstat(target).map(|stat| Meta::of(&stat));
        let here = proc_path(target.as_fd(), b"");
        let default_acl = rustix::fs::getxattr(here.as_slice(), acl::DEFAULT, &mut [0u8; 4096][..]);
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        Self {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            umask: umask(&read("/proc/self/status")),
            inherits: default_acl.is_ok() || meta.is_ok_and(|meta| meta.mode & 0o2000 != 0),
            users: read("/etc/passwd"),
            groups: read("/etc/group"),
            owners_kept: AtomicU64::new(0),
            warnings: Mutex::new(Vec::new()),
        }
    }

    pub(super) fn into_parts(self) -> (u64, Vec<Warning>) {
        let mut warnings = self.warnings.into_inner().unwrap_or_default();
        warnings.sort_by(|a, b| a.path.cmp(&b.path));
        (self.owners_kept.into_inner(), warnings)
    }

    pub(super) fn is_root(&self) -> bool {
        self.uid == 0
    }

    pub(super) fn warn(&self, member: &[u8], kind: WarningKind) {
        if let Ok(mut warnings) = self.warnings.lock() {
            warnings.push(Warning { path: member.into(), kind });
        }
    }

    /// Makes a thing that was just created what the member says. `mode_was` is what it was created with.
    pub(super) fn apply(&self, place: Place<'_>, member: &Member, mode_was: Option<u32>, is_link: bool) -> Result<(), ReadError> {
        let failed = |errno: Errno| ReadError::Write { path: member.path.as_slice().into(), source: errno.into() };
        if self.inherits && !is_link {
            drop_inherited(place);
        }
        let owned = self.owner(place, member).map_err(failed)?;
        if !is_link {
            let mode = if owned { member.mode } else { member.mode & 0o1777 };
            let as_created = !self.inherits && self.umask.zip(mode_was).is_some_and(|(umask, was)| mode == was & !umask);
            if !as_created {
                set_mode(place, mode).map_err(failed)?;
            }
        }
        for (name, value) in &member.xattrs {
            if let Err(errno) = set_xattr(place, name, value) {
                let name = name.escape_ascii().to_string();
                self.warn(&member.path, WarningKind::Xattr { name, reason: std::io::Error::from(errno).to_string() });
            }
        }
        for (text, name) in [(&member.acl_access, acl::ACCESS), (&member.acl_default, acl::DEFAULT)] {
            let Some(text) = text.as_ref().filter(|_| !is_link) else { continue };
            let resolve = |group: bool, name: &str| acl::id_in(if group { &self.groups } else { &self.users }, name);
            let set = acl::from_text(text, &resolve)
                .and_then(|bytes| set_xattr(place, name, &bytes).map_err(|errno| std::io::Error::from(errno).to_string()));
            if let Err(reason) = set {
                self.warn(&member.path, WarningKind::Acl { reason });
            }
        }
        set_time(place, member.mtime).map_err(failed)
    }

    /// Whether the owner is the archived one now.
    fn owner(&self, place: Place<'_>, member: &Member) -> Result<bool, Errno> {
        if !self.inherits && (member.uid, member.gid) == (self.uid, self.gid) {
            return Ok(true);
        }
        // The highest number means "leave it" to the system and can be nobody's.
        if member.uid == u32::MAX || member.gid == u32::MAX {
            return Ok(self.keep(member));
        }
        let (uid, gid) = (Some(Uid::from_raw(member.uid)), Some(Gid::from_raw(member.gid)));
        let done = match place {
            Place::Open(fd) => fchown(fd, uid, gid),
            Place::Name(dir, name) => chownat(dir, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW),
        };
        match done {
            Ok(()) => Ok(true),
            Err(Errno::PERM | Errno::INVAL) => Ok(self.keep(member)),
            Err(errno) => Err(errno),
        }
    }

    fn keep(&self, member: &Member) -> bool {
        // One line stands for all of them; the outcome has the number.
        if self.owners_kept.fetch_add(1, Ordering::Relaxed) == 0 {
            self.warn(&member.path, WarningKind::Owner { uid: member.uid, gid: member.gid });
        }
        false
    }
}

fn drop_inherited(place: Place<'_>) {
    for name in [acl::ACCESS, acl::DEFAULT] {
        // Mostly there is none.
        let _ = match place {
            Place::Open(fd) => rustix::fs::fremovexattr(fd, name),
            Place::Name(dir, at) => removexattr(proc_path(dir.as_fd(), at).as_slice(), name),
        };
    }
}

fn set_mode(place: Place<'_>, mode: u32) -> Result<(), Errno> {
    let mode = Mode::from_raw_mode(mode);
    match place {
        Place::Open(fd) => fchmod(fd, mode),
        Place::Name(dir, name) => {
            use rustix::fs::{OFlags, openat};
            // No call changes the mode of a named thing without following; through an open one it does not follow either.
            let node = openat(dir, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
            chmod(format!("/proc/self/fd/{}", node.as_raw_fd()), mode)
        }
    }
}

fn set_xattr(place: Place<'_>, name: &[u8], value: &[u8]) -> Result<(), Errno> {
    match place {
        Place::Open(fd) => fsetxattr(fd, name, value, XattrFlags::empty()),
        Place::Name(dir, at) => lsetxattr(proc_path(dir.as_fd(), at).as_slice(), name, value, XattrFlags::empty()),
    }
}

fn set_time(place: Place<'_>, time: Time) -> Result<(), Errno> {
    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: time.seconds, tv_nsec: i64::from(time.nanos) },
    };
    match place {
        Place::Open(fd) => futimens(fd, &times),
        Place::Name(dir, name) => utimensat(dir, name, &times, AtFlags::SYMLINK_NOFOLLOW),
    }
}

/// The file creation mask, which cannot be asked for without changing it for all threads.
fn umask(status: &str) -> Option<u32> {
    status.lines().find_map(|line| u32::from_str_radix(line.strip_prefix("Umask:")?.trim(), 8).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_is_read_from_the_status() {
        assert_eq!(umask("Name:\tx\nUmask:\t0022\nState:\tR\n"), Some(0o22));
        assert_eq!(umask("Name:\tx\n"), None);
    }
}
