//! What goes wrong while services are quiet: it is said, it is written down, and they are awake at the end.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::shared::{Mounted, until};
use crate::support::{Container, Site};

/// The first process of a container ignores SIGTERM unless it handles it.
const STUBBORN: [&str; 2] = ["sleep", "3600"];

#[track_caller]
fn signal(pid: &str, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), pid]).status().unwrap().success());
}

/// Kills a container's first process from outside, as the kernel does where memory ends: its engine knows nothing of it.
#[track_caller]
fn kill_from_outside(container: &Container) {
    signal(&container.field("{{.State.Pid}}"), "KILL");
}

#[test]
fn one_that_does_not_end_in_time_is_killed_and_the_artifact_says_so() {
    let site = Site::with(&[], &STUBBORN);
    site.service("stop_timeout = \"1s\"");
    let _ = site.world.run("plan").good().says(&["it has 1 s to end before it is killed"]);
    let said = format!("container `{}` did not end in its grace period and was killed (exit code 137)", site.web.name);
    let _ = site.world.run("apply --yes").good().says(&[&said, "crash-consistent"]);
    site.awake();
    let record = site.record();
    assert_eq!((record["consistency"].as_str(), record["services"][0]["state"].as_str()), (Some("crash"), Some("killed")), "{record}");
}

#[test]
fn a_strict_policy_lists_nothing_of_one_that_was_killed() {
    let site = Site::with(&[], &STUBBORN);
    site.service("stop_timeout = \"1s\"");
    site.policy("strict = true");
    let words = ["FAILED: capture:policy.web", &site.web.name, "was killed", "policy `web` is strict"];
    let _ = site.world.run("apply --yes").ends(3).says(&words);
    site.awake();
    site.nothing_made();
}

#[test]
fn one_that_has_ended_by_itself_since_the_plan_is_not_started() {
    let site = Site::new();
    let _ = site.world.run("plan --out saved.json").good();
    site.web.tell("stop");
    let _ = site.world.run("apply --plan saved.json").good().hides(&["stop:service.web", "start:service.web"]);
    assert_eq!(site.web.state(), "exited");
    site.untouched();
    assert_eq!(site.record()["services"][0]["state"], "not-running");
}

#[test]
fn one_that_is_killed_while_it_is_paused_comes_back() {
    let site = Site::new();
    site.service("mode = \"pause\"");
    site.slow();
    let _ = site.world.run("plan").good().says(&["paused: it is read as after a power cut"]);
    let child = site.waiting(&["apply", "--yes"]);
    assert_eq!(site.web.state(), "paused");
    site.web.tell("kill");
    site.web.until("exited");
    site.world.go_on();
    let _ = site.world.ended(child).good().says(&["was paused, not stopped", "crash-consistent"]);
    site.awake();
    assert_eq!(site.record()["consistency"], "crash");
}

#[test]
fn one_that_is_paused_is_never_stopped_and_the_record_says_so() {
    let site = Site::new();
    site.service("mode = \"pause\"");
    let _ = site.world.run("apply --yes").good().says(&["was paused, not stopped"]);
    site.untouched();
    assert_eq!(site.web.state(), "running");
    let record = site.record();
    assert_eq!((record["consistency"].as_str(), record["services"][0]["state"].as_str()), (Some("crash"), Some("paused")), "{record}");
}

#[test]
fn one_that_is_not_healthy_after_its_start_is_said_and_the_others_are_started() {
    // Well only until its first stop.
    let health = ["--health-cmd", "test -e /data/well", "--health-interval", "1s", "--health-retries", "1"];
    let script = "[ -e /data/begun ] || touch /data/well /data/begun; exec idle";
    let site = Site::with(&health, &["sh", "-c", script]);
    let other = site.engine.run("other", &[]);
    let before = other.started_at();
    site.service("ready_timeout = \"3s\"\ndepends_on = [\"other\"]");
    site.add(&format!("[service.container.other]\ncontainer = \"{}\"\n", other.name));
    site.world.edit("stop = [\"web\"]", "stop = [\"web\", \"other\"]");
    until("it is well", || site.web.health() == "healthy");
    let _ = site.world.run("apply --yes").good();
    // What is older than the newest one would go, but for what goes wrong.
    site.world.edit("month = { keep_within = \"30d\", min_count = 3 }", "month = { keep_last = 1, min_count = 1, min_age = \"1s\" }");
    fs::remove_file(site.volume.folder.join("well")).unwrap();
    let said = format!("container `{}` runs and is not ready after 3 s: its health check", site.web.name);
    let ran = site.world.run("apply --yes --now").ends(3).says(&["FAILED: start:service.web", &said]);
    let ran = ran.hides(&["done: delete:"]);
    assert_eq!(site.world.records("backups", "web").len(), 2, "{ran}");
    site.awake();
    assert_eq!(other.state(), "running");
    assert_ne!(other.started_at(), before);
    let _ = site.world.run("recover").good().says(&["There is nothing to recover"]);
    site.volume.write("well", "");
    let _ = site.world.run("apply --yes").good().says(&["done: delete:policy.web"]);
}

