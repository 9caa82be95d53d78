//! The record: what makes payload a backup. **[format]**
//!
//! A record is written last and create-only; it is the same bytes on every store, so nothing of a store's own (generation, times,
//! holds, checks) is in it. It is JSON as [`super::documents`] says. Where its payload is follows from the key it is under: the
//! names of [`Segment`]s are relative to the folder of that key's generation.
//!
//! [`Record::read`] refuses a newer major version, a document of another shape, and names of segments that would leave their
//! folder; [`Record::matches`] refuses one that lies under another artifact's key. Fields that are reserved are carried, not
//! judged.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::digest::Sha256Sum;
use super::documents::{self, FormatVersion, RecordError};
use super::key::CatalogKey;
use super::layout::is_file_name;
use crate::model::id::{ArtifactId, Capture, Instant, Name, Random, to_millis};

/// A finished backup of one policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The version of this document.
    pub format_version: FormatVersion,
    /// The instance that made it.
    pub instance: Name,
    /// The series it belongs to.
    pub series: Name,
    /// The policy that made it; differs from the series after a renaming.
    pub policy: Name,
    /// What was protected.
    pub source: SourceRef,
    /// What was taken of it.
    pub capture: Capture,
    /// The artifact.
    pub id: ArtifactId,
    /// The instant of the schedule that it satisfies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<Instant>,
    /// When the capture began.
    pub start: Instant,
    /// When it ended.
    pub end: Instant,
    /// When the content was true.
    pub instant: Instant,
    /// The artifact that this one continues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ArtifactRef>,
    /// The range of the log that this one holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<LogRange>,
    /// The artifact that owns the bytes of this one; then there are no segments here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_of: Option<ArtifactRef>,
    /// The run that made it.
    pub run: Random,
    /// The random part of the id of its set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<Random>,
    /// The payload, in the order in which readers concatenate it.
    pub segments: Vec<Segment>,
    /// The index of the payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<Segment>,
    /// What was done to the plain stream, in order: `tar`, `zstd`, `age`.
    pub codec: Vec<String>,
    /// Fingerprints of who can read it, sorted, as the archive layer makes them; empty for a payload that is not encrypted.
    pub recipients: Vec<String>,
    /// The program that wrote it.
    pub tool: Tool,
    /// The version of what was protected, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_version: Option<String>,
    /// The digest of the manifest's files.
    pub manifest_sha256: Sha256Sum,
    /// The digest of what that manifest kept of the series on each store (`Policy::rules_sha256`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<Sha256Sum>,
    /// How much it holds.
    pub counts: Counts,
    /// The services that were to be quiet, and whether they were.
    #[serde(default)]
    pub services: Vec<ServiceState>,
    /// Whether the content is of one instant.
    pub consistency: Consistency,
    /// What of the content is poorer than it was; absent: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fidelity: Option<Fidelity>,
    /// What two captures of an unchanged tree have in common; says nothing about content without the tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// The labels of the archive and where each was.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The patterns that left things out.
    #[serde(default)]
    pub excludes: Vec<String>,
    /// How much was said against this capture while it ran.
    #[serde(default)]
    pub warnings: u64,
    /// Where an adopted artifact came from: `tool`, `file` (its name), `sha256` and `bytes` of the file as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<serde_json::Value>,
    /// Bytes that live in another system's repository; never a copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<External>,
    /// Reserved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<serde_json::Value>,
}

/// One object of a payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Its name in the generation's folder.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// The digest of its stored bytes.
    pub sha256: Sha256Sum,
}

/// What was protected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRef {
    /// `files`, `volume`, `command` ...
    pub kind: String,
    /// Its name in the manifest.
    pub name: Name,
}

/// An artifact, wherever it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactRef {
    /// Its series.
    pub series: Name,
    /// Its id.
    pub id: ArtifactId,
}

/// A stretch of a log, in the words of the system whose log it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRange {
    /// The position that it begins with.
    pub from: String,
    /// The last position in it, and what tells that entry from another one there.
    pub to: String,
}

