//! Archives made to harm: nothing outside of the target is ever touched, and nothing panics.

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use proptest::prelude::*;

use super::super::error::{Damage, ReadError, Refusal};
use super::super::index_read::Index;
use super::super::unpack::{Symlinks, Target, UnpackOptions, unpack, unpack_path};
use super::super::verify::{verify, verify_path};
use super::tree::{packed, plan, restore};

/// A raw member: what no packer of ours would write.
pub(super) fn member(out: &mut Vec<u8>, name: &[u8], flag: u8, link: &[u8], data: &[u8], pax: &[(&[u8], &[u8])]) {
    if !pax.is_empty() {
        let mut records = Vec::new();
        for (key, value) in pax {
            let rest = key.len() + value.len() + 3;
            let mut length = rest;
            while rest + length.to_string().len() != length {
                length = rest + length.to_string().len();
            }
            records.extend(format!("{length} ").into_bytes());
            records.extend([key, &b"="[..], value, b"\n"].concat());
        }
        member(out, b"pax", b'x', b"", &records, &[]);
    }
    let mut header = [0u8; 512];
    header[..name.len()].copy_from_slice(name);
    header[100..108].copy_from_slice(b"0000644\0");
    header[108..116].copy_from_slice(b"0000000\0");
    header[116..124].copy_from_slice(b"0000000\0");
    header[124..136].copy_from_slice(format!("{:011o}\0", data.len()).as_bytes());
    header[136..148].copy_from_slice(b"00000000000\0");
    header[156] = flag;
    header[157..157 + link.len()].copy_from_slice(link);
    header[257..265].copy_from_slice(b"ustar\x0000");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|&b| u32::from(b)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    out.extend(header);
    out.extend(data);
    out.resize(out.len().next_multiple_of(512), 0);
}

type Raw<'a> = (&'a [u8], u8, &'a [u8]);

fn archive(members: &[Raw<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, flag, link) in members {
        member(&mut out, name, *flag, link, if *flag == b'0' { b"payload" } else { b"" }, &[]);
    }
    out.extend([0; 1024]);
    out
}

