//! What we pack comes back through our own reader.

use std::fs;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use super::super::entry::Kind;
use super::super::error::WarningKind;
use super::super::index_read::Index;
use super::super::read_at::ReadAt;
use super::super::unpack::{Target, UnpackOptions, unpack_path};
use super::super::verify::{verify, verify_path};
use super::tree::{assert_same, look, packed, plan, restore, sample};

#[test]
fn everything_comes_back() {
    let dir = sample();
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("t/socket")).unwrap();
    super::tree::set_time(&dir.path().join("t"), 4242, 42);
    let before = look(dir.path());
    let (payload, index, packed) = packed(&plan(&dir.path().join("t"), 2)).unwrap();
    assert_eq!(packed.warnings.len(), 1);
    assert_eq!(packed.warnings[0].kind, WarningKind::Socket);
    assert!(payload.len() < 4 << 20, "holes are not stored: {}", payload.len());
    for index in [Some(&index), None] {
        let target = tempfile::tempdir().unwrap();
        let outcome = restore(&payload, index, target.path(), None).unwrap();
        assert_eq!((outcome.entries, outcome.warnings), (packed.entries, vec![]));
        assert_same(&before, &look(target.path()));
    }
    let index = Index::open(&index).unwrap();
    let verified = verify(&mut payload.as_slice(), Some(&index), 2, &AtomicBool::new(false)).unwrap();
    assert_eq!((verified.entries, verified.bytes, verified.tar_bytes), (packed.entries, packed.bytes, packed.tar_bytes));
    assert!(verified.frames > 3);
}

#[test]
fn the_number_of_threads_does_not_change_a_byte() {
    let dir = sample();
    let one = packed(&plan(dir.path(), 1)).unwrap();
    let four = packed(&plan(dir.path(), 4)).unwrap();
    assert!(one.0 == four.0 && one.1 == four.1);
}

/// Counts what is read.
struct Counting<'a>(&'a [u8], Mutex<Vec<usize>>);

impl ReadAt for Counting<'_> {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.1.lock().unwrap().push(buffer.len());
        self.0.read_at(offset, buffer)
    }
}

#[test]
fn one_path_costs_a_few_range_reads() {
    let dir = tempfile::tempdir().unwrap();
    let mut noise = blake3::Hasher::new().finalize_xof();
    for n in 0..400 {
        let mut bytes = vec![0; 20_000];
        noise.fill(&mut bytes);
        fs::create_dir_all(dir.path().join(format!("{}", n % 20))).unwrap();
        fs::write(dir.path().join(format!("{}/{n}", n % 20)), bytes).unwrap();
    }
    let (payload, index, _) = packed(&plan(dir.path(), 2)).unwrap();
    let (payload, index) = (Counting(&payload, Mutex::default()), Counting(&index, Mutex::default()));
    let open = Index::open(&index).unwrap();
    let verified = verify_path(&payload, &open, b"t/7/7", 2, &AtomicBool::new(false)).unwrap();
    assert_eq!((verified.entries, verified.bytes), (1, 20_000));
    let reads: Vec<usize> = payload.1.lock().unwrap().drain(..).chain(index.1.lock().unwrap().drain(..)).collect();
    assert!(reads.len() <= 8 && reads.iter().sum::<usize>() < 900_000, "{reads:?}");
    let target = tempfile::tempdir().unwrap();
    let cancel = AtomicBool::new(false);
    let target =
        Target { folder: target.path(), select: Some(b"t/7"), options: UnpackOptions::default(), progress: &|_| {}, cancel: &cancel };
    let outcome = unpack_path(&payload, &open, &target).unwrap();
    assert_eq!((outcome.entries, outcome.bytes), (21, 400_000));
    let got = look(target.folder);
    let want: Vec<_> = look(dir.path()).into_iter().filter(|(path, _)| path.starts_with(b"7/")).collect();
    assert_eq!(want.len(), 20);
    for (path, seen) in want {
        assert_eq!(got[&[b"t/", path.as_slice()].concat()].content, seen.content);
    }
}

