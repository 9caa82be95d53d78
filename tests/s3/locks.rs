//! Buckets that keep versions, and buckets whose objects cannot be deleted.

use std::time::Duration;

use crate::shared::until;
use crate::support::{Bucket, Dropper, Site};

/// Each run of the policy lets go of what is older than a second.
const SHORT: &str = "keep_last = 1, min_count = 1, min_age = \"1s\"";

#[track_caller]
fn short(bucket: Bucket) -> Site {
    let site = Site::new(bucket, "\"offsite\"");
    site.world.edit("keep_within = \"30d\", min_count = 3", SHORT);
    site
}

#[track_caller]
fn two_runs(site: &Site) {
    for text in ["one", "two"] {
        site.world.file("data/a.txt", text);
        let _ = site.world.run("apply --now --yes").good();
    }
}

#[test]
fn what_is_deleted_from_a_bucket_with_versions_is_gone() {
    let site = short(Bucket::versioned());
    two_runs(&site);
    until("the older one is old enough", || {
        let _ = site.world.run("apply --yes").good();
        site.records("config").len() == 1
    });
    let left = site.bucket.versions("prod/demo/data/");
    assert_eq!((left.len(), left.iter().filter(|version| version.marker).count()), (2, 0), "{left:?}");
    site.clean();
    site.restores();
}

#[test]
fn what_is_locked_stays_until_its_date_and_the_plan_says_so() {
    let site = short(Bucket::lockable());
    site.store("object_lock = { mode = \"compliance\", for = \"1h\" }");
    two_runs(&site);
    assert_eq!(site.records("config").len(), 2);
    for version in site.bucket.versions("prod/demo/data/").iter().chain(&site.bucket.versions("prod/demo/catalog/")) {
        assert!(!site.bucket.deletes(version), "{version:?}");
    }
    until("the older one is old enough", || {
        let waiting = site.world.run("plan --format json").good().json()["waiting"].clone();
        let locked = |step: &serde_json::Value| step["reason"]["code"] == "locked" && step["reason"]["data"]["until"].is_string();
        waiting.as_array().is_some_and(|waiting| waiting.iter().any(locked))
    });
    let _ = site.world.run("list").good().says(&["locked until"]).hides(&["expired"]);
    let _ = site.world.run("apply --yes").good().hides(&["done: delete"]);
    assert_eq!(site.records("config").len(), 2);
    let _ = site.world.run("plan --detailed-exitcode").good();
    site.restores();
}

#[test]
fn a_lease_is_not_locked() {
    let site = short(Bucket::lockable());
    site.store("object_lock = { mode = \"compliance\", for = \"1h\" }");
    two_runs(&site);
    let leases = site.bucket.versions("prod/demo/lock/");
    assert!(!leases.is_empty());
    assert!(leases.iter().all(|version| site.bucket.deletes(version)), "{leases:?}");
}

#[test]
fn object_lock_asked_of_a_bucket_without_it_is_refused() {
    let site = short(Bucket::new());
    site.store("object_lock = { mode = \"compliance\", for = \"1h\" }");
    let ran = site.world.run("apply --yes");
    assert_ne!(ran.code, 0, "{ran}");
    let _ = ran.says(&["store.offsite", "the bucket has no Object Lock, and `object_lock` asks for it"]);
    assert_eq!(site.bucket.objects(""), []);
}

#[test]
fn doctor_says_what_the_server_can_promise() {
    let site = Site::streamed();
    let _ = site.world.run("apply").good();
    let before = site.bucket.objects("prod/demo/");
    let _ =
        site.world.run("doctor offsite").good().says(&["one-winner", "compare-and-swap", "The store keeps what the manifest relies on."]);
    assert_eq!(site.bucket.objects("prod/demo/"), before, "it leaves what is there");
    assert_eq!(site.bucket.uploads(), Vec::<String>::new());
}

#[test]
fn doctor_locks_an_object_for_two_minutes_and_removes_those_of_earlier_visits() {
    let site = short(Bucket::lockable());
    site.store("object_lock = { mode = \"compliance\", for = \"30d\" }");
    let earlier = "prod/lucid-doctor-aaaabbbbccccdddd/locked";
    site.bucket.put_locked(earlier, "of an earlier visit", Duration::from_secs(2));
    let held = ["holds lock", "holds lock-extend", "holds lock-delete", "which is locked until", "The store keeps what"];
    let _ = site.world.run("doctor offsite").good().says(&held);
    let mine: Vec<_> = site.bucket.versions("prod/").into_iter().filter(|version| version.key != earlier).collect();
    assert!(mine.len() == 1 && mine[0].key.ends_with("/locked") && !mine[0].marker, "{mine:?}");
    assert!(!site.bucket.deletes(&mine[0]));
    until("the earlier one's date is over, and a visit came after it", || {
        let gone = || site.bucket.versions(earlier).is_empty();
        gone() || {
            let _ = site.world.run("doctor offsite").good();
            gone()
        }
    });
    assert!(site.bucket.keys("prod/").contains(&mine[0].key));
}

#[test]
fn doctor_for_a_host_that_deletes_nothing_deletes_nothing_that_is_locked() {
    let site = short(Bucket::lockable());
    site.store("object_lock = { mode = \"governance\", for = \"30d\" }");
    let _ = site.world.run("doctor offsite --no-delete").good().says(&["holds lock", "unknown lock-delete", "not tried"]);
    let left = site.bucket.versions("prod/");
    assert!(left.len() == 1 && left[0].key.ends_with("/locked") && !left[0].marker, "{left:?}");
}

#[test]
fn doctor_finds_a_server_that_ignores_conditions() {
    let site = Site::streamed();
    let dropper = Dropper::new();
    site.through(&dropper.endpoint);
    let ran = site.world.run("doctor offsite");
    assert_ne!(ran.code, 0, "{ran}");
    let _ = ran.says(&["coordination = \"single-writer\""]);
    assert!(dropper.dropped() > 0);
}

#[test]
fn a_server_that_ignores_conditions_is_used_by_one_writer_that_says_so() {
    let site = Site::streamed();
    let dropper = Dropper::new();
    site.through(&dropper.endpoint);
    site.store("coordination = \"single-writer\"");
    let _ = site.world.run("apply").good();
    site.world.file("data/a.txt", "newer");
    let _ = site.world.run("apply --now").good();
    assert_eq!(site.records("config").len(), 2);
    site.clean();
    site.restores();
}