/// Unpacks into a folder that stands beside a victim, and says what was refused.
fn refusal(members: &[Raw<'_>]) -> Refusal {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("target")).unwrap();
    fs::write(dir.path().join("victim"), "untouched").unwrap();
    let result = restore(&archive(members), None, &dir.path().join("target"), None);
    assert_eq!(fs::read_to_string(dir.path().join("victim")).unwrap(), "untouched");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    match result {
        Err(ReadError::Refused { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn names_that_leave_the_root_are_refused() {
    assert_eq!(refusal(&[(b"../evil", b'0', b"")]), Refusal::Dots);
    assert_eq!(refusal(&[(b"a/../../evil", b'0', b"")]), Refusal::Dots);
    assert_eq!(refusal(&[(b"/tmp/evil", b'0', b"")]), Refusal::Absolute);
    assert_eq!(refusal(&[(b"../evil", b'5', b"")]), Refusal::Dots);
    assert_eq!(refusal(&[(b"", b'0', b"")]), Refusal::Name);
}

#[test]
fn nothing_is_written_through_a_link_or_a_file() {
    assert_eq!(refusal(&[(b"l", b'2', b".."), (b"l/victim", b'0', b"")]), Refusal::Through);
    assert_eq!(refusal(&[(b"l", b'2', b".."), (b"l/new/deep", b'0', b"")]), Refusal::Through);
    assert_eq!(refusal(&[(b"l", b'2', b"../victim"), (b"l", b'0', b"")]), Refusal::Duplicate);
    assert_eq!(refusal(&[(b"f", b'0', b""), (b"f/x", b'0', b"")]), Refusal::Through);
    assert_eq!(refusal(&[(b"d", b'5', b""), (b"d/l", b'2', b"../.."), (b"d/l/victim", b'0', b"")]), Refusal::Through);
}

#[test]
fn names_that_stand_twice_are_refused() {
    assert_eq!(refusal(&[(b"a", b'0', b""), (b"a", b'0', b"")]), Refusal::Duplicate);
    assert_eq!(refusal(&[(b"a", b'5', b""), (b"a/", b'5', b"")]), Refusal::Duplicate);
    assert_eq!(refusal(&[(b"a", b'5', b""), (b"./a", b'0', b"")]), Refusal::Duplicate);
    assert_eq!(refusal(&[(b"a//b", b'0', b""), (b"a/b", b'0', b"")]), Refusal::Duplicate);
    assert_eq!(refusal(&[(b"a/b", b'0', b""), (b"a", b'5', b""), (b"a", b'5', b"")]), Refusal::Duplicate);
}

#[test]
fn hard_links_stay_inside_and_point_back() {
    assert!(matches!(refusal(&[(b"h", b'1', b"../victim")]), Refusal::LinkLeaves(_)));
    assert!(matches!(refusal(&[(b"h", b'1', b"/etc/passwd")]), Refusal::LinkLeaves(_)));
    assert!(matches!(refusal(&[(b"h", b'1', b"later"), (b"later", b'0', b"")]), Refusal::LinkMissing(_)));
    assert!(matches!(refusal(&[(b"l", b'2', b".."), (b"h", b'1', b"l/victim")]), Refusal::LinkMissing(_)));
    assert!(matches!(refusal(&[(b"d", b'5', b""), (b"h", b'1', b"d")]), Refusal::LinkMissing(_)));
    assert!(matches!(refusal(&[(b"h", b'1', b"h")]), Refusal::LinkMissing(_)));
}

#[test]
fn a_hard_link_to_a_symlink_is_the_symlink_itself() {
    let dir = tempfile::tempdir().unwrap();
    restore(&archive(&[(b"l", b'2', b"/etc/passwd"), (b"h", b'1', b"l")]), None, dir.path(), None).unwrap();
    assert_eq!(fs::read_link(dir.path().join("h")).unwrap(), Path::new("/etc/passwd"));
}

#[test]
fn unknown_types_are_refused() {
    assert_eq!(refusal(&[(b"m", b'M', b"")]), Refusal::Type('M'));
}

#[test]
fn escaping_symlinks_are_refused_on_demand() {
    let unpack_with = |link: &[u8]| {
        let dir = tempfile::tempdir().unwrap();
        let cancel = AtomicBool::new(false);
        let options = UnpackOptions { symlinks: Symlinks::RefuseEscaping, ..UnpackOptions::default() };
        let target = Target { folder: dir.path(), select: None, options, progress: &|_| {}, cancel: &cancel };
        unpack(&mut archive(&[(b"d", b'5', b""), (b"d/l", b'2', link)]).as_slice(), None, &target).map(drop)
    };
    unpack_with(b"../x").unwrap();
    for link in [&b"/x"[..], b"../../x", b"x/../y"] {
        assert!(matches!(unpack_with(link), Err(ReadError::Refused { why: Refusal::SymlinkLeaves(_), .. })));
    }
}

#[test]
fn folders_that_no_member_made_may_be_named_later() {
    let dir = tempfile::tempdir().unwrap();
    restore(&archive(&[(b"a/b/c", b'0', b""), (b"a/b", b'5', b"")]), None, dir.path(), None).unwrap();
    assert_eq!(fs::read(dir.path().join("a/b/c")).unwrap(), b"payload");
}

#[test]
fn a_target_that_has_the_file_already_keeps_it() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), "mine").unwrap();
    let error = restore(&archive(&[(b"a", b'0', b"")]), None, dir.path(), None).unwrap_err();
    assert!(matches!(error, ReadError::Refused { why: Refusal::Duplicate, .. }));
    assert_eq!(fs::read(dir.path().join("a")).unwrap(), b"mine");
}

fn small_archive() -> (Vec<u8>, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("d")).unwrap();
    fs::write(dir.path().join("d/a"), "a".repeat(700)).unwrap();
    fs::hard_link(dir.path().join("d/a"), dir.path().join("h")).unwrap();
    std::os::unix::fs::symlink("d/a", dir.path().join("l")).unwrap();
    fs::File::create(dir.path().join("s")).unwrap().set_len(1 << 20).unwrap();
    let mut plan = plan(dir.path(), 1);
    plan.frame_bytes = 2048;
    let (payload, index, _) = packed(&plan).unwrap();
    (payload, index)
}

#[test]
fn every_truncation_is_found() {
    let (payload, index) = small_archive();
    let open = Index::open(&index).unwrap();
    let plain = zstd::decode_all(payload.as_slice()).unwrap();
    let target = tempfile::tempdir().unwrap();
    for cut in 0..payload.len() {
        assert!(verify(&mut &payload[..cut], Some(&open), 1, &AtomicBool::new(false)).is_err(), "cut at {cut}");
        assert!(verify(&mut &payload[..cut], None, 1, &AtomicBool::new(false)).is_err(), "cut at {cut}, no index");
    }
    for cut in (0..plain.len()).step_by(256) {
        let folder = target.path().join(cut.to_string());
        fs::create_dir(&folder).unwrap();
        assert!(restore(&plain[..cut], None, &folder, None).is_err(), "plain cut at {cut}");
    }
    assert!(verify(&mut payload.as_slice(), Some(&open), 1, &AtomicBool::new(false)).is_ok());
    let longer = [payload.as_slice(), b"\0"].concat();
    assert!(verify(&mut longer.as_slice(), Some(&open), 1, &AtomicBool::new(false)).is_err());
}

#[test]
fn damage_is_named() {
    let (payload, index) = small_archive();
    let open = Index::open(&index).unwrap();
    let plain = zstd::decode_all(payload.as_slice()).unwrap();
    let again = |bytes: &[u8]| {
        let mut out = Vec::new();
        let options = super::super::frames_out::FrameOptions { level: 1, threads: 1, frame_bytes: 2048 };
        super::super::frames_out::with_frames(&mut out, options, &AtomicBool::new(false), |sink| sink.write(bytes)).unwrap();
        verify(&mut out.as_slice(), Some(&open), 1, &AtomicBool::new(false)).unwrap_err()
    };
    let mut bytes = plain.clone();
    let at = bytes.windows(3).position(|w| w == b"aaa").unwrap();
    bytes[at] = b'b';
    assert!(matches!(again(&bytes), ReadError::Damaged(Damage::Digest { path }) if path.as_bytes() == b"t/d/a"));
    let entry = open.lookup(b"t/l").unwrap().unwrap();
    let (start, end) = (usize::try_from(entry.offset).unwrap(), usize::try_from(entry.offset + entry.length).unwrap());
    let without = [&plain[..start], &plain[end..]].concat();
    assert!(matches!(again(&without), ReadError::Damaged(Damage::Missing { path }) if path.as_bytes() == b"t/l"));
    let twice = [&plain[..end], &plain[start..]].concat();
    assert!(matches!(again(&twice), ReadError::Damaged(Damage::Extra { path }) if path.as_bytes() == b"t/l"));
    let mut bytes = plain.clone();
    bytes[start + 513] ^= 1;
    assert!(matches!(again(&bytes), ReadError::Damaged(Damage::Header { .. })));
    assert!(matches!(again(&[plain.as_slice(), &[0; 512]].concat()), ReadError::Damaged(Damage::Trailing(_))));
    let slipped_in = [&[0x51, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 0][..], &payload].concat();
    let error = verify(&mut slipped_in.as_slice(), Some(&open), 1, &AtomicBool::new(false)).unwrap_err();
    assert!(matches!(error, ReadError::Damaged(Damage::SeekTable(_))));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_archives_and_indexes_never_panic_and_never_leave_the_target(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        what in 0..3,
        fix_sums in any::<bool>(),
    ) {
        let (payload, index) = small_archive();
        let mut plain = zstd::decode_all(payload.as_slice()).unwrap();
        let (mut payload, mut index) = (payload, index);
        let bytes = match what { 0 => &mut payload, 1 => &mut index, _ => &mut plain };
        let length = bytes.len();
        for (at, value) in changes {
            bytes[at.index(length)] = value;
        }
        if what == 2 && fix_sums {
            for block in plain.chunks_exact_mut(512).filter(|block| block[257..262] == *b"ustar") {
                block[148..156].fill(b' ');
                let sum: u32 = block.iter().map(|&b| u32::from(b)).sum();
                block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let names = ["a", "b", "c"].map(|name| dir.path().join(name));
        for name in &names {
            fs::create_dir(name).unwrap();
        }
        let cancel = AtomicBool::new(false);
        let target = |folder| Target { folder, select: None, options: UnpackOptions::default(), progress: &|_| {}, cancel: &cancel };
        let _ = unpack(&mut plain.as_slice(), None, &target(&names[0]));
        if let Ok(open) = Index::open(&index) {
            let _ = open.range(b"t").count();
            let _ = verify(&mut payload.as_slice(), Some(&open), 2, &cancel);
            let _ = verify_path(&payload, &open, b"t/d", 2, &cancel);
            let _ = unpack(&mut payload.as_slice(), Some(&open), &target(&names[1]));
            let _ = unpack_path(&payload, &open, &target(&names[2]));
        }
        prop_assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
    }
}
