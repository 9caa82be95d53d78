//! A service counts as awake once it is ready: a port that takes connections, a command that says so.

use crate::shared::{Ran, World, until};
use crate::support::{Container, Engine, rest};

/// A container that is ready a second after each start, and a manifest that stops it.
fn slow(engine: &Engine, command: &str, ready: &str) -> (World, Container) {
    let script = format!("trap 'exit 0' TERM; rm -f /tmp/up; (usleep 1000000; {command}) & while :; do usleep 50000; done");
    let container = engine.run_command("slow", &[], &["sh", "-c", &script]);
    let manifest = format!(
        "{}[service.container.slow]\ncontainer = \"{}\"\n{ready}[source.files.data]\npaths = [\"data\"]\nstop = [\"slow\"]\n\
         [policy.data]\nsource = \"data\"\nschedule = \"hourly\"\nstores = [\"local\"]\n",
        rest(),
        container.name
    );
    (World::new(&manifest).on(&engine.client.host), container)
}

/// Milliseconds that the start took.
#[track_caller]
fn start_took(ran: &Ran) -> u64 {
    let events = ran.out.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let mut ends = events.filter(|event| event["type"] == "step-ended" && event["kind"] == "start");
    ends.next().unwrap_or_else(|| panic!("nothing was started:\n{ran}"))["millis"].as_u64().unwrap()
}

#[test]
fn a_port_is_waited_for() {
    let engine = Engine::new();
    let (world, container) = slow(&engine, "nc -ll -p 7777 -e true", "ready = \"port\"\nready_port = 7777\n");
    let ran = world.run("apply --yes --format json").good();
    assert!(start_took(&ran) >= 1000, "{ran}");
    assert_eq!(container.state(), "running");
}

#[test]
fn a_command_is_waited_for() {
    let engine = Engine::new();
    let ready = "ready = \"command\"\nready_command = [\"test\", \"-e\", \"/tmp/up\"]\n";
    let (world, container) = slow(&engine, "touch /tmp/up", ready);
    let ran = world.run("apply --yes --format json").good();
    assert!(start_took(&ran) >= 1000, "{ran}");
    assert_eq!(container.state(), "running");
}

#[test]
fn what_does_not_become_ready_fails_the_run_and_runs() {
    let engine = Engine::new();
    let (world, container) = slow(&engine, "true", "ready = \"port\"\nready_port = 7777\nready_timeout = \"2s\"\n");
    let said = [container.name.as_str(), "is not ready after 2 s", "nothing listens on port 7777"];
    let _ = world.run("apply --yes").ends(3).says(&said);
    assert_eq!(container.state(), "running");
    // What was captured is whole all the same.
    let _ = world.run("verify --no-notes").good();
    assert_eq!(world.records("backups", "data").len(), 1);
}

#[test]
fn what_ends_right_after_its_start_is_not_awake() {
    let engine = Engine::new();
    let script = "[ ! -e /tmp/begun ] || exit 3; touch /tmp/begun; exec idle";
    let container = engine.run_command("short", &[], &["sh", "-c", script]);
    let manifest = format!(
        "{}[service.container.short]\ncontainer = \"{}\"\n[source.files.data]\npaths = [\"data\"]\nstop = [\"short\"]\n\
         [policy.data]\nsource = \"data\"\nschedule = \"hourly\"\nstores = [\"local\"]\n",
        rest(),
        container.name
    );
    until("it has begun", || engine.client.ask(&["exec", &container.id, "test", "-e", "/tmp/begun"]).status.success());
    let world = World::new(&manifest).on(&engine.client.host);
    let _ = world.run("apply --yes").ends(3).says(&[&container.name, "was started and is exited again with exit code 3"]);
}
