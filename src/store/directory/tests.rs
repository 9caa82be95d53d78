//! What a folder does beyond what every store does. The tests that mount something need root, and the suite runs as root.

use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::*;
use crate::store::lease::tests::Host;
use crate::store::lease::{LeaseRecord, Unlocked};
use crate::store::port::{Created, Locked, Reach, ReadStore, WriteStore};
use crate::store::{StoreError, conformance};

fn store() -> (TempDir, Directory) {
    let dir = TempDir::new().unwrap();
    let store = Directory::open(&dir.path().join("root"), false, "run1").unwrap();
    (dir, store)
}

/// A tmpfs that is gone with its value.
struct Mounted(TempDir);

impl Mounted {
    fn new(options: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let status = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(dir.path()).status().unwrap();
        assert!(status.success(), "these tests run as root");
        Self(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-q").arg(self.path()).status();
    }
}

fn refusal(path: &Path, mount: bool) -> (String, String) {
    match Directory::open(path, mount, "t") {
        Err(StoreError::Unusable { message, help }) => (message, help),
        other => panic!("{} must be refused, not {other:?}", path.display()),
    }
}

#[test]
fn a_folder_is_a_store() {
    let dir = TempDir::new().unwrap();
    let n = std::cell::Cell::new(0);
    conformance::all(|| {
        n.set(n.get() + 1);
        Directory::open(&dir.path().join(n.get().to_string()), false, "run1").unwrap()
    });
}

#[test]
fn opening_and_looking_make_nothing() {
    let (dir, store) = store();
    assert!(store.list("").unwrap().is_empty());
    assert!(store.get("lucid.json").unwrap_err().is_not_found());
    store.delete("lucid/owner/1.json").unwrap();
    assert!(store.free().unwrap().unwrap() > 0);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn files_are_0600_and_folders_0700() {
    let (dir, store) = store();
    store.create("lucid/data/a/files", b"x").unwrap();
    let _lease = store.lock("lucid/lock/a", &Host::new(1).claim).unwrap();
    let mode = |path: &str| fs::metadata(dir.path().join(path)).unwrap().permissions().mode() & 0o7777;
    for folder in ["root", "root/lucid", "root/lucid/data/a", "root/lucid/lock"] {
        assert_eq!(mode(folder), 0o700, "{folder}");
    }
    for file in ["root/lucid/data/a/files", "root/lucid/lock/a"] {
        assert_eq!(mode(file), 0o600, "{file}");
    }
}

#[test]
fn a_kill_in_an_upload_leaves_a_leftover_that_is_named_and_can_be_deleted() {
    let (_dir, store) = store();
    let mut upload = store.upload("lucid/data/a/id/files").unwrap();
    upload.write_all(b"half").unwrap();
    // a process that was killed runs no destructors
    std::mem::forget(upload);
    assert!(store.list("").unwrap().is_empty());
    let leftovers = store.leftovers("").unwrap();
    let name = format!("lucid/data/a/id/.lucid-tmp-run1-{}-1", std::process::id());
    assert_eq!((leftovers[0].key.as_str(), leftovers[0].bytes), (name.as_str(), 4));
    assert_eq!(store.create("lucid/data/a/id/files", b"whole").unwrap(), Created::New);
    store.delete(&name).unwrap();
    assert!(store.leftovers("").unwrap().is_empty());
}

#[test]
fn deleting_removes_empty_folders_up_to_the_instance_and_nothing_that_is_not_ours() {
    let (dir, store) = store();
    let root = dir.path().join("root");
    for key in ["lucid/data/a/id1/files", "lucid/data/a/id2/files"] {
        store.create(key, b"x").unwrap();
    }
    fs::write(root.join("lucid/data/a/id2/notes of mine"), b"n").unwrap();
    store.delete("lucid/data/a/id1/files").unwrap();
    assert!(!root.join("lucid/data/a/id1").exists());
    store.delete("lucid/data/a/id2/files").unwrap();
    assert!(root.join("lucid/data/a/id2/notes of mine").exists());
    fs::remove_file(root.join("lucid/data/a/id2/notes of mine")).unwrap();
    store.create("lucid/data/a/id2/files", b"x").unwrap();
    store.delete("lucid/data/a/id2/files").unwrap();
    assert!(!root.join("lucid/data").exists());
    assert!(root.join("lucid").exists());
}

#[test]
fn what_is_no_regular_file_is_a_stranger_and_is_never_followed() {
    let (dir, store) = store();
    let (root, outside) = (dir.path().join("root"), dir.path().join("outside"));
    store.create("lucid/data/a/files", b"x").unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("precious"), b"p").unwrap();
    symlink(&outside, root.join("lucid/data/link")).unwrap();
    symlink(outside.join("precious"), root.join("lucid/data/a/file-link")).unwrap();
    fs::write(root.join(std::ffi::OsStr::from_bytes(b"lucid/data/a/\xff")), b"").unwrap();
    assert!(Command::new("mkfifo").arg(root.join("lucid/data/a/fifo")).status().unwrap().success());
    let survey = store.survey("", Reach::Deep).unwrap();
    assert_eq!(survey.objects.len(), 1);
    assert_eq!(survey.strangers, ["lucid/data/a/fifo", "lucid/data/a/file-link", "lucid/data/a/\u{fffd}", "lucid/data/link"]);
    for key in ["lucid/data/link/precious", "lucid/data/a/file-link", "lucid/data/a/fifo"] {
        assert!(store.get(key).unwrap_err().is_not_found(), "{key}");
    }
    store.delete("lucid/data/link/precious").unwrap();
    assert!(store.create("lucid/data/link/new", b"").is_err());
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    assert!(outside.join("precious").exists());
}

#[test]
fn a_full_disk_is_told_as_one_and_the_partial_file_is_gone() {
    let disk = Mounted::new("size=1m");
    let store = Directory::open(disk.path(), true, "run1").unwrap();
    let mut upload = store.upload("lucid/data/a/files").unwrap();
    let error = loop {
        if let Err(error) = upload.write_all(&vec![1; 65_536]) {
            break StoreError::of("", "", "", error);
        }
    };
    assert!(matches!(&error, StoreError::Full { key, .. } if key == "lucid/data/a/files"), "{error:?}");
    assert!(store.leftovers("").unwrap().is_empty(), "removed before the upload is dropped");
    assert!(upload.commit().is_err());
    assert!(matches!(store.create("lucid/data/a/files", &vec![1; 2 << 20]), Err(StoreError::Full { .. })));
    assert_eq!(store.create("lucid/data/a/files", &[1; 1000]).unwrap(), Created::New);
    assert!(store.free().unwrap().unwrap() < 1 << 20);
}

#[test]
fn a_path_that_cannot_be_a_store_is_refused_with_its_name_and_help() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, b"").unwrap();
    let (message, help) = refusal(&file, false);
    assert_eq!(message, format!("`{}` is not a folder", file.display()));
    assert!(help.starts_with("name a folder"), "{help}");
    assert!(refusal(&file.join("below"), false).0.contains("lies below a file"));
    let disk = Mounted::new("ro,size=1m");
    assert!(refusal(disk.path(), false).0.ends_with("mounted read-only"));
    assert!(refusal(&disk.path().join("new"), false).0.ends_with("mounted read-only"));
    assert!(Directory::open_for_reading(disk.path(), true, "t").unwrap().list("").unwrap().is_empty());
}

