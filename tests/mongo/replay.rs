//! Entries of the oplog from one real server into another, to several instants: what is there then must be what was there.

use std::collections::BTreeMap;

use bson::raw::{RawArrayBuf, RawDocument, RawDocumentBuf, cstr};
use bson::{Bson, Document, Timestamp, doc, rawdoc};
use lucid_policy::source::mongodb::{Client, Held, MongoError, Open, Position, Replayer, Selection, state};
use mongodb::ClientSession;

use crate::support::Server;

/// A connection of the driver itself: the writer that is replayed.
struct Writer {
    client: mongodb::Client,
    runtime: tokio::runtime::Runtime,
}

impl Writer {
    fn to(server: &Server) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let uri = format!("mongodb://{}/?directConnection=true", server.address);
        let client = runtime.block_on(mongodb::Client::with_uri_str(uri)).unwrap();
        Self { client, runtime }
    }

    #[track_caller]
    fn run(&self, command: Document) -> Document {
        self.runtime.block_on(async { self.client.database("shop").run_command(command).await.unwrap() })
    }

    /// Runs commands as one transaction.
    fn transaction(&self, commands: Vec<Document>, commits: bool) {
        self.runtime.block_on(async {
            let mut session: ClientSession = self.client.start_session().await.unwrap();
            session.start_transaction().await.unwrap();
            for command in commands {
                self.client.database("shop").run_command(command).session(&mut session).await.unwrap();
            }
            if commits { session.commit_transaction().await.unwrap() } else { session.abort_transaction().await.unwrap() }
        });
    }

    /// The last entry that was written.
    fn last(&self) -> Position {
        let entries = self.oplog(doc! { "$natural": -1 }, 1);
        position(&entries[0])
    }

    fn oplog(&self, sort: Document, limit: i64) -> Vec<RawDocumentBuf> {
        self.runtime.block_on(async {
            let oplog = self.client.database("local").collection::<RawDocumentBuf>("oplog.rs");
            let mut cursor = oplog.find(doc! {}).sort(sort).limit(limit).await.unwrap();
            let mut entries = Vec::new();
            while cursor.advance().await.unwrap() {
                entries.push(cursor.current().to_owned());
            }
            entries
        })
    }

    /// Everything after a position.
    fn since(&self, since: Position) -> Vec<RawDocumentBuf> {
        self.oplog(doc! { "$natural": 1 }, 0).into_iter().filter(|entry| position(entry) > since).collect()
    }
}

fn position(entry: &RawDocument) -> Position {
    entry.get_timestamp("ts").unwrap().into()
}

fn held(server: &Server) -> BTreeMap<String, Held> {
    state(&Client::open(&server.target()).unwrap(), &Selection::All).unwrap()
}

fn replay(server: &Server, entries: &[RawDocumentBuf], until: Option<Position>) -> Result<(u64, usize), MongoError> {
    let client = Client::open(&server.target()).unwrap();
    let mut replayer = Replayer::new(&client, until, Open::default(), &std::env::temp_dir())?;
    for entry in entries {
        replayer.entry(entry)?;
    }
    replayer.finish().map(|done| (done.entries, done.undone))
}

/// Drops every database that a test has made.
fn empty(server: &Server) {
    for database in ["shop", "away"] {
        server.run(database, doc! { "dropDatabase": 1 });
    }
}

fn numbered(from: i32, count: i32) -> Vec<Document> {
    (from..from + count).map(|number| doc! { "_id": number, "n": number, "l": [number, 2], "d": { "x": number } }).collect()
}

/// What the writer does at once.
type Step = Box<dyn Fn(&Writer)>;