#[test]
fn a_selection_takes_the_content_of_hard_links_from_outside() {
    let dir = sample();
    let before = look(dir.path());
    let (payload, index, _) = packed(&plan(&dir.path().join("t"), 2)).unwrap();
    let open = Index::open(&index).unwrap();
    let link = open.lookup(b"t/a/x").unwrap().unwrap();
    assert_eq!((link.kind, link.link.as_slice()), (Kind::HardLink, &b"t/a-b/hard-2"[..]));
    let cancel = AtomicBool::new(false);
    for streamed in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        if streamed {
            restore(&payload, Some(&index), folder.path(), Some(b"t/a")).unwrap();
        } else {
            let target = Target {
                folder: folder.path(),
                select: Some(b"t/a"),
                options: UnpackOptions::default(),
                progress: &|_| {},
                cancel: &cancel,
            };
            unpack_path(&payload, &open, &target).unwrap();
        }
        let after = look(folder.path());
        let want = |path: &[u8]| path == b"t/a" || path.starts_with(b"t/a/");
        for (path, seen) in before.iter().filter(|(path, _)| want(path)) {
            let got = &after[path];
            assert_eq!(
                (got.mode, got.owner, &got.content, &got.xattrs, got.mtime),
                (seen.mode, seen.owner, &seen.content, &seen.xattrs, seen.mtime)
            );
        }
        assert_eq!(after.keys().filter(|path| !want(path)).collect::<Vec<_>>(), [b"t"]);
    }
}

#[test]
fn what_the_target_would_hand_down_is_not_inherited() {
    let dir = sample();
    let before = look(dir.path());
    let (payload, index, _) = packed(&plan(&dir.path().join("t"), 2)).unwrap();
    let target = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(target.path(), None, Some(777)).unwrap();
    fs::set_permissions(target.path(), std::os::unix::fs::PermissionsExt::from_mode(0o2755)).unwrap();
    super::tree::run("setfacl", &["-d", "-m", "u:1005:rwx", target.path().to_str().unwrap()]);
    restore(&payload, Some(&index), target.path(), None).unwrap();
    assert_same(&before, &look(target.path()));
}

#[test]
fn unpacking_everything_from_random_access_is_the_same() {
    let dir = sample();
    let (payload, index, _) = packed(&plan(&dir.path().join("t"), 2)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let cancel = AtomicBool::new(false);
    let target = Target { folder: folder.path(), select: None, options: UnpackOptions::default(), progress: &|_| {}, cancel: &cancel };
    unpack_path(&payload, &Index::open(&index).unwrap(), &target).unwrap();
    assert_same(&look(dir.path()), &look(folder.path()));
}

#[test]
fn a_path_that_is_not_there_is_said() {
    let dir = sample();
    let (payload, index, _) = packed(&plan(dir.path(), 1)).unwrap();
    let target = tempfile::tempdir().unwrap();
    for index in [Some(&index), None] {
        let error = restore(&payload, index, target.path(), Some(b"t/nothing")).unwrap_err();
        assert_eq!(error.to_string(), "`t/nothing` is not in the archive");
    }
}

#[test]
fn a_root_may_be_a_single_file_and_there_may_be_several() {
    let dir = sample();
    let mut plan = plan(&dir.path().join("t/a"), 2);
    plan.tree.roots.push(super::super::walk::Root { label: "one-file".into(), path: dir.path().join("t/a.txt") });
    let (payload, index, _) = packed(&plan).unwrap();
    let target = tempfile::tempdir().unwrap();
    restore(&payload, Some(&index), target.path(), None).unwrap();
    assert_eq!(fs::read(target.path().join("one-file")).unwrap(), fs::read(dir.path().join("t/a.txt")).unwrap());
    assert!(target.path().join("t/inner/y").exists());
}
