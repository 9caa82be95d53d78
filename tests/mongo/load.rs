//! Archives into real servers. MongoDB's own tools have said what must come of theirs.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use bson::{Bson, Document, Timestamp, doc};
use lucid_policy::archive::mongodump::{Kind, Namespace, Prelude, Writer};
use lucid_policy::source::Watch;
use lucid_policy::source::mongodb::{Client, LoadOrder, Loaded, MongoError, OplogUse, Selection, load, state};
use serde_json::Value;

use crate::support::{Server, alone, open};

const PLAIN: &[u8] = include_bytes!("../integration/formats/mongodump/plain.archive");
const OPLOG: &[u8] = include_bytes!("../integration/formats/mongodump/oplog.archive");
const EXPECTED: &str = include_str!("../integration/formats/mongodump/expected.json");

fn order(selection: Selection, rename: Option<&str>, replace: bool) -> LoadOrder {
    let rename = rename.map(str::to_owned);
    LoadOrder { selection, rename, replace, until: None, oplog: OplogUse::Replay, scratch: std::env::temp_dir() }
}

fn put(server: &Server, mut archive: &[u8], order: &LoadOrder) -> Result<Loaded, MongoError> {
    let client = Client::open(&server.target()).unwrap();
    load(&client, &mut archive, order, &Watch { progress: &|_, _| {}, cancel: &AtomicBool::new(false) })
}

/// An archive of one collection, and an oplog if there is one.
fn archive(version: &str, metadata: &str, documents: &[Document], oplog: Option<&[Document]>) -> Vec<u8> {
    let namespace = |db: &str, collection: &str, metadata: &str| Namespace {
        db: db.to_owned(),
        collection: collection.to_owned(),
        metadata: metadata.to_owned(),
        kind: Kind::Collection,
    };
    let mut namespaces = vec![namespace("made", "c", metadata)];
    if oplog.is_some() {
        namespaces.push(namespace("", "oplog", ""));
    }
    let (server_version, tool_version) = (version.to_owned(), "100.0.0".to_owned());
    let prelude = Prelude { concurrent_collections: 1, server_version, tool_version, namespaces };
    let mut writer = Writer::new(Vec::new(), &prelude).unwrap();
    let bytes = |documents: &[Document]| documents.iter().flat_map(|one| one.to_vec().unwrap()).collect::<Vec<u8>>();
    writer.write("made", "c", &bytes(documents)).unwrap();
    writer.close("made", "c").unwrap();
    if let Some(oplog) = oplog {
        writer.write("", "oplog", &bytes(oplog)).unwrap();
        writer.close("", "oplog").unwrap();
    }
    writer.finish().unwrap()
}

/// What the server has, in the form of the expectation.
fn compare(server: &Server, expected: &Value) {
    for (database, wanted) in expected.as_object().unwrap() {
        let hashed = server.run(database, doc! { "dbHash": 1 });
        let found: BTreeMap<&str, &str> =
            hashed.get_document("collections").unwrap().iter().map(|(name, hash)| (name.as_str(), hash.as_str().unwrap())).collect();
        let collections = wanted["collections"].as_object().unwrap();
        assert_eq!(found, collections.iter().map(|(name, hash)| (name.as_str(), hash.as_str().unwrap())).collect(), "{database}");
        for (name, count) in wanted["counts"].as_object().unwrap() {
            let answer = server.run(database, doc! { "aggregate": name, "pipeline": [{ "$count": "n" }], "cursor": {} });
            let first = answer.get_document("cursor").unwrap().get_array("firstBatch").unwrap().first();
            let found = first.map_or(0, |one| one.as_document().unwrap().get_i32("n").unwrap());
            assert_eq!(Some(i64::from(found)), count.as_i64(), "{database}.{name}");
        }
        for (name, indexes) in wanted["indexes"].as_object().unwrap() {
            let answer = server.run(database, doc! { "listIndexes": name });
            let listed = answer.get_document("cursor").unwrap().get_array("firstBatch").unwrap();
            let mut found: Vec<&str> = listed.iter().map(|one| one.as_document().unwrap().get_str("name").unwrap()).collect();
            found.sort_unstable();
            assert_eq!(found, indexes.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect::<Vec<_>>(), "{name}");
        }
    }
}

