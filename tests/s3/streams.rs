//! A bucket alone: what is captured goes up as it is read, and nothing of it is kept on this host.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use crate::shared::{Mounted, until};
use crate::support::{Site, noise};

#[test]
fn a_capture_goes_straight_to_the_bucket() {
    let site = Site::streamed();
    site.fill(4, 10_000_000);
    let _ = site.world.run("apply").good().says(&["done: capture:policy.config"]).hides(&["done: copy"]);
    let size = site.bucket.objects(&site.payload("config"))[0].1;
    assert!(size > 40_000_000, "{size}");
    site.clean();
    site.restores();
}

#[test]
fn no_bytes_of_a_capture_wait_on_this_host() {
    let site = Site::streamed();
    // Both together have less room than a hundredth of what goes up.
    let state = Mounted::at(&site.world.path("state"), "size=400k");
    let temporary = Mounted::at(&site.world.path("tmp"), "size=4k");
    site.fill(8, 8_000_000);
    let tmp = site.world.path("tmp");
    let mut command = site.world.command(&["apply"]);
    let _ = site.world.finish(command.env("TMPDIR", &tmp)).good().says(&["done: capture:policy.config"]);
    assert_eq!(fs::read_dir(&tmp).unwrap().count(), 0);
    drop((state, temporary));
    site.restores();
}

#[test]
fn a_full_disk_for_the_local_state_is_an_error_and_lists_nothing_that_does_not_restore() {
    let site = Site::streamed();
    let state = Mounted::at(&site.world.path("state"), "size=64k");
    let full = Command::new("sh").args(["-c", "cat /dev/zero >state/zero 2>/dev/null || true"]).current_dir(site.world.folder()).status();
    assert!(full.unwrap().success());
    let ran = site.world.run("apply");
    assert_ne!(ran.code, 0, "{ran}");
    let _ = ran.says(&["No space left"]);
    fs::remove_file(site.world.path("state/zero")).unwrap();
    let _ = site.world.run("apply --yes").good();
    site.clean();
    drop(state);
}

#[test]
fn a_source_that_fails_completes_no_upload() {
    let site = Site::streamed();
    site.command("head -c 40000000 /dev/urandom; exit 3");
    let _ = site.world.run("apply --only policy.slow").ends(3).says(&["FAILED: capture:policy.slow"]);
    assert_eq!((site.below("catalog/slow/"), site.below("data/slow/"), site.bucket.uploads()), (vec![], vec![], vec![]));
}

#[test]
fn an_interrupted_capture_aborts_its_upload() {
    let site = Site::streamed();
    site.slow();
    let child = site.world.start(&["apply", "--only", "policy.slow"]);
    until("an upload has begun", || !site.bucket.uploads().is_empty());
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    let _ = site.world.ended(child).ends(143).says(&["SIGTERM: ending in good order"]);
    assert_eq!((site.below("catalog/slow/"), site.below("data/slow/"), site.bucket.uploads()), (vec![], vec![], vec![]));
}

#[test]
fn an_upload_of_a_killed_run_is_swept_by_the_next_and_a_strangers_is_not() {
    let site = Site::streamed();
    site.bucket.begin_upload("elsewhere/large");
    site.slow();
    let mut child = site.world.start(&["apply", "--only", "policy.slow"]);
    until("an upload has begun", || site.bucket.uploads().len() == 2);
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    site.world.close_pipe();
    let _ = site.world.run("list").good().says(&["No artifacts."]);
    let _ = site.harmless("plan").good().says(&["- sweep store.offsite"]);
    site.world.edit("head -c 40000000 /dev/urandom; touch begun; cat pipe", "head -c 40000000 /dev/urandom");
    let _ = site.world.run("apply").good().says(&["done: sweep:store.offsite"]);
    assert_eq!(site.bucket.uploads(), ["elsewhere/large"]);
}

#[test]
fn parts_that_end_close_a_segment_and_the_next_one_begins() {
    let site = Site::streamed();
    site.store("max_parts = 2");
    site.world.file("data/noise", noise(1, 90_000_000));
    let _ = site.world.run("apply").good();
    let mut segments = site.below("data/config/");
    segments.retain(|key| key.rsplit('.').next() != Some("index"));
    assert!(segments.len() > 1, "{segments:?}");
    site.clean();
    site.restores();
}
