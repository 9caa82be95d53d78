//! What of an archive goes where, what stands there already, and the making of empty collections.

use std::collections::BTreeSet;

use bson::raw::RawDocumentBuf;
use bson::{Bson, Document, doc};

use super::catalog::{Collection, CollectionKind, catalog};
use super::client::Client;
use super::described::described;
use super::error::MongoError;
use super::indexes::Indexes;
use super::load::OplogUse;
use super::load_users::{ROLES, USERS};
use super::scope::{BUCKETS, Scope, Selection};
use crate::archive::mongodump::{Kind, Prelude};

/// There is no such collection.
pub(super) const GONE: i32 = 26;
/// So many names are enough for a message.
const NAMED: usize = 5;

/// What becomes of a namespace of the archive.
pub(super) enum Fate {
    /// A collection or a view.
    Made(Made),
    /// Users or roles, which wait in a collection of `admin`.
    Waiting(&'static str),
    /// The oplog, which is replayed.
    Oplog,
    /// Not wanted.
    Left,
}

/// A collection or a view that is made.
pub(super) struct Made {
    pub(super) database: String,
    /// The name under which it is made.
    name: String,
    /// The collection that takes the documents.
    pub(super) data: String,
    kind: Kind,
    options: Document,
    indexes: Vec<Document>,
}

impl Made {
    /// Whether the order of its documents counts, and the oldest may go.
    pub(super) fn is_capped(&self) -> bool {
        self.options.get_bool("capped").unwrap_or_default()
    }

    fn ages(&self) -> bool {
        self.options.contains_key("expireAfterSeconds")
    }
}

/// What becomes of everything in an archive.
pub(super) struct Aim {
    whole: bool,
    /// By the place in the prelude.
    fates: Vec<Fate>,
}

impl Aim {
    pub(super) fn of(client: &Client, scope: &Scope, prelude: &Prelude, oplog: OplogUse) -> Result<Self, MongoError> {
        let whole = scope.selection == Selection::All;
        let mut fates = Vec::with_capacity(prelude.namespaces.len());
        for namespace in &prelude.namespaces {
            let (db, name) = (namespace.db.as_str(), namespace.collection.as_str());
            fates.push(match (db, name) {
                ("", "oplog") if oplog == OplogUse::Replay => Fate::Oplog,
                ("admin", "system.users") if whole => Fate::Waiting(USERS),
                ("admin", "system.roles") if whole => Fate::Waiting(ROLES),
                // users of one database, in a dump of that database alone
                (_, name) if name.starts_with("$admin.") => Fate::Left,
                ("admin", name) if name.starts_with("system.") => Fate::Left,
                _ => match scope.namespace(db, name) {
                    None => Fate::Left,
                    Some((database, into)) => {
                        let wrong = |why| MongoError::Archive(format!("the archive describes `{db}.{name}` wrongly: {why}"));
                        let mut metadata = match namespace.metadata.as_str() {
                            "" => Document::new(),
                            text => described(text).map_err(wrong)?,
                        };
                        let options = match metadata.remove("options") {
                            Some(Bson::Document(options)) => options,
                            _ => Document::new(),
                        };
                        let indexes = match metadata.remove("indexes") {
                            Some(Bson::Array(indexes)) => indexes,
                            _ => Vec::new(),
                        };
                        let indexes = indexes.into_iter().filter_map(|one| if let Bson::Document(one) = one { Some(one) } else { None });
                        let data = if namespace.kind == Kind::TimeSeries { format!("{BUCKETS}{into}") } else { into.clone() };
                        let indexes = indexes.collect();
                        Fate::Made(Made { database, name: into, data, kind: namespace.kind, options, indexes })
                    }
                },
            });
        }
        let aim = Self { whole, fates };
        if !whole && aim.made().next().is_none() {
            let what = match &scope.selection {
                Selection::Collection(database, collection) => format!("collection `{database}.{collection}`"),
                Selection::Database(database) => format!("database `{database}`"),
                Selection::All => String::new(),
            };
            return Err(MongoError::Archive(format!("the archive has no {what}, which was to go to {}", client.place())));
        }
        Ok(aim)
    }

    fn made(&self) -> impl Iterator<Item = &Made> {
        self.fates.iter().filter_map(|fate| if let Fate::Made(made) = fate { Some(made) } else { None })
    }

    pub(super) fn fate(&self, place: usize) -> &Fate {
        &self.fates[place]
    }

    /// Where the documents of a place of the prelude go.
    pub(super) fn data(&self, place: usize) -> (&str, &str) {
        match &self.fates[place] {
            Fate::Made(made) => (&made.database, &made.data),
            Fate::Waiting(name) => ("admin", name),
            Fate::Oplog | Fate::Left => ("", ""),
        }
    }

