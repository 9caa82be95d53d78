//! What a server holds, so that two can be compared: the documents by the server's own digest, and what that digest does not see.

use std::collections::BTreeMap;

use bson::raw::RawDocumentBuf;
use bson::{Bson, Document, doc};

use super::catalog::{Collection, CollectionKind, catalog};
use super::client::Client;
use super::described::described;
use super::error::MongoError;
use super::extended::extended;
use super::scope::{Scope, Selection};

/// What a collection holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// What it is.
    pub kind: CollectionKind,
    /// Its documents; of a time series its buckets; of a view none.
    pub count: u64,
    /// The server's digest of them (`dbHash`); none of a view, and of what the server gives none.
    pub digest: Option<String>,
    /// Its options as canonical Extended JSON.
    pub options: String,
    /// Its indexes in the same form, sorted.
    pub indexes: Vec<String>,
}

/// What the server holds of what is named, by `DATABASE.COLLECTION`. Users, roles and versions are left out.
pub fn state(client: &Client, selection: &Selection) -> Result<BTreeMap<String, Held>, MongoError> {
    let scope = Scope { selection: selection.clone(), rename: None };
    let mut digests: BTreeMap<String, Document> = BTreeMap::new();
    let mut found = BTreeMap::new();
    for collection in catalog(client)? {
        let Collection { database, name, kind, metadata, .. } = &collection;
        if database == "admin" && name.starts_with("system.") || scope.namespace(database, name).is_none() {
            continue;
        }
        let odd = |message: String| MongoError::Odd { place: client.place(), command: "listCollections".to_owned(), message };
        if !digests.contains_key(database) {
            let command = RawDocumentBuf::try_from(&doc! { "dbHash": 1 }).map_err(|error| odd(error.to_string()))?;
            let answer = client.perform(database, command)?;
            digests.insert(database.clone(), answer.get_document("collections").cloned().unwrap_or_default());
        }
        let data = collection.data();
        let digest = data.as_ref().and_then(|name| digests[database].get_str(name).ok()).map(str::to_owned);
        let count = data.as_ref().map_or(Ok(0), |name| count(client, database, name))?;
        let described = described(metadata).map_err(odd)?;
        let text = |document: &Document| extended(document).map_err(|why| odd(format!("has {why}")));
        let options = described.get_document("options").map_or(Ok("{}".to_owned()), text)?;
        let indexes = described.get_array("indexes").map(Vec::as_slice).unwrap_or_default();
        let mut indexes = indexes.iter().filter_map(Bson::as_document).map(text).collect::<Result<Vec<_>, _>>()?;
        indexes.sort_unstable();
        found.insert(format!("{database}.{name}"), Held { kind: *kind, count, digest, options, indexes });
    }
    Ok(found)
}

/// How many documents the server says that a collection has.
pub(super) fn count(client: &Client, database: &str, collection: &str) -> Result<u64, MongoError> {
    let answer = client.ask(database, doc! { "count": collection })?;
    let number = match answer.get("n") {
        Some(Bson::Int32(number)) => u64::try_from(*number).ok(),
        Some(Bson::Int64(number)) => u64::try_from(*number).ok(),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count is a whole number, if the server says one")]
        Some(Bson::Double(number)) if *number >= 0.0 => Some(*number as u64),
        _ => None,
    };
    let message = "has no number".to_owned();
    number.ok_or_else(|| MongoError::Odd { place: client.place(), command: "count".to_owned(), message })
}
