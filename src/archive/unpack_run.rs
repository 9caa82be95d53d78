//! The walking thread: judges members, makes folders, links, nodes and large files, hands small files to writers.

use std::collections::HashSet;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, linkat, makedev, mkdirat, mknodat, openat, symlinkat};
use rustix::io::Errno;

use super::entry::{Kind, SparseMap, Time};
use super::error::{Damage, ReadError, Refusal, WarningKind};
use super::pack::Progress;
use super::pack_read::SMALL;
use super::tar_read::{Member, TarReader};
use super::unpack::{Outcome, Symlinks, Target};
use super::unpack_file::{FileTask, Files, Shared, create, not_made, write_files};
use super::unpack_meta::{Conditions, Place};
use super::unpack_tree::{NoFolder, Tree, components, may_escape};
use super::xattr::Attributes;

/// Sets up the target and the writers, runs `body`, then gives the folders what is theirs.
pub(super) fn with_unpacker(
    target: &Target<'_>,
    body: impl FnOnce(&mut Unpacker<'_>) -> Result<(), ReadError>,
) -> Result<Outcome, ReadError> {
    let tree = Tree::open(target.folder)?;
    let conditions = Conditions::new(tree.root());
    let shared = Shared::default();
    // More than a few only wait for the file system, and each keeps folders open.
    let threads = target.options.threads.clamp(1, 8);
    let (queue, tasks) = sync_channel(2);
    let tasks = Mutex::new(tasks);
    let outcome = thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| write_files(&tasks, &shared, &conditions));
        }
        let files = Files::new(queue, &shared);
        let mut unpacker = Unpacker {
            target,
            tree,
            conditions: &conditions,
            files,
            implied: HashSet::new(),
            folders: Vec::new(),
            outcome: Outcome::default(),
        };
        body(&mut unpacker).and_then(|()| unpacker.files.wait()).and_then(|()| unpacker.finish_folders())?;
        Ok(unpacker.outcome)
    });
    match (outcome, shared.take_error()) {
        (Err(ReadError::Pipeline) | Ok(_), Some(error)) | (Err(error), _) => Err(error),
        (Ok(mut outcome), None) => {
            (outcome.owners_kept, outcome.warnings) = conditions.into_parts();
            Ok(outcome)
        }
    }
}

/// A folder whose mode and times come last.
struct Folder {
    path: Vec<u8>,
    mode: u32,
    uid: u32,
    gid: u32,
    mtime: Time,
    attributes: Option<Box<Attributes>>,
}

/// Puts members into the target.
pub(super) struct Unpacker<'a> {
    target: &'a Target<'a>,
    tree: Tree,
    conditions: &'a Conditions,
    files: Files<'a>,
    /// Folders that members needed and that no member was, so far.
    implied: HashSet<Vec<u8>>,
    folders: Vec<Folder>,
    outcome: Outcome,
}