/// One after the other; between any two the state is one that can be asked for.
fn steps() -> Vec<Step> {
    let run = |command: Document| -> Step {
        Box::new(move |writer| {
            writer.run(command.clone());
        })
    };
    let update =
        |q: Document, u: Bson, upsert: bool| doc! { "update": "a", "updates": [{ "q": q, "u": u, "multi": true, "upsert": upsert }] };
    vec![
        run(doc! { "insert": "a", "documents": numbered(0, 1500) }),
        run(
            doc! { "createIndexes": "a", "indexes": [{ "key": { "n": 1 }, "name": "by_n", "unique": true }, { "key": { "d.x": 1 }, "name": "d" }] },
        ),
        run(update(
            doc! { "n": { "$lt": 700 } },
            Bson::Document(doc! { "$set": { "d.y": "é", "l.1": 9 }, "$unset": { "d.x": "" } }),
            false,
        )),
        run(update(doc! { "_id": { "$gte": 1400 } }, Bson::Document(doc! { "$push": { "l": { "$each": [7], "$position": 1 } } }), false)),
        run(
            doc! { "update": "a", "updates": [{ "q": { "_id": 3 }, "u": { "replaced": true, "n": -3 } }, { "q": { "_id": 9000 }, "u": { "n": 9000 }, "upsert": true }] },
        ),
        run(doc! { "delete": "a", "deletes": [{ "q": { "n": { "$gt": 1000, "$lt": 1100 } }, "limit": 0 }] }),
        run(doc! { "create": "capped", "capped": true, "size": 4096, "max": 5 }),
        run(doc! { "insert": "capped", "documents": numbered(0, 40) }),
        run(doc! { "create": "valid", "validator": { "k": { "$exists": true } }, "collation": { "locale": "de" } }),
        run(doc! { "insert": "valid", "documents": [{ "_id": 1 }], "bypassDocumentValidation": true }),
        run(doc! { "collMod": "valid", "validationLevel": "moderate", "validator": { "k": 1 } }),
        run(doc! { "create": "clustered", "clusteredIndex": { "key": { "_id": 1 }, "unique": true } }),
        run(doc! { "insert": "clustered", "documents": numbered(0, 20) }),
        run(doc! { "create": "series", "timeseries": { "timeField": "t", "metaField": "m" } }),
        run(
            doc! { "insert": "series", "documents": [{ "t": bson::DateTime::from_millis(1_000_000), "m": 1, "v": 2 }, { "t": bson::DateTime::from_millis(1_001_000), "m": 1, "v": 3 }] },
        ),
        run(doc! { "create": "seen", "viewOn": "a", "pipeline": [{ "$match": { "n": 5 } }] }),
        run(doc! { "collMod": "seen", "viewOn": "a", "pipeline": [{ "$match": { "n": 6 } }] }),
        Box::new(|writer| {
            let insert = doc! { "insert": "b", "documents": numbered(0, 10) };
            writer.transaction(vec![insert, doc! { "delete": "a", "deletes": [{ "q": { "_id": 5 }, "limit": 1 }] }], true);
        }),
        Box::new(|writer| writer.transaction(vec![doc! { "insert": "b", "documents": numbered(100, 10) }], false)),
        Box::new(|writer| {
            let large = |id: i32| doc! { "insert": "b", "documents": [{ "_id": id, "t": "x".repeat(6 << 20) }] };
            writer.transaction((1000..1004).map(large).collect(), true);
        }),
        run(doc! { "dropIndexes": "a", "index": "d" }),
        run(doc! { "collMod": "a", "index": { "name": "by_n", "hidden": true } }),
        Box::new(|writer| {
            writer.run(doc! { "insert": "target", "documents": numbered(0, 3) });
            let rename = doc! { "renameCollection": "shop.b", "to": "shop.target", "dropTarget": true };
            writer.runtime.block_on(async { writer.client.database("admin").run_command(rename).await.unwrap() });
        }),
        // made beside and put in its place
        run(doc! { "aggregate": "a", "pipeline": [{ "$match": { "n": { "$lt": 20 } } }, { "$out": "out" }], "cursor": {} }),
        run(doc! { "convertToCapped": "out", "size": 100_000 }),
        run(doc! { "createIndexes": "fresh", "indexes": [
            { "key": { "t": 1 }, "name": "t", "expireAfterSeconds": 3600 }, { "key": { "s": "text" }, "name": "s" },
            { "key": { "p": 1 }, "name": "p", "unique": true, "partialFilterExpression": { "p": { "$gt": 5 } } },
        ] }),
        run(doc! { "dropIndexes": "fresh", "index": ["t", "p"] }),
        Box::new(|writer| {
            let index = doc! { "createIndexes": "within", "indexes": [{ "key": { "n": 1 }, "name": "n" }] };
            writer.transaction(vec![doc! { "create": "within" }, index, doc! { "insert": "within", "documents": numbered(0, 2) }], true);
            let within = writer.client.database("shop").collection::<Document>("within");
            writer.runtime.block_on(async {
                // each of these may be tried twice, and the server notes what is needed for it
                within.find_one_and_update(doc! { "_id": 1 }, doc! { "$inc": { "n": 5 } }).await.unwrap();
                within.find_one_and_delete(doc! { "_id": 0 }).await.unwrap();
                within.insert_many(numbered(10, 30)).await.unwrap();
            });
        }),
        // the largest document that a server takes
        Box::new(|writer| {
            let frame = doc! { "_id": 1, "t": "" }.to_vec().unwrap().len();
            let large = doc! { "_id": 1, "t": "x".repeat((16 << 20) - frame) };
            let collection = writer.client.database("shop").collection::<Document>("large");
            writer.runtime.block_on(async { collection.insert_one(large).await.unwrap() });
        }),
        run(doc! { "createUser": "ann", "pwd": "x", "roles": [{ "role": "read", "db": "shop" }] }),
        run(doc! { "drop": "clustered" }),
        run(doc! { "drop": "seen" }),
        run(doc! { "drop": "series" }),
        Box::new(|writer| {
            let away = writer.client.database("away");
            writer.runtime.block_on(async {
                away.run_command(doc! { "insert": "c", "documents": numbered(0, 3) }).await.unwrap();
                away.run_command(doc! { "create": "v", "viewOn": "c", "pipeline": [] }).await.unwrap();
                away.run_command(doc! { "create": "s", "timeseries": { "timeField": "t" } }).await.unwrap();
                away.run_command(doc! { "dropDatabase": 1 }).await.unwrap();
            });
        }),
        run(doc! { "insert": "a", "documents": numbered(20_000, 2500), "ordered": false }),
    ]
}

