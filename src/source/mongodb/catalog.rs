//! The databases and collections of a server, as a dump describes them.
//!
//! It leaves out what mongodump leaves out: what belongs to the server itself (`local`, the internal databases, most of `config`), and what
//! the server keeps for itself inside of databases (`system.*`, but not `system.js`, nor users, roles and the version in `admin`). A
//! view has no data; a time series has it in its buckets, which are no collection of their own here.
//!
//! A collection that goes while it is looked at was not there. Refused are names and types that no archive could carry.

use bson::{Document, doc};

use super::client::Client;
use super::error::MongoError;
use super::extended::{extended, uuid};

/// There is no such collection.
const GONE: i32 = 26;
/// What the server's own helpers keep beside the data.
const INTERNAL: &str = "__mdb_internal";
const BUCKETS: &str = "system.buckets.";
/// What of `config` belongs to the data of a cluster.
const CONFIG: [&str; 7] = ["chunks", "collections", "databases", "settings", "shards", "tags", "version"];
/// What of `admin` belongs to users.
const ADMIN: [&str; 3] = ["system.users", "system.roles", "system.version"];

/// A collection as a dump describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    /// Its database.
    pub database: String,
    /// Its name in it.
    pub name: String,
    /// What it is.
    pub kind: CollectionKind,
    /// Its UUID as 32 hexadecimal digits; a view and a time series have none.
    pub uuid: Option<String>,
    /// Its options, indexes, UUID, name and type as canonical Extended JSON.
    pub metadata: String,
}

/// What a collection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CollectionKind {
    /// Documents.
    Plain,
    /// A question with a name.
    View,
    /// Documents by time.
    TimeSeries,
}

impl CollectionKind {
    /// As the server and metadata have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "collection",
            Self::View => "view",
            Self::TimeSeries => "timeseries",
        }
    }
}

impl Collection {
    /// The collection of the database that has its documents; a view has none.
    pub fn data(&self) -> Option<String> {
        match self.kind {
            CollectionKind::Plain => Some(self.name.clone()),
            CollectionKind::View => None,
            CollectionKind::TimeSeries => Some(format!("{BUCKETS}{}", self.name)),
        }
    }
}

/// Every collection that a dump has, by database and name.
pub fn catalog(client: &Client) -> Result<Vec<Collection>, MongoError> {
    let answer = client.ask("admin", doc! { "listDatabases": 1, "nameOnly": true })?;
    let databases = answer.get_array("databases").map_err(|_| odd(client, "listDatabases", "names no databases"))?;
    let mut found = Vec::new();
    for database in databases {
        let database = database.as_document().and_then(|database| database.get_str("name").ok());
        let database = database.ok_or_else(|| odd(client, "listDatabases", "has a database without a name"))?;
        if database != "local" && !database.starts_with(INTERNAL) {
            collections(client, database, &mut found)?;
        }
    }
    found.sort_by(|a, b| (&a.database, &a.name).cmp(&(&b.database, &b.name)));
    Ok(found)
}

fn collections(client: &Client, database: &str, found: &mut Vec<Collection>) -> Result<(), MongoError> {
    for listed in client.list(database, doc! { "listCollections": 1 })? {
        let wrong = |why: &str| odd(client, "listCollections", why);
        let name = listed.get_str("name").map_err(|_| wrong("has a collection without a name"))?;
        if !is_dumped(database, name) {
            continue;
        }
        let kind = match listed.get_str("type") {
            Ok("view") => CollectionKind::View,
            Ok("timeseries") => CollectionKind::TimeSeries,
            Ok("collection") | Err(_) => CollectionKind::Plain,
            Ok(other) => return Err(wrong(&format!("has `{database}.{name}` of type `{other}`, which is not known here"))),
        };
        let indexes = match kind {
            CollectionKind::View => Vec::new(),
            CollectionKind::Plain | CollectionKind::TimeSeries => match client.list(database, doc! { "listIndexes": name }) {
                Ok(indexes) => indexes,
                Err(MongoError::Refused { code: Some(GONE), .. }) => continue,
                Err(error) => return Err(error),
            },
        };
        let described = describe(database, name, kind, &listed, indexes);
        found.push(described.map_err(|why| wrong(&format!("has `{database}.{name}` with {why}")))?);
    }
    Ok(())
}