#[test]
fn archives_of_mongodump_come_to_what_its_own_restore_makes_of_them() {
    let server = Server::start("open");
    let expected: Value = serde_json::from_str(EXPECTED).unwrap();
    let loaded = put(&server, PLAIN, &order(Selection::All, None, false)).unwrap();
    assert_eq!((loaded.replayed, loaded.warnings.len()), (0, 1));
    assert!(loaded.warnings[0].starts_with("the archive has no oplog"), "{:?}", loaded.warnings);
    assert!(loaded.documents.contains(&("shop1.orders".to_owned(), 150)), "{:?}", loaded.documents);
    compare(&server, &expected["plain"]);
    let users = server.run("shop1", doc! { "usersInfo": 1 });
    assert_eq!(users.get_array("users").unwrap().len(), 1);

    let refused = put(&server, OPLOG, &order(Selection::All, None, false)).unwrap_err();
    let text = refused.to_string();
    assert!(matches!(refused, MongoError::Holds { .. }) && text.contains("`other1.k`") && text.contains("and "), "{text}");
    compare(&server, &expected["plain"]);

    server.run("shop1", doc! { "insert": "later", "documents": [{ "a": 1 }] });
    server.run("shop2", doc! { "insert": "later", "documents": [{ "a": 1 }] });
    let loaded = put(&server, OPLOG, &order(Selection::All, None, true)).unwrap();
    assert!(loaded.replayed > 0 && loaded.open.last().is_some());
    compare(&server, &expected["oplog"]);
    let client = Client::open(&server.target()).unwrap();
    assert_eq!(state(&client, &Selection::Database("shop2".to_owned())).unwrap(), BTreeMap::new());
    let on = server.run("admin", doc! { "getParameter": 1, "ttlMonitorEnabled": 1 });
    assert!(on.get_bool("ttlMonitorEnabled").unwrap());
    let left = server.run("admin", doc! { "listCollections": 1, "filter": { "name": { "$regex": "^temp" } } });
    assert!(left.get_document("cursor").unwrap().get_array("firstBatch").unwrap().is_empty());
}

#[test]
fn a_part_goes_aside_under_another_name() {
    let server = Server::start("open");
    put(&server, PLAIN, &order(Selection::All, None, false)).unwrap();
    put(&server, PLAIN, &order(Selection::Database("shop1".to_owned()), Some("aside"), false)).unwrap();
    let client = Client::open(&server.target()).unwrap();
    let of = |database: &str| state(&client, &Selection::Database(database.to_owned())).unwrap();
    let all: Vec<_> = of("shop1").into_iter().map(|(name, held)| (name.replacen("shop1.", "aside.", 1), held)).collect();
    assert!(all.len() > 8);
    assert_eq!(of("aside").into_iter().collect::<Vec<_>>(), all);

    for name in ["orders", "series"] {
        let one = Selection::Collection("shop1".to_owned(), name.to_owned());
        put(&server, PLAIN, &order(one, Some(&format!("{name}2")), false)).unwrap();
        let of = of("shop1");
        assert_eq!(of[&format!("shop1.{name}2")], of[&format!("shop1.{name}")]);
    }
    let absent = put(&server, PLAIN, &order(Selection::Database("none".to_owned()), None, false)).unwrap_err();
    assert!(absent.to_string().contains("the archive has no database `none`"), "{absent}");
}

#[test]
fn an_archive_that_is_cut_off_fails_and_names_what_lacks() {
    let server = Server::start("open");
    let error = put(&server, &PLAIN[..PLAIN.len() / 2], &order(Selection::All, None, false)).unwrap_err();
    assert!(matches!(error, MongoError::Archive(_)) && error.to_string().contains("in `shop1."), "{error}");
}

#[test]
fn what_the_server_does_not_take_fails_the_load() {
    let server = Server::start("open");
    let unique = r#"{"indexes":[{"v":{"$numberInt":"2"},"key":{"k":{"$numberInt":"1"}},"name":"by_k","unique":true}]}"#;
    let same = [doc! { "_id": 1, "k": 1 }, doc! { "_id": 2, "k": 1 }];
    let error = put(&server, &archive("6.0.5", unique, &same, None), &order(Selection::All, None, false)).unwrap_err();
    assert!(matches!(&error, MongoError::Indexes { names, namespace, .. } if names == "`by_k`" && namespace == "made.c"), "{error}");

    let twice = [doc! { "_id": 1, "k": 1 }, doc! { "_id": 1, "k": 2 }];
    let error = put(&server, &archive("6.0.5", "{}", &twice, None), &order(Selection::All, None, true)).unwrap_err();
    assert!(matches!(&error, MongoError::Documents { namespace, count: 1, .. } if namespace == "made.c"), "{error}");

    // with an oplog that settles it, a document may have been read twice
    put(&server, &archive("6.0.5", "{}", &twice, Some(&[])), &order(Selection::All, None, true)).unwrap();
    let found = server.run("made", doc! { "find": "c" });
    let found = found.get_document("cursor").unwrap().get_array("firstBatch").unwrap();
    assert_eq!(found, &[Bson::Document(doc! { "_id": 1, "k": 2 })]);

    let error = put(&server, &archive("7.0.1", "{}", &[], None), &order(Selection::All, None, true)).unwrap_err();
    assert!(matches!(&error, MongoError::Features { has, wants, .. } if has == "6.0" && wants == "7.0.1"), "{error}");
}

