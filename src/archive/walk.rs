//! Trees in the order of an archive.
//!
//! Members come in the order of their raw path bytes: `a`, `a-b`, `a/x`. So the entry of a folder and what it holds are apart,
//! and one listing is sorted by two keys per folder: `name` for the entry and `name/` for the descent. One listing per level is
//! in memory and nothing else, and at most [`OPEN_LEVELS`] folders are open: in a deeper tree the upper ones are closed and found
//! again through `..`, with device and inode compared.
//!
//! Everything is looked up relative to an open folder and never through a symlink below a root; a root itself may be one, what it
//! resolves to is stored. Sockets and what vanishes between the listing and the look are told to the visitor. A folder or an
//! entry that cannot be read ends the walk with its path.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir, StatxAttributes, StatxFlags, fstat, openat, statat, statx};
use rustix::io::Errno;

use super::entry::{Kind, Meta};
use super::error::{PackError, WarningKind};
use super::exclude::Excludes;
use super::header::PATH_MOST;

/// Folders that stay open at a time.
const OPEN_LEVELS: usize = 64;

/// Bytes of a listing that the system gives at a time.
const LISTING: usize = 32 * 1024;

/// A tree, or a single file, and the name of its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// The first component of its members.
    pub label: OsString,
    /// Where it is; followed if it is a symlink.
    pub path: PathBuf,
}

/// What is walked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WalkPlan {
    /// In any order.
    pub roots: Vec<Root>,
    /// Patterns: without a slash they match any component, with one they are anchored at the root; a matching folder is pruned.
    pub exclude: Vec<String>,
    /// Leaves out what other file systems and bind mounts hold; the mount point itself stays, empty.
    pub one_file_system: bool,
}

/// One member as the walker meets it; everything is borrowed.
pub(super) struct Found<'a> {
    /// The whole name of the member.
    pub member: &'a [u8],
    /// How it is called in `dir`.
    pub name: &'a [u8],
    /// The folder that holds it.
    pub dir: &'a Arc<OwnedFd>,
    pub meta: Meta,
}

/// Who is told.
pub(super) trait Visitor {
    fn found(&mut self, found: &Found<'_>) -> Result<(), PackError>;
    fn warn(&mut self, member: &[u8], kind: WarningKind) -> Result<(), PackError>;
}

#[derive(Clone, Copy)]
struct Item {
    start: u32,
    len: u16,
    descend: bool,
}

struct Level {
    dir: Option<Arc<OwnedFd>>,
    id: (u64, u64),
    names: Vec<u8>,
    items: Vec<Item>,
    next: usize,
    /// Bytes of the member name of this folder.
    member_len: usize,
}

struct Start {
    label: Vec<u8>,
    name: Vec<u8>,
    dir: Arc<OwnedFd>,
    dev: u64,
}

/// Walks everything; the visitor's error ends it.
pub(super) fn walk(plan: &WalkPlan, visitor: &mut dyn Visitor) -> Result<(), PackError> {
    let excludes = Excludes::new(&plan.exclude)?;
    let starts = starts(plan)?;
    let mut walker = Walker {
        plan,
        excludes,
        visitor,
        stack: Vec::new(),
        member: Vec::new(),
        label_len: 0,
        dev: 0,
        buffer: Vec::with_capacity(LISTING),
    };
    let mut order: Vec<(Vec<u8>, usize, bool)> = Vec::new();
    for (at, start) in starts.iter().enumerate() {
        order.push((start.label.clone(), at, false));
        order.push(([start.label.as_slice(), b"/"].concat(), at, true));
    }
    order.sort();
    for (_, at, descend) in order {
        let start = &starts[at];
        walker.member.clear();
        walker.member.extend_from_slice(&start.label);
        walker.label_len = start.label.len();
        walker.dev = start.dev;
        if descend {
            walker.tree(start)?;
        } else {
            walker.entry(&start.dir, &start.name)?;
        }
    }
    Ok(())
}

/// Where a member is on the disk, for messages.
pub(super) fn real_path(plan: &WalkPlan, member: &[u8]) -> PathBuf {
    let (label, rest) = member.iter().position(|&b| b == b'/').map_or((member, &[][..]), |at| (&member[..at], &member[at + 1..]));
    let root = plan.roots.iter().find(|root| root.label.as_bytes() == label);
    let mut path = root.map_or_else(|| PathBuf::from(OsString::from_vec(label.to_vec())), |root| root.path.clone());
    if !rest.is_empty() {
        path.push(std::ffi::OsStr::from_bytes(rest));
    }
    path
}

fn starts(plan: &WalkPlan) -> Result<Vec<Start>, PackError> {
    let mut seen: HashSet<&[u8]> = HashSet::new();
    let mut starts = Vec::with_capacity(plan.roots.len());
    for root in &plan.roots {
        let label = root.label.as_bytes();
        let bad = |reason| PackError::Label { label: label.into(), reason };
        if label.is_empty() || label == b"." || label == b".." || label.contains(&b'/') || label.contains(&0) {
            return Err(bad("it is not one path component"));
        }
        if !seen.insert(label) {
            return Err(bad("it stands twice"));
        }
        let failed = |source: io::Error| PackError::Source { path: root.path.clone(), source };
        let path = root.path.canonicalize().map_err(failed)?;
        let (parent, name) = match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => (parent, name.as_bytes().to_vec()),
            _ => (Path::new("/"), b".".to_vec()),
        };
        let dir = openat(CWD, parent, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map_err(|e| failed(e.into()))?;
        let stat = statat(&dir, name.as_slice(), AtFlags::SYMLINK_NOFOLLOW).map_err(|e| failed(e.into()))?;
        starts.push(Start { label: label.to_vec(), name, dir: Arc::new(dir), dev: Meta::of(&stat).dev });
    }
    Ok(starts)
}

struct Walker<'a> {
    plan: &'a WalkPlan,
    excludes: Excludes,
    visitor: &'a mut dyn Visitor,
    stack: Vec<Level>,
    member: Vec<u8>,
    label_len: usize,
    dev: u64,
    /// For listings; stays empty, only its capacity is used.
    buffer: Vec<u8>,
}

