//! What somebody else has done to a service since a run died is said, and not fought over.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use crate::shared::until;
use crate::support::{Site, Stack};

/// A stack of which a run was killed while everything was quiet.
fn cut() -> Stack {
    let stack = Stack::new();
    // A pipe that nobody writes to: the capture waits for it while everything is quiet.
    let manifest = std::fs::read_to_string(stack.world.path("lucid-policy.toml")).unwrap();
    stack.world.file(
        "lucid-policy.toml",
        manifest
            + "[source.command.slow]\ncommand = [\"cat\", \"pipe\"]\nstop = [\"back\", \"middle\", \"front\"]\n\
               [policy.slow]\nsource = \"slow\"\nschedule = \"hourly\"\nstores = [\"local\"]\n",
    );
    assert!(std::process::Command::new("mkfifo").arg(stack.world.path("pipe")).status().unwrap().success());
    let mut child = stack.world.start(&["apply", "--yes"]);
    until("everything is quiet", || stack.states()[..3].iter().all(|state| state == "exited"));
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    assert_eq!(stack.states(), ["exited", "exited", "exited", "running"]);
    // Whoever reads the pipe comes to its end.
    drop(std::fs::OpenOptions::new().read(true).write(true).open(stack.world.path("pipe")).unwrap());
    stack
}

#[test]
fn the_plan_shows_what_is_owed_and_changes_nothing() {
    let stack = cut();
    let _ = stack.world.harmless("plan").good().says(&["recover", "service.back", "service.front"]);
    let _ = stack.world.harmless("status --check").ends(3).says(&["LEFT QUIET by run", "service.middle", "lucid-policy recover"]);
    assert_eq!(stack.states(), ["exited", "exited", "exited", "running"]);
    let _ = stack.world.run("recover").good().says(&["awake again", "service.back"]);
    stack.all_run();
}

#[test]
fn the_next_run_begins_with_it() {
    let stack = cut();
    let _ = stack.world.run("apply --yes --only policy.stack").good().says(&["awake again"]);
    stack.all_run();
    stack.restores();
}

#[test]
fn a_container_that_was_removed_or_made_anew_is_said() {
    let stack = cut();
    stack.project.service("front").remove();
    let name = stack.project.service("middle").name;
    stack.project.service("middle").remove();
    let other = stack.engine.client.tell(&["run", "--detach", "--name", &name, "lucid-test:1"]);
    let _ = stack.world.run("recover").good().says(&["was removed meanwhile", "was made anew meanwhile"]);
    assert_eq!(stack.project.service("back").state(), "running");
    let _ = stack.engine.client.tell(&["rm", "--force", &other]);
    let _ = stack.world.run("recover").good().says(&["There is nothing to recover"]);
}

#[test]
fn a_container_that_was_renamed_is_left() {
    let stack = cut();
    let front = stack.project.service("front");
    stack.engine.client.tell(&["rename", &front.id, &format!("{}-old", front.name)]);
    let _ = stack.world.run("recover").good().says(&["was renamed to"]);
    assert_eq!(front.state(), "exited");
}

#[test]
fn a_container_that_was_started_and_stopped_again_is_left() {
    let stack = cut();
    let front = stack.project.service("front");
    front.tell("start");
    let started = stack.project.service("middle");
    started.tell("start");
    front.tell("stop");
    let before = started.started_at();
    let _ = stack.world.run("recover").good().says(&["was started and stopped by somebody else meanwhile"]);
    assert_eq!((front.state().as_str(), started.started_at()), ("exited", before));
    assert_eq!(stack.project.service("back").state(), "running");
}

#[test]
fn an_engine_that_cannot_be_reached_keeps_the_journal() {
    let stack = cut();
    let mut recover = stack.world.command(&["recover"]);
    recover.env("DOCKER_HOST", "unix:///nowhere/docker.sock");
    // The journal names the engine's own place, so that even a wrong environment finds it.
    let _ = stack.world.finish(&mut recover).good();
    stack.all_run();
}

#[test]
fn a_stop_that_is_still_under_way_is_waited_for_and_undone() {
    // It takes a while to end, and says when it has begun to.
    let site = Site::with(&[], &["sh", "-c", "trap 'touch /tmp/ending; usleep 3000000; exit 0' TERM; while :; do usleep 50000; done"]);
    let mut child = site.world.start(&["apply", "--yes"]);
    let asked = || site.engine.client.ask(&["exec", &site.web.id, "test", "-e", "/tmp/ending"]).status.success();
    until("it has been told to end", asked);
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    assert_eq!(site.web.state(), "running", "it had ended before the kill");
    let _ = site.world.run("recover").good().says(&["awake again", "service.web"]);
    site.awake();
    let started = site.web.started_at();
    let _ = site.world.run("apply --yes --now").good();
    site.awake();
    assert_ne!(site.web.started_at(), started);
}

#[test]
fn a_journal_that_cannot_be_read_keeps_no_other_service_quiet() {
    let stack = cut();
    let journal =
        stack.world.files("state/quiet").into_iter().find(|file| Path::new(file).extension().is_some_and(|e| e == "json")).unwrap();
    let beside = journal.replace(".json", "x.json");
    stack.world.file(&beside, "{ this is no journal");
    let _ = stack.world.run("recover").ends(3).says(&["awake again", "STUCK", "x.json"]);
    stack.all_run();
    std::fs::remove_file(stack.world.path(&beside)).unwrap();
    let _ = stack.world.run("recover").good().says(&["There is nothing to recover"]);
}