#[test]
fn a_mount_that_is_demanded_is_demanded_at_every_use() {
    let plain = TempDir::new().unwrap();
    assert!(refusal(plain.path(), true).0.contains("is not a mount point"));
    assert!(refusal(&plain.path().join("none"), true).0.contains("is not there"));
    let disk = Mounted::new("size=1m");
    let store = Directory::open(disk.path(), true, "t").unwrap();
    store.create("lucid.json", b"").unwrap();
    assert!(Command::new("umount").arg(disk.path()).status().unwrap().success());
    assert!(matches!(store.create("lucid/x", b""), Err(StoreError::Unusable { .. })));
    assert!(matches!(store.list(""), Err(StoreError::Unusable { .. })));
    assert_eq!(fs::read_dir(disk.path()).unwrap().count(), 0);
}

#[test]
fn a_lease_of_another_process_is_seen_and_ends_with_it() {
    let (dir, store) = store();
    drop(store.lock("lucid/lock/a", &Host::new(1).claim).unwrap());
    let path = dir.path().join("root/lucid/lock/a");
    let mut other = Command::new("flock");
    other.arg("-o").arg(&path).args(["sh", "-c", "echo held; read end"]);
    let mut other = other.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    io::BufRead::read_line(&mut io::BufReader::new(other.stdout.as_mut().unwrap()), &mut line).unwrap();
    assert!(matches!(store.lock("lucid/lock/a", &Host::new(1).claim).unwrap(), Locked::By(_)));
    drop(other.stdin.take());
    other.wait().unwrap();
    assert!(matches!(store.lock("lucid/lock/a", &Host::new(1).claim).unwrap(), Locked::Held { .. }));
    assert_eq!(fs::metadata(&path).unwrap().nlink(), 1);
}