impl Walker<'_> {
    fn failed(&self, errno: Errno) -> PackError {
        PackError::Source { path: real_path(self.plan, &self.member), source: errno.into() }
    }

    fn warn(&mut self, kind: WarningKind) -> Result<(), PackError> {
        self.visitor.warn(&self.member, kind)
    }

    fn entry(&mut self, dir: &Arc<OwnedFd>, name: &[u8]) -> Result<(), PackError> {
        if self.member.len() > PATH_MOST {
            return Err(self.failed(Errno::NAMETOOLONG));
        }
        let meta = match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Meta::of(&stat),
            Err(Errno::NOENT) => return self.warn(WarningKind::Vanished),
            Err(errno) => return Err(self.failed(errno)),
        };
        if meta.kind.is_none() {
            return self.warn(WarningKind::Socket);
        }
        self.visitor.found(&Found { member: &self.member, name, dir, meta })
    }

    fn tree(&mut self, start: &Start) -> Result<(), PackError> {
        self.descend(&start.dir, &start.name, true)?;
        while let Some(level) = self.stack.last_mut() {
            self.member.truncate(level.member_len);
            let Some(&item) = level.items.get(level.next) else {
                self.ascend()?;
                continue;
            };
            level.next += 1;
            let at = item.start as usize;
            self.member.push(b'/');
            self.member.extend_from_slice(&level.names[at..at + usize::from(item.len)]);
            let name_at = level.member_len + 1;
            let Some(dir) = level.dir.clone() else { return Err(PackError::Pipeline) };
            let name = self.member[name_at..].to_vec();
            if item.descend {
                self.descend(&dir, &name, false)?;
            } else {
                self.entry(&dir, &name)?;
            }
        }
        Ok(())
    }

    fn descend(&mut self, parent: &Arc<OwnedFd>, name: &[u8], is_root: bool) -> Result<(), PackError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = match openat(parent, name, flags, Mode::empty()) {
            Ok(dir) => dir,
            // A root that is a file has no tree below it; below a root it was a folder a moment ago.
            Err(Errno::NOTDIR) if is_root => return Ok(()),
            Err(Errno::NOTDIR | Errno::LOOP | Errno::NOENT) => return self.warn(WarningKind::Changed),
            Err(errno) => return Err(self.failed(errno)),
        };
        let meta = Meta::of(&fstat(&dir).map_err(|e| self.failed(e))?);
        if self.plan.one_file_system && !is_root && (meta.dev != self.dev || is_mount(&dir)) {
            return Ok(());
        }
        let (names, items) = self.list(&dir)?;
        let level = Level { dir: Some(Arc::new(dir)), id: (meta.dev, meta.ino), names, items, next: 0, member_len: self.member.len() };
        self.stack.push(level);
        if let Some(upper) = self.stack.len().checked_sub(OPEN_LEVELS + 1) {
            self.stack[upper].dir = None;
        }
        Ok(())
    }

    /// Leaves a folder; the one above is opened again if it had to be closed.
    fn ascend(&mut self) -> Result<(), PackError> {
        let Some(level) = self.stack.pop() else { return Ok(()) };
        let (Some(upper), Some(dir)) = (self.stack.last_mut(), level.dir) else { return Ok(()) };
        if upper.dir.is_some() {
            return Ok(());
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let again = openat(&dir, "..", flags, Mode::empty()).and_then(|dir| Ok((Meta::of(&fstat(&dir)?), dir)));
        match again {
            Ok((meta, dir)) if (meta.dev, meta.ino) == upper.id => upper.dir = Some(Arc::new(dir)),
            Ok(_) => {
                let source = io::Error::other("the folder was moved while it was read");
                return Err(PackError::Source { path: real_path(self.plan, &self.member), source });
            }
            Err(errno) => return Err(self.failed(errno)),
        }
        Ok(())
    }

    fn list(&mut self, dir: &OwnedFd) -> Result<(Vec<u8>, Vec<Item>), PackError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut entries = RawDir::new(dir, buffer.spare_capacity_mut());
        let (mut names, mut items) = (Vec::new(), Vec::new());
        let mut path = self.member.get(self.label_len + 1..).unwrap_or_default().to_vec();
        if !path.is_empty() {
            path.push(b'/');
        }
        let base = path.len();
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(|e| self.failed(e))?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            if !self.excludes.is_empty() {
                path.truncate(base);
                path.extend_from_slice(name);
                if self.excludes.matches(&path, name) {
                    continue;
                }
            }
            let descend = match entry.file_type() {
                FileType::Directory => true,
                FileType::Unknown => statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|s| Meta::of(&s).kind == Some(Kind::Directory)),
                _ => false,
            };
            // A name has at most 255 bytes; a listing of more than 4 GiB of names would not fit memory anyway.
            let (Ok(start), Ok(len)) = (u32::try_from(names.len()), u16::try_from(name.len())) else {
                return Err(self.failed(Errno::TOOBIG));
            };
            names.extend_from_slice(name);
            items.push(Item { start, len, descend: false });
            if descend {
                items.push(Item { start, len, descend: true });
            }
        }
        self.buffer = buffer;
        let key = |item: &Item| &names[item.start as usize..item.start as usize + usize::from(item.len)];
        items.sort_unstable_by(|a, b| order(key(a), a.descend, key(b), b.descend));
        names.shrink_to_fit();
        items.shrink_to_fit();
        Ok((names, items))
    }
}