/// The program that wrote a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// How much an artifact holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Files, folders, documents.
    pub entries: u64,
    /// Bytes before compression.
    pub bytes: u64,
}

/// A service that was to be quiet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceState {
    /// Its name in the manifest; `container.NAME` for one that was quiet because it shares something with a service.
    pub name: String,
    /// What it was during the capture, as one word.
    pub state: String,
}

/// Whether content is of one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Consistency {
    /// Nothing wrote while it was read.
    Clean,
    /// As after a power cut.
    Crash,
}

/// How much of the metadata of a tree was kept, where it is not all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fidelity {
    /// As a container engine's API gives it: without most attributes, ACLs, parts of a second, and holes.
    Reduced,
}

/// Bytes in another system's repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct External {
    /// The system.
    pub kind: String,
    /// Its repository.
    pub repository: String,
    /// Its name for the bytes.
    pub snapshot: String,
}

impl Record {
    /// Reads a record.
    pub fn read(bytes: &[u8]) -> Result<Self, RecordError> {
        let record: Self = documents::read(bytes)?;
        record.check()?;
        Ok(record)
    }

    fn check(&self) -> Result<(), RecordError> {
        let objects = self.objects();
        if let Some(bad) = objects.clone().find(|segment| !is_file_name(&segment.name)) {
            return Err(RecordError::unreadable(format!("`{}` cannot be the name of a segment", bad.name)));
        }
        if objects.clone().map(|segment| &segment.name).collect::<BTreeSet<_>>().len() != objects.clone().count() {
            return Err(RecordError::unreadable("two of its segments have one name"));
        }
        if objects.clone().try_fold(0_u64, |sum, segment| sum.checked_add(segment.bytes)).is_none() {
            return Err(RecordError::unreadable("its sizes add up to more than there can be"));
        }
        if self.payload_of.is_some() && objects.count() > 0 {
            return Err(RecordError::unreadable("it has segments and names another owner of its bytes"));
        }
        Ok(())
    }

    /// Its bytes in a store.
    pub fn write(&self) -> Vec<u8> {
        documents::write(self)
    }

    /// Every object of a generation: the segments in order, then the index.
    pub fn objects(&self) -> impl Iterator<Item = &Segment> + Clone {
        self.segments.iter().chain(&self.index)
    }

    /// Bytes of all objects of a generation.
    pub fn bytes(&self) -> u64 {
        self.objects().map(|segment| segment.bytes).sum()
    }

    /// Bytes of its largest object.
    pub fn largest(&self) -> u64 {
        self.objects().map(|segment| segment.bytes).max().unwrap_or(0)
    }

    /// The artifact that must be there for this one to restore. A full capture needs no parent, only an owner of its bytes.
    pub fn need(&self) -> Option<Random> {
        match self.capture {
            Capture::Full => self.payload_of.as_ref().map(|owner| owner.id.random()),
        }
    }

    /// The key that this record has as that generation.
    pub fn catalog_key(&self, generation: u32) -> CatalogKey {
        CatalogKey {
            id: self.id,
            instant: to_millis(self.instant),
            slot: self.slot.map(to_millis),
            need: self.need(),
            set: self.set,
            bytes: self.bytes(),
            generation,
        }
    }