fn describe(
    database: &str,
    name: &str,
    kind: CollectionKind,
    listed: &Document,
    indexes: Vec<Document>,
) -> Result<Collection, &'static str> {
    let uuid = listed.get_document("info").ok().and_then(|info| info.get("uuid")).and_then(uuid);
    let mut metadata = Document::new();
    if let Ok(options) = listed.get_document("options")
        && !options.is_empty()
    {
        metadata.insert("options", options.clone());
    }
    metadata.insert("indexes", indexes);
    if let Some(uuid) = &uuid {
        metadata.insert("uuid", uuid);
    }
    metadata.extend(doc! { "collectionName": name, "type": kind.as_str() });
    let metadata = extended(&metadata)?;
    Ok(Collection { database: database.to_owned(), name: name.to_owned(), kind, uuid, metadata })
}

fn is_dumped(database: &str, name: &str) -> bool {
    match database {
        "config" => CONFIG.contains(&name),
        "admin" if ADMIN.contains(&name) => true,
        _ => !name.starts_with("system.") || name == "system.js",
    }
}

fn odd(client: &Client, command: &str, message: &str) -> MongoError {
    MongoError::Odd { place: client.place(), command: command.to_owned(), message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use bson::spec::BinarySubtype;
    use bson::{Binary, doc};

    use super::*;

    #[test]
    fn what_is_the_servers_own_is_left_out() {
        for (database, name) in
            [("a", "b"), ("a", "system.js"), ("admin", "system.users"), ("admin", "x"), ("config", "chunks"), ("a", "systemic")]
        {
            assert!(is_dumped(database, name), "{database}.{name}");
        }
        for (database, name) in [
            ("a", "system.views"),
            ("a", "system.buckets.b"),
            ("a", "system.users"),
            ("a", "system.profile"),
            ("admin", "system.keys"),
            ("config", "transactions"),
        ] {
            assert!(!is_dumped(database, name), "{database}.{name}");
        }
    }

    #[test]
    fn a_description_is_what_mongodump_writes() {
        let id = Binary { subtype: BinarySubtype::Uuid, bytes: vec![0x0f; 16] };
        let index = doc! { "v": 2, "key": { "_id": 1 }, "name": "_id_" };
        let listed = doc! { "name": "k", "type": "collection", "options": {}, "info": { "readOnly": false, "uuid": id } };
        let plain = describe("a", "k", CollectionKind::Plain, &listed, vec![index]).unwrap();
        let expected = concat!(
            r#"{"indexes":[{"v":{"$numberInt":"2"},"key":{"_id":{"$numberInt":"1"}},"name":"_id_"}],"#,
            r#""uuid":"0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f","collectionName":"k","type":"collection"}"#,
        );
        assert_eq!((plain.metadata.as_str(), plain.data().as_deref()), (expected, Some("k")));
        let listed = doc! { "name": "v", "type": "view", "options": { "viewOn": "k", "pipeline": [] }, "info": { "readOnly": true } };
        let view = describe("a", "v", CollectionKind::View, &listed, Vec::new()).unwrap();
        let expected = r#"{"options":{"viewOn":"k","pipeline":[]},"indexes":[],"collectionName":"v","type":"view"}"#;
        assert_eq!((view.metadata.as_str(), view.data(), view.uuid), (expected, None, None));
        let series = describe("a", "s", CollectionKind::TimeSeries, &doc! {}, Vec::new()).unwrap();
        assert_eq!(series.data().as_deref(), Some("system.buckets.s"));
    }
}
