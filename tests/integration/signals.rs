//! Runs that are cut: by a signal they end in good order, by a kill they leave nothing listed that does not restore.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command};

use crate::support::{World, until};

/// A source that writes, says that it has begun, and waits until somebody writes into a pipe.
const WAITING: &str = "[source.command.slow]\n\
    command = [\"sh\", \"-c\", \"head -c 40000000 /dev/urandom; touch begun; cat pipe\"]\n\
    [policy.slow]\nsource = \"slow\"\nschedule = \"nightly\"\nretention = \"month\"\nstores = [\"local\"]\n";

fn waiting() -> World {
    let world = World::quickstart();
    let text = fs::read_to_string(world.path("lucid-policy.toml")).unwrap();
    world.file("lucid-policy.toml", text + WAITING);
    world.pipe();
    world
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap().success());
}

#[track_caller]
fn ends_in_good_order(name: &str, code: i32) {
    let world = waiting();
    let child = world.start(&["apply", "--only", "policy.slow"]);
    until("the command has begun", || world.path("begun").exists());
    signal(&child, name);
    let ran = world.ended(child).ends(code).says(&[&format!("SIG{name}: ending in good order"), "Interrupted"]);
    assert_eq!((world.files("backups/demo/data"), world.files("backups/demo/catalog")), (vec![], vec![]), "{ran}");
    let _ = world.run("list").good().says(&["No artifacts."]);
    fs::remove_file(world.path("pipe")).unwrap();
    world.go_on();
    let _ = world.run("apply").good().says(&["done: capture:policy.slow"]);
    let _ = world.run("verify").good();
    let _ = world.harmless("plan --detailed-exitcode").good().says(&["No changes."]);
}

#[test]
fn an_interrupt_ends_a_capture_in_good_order() {
    ends_in_good_order("INT", 130);
}

#[test]
fn a_termination_ends_a_capture_in_good_order() {
    ends_in_good_order("TERM", 143);
}

#[test]
fn a_hang_up_ends_a_capture_in_good_order() {
    ends_in_good_order("HUP", 129);
}

#[test]
fn a_second_run_is_told_who_holds_the_policy_and_waits_for_nothing() {
    let world = waiting();
    let child = world.start(&["apply", "--only", "policy.slow"]);
    until("the command has begun", || world.path("begun").exists());
    let holder = format!("(pid {})", child.id());
    let _ = world.run("apply --now --only policy.slow").ends(11).says(&["policy.slow is held by run", &holder, "Nothing ran"]);
    // What the other run does not hold is done.
    let _ = world.run("apply").good().says(&["skipped: policy.slow", "done: capture:policy.config"]);
    world.go_on();
    let _ = world.ended(child).good();
    let _ = world.harmless("plan --detailed-exitcode").good().says(&["No changes."]);
}

#[test]
fn a_capture_that_was_killed_is_swept_by_the_next_run() {
    let world = waiting();
    let mut child = world.start(&["apply", "--only", "policy.slow"]);
    until("the command has begun", || world.path("begun").exists());
    until("something is written", || !world.files("backups/demo/data").is_empty());
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    let _ = world.run("list").good().says(&["No artifacts."]);
    // The command has outlived the run; it ends once its pipe does.
    world.go_on();
    fs::remove_file(world.path("pipe")).unwrap();
    world.go_on();
    let _ = world.harmless("plan").good().says(&["- sweep store.local", "left by runs that did not end"]);
    let _ = world.run("apply").good().says(&["done: sweep:store.local"]);
    clean(&world);
}

/// Everything listed verifies, nothing is left over, and nothing is to be done.
#[track_caller]
fn clean(world: &World) {
    let _ = world.run("verify --no-notes").good();
    let ran = world.harmless("plan --format json --detailed-exitcode").good();
    let findings = ran.json()["findings"].as_array().unwrap().len();
    assert_eq!(findings, 0, "{ran}");
    for store in ["backups", "second"] {
        for series in ["config", "slow"] {
            assert_eq!(
                world.ids(store, series).len(),
                world.records(store, series).len(),
                "orphans of {series} in {store}: {:?}",
                world.files(store)
            );
        }
        let files = world.files(store);
        assert!(files.iter().all(|f| !f.rsplit('/').next().unwrap().starts_with('.')), "unfinished files: {files:?}");
    }
    let flights = world.files("state/flights");
    assert!(!flights.iter().any(|f| !f.ends_with("alive")), "flights that nobody is on: {flights:?}");
}

#[test]
fn a_run_that_is_killed_anywhere_leaves_what_restores_and_the_next_one_finishes() {
    let mut killed = 0;
    for point in 1..=16 {
        let world = World::with("[schedule]", "[store.directory.far]\npath = \"second\"\n[schedule]");
        world.edit("[\"local\"]", "[\"local\", \"far\"]");
        for n in 0..40 {
            world.file(&format!("data/{n}"), format!("{n} ").repeat(20_000));
        }
        let mut child = world.start(&["apply"]);
        let there = || ["backups", "second", "state"].iter().map(|f| entries(&world.path(f))).sum::<usize>();
        until("so much is there, or all of it", || there() >= point * 3 || child.try_wait().unwrap().is_some());
        killed += usize::from(child.kill().is_ok() && child.wait().unwrap().signal() == Some(9));
        let _ = world.run("verify --no-notes").good();
        let _ = world.run("apply").good();
        clean(&world);
        assert_eq!((world.records("backups", "config").len(), world.records("second", "config").len()), (1, 1), "at point {point}");
    }
    assert!(killed >= 5, "only {killed} runs were killed before their end");
}

/// Entries below a folder in which somebody is at work.
fn entries(folder: &Path) -> usize {
    let Ok(found) = fs::read_dir(folder) else { return 0 };
    found.flatten().map(|entry| 1 + entries(&entry.path())).sum()
}

#[test]
fn services_are_woken_whatever_became_of_a_restore() {
    let world = World::quickstart();
    let woken = world.path("woken");
    let service = serde_json::json!({
        "address": "service.app",
        "handle": { "command": { "quiesce": ["false"], "resume": ["touch", woken], "container": null, "user": null } },
        "mode": "stop", "stop_timeout": null, "ready": "default", "ready_timeout": 5, "needs": []
    });
    let journal = serde_json::json!({
        "format_version": "1.0", "run": "mfrggzdfmztwq2lk", "window": "1", "instance": "demo", "at": "2026-11-23T02:00:00Z",
        "engine": null, "entries": [{ "service": service, "begun": true, "waking": false }]
    });
    world.file("state/quiet/host/mfrggzdfmztwq2lk-1.json", journal.to_string());
    world.file("state/restores/nbswy3dpeb3w64tm.json", "not a journal");
    let ran = world.run("recover").ends(3).says(&["STUCK: ", "nbswy3dpeb3w64tm.json", "awake again: service.app"]);
    assert!(woken.exists(), "{ran}");
    fs::remove_file(world.path("state/restores/nbswy3dpeb3w64tm.json")).unwrap();
    let _ = world.run("recover").good().says(&["There is nothing to recover in "]);
}
