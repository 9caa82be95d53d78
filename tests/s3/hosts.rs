//! Two runs at once on one instance: one of them works on a series, and neither deletes what the other has just made.

use std::fs;
use std::thread;

use crate::shared::{Ran, World, until};
use crate::support::{Site, on_host};

const ONE: &str = "11111111111111111111111111111111";
const TWO: &str = "22222222222222222222222222222222";

#[track_caller]
fn ran(world: &World, host: &str, words: &[&str]) -> Ran {
    world.finish(&mut on_host(world, host, words))
}

/// How many of these runs have captured.
fn captures(ends: &[Ran]) -> usize {
    ends.iter().filter(|ran| ran.err.contains("done: capture")).count()
}

#[test]
fn a_second_run_is_told_who_holds_the_series() {
    let site = Site::streamed();
    site.slow();
    let child = site.world.start(&["apply", "--only", "policy.slow"]);
    until("the capture has begun", || site.world.path("begun").exists());
    let twin = site.twin();
    let _ = twin.run("apply --now --only policy.slow").ends(11).says(&["policy.slow", "is held by run", "Nothing ran"]);
    // What is not held is done.
    let _ = twin.run("apply").good().says(&["done: capture:policy.config"]);
    site.world.go_on();
    let _ = site.world.ended(child).good();
    assert_eq!((site.records("slow").len(), site.records("config").len()), (1, 1));
    let _ = twin.run("plan --detailed-exitcode").good().says(&["No changes."]);
}

#[test]
fn two_runs_that_begin_together_capture_once() {
    for _ in 0..5 {
        let site = Site::streamed();
        site.fill(2, 3_000_000);
        let twin = site.twin();
        let ends: Vec<Ran> = thread::scope(|scope| {
            let runs: Vec<_> = [&site.world, &twin].map(|world| scope.spawn(|| world.run("apply"))).into_iter().collect();
            runs.into_iter().map(|run| run.join().unwrap()).collect()
        });
        assert_eq!(captures(&ends), 1, "{}\n{}", ends[0], ends[1]);
        assert!(ends.iter().all(|ran| [0, 11].contains(&ran.code)), "{}\n{}", ends[0], ends[1]);
        assert_eq!(site.records("config").len(), 1);
        site.clean();
        site.restores();
    }
}

#[test]
fn two_hosts_that_begin_together_are_one_owner_and_one_that_is_refused() {
    for _ in 0..3 {
        let site = Site::streamed();
        let twin = site.twin();
        let ends: Vec<Ran> = thread::scope(|scope| {
            let runs: Vec<_> = [(&site.world, ONE), (&twin, TWO)]
                .map(|(world, host)| scope.spawn(move || ran(world, host, &["apply"])))
                .into_iter()
                .collect();
            runs.into_iter().map(|run| run.join().unwrap()).collect()
        });
        assert!(ends.iter().all(|ran| [0, 3, 4, 11].contains(&ran.code)), "{}\n{}", ends[0], ends[1]);
        assert_eq!((captures(&ends), site.records("config").len(), site.below("owner/").len()), (1, 1, 1), "{}\n{}", ends[0], ends[1]);
        let (owner, host, other, stranger) =
            if captures(&ends[..1]) == 1 { (&site.world, ONE, &twin, TWO) } else { (&twin, TWO, &site.world, ONE) };
        let _ = ran(owner, host, &["plan", "--detailed-exitcode"]).good();
        let _ = ran(other, stranger, &["apply", "--now"]).ends(4).says(&["run `lucid-policy claim`"]);
        let _ = ran(other, stranger, &["claim", "--yes"]).good();
        let _ = ran(other, stranger, &["apply", "--now"]).good();
        let _ = ran(owner, host, &["apply", "--now"]).ends(4).says(&["run `lucid-policy claim`"]);
    }
}

#[test]
fn neither_deletes_what_the_other_has_just_made() {
    let site = Site::streamed();
    site.world.edit("keep_within = \"30d\", min_count = 3", "keep_last = 1, min_count = 1, min_age = \"1s\"");
    let twin = site.twin();
    let newest = |site: &Site| site.records("config").pop();
    for round in 0..4 {
        site.world.file("data/a.txt", format!("{round}"));
        twin.file("data/a.txt", format!("{round}"));
        let ends: Vec<Ran> = thread::scope(|scope| {
            let runs: Vec<_> = [&site.world, &twin].map(|world| scope.spawn(|| world.run("apply --now --yes"))).into_iter().collect();
            runs.into_iter().map(|run| run.join().unwrap()).collect()
        });
        assert!(ends.iter().all(|ran| [0, 4, 11].contains(&ran.code)), "{}\n{}", ends[0], ends[1]);
        let kept = newest(&site).expect("something is listed");
        assert!(captures(&ends) > 0, "{}\n{}", ends[0], ends[1]);
        let record: serde_json::Value = serde_json::from_slice(&site.bucket.get(&kept)).unwrap();
        let id = record["id"].as_str().unwrap();
        assert!(!site.below(&format!("data/config/{id}/")).is_empty() || !record["payload_of"].is_null(), "{record}");
        let _ = site.world.run("verify --no-notes").good();
    }
}

#[test]
fn a_lease_of_a_killed_run_is_named_and_can_be_broken() {
    let site = Site::streamed();
    site.slow();
    let mut child = site.world.start(&["apply", "--only", "policy.slow"]);
    until("the capture has begun", || site.world.path("begun").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    site.world.close_pipe();
    site.world.edit("head -c 40000000 /dev/urandom; touch begun; cat pipe", "echo done");
    // Another place cannot know that the run is dead: it waits for its lease to end, or is told.
    let twin = site.twin();
    fs::write(twin.path("lucid-policy.toml"), fs::read_to_string(site.world.path("lucid-policy.toml")).unwrap()).unwrap();
    let refused = ran(&twin, ONE, &["apply", "--now", "--only", "policy.slow"]);
    assert!([4, 11].contains(&refused.code), "{refused}");
    // The same host sees that the process is gone.
    let _ = site.world.run("apply --now --only policy.slow --yes").good().says(&["done: capture:policy.slow"]);
    assert_eq!(site.records("slow").len(), 1);
}