#[test]
fn a_capped_collection_keeps_its_order() {
    let server = open();
    let capped = r#"{"options":{"capped":true,"size":{"$numberInt":"1048576"}},"indexes":[]}"#;
    // in an order that no index gives
    let documents: Vec<Document> = (0..5000).map(|number| doc! { "_id": number * 7919 % 5000 }).collect();
    let aside = order(Selection::Collection("made".to_owned(), "c".to_owned()), Some("capped"), false);
    put(server, &archive("6.0.5", capped, &documents, None), &aside).unwrap();
    let found = server.run("made", doc! { "find": "capped", "sort": { "$natural": 1 }, "batchSize": 6000 });
    let found = found.get_document("cursor").unwrap().get_array("firstBatch").unwrap().clone();
    assert!(found.iter().eq(documents.iter().map(|one| Bson::Document(one.clone())).collect::<Vec<_>>().iter()));
}

/// What the server has in `made.c`, and the names of its indexes.
fn seen(server: &Server) -> (Vec<Bson>, Vec<String>) {
    let batch = |command| server.run("made", command).get_document("cursor").unwrap().get_array("firstBatch").unwrap().clone();
    let names = batch(doc! { "listIndexes": "c" });
    let names = names.iter().map(|one| one.as_document().unwrap().get_str("name").unwrap().to_owned()).collect();
    (batch(doc! { "find": "c", "sort": { "_id": 1 } }), names)
}

/// The dump has read some documents before the entries of its oplog and some after them.
#[test]
fn a_dump_in_motion_is_settled_by_its_oplog() {
    let server = Server::start("open");
    let unique = r#"{"indexes":[{"v":{"$numberInt":"2"},"key":{"k":{"$numberInt":"1"}},"name":"by_k","unique":true},{"v":{"$numberInt":"2"},"key":{"j":{"$numberInt":"1"}},"name":"by_j"}]}"#;
    let entry = |ordinal: u32, op: &str, ns: &str, o: Document, o2: Option<Document>| {
        let at = Timestamp { time: 100, increment: ordinal };
        let mut entry = doc! { "op": op, "ns": ns, "o": o, "ts": at, "t": 1_i64, "v": 2_i64 };
        entry.extend(o2.map(|o2| doc! { "o2": o2 }).unwrap_or_default());
        entry
    };
    let diff = |k: i32| doc! { "$v": 2, "diff": { "u": { "k": k } } };
    let oplog = [
        // gone before the dump listed what there is
        entry(0, "i", "made.gone", doc! { "_id": 1 }, None),
        entry(1, "u", "made.c", diff(3), Some(doc! { "_id": 1 })),
        // was there already, and is gone by the time that the dump came by
        entry(2, "u", "made.c", diff(8), Some(doc! { "_id": 9 })),
        entry(3, "u", "made.c", diff(1), Some(doc! { "_id": 2 })),
        entry(4, "d", "made.c", doc! { "_id": 9 }, None),
        entry(5, "c", "made.$cmd", doc! { "collMod": "gone", "validator": {} }, None),
        entry(6, "c", "made.$cmd", doc! { "createIndexes": "gone", "v": 2, "key": { "a": 1 }, "name": "a" }, None),
        entry(7, "c", "made.$cmd", doc! { "drop": "gone" }, None),
        entry(8, "c", "made.$cmd", doc! { "dropIndexes": "c", "index": "by_j" }, None),
        entry(9, "c", "made.$cmd", doc! { "commitIndexBuild": "c", "indexes": [{ "v": 2, "key": { "z": 1 }, "name": "by_z" }] }, None),
        entry(10, "c", "made.$cmd", doc! { "collMod": "c", "index": { "name": "by_k", "hidden": true } }, None),
        entry(11, "i", "made.c", doc! { "_id": 4, "k": 4 }, None),
        entry(12, "c", "admin.$cmd", doc! { "create": "system.roles" }, None),
        entry(13, "i", "admin.system.roles", doc! { "_id": "made.r", "role": "r", "db": "made", "privileges": [], "roles": [] }, None),
    ];
    let documents = [doc! { "_id": 1, "k": 1 }, doc! { "_id": 2, "k": 1 }, doc! { "_id": 4, "k": 4 }];
    let bytes = archive("6.0.5", unique, &documents, Some(&oplog));
    let loaded = put(&server, &bytes, &order(Selection::All, None, false)).unwrap();
    let wanted: Vec<Bson> = [(1, 3), (2, 1), (4, 4)].map(|(id, k)| Bson::Document(doc! { "_id": id, "k": k })).to_vec();
    assert_eq!(seen(&server), (wanted.clone(), ["_id_", "by_k", "by_z"].map(str::to_owned).to_vec()));
    assert_eq!((loaded.replayed, loaded.open.last().unwrap().to_string().as_str()), (14, "100:13"));
    let roles = server.run("made", doc! { "rolesInfo": 1 });
    assert_eq!(roles.get_array("roles").unwrap().len(), 1);

    // under another name too; without its oplog it is not of one instant, which the index shows
    let one = Selection::Collection("made".to_owned(), "c".to_owned());
    put(&server, &bytes, &order(one.clone(), Some("d"), false)).unwrap();
    let client = Client::open(&server.target()).unwrap();
    let held = state(&client, &Selection::Database("made".to_owned())).unwrap();
    assert_eq!(held["made.d"], held["made.c"]);
    let left = LoadOrder { oplog: OplogUse::Leave, ..order(one, Some("e"), false) };
    assert!(matches!(put(&server, &bytes, &left).unwrap_err(), MongoError::Indexes { .. }));
    let until = LoadOrder { until: Some("100:4".parse().unwrap()), ..order(Selection::All, None, true) };
    assert_eq!(put(&server, &bytes, &until).unwrap().replayed, 5);
    assert_eq!(seen(&server), (wanted, ["_id_", "by_k", "by_j"].map(str::to_owned).to_vec()));
}

