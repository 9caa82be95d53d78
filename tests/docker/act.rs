//! Stop, start, pause and unpause do what they say, and what is so already is no error.

use std::time::{Duration, Instant};

use lucid_policy::runtime::seen::State;
use lucid_policy::runtime::{Runtime, RuntimeError};

use crate::shared::until;
use crate::support::Engine;

/// Ends with 5 once it is told to.
const POLITE: [&str; 3] = ["sh", "-c", "trap 'exit 5' TERM; touch /tmp/ready; while :; do sleep 3600 & wait $!; done"];
/// Does not care.
const DEAF: [&str; 3] = ["sh", "-c", "trap '' TERM; touch /tmp/ready; while :; do sleep 3600 & wait $!; done"];

#[test]
fn a_stop_lets_a_process_end_by_itself() {
    let engine = Engine::new();
    let (runtime, container) = (engine.runtime(), engine.run_command("one", &[], &POLITE));
    until("the trap is set", || engine.client.ask(&["exec", &container.id, "test", "-e", "/tmp/ready"]).status.success());
    let first = container.started_at();
    runtime.stop(&container.name, None).unwrap();
    let seen = runtime.container(&container.id).unwrap().unwrap();
    assert_eq!((seen.state, seen.exit_code), (State::Exited, Some(5)));
    runtime.stop(&container.name, None).unwrap();
    assert_eq!(container.exit_code(), 5);
    runtime.start(&container.id).unwrap();
    let again = runtime.container(&container.id).unwrap().unwrap();
    assert_eq!((again.state, again.exit_code), (State::Running, None));
    assert_ne!(again.started_at, first);
    runtime.start(&container.id).unwrap();
    assert_eq!(container.started_at(), again.started_at);
}

#[test]
fn a_process_that_does_not_end_is_killed_after_its_grace() {
    let engine = Engine::new();
    let runtime = engine.runtime();
    // The one has a long grace of its own, which the call shortens; the other has a short one, which the call leaves as it is.
    for (name, own, grace) in [("long", "60", Some(Duration::from_millis(1500))), ("short", "2", None)] {
        let container = engine.run_command(name, &["--stop-timeout", own], &DEAF);
        until("the trap is set", || engine.client.ask(&["exec", &container.id, "test", "-e", "/tmp/ready"]).status.success());
        let began = Instant::now();
        runtime.stop(&container.name, grace).unwrap();
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(1900) && took < Duration::from_secs(30), "{name} took {took:?}");
        assert_eq!(runtime.container(&container.id).unwrap().unwrap().exit_code, Some(137));
    }
}

#[test]
fn a_paused_container_can_be_thawed_and_stopped() {
    let engine = Engine::new();
    let (runtime, container) = (engine.runtime(), engine.run("one", &[]));
    runtime.pause(&container.name).unwrap();
    assert_eq!(container.state(), "paused");
    runtime.pause(&container.name).unwrap();
    runtime.unpause(&container.name).unwrap();
    assert_eq!(container.state(), "running");
    runtime.unpause(&container.name).unwrap();
    runtime.pause(&container.name).unwrap();
    runtime.stop(&container.name, Some(Duration::from_secs(20))).unwrap();
    assert_eq!(container.state(), "exited");
    for refused in [runtime.pause(&container.name), runtime.unpause(&container.name)] {
        let error = refused.unwrap_err();
        assert!(matches!(&error, RuntimeError::Refused { what, .. } if what.contains(&container.name)), "{error}");
    }
}

#[test]
fn what_is_not_there_is_gone() {
    let engine = Engine::new();
    let (runtime, name) = (engine.runtime(), engine.name("never"));
    let gone = Err(RuntimeError::Gone(name.clone()));
    assert_eq!(runtime.stop(&name, None), gone);
    assert_eq!(runtime.stop(&name, Some(Duration::ZERO)), gone);
    assert_eq!(runtime.start(&name), gone);
    assert_eq!(runtime.pause(&name), gone);
    assert_eq!(runtime.unpause(&name), gone);
}

#[test]
fn a_start_that_is_refused_is_told_in_the_engines_words() {
    let engine = Engine::new();
    let base = engine.run("base", &[]);
    let container = engine.run("sharer", &["--network", &format!("container:{}", base.name)]);
    for one in [&container, &base] {
        engine.runtime().stop(&one.name, None).unwrap();
    }
    let error = engine.runtime().start(&container.name).unwrap_err().to_string();
    assert!(error.starts_with(&format!("start container {}: ", container.name)) && error.contains("non running container"), "{error}");
}