#[test]
fn a_lease_that_a_killed_process_left_is_taken_over_and_said() {
    let (dir, store) = store();
    let (one, two) = (Host::new(1).claim, Host::new(2).claim);
    let path = dir.path().join("root/lucid/lock/a");
    // The lock is the kernel's and ended with the process; the record was left.
    let left = || {
        drop(store.lock("lucid/lock/a", &one).unwrap());
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("\"released\"", "\"held\"")).unwrap();
    };
    left();
    let Locked::Held { lease, said: Some(said) } = store.lock("lucid/lock/a", &two).unwrap() else { panic!("it is free, and was left") };
    assert!(said.contains(&format!("was left by run {} of host db1", one.run)), "{said}");
    assert!(matches!(store.unlock("lucid/lock/a", &two.run).unwrap(), Unlocked::Alive(found) if found.run == two.run));
    assert!(matches!(store.unlock("lucid/lock/a", &one.run).unwrap(), Unlocked::Other(Some(_))));
    drop(lease);
    left();
    assert!(matches!(store.unlock("lucid/lock/a", &one.run).unwrap(), Unlocked::Released(found) if found.run == one.run));
    assert!(!LeaseRecord::read(&fs::read(&path).unwrap()).unwrap().is_held());
    // What an older version wrote, or a write that was cut, keeps nobody out.
    fs::write(&path, "run aaaa of host elsewhere").unwrap();
    assert!(matches!(store.lock("lucid/lock/a", &one).unwrap(), Locked::Held { said: None, .. }));
}

#[test]
fn a_lease_is_lost_with_the_disk_that_it_is_on() {
    let disk = Mounted::new("size=1m");
    let store = Directory::open(disk.path(), false, "t").unwrap();
    let Locked::Held { lease, .. } = store.lock("lucid/lock/a", &Host::new(1).claim).unwrap() else { panic!("it was free") };
    lease.check().unwrap();
    assert!(Command::new("umount").arg("-l").arg(disk.path()).status().unwrap().success());
    assert!(lease.check().unwrap_err().why.contains("is not there any more"));
}

#[test]
fn big_folders_are_listed_whole_and_in_order() {
    let (dir, store) = store();
    let root = dir.path().join("root");
    for n in 0..1500 {
        let folder = root.join(format!("lucid/data/a/{n:05}"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("files"), b"").unwrap();
        fs::write(root.join(format!("lucid/data/a/{n:05}-x")), b"").unwrap();
    }
    let keys: Vec<_> = store.list("lucid/").unwrap().into_iter().map(|object| object.key).collect();
    assert_eq!(keys.len(), 3000);
    assert!(keys.is_sorted());
    assert_eq!(keys[..2], ["lucid/data/a/00000-x", "lucid/data/a/00000/files"]);
}
