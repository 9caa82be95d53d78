//! In place, around the services that use what is put back.

use crate::shared::until;
use crate::support::{Site, Stack};

fn lines(stack: &Stack, service: &str) -> Vec<u8> {
    std::fs::read(stack.project.volume(service).folder.join("two")).unwrap()
}

#[test]
fn a_volume_is_put_back_while_its_services_are_quiet_and_they_go_on_with_it() {
    let stack = Stack::new();
    let _ = stack.world.run("apply --yes").good();
    let kept = stack.record()["counts"]["bytes"].as_u64().unwrap();
    assert!(kept > 0);
    for service in ["back", "middle", "front"] {
        stack.project.volume(service).write("rubbish", "not from here");
    }
    let before = stack.starts();
    let plan = ["stop service.front", "stop service.middle", "stop service.back", "replace", "start service.back", "start service.front"];
    let ran = stack.world.run("restore stack --yes").good().says_in_order(&plan);
    let after = stack.starts();
    assert!(before.iter().zip(&after).take(3).all(|(one, other)| one != other) && before[3] == after[3], "{ran}");
    stack.all_run();
    for service in ["back", "middle", "front"] {
        assert!(!stack.project.volume(service).folder.join("rubbish").exists(), "{service} has what was written after the capture");
        let seen = stack.lines(service);
        until(&format!("{service} goes on with what was restored"), || stack.lines(service) > seen);
    }
    let run = pending(&stack);
    let _ = stack.world.args(&["restore", "--commit", &run]).good();
    stack.restores();
    stack.settled();
}

/// The restore that waits for a decision.
fn pending(stack: &Stack) -> String {
    let status = stack.world.run("status --format json").good().json();
    status["restores"][0]["run"].as_str().unwrap().to_owned()
}

#[test]
fn a_rollback_is_around_the_services_too() {
    let stack = Stack::new();
    let _ = stack.world.run("apply --yes").good();
    stack.project.volume("back").write("later", "written after the capture");
    let _ = stack.world.run("restore stack --yes").good();
    assert!(!stack.project.volume("back").folder.join("later").exists());
    let run = pending(&stack);
    let before = stack.starts();
    let _ = stack.world.args(&["restore", "--rollback", &run]).good();
    assert_ne!(before[0], stack.starts()[0], "`back` was not stopped for the roll-back");
    assert!(stack.project.volume("back").folder.join("later").exists());
    stack.all_run();
    let seen = stack.lines("back");
    until("back goes on with its old state", || stack.lines("back") > seen);
}

#[test]
fn what_makes_its_service_ill_is_rolled_back() {
    let stack = Stack::on(crate::support::Engine::new(), |yaml| {
        // Well only where a file of the old state is: what is restored lacks it.
        yaml.replacen("\"test\", \"-s\", \"/data/two\"", "\"test\", \"-e\", \"/data/well\"", 1).replacen(
            "trap 'end=1'",
            "[ -e /data/begun ] || touch /data/well /data/begun; trap 'end=1'",
            1,
        )
    });
    stack.world.edit("[service.compose.back]\n", "[service.compose.back]\nready_timeout = \"5s\"\n");
    let _ = stack.world.run("apply --yes").good();
    let volume = stack.project.volume("back");
    // The artifact is made one whose restored state is ill: the newest capture lacks the file.
    std::fs::remove_file(volume.folder.join("well")).unwrap();
    let _ = stack.world.run("apply --yes --now").ends(3).says(&["is not ready after 5 s"]);
    volume.write("well", "");
    until("it is well again", || stack.project.service("back").health() == "healthy");
    let before = lines(&stack, "back").len();
    let ran = stack.world.run("restore stack --yes").ends(3).says(&["the old state was put back"]);
    assert!(volume.folder.join("well").exists() && lines(&stack, "back").len() >= before, "{ran}");
    stack.all_run();
    let status = stack.world.run("status --format json").good().json();
    assert_eq!(status["restores"].as_array().unwrap().len(), 0, "{status}");
}

#[test]
fn a_container_that_would_keep_the_old_state_is_a_refusal() {
    let stack = Stack::new();
    let _ = stack.world.run("apply --yes").good();
    let mount = format!("{}:/data:ro", stack.project.volume("back").name);
    let reader = stack.engine.run("reader", &["--volume", &mount]);
    let before = stack.starts();
    let _ = stack.world.run("restore stack --yes").ends(4).says(&[&reader.name, "would go on with the old state", "restore_stop"]);
    assert_eq!(before, stack.starts());
    reader.tell("stop");
    let _ = stack.world.run("restore stack --yes").good();
    assert_eq!(reader.state(), "exited");
}

#[test]
fn a_container_that_is_started_after_the_plan_stops_the_restore() {
    // It ends once it may: the plan is made by then.
    let command = "trap 'touch /data/ending; while [ ! -e /data/go ]; do usleep 20000; done; exit 0' TERM; while :; do usleep 20000; done";
    let site = Site::with(&["--stop-timeout", "60"], &["sh", "-c", command]);
    site.volume.write("go", "");
    let _ = site.world.run("apply --yes").good();
    let late = site.engine.run("late", &["--volume", &format!("{}:/data:ro", site.volume.name)]);
    late.tell("stop");
    for name in ["go", "ending"] {
        std::fs::remove_file(site.volume.folder.join(name)).unwrap();
    }
    site.volume.write("kept", "written after the capture");
    let child = site.world.start(&["restore", "web", "--yes"]);
    until("the service is being stopped", || site.volume.folder.join("ending").exists());
    late.tell("start");
    site.volume.write("go", "");
    let _ = site.world.ended(child).ends(3).says(&[&late.name, "mounted since the restore was planned", "nothing was put in place"]);
    assert_eq!(site.volume.read("kept"), b"written after the capture");
    site.awake();
    assert_eq!(late.state(), "running");
    let status = site.world.run("status --format json").good().json();
    assert_eq!(status["restores"].as_array().unwrap().len(), 0, "{status}");
}

#[test]
fn what_was_paused_is_paused_again() {
    let stack = Stack::new();
    let _ = stack.world.run("apply --yes").good();
    stack.project.service("front").tell("pause");
    let _ = stack.world.run("restore stack --yes").good();
    assert_eq!(stack.states(), ["running", "running", "paused", "running"]);
    stack.project.service("front").tell("unpause");
}

#[test]
fn what_does_not_even_start_on_the_restored_state_runs_again_on_the_old_one() {
    let script = "[ -e /data/well ] || [ ! -e /data/begun ] || exit 1; touch /data/well /data/begun; exec idle";
    let site = Site::with(&[], &["sh", "-c", script]);
    // Asked, so that a look between its start and its end does not take it for one that runs.
    site.service("ready = \"command\"\nready_command = [\"test\", \"-e\", \"/data/well\"]");
    until("it has begun", || site.volume.folder.join("begun").exists());
    // The artifact is of a state on which it ends at once.
    std::fs::remove_file(site.volume.folder.join("well")).unwrap();
    let _ = site.world.run("apply --yes").ends(3).says(&["is exited again with exit code 1"]);
    site.volume.write("well", "");
    site.web.tell("start");
    let _ = site.world.run("restore web --yes").ends(3).says(&["the old state was put back"]);
    assert!(site.volume.folder.join("well").exists());
    until("it runs on its old state", || site.web.state() == "running");
    site.awake();
}