#[test]
fn every_instant_comes_back_as_it_was() {
    let (source, target) = (Server::start("open"), Server::start("open"));
    let writer = Writer::to(&source);
    let start = writer.last();
    let mut instants = Vec::new();
    for step in steps() {
        step(&writer);
        instants.push((writer.last(), held(&source)));
    }
    let entries = writer.since(start);
    // whole, and to every third instant from an empty server
    let last = instants.len() - 1;
    for (number, (until, wanted)) in instants.iter().enumerate().filter(|(number, _)| number % 3 == 1 || *number == last) {
        empty(&target);
        replay(&target, &entries, Some(*until)).unwrap_or_else(|error| panic!("step {number}: {error}"));
        let found = held(&target);
        for (name, held) in wanted {
            assert_eq!(found.get(name), Some(held), "{name} after step {number}");
        }
        assert_eq!(found.len(), wanted.len(), "after step {number}");
    }
    // and step by step over what is there, as slices are, each beginning with what was seen before
    empty(&target);
    let client = Client::open(&target.target()).unwrap();
    let mut replayer = Replayer::new(&client, None, Open::default(), &std::env::temp_dir()).unwrap();
    for slice in entries.chunks(700) {
        for entry in slice.iter().chain(slice) {
            replayer.entry(entry).unwrap();
        }
    }
    let done = replayer.finish().unwrap();
    assert_eq!((done.entries, done.last, done.undone), (entries.len() as u64, Some(position(&entries[entries.len() - 1])), 0));
    assert_eq!(held(&target), instants[last].1);

    let users = target.run("shop", doc! { "usersInfo": "ann" });
    assert_eq!(users.get_array("users").unwrap().len(), 1);

    let beyond = Position { seconds: instants[last].0.seconds + 1000, ordinal: 1 };
    let error = replay(&target, &[], Some(beyond)).unwrap_err();
    assert!(matches!(&error, MongoError::RanOut { until, .. } if *until == beyond.to_string()), "{error}");
}

/// An entry as servers write it, about nothing that they would take as their own.
fn entry(ordinal: u32, op: &str, ns: &str, o: RawDocumentBuf) -> RawDocumentBuf {
    rawdoc! { "op": op, "ns": ns, "o": o, "ts": Timestamp { time: 100, increment: ordinal }, "t": 1_i64, "v": 2_i64 }
}

/// An entry of a transaction of a session.
fn part(ordinal: u32, number: i64, o: RawDocumentBuf) -> RawDocumentBuf {
    let mut part = entry(ordinal, "c", "admin.$cmd", o);
    part.append(cstr!("lsid"), rawdoc! { "id": "s" });
    part.append(cstr!("txnNumber"), number);
    part
}

fn insert(id: i32) -> RawDocumentBuf {
    // of a collection of another server: its UUID says nothing here
    let uuid = bson::Binary { subtype: bson::spec::BinarySubtype::Uuid, bytes: vec![7; 16] };
    rawdoc! { "op": "i", "ns": "shop.t", "ui": uuid, "o": { "_id": id } }
}

fn ids(server: &Server) -> Vec<i32> {
    let found = server.run("shop", doc! { "find": "t", "sort": { "_id": 1 } });
    let batch = found.get_document("cursor").unwrap().get_array("firstBatch").unwrap().clone();
    batch.iter().map(|one| one.as_document().unwrap().get_i32("_id").unwrap()).collect()
}

