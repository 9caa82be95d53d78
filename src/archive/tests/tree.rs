//! A tree with everything that a backup must keep, and a look at a tree that shares no code with the walker.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;

use rustix::fs::{AtFlags, FileType, Mode, Timespec, Timestamps, XattrFlags, lgetxattr, llistxattr, makedev, mkdirat, mknodat, utimensat};

use super::super::error::{PackError, ReadError};
use super::super::index_read::Index;
use super::super::pack::{PackPlan, Packed, pack};
use super::super::unpack::{Outcome, Target, UnpackOptions, unpack};
use super::super::walk::{Root, WalkPlan};

/// What `lstat` and the attribute calls say of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub mode: u32,
    pub owner: (u32, u32),
    pub size: u64,
    pub mtime: (i64, i64),
    pub rdev: u64,
    pub link: Vec<u8>,
    pub content: Option<blake3::Hash>,
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The first path of the same inode.
    pub same_as: Vec<u8>,
    /// Whether it has holes.
    pub sparse: bool,
}

/// Looks at everything below `path`. Reaches any depth through `/proc/self/fd`.
pub(super) fn look(path: &Path) -> BTreeMap<Vec<u8>, Seen> {
    let mut seen = BTreeMap::new();
    let mut inodes = BTreeMap::new();
    let here = File::open(path).unwrap();
    descend(&here, b"", &mut seen, &mut inodes);
    seen
}

fn descend(dir: &File, prefix: &[u8], seen: &mut BTreeMap<Vec<u8>, Seen>, inodes: &mut BTreeMap<(u64, u64), Vec<u8>>) {
    let base = format!("/proc/self/fd/{}", dir.as_raw_fd());
    let mut names: Vec<_> = fs::read_dir(&base).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    for name in names {
        let path = Path::new(&base).join(&name);
        let member = if prefix.is_empty() { name.as_bytes().to_vec() } else { [prefix, b"/", name.as_bytes()].concat() };
        let meta = fs::symlink_metadata(&path).unwrap();
        if meta.file_type().is_socket() {
            continue;
        }
        let mut list = vec![0; 4096];
        let length = llistxattr(&path, &mut list[..]).unwrap();
        let mut xattrs = BTreeMap::new();
        for name in list[..length].split(|&b| b == 0).filter(|name| !name.is_empty()) {
            let mut value = vec![0; 4096];
            let length = lgetxattr(&path, name, &mut value[..]).unwrap();
            xattrs.insert(name.to_vec(), value[..length].to_vec());
        }
        let is_dir = meta.is_dir();
        let same_as =
            if is_dir { member.clone() } else { inodes.entry((meta.dev(), meta.ino())).or_insert_with(|| member.clone()).clone() };
        let sparse = meta.is_file() && meta.blocks() * 512 + 65536 < meta.size();
        let entry = Seen {
            mode: meta.mode(),
            owner: (meta.uid(), meta.gid()),
            size: if is_dir { 0 } else { meta.size() },
            mtime: (meta.mtime(), meta.mtime_nsec()),
            rdev: meta.rdev(),
            link: if meta.is_symlink() { fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec() } else { Vec::new() },
            // Of a large sparse file the sample at its data is enough: hashing its zeros takes seconds.
            content: meta.is_file().then(|| content(&path, meta.size())),
            xattrs,
            same_as,
            sparse,
        };
        seen.insert(member.clone(), entry);
        if is_dir {
            descend(&File::open(&path).unwrap(), &member, seen, inodes);
        }
    }
}

fn content(path: &Path, size: u64) -> blake3::Hash {
    let file = File::open(path).unwrap();
    if size < 1 << 30 {
        return blake3::hash(&fs::read(path).unwrap());
    }
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 8192];
    for at in [0, 1 << 30, 5 << 30, size - 8192] {
        file.read_exact_at(&mut buffer, at).unwrap();
        hasher.update(&buffer);
    }
    hasher.finalize()
}

