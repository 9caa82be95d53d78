//! What the command line says of several stores and hosts: inventories, roles, listings without payload.

use std::fs;

use serde_json::Value;

use crate::support::{World, digest};

fn steps(plan: &Value) -> Vec<Value> {
    plan["steps"].as_array().unwrap().clone()
}

#[test]
fn an_inventory_is_planned_where_there_is_nothing_else() {
    let world = World::with_expired();
    let said = world.harmless("inventory --out inventory.json").good().told();
    assert!(said.contains("1 store with 7 artifacts"), "{said}");
    let text = fs::read_to_string(world.path("inventory.json")).unwrap();
    let inventory: Value = serde_json::from_str(&text).unwrap();
    let at = inventory["at"].as_str().unwrap();
    let online = world.harmless(&format!("plan --format json --as-of {at}")).good().json();
    let deletes = |plan: &Value| steps(plan).iter().filter(|step| step["kind"] == "delete").count();
    assert_eq!(deletes(&online), 3);
    for gone in ["backups", "data", "state"] {
        fs::remove_dir_all(world.path(gone)).unwrap();
    }
    let offline = world.run("plan --format json --inventory inventory.json").good().json();
    assert_eq!((steps(&offline), &offline["as_of"]), (steps(&online), &inventory["at"]));
    assert!(!world.path("state").exists() && !world.path("backups").exists(), "something was made");
    let _ = world.run("plan --inventory inventory.json --detailed-exitcode").ends(2).says(&["- delete policy.config"]);
    let _ = world.run("plan --inventory inventory.json --only-delete").ends(64).says(&["--only-delete"]);
    let out = world.run("inventory --out -");
    assert_eq!(out.clone().good().json()["stores"]["local"]["state"], "new");
    // by its store the host is known, and by nothing that is its own
    if let Ok(machine) = fs::read_to_string("/etc/machine-id") {
        assert!(machine.trim().is_empty() || !text.contains(machine.trim()), "{text}");
    }
    assert!(!text.contains("HOME") && !text.contains("what is to be kept"), "{text}");
}

#[test]
fn what_is_no_inventory_of_this_instance_is_refused_by_what_it_is() {
    let world = World::quickstart();
    let _ = world.run("apply").good();
    let _ = world.run("inventory --out inventory.json").good();
    let text = fs::read_to_string(world.path("inventory.json")).unwrap();
    let table = [
        (text[..text.len() / 2].to_owned(), "it is no inventory: EOF"),
        (text.replacen("\"1.0\"", "\"7.1\"", 1), "it has format version 7.1, newer than the 1.0"),
        (text.replacen("\"demo\"", "\"other\"", 1), "is of instance `other`, and the manifest is of `demo`"),
        ("[]".to_owned(), "it is no inventory"),
        (world.run("plan --format json").good().out, "it is no inventory: missing field `at`"),
        ("\u{0}".to_owned(), "it is no inventory"),
    ];
    for (wrong, said) in table {
        world.file("wrong.json", wrong);
        let _ = world.harmless("plan --inventory wrong.json").ends(64).says(&["wrong.json", said, "lucid-policy inventory --out"]);
    }
    let _ = world.harmless("plan --inventory none.json").ends(64).says(&["`none.json` cannot be read"]);
    let _ = world.harmless("plan --inventory inventory.json --catalog-only").ends(64);
    let _ = world.harmless("inventory").ends(64);
    let _ = world.harmless("inventory --out nowhere/x.json").ends(64).says(&["`nowhere/x.json` cannot be written"]);
}

#[test]
fn an_inventory_shows_captures_and_no_stops() {
    let world =
        World::with("[source.files.config]\n", "[service.container.web]\ncontainer = \"web\"\n[source.files.config]\nstop = [\"web\"]\n");
    world.edit("[policy.config]\n", "[policy.config]\ncatch_up_within = \"2d\"\n");
    let world = world.on("unix:///nowhere/docker.sock");
    let _ = world.run("plan").ends(4).says(&["engine-unreachable"]);
    let _ = world.run("inventory --out inventory.json").good();
    let _ =
        world.harmless("plan --inventory inventory.json").good().says(&["+ capture policy.config", "services-unseen"]).hides(&["~ stop"]);
}