/// Compares names as if a descent had a slash at its end.
fn order(a: &[u8], a_descends: bool, b: &[u8], b_descends: bool) -> std::cmp::Ordering {
    let common = a.len().min(b.len());
    a[..common].cmp(&b[..common]).then_with(|| {
        let rest = |name: &[u8], descends: bool| {
            name.get(common).copied().map_or(if descends { 1 + i32::from(b'/') } else { 0 }, |byte| 1 + i32::from(byte))
        };
        rest(a, a_descends).cmp(&rest(b, b_descends))
    })
}

fn is_mount(dir: &OwnedFd) -> bool {
    statx(dir, "", AtFlags::EMPTY_PATH, StatxFlags::empty()).is_ok_and(|s| s.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[derive(Default)]
    pub(super) struct Names {
        found: Vec<String>,
        warned: Vec<(String, WarningKind)>,
    }

    impl Visitor for Names {
        fn found(&mut self, found: &Found<'_>) -> Result<(), PackError> {
            self.found.push(String::from_utf8_lossy(found.member).into_owned());
            Ok(())
        }

        fn warn(&mut self, member: &[u8], kind: WarningKind) -> Result<(), PackError> {
            self.warned.push((String::from_utf8_lossy(member).into_owned(), kind));
            Ok(())
        }
    }

    fn names(plan: &WalkPlan) -> Names {
        let mut names = Names::default();
        walk(plan, &mut names).unwrap();
        names
    }

    fn plan(label: &str, path: &Path) -> WalkPlan {
        WalkPlan { roots: vec![Root { label: label.into(), path: path.to_owned() }], ..WalkPlan::default() }
    }

    #[test]
    fn members_come_in_the_order_of_their_raw_bytes() {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["a", "a-b", "a/c", "a/c!", "b"] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        for file in ["a/x", "a/c/y", "a-b/z", "a.txt", "a0", "b/q"] {
            fs::write(dir.path().join(file), "").unwrap();
        }
        let mut plan = plan("t", dir.path());
        plan.roots.push(Root { label: "t-1".into(), path: dir.path().join("a.txt") });
        let found = names(&plan).found;
        let mut sorted = found.clone();
        sorted.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
        assert_eq!(found, sorted);
        assert_eq!(&found[..2], ["t", "t-1"]);
        assert_eq!(found.len(), 13);
    }

    #[test]
    fn a_matching_folder_is_pruned() {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["cache/deep", "x/cache", "x/keep"] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        let mut plan = plan("t", dir.path());
        plan.exclude = vec!["/cache".to_owned(), "keep".to_owned()];
        assert_eq!(names(&plan).found, ["t", "t/x", "t/x/cache"]);
    }

    #[test]
    fn sockets_are_told_and_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("s")).unwrap();
        let names = names(&plan("t", dir.path()));
        assert_eq!(names.found, ["t"]);
        assert_eq!(names.warned, [("t/s".to_owned(), WarningKind::Socket)]);
    }

    #[test]
    fn a_tree_deeper_than_the_open_folders_is_walked_whole() {
        let dir = tempfile::tempdir().unwrap();
        let mut path = dir.path().to_owned();
        for _ in 0..(2 * OPEN_LEVELS + 10) {
            path.push("d");
            fs::create_dir(&path).unwrap();
            fs::write(path.join("z"), "").unwrap();
        }
        assert_eq!(names(&plan("t", dir.path())).found.len(), 1 + 2 * (2 * OPEN_LEVELS + 10));
    }

    #[test]
    fn labels_must_be_single_components_and_differ() {
        let dir = tempfile::tempdir().unwrap();
        for label in ["", ".", "..", "a/b"] {
            assert!(matches!(walk(&plan(label, dir.path()), &mut Names::default()), Err(PackError::Label { .. })));
        }
        let mut twice = plan("a", dir.path());
        twice.roots.push(twice.roots[0].clone());
        assert!(matches!(walk(&twice, &mut Names::default()), Err(PackError::Label { .. })));
    }

    #[test]
    fn a_missing_root_is_named() {
        let error = walk(&plan("a", Path::new("/nowhere/at/all")), &mut Names::default()).unwrap_err();
        assert!(error.to_string().contains("/nowhere/at/all"));
    }

    #[test]
    fn another_mount_stays_as_an_empty_folder() {
        // Every system has another file system at /dev/pts.
        let mut plan = plan("dev", Path::new("/dev"));
        let below = |names: &Names| names.found.iter().filter(|name| name.starts_with("dev/pts/")).count();
        assert!(below(&names(&plan)) > 0);
        plan.one_file_system = true;
        let names = names(&plan);
        assert!(below(&names) == 0 && names.found.contains(&"dev/pts".to_owned()));
    }

    #[test]
    fn a_root_that_is_a_symlink_is_what_it_points_to() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("real")).unwrap();
        fs::write(dir.path().join("real/x"), "").unwrap();
        std::os::unix::fs::symlink("real", dir.path().join("link")).unwrap();
        assert_eq!(names(&plan("t", &dir.path().join("link"))).found, ["t", "t/x"]);
    }
}
