//! GNU tar reads ours, and we read GNU tar's.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::super::error::WarningKind;
use super::tree::{Seen, assert_same, look, packed, plan, restore, run, sample, sample_of_depth};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// GNU tar restores no attributes of links and special files.
fn without_link_xattrs(mut seen: BTreeMap<Vec<u8>, Seen>) -> BTreeMap<Vec<u8>, Seen> {
    seen.retain(|_, entry| {
        if !entry.link.is_empty() {
            entry.xattrs.clear();
        }
        true
    });
    seen
}

#[test]
fn gnu_tar_restores_what_we_pack() {
    let dir = sample_of_depth(15);
    let (payload, _, _) = packed(&plan(&dir.path().join("t"), 2)).unwrap();
    let work = tempfile::tempdir().unwrap();
    let stored = work.path().join("t.tar.zst");
    fs::write(&stored, payload).unwrap();
    run("zstd", &["-q", "-t", text(&stored)]);
    let target = work.path().join("out");
    fs::create_dir(&target).unwrap();
    run(
        "tar",
        &[
            "--zstd",
            "--xattrs",
            "--xattrs-include=*",
            "--acls",
            "--numeric-owner",
            "--delay-directory-restore",
            "-xpf",
            text(&stored),
            "-C",
            text(&target),
        ],
    );
    assert_same(&without_link_xattrs(look(dir.path())), &without_link_xattrs(look(&target)));
}

/// Packs the tree with GNU tar and restores it here.
fn from_gnu(arguments: &[&str], change: impl Fn(&mut Seen)) {
    let dir = sample();
    let work = tempfile::tempdir().unwrap();
    let stored = work.path().join("t.tar");
    let mut all = arguments.to_vec();
    all.extend(["--numeric-owner", "-cf", text(&stored), "-C", text(dir.path()), "t"]);
    run("tar", &all);
    let target = work.path().join("out");
    fs::create_dir(&target).unwrap();
    let outcome = restore(&fs::read(&stored).unwrap(), None, &target, None).unwrap();
    assert_eq!(outcome.warnings, []);
    let adjust = |mut seen: BTreeMap<Vec<u8>, Seen>| {
        seen.values_mut().for_each(&change);
        seen
    };
    assert_same(&adjust(without_link_xattrs(look(dir.path()))), &adjust(without_link_xattrs(look(&target))));
}

#[test]
fn we_restore_what_gnu_tar_packs_as_pax() {
    for version in ["0.0", "0.1", "1.0"] {
        let sparse = format!("--sparse-version={version}");
        from_gnu(&["--format=posix", "--xattrs", "--xattrs-include=*", "--acls", "--sparse", &sparse], |_| {});
    }
}

#[test]
fn we_restore_what_gnu_tar_packs_compressed_by_zstd_itself() {
    from_gnu(&["--zstd", "--format=posix", "--xattrs", "--xattrs-include=*", "--acls", "--sparse"], |_| {});
}

/// What formats without PAX cannot keep.
fn poorer(seen: &mut Seen) {
    seen.xattrs.clear();
    seen.mtime.1 = 0;
    // The group bits of a file with an ACL are its mask.
    seen.mode &= !0o070;
}

#[test]
fn we_restore_what_gnu_tar_packs_in_its_own_format() {
    from_gnu(&["--format=gnu", "--sparse"], poorer);
    from_gnu(&["--format=oldgnu", "--sparse"], poorer);
}

#[test]
fn we_restore_plain_ustar_and_v7() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("t/folder").join("f".repeat(90))).unwrap();
    fs::write(dir.path().join("t/folder").join("f".repeat(90)).join("file"), "content").unwrap();
    std::os::unix::fs::symlink("file", dir.path().join("t/link")).unwrap();
    fs::write(dir.path().join("t/hard"), "h").unwrap();
    fs::hard_link(dir.path().join("t/hard"), dir.path().join("t/hard-2")).unwrap();
    for format in ["--format=ustar", "--format=v7"] {
        if format == "--format=v7" {
            fs::remove_dir_all(dir.path().join("t/folder")).unwrap();
        }
        let work = tempfile::tempdir().unwrap();
        let stored = work.path().join("t.tar");
        run("tar", &[format, "-cf", text(&stored), "-C", text(dir.path()), "t"]);
        restore(&fs::read(&stored).unwrap(), None, &work.path().join("."), Some(b"t")).unwrap();
        let only = |mut seen: BTreeMap<Vec<u8>, Seen>| {
            seen.remove(&b"t.tar"[..]);
            seen.values_mut().for_each(poorer);
            seen
        };
        assert_same(&only(look(dir.path())), &only(look(work.path())));
    }
}

#[test]
fn an_archive_of_the_current_folder_gives_the_target_its_mode() {
    let dir = sample();
    let work = tempfile::tempdir().unwrap();
    let stored = work.path().join("t.tar");
    run("tar", &["-cf", text(&stored), "-C", text(&dir.path().join("t/sticky")), "."]);
    let target = work.path().join("out");
    fs::create_dir(&target).unwrap();
    restore(&fs::read(&stored).unwrap(), None, &target, None).unwrap();
    assert_eq!(look(work.path())[&b"out"[..]].mode & 0o7777, 0o1777);
}

#[test]
fn names_in_an_acl_that_are_unknown_here_are_a_warning() {
    let mut archive = Vec::new();
    super::hostile::member(
        &mut archive,
        b"x",
        b'0',
        b"",
        b"",
        &[(b"SCHILY.acl.access", b"user::rw-,user:nobody-knows-me:r--,group::r--,mask::r--,other::r--")],
    );
    archive.extend([0; 1024]);
    let target = tempfile::tempdir().unwrap();
    let outcome = restore(&archive, None, target.path(), None).unwrap();
    assert!(matches!(&outcome.warnings[0].kind, WarningKind::Acl { reason } if reason.contains("nobody-knows-me")), "{outcome:?}");
}
