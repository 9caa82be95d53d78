//! The first block of an archive: who wrote it, and which namespaces are in it.
//!
//! Fields that are not known here are passed over. A missing `type` is that of a collection, as tools wrote it before there were
//! others, and missing versions are empty. The estimated `size` is always written as 0, as mongodump does, and never believed.

use bson::raw::{RawBsonRef, RawDocument, RawDocumentBuf, cstr};

use super::block::TERMINATOR;
use super::document::DOCUMENT_MOST;
use super::error::{ArchiveError, Damage, NAME_MOST, Refused, shown};

/// The one version of the format.
pub(super) const VERSION: &str = "0.1";

/// What the first block says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prelude {
    /// How many collections were dumped at once.
    pub concurrent_collections: i32,
    /// The version of the server that the data is from, as `6.0.5`; restores decide by it where the data of a time series is.
    pub server_version: String,
    /// The version of the program that wrote the archive.
    pub tool_version: String,
    /// Everything that is in the archive, each with at least one block.
    pub namespaces: Vec<Namespace>,
}

/// A namespace as the prelude names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// The database; empty for the oplog.
    pub db: String,
    /// The collection; of a time series its own name, not that of its buckets.
    pub collection: String,
    /// Options, indexes and UUID in canonical Extended JSON; empty for the oplog, and for the users and roles of a database.
    pub metadata: String,
    /// What it is.
    pub kind: Kind,
}

/// The kinds of [`Namespace`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A collection, capped and clustered ones too.
    Collection,
    /// A view; its block is empty, unless it was dumped as a collection.
    View,
    /// A time series.
    TimeSeries,
}

impl Prelude {
    /// The block, without the magic number.
    pub(super) fn encode(&self) -> Result<Vec<u8>, Refused> {
        let mut header = RawDocumentBuf::new();
        header.append(cstr!("concurrent_collections"), self.concurrent_collections);
        header.append(cstr!("version"), VERSION);
        header.append(cstr!("server_version"), self.server_version.as_str());
        header.append(cstr!("tool_version"), self.tool_version.as_str());
        let mut bytes = header.into_bytes();
        for namespace in &self.namespaces {
            let refused = |why| Refused { namespace: shown(&namespace.db, &namespace.collection), why };
            checked_name(&namespace.db, &namespace.collection).map_err(refused)?;
            let entry = namespace.encode();
            if entry.len() > DOCUMENT_MOST {
                return Err(refused(Damage::Prelude("has an entry that is too long")));
            }
            bytes.extend_from_slice(&entry);
        }
        bytes.extend_from_slice(&TERMINATOR);
        Ok(bytes)
    }

    /// The header of the prelude, in a checked document; namespaces follow it.
    pub(super) fn decode(bytes: &[u8], offset: u64) -> Result<Self, ArchiveError> {
        let bad = |why| ArchiveError::Damaged { offset, namespace: None, damage: Damage::Prelude(why) };
        let document = RawDocument::from_bytes(bytes).map_err(|_| bad("is no document"))?;
        let version = text(document, "version").ok_or_else(|| bad("has no `version`"))?;
        if version != VERSION {
            return Err(ArchiveError::Version { found: shown("", version), known: VERSION });
        }
        let concurrent_collections =
            document.get_i32("concurrent_collections").map_err(|_| bad("does not say how many collections were dumped at once"))?;
        let optional = |key, why| optional_text(document, key).map(str::to_owned).ok_or_else(|| bad(why));
        Ok(Self {
            concurrent_collections,
            server_version: optional("server_version", "has a `server_version` that is no text")?,
            tool_version: optional("tool_version", "has a `tool_version` that is no text")?,
            namespaces: Vec::new(),
        })
    }
}

impl Namespace {
    fn encode(&self) -> Vec<u8> {
        let mut entry = RawDocumentBuf::new();
        entry.append(cstr!("db"), self.db.as_str());
        entry.append(cstr!("collection"), self.collection.as_str());
        entry.append(cstr!("metadata"), self.metadata.as_str());
        entry.append(cstr!("size"), 0_i32);
        entry.append(cstr!("type"), self.type_name());
        entry.into_bytes()
    }

    /// What has no metadata came from no listing of collections, and mongodump gives it no type.
    fn type_name(&self) -> &'static str {
        match self.kind {
            Kind::Collection if self.metadata.is_empty() => "",
            Kind::Collection => "collection",
            Kind::View => "view",
            Kind::TimeSeries => "timeseries",
        }
    }

    /// An entry of the prelude, in a checked document.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        let document = RawDocument::from_bytes(bytes).map_err(|_| Damage::Prelude("has an entry that is no document"))?;
        let db = text(document, "db").ok_or(Damage::Prelude("has an entry without `db`"))?;
        let collection = text(document, "collection").ok_or(Damage::Prelude("has an entry without `collection`"))?;
        checked_name(db, collection)?;
        let metadata = optional_text(document, "metadata").ok_or(Damage::Prelude("has an entry whose `metadata` is no text"))?;
        let kind = match optional_text(document, "type") {
            Some("" | "collection") => Kind::Collection,
            Some("view") => Kind::View,
            Some("timeseries") => Kind::TimeSeries,
            _ => return Err(Damage::Prelude("has an entry of an unknown type")),
        };
        Ok(Self { db: db.to_owned(), collection: collection.to_owned(), metadata: metadata.to_owned(), kind })
    }
}

fn checked_name(db: &str, collection: &str) -> Result<(), Damage> {
    if collection.is_empty() {
        return Err(Damage::Prelude("has an entry without the name of a collection"));
    }
    if db.len() + collection.len() > NAME_MOST {
        return Err(Damage::Prelude("has an entry whose name is too long"));
    }
    Ok(())
}

fn text<'a>(document: &'a RawDocument, key: &str) -> Option<&'a str> {
    document.get_str(key).ok()
}

/// Empty if the field is missing; none if it is something else than text.
fn optional_text<'a>(document: &'a RawDocument, key: &str) -> Option<&'a str> {
    match document.get(key) {
        Ok(None) => Some(""),
        Ok(Some(RawBsonRef::String(text))) => Some(text),
        _ => None,
    }
}