#[test]
fn transactions_over_several_entries_are_done_whole_or_not_at_all() {
    let server = Server::start("open");
    let inserts = |ids: &[i32]| {
        let mut list = RawArrayBuf::new();
        for id in ids {
            list.push(insert(*id));
        }
        list
    };
    let prepare = |ids: &[i32]| rawdoc! { "applyOps": inserts(ids), "prepare": true };
    let partial = rawdoc! { "applyOps": inserts(&[1]), "partialTxn": true };
    let mut vectored = part(6, 9, rawdoc! { "applyOps": [insert(50)] });
    vectored.append(cstr!("multiOpType"), 1_i32);
    let entries = [
        entry(1, "c", "shop.$cmd", rawdoc! { "create": "t" }),
        part(2, 1, partial),
        part(3, 1, prepare(&[2])),
        part(4, 1, rawdoc! { "commitTransaction": 1, "commitTimestamp": Timestamp { time: 100, increment: 3 } }),
        part(5, 2, prepare(&[3])),
        vectored,
        part(7, 2, rawdoc! { "abortTransaction": 1 }),
        part(8, 3, prepare(&[4])),
        entry(9, "n", "", rawdoc! { "msg": "periodic noop" }),
    ];
    let at = |ordinal| Some(Position { seconds: 100, ordinal });
    for (until, wanted, undone) in
        [(3, vec![], 1), (4, vec![1, 2], 0), (6, vec![1, 2, 50], 1), (7, vec![1, 2, 50], 0), (9, vec![1, 2, 50], 1)]
    {
        empty(&server);
        assert_eq!(replay(&server, &entries, at(until)).unwrap().1, undone, "{until}");
        assert_eq!(ids(&server), wanted, "{until}");
    }
    let error = replay(&server, &entries[3..4], None).unwrap_err();
    assert!(error.to_string().contains("at 100:4: it commits a transaction that began before"), "{error}");
}

#[test]
fn a_transaction_larger_than_memory_may_be_waits_in_a_file() {
    let server = Server::start("open");
    let large = |id: i32| rawdoc! { "op": "i", "ns": "shop.t", "o": { "_id": id, "t": "x".repeat(14 << 20) } };
    let mut entries = vec![entry(1, "c", "shop.$cmd", rawdoc! { "create": "t" })];
    entries.extend((0..6).map(|id| part(2 + id, 1, rawdoc! { "applyOps": [large(id.cast_signed())], "partialTxn": true })));
    entries.push(part(10, 1, rawdoc! { "applyOps": [insert(6)], "count": 7_i64 }));
    assert_eq!(replay(&server, &entries, None).unwrap(), (8, 0));
    let counted = server.run("shop", doc! { "count": "t", "query": { "_id": { "$gte": 0 } } });
    assert_eq!(counted.get_i32("n").unwrap(), 7);
}

#[test]
fn what_is_not_known_or_not_done_stops_a_replay_and_is_named() {
    let server = Server::start("open");
    let id = || rawdoc! { "_id": "featureCompatibilityVersion", "version": "4.4" };
    let missing = rawdoc! { "op": "u", "ns": "shop.t", "o": { "$v": 2, "diff": { "u": { "a": 1 } } }, "o2": { "_id": 77 }, "ts": Timestamp { time: 100, increment: 9 } };
    for (entry, said) in [
        (entry(1, "c", "shop.$cmd", rawdoc! { "importCollection": "t" }), "at 100:1: its command `importCollection` is not known here"),
        (entry(2, "km", "shop.t", rawdoc! {}), "at 100:2: its operation `km` is not known here"),
        (entry(3, "i", "admin.system.version", id()), "at 100:3: it changes `admin.system.version`"),
        (entry(4, "i", "nowhere.t", rawdoc! { "_id": 1 }), "at 100:4: "),
        (entry(5, "c", "shop.$cmd", rawdoc! { "dropIndexes": "t", "index": "none" }), "at 100:5: "),
        (entry(6, "c", "shop.$cmd", rawdoc! { "create": "t" }), "at 100:6: `shop.t` exists already"),
        (missing, "at 100:9: "),
    ] {
        empty(&server);
        server.run("shop", doc! { "create": "t" });
        let error = replay(&server, &[entry], None).unwrap_err();
        assert!(matches!(error, MongoError::Entry { .. }) && error.to_string().contains(said), "{error}");
    }
    // what is the server's own is passed over
    let own = [
        entry(1, "u", "config.transactions", rawdoc! { "_id": 1 }),
        entry(2, "i", "local.t", rawdoc! { "_id": 1 }),
        entry(3, "n", "", rawdoc! {}),
        entry(4, "c", "shop.$cmd", rawdoc! { "startIndexBuild": "t" }),
    ];
    assert_eq!(replay(&server, &own, None).unwrap(), (4, 0));
}