#[test]
fn the_roles_that_are_asked_for_are_enough() {
    let server = Server::start("set");
    let roles = ["backup", "restore", "readWriteAnyDatabase", "dbAdminAnyDatabase", "clusterMonitor"];
    let client = Client::open(&server.user(&roles)).unwrap();
    let watch = Watch { progress: &|_, _| {}, cancel: &AtomicBool::new(false) };
    let loaded = load(&client, &mut &*OPLOG, &order(Selection::All, None, false), &watch).unwrap();
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let expected: Value = serde_json::from_str(EXPECTED).unwrap();
    compare(&server, &expected["oplog"]);

    let held = load(&client, &mut &*PLAIN, &order(Selection::All, None, false), &watch).unwrap_err();
    assert!(matches!(held, MongoError::Holds { .. }));
    let loaded = load(&client, &mut &*PLAIN, &order(Selection::All, None, true), &watch).unwrap();
    assert!(loaded.warnings.len() == 1 && loaded.warnings[0].contains("no oplog"), "{:?}", loaded.warnings);
    // neither who restores nor who rules the server is in the archive
    assert!(!state(&client, &Selection::All).unwrap().is_empty());
    compare(&server, &expected["plain"]);
}

#[test]
fn a_standalone_takes_an_archive_with_its_oplog() {
    let server = alone();
    put(server, OPLOG, &order(Selection::Database("shop1".to_owned()), Some("aside"), false)).unwrap();
    let held = state(&Client::open(&server.target()).unwrap(), &Selection::Database("aside".to_owned())).unwrap();
    let expected: Value = serde_json::from_str(EXPECTED).unwrap();
    for name in ["items", "orders", "capped"] {
        assert_eq!(held[&format!("aside.{name}")].digest.as_deref(), expected["oplog"]["shop1"]["collections"][name].as_str());
    }
}

#[test]
fn who_asks_to_stop_is_heard() {
    let client = Client::open(&open().target()).unwrap();
    let watch = Watch { progress: &|_, _| {}, cancel: &AtomicBool::new(true) };
    let aside = order(Selection::Database("other1".to_owned()), Some("stopped"), false);
    assert_eq!(load(&client, &mut &*PLAIN, &aside, &watch).unwrap_err(), MongoError::Interrupted);
}

#[test]
fn many_documents_and_the_largest_go_through_all_threads() {
    let server = open();
    let mut documents: Vec<Document> = (0..25_000).map(|number| doc! { "_id": number, "n": number }).collect();
    let frame = doc! { "_id": 0, "t": "" }.to_vec().unwrap().len();
    documents.extend((30_000..30_004).map(|id| doc! { "_id": id, "t": "x".repeat((16 << 20) - frame) }));
    let aside = order(Selection::Collection("made".to_owned(), "c".to_owned()), Some("many"), false);
    let loaded = put(server, &archive("6.0.5", "{}", &documents, None), &aside).unwrap();
    assert_eq!(loaded.documents, [("made.many".to_owned(), 25_004)]);
    let group = doc! { "$group": { "_id": 0, "n": { "$sum": 1 }, "sum": { "$sum": "$n" } } };
    let answer = server.run("made", doc! { "aggregate": "many", "pipeline": [group], "cursor": {} });
    let found = answer.get_document("cursor").unwrap().get_array("firstBatch").unwrap();
    assert_eq!(found, &[Bson::Document(doc! { "_id": 0, "n": 25_004, "sum": 312_487_500 })]);
}