#[test]
fn one_that_is_started_during_the_capture_spoils_it_and_is_left_running() {
    let site = Site::new();
    site.slow();
    let child = site.waiting(&["apply", "--yes"]);
    site.web.tell("start");
    let theirs = site.web.started_at();
    site.world.go_on();
    let said = format!("crash-consistent: container `{}` was started while it should have been quiet", site.web.name);
    let _ = site.world.ended(child).good().says(&[&said]);
    site.awake();
    assert_eq!(site.web.started_at(), theirs, "it was started twice");
    assert_eq!(site.record()["consistency"], "crash");
}

#[test]
fn a_strict_policy_lists_nothing_of_one_that_was_started_meanwhile() {
    let site = Site::new();
    site.slow();
    site.policy("strict = true");
    let child = site.waiting(&["apply", "--yes"]);
    site.web.tell("start");
    site.world.go_on();
    let _ = site.world.ended(child).ends(3).says(&["was started while it should have been quiet", "policy `web` is strict"]);
    site.awake();
    site.nothing_made();
}

#[test]
fn one_that_its_engine_starts_again_spoils_the_capture() {
    let site = Site::new();
    site.service("mode = \"pause\"");
    site.slow();
    let child = site.waiting(&["apply", "--yes"]);
    site.engine.client.tell(&["update", "--restart", "always", &site.web.id]);
    kill_from_outside(&site.web);
    // What is frozen ends once it is thawed.
    let _ = site.engine.client.ask(&["unpause", &site.web.id]);
    until("its engine has started it again", || site.web.state() == "running" && site.web.started_at() != site.started_at);
    let theirs = site.web.started_at();
    site.world.go_on();
    let _ = site.world.ended(child).good().says(&["crash-consistent: container", "was started while it should have been quiet"]);
    site.awake();
    assert_eq!((site.web.started_at(), site.record()["consistency"].as_str()), (theirs, Some("crash")));
}

#[test]
fn one_that_is_thawed_during_the_capture_spoils_it_and_is_left_running() {
    let site = Site::new();
    site.service("mode = \"pause\"");
    site.policy("strict = true");
    site.slow();
    let child = site.waiting(&["apply", "--yes"]);
    site.web.tell("unpause");
    site.world.go_on();
    let said = format!("container `{}` was thawed while it should have been quiet, and policy `web` is strict", site.web.name);
    let _ = site.world.ended(child).ends(3).says(&[&said]);
    site.untouched();
    assert_eq!(site.web.state(), "running");
    site.nothing_made();
}

#[test]
fn a_capture_that_takes_too_long_is_broken_off() {
    let site = Site::new();
    site.slow();
    site.policy("max_downtime = \"2s\"");
    let words = ["FAILED: capture:policy.web", "services were quiet for 2 s", "`max_downtime`", "they are woken"];
    let _ = site.world.run("apply --yes").ends(3).says(&words);
    site.awake();
    site.nothing_made();
}

#[test]
fn a_run_that_is_interrupted_while_something_takes_long_to_end_wakes_it() {
    let site = Site::with(&["--stop-timeout", "4"], &STUBBORN);
    let child = site.world.start(&["apply", "--yes"]);
    until("the journal is written", || site.world.files("state/quiet").iter().any(|file| file.contains(".json")));
    signal(&child.id().to_string(), "TERM");
    let _ = site.world.ended(child).ends(143).says(&["SIGTERM: ending in good order"]);
    assert_eq!(site.web.state(), "running");
    site.world.run("recover").good().says(&["There is nothing to recover"]).hides(&["STUCK"]);
    site.nothing_made();
    let _ = site.world.run("plan").good().says(&["stop service.web"]);
}

#[test]
fn a_second_signal_waits_until_what_is_quiet_is_awake() {
    let site = Site::with(&["--stop-timeout", "4"], &STUBBORN);
    let mut child = site.world.start(&["apply", "--yes"]);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    until("the journal is written", || site.world.files("state/quiet").iter().any(|file| file.contains(".json")));
    let mut says = |said: &str| assert!(lines.any(|line| line.unwrap().contains(said)), "{said}");
    let pid = child.id().to_string();
    signal(&pid, "TERM");
    says("SIGTERM: ending in good order");
    signal(&pid, "TERM");
    says("SIGTERM again: services are still quiet and are woken first; if it must end now, kill it and run \"lucid-policy recover\"");
    signal(&pid, "HUP");
    says("SIGHUP again");
    says("done: start:service.web");
    let _ = site.world.ended(child).ends(143);
    assert_eq!(site.web.state(), "running");
    site.world.run("recover").good().says(&["There is nothing to recover"]).hides(&["STUCK"]);
    site.nothing_made();
}

