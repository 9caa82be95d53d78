//! Leases in a folder, as runs leave them, find them and are told of them; and `unlock`.

use std::fs::{self, File};
use std::path::PathBuf;

use serde_json::Value;

use crate::support::World;

/// A lease that a run on another system holds.
const HELD: &str = include_str!("formats/lease/v1.json");
const RUN: &str = "nbswy3dpo5xxe3de";

fn applied() -> (World, PathBuf) {
    let world = World::quickstart();
    let _ = world.run("apply").good();
    let lease = world.path("backups/demo/lock/config");
    (world, lease)
}

fn lease(path: &PathBuf) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_run_leaves_its_lease_released_and_readable() {
    let (world, path) = applied();
    let first = lease(&path);
    assert_eq!((&first["state"], &first["epoch"], &first["purpose"]), (&"released".into(), &1.into(), &"apply".into()));
    assert_eq!(first["ttl_seconds"], 600);
    assert!(first["holder"]["pid"].as_u64().unwrap() > 0 && first["holder"]["pid_start"].as_u64().unwrap() > 0, "{first}");
    let _ = world.run("apply --now").good();
    let second = lease(&path);
    assert_eq!(second["epoch"], 2);
    assert_ne!((&second["run"], &second["nonce"]), (&first["run"], &first["nonce"]));
}

#[test]
fn a_lease_of_another_process_keeps_a_run_out_until_that_ends() {
    let (world, path) = applied();
    fs::write(&path, HELD).unwrap();
    let holder = File::options().read(true).open(&path).unwrap();
    holder.lock().unwrap();
    let words = ["policy.config is held by run nbswy3dpo5xxe3de of host db1 (pid 4242, apply)", "its lease is on store `local`"];
    let _ = world.run("apply --now").ends(11).says(&words).says(&["Nothing ran"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), HELD);
    let _ = world.run(&format!("unlock --run {RUN}")).ends(11).says(&["series `config` on store `local`", "is alive"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), HELD);
    // Its process ends; the record stays as it was.
    drop(holder);
    let words = ["warning: policy.config: store `local`: the lease was left by run nbswy3dpo5xxe3de of host db1", "process is gone"];
    let _ = world.run("apply --now").good().says(&words);
    assert_eq!((&lease(&path)["state"], &lease(&path)["epoch"]), (&"released".into(), &4.into()));
    let ran = world.run("apply --now").good();
    let _ = ran.hides(&["was left by"]);
}

#[test]
fn unlock_ends_the_leases_of_the_run_that_is_named_and_of_no_other() {
    let (world, path) = applied();
    let _ = world.harmless("unlock --run mfrggzdfmztwq2lk").ends(64).says(&["no lease names run mfrggzdfmztwq2lk", "nobody holds any"]);
    fs::write(&path, HELD).unwrap();
    let words = ["no lease names run mfrggzdfmztwq2lk", "series `config` on store `local`: run nbswy3dpo5xxe3de of host db1"];
    let _ = world.harmless("unlock --run mfrggzdfmztwq2lk").ends(64).says(&words);
    let _ = world.harmless("unlock --run nonsense").ends(64).says(&["`nonsense` is not 16 letters"]);
    let _ = world.harmless(&format!("unlock --run {RUN} nowhere")).ends(64).says(&["there is no store `nowhere`"]);
    let ran = world.run(&format!("unlock --run {RUN} local")).good();
    let _ = ran.says(&["released: series `config` on store `local`, which was left by run nbswy3dpo5xxe3de of host db1"]);
    assert_eq!((&lease(&path)["state"], &lease(&path)["epoch"]), (&"released".into(), &3.into()));
    let _ = world.harmless(&format!("unlock --run {RUN}")).ends(64);
    let _ = world.run("apply --now").good().hides(&["was left by"]);
}

#[test]
fn a_lease_that_cannot_be_read_keeps_nobody_out_of_a_folder_and_is_listed() {
    let (world, path) = applied();
    fs::write(&path, HELD.replace("\"1.0\"", "\"2.0\"")).unwrap();
    let _ = world.harmless(&format!("unlock --run {RUN}")).ends(64).says(&["series `config` on store `local`", "its format is 2.0"]);
    fs::write(&path, "").unwrap();
    let _ = world.run("apply --now").good();
    assert_eq!(lease(&path)["epoch"], 1);
}

#[test]
fn a_store_with_a_single_writer_has_no_leases() {
    let world = World::with("path = \"backups\"", "path = \"backups\"\ncoordination = \"single-writer\"");
    let _ = world.run("apply").good();
    assert_eq!(world.files("backups/demo/lock"), [] as [String; 0]);
}

#[test]
fn status_shows_who_has_a_lease_and_which_are_over_and_changes_nothing() {
    let (world, path) = applied();
    let _ = world.harmless("status").good().hides(&["leases"]);
    let mut record: Value = serde_json::from_str(HELD).unwrap();
    fs::write(&path, HELD).unwrap();
    let words = ["leases", "config on local: run nbswy3dpo5xxe3de of host db1 since", "until its process ends"];
    let _ = world.harmless("status").good().says_in_order(&words);
    let seen = world.harmless("status --format json").good().json();
    let [one] = seen["leases"].as_array().unwrap().as_slice() else { panic!("{seen}") };
    for (key, value) in [("store", "local"), ("series", "config"), ("state", "held"), ("run", RUN), ("host", "db1")] {
        assert_eq!(one[key], value, "{one}");
    }
    assert_eq!((&one["since"], &one["until"]), (&record["since"], &Value::Null));
    // beside us, under a number that is no process's
    record["holder"]["boot"] = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap().trim().into();
    let namespace = fs::read_link("/proc/self/ns/pid").unwrap();
    let namespace = namespace.to_str().unwrap().trim_start_matches("pid:[").trim_end_matches(']').parse::<u64>().unwrap();
    record["holder"]["pid_namespace"] = namespace.into();
    record["holder"]["pid"] = i32::MAX.into();
    fs::write(&path, serde_json::to_vec_pretty(&record).unwrap()).unwrap();
    let _ = world.harmless("status").good().says(&["OVER, its process is gone"]);
    assert_eq!(world.harmless("status --format json").good().json()["leases"][0]["state"], "gone");
    fs::write(&path, "{").unwrap();
    let _ = world.harmless("status").good().says(&["config on local: UNREADABLE"]);
    fs::rename(world.path("backups"), world.path("aside")).unwrap();
    let _ = world.harmless("status").hides(&["leases"]);
}
