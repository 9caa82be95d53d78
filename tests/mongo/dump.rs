//! Full captures of a real server: what they hold, and what they cannot go across.

use std::sync::atomic::{AtomicBool, Ordering};

use bson::doc;
use lucid_policy::archive::mongodump::{Verified, verify};
use lucid_policy::source::Watch;
use lucid_policy::source::mongodb::{Client, Dumped, MongoError, Selection, dump};

use crate::support::{Server, alone, set};

fn dumped(server: &Server, wanted: &[Selection], tick: &(dyn Fn() + Sync)) -> Result<(Dumped, Vec<u8>), MongoError> {
    let client = Client::open(&server.user(&["backup", "clusterMonitor"])).unwrap();
    let (cancel, mut archive) = (AtomicBool::new(false), Vec::new());
    let progress = |_: u64, _: u64| tick();
    let done = dump(&client, wanted, &mut archive, &Watch { progress: &progress, cancel: &cancel })?;
    Ok((done, archive))
}

fn documents(verified: &Verified, db: &str, collection: &str) -> u64 {
    verified.tallies.iter().find(|tally| tally.db == db && tally.collection == collection).expect("it is there").documents
}

pub(crate) fn fill(server: &Server, database: &str) {
    let run = |command| server.run(database, command);
    run(doc! { "create": "empty" });
    run(doc! { "create": "series", "timeseries": { "timeField": "t", "metaField": "m" } });
    run(doc! { "create": "capped", "capped": true, "size": 8192, "max": 5 });
    for block in 0..5_i32 {
        let many: Vec<bson::Document> = (0..2_000_i32).map(|n| doc! { "_id": block * 2_000 + n, "text": "x".repeat(300) }).collect();
        run(doc! { "insert": "plain", "documents": many });
    }
    let few: Vec<bson::Document> = (0..9_i32).map(|n| doc! { "_id": n }).collect();
    run(doc! { "insert": "capped", "documents": few });
    let now = bson::DateTime::from_millis(1_790_000_000_000);
    run(doc! { "insert": "series", "documents": [{ "t": now, "m": 1, "v": 1 }, { "t": now, "m": 2, "v": 2 }] });
    run(doc! { "create": "view", "viewOn": "plain", "pipeline": [] });
    run(doc! { "insert": "größe", "documents": [{ "_id": 1 }] });
}

#[test]
fn everything_is_there_and_the_archive_is_whole() {
    let server = Server::start("set");
    fill(&server, "all");
    let (done, archive) = dumped(&server, &[], &|| ()).unwrap();
    let verified = verify(archive.as_slice()).unwrap();
    let count = |collection| documents(&verified, "all", collection);
    assert_eq!((count("plain"), count("empty"), count("capped"), count("view"), count("größe")), (10_000, 0, 5, 0, 1));
    assert_eq!((count("system.buckets.series"), documents(&verified, "admin", "system.version")), (2, 2));
    assert!(documents(&verified, "admin", "system.users") >= 2);
    let (first, last) = done.oplog.expect("a set has an oplog");
    assert!(first.at <= last.at);
    let span = done.inventory.oplog.clone().unwrap();
    assert_eq!((span.from, span.to, span.entries), (first.at.to_string(), last.at.to_string(), documents(&verified, "", "oplog")));
    let counted = done.inventory.namespaces.iter().find(|counted| counted.name == "plain").unwrap();
    assert_eq!((counted.documents, counted.kind.as_str()), (10_000, "collection"));
    assert_eq!((done.inventory.replica_set.is_some(), done.inventory.selected), (true, false));
}

#[test]
fn what_is_written_meanwhile_is_in_the_oplog_of_the_archive() {
    let server = Server::start("set");
    fill(&server, "busy");
    let written = AtomicBool::new(false);
    let tick = || {
        if !written.swap(true, Ordering::Relaxed) {
            server.run("busy", doc! { "insert": "plain", "documents": [{ "_id": "late" }] });
        }
    };
    let (done, archive) = dumped(&server, &[], &tick).unwrap();
    let verified = verify(archive.as_slice()).unwrap();
    assert!(documents(&verified, "", "oplog") >= 2);
    assert!(archive.windows(4).any(|window| window == b"late"));
    let (first, last) = done.oplog.unwrap();
    assert!(first.at < last.at && first.sha256 != last.sha256);
}