#[test]
fn a_host_that_may_not_delete_names_what_waits_for_the_janitor() {
    let world = World::with_expired();
    let before = world.ids("backups", "config");
    let _ = world.harmless("plan --no-delete --detailed-exitcode").good().says(&["wait for a janitor", &before[0]]).hides(&["- delete"]);
    let _ = world.run("apply --no-delete --now").good().says(&["done: capture:policy.config", "wait for a janitor"]);
    assert_eq!(world.ids("backups", "config").len(), before.len() + 1);
    let json = world.harmless("plan --no-delete --format json").good().json();
    assert_eq!(json["waiting"].as_array().unwrap().len(), 3);
    assert_eq!(json["waiting"][0]["reason"]["code"], "janitor");
    let _ = world.run("apply --no-delete --only-delete").ends(64);
    let _ = world.run("apply --only-delete --now").ends(64);
    let _ = world.run("apply --only-delete --catalog-only").ends(64);
}

#[test]
fn a_janitor_on_another_host_deletes_and_does_nothing_else() {
    let world = World::with_expired();
    // the host that captures is another one
    let owner = world.path("backups/demo/owner/1.json");
    let mut claim: Value = serde_json::from_slice(&fs::read(&owner).unwrap()).unwrap();
    claim["host"] = "f00d".into();
    fs::write(&owner, serde_json::to_vec_pretty(&claim).unwrap()).unwrap();
    let _ = world.harmless("plan").ends(4).says(&["other-host"]);
    let before = world.ids("backups", "config");
    fs::remove_dir_all(world.path("data")).unwrap();
    let _ = world.harmless("plan --only-delete --detailed-exitcode").ends(4).says(&["other-rules"]);
    // with the manifest that the newest artifact was made from
    world.edit("keep_within = \"5d\", min_count = 2", "keep_within = \"30d\", min_count = 2");
    let _ = world.harmless("plan --only-delete --detailed-exitcode").good();
    let stored = fs::read(&owner).unwrap();
    fs::remove_dir_all(world.path("state")).unwrap();
    world.file("data/a.txt", "again");
    let mut record: Value = serde_json::from_slice(&fs::read(world.records("backups", "config").pop().unwrap()).unwrap()).unwrap();
    world.edit("keep_within = \"30d\", min_count = 2", "keep_within = \"5d\", min_count = 2");
    // and the record of a host that has the same rules by now
    claim["host"] = Value::Null;
    record["rules"] = rules_of(&world).into();
    fs::write(world.records("backups", "config").pop().unwrap(), serde_json::to_vec_pretty(&record).unwrap()).unwrap();
    let _ = world.run("apply --only-delete --yes").good().says(&["done: delete:policy.config"]).hides(&["+ capture", "done: capture"]);
    assert_eq!(world.ids("backups", "config"), before[3..]);
    assert_eq!(fs::read(&owner).unwrap(), stored, "the janitor owns nothing");
    let _ = world.harmless("plan --only-delete --detailed-exitcode").good().says(&["No changes."]);
}

/// The digest that a capture with today's manifest writes.
fn rules_of(world: &World) -> String {
    let twin = World::new(&fs::read_to_string(world.path("lucid-policy.toml")).unwrap());
    let _ = twin.run("apply").good();
    let record: Value = serde_json::from_slice(&fs::read(twin.records("backups", "config").remove(0)).unwrap()).unwrap();
    record["rules"].as_str().unwrap().to_owned()
}

#[test]
fn a_listing_without_payload_says_what_it_leaves_out_and_deletes_nothing() {
    let world = World::with_expired();
    let ids = world.ids("backups", "config");
    fs::remove_file(world.path(&format!("backups/demo/data/config/{}/files.tar.zst", ids[6]))).unwrap();
    let _ = world.harmless("plan").good().says(&["damaged", "+ capture policy.config"]);
    let _ = world.harmless("status").good().says(&["DAMAGED"]);
    let _ = world.harmless("status --catalog-only").good().says(&["payload-unlisted"]).hides(&["DAMAGED"]);
    let _ = world.harmless("plan --catalog-only --detailed-exitcode").good().says(&["No changes.", "payload-unlisted"]);
    let before = digest(&world.path("backups"));
    let _ = world.run("apply --catalog-only").good();
    assert!(before == digest(&world.path("backups")));
}
