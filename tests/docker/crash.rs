//! A run that is killed anywhere leaves no service stopped for longer than until the next `recover`, and nothing listed that does not
//! restore.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::time::{Duration, Instant};

use crate::shared::until;
use crate::support::{Engine, Stack};

/// Something to read in the volumes, so that a capture takes its time.
fn fill(stack: &Stack) {
    for n in 0..30 {
        let bytes: Vec<u8> = (0..200_000_u32).map(|i| u8::try_from((i.wrapping_mul(2_654_435_761) >> 7) & 0xff).unwrap()).collect();
        stack.project.volume("front").write(format!("more/{n}"), bytes);
    }
}

/// Starts a run and kills it once it has said so many lines; whether it was killed before its end, and how many lines there were.
fn killed_after(stack: &Stack, lines: usize) -> (bool, usize) {
    let mut child = stack.world.start(&["apply", "--yes", "--now", "--format", "json"]);
    let mut seen = 0;
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    while seen < lines && out.next().is_some_and(|line| line.is_ok()) {
        seen += 1;
    }
    (kill(&mut child), seen)
}

fn kill(child: &mut Child) -> bool {
    // One that has ended by itself cannot be killed any more.
    let _ = child.kill();
    child.wait().unwrap().signal() == Some(9)
}

/// What must hold after a kill: recovery wakes everything without a manifest, the next run has nothing but its own work to do, and
/// everything that is listed restores.
#[track_caller]
fn comes_back(stack: &Stack) {
    let untouched = stack.starts()[3].clone();
    let elsewhere = tempfile::tempdir().unwrap();
    let mut recover = stack.world.command(&["recover"]);
    recover.current_dir(elsewhere.path());
    // The state folder counts from where the program runs.
    let state = stack.world.path("state");
    recover.env("LUCID_POLICY_STATE_DIR", &state);
    let output = std::process::Command::new(recover.get_program())
        .args(["--state-dir", state.to_str().unwrap(), "recover"])
        .envs(recover.get_envs().filter_map(|(key, value)| Some((key, value?))))
        .current_dir(elsewhere.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    stack.all_run();
    let _ = stack.world.run("apply --yes").good();
    stack.restores();
    stack.settled();
    assert_eq!(untouched, stack.starts()[3], "`aside` was touched");
}

#[test]
fn a_run_that_is_killed_at_every_event_is_recovered_from() {
    let stack = Stack::new();
    fill(&stack);
    let mut whole = false;
    let mut kills = 0;
    for lines in 1..60 {
        let (killed, seen) = killed_after(&stack, lines);
        kills += usize::from(killed);
        comes_back(&stack);
        whole = seen < lines;
        if whole {
            break;
        }
    }
    assert!(whole && kills >= 12, "{kills} kills, and the last run {}", if whole { "ended" } else { "did not end" });
}

#[test]
fn a_run_that_is_killed_at_any_instant_is_recovered_from() {
    let stack = Stack::new();
    fill(&stack);
    let _ = stack.world.run("apply --yes").good();
    let seed = RandomState::new().build_hasher().finish();
    let mut kills = 0;
    for round in 0..10_u64 {
        let at = Duration::from_millis(20 + seed.rotate_left(u32::try_from(round * 7).unwrap()) % 1500);
        let mut child = stack.world.start(&["apply", "--yes", "--now", "--quiet"]);
        let begun = Instant::now();
        until("its time has come", || begun.elapsed() >= at || child.try_wait().unwrap().is_some());
        kills += usize::from(kill(&mut child));
        comes_back(&stack);
    }
    assert!(kills >= 3, "only {kills} of 10 runs were killed before their end (seed {seed})");
}

#[test]
fn an_engine_that_is_killed_in_the_middle_of_a_window_is_waited_for() {
    let stack = Stack::on(Engine::own(), |yaml| yaml);
    fill(&stack);
    let child = stack.world.start(&["apply", "--yes"]);
    stack.project.service("back").until("exited");
    stack.engine.kill();
    stack.engine.start();
    let ran = stack.world.ended(child);
    // What was read may or may not have been read before: either way, everything runs and what is listed restores.
    assert!(ran.code == 0 || ran.code == 3, "{ran}");
    let _ = stack.world.run("recover").good();
    until("everything runs", || stack.states().iter().take(3).all(|state| state == "running"));
    stack.project.service("aside").tell("start");
    let _ = stack.world.run("apply --yes").good();
    stack.restores();
    stack.settled();
}

#[test]
fn a_signal_wakes_everything_before_the_run_ends() {
    let stack = Stack::new();
    fill(&stack);
    for (name, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let child = stack.world.start(&["apply", "--yes", "--now"]);
        stack.project.service("front").until("exited");
        let sent = std::process::Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let _ = stack.world.ended(child).ends(code).says(&[&format!("SIG{name}: ending in good order")]);
        stack.all_run();
    }
    let _ = stack.world.run("apply --yes").good();
    stack.restores();
    stack.settled();
}
