//! Tar streams of an engine become archives like ours, in the order in which they came.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::super::error::{PackError, ReadError, Refusal};
use super::super::index_read::Index;
use super::super::pack_stream::{TarTree, pack_streams};
use super::super::stream::StreamOptions;
use super::super::unpack::{Target, UnpackOptions, unpack_path};
use super::super::verify::{verify, verify_path};
use super::tree::{assert_same, look, restore, run, sample};

/// A folder `data`, whose members a walk by folders meets in another order than that of their names.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    fs::create_dir_all(data.join("a/sub")).unwrap();
    for (path, text) in [("a/sub/deep", "deep"), ("a/x", "x"), ("a-b", "between"), ("a.txt", "text"), ("b.log", "log"), ("empty", "")] {
        fs::write(data.join(path), text).unwrap();
    }
    fs::write(data.join("large"), vec![7; 3_000_000]).unwrap();
    fs::hard_link(data.join("a/x"), data.join("z-hard")).unwrap();
    symlink("../x", data.join("a/link")).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o750)).unwrap();
    dir
}

/// The folder `name` as an engine would stream it.
fn tar(dir: &Path, name: &str, arguments: &[&str]) -> Vec<u8> {
    let work = tempfile::tempdir().unwrap();
    let stored = work.path().join("t.tar");
    let (stored, dir) = (stored.to_str().unwrap(), dir.to_str().unwrap());
    run("tar", &[arguments, &["--sort=name", "--numeric-owner", "-cf", stored, "-C", dir, name]].concat());
    fs::read(stored).unwrap()
}

fn packed(tars: &[(&str, &[u8])], exclude: &[&str]) -> Result<(Vec<u8>, Vec<u8>), PackError> {
    let trees: Vec<TarTree<'_>> = tars
        .iter()
        .map(|(label, tar)| TarTree { label: label.into(), open: Box::new(|| Ok(Box::new(std::io::Cursor::new(tar.to_vec())))) })
        .collect();
    let exclude: Vec<String> = exclude.iter().map(|pattern| (*pattern).to_owned()).collect();
    let (mut payload, mut index) = (Vec::new(), Vec::new());
    let options = StreamOptions { threads: 2, frame_bytes: 1 << 20, ..StreamOptions::default() };
    let done = pack_streams(&trees, &exclude, options, (&mut payload, &mut index), &|_| (), &AtomicBool::new(false))?;
    let read = Index::open(&index).unwrap();
    let verified = verify(&mut payload.as_slice(), Some(&read), 2, &AtomicBool::new(false)).unwrap();
    assert_eq!((verified.entries, verified.bytes), (done.entries, done.bytes));
    assert_eq!((verified.tar_bytes, verified.frames), (done.tar_bytes, done.frames));
    Ok((payload, index))
}

fn names(index: &[u8]) -> Vec<String> {
    Index::open(&index.to_vec()).unwrap().iter().map(|entry| String::from_utf8(entry.unwrap().path).unwrap()).collect()
}

#[test]
fn a_stream_is_packed_under_its_label_and_comes_back() {
    let dir = folder();
    let tar = tar(dir.path(), "data", &["--format=gnu"]);
    let (payload, index) = packed(&[("sessions", &tar), ("chunks", &tar)], &[]).unwrap();
    let listed = names(&index);
    assert!(listed.is_sorted() && listed.len() == 24, "{listed:?}");
    let target = tempfile::tempdir().unwrap();
    restore(&payload, Some(&index), target.path(), None).unwrap();
    // tar's oldest form has no parts of a second
    let without_nanos = |path: &Path| {
        let mut seen = look(path);
        for entry in seen.values_mut() {
            entry.mtime.1 = 0;
        }
        seen
    };
    for label in ["sessions", "chunks"] {
        assert_same(&without_nanos(&dir.path().join("data")), &without_nanos(&target.path().join(label)));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&target.path().join(label)), mode(&dir.path().join("data")));
    }
}

#[test]
fn one_path_of_a_stream_is_found_in_its_own_order() {
    let dir = folder();
    let (payload, index) = packed(&[("v", &tar(dir.path(), "data", &[]))], &[]).unwrap();
    let index = Index::open(&index).unwrap();
    let never = AtomicBool::new(false);
    for (path, entries) in [("v", 12), ("v/a", 5), ("v/a-b", 1), ("v/a/sub", 2), ("v/z-hard", 1)] {
        assert_eq!(verify_path(&payload, &index, path.as_bytes(), 1, &never).unwrap().entries, entries, "{path}");
        let target = tempfile::tempdir().unwrap();
        let options = UnpackOptions::default();
        let wanted = Target { folder: target.path(), select: Some(path.as_bytes()), options, progress: &|_| (), cancel: &never };
        unpack_path(&payload, &index, &wanted).unwrap();
        assert!(target.path().join(path).exists(), "{path}");
    }
}

#[test]
fn everything_that_a_stream_says_is_kept() {
    let dir = sample();
    let tar = tar(dir.path(), "t", &["--format=posix", "--xattrs", "--xattrs-include=*", "--acls", "--sparse"]);
    let (payload, index) = packed(&[("t", &tar)], &[]).unwrap();
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    restore(&payload, Some(&index), one.path(), None).unwrap();
    restore(&tar, None, other.path(), None).unwrap();
    assert_same(&look(other.path()), &look(one.path()));
}

#[test]
fn patterns_leave_out_what_they_name_and_no_content_that_is_linked_elsewhere() {
    let dir = folder();
    let tar = tar(dir.path(), "data", &[]);
    let (_, index) = packed(&[("v", &tar)], &["*.log", "/a/sub", "large"]).unwrap();
    assert_eq!(names(&index), ["v", "v/a", "v/a-b", "v/a.txt", "v/a/link", "v/a/x", "v/empty", "v/z-hard"]);
    let error = packed(&[("v", &tar)], &["/a"]).unwrap_err();
    assert!(
        matches!(&error, PackError::Stream { source, .. } if matches!(&**source, ReadError::Refused { why: Refusal::LinkMissing(_), .. })),
        "{error}"
    );
}

#[test]
fn a_stream_that_is_cut_off_anywhere_is_an_error() {
    let dir = folder();
    let whole = tar(dir.path(), "data", &[]);
    let end = whole.len() - whole.iter().rev().take_while(|byte| **byte == 0).count();
    for length in [0, 1, 511, 512, 1024, end / 2, end - 1, end, end.next_multiple_of(512), end.next_multiple_of(512) + 512] {
        let error = packed(&[("v", &whole[..length])], &[]).unwrap_err();
        assert!(error.to_string().contains("cannot read the tar stream of `v`"), "{length}: {error}");
    }
}

#[test]
fn a_stream_with_a_name_outside_of_its_root_or_twice_is_refused() {
    let dir = folder();
    fs::create_dir(dir.path().join("other")).unwrap();
    for arguments in [["--transform=s,^data/a-b$,other/a-b,", "-P"], ["--transform=s,^data/a-b$,data/../a-b,", "-P"]] {
        let error = packed(&[("v", &tar(dir.path(), "data", &arguments))], &[]).unwrap_err();
        assert!(matches!(&error, PackError::Stream { .. }), "{arguments:?}: {error}");
    }
    let twice = tar(dir.path(), "data", &["--transform=s,^data/a-b$,data/a.txt,"]);
    assert!(packed(&[("v", &twice)], &[]).unwrap_err().to_string().contains("stands twice"));
}
