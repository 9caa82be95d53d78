//! Folders of the target, opened one component at a time and never through a symlink.
//!
//! The folders on the way to the last member stay open (at most [`OPEN`] of them), because members come sorted and most share
//! their parent. Names are judged here before anything is written.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
use rustix::io::Errno;

use super::error::{MemberName, ReadError, Refusal};
use super::header::PATH_MOST;

/// Folders that stay open at a time.
const OPEN: usize = 64;

/// The target.
pub(super) struct Tree {
    root: Arc<OwnedFd>,
    stack: Vec<(Vec<u8>, Option<Arc<OwnedFd>>)>,
}

/// Why a folder could not be opened.
#[derive(Debug)]
pub(super) enum NoFolder {
    /// It is not there: the first so many components are.
    Missing(usize),
    /// Something else is there.
    Other,
    Failed(Errno),
}

impl Tree {
    pub(super) fn open(folder: &Path) -> Result<Self, ReadError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(CWD, folder, flags, Mode::empty()).map_err(|errno| ReadError::Write {
            path: MemberName::new(std::os::unix::ffi::OsStrExt::as_bytes(folder.as_os_str())),
            source: errno.into(),
        })?;
        Ok(Self { root: Arc::new(root), stack: Vec::new() })
    }

    pub(super) fn root(&self) -> &Arc<OwnedFd> {
        &self.root
    }

    /// The folder with these components.
    pub(super) fn folder(&mut self, path: &[&[u8]]) -> Result<Arc<OwnedFd>, NoFolder> {
        let common = self.stack.iter().zip(path).take_while(|((have, _), want)| have == *want).count();
        self.stack.truncate(common);
        let open = |dir: &Arc<OwnedFd>, name: &[u8], depth: usize| {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            match openat(&**dir, name, flags, Mode::empty()) {
                Ok(dir) => Ok(Arc::new(dir)),
                Err(Errno::NOENT) => Err(NoFolder::Missing(depth)),
                Err(Errno::NOTDIR | Errno::LOOP) => Err(NoFolder::Other),
                Err(errno) => Err(NoFolder::Failed(errno)),
            }
        };
        let mut dir = match self.stack.last() {
            None => self.root.clone(),
            Some((_, Some(dir))) => dir.clone(),
            // Closed when the tree was deeper: from the top again.
            Some((_, None)) => {
                self.stack.clear();
                self.root.clone()
            }
        };
        for (depth, name) in path.iter().enumerate().skip(self.stack.len()) {
            dir = open(&dir, name, depth)?;
            self.stack.push((name.to_vec(), Some(dir.clone())));
            if let Some(upper) = self.stack.len().checked_sub(OPEN + 1) {
                self.stack[upper].1 = None;
            }
        }
        Ok(dir)
    }

    /// Makes the folders that are missing on the way.
    pub(super) fn make(&mut self, path: &[&[u8]], made: &mut dyn FnMut(&[&[u8]])) -> Result<Arc<OwnedFd>, NoFolder> {
        loop {
            match self.folder(path) {
                Err(NoFolder::Missing(depth)) => {
                    let parent = self.folder(&path[..depth])?;
                    mkdirat(&*parent, path[depth], Mode::from_raw_mode(0o755)).map_err(NoFolder::Failed)?;
                    made(&path[..=depth]);
                }
                other => return other,
            }
        }
    }
}

/// The components of a member's name; `.` and double slashes are dropped.
pub(super) fn components(path: &[u8]) -> Result<Vec<&[u8]>, Refusal> {
    if path.first() == Some(&b'/') {
        return Err(Refusal::Absolute);
    }
    if path.is_empty() || path.len() > PATH_MOST || path.contains(&0) {
        return Err(Refusal::Name);
    }
    let parts: Vec<&[u8]> = path.split(|&b| b == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
    if parts.contains(&&b".."[..]) { Err(Refusal::Dots) } else { Ok(parts) }
}

/// Whether a symlink `depth` folders below the target may lead out of it. Only `..` at the beginning of its target are counted:
/// after a name, which may be a symlink itself, nobody knows where `..` leads.
pub(super) fn may_escape(depth: usize, target: &[u8]) -> bool {
    if target.first() == Some(&b'/') {
        return true;
    }
    let mut up = 0;
    let mut named = false;
    for part in target.split(|&b| b == b'/').filter(|part| !part.is_empty() && *part != b".") {
        match part {
            b".." if named => return true,
            b".." => up += 1,
            _ => named = true,
        }
    }
    up > depth
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_leave_the_root_are_refused() {
        assert_eq!(components(b"/etc/passwd"), Err(Refusal::Absolute));
        for name in [&b".."[..], b"../x", b"a/../b", b"a/..", b"./../x"] {
            assert_eq!(components(name), Err(Refusal::Dots), "{}", name.escape_ascii());
        }
        assert_eq!(components(b""), Err(Refusal::Name));
        assert_eq!(components(&b"a/".repeat(20_000)), Err(Refusal::Name));
        assert_eq!(components(b"./a//b/./c"), Ok(vec![&b"a"[..], b"b", b"c"]));
        assert_eq!(components(b"./"), Ok(vec![]));
        assert_eq!(components(b"..a/b.."), Ok(vec![&b"..a"[..], b"b.."]));
    }

    #[test]
    fn symlinks_may_climb_as_far_as_they_are_deep_and_no_further() {
        assert!(!may_escape(1, b"../x") && !may_escape(0, b"x/y") && !may_escape(2, b"./.././../x"));
        assert!(may_escape(0, b"..") && may_escape(1, b"../../x") && may_escape(5, b"/x") && may_escape(5, b"a/../b"));
    }

    #[test]
    fn a_symlink_on_the_way_is_no_folder() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/tmp", dir.path().join("l")).unwrap();
        std::fs::write(dir.path().join("f"), "").unwrap();
        let mut tree = Tree::open(dir.path()).unwrap();
        assert!(matches!(tree.folder(&[b"l"]), Err(NoFolder::Other)));
        assert!(matches!(tree.folder(&[b"f", b"x"]), Err(NoFolder::Other)));
        assert!(matches!(tree.folder(&[b"n", b"x"]), Err(NoFolder::Missing(0))));
    }

    #[test]
    fn deep_folders_are_found_again_after_they_were_closed() {
        let dir = tempfile::tempdir().unwrap();
        let mut tree = Tree::open(dir.path()).unwrap();
        let path: Vec<&[u8]> = vec![b"d"; 3 * OPEN];
        tree.make(&path, &mut |_| {}).unwrap();
        for depth in (0..path.len()).rev() {
            tree.folder(&path[..depth]).unwrap();
        }
        assert!(tree.stack.iter().filter(|level| level.1.is_some()).count() <= OPEN);
    }
}