    /// Whether this is the record that the key promises.
    pub fn matches(&self, key: &CatalogKey) -> Result<(), RecordError> {
        let mine = self.catalog_key(key.generation);
        let differs = [
            ("id", mine.id != key.id),
            ("capture", self.capture != key.id.capture()),
            ("instant", mine.instant != key.instant),
            ("slot", mine.slot != key.slot),
            ("need", mine.need != key.need),
            ("set", mine.set != key.set),
            ("size", mine.bytes != key.bytes),
        ];
        match differs.into_iter().find(|(_, differs)| *differs) {
            None => Ok(()),
            Some((field, _)) => Err(RecordError::Mismatch { field }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORED: &[u8] = include_bytes!("../../tests/integration/formats/record/v1.json");

    #[test]
    fn the_stored_record_of_version_1_reads_and_is_written_as_it_was() {
        let record = Record::read(STORED).unwrap();
        assert_eq!(String::from_utf8(record.write()).unwrap(), String::from_utf8(STORED.to_vec()).unwrap());
        let key = "20261123T020000123Z-full-mfrggzdfmztwq2lk_20261123T020007000Z_20261123T020000000Z_-_onsxi43fonsxi43f_1073741903";
        assert_eq!(record.catalog_key(1).to_string(), key);
        record.matches(&key.parse().unwrap()).unwrap();
        record.matches(&format!("{key}.r2").parse().unwrap()).unwrap();
    }

    #[test]
    fn what_was_added_to_version_1_reads_back_and_may_be_missing() {
        const RULES: &[u8] = include_bytes!("../../tests/integration/formats/record/v1-rules.json");
        let record = Record::read(RULES).unwrap();
        assert_eq!(String::from_utf8(record.write()).unwrap(), String::from_utf8(RULES.to_vec()).unwrap());
        assert_eq!(record.rules.map(|rules| rules.to_string()), Some("5e".repeat(32)));
        assert_eq!(Record { rules: None, ..record }, Record::read(STORED).unwrap());
    }

    #[test]
    fn a_record_under_another_name_is_refused_with_the_field_that_differs() {
        let record = Record::read(STORED).unwrap();
        let key = record.catalog_key(1);
        let other = Random::new([1; 10]);
        for (field, wrong) in [
            ("id", CatalogKey { id: ArtifactId::new(key.id.start(), key.id.capture(), other), ..key }),
            ("instant", CatalogKey { instant: key.id.start(), ..key }),
            ("slot", CatalogKey { slot: None, ..key }),
            ("need", CatalogKey { need: Some(other), ..key }),
            ("set", CatalogKey { set: None, ..key }),
            ("size", CatalogKey { bytes: 1, ..key }),
        ] {
            let Err(RecordError::Mismatch { field: found }) = record.matches(&wrong) else { panic!("{field} must be seen") };
            assert_eq!(found, field);
        }
    }

    #[test]
    fn unknown_fields_are_ignored_and_a_newer_major_is_refused_with_its_version() {
        let text = String::from_utf8(STORED.to_vec()).unwrap();
        let minor = text.replacen("\"1.0\"", "\"1.7\", \"weather\": {\"sky\": [1, 2]}", 1);
        assert_eq!(Record::read(minor.as_bytes()).unwrap().id, Record::read(STORED).unwrap().id);
        let major = text.replacen("\"1.0\"", "\"2.0\"", 1);
        assert!(matches!(Record::read(major.as_bytes()), Err(RecordError::TooNew { version }) if version == "2.0"));
    }

    #[test]
    fn a_record_that_is_nonsense_is_refused() {
        let text = String::from_utf8(STORED.to_vec()).unwrap();
        for (from, to) in [
            ("\"files.tar.zst.age\"", "\"../../owner/1.json\""),
            ("\"files.tar.zst.age\"", "\".hidden\""),
            ("\"files.tar.zst.age\"", "\"r2\""),
            ("\"files.tar.zst.age.002\"", "\"files.tar.zst.age\""),
            ("1073741824", "18446744073709551615"),
            ("1073741824", "-1"),
            ("\"run\"", "\"ran\""),
            ("\"full\"", "\"fool\""),
            (
                "\"warnings\": 2",
                "\"warnings\": 2, \"payload_of\": {\"series\": \"config\", \"id\": \"20261123T020000123Z-full-mfrggzdfmztwq2lk\"}",
            ),
        ] {
            let bad = text.replacen(from, to, 1);
            assert_ne!(bad, text, "{from} stands in the example");
            assert!(matches!(Record::read(bad.as_bytes()), Err(RecordError::Unreadable { .. })), "{from} -> {to}");
        }
        assert!(Record::read(&STORED[..STORED.len() / 2]).is_err());
    }
}
