//! One member made ready: looked at, opened and, if it is small, read whole.
//!
//! Everything is opened relative to its folder and never through a symlink. What is gone by now, or is something else than it
//! was, is a warning and no member; what cannot be read is an error with its path. A small file that differs from what the
//! walker saw is read once more before it counts as changed.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use rustix::buffer::spare_capacity;
use rustix::fs::{Mode, OFlags, fstat, openat, readlinkat};
use rustix::io::{Errno, pread};

use super::entry::{Kind, Meta};
use super::error::{PackError, Warning, WarningKind};
use super::header::{HeaderParts, encode, pad};
use super::index::IndexEntry;
use super::sparse::may_be_sparse;
use super::walk::{WalkPlan, real_path};
use super::xattr::{Attributes, of_entry, of_fd};

/// Files up to this size are read ahead.
pub(super) const SMALL: u64 = 256 * 1024;

/// One member to be made.
pub(super) struct Task {
    pub member: Vec<u8>,
    /// Its name in `dir`, where that is not the last component of `member`.
    pub own_name: Option<Vec<u8>>,
    pub dir: Arc<OwnedFd>,
    pub meta: Meta,
    /// The first name of the same inode, if this is a later one.
    pub first: Option<Arc<[u8]>>,
}

impl Task {
    pub(super) fn name(&self) -> &[u8] {
        let last = || self.member.rsplit(|&b| b == b'/').next().unwrap_or_default();
        self.own_name.as_deref().unwrap_or_else(last)
    }

    /// Which inode it is, if that has other names.
    pub(super) fn inode(&self) -> Option<(u64, u64)> {
        (self.meta.nlink > 1 && self.meta.kind != Some(Kind::Directory)).then_some((self.meta.dev, self.meta.ino))
    }
}

/// What became of a task.
pub(super) enum Ready {
    /// `length` bytes of tar stream in the batch's buffer.
    Whole { entry: Box<IndexEntry>, length: usize, changed: bool },
    /// A file that is read when its turn comes.
    Later(Task),
    /// Not in the archive.
    Left { warning: Warning, inode: Option<(u64, u64)> },
}

/// Makes members ready; one per thread.
pub(super) struct Reader<'a> {
    plan: &'a WalkPlan,
    scratch: Vec<u8>,
}

/// What stands in the way of a file.
pub(super) enum Trouble {
    Gone(WarningKind),
    Failed(PackError),
}

impl<'a> Reader<'a> {
    pub(super) fn new(plan: &'a WalkPlan) -> Self {
        Self { plan, scratch: Vec::new() }
    }

    pub(super) fn failed(&self, member: &[u8], errno: impl Into<std::io::Error>) -> PackError {
        PackError::Source { path: real_path(self.plan, member), source: errno.into() }
    }

    /// Appends the tar bytes of a member to `out`, unless it has to wait for its turn.
    pub(super) fn ready(&mut self, task: Task, out: &mut Vec<u8>) -> Result<Ready, PackError> {
        let is_file = task.meta.kind == Some(Kind::File);
        if task.first.is_some() || (is_file && (task.meta.size > SMALL || may_be_sparse(&task.meta))) {
            return Ok(Ready::Later(task));
        }
        let start = out.len();
        let made = if is_file { self.small(&task, out) } else { self.other(&task, out) };
        match made {
            Ok((entry, changed)) => Ok(Ready::Whole { entry: Box::new(entry), length: out.len() - start, changed }),
            Err(trouble) => {
                out.truncate(start);
                Self::left(&task, trouble)
            }
        }
    }

    pub(super) fn left(task: &Task, trouble: Trouble) -> Result<Ready, PackError> {
        match trouble {
            Trouble::Gone(kind) => Ok(Ready::Left { warning: Warning { path: task.member.as_slice().into(), kind }, inode: task.inode() }),
            Trouble::Failed(error) => Err(error),
        }
    }

    pub(super) fn trouble(&self, task: &Task, errno: Errno) -> Trouble {
        match errno {
            Errno::NOENT | Errno::STALE => Trouble::Gone(WarningKind::Vanished),
            // It was a file or a folder a moment ago.
            Errno::LOOP | Errno::NOTDIR | Errno::INVAL => Trouble::Gone(WarningKind::Changed),
            errno => Trouble::Failed(self.failed(&task.member, errno)),
        }
    }

    /// Opens a regular file.
    pub(super) fn open(&self, task: &Task) -> Result<File, Trouble> {
        // A fifo put in its place would block without NONBLOCK; regular files ignore it.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let open = |flags| openat(&*task.dir, task.name(), flags, Mode::empty());
        // NOATIME is for the owner and root.
        let opened = match open(flags | OFlags::NOATIME) {
            Err(Errno::PERM) => open(flags),
            other => other,
        };
        Ok(File::from(opened.map_err(|errno| self.trouble(task, errno))?))
    }

