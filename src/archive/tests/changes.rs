//! Trees that change while they are packed, and work that is given up.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;

use super::super::error::{PackError, WarningKind};
use super::super::index_read::Index;
use super::super::pack::pack;
use super::super::verify::verify;
use super::tree::{look, packed, plan, restore, sample};

/// A payload that runs something when its first byte comes: the packer is in the middle of its work then.
struct Meanwhile<F: FnMut()> {
    bytes: Vec<u8>,
    act: F,
}

impl<F: FnMut()> Write for Meanwhile<F> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.bytes.is_empty() {
            (self.act)();
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A large file of zeros-free text, far larger than all frames in flight.
fn large(path: &std::path::Path) -> usize {
    let bytes: Vec<u8> = (0..3_000_000u32).flat_map(u32::to_le_bytes).collect();
    fs::write(path, &bytes).unwrap();
    bytes.len()
}

#[test]
fn a_file_that_shrinks_or_grows_is_reported_and_the_archive_stays_whole() {
    for (to, strict) in [(1_000_000, false), (20_000_000, false), (1_000_000, true)] {
        let dir = tempfile::tempdir().unwrap();
        let size = large(&dir.path().join("big"));
        fs::write(dir.path().join("last"), "l").unwrap();
        let mut plan = plan(dir.path(), 1);
        plan.strict = strict;
        plan.frame_bytes = 64 * 1024;
        let path = dir.path().join("big");
        let act = || OpenOptions::new().write(true).open(&path).unwrap().set_len(to).unwrap();
        let mut payload = Meanwhile { bytes: Vec::new(), act };
        let mut index = Vec::new();
        let result = pack(&plan, &mut payload, &mut index, &|_| {}, &AtomicBool::new(false));
        if strict {
            assert_eq!(result.unwrap_err().to_string(), "1 file changed while being read, the first is t/big");
            continue;
        }
        let packed = result.unwrap();
        assert_eq!(packed.warnings.len(), 1);
        assert_eq!((packed.warnings[0].path.as_bytes(), &packed.warnings[0].kind), (&b"t/big"[..], &WarningKind::Changed));
        let open = Index::open(&index).unwrap();
        verify(&mut payload.bytes.as_slice(), Some(&open), 2, &AtomicBool::new(false)).unwrap();
        let target = tempfile::tempdir().unwrap();
        restore(&payload.bytes, Some(&index), target.path(), None).unwrap();
        assert_eq!(fs::metadata(target.path().join("t/big")).unwrap().len(), size as u64);
        assert_eq!(fs::read(target.path().join("t/last")).unwrap(), b"l");
    }
}

#[test]
fn what_vanishes_is_reported_and_its_hard_links_take_its_place() {
    let dir = tempfile::tempdir().unwrap();
    large(&dir.path().join("a-big"));
    large(&dir.path().join("b-gone"));
    fs::hard_link(dir.path().join("b-gone"), dir.path().join("c-link")).unwrap();
    fs::hard_link(dir.path().join("b-gone"), dir.path().join("d-link")).unwrap();
    let mut plan = plan(dir.path(), 1);
    plan.frame_bytes = 64 * 1024;
    let mut payload = Meanwhile { bytes: Vec::new(), act: || fs::remove_file(dir.path().join("b-gone")).unwrap() };
    let mut index = Vec::new();
    let packed = pack(&plan, &mut payload, &mut index, &|_| {}, &AtomicBool::new(false)).unwrap();
    assert_eq!(
        packed.warnings.iter().map(|w| (w.path.as_bytes(), w.kind.clone())).collect::<Vec<_>>(),
        [(&b"t/b-gone"[..], WarningKind::Vanished)]
    );
    let target = tempfile::tempdir().unwrap();
    restore(&payload.bytes, Some(&index), target.path(), None).unwrap();
    let seen = look(&target.path().join("t"));
    assert_eq!(seen[&b"d-link"[..]].same_as, b"c-link");
    assert_eq!(seen[&b"c-link"[..]].content, seen[&b"a-big"[..]].content);
}

#[test]
fn cancelling_ends_soon() {
    let dir = tempfile::tempdir().unwrap();
    large(&dir.path().join("big"));
    let cancel = AtomicBool::new(false);
    let mut plan = plan(dir.path(), 2);
    plan.frame_bytes = 16 * 1024;
    let mut payload = Meanwhile { bytes: Vec::new(), act: || cancel.store(true, Ordering::Relaxed) };
    let result = pack(&plan, &mut payload, &mut Vec::new(), &|_| {}, &cancel);
    assert!(matches!(result, Err(PackError::Cancelled)));
    assert!(payload.bytes.len() < 1 << 20, "{}", payload.bytes.len());
}

#[test]
fn progress_is_told_and_never_goes_back() {
    let dir = tempfile::tempdir().unwrap();
    large(&dir.path().join("big"));
    (0..300).for_each(|n| fs::write(dir.path().join(n.to_string()), "x").unwrap());
    let (send, told) = sync_channel(100_000);
    let packed = pack(
        &plan(dir.path(), 2),
        &mut Vec::new(),
        &mut Vec::new(),
        &move |p| send.send((p.entries, p.bytes)).unwrap(),
        &AtomicBool::new(false),
    )
    .unwrap();
    let told: Vec<_> = told.try_iter().collect();
    assert!(told.len() > 3 && told.is_sorted());
    assert_eq!(*told.last().unwrap(), (packed.entries, packed.bytes));
}

#[test]
fn who_may_not_give_files_away_keeps_them_and_says_so() {
    let dir = sample();
    let (payload, index, packed) = packed(&plan(&dir.path().join("t"), 2)).unwrap();
    let target = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(target.path(), Some(65534), Some(65534)).unwrap();
    // The system keeps identities per thread; the writers inherit this one's.
    let outcome = std::thread::scope(|scope| {
        let restore = || {
            let (user, group) = (rustix::fs::Uid::from_raw(65534), rustix::fs::Gid::from_raw(65534));
            rustix::thread::set_thread_groups(&[]).unwrap();
            rustix::thread::set_thread_res_gid(group, group, group).unwrap();
            rustix::thread::set_thread_res_uid(user, user, user).unwrap();
            restore(&payload, Some(&index), target.path(), None)
        };
        scope.spawn(restore).join().unwrap().unwrap()
    });
    assert_eq!(outcome.entries, packed.entries);
    assert!(outcome.owners_kept > 20);
    let kinds = |want: fn(&WarningKind) -> bool| outcome.warnings.iter().filter(|w| want(&w.kind)).count();
    assert_eq!(kinds(|kind| matches!(kind, WarningKind::Device)), 2);
    assert_eq!(kinds(|kind| matches!(kind, WarningKind::Owner { .. })), 1);
    assert_eq!(kinds(|kind| matches!(kind, WarningKind::Xattr { .. })), 3, "{:?}", outcome.warnings);
    let (before, after) = (look(dir.path()), look(target.path()));
    assert!(after.values().all(|seen| seen.owner == (65534, 65534)));
    assert_eq!(after[&b"t/suid"[..]].mode & 0o7777, 0o755, "set-id bits would be another user's");
    for (path, seen) in &after {
        assert_eq!((seen.mtime, &seen.content, &seen.link), (before[path].mtime, &before[path].content, &before[path].link));
    }
}

#[test]
fn what_cannot_be_read_is_an_error_with_its_path() {
    // Write-only even for root.
    let path = std::path::Path::new("/sys/bus/platform/drivers_probe");
    let error = packed(&plan(path, 1)).map(drop).unwrap_err();
    assert!(error.to_string().starts_with("cannot read \"/sys/bus/platform/drivers_probe\": Permission denied"), "{error}");
}