impl Unpacker<'_> {
    /// Makes one member; its data is taken from `tar`.
    pub(super) fn member(&mut self, tar: &mut TarReader<'_>, member: Member, digest: Option<[u8; 32]>) -> Result<(), ReadError> {
        if self.target.cancel.load(Ordering::Relaxed) {
            return Err(ReadError::Cancelled);
        }
        let refuse = |why| ReadError::Refused { path: member.path.as_slice().into(), why };
        let path = member.path.clone();
        let parts = components(&path).map_err(refuse)?;
        let Some(kind) = member.kind else { return Err(refuse(Refusal::Name)) };
        let size = member.size;
        let Some((name, parents)) = parts.split_last() else {
            // The target itself, as `tar -C dir .` names it.
            if kind != Kind::Directory {
                return Err(refuse(Refusal::Name));
            }
            self.folder_later(Vec::new(), member);
            self.count(0);
            return Ok(());
        };
        if kind == Kind::Symlink && self.target.options.symlinks == Symlinks::RefuseEscaping && may_escape(parents.len(), &member.link) {
            let why = Refusal::SymlinkLeaves(member.link.as_slice().into());
            return Err(refuse(why));
        }
        let dir = self.parent(&member, parents)?;
        match kind {
            Kind::Directory => self.folder(&dir, name, &parts, member)?,
            Kind::File if member.data <= SMALL => {
                let mut data = Vec::with_capacity(usize::try_from(member.data).unwrap_or_default());
                tar.data(&mut |piece| {
                    data.extend_from_slice(piece);
                    Ok(())
                })?;
                self.files.add(FileTask { dir, name: name.to_vec(), member, data, digest })?;
            }
            Kind::File => self.large(tar, &dir, name, &member, digest)?,
            Kind::HardLink => self.hard_link(&dir, name, &member)?,
            Kind::Symlink => {
                symlinkat(member.link.as_slice(), &*dir, *name).map_err(|errno| not_made(&member, errno))?;
                self.conditions.apply(Place::Name(&dir, name), &member, None, true)?;
            }
            Kind::CharDevice | Kind::BlockDevice | Kind::Fifo => self.node(&dir, name, &member, kind)?,
        }
        self.count(size);
        Ok(())
    }

    fn count(&mut self, bytes: u64) {
        self.outcome.entries += 1;
        self.outcome.bytes = self.outcome.bytes.saturating_add(bytes);
        if self.outcome.entries.is_multiple_of(256) || bytes > SMALL {
            (self.target.progress)(Progress { entries: self.outcome.entries, bytes: self.outcome.bytes });
        }
    }

    fn parent(&mut self, member: &Member, parents: &[&[u8]]) -> Result<Arc<OwnedFd>, ReadError> {
        let mut found = self.tree.folder(parents);
        if let Err(NoFolder::Missing(_)) = found {
            // A file of that name may still be on its way; then the folder is not missing, it is impossible.
            self.files.wait()?;
            let implied = &mut self.implied;
            found = self.tree.make(parents, &mut |path| {
                implied.insert(path.join(&b'/'));
            });
        }
        found.map_err(|why| match why {
            NoFolder::Failed(Errno::EXIST) | NoFolder::Missing(_) | NoFolder::Other => {
                ReadError::Refused { path: member.path.as_slice().into(), why: Refusal::Through }
            }
            NoFolder::Failed(errno) => not_made(member, errno),
        })
    }

    fn folder(&mut self, dir: &OwnedFd, name: &[u8], parts: &[&[u8]], member: Member) -> Result<(), ReadError> {
        let path = parts.join(&b'/');
        match mkdirat(dir, name, Mode::RWXU) {
            Ok(()) => {}
            Err(Errno::EXIST) if self.implied.remove(&path) => {}
            Err(errno) => return Err(not_made(&member, errno)),
        }
        self.folder_later(path, member);
        Ok(())
    }

    fn folder_later(&mut self, path: Vec<u8>, member: Member) {
        let attributes = Attributes { xattrs: member.xattrs, acl_access: member.acl_access, acl_default: member.acl_default };
        let attributes = (!attributes.is_empty()).then(|| Box::new(attributes));
        let Member { mode, uid, gid, mtime, .. } = member;
        self.folders.push(Folder { path, mode, uid, gid, mtime, attributes });
    }

    /// Deepest first: an upper folder may not be entered any more with its own mode.
    fn finish_folders(&mut self) -> Result<(), ReadError> {
        let mut folders = std::mem::take(&mut self.folders);
        folders.sort_by(|a, b| b.path.cmp(&a.path));
        for folder in folders {
            let Folder { path, mode, uid, gid, mtime, attributes } = folder;
            let Attributes { xattrs, acl_access, acl_default } = attributes.map(|it| *it).unwrap_or_default();
            let member = Member { path, mode, uid, gid, mtime, xattrs, acl_access, acl_default, ..Member::default() };
            let failed = |errno: Errno| ReadError::Write { path: member.path.as_slice().into(), source: errno.into() };
            let parts = components(&member.path).unwrap_or_default();
            let (name, parents) = parts.split_last().map_or((&b"."[..], &[][..]), |(name, parents)| (*name, parents));
            let parent = match self.tree.folder(parents) {
                Ok(parent) => parent,
                Err(NoFolder::Failed(errno)) => return Err(failed(errno)),
                Err(_) => return Err(failed(Errno::NOTDIR)),
            };
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let open = openat(&*parent, name, flags, Mode::empty()).map_err(failed)?;
            self.conditions.apply(Place::Open(open.as_fd()), &member, None, false)?;
        }
        Ok(())
    }

    fn hard_link(&mut self, dir: &OwnedFd, name: &[u8], member: &Member) -> Result<(), ReadError> {
        let refuse = |why: fn(super::error::MemberName) -> Refusal| ReadError::Refused {
            path: member.path.as_slice().into(),
            why: why(member.link.as_slice().into()),
        };
        let target = components(&member.link).map_err(|_| refuse(Refusal::LinkLeaves))?;
        let Some((target, parents)) = target.split_last() else { return Err(refuse(Refusal::LinkLeaves)) };
        for waited in [false, true] {
            let linked = match self.tree.folder(parents) {
                Ok(folder) => linkat(&*folder, *target, dir, name, AtFlags::empty()),
                Err(NoFolder::Failed(errno)) => Err(errno),
                Err(_) => Err(Errno::NOENT),
            };
            match linked {
                Ok(()) => return Ok(()),
                Err(Errno::NOENT) if !waited => self.files.wait()?,
                Err(Errno::NOENT | Errno::NOTDIR | Errno::PERM) => break,
                Err(errno) => return Err(not_made(member, errno)),
            }
        }
        Err(refuse(Refusal::LinkMissing))
    }

    fn node(&self, dir: &OwnedFd, name: &[u8], member: &Member, kind: Kind) -> Result<(), ReadError> {
        if kind.is_device() && !self.conditions.is_root() {
            self.conditions.warn(&member.path, WarningKind::Device);
            return Ok(());
        }
        let (file_type, device) = match kind {
            Kind::CharDevice => (FileType::CharacterDevice, makedev(member.device.0, member.device.1)),
            Kind::BlockDevice => (FileType::BlockDevice, makedev(member.device.0, member.device.1)),
            _ => (FileType::Fifo, 0),
        };
        match mknodat(dir, name, file_type, Mode::RUSR | Mode::WUSR, device) {
            Ok(()) => self.conditions.apply(Place::Name(dir, name), member, Some(0o600), false),
            // Root of a container may be nobody here.
            Err(Errno::PERM) if kind.is_device() => {
                self.conditions.warn(&member.path, WarningKind::Device);
                Ok(())
            }
            Err(errno) => Err(not_made(member, errno)),
        }
    }

    fn large(
        &mut self,
        tar: &mut TarReader<'_>,
        dir: &OwnedFd,
        name: &[u8],
        member: &Member,
        digest: Option<[u8; 32]>,
    ) -> Result<(), ReadError> {
        let file = create(dir, name, member)?;
        let failed = |source| ReadError::Write { path: member.path.as_slice().into(), source };
        let mut hasher = blake3::Hasher::new();
        hasher.update(&member.lead);
        let dense = SparseMap { segments: vec![(0, member.size)], size: member.size };
        let map = member.sparse.as_ref().unwrap_or(&dense);
        if member.sparse.is_some() {
            file.set_len(map.size).map_err(failed)?;
        }
        for &(offset, length) in &map.segments {
            let mut at = offset;
            tar.some_data(length, &mut |piece| {
                // Pieces that stay in the cache between hashing and writing.
                for piece in piece.chunks(256 * 1024) {
                    if self.target.cancel.load(Ordering::Relaxed) {
                        return Err(ReadError::Cancelled);
                    }
                    if digest.is_some() {
                        hasher.update(piece);
                    }
                    file.write_all_at(piece, at).map_err(failed)?;
                    at += piece.len() as u64;
                }
                Ok(())
            })?;
        }
        if digest.is_some_and(|digest| hasher.finalize() != digest) {
            return Err(Damage::Digest { path: member.path.as_slice().into() }.into());
        }
        self.conditions.apply(Place::Open(file.as_fd()), member, Some(member.mode & 0o777), false)
    }
}