#[test]
fn a_disk_that_fills_up_while_services_are_quiet_leaves_nothing() {
    let site = Site::new();
    let mut state = 88_172_645_463_325_252_u64;
    let noise = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    });
    site.volume.write("noise", noise.take(6 << 20).collect::<Vec<u8>>());
    let disk = Mounted::at(&site.world.path("backups"), "size=2m");
    let words = ["FAILED: capture:policy.web", "backups: no space left", "free space there", "1 failed", "done: start:service.web"];
    let _ = site.world.run("apply --yes").ends(3).says(&words);
    site.awake();
    site.nothing_made();
    disk.again("size=32m");
    let _ = site.world.run("apply --yes").good();
    assert_eq!(site.world.ids("backups", "web").len(), site.world.records("backups", "web").len());
    let _ = site.world.run("verify --no-notes").good();
    let _ = site.world.harmless("plan --detailed-exitcode").good().says(&["No changes."]);
}

#[test]
fn a_second_run_waits_for_nothing_and_touches_nothing() {
    let site = Site::new();
    site.slow();
    // Another policy that quiets the same container, and one that quiets nothing.
    site.add(&format!(
        "[source.volume.same]\nvolumes = [\"{}\"]\nstop = [\"web\"]\n\
         [policy.same]\nsource = \"same\"\nschedule = \"hourly\"\nstores = [\"local\"]\n\
         [source.files.config]\npaths = [\"data\"]\n\
         [policy.config]\nsource = \"config\"\nschedule = \"hourly\"\nstores = [\"local\"]\n",
        site.volume.name
    ));
    let child = site.waiting(&["apply", "--yes", "--only", "policy.web"]);
    let holder = format!("(pid {})", child.id());
    let ran = site.world.run("apply --yes --now --only policy.web").ends(11);
    let _ = ran.says(&["policy.web is held by run", &holder, "Nothing ran"]);
    assert_eq!(site.web.state(), "exited");
    let process = format!("(process {} on ", child.id());
    let quiet = ["quiet now: service.web, by run ", &process];
    let _ = site.world.run("recover").good().says(&["There is nothing to recover"]).says(&quiet);
    let _ = site.world.harmless("status").good().says(&quiet);
    assert_eq!(site.web.state(), "exited");
    let _ =
        site.world.run("apply --yes --now").good().says(&["skipped: policy.web", "skipped: policy.same", "done: capture:policy.config"]);
    // What another run has made quiet is not at rest: it may be woken at any time.
    assert_eq!(site.world.records("backups", "same").len(), 0);
    site.world.go_on();
    let _ = site.world.ended(child).good();
    site.awake();
}

#[test]
fn two_manifests_that_quiet_the_same_container_do_so_one_after_the_other() {
    let site = Site::new();
    site.slow();
    let child = site.waiting(&["apply", "--yes"]);
    let holder = format!("(pid {})", child.id());
    // Another instance of the same host: its policies are its own, the container is not.
    let text = fs::read_to_string(site.world.path("lucid-policy.toml")).unwrap();
    let other = text.replace("name = \"demo\"", "name = \"other\"").replace("touch begun; cat pipe", "echo");
    site.world.file("other.toml", other);
    site.web.tell("start");
    let theirs = site.web.started_at();
    let ran = site.world.run("-f other.toml apply --yes").ends(11).says(&[
        "policy.web is held by run",
        &holder,
        &format!("which quiets container `{}`", site.web.name),
        "Nothing ran",
    ]);
    assert_eq!(site.web.started_at(), theirs, "{ran}");
    site.world.go_on();
    let _ = site.world.ended(child).good();
    let _ = site.world.run("-f other.toml apply --yes").good();
    site.awake();
}

#[test]
fn an_engine_that_is_not_there_holds_up_what_needs_it_and_nothing_else() {
    let site = Site::new();
    site.add(
        "[source.files.config]\npaths = [\"data\"]\n\
         [policy.config]\nsource = \"config\"\nschedule = \"hourly\"\nstores = [\"local\"]\n",
    );
    for n in 0..3 {
        // What has not changed would be needed by what comes after it.
        site.volume.write("kept", format!("{n}"));
        let _ = site.world.run("apply --yes --now --only policy.web").good();
    }
    site.world.edit("month = { keep_within = \"30d\", min_count = 3 }", "month = { keep_last = 2, min_count = 1, min_age = \"1s\" }");
    until("the oldest one may go", || site.world.run("plan").out.contains("- delete   policy.web"));
    let before = site.web.started_at();
    let blind = |words: &[&str]| {
        let mut command = site.world.command(words);
        command.env("DOCKER_HOST", "unix:///nowhere/docker.sock").stdin(Stdio::null());
        site.world.finish(&mut command)
    };
    let _ = blind(&["plan", "--now"]).ends(4).says_once("/nowhere/docker.sock").says(&["policy `web` is not captured", "start the engine"]);
    let ran = blind(&["apply", "--yes"])
        .ends(4)
        .says(&["not deleted", "/nowhere/docker.sock", "start the engine", "done: capture:policy.config"])
        .hides(&["done: delete"]);
    assert_eq!(site.world.records("backups", "web").len(), 3, "{ran}");
    assert_eq!(site.web.started_at(), before);
    let _ = site.world.run("apply --yes").good().says(&["done: delete:policy.web"]);
    assert_eq!(site.world.records("backups", "web").len(), 2);
}
