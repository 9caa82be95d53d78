//! One capture, two stores: the bucket gets what the folder has, and whatever is wrong with one is mended from the other.

use std::fs;

use crate::support::{Bucket, Site};

#[test]
fn what_is_captured_once_is_copied_to_the_bucket() {
    let site = Site::copied();
    let _ = site.world.run("apply").good().says_once("done: capture:policy.config").says(&["done: copy:policy.config", "@offsite"]);
    let local = site.world.records("backups", "config").remove(0);
    let record = site.bucket.only("prod/demo/catalog/config/");
    assert!(record.ends_with(&format!("/{}", local.file_name().unwrap().to_string_lossy())), "{record}");
    assert_eq!(site.bucket.get(&record), fs::read(local).unwrap());
    for key in site.below("data/config/") {
        let file = key.strip_prefix("prod/").unwrap();
        assert_eq!(site.bucket.get(&key), fs::read(site.world.path("backups").join(file)).unwrap(), "{key}");
    }
    site.clean();
    site.restores();
}

#[test]
fn what_the_bucket_lacks_is_copied_without_a_new_capture() {
    let site = Site::copied();
    let _ = site.world.run("apply").good();
    let record = site.bucket.only("prod/demo/catalog/config/");
    site.bucket.delete(&record);
    for key in site.below("data/") {
        site.bucket.delete(&key);
    }
    let _ = site.harmless("plan").good().says(&["policy.config"]).hides(&["+ capture"]);
    let _ = site.world.run("apply --yes").good().says(&["done: copy:policy.config"]).hides(&["done: capture"]);
    assert_eq!(site.bucket.only("prod/demo/catalog/config/"), record);
    site.clean();
    site.restores();
}

#[test]
fn a_bucket_that_comes_later_gets_what_is_there() {
    let site = Site::new(Bucket::new(), "\"local\"");
    for text in ["one", "two", "three"] {
        site.world.file("data/a.txt", text);
        let _ = site.world.run("apply --now").good();
    }
    site.world.edit("stores = [\"local\"]", "stores = [\"local\", \"offsite\"]");
    let _ = site.world.run("apply --yes").good().hides(&["done: capture"]);
    assert_eq!(site.records("config").len(), 3);
    site.clean();
    site.restores();
}

/// What was done to the bucket's payload is found, is said with these words, and is repaired from the folder as the second generation.
#[track_caller]
fn is_repaired(spoil: impl Fn(&Bucket, &str), found_by_listing: bool, keeps: bool, code: i32) {
    let site = Site::copied();
    site.fill(3, 50_000);
    let _ = site.world.run("apply").good();
    let payload = site.payload("config");
    spoil(&site.bucket, &payload);
    if !found_by_listing {
        let _ = site.harmless("plan --detailed-exitcode").good();
    }
    let ran = site.world.run("verify");
    assert_eq!(ran.code, code, "{ran}");
    let _ = site.harmless("plan").says(&["copy", "policy.config"]).hides(&["+ capture"]);
    let _ = site.world.run("apply --yes").good().says(&["done: copy:policy.config"]).hides(&["done: capture"]);
    assert_eq!(site.bucket.keys(&payload).contains(&payload), keeps, "the damaged bytes are kept until retention takes them");
    assert!(site.below("data/config/").iter().any(|key| key.contains("/r2/")), "a second generation");
    assert!(site.records("config").iter().any(|key| key.ends_with(".r2.json")), "{:?}", site.records("config"));
    let _ = site.world.run("verify --no-notes --newest").good();
    let _ = site.harmless("plan --detailed-exitcode").good();
    site.restores();
}

#[test]
fn an_altered_object_is_found_by_verify_and_repaired() {
    is_repaired(Bucket::alter, false, true, 8);
}

#[test]
fn a_truncated_object_is_found_by_the_plan_and_repaired() {
    is_repaired(Bucket::truncate, true, true, 8);
}

#[test]
fn a_deleted_object_is_found_by_the_plan_and_repaired() {
    is_repaired(Bucket::delete, true, false, 8);
}

#[test]
fn damage_in_the_folder_is_repaired_from_the_bucket() {
    let site = Site::copied();
    site.fill(3, 50_000);
    let _ = site.world.run("apply").good();
    let id = site.world.ids("backups", "config").remove(0);
    let payload = site.world.path(&format!("backups/demo/data/config/{id}/files.tar.zst"));
    let mut bytes = fs::read(&payload).unwrap();
    bytes[70_000] ^= 1;
    fs::write(&payload, bytes).unwrap();
    let _ = site.world.run("verify").ends(8);
    let _ = site.world.run("apply --yes").good().says(&["done: copy:policy.config", "@local"]).hides(&["done: capture"]);
    let _ = site.world.run("verify --newest --no-notes").good();
    let _ = site.harmless("plan --detailed-exitcode").good();
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let site = Site::copied();
    let _ = site.world.run("apply").good();
    for key in ["prod/readme.txt", "prod/demo/data/config/notes.txt", "elsewhere/file"] {
        site.bucket.put(key, "not ours");
    }
    site.bucket.begin_upload("elsewhere/large");
    site.bucket.begin_upload("production/large");
    let _ = site.world.run("apply --now").good();
    for key in ["prod/readme.txt", "prod/demo/data/config/notes.txt", "elsewhere/file"] {
        assert_eq!(site.bucket.get(key), b"not ours", "{key}");
    }
    assert_eq!(site.bucket.uploads(), ["elsewhere/large", "production/large"]);
}

#[test]
fn what_retention_lets_go_is_deleted_from_both() {
    let site = Site::copied();
    site.world.edit("keep_within = \"30d\", min_count = 3", "keep_last = 1, min_count = 1, min_age = \"1s\"");
    for text in ["one", "two", "three"] {
        site.world.file("data/a.txt", text);
        let _ = site.world.run("apply --now --yes").good();
    }
    crate::shared::until("the older ones are old enough", || {
        let _ = site.world.run("apply --yes").good();
        site.records("config").len() == 1
    });
    assert_eq!((site.world.records("backups", "config").len(), site.below("data/config/").len()), (1, 2));
    site.clean();
    site.restores();
}
