//! What a dump would describe of a real server.

use bson::doc;
use lucid_policy::source::mongodb::{Client, Collection, CollectionKind, catalog};

use crate::support::{Server, set};

/// What there is in a database, without the UUIDs, which differ from server to server.
fn described(server: &Server, database: &str) -> Vec<Collection> {
    let found = catalog(&Client::open(&server.user(&["backup"])).unwrap()).unwrap();
    let mut found: Vec<Collection> = found.into_iter().filter(|collection| collection.database == database).collect();
    for collection in &mut found {
        if let Some(uuid) = &collection.uuid {
            assert_eq!(uuid.len(), 32);
            assert!(collection.metadata.contains(&format!(r#","uuid":"{uuid}","#)), "{}", collection.metadata);
            collection.metadata = collection.metadata.replace(uuid, "UUID");
        }
    }
    found
}

/// The expected texts are what mongodump 100.x writes of such collections.
#[test]
fn every_kind_of_collection_is_described_as_mongodump_does() {
    let server = set();
    let run = |command| server.run("kinds", command);
    run(doc! { "create": "plain" });
    run(doc! { "createIndexes": "plain", "indexes": [{ "key": { "s": 1, "i": -1 }, "name": "by_s_i", "unique": true }] });
    run(doc! { "create": "capped", "capped": true, "size": 8192, "max": 20 });
    run(doc! { "create": "clustered", "clusteredIndex": { "key": { "_id": 1 }, "unique": true } });
    run(doc! { "create": "series", "timeseries": { "timeField": "t", "metaField": "m" } });
    run(doc! { "create": "valid", "validator": { "$jsonSchema": { "required": ["a"] } } });
    run(doc! { "create": "view", "viewOn": "plain", "pipeline": [{ "$match": { "i": { "$gt": 100 } } }] });
    run(doc! { "insert": "system.js", "documents": [{ "_id": "f", "value": 1 }] });
    let id = r#"{"v":{"$numberInt":"2"},"key":{"_id":{"$numberInt":"1"}},"name":"_id_""#;
    let expected = [
        (
            "capped",
            format!(
                r#"{{"options":{{"capped":true,"size":{{"$numberInt":"8192"}},"max":{{"$numberInt":"20"}}}},"indexes":[{id}}}],"uuid":"UUID","collectionName":"capped","type":"collection"}}"#
            ),
        ),
        (
            "clustered",
            format!(
                r#"{{"options":{{"clusteredIndex":{id},"unique":true}}}},"indexes":[{id},"unique":true,"clustered":true}}],"uuid":"UUID","collectionName":"clustered","type":"collection"}}"#
            ),
        ),
        (
            "plain",
            format!(
                r#"{{"indexes":[{id}}},{{"v":{{"$numberInt":"2"}},"key":{{"s":{{"$numberInt":"1"}},"i":{{"$numberInt":"-1"}}}},"name":"by_s_i","unique":true}}],"uuid":"UUID","collectionName":"plain","type":"collection"}}"#
            ),
        ),
        (
            "series",
            r#"{"options":{"timeseries":{"timeField":"t","metaField":"m","granularity":"seconds","bucketMaxSpanSeconds":{"$numberInt":"3600"}}},"indexes":[],"collectionName":"series","type":"timeseries"}"#
                .to_owned(),
        ),
        ("system.js", format!(r#"{{"indexes":[{id}}}],"uuid":"UUID","collectionName":"system.js","type":"collection"}}"#)),
        (
            "valid",
            format!(
                r#"{{"options":{{"validator":{{"$jsonSchema":{{"required":["a"]}}}}}},"indexes":[{id}}}],"uuid":"UUID","collectionName":"valid","type":"collection"}}"#
            ),
        ),
        (
            "view",
            r#"{"options":{"viewOn":"plain","pipeline":[{"$match":{"i":{"$gt":{"$numberInt":"100"}}}}]},"indexes":[],"collectionName":"view","type":"view"}"#
                .to_owned(),
        ),
    ];
    let found = described(server, "kinds");
    let seen: Vec<(&str, String)> = found.iter().map(|c| (c.name.as_str(), c.metadata.clone())).collect();
    assert_eq!(seen, expected);
    let data: Vec<Option<String>> = found.iter().map(Collection::data).collect();
    assert_eq!((data[3].as_deref(), data[6].as_deref()), (Some("system.buckets.series"), None));
    assert_eq!((found[3].kind, found[6].kind), (CollectionKind::TimeSeries, CollectionKind::View));
}

#[test]
fn of_the_servers_own_only_users_roles_and_the_version_are_there() {
    let server = set();
    let roles = doc! { "createRole": "catalogued", "privileges": [], "roles": [] };
    server.run("admin", roles);
    let names: Vec<String> = described(server, "admin").into_iter().map(|collection| collection.name).collect();
    assert_eq!(names, ["system.roles", "system.users", "system.version"]);
    assert_eq!((described(server, "local"), described(server, "config")), (Vec::new(), Vec::new()));
}

#[test]
fn more_collections_than_one_answer_holds_are_all_there() {
    let server = set();
    for number in 0..110 {
        server.run("many", doc! { "create": format!("c{number:03}") });
    }
    let found = described(server, "many");
    assert_eq!((found.len(), found[109].name.as_str()), (110, "c109"));
}
