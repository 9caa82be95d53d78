//! Commands of the oplog, each by itself after everything before it.

use bson::raw::{RawDocument, RawDocumentBuf};
use bson::{Bson, Document, doc, rawdoc};

use super::error::MongoError;
use super::indexes::build;
use super::load_target::{discard, find, perform};
use super::replay::Replayer;
use super::scope::{BUCKETS, Selection};

/// There is no such collection, or no such index.
const GONE: [i32; 2] = [26, 27];

impl Replayer<'_> {
    /// Runs a command of a database.
    pub(super) fn command(&mut self, database: &str, command: &RawDocument) -> Result<(), MongoError> {
        let name = self.name_of(command)?;
        let mut command = Document::try_from(command).map_err(|_| self.wrong("its command cannot be read"))?;
        if matches!(name.as_str(), "startIndexBuild" | "abortIndexBuild") {
            return Ok(());
        }
        if name == "renameCollection" {
            return self.rename(&command);
        }
        if name == "dropDatabase" {
            let Some(database) = self.scope.database(database).map(str::to_owned) else { return Ok(()) };
            if !matches!(self.scope.selection, Selection::Collection(..)) {
                self.flush()?;
                self.run(&database, &doc! { "dropDatabase": 1 })?;
                if let Some(deferred) = &mut self.deferred {
                    deferred.forget_database(&database);
                }
            }
            return Ok(());
        }
        let known = ["create", "drop", "collMod", "createIndexes", "commitIndexBuild", "dropIndexes", "deleteIndexes", "convertToCapped"];
        if !known.contains(&name.as_str()) {
            return Err(self.wrong(&format!("its command `{name}` is not known here")));
        }
        let Some(Bson::String(collection)) = command.get(&name).cloned() else { return Err(self.wrong("its command names no collection")) };
        let Some((database, collection)) = self.scope.namespace(database, &collection) else { return Ok(()) };
        if database == "admin" && collection.starts_with("system.") {
            // over a dump, users wait elsewhere
            let is_of_users = matches!(collection.as_str(), "system.users" | "system.roles");
            if self.deferred.is_some() || !is_of_users || name == "create" && find(self.client, "admin", &collection)?.is_some() {
                return Ok(());
            }
        }
        self.flush()?;
        command.remove("ui");
        let at = (database.clone(), collection.clone());
        match name.as_str() {
            "create" => self.create(&database, &collection, command),
            "drop" => {
                if let Some(deferred) = &mut self.deferred {
                    deferred.forget(&at);
                }
                if collection == "system.views" {
                    return self.drop_views(&database);
                }
                let lenient = self.deferred.is_some() || collection.starts_with(BUCKETS);
                self.run_leniently(&database, &doc! { "drop": &collection }, lenient)
            }
            "createIndexes" | "commitIndexBuild" => {
                let specifications = if let Some(Bson::Array(listed)) = command.remove("indexes") {
                    listed.into_iter().filter_map(|one| if let Bson::Document(one) = one { Some(one) } else { None }).collect()
                } else {
                    command.remove("createIndexes");
                    vec![command]
                };
                match &mut self.deferred {
                    Some(deferred) => {
                        deferred.add(at, specifications);
                        Ok(())
                    }
                    None => build(self.client, &database, &collection, specifications).map_err(|error| self.refused(error)),
                }
            }
            "dropIndexes" | "deleteIndexes" => {
                let which = command.get("index").cloned().unwrap_or_else(|| Bson::String("*".to_owned()));
                match &mut self.deferred {
                    Some(deferred) => {
                        deferred.remove(&at, Some(&which));
                        Ok(())
                    }
                    None => self.run(&database, &doc! { "dropIndexes": &collection, "index": which }),
                }
            }
            "collMod" => {
                if let (Some(deferred), Ok(change)) = (&mut self.deferred, command.get_document("index"))
                    && deferred.modify(&at, change)
                {
                    return Ok(());
                }
                if self.deferred.is_some() && find(self.client, &database, &collection)?.is_none() {
                    // it is still to be dropped
                    return Ok(());
                }
                command.insert("collMod", &collection);
                self.apply(&database, &command)
            }
            _ => {
                command.insert("convertToCapped", &collection);
                self.run(&database, &command)
            }
        }
    }

    /// A database that goes loses the list of its views first, which nobody may drop while a time series is in it.
    fn drop_views(&mut self, database: &str) -> Result<(), MongoError> {
        let listed = self.client.list(database, doc! { "listCollections": 1, "nameOnly": true, "filter": { "type": "view" } })?;
        for name in listed.iter().filter_map(|view| view.get_str("name").ok()) {
            self.run_leniently(database, &doc! { "drop": name }, true)?;
        }
        Ok(())
    }

    /// Makes the collection where users or roles wait, if they come from the oplog alone.
    pub(super) fn make_waiting(&mut self, name: &'static str) -> Result<(), MongoError> {
        if self.waiting.contains(&name) {
            return Ok(());
        }
        self.waiting.push(name);
        if find(self.client, "admin", name)?.is_some() { Ok(()) } else { self.run("admin", &doc! { "create": name }) }
    }

    fn create(&mut self, database: &str, collection: &str, mut command: Document) -> Result<(), MongoError> {
        if collection == "system.views" {
            // comes with its first view
            return Ok(());
        }
        if find(self.client, database, collection)?.is_some() {
            // a dump in motion may have it already, as it was later
            return if self.deferred.is_some() { Ok(()) } else { Err(self.wrong(&format!("`{database}.{collection}` exists already"))) };
        }
        let Some(series) = collection.strip_prefix(BUCKETS) else {
            command.insert("create", collection);
            return self.apply(database, &command);
        };
        // the buckets come with the view that is the time series
        command.insert("create", series);
        for own in ["validator", "validationLevel", "validationAction", "clusteredIndex", "idIndex"] {
            command.remove(own);
        }
        self.run(database, &command)
    }

    fn rename(&mut self, command: &Document) -> Result<(), MongoError> {
        let split = |name: &str| command.get_str(name).ok()?.split_once('.').map(|(d, c)| (d.to_owned(), c.to_owned()));
        let (Some(from), Some(to)) = (split("renameCollection"), split("to")) else {
            return Err(self.wrong("it renames a collection and does not say which"));
        };
        let (from, to) = match (self.scope.namespace(&from.0, &from.1), self.scope.namespace(&to.0, &to.1)) {
            (None, None) => return Ok(()),
            (Some(from), Some(to)) => (from, to),
            _ => return Err(self.wrong("it renames a collection into what is restored, or out of it")),
        };
        self.flush()?;
        let name = |namespace: &(String, String)| format!("{}.{}", namespace.0, namespace.1);
        self.run("admin", &doc! { "renameCollection": name(&from), "to": name(&to), "dropTarget": true })?;
        if let Some(deferred) = &mut self.deferred {
            deferred.rename(&from, to);
        }
        Ok(())
    }

    /// A view that is made, changed or dropped: the server keeps them as documents, which not everybody may write.
    pub(super) fn view(&mut self, operation: &RawDocument, kind: &str, database: &str) -> Result<(), MongoError> {
        let broken = |this: &Self| this.wrong("it is about a view and does not say which");
        let key = operation.get_document(if kind == "u" { "o2" } else { "o" }).map_err(|_| broken(self))?;
        let (_, name) = key.get_str("_id").ok().and_then(|id| id.split_once('.')).ok_or_else(|| broken(self))?;
        let Some((database, name)) = self.unscoped(database, name) else { return Ok(()) };
        self.flush()?;
        let definition = operation.get_document("o").map_err(|_| broken(self))?;
        let mut definition = Document::try_from(definition).map_err(|_| broken(self))?;
        let of_buckets = definition.get_str("viewOn").is_ok_and(|on| on.starts_with(BUCKETS));
        match kind {
            // made with its buckets
            "i" if of_buckets => Ok(()),
            "i" => {
                discard(self.client, &database, &name).map_err(|error| self.refused(error))?;
                definition.remove("_id");
                let mut command = doc! { "create": &name };
                command.extend(definition);
                self.run(&database, &command)
            }
            "d" => self.run_leniently(&database, &doc! { "drop": &name }, true),
            _ => self.push(operation, kind, &format!("{database}.system.views")),
        }
    }

    /// The database has its new name already; the collection may need one.
    fn unscoped(&self, database: &str, name: &str) -> Option<(String, String)> {
        match &self.scope.selection {
            Selection::Collection(..) => self.scope.namespace(database, name),
            _ => Some((database.to_owned(), name.to_owned())),
        }
    }

    /// Runs a command through `applyOps`, which takes more than the command itself would.
    fn apply(&mut self, database: &str, command: &Document) -> Result<(), MongoError> {
        let command = RawDocumentBuf::try_from(command).map_err(|_| self.wrong("its command cannot be written"))?;
        let operation = rawdoc! { "o": command };
        self.push(&operation, "c", &format!("{database}.$cmd"))?;
        self.flush()
    }

    fn run(&self, database: &str, command: &Document) -> Result<(), MongoError> {
        self.run_leniently(database, command, false)
    }

    /// Runs a command; where it is told so, what is gone already may be.
    fn run_leniently(&self, database: &str, command: &Document, lenient: bool) -> Result<(), MongoError> {
        match perform(self.client, database, command) {
            Ok(_) => Ok(()),
            Err(MongoError::Refused { code: Some(code), .. }) if lenient && GONE.contains(&code) => Ok(()),
            Err(error) => Err(self.refused(error)),
        }
    }
}