#[test]
fn a_renaming_meanwhile_fails_it_with_the_entry_named() {
    let server = Server::start("set");
    fill(&server, "renamed");
    let done = AtomicBool::new(false);
    let tick = || {
        if !done.swap(true, Ordering::Relaxed) {
            server.run("admin", doc! { "renameCollection": "renamed.empty", "to": "renamed.other" });
        }
    };
    let error = dumped(&server, &[], &tick).unwrap_err();
    assert!(error.is_passing(), "{error}");
    assert!(error.to_string().contains("while it was read came `renameCollection` of `renamed.empty` (oplog entry "), "{error}");
    let (_, archive) = dumped(&server, &[], &|| ()).unwrap();
    assert_eq!(documents(&verify(archive.as_slice()).unwrap(), "renamed", "other"), 0);
}

#[test]
fn a_collection_that_is_dropped_while_it_is_read_ends_there() {
    let server = Server::start("set");
    fill(&server, "dropped");
    let done = AtomicBool::new(false);
    let tick = || {
        if !done.swap(true, Ordering::Relaxed) {
            server.run("dropped", doc! { "drop": "plain" });
        }
    };
    let (_, archive) = dumped(&server, &[], &tick).unwrap();
    assert!(documents(&verify(archive.as_slice()).unwrap(), "dropped", "plain") <= 10_000);
}

#[test]
fn a_selection_is_what_was_selected_and_has_no_oplog() {
    let server = set();
    fill(server, "picked");
    server.run("unpicked", doc! { "insert": "a", "documents": [{ "_id": 1 }] });
    server.run("single", doc! { "insert": "b", "documents": [{ "_id": 1 }] });
    server.run("single", doc! { "insert": "c", "documents": [{ "_id": 1 }] });
    let picked = [Selection::Database("picked".to_owned()), Selection::Collection("single".to_owned(), "b".to_owned())];
    let (done, archive) = dumped(server, &picked, &|| ()).unwrap();
    let verified = verify(archive.as_slice()).unwrap();
    let mut there: Vec<&str> = verified.tallies.iter().map(|tally| tally.db.as_str()).collect();
    there.dedup();
    assert_eq!((there, documents(&verified, "single", "b")), (vec!["picked", "single"], 1));
    assert!(done.oplog.is_none() && done.inventory.selected);
    let absent = [Selection::Database("nothing".to_owned())];
    let error = dumped(server, &absent, &|| ()).unwrap_err();
    assert!(error.to_string().contains("it has no `nothing`"), "{error}");
}

#[test]
fn a_standalone_is_dumped_without_an_oplog() {
    let server = alone();
    fill(server, "lonely");
    let client = Client::open(&server.target()).unwrap();
    let (cancel, mut archive) = (AtomicBool::new(false), Vec::new());
    let done = dump(&client, &[], &mut archive, &Watch { progress: &|_, _| (), cancel: &cancel }).unwrap();
    assert_eq!(documents(&verify(archive.as_slice()).unwrap(), "lonely", "plain"), 10_000);
    assert!(done.oplog.is_none() && done.inventory.replica_set.is_none());
}

#[test]
fn a_signal_ends_it_at_the_next_batch() {
    let server = set();
    fill(server, "cancelled");
    let client = Client::open(&server.target()).unwrap();
    let cancel = AtomicBool::new(false);
    let progress = |_: u64, _: u64| cancel.store(true, Ordering::Relaxed);
    let error = dump(&client, &[], &mut std::io::sink(), &Watch { progress: &progress, cancel: &cancel }).unwrap_err();
    assert_eq!(error, MongoError::Interrupted);
}
