//! Indexes that are built once all data is there, as what is replayed over a dump taken in motion would collide with the unique ones.

use std::collections::BTreeMap;

use bson::raw::RawDocumentBuf;
use bson::{Bson, Document, doc};

use super::client::Client;
use super::error::MongoError;

/// Indexes to build, by database and collection.
#[derive(Debug, Default)]
pub(super) struct Indexes(BTreeMap<(String, String), Vec<Document>>);

impl Indexes {
    /// Adds indexes; one with the name of another takes its place. What every collection has by itself is left out.
    pub(super) fn add(&mut self, namespace: (String, String), specifications: Vec<Document>) {
        let known = self.0.entry(namespace).or_default();
        for mut one in specifications {
            one.remove("ns");
            let name = named(&one).to_owned();
            if name == "_id_" || one.get_bool("clustered").unwrap_or_default() {
                continue;
            }
            known.retain(|other| named(other) != name);
            known.push(one);
        }
    }

    /// Forgets the index of a name, a list of names, or all of them (`*`).
    pub(super) fn remove(&mut self, namespace: &(String, String), which: Option<&Bson>) {
        let Some(known) = self.0.get_mut(namespace) else { return };
        let gone = |one: &Document| match which {
            Some(Bson::String(name)) => name == "*" || named(one) == name,
            Some(Bson::Array(names)) => names.iter().any(|name| name.as_str() == Some(named(one))),
            Some(Bson::Document(key)) => one.get_document("key").is_ok_and(|other| other == key),
            _ => false,
        };
        known.retain(|one| !gone(one));
    }

    pub(super) fn forget(&mut self, namespace: &(String, String)) {
        self.0.remove(namespace);
    }

    pub(super) fn forget_database(&mut self, database: &str) {
        self.0.retain(|(other, _), _| other != database);
    }

    pub(super) fn rename(&mut self, from: &(String, String), to: (String, String)) {
        self.0.remove(&to);
        if let Some(known) = self.0.remove(from) {
            self.0.insert(to, known);
        }
    }

    /// Takes over what `collMod` says of one index; gives whether it is known.
    pub(super) fn modify(&mut self, namespace: &(String, String), change: &Document) -> bool {
        let same = |one: &Document| match change.get_str("name") {
            Ok(name) => named(one) == name,
            Err(_) => change.get_document("keyPattern").is_ok_and(|key| one.get_document("key").is_ok_and(|other| other == key)),
        };
        let Some(one) = self.0.get_mut(namespace).and_then(|known| known.iter_mut().find(|one| same(one))) else { return false };
        for (name, value) in change {
            if name != "name" && name != "keyPattern" {
                one.insert(name, value.clone());
            }
        }
        true
    }

    /// Builds all of them.
    pub(super) fn build(self, client: &Client) -> Result<(), MongoError> {
        for ((database, collection), specifications) in self.0 {
            build(client, &database, &collection, specifications)?;
        }
        Ok(())
    }
}

/// Builds the indexes of a collection together.
pub(super) fn build(client: &Client, database: &str, collection: &str, specifications: Vec<Document>) -> Result<(), MongoError> {
    if specifications.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = specifications.iter().map(|one| format!("`{}`", named(one))).collect();
    let failed = |why: String| MongoError::Indexes {
        place: client.place(),
        namespace: format!("{database}.{collection}"),
        names: names.join(", "),
        why,
    };
    let command = RawDocumentBuf::try_from(&doc! { "createIndexes": collection, "indexes": specifications });
    match client.perform(database, command.map_err(|error| failed(error.to_string()))?) {
        Ok(_) => Ok(()),
        Err(MongoError::Refused { message, .. }) => Err(failed(message)),
        Err(error) => Err(error),
    }
}

fn named(specification: &Document) -> &str {
    specification.get_str("name").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_to_indexes_is_followed() {
        let at = |name: &str| ("d".to_owned(), name.to_owned());
        let mut indexes = Indexes::default();
        indexes.add(at("c"), vec![doc! { "key": { "_id": 1 }, "name": "_id_" }, doc! { "key": { "a": 1 }, "name": "a_1" }]);
        indexes.add(at("c"), vec![doc! { "key": { "b": 1 }, "name": "b_1" }, doc! { "key": { "c": 1 }, "name": "c_1" }]);
        assert!(indexes.modify(&at("c"), &doc! { "name": "b_1", "expireAfterSeconds": 5 }));
        assert!(!indexes.modify(&at("c"), &doc! { "name": "z_1", "hidden": true }));
        indexes.remove(&at("c"), Some(&Bson::String("c_1".to_owned())));
        indexes.remove(&at("c"), Some(&Bson::Document(doc! { "a": 1 })));
        indexes.rename(&at("c"), at("e"));
        let left = vec![doc! { "key": { "b": 1 }, "name": "b_1", "expireAfterSeconds": 5 }];
        assert_eq!(indexes.0, BTreeMap::from([(at("e"), left)]));
        indexes.forget_database("d");
        assert!(indexes.0.is_empty());
    }
}
