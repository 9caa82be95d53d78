//! The program and a real server: plan, apply, verify, restore, adopt.

use bson::doc;
use lucid_policy::archive::mongodump::verify;

use crate::dump::fill;
use crate::round::state;
use crate::shared::World;
use crate::support::{PASSWORD, Server};

const ROLES: [&str; 5] = ["backup", "restore", "readWriteAnyDatabase", "dbAdminAnyDatabase", "clusterMonitor"];

/// A world whose program backs up a server, as a user with these roles.
fn world(server: &Server, roles: &[&str]) -> World {
    let user = server.user(roles).user.unwrap();
    let manifest = format!(
        r#"
version = 1
name = "demo"

[store.directory.local]
path = "backups"

[store.directory.second]
path = "second"

[schedule]
nightly = {{ cron = "0 2 * * *" }}

[retention]
month = {{ keep_within = "30d", min_count = 2 }}

[source.mongodb.main]
uri      = "mongodb://{address}"
username = "{user}"
password = {{ env = "MONGO_PASSWORD" }}

[policy.full]
source    = "main"
capture   = "full"
schedule  = "nightly"
retention = "month"
stores    = ["local", "second"]
"#,
        address = server.address
    );
    World::new(&manifest).given("MONGO_PASSWORD", PASSWORD)
}

#[test]
fn a_server_is_captured_checked_and_put_back() {
    let server = Server::start("set");
    fill(&server, "shop");
    let world = world(&server, &ROLES);
    world.run("plan").good().says(&["capture", "policy.full"]);
    world.run("apply --yes").good();
    world.run("plan").good().says(&["No changes"]);
    world.run("verify full --level 2").good().says(&["full"]).hides(&["unrun"]);
    let before = state(&server, "shop");
    let record: serde_json::Value = serde_json::from_slice(&std::fs::read(&world.records("backups", "full")[0]).unwrap()).unwrap();
    assert_eq!(record["consistency"], "clean");
    assert_eq!(record["codec"], serde_json::json!(["mongodump", "zstd"]));
    assert!(record["continues"]["to"].as_str().unwrap().contains('/') && record["source_version"].as_str().unwrap().contains('.'));

    server.run("shop", doc! { "delete": "plain", "deletes": [{ "q": {}, "limit": 0 }] });
    server.run("shop", doc! { "insert": "plain", "documents": [{ "_id": "the accident" }] });
    world.run("restore full --yes").ends(4).says(&["holds data already", "shop.plain", "--replace"]);
    assert_eq!(server.run("shop", doc! { "count": "plain" }).get_i32("n").unwrap(), 1);
    world.run("restore full --collection shop.plain --as before --yes").good().says(&["shop.plain as before"]);
    assert_eq!(server.run("shop", doc! { "count": "before" }).get_i32("n").unwrap(), 10_000);
    server.run("shop", doc! { "drop": "before" });
    let id = world.ids("backups", "full")[0].clone();
    world.args(&["restore", "full", "--id", &id, "--replace", "--yes"]).good().says(&["captured first", "restored"]);
    assert_eq!(state(&server, "shop"), before);
    // what was there before the restore can be had again
    assert_eq!(world.ids("backups", "full").len(), 2);
    world.run("restore full --replace --no-safety --yes").good();
    assert_eq!(server.run("shop", doc! { "count": "plain" }).get_i32("n").unwrap(), 1);
    assert_eq!(world.ids("backups", "full").len(), 2);
}

#[test]
fn mongorestore_could_read_what_is_put_into_a_folder() {
    let server = Server::start("set");
    fill(&server, "shop");
    let world = world(&server, &ROLES);
    world.run("apply --yes").good();
    world.run("restore full --to out --yes").good();
    let archive = std::fs::read(world.path("out/mongodb.archive")).unwrap();
    assert!(verify(archive.as_slice()).unwrap().tallies.iter().any(|tally| tally.collection == "plain" && tally.documents == 10_000));
}

#[test]
fn an_archive_of_mongodump_is_adopted_and_put_back() {
    let server = Server::start("set");
    let world = world(&server, &ROLES);
    let archive = std::fs::read("tests/integration/formats/mongodump/plain.archive").unwrap();
    world.file("old.archive.zst", zstd::encode_all(&archive[..], 3).unwrap());
    world.file("cut.archive", &archive[..archive.len() - 8]);
    world.file("notes.txt", "this is something else entirely, and long enough");
    world.run("adopt full cut.archive").ends(8).says(&["damaged"]);
    world.run("adopt full notes.txt").ends(4).says(&["no archive of mongodump"]);
    assert!(world.ids("backups", "full").is_empty());
    world.run("adopt full old.archive.zst --taken-at 2026-11-20T02:00:00Z").good().says(&["an archive of mongodump (zstd", "document"]);
    assert!(world.files("backups/demo/data/full").iter().all(|file| !file.contains(".index")));
    world.run("verify full --level 2").good();
    world.run("restore full --yes").good();
    let names = server.run("admin", doc! { "listDatabases": 1, "nameOnly": true });
    let databases = names.get_array("databases").unwrap().iter().map(|one| one.as_document().unwrap().get_str("name").unwrap().to_owned());
    assert!(databases.filter(|name| !["admin", "config", "local"].contains(&name.as_str())).count() > 0);
}

#[test]
fn what_the_server_refuses_is_said_by_the_plan() {
    let server = Server::start("set");
    let wrong = world(&server, &ROLES).given("MONGO_PASSWORD", "another");
    wrong.run("plan").ends(4).says(&["source-unusable", "does not let user", "`password`"]).hides(&["another"]);
    let poor = world(&server, &["readAnyDatabase"]);
    poor.run("plan").ends(4).says(&["`backup`", "grantRolesToUser"]);
    poor.run("apply --yes").ends(4);
    assert!(poor.ids("backups", "full").is_empty());
    let unset = world(&server, &ROLES);
    unset.edit("MONGO_PASSWORD", "NOT_SET");
    unset.run("apply --yes").ends(3).says(&["`NOT_SET` is not set"]);
    assert!(unset.ids("backups", "full").is_empty());
}