    /// Whether documents may go by themselves.
    pub(super) fn is_bounded(&self, place: usize) -> bool {
        matches!(&self.fates[place], Fate::Made(made) if made.is_capped() || made.ages())
    }

    /// Whether there is an oplog that settles what was read twice.
    pub(super) fn settles(&self) -> bool {
        self.fates.iter().any(|fate| matches!(fate, Fate::Oplog))
    }

    /// Whether users or roles may come, out of the archive or of its oplog.
    pub(super) fn has_users(&self) -> bool {
        self.whole && (self.settles() || self.fates.iter().any(|fate| matches!(fate, Fate::Waiting(_))))
    }

    /// What is on the server now; refused if it would have to be replaced and may not be.
    pub(super) fn check(&self, client: &Client, replace: bool) -> Result<Vec<Collection>, MongoError> {
        let existing = catalog(client)?;
        if replace {
            return Ok(existing);
        }
        let wanted: BTreeSet<(&str, &str)> = self.made().map(|made| (made.database.as_str(), made.name.as_str())).collect();
        let mut holding = Vec::new();
        for found in existing.iter().filter(|found| wanted.contains(&(found.database.as_str(), found.name.as_str()))) {
            let holds = match found.data() {
                // a view may be all that somebody has
                None => true,
                Some(data) => {
                    let find = doc! { "find": data, "limit": 1, "singleBatch": true, "projection": { "_id": 1 } };
                    let answer = client.ask(&found.database, find)?;
                    let first = answer.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
                    first.map_or(true, |batch| !batch.is_empty())
                }
            };
            if holds {
                holding.push(format!("`{}.{}`", found.database, found.name));
            }
        }
        if holding.is_empty() {
            return Ok(existing);
        }
        let more = holding.len().saturating_sub(NAMED);
        holding.truncate(NAMED);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        Err(MongoError::Holds { place: client.place(), namespaces: format!("{}{more}", holding.join(", ")) })
    }

    /// Drops what is in the way and makes the collections, each empty.
    pub(super) fn make(&self, client: &Client, existing: &[Collection], replace: bool) -> Result<(), MongoError> {
        let wanted: BTreeSet<(&str, &str)> = self.made().map(|made| (made.database.as_str(), made.name.as_str())).collect();
        for found in existing {
            let own = matches!(found.database.as_str(), "admin" | "config" | "local");
            let replaced = wanted.contains(&(found.database.as_str(), found.name.as_str()));
            if replaced || replace && self.whole && !own {
                discard(client, &found.database, &found.name)?;
            }
        }
        for made in self.made().filter(|made| made.kind != Kind::View) {
            create(client, made)?;
        }
        if self.has_users() {
            discard(client, "admin", USERS)?;
            discard(client, "admin", ROLES)?;
        }
        Ok(())
    }

    pub(super) fn make_views(&self, client: &Client) -> Result<(), MongoError> {
        self.made().filter(|made| made.kind == Kind::View).try_for_each(|made| create(client, made))
    }

    pub(super) fn list_indexes(&self, indexes: &mut Indexes) {
        for made in self.made() {
            indexes.add((made.database.clone(), made.name.clone()), made.indexes.clone());
        }
    }
}

fn create(client: &Client, made: &Made) -> Result<(), MongoError> {
    let mut command = doc! { "create": &made.name };
    // not what stands for the collection itself, nor what no server takes any more
    command.extend(made.options.clone().into_iter().filter(|(name, _)| name != "create" && name != "autoIndexId"));
    perform(client, &made.database, &command).map(drop)
}

/// Drops a collection or a view, if there is one.
pub(super) fn discard(client: &Client, database: &str, name: &str) -> Result<(), MongoError> {
    match perform(client, database, &doc! { "drop": name }) {
        Ok(_) | Err(MongoError::Refused { code: Some(GONE), .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

pub(super) fn perform(client: &Client, database: &str, command: &Document) -> Result<Document, MongoError> {
    let name = command.keys().next().cloned().unwrap_or_default();
    let wrong = |error: bson::error::Error| MongoError::Odd { place: client.place(), command: name, message: error.to_string() };
    client.perform(database, RawDocumentBuf::try_from(command).map_err(wrong)?)
}

/// What a collection of the server is, if there is one of this name.
pub(super) fn find(client: &Client, database: &str, name: &str) -> Result<Option<CollectionKind>, MongoError> {
    let listed = client.list(database, doc! { "listCollections": 1, "filter": { "name": name }, "nameOnly": true })?;
    Ok(listed.first().map(|one| match one.get_str("type") {
        Ok("view") => CollectionKind::View,
        Ok("timeseries") => CollectionKind::TimeSeries,
        _ => CollectionKind::Plain,
    }))
}