pub(super) fn run(program: &str, arguments: &[&str]) {
    let out = Command::new(program).args(arguments).output().unwrap_or_else(|e| panic!("{program} is needed by this test: {e}"));
    assert!(out.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
}

pub(super) fn set_time(path: &Path, seconds: i64, nanos: i64) {
    let mtime = Timespec { tv_sec: seconds, tv_nsec: nanos };
    let times = Timestamps { last_access: mtime, last_modification: mtime };
    utimensat(rustix::fs::CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

fn set_xattr(path: &Path, name: &str, value: &[u8]) {
    rustix::fs::lsetxattr(path, name, value, XattrFlags::empty()).unwrap();
}

/// Everything that has to survive.
fn make(root: &Path, depth: usize) {
    let at = |name: &str| root.join(name);
    let write = |name: &str, bytes: &[u8]| fs::write(at(name), bytes).unwrap();
    let mode = |name: &str, mode| fs::set_permissions(at(name), fs::Permissions::from_mode(mode)).unwrap();
    for folder in ["a", "a/inner", "a-b", "empty", "locked", "sticky"] {
        fs::create_dir(at(folder)).unwrap();
    }
    write("a/x", b"hello");
    write("a/inner/y", &vec![b'y'; 300_000]);
    write("a-b/z", b"");
    write("a.txt", &(0..2_000_000u32).map(|n| (n % 251) as u8).collect::<Vec<_>>());
    write("suid", b"#!");
    std::os::unix::fs::chown(at("suid"), Some(1234), Some(4321)).unwrap();
    mode("suid", 0o6755);
    write("locked/secret", b"s");
    mode("locked/secret", 0);
    mode("locked", 0o500);
    mode("sticky", 0o1777);
    write("big-owner", b"o");
    std::os::unix::fs::chown(at("big-owner"), Some(3_000_000_000), Some(2_097_152)).unwrap();
    symlink("a/x", at("link")).unwrap();
    symlink("/etc/passwd", at("absolute-link")).unwrap();
    symlink("../../outside", at("dangling-link")).unwrap();
    symlink(OsStr::from_bytes(&[b'l'; 3000]), at("long-link")).unwrap();
    std::os::unix::fs::lchown(at("link"), Some(55), Some(66)).unwrap();
    fs::hard_link(at("a/x"), at("hard-1")).unwrap();
    fs::hard_link(at("a/x"), at("a-b/hard-2")).unwrap();
    fs::hard_link(at("link"), at("link-hard")).unwrap();
    fs::hard_link(at("a/inner/y"), at("y-hard")).unwrap();
    write("xattrs", b"x");
    set_xattr(&at("xattrs"), "user.binary", b"\0\xff\n=1 2");
    set_xattr(&at("xattrs"), "user.with=equals%", b"v");
    set_xattr(&at("xattrs"), "user.empty", b"");
    set_xattr(&at("xattrs"), "trusted.t", b"for root");
    set_xattr(&at("empty"), "user.on-folder", b"f");
    set_xattr(&at("dangling-link"), "trusted.on-link", b"l");
    write("capable", b"c");
    std::os::unix::fs::chown(at("capable"), Some(7), Some(7)).unwrap();
    run("setcap", &["cap_net_bind_service,cap_chown+ep", at("capable").to_str().unwrap()]);
    write("acl", b"a");
    run("setfacl", &["-m", "u:1000:rw,u:backup:r,g:2000:rx,m::rwx", at("acl").to_str().unwrap()]);
    run("setfacl", &["-m", "u:1001:rwx", at("a").to_str().unwrap()]);
    run("setfacl", &["-d", "-m", "u:1002:rx,o::-", at("a").to_str().unwrap()]);
    let sparse = File::create_new(at("sparse")).unwrap();
    sparse.write_all_at(b"start", 0).unwrap();
    sparse.write_all_at(&vec![b'm'; 100_000], 5 << 20).unwrap();
    sparse.set_len(20 << 20).unwrap();
    let sparse = File::create_new(at("sparse-huge")).unwrap();
    sparse.set_len(9 << 30).unwrap();
    sparse.write_all_at(b"middle", 5 << 30).unwrap();
    File::create_new(at("sparse-all")).unwrap().set_len(3 << 20).unwrap();
    let dir = File::open(root).unwrap();
    mknodat(&dir, "fifo", FileType::Fifo, Mode::from_raw_mode(0o640), 0).unwrap();
    mknodat(&dir, "char", FileType::CharacterDevice, Mode::from_raw_mode(0o600), makedev(5, 70000)).unwrap();
    mknodat(&dir, "block", FileType::BlockDevice, Mode::from_raw_mode(0o660), makedev(259, 3)).unwrap();
    fs::write(root.join(OsStr::from_bytes(b"not-utf8-\xff\xfe")), b"n").unwrap();
    fs::write(root.join("new\nline"), b"n").unwrap();
    fs::write(root.join("back\\slash \t*?[x]"), b"n").unwrap();
    fs::write(root.join("n".repeat(255)), b"n").unwrap();
    fs::write(root.join("a").join("é".repeat(120)), b"n").unwrap();
    deep(root, depth);
    for (name, seconds, nanos) in [
        ("a/x", 1, 1),
        ("a/inner/y", -5, 250_000_000),
        ("suid", 1 << 33, 0),
        ("link", 1_000_000_000, 123_456_789),
        ("a", 1_234_567_890, 999_999_999),
    ] {
        set_time(&at(name), seconds, nanos);
    }
    set_time(&at("locked"), 77, 7);
    set_time(&at("fifo"), 78, 8);
}

/// Names of 240 bytes in each other.
fn deep(root: &Path, depth: usize) {
    let mut dir = File::open(root).unwrap();
    for level in 0..u8::try_from(depth).unwrap() {
        let name = format!("{level:02}-{}", "d".repeat(237));
        mkdirat(&dir, name.as_str(), Mode::from_raw_mode(0o755)).unwrap();
        let next = rustix::fs::openat(&dir, name.as_str(), rustix::fs::OFlags::DIRECTORY, Mode::empty()).unwrap();
        dir = File::from(next);
        fs::write(format!("/proc/self/fd/{}/f", dir.as_raw_fd()), [level]).unwrap();
    }
}

/// Packs with small frames, so that a small tree has many.
pub(super) fn plan(root: &Path, threads: usize) -> PackPlan {
    let tree = WalkPlan { roots: vec![Root { label: "t".into(), path: root.to_owned() }], ..WalkPlan::default() };
    PackPlan { threads, frame_bytes: 256 * 1024, ..PackPlan::new(tree) }
}

pub(super) fn packed(plan: &PackPlan) -> Result<(Vec<u8>, Vec<u8>, Packed), PackError> {
    let (mut payload, mut index) = (Vec::new(), Vec::new());
    let packed = pack(plan, &mut payload, &mut index, &|_| {}, &AtomicBool::new(false))?;
    Ok((payload, index, packed))
}

pub(super) fn restore(payload: &[u8], index: Option<&Vec<u8>>, folder: &Path, select: Option<&[u8]>) -> Result<Outcome, ReadError> {
    let cancel = AtomicBool::new(false);
    let target = Target { folder, select, options: UnpackOptions::default(), progress: &|_| {}, cancel: &cancel };
    let index = match index {
        Some(bytes) => Some(Index::open(bytes)?),
        None => None,
    };
    unpack(&mut &payload[..], index.as_ref(), &target)
}

/// Panics with the first difference, which is easier to read than two trees.
pub(super) fn assert_same(left: &BTreeMap<Vec<u8>, Seen>, right: &BTreeMap<Vec<u8>, Seen>) {
    for (path, seen) in left {
        let other = right.get(path).unwrap_or_else(|| panic!("{} is missing", path.escape_ascii()));
        assert_eq!(seen, other, "{}", path.escape_ascii());
    }
    for path in right.keys() {
        assert!(left.contains_key(path), "{} is new", path.escape_ascii());
    }
}

/// A tree in a throwaway folder; `t` below it is the tree. Its longest path is longer than the system takes in one call.
pub(super) fn sample() -> tempfile::TempDir {
    sample_of_depth(20)
}

/// The same for programs that need paths of at most 4096 bytes.
pub(super) fn sample_of_depth(depth: usize) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("t")).unwrap();
    make(&dir.path().join("t"), depth);
    set_time(&dir.path().join("t"), 4242, 42);
    dir
}
