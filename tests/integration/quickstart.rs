//! The issue's manifest as it stands: nothing else is needed, and every promise about it holds.

use std::fs;
use std::process::Command;

use chrono::{TimeDelta, Utc};
use lucid_policy::execute::StepResult;

use crate::support::World;

fn tar(args: &[&str]) -> String {
    let output = Command::new("tar").args(args).output().unwrap();
    assert!(output.status.success(), "tar {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_manifest_validates_plans_applies_and_then_nothing_is_left_to_do() {
    let world = World::quickstart();
    world.harmless("validate").good().says(&["Valid: demo with 1 policy and 1 store"]);
    world.harmless("plan").good().says(&["+ capture policy.config to local", "nothing was captured yet", "1 to capture"]);
    world.harmless("plan --detailed-exitcode").ends(2);
    world.run("apply").good().says(&["done: capture:policy.config", "Applied: 2 steps done"]);
    world.harmless("plan --detailed-exitcode").good().says(&["No changes."]);
    world.harmless("apply").good().says(&["No changes."]);
}

#[test]
fn gnu_tar_reads_the_payload_and_finds_the_source_without_what_is_excluded() {
    let world = World::quickstart();
    world.run("apply").good();
    let ids = world.ids("backups", "config");
    assert_eq!(ids.len(), 1);
    let payload = world.path(&format!("backups/demo/data/config/{}/files.tar.zst", ids[0]));
    let out = world.path("out");
    fs::create_dir(&out).unwrap();
    tar(&["--zstd", "-xf", payload.to_str().unwrap(), "-C", out.to_str().unwrap()]);
    fs::remove_file(world.path("data/scratch.tmp")).unwrap();
    let same = Command::new("diff").arg("-r").arg(world.path("data")).arg(out.join("data")).status().unwrap();
    assert!(same.success());
}

#[test]
fn a_tree_that_stood_still_is_not_stored_again() {
    let world = World::quickstart();
    let later = Utc::now() + TimeDelta::hours(1);
    let first = world.captured_at(later);
    let second = world.captured_at(later + TimeDelta::hours(1));
    let unchanged = |outcome: &lucid_policy::execute::Outcome| {
        outcome.steps.iter().any(|s| matches!(&s.result, StepResult::Done(done) if done.unchanged))
    };
    assert!(!unchanged(&first) && unchanged(&second));
    assert_eq!((world.ids("backups", "config").len(), world.records("backups", "config").len()), (1, 2));
    let record = fs::read_to_string(&world.records("backups", "config")[1]).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    assert_eq!(record["payload_of"]["id"], world.ids("backups", "config")[0]);
    world.run("verify").good();
    world.file("data/a.txt", "something else\n");
    let third = world.captured_at(later + TimeDelta::hours(2));
    assert!(!unchanged(&third));
    assert_eq!(world.ids("backups", "config").len(), 2);
}

#[test]
fn every_reading_verb_speaks_json_with_a_version() {
    let world = World::quickstart();
    world.run("apply").good();
    let id = world.ids("backups", "config").remove(0);
    let verbs = [
        "validate".to_owned(),
        "plan".to_owned(),
        "status".to_owned(),
        "list".to_owned(),
        format!("show {id}"),
        format!("show {id} --files"),
        "verify --no-notes".to_owned(),
        "graph".to_owned(),
        "explain".to_owned(),
        "explain store-away".to_owned(),
    ];
    for verb in verbs {
        let ran = world.harmless(&format!("{verb} --format json")).good();
        assert_eq!(ran.json()["format_version"], "1.0", "{verb}:\n{ran}");
        assert_eq!(ran.err, "", "{verb}");
    }
}

#[test]
fn apply_speaks_one_json_object_a_line_and_each_has_a_type() {
    let world = World::quickstart();
    for _ in 0..2 {
        let ran = world.run("apply --now --format json").good();
        let lines: Vec<serde_json::Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(lines.iter().all(|line| line["type"].is_string()), "{ran}");
        assert_eq!((&lines[0]["type"], &lines[lines.len() - 1]["type"]), (&"run-started".into(), &"run-ended".into()), "{ran}");
        assert_eq!(lines[lines.len() - 1]["exit"], 0);
        assert_eq!(ran.err, "");
    }
    let ran = world.harmless("apply --format json").good();
    assert_eq!(ran.out.lines().count(), 2, "with nothing to do a run begins and ends:\n{ran}");
}

#[test]
fn a_folder_of_manifests_is_one_manifest() {
    let world = World::quickstart();
    let text = fs::read_to_string(world.path("lucid-policy.toml")).unwrap();
    let (one, two) = text.split_once("[policy.config]").unwrap();
    world.file("policies/one.toml", one.replace("\"data\"", "\"../data\"").replace("\"backups\"", "\"../backups\""));
    world.file("policies/two.toml", format!("[policy.config]{two}"));
    world.file("policies/notes.txt", "not a manifest");
    world.run("-f policies apply").good();
    world.run("-f policies/ plan --detailed-exitcode").good();
    fs::remove_file(world.path("lucid-policy.toml")).unwrap();
    world.run("plan --detailed-exitcode").good().says(&["No changes."]);
}
