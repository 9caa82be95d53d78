//! Out of one server and into another: what was dumped in motion is what it was at the end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use bson::{Document, doc};
use lucid_policy::source::Watch;
use lucid_policy::source::mongodb::{Client, LoadOrder, Loaded, MongoError, OplogUse, Selection, dump, load};

use crate::dump::fill;
use crate::support::Server;

fn quiet<T>(work: impl FnOnce(&Watch<'_>) -> T) -> T {
    work(&Watch { progress: &|_, _| (), cancel: &AtomicBool::new(false) })
}

fn archive_of(server: &Server, tick: &(dyn Fn() + Sync)) -> Vec<u8> {
    let (cancel, mut archive) = (AtomicBool::new(false), Vec::new());
    let progress = |_: u64, _: u64| tick();
    let client = Client::open(&server.target()).unwrap();
    dump(&client, &[], &mut archive, &Watch { progress: &progress, cancel: &cancel }).unwrap();
    archive
}

fn loaded(server: &Server, archive: &[u8], order: &LoadOrder) -> Result<Loaded, MongoError> {
    let roles = ["backup", "restore", "readWriteAnyDatabase", "dbAdminAnyDatabase", "clusterMonitor"];
    let client = Client::open(&server.user(&roles)).unwrap();
    quiet(|watch| load(&client, &mut &archive[..], order, watch))
}

fn whole() -> LoadOrder {
    let scratch = std::env::temp_dir();
    LoadOrder { selection: Selection::All, rename: None, replace: false, until: None, oplog: OplogUse::Replay, scratch }
}

/// Everything that can be compared of a database: hashes, options and indexes, without what differs from server to server.
pub(crate) fn state(server: &Server, database: &str) -> BTreeMap<String, String> {
    let hashes = server.run(database, doc! { "dbHash": 1 });
    let mut state: BTreeMap<String, String> =
        hashes.get_document("collections").unwrap().iter().map(|(name, hash)| (format!("{name} hash"), hash.to_string())).collect();
    let batch = |answer: Document| answer.get_document("cursor").unwrap().get_array("firstBatch").unwrap().clone();
    for listed in batch(server.run(database, doc! { "listCollections": 1, "cursor": { "batchSize": 1000 } })) {
        let listed = listed.as_document().unwrap();
        let name = listed.get_str("name").unwrap();
        state.insert(format!("{name} options"), format!("{:?} {:?}", listed.get("type"), listed.get("options")));
        if listed.get_str("type").unwrap() != "view" {
            let mut indexes: Vec<String> =
                batch(server.run(database, doc! { "listIndexes": name })).iter().map(ToString::to_string).collect();
            indexes.sort();
            state.insert(format!("{name} indexes"), indexes.join(" "));
        }
    }
    state
}

#[test]
fn everything_comes_back_with_options_indexes_views_users_and_order() {
    let (from, to) = (Server::start("set"), Server::start("set"));
    fill(&from, "all");
    let run = |command| from.run("all", command);
    run(
        doc! { "createIndexes": "plain", "indexes": [{ "key": { "text": 1, "_id": -1 }, "name": "t", "unique": true }, { "key": { "w": "text" }, "name": "w" }] },
    );
    run(doc! { "create": "clustered", "clusteredIndex": { "key": { "_id": 1 }, "unique": true } });
    run(doc! { "insert": "clustered", "documents": [{ "_id": 2 }, { "_id": 1 }] });
    run(doc! { "create": "sorted", "collation": { "locale": "de" } });
    run(doc! { "create": "valid", "validator": { "a": { "$gt": 1 } }, "validationAction": "warn" });
    run(doc! { "insert": "valid", "documents": [{ "_id": 1, "a": 0 }] });
    run(doc! { "createUser": "restored", "pwd": "restored", "roles": ["readWrite"] });
    let archive = archive_of(&from, &|| ());
    let done = loaded(&to, &archive, &whole()).unwrap();
    assert!(done.warnings.is_empty(), "{done:?}");
    assert_eq!(state(&from, "all"), state(&to, "all"));
    let users = to.run("all", doc! { "usersInfo": "restored" });
    assert_eq!(users.get_array("users").unwrap().len(), 1);
    let own = to.run("admin", doc! { "listCollections": 1, "filter": { "name": { "$not": { "$regex": "^system" } } } });
    assert!(own.get_document("cursor").unwrap().get_array("firstBatch").unwrap().is_empty());
}

#[test]
fn what_was_written_while_it_was_dumped_is_as_it_was_at_the_end() {
    let (from, to) = (Server::start("set"), Server::start("set"));
    fill(&from, "busy");
    let ticks = AtomicBool::new(false);
    let tick = || {
        if ticks.swap(true, Ordering::Relaxed) {
            return;
        }
        let run = |command| from.run("busy", command);
        run(doc! { "insert": "plain", "documents": [{ "_id": "late" }] });
        run(
            doc! { "update": "plain", "updates": [{ "q": { "_id": { "$lt": 500 } }, "u": { "$set": { "n": 1, "a.b": [1, 2] } }, "multi": true }] },
        );
        run(doc! { "delete": "plain", "deletes": [{ "q": { "_id": { "$gt": 9_000 } }, "limit": 0 }] });
        run(doc! { "createIndexes": "plain", "indexes": [{ "key": { "n": 1 }, "name": "n" }] });
        run(doc! { "create": "younger", "capped": true, "size": 4096 });
        run(doc! { "insert": "younger", "documents": [{ "_id": 1 }] });
        run(doc! { "drop": "größe" });
        run(doc! { "create": "seen", "viewOn": "younger", "pipeline": [{ "$match": { "_id": 1 } }] });
        run(doc! { "create": "later", "timeseries": { "timeField": "t" } });
        run(doc! { "insert": "later", "documents": [{ "t": bson::DateTime::from_millis(1_790_000_000_000), "v": 1 }] });
    };
    let archive = archive_of(&from, &tick);
    let done = loaded(&to, &archive, &whole()).unwrap();
    assert!(done.replayed > 100, "{done:?}");
    assert_eq!(state(&from, "busy"), state(&to, "busy"));
}

#[test]
fn what_is_there_is_refused_and_replaced_only_on_demand() {
    let (from, to) = (Server::start("set"), Server::start("set"));
    fill(&from, "all");
    let archive = archive_of(&from, &|| ());
    to.run("all", doc! { "insert": "plain", "documents": [{ "_id": "own" }] });
    to.run("more", doc! { "insert": "kept", "documents": [{ "_id": 1 }] });
    let error = loaded(&to, &archive, &whole()).unwrap_err();
    assert!(error.to_string().contains("holds data already: `all.plain`"), "{error}");
    assert_eq!(to.run("all", doc! { "count": "plain" }).get_i32("n").unwrap(), 1);
    loaded(&to, &archive, &LoadOrder { replace: true, ..whole() }).unwrap();
    assert_eq!(state(&from, "all"), state(&to, "all"));
    // the state is the archive's, and nothing else
    assert_eq!(to.run("more", doc! { "count": "kept" }).get_i32("n").unwrap(), 0);
}

#[test]
fn a_database_or_a_collection_comes_back_under_another_name() {
    let (from, to) = (Server::start("set"), Server::start("set"));
    fill(&from, "all");
    from.run("other", doc! { "insert": "a", "documents": [{ "_id": 1 }] });
    let archive = archive_of(&from, &|| ());
    let part = |selection, aside: &str| LoadOrder { selection, rename: Some(aside.to_owned()), ..whole() };
    loaded(&to, &archive, &part(Selection::Database("all".to_owned()), "was")).unwrap();
    let hashes = |server: &Server, database: &str| server.run(database, doc! { "dbHash": 1 }).get_document("collections").unwrap().clone();
    let without_views = |mut hashes: Document| {
        hashes.remove("system.views");
        hashes
    };
    assert_eq!(without_views(hashes(&from, "all")), without_views(hashes(&to, "was")));
    loaded(&to, &archive, &part(Selection::Collection("all".to_owned(), "plain".to_owned()), "plain2")).unwrap();
    assert_eq!(hashes(&to, "all").get("plain2"), hashes(&from, "all").get("plain"));
    assert!(hashes(&to, "other").is_empty());
    let error = loaded(&to, &archive, &part(Selection::Database("nothing".to_owned()), "x")).unwrap_err();
    assert!(error.to_string().contains("has no database `nothing`"), "{error}");
}

#[test]
fn a_document_that_an_index_refuses_and_an_archive_that_is_cut_off_fail() {
    let (from, to) = (Server::start("set"), Server::start("set"));
    fill(&from, "all");
    let archive = archive_of(&from, &|| ());
    let error = loaded(&to, &archive[..archive.len() - 30_000], &whole()).unwrap_err();
    assert!(matches!(error, MongoError::Archive(_)), "{error}");
    let mut flipped = archive.clone();
    let middle = archive.len() / 2;
    flipped[middle] ^= 0x40;
    let error = loaded(&to, &flipped, &LoadOrder { replace: true, ..whole() }).unwrap_err();
    assert!(matches!(error, MongoError::Archive(_)), "{error}");
}