    pub(super) fn look(&self, task: &Task, file: &File) -> Result<Meta, Trouble> {
        let meta = Meta::of(&fstat(file).map_err(|errno| self.trouble(task, errno))?);
        if meta.kind == Some(Kind::File) { Ok(meta) } else { Err(Trouble::Gone(WarningKind::Changed)) }
    }

    pub(super) fn attributes(&mut self, task: &Task, file: impl AsFd) -> Result<Attributes, Trouble> {
        of_fd(file, &mut self.scratch).map_err(|errno| Trouble::Failed(self.failed(&task.member, errno)))
    }

    fn small(&mut self, task: &Task, out: &mut Vec<u8>) -> Result<(IndexEntry, bool), Trouble> {
        let file = self.open(task)?;
        let start = out.len();
        let mut meta = task.meta;
        let mut again = true;
        loop {
            let attributes = self.attributes(task, &file)?;
            let parts = HeaderParts {
                path: &task.member,
                kind: Kind::File,
                meta: &meta,
                size: meta.size,
                link: b"",
                attributes: &attributes,
                sparse: None,
            };
            encode(&parts, out);
            let at = out.len();
            let size = usize::try_from(meta.size).unwrap_or(usize::MAX);
            let got = append(&file, size, out).map_err(|errno| Trouble::Failed(self.failed(&task.member, errno)))?;
            out.resize(at + size, 0);
            let after = self.look(task, &file)?;
            let same = got == size && meta.same_content(&after);
            // More than a small file by now: its first bytes, as they were announced.
            if same || !again || after.size > SMALL {
                let digest = *blake3::hash(&out[at..]).as_bytes();
                pad(out);
                let mut entry = entry(&task.member, Kind::File, &meta);
                entry.digest = Some(digest);
                return Ok((entry, !same));
            }
            out.truncate(start);
            meta = after;
            again = false;
        }
    }

    fn other(&mut self, task: &Task, out: &mut Vec<u8>) -> Result<(IndexEntry, bool), Trouble> {
        let Some(kind) = task.meta.kind else { return Err(Trouble::Gone(WarningKind::Socket)) };
        let (attributes, link) = match kind {
            Kind::Directory => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let dir = openat(&*task.dir, task.name(), flags, Mode::empty()).map_err(|errno| self.trouble(task, errno))?;
                (self.attributes(task, dir)?, Vec::new())
            }
            Kind::Symlink => {
                let target = readlinkat(&*task.dir, task.name(), Vec::new()).map_err(|errno| self.trouble(task, errno))?;
                (self.without_opening(task)?, target.into_bytes())
            }
            _ => (self.without_opening(task)?, Vec::new()),
        };
        encode(
            &HeaderParts { path: &task.member, kind, meta: &task.meta, size: 0, link: &link, attributes: &attributes, sparse: None },
            out,
        );
        let mut entry = entry(&task.member, kind, &task.meta);
        entry.link = link;
        Ok((entry, false))
    }

    fn without_opening(&mut self, task: &Task) -> Result<Attributes, Trouble> {
        of_entry(task.dir.as_fd(), task.name(), &mut self.scratch).map_err(|errno| self.trouble(task, errno))
    }
}

/// The index entry of a member whose place is not known yet.
pub(super) fn entry(member: &[u8], kind: Kind, meta: &Meta) -> IndexEntry {
    IndexEntry {
        path: member.to_vec(),
        kind,
        mode: meta.mode,
        uid: meta.uid,
        gid: meta.gid,
        size: if kind == Kind::File { meta.size } else { 0 },
        mtime: meta.mtime,
        frame: 0,
        offset: 0,
        length: 0,
        digest: None,
        sparse: false,
        link: Vec::new(),
        origin: Vec::new(),
    }
}

/// Appends up to `size` bytes from the file's start without clearing their place first; a file that grew may give more.
fn append(file: &File, size: usize, out: &mut Vec<u8>) -> Result<usize, Errno> {
    let at = out.len();
    out.reserve(size);
    while out.len() - at < size {
        let done = (out.len() - at) as u64;
        match pread(file, spare_capacity(out), done) {
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(out.len() - at)
}

/// Reads until the buffer is full or the file ends.
pub(super) fn read_up_to(file: &File, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match file.read_at(&mut buffer[got..], offset + got as u64) {
            Ok(0) => break,
            Ok(count) => got += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}
