//! The artifacts of one series in one store.

use serde::{Deserialize, Serialize};

use crate::model::id::{ArtifactId, Instant, Random};

/// What a store lists of one series.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Every artifact that has a record, by id.
    pub artifacts: Vec<Artifact>,
    /// Payload without any record.
    pub orphans: Vec<Orphan>,
    /// Names in the catalogue that this version cannot read; while there are any, nothing here is deleted.
    pub unreadable: Vec<String>,
    /// Under which rules its newest artifact was made; none if its record was not read, as it is for a janitor only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writer: Option<Writer>,
}

/// Under which rules the newest artifact of a series was made, by its record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Writer {
    /// The record says it.
    Said {
        /// The artifact.
        id: ArtifactId,
        /// The digest of the manifest that it was made from.
        manifest_sha256: String,
        /// The digest of the rules that its manifest had for the series; none in records of earlier versions.
        rules: Option<String>,
    },
    /// The record could not be read: a sentence that says why.
    Unread {
        /// Why.
        message: String,
    },
}

/// One artifact: all generations of one id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Artifact {
    /// Its identity.
    pub id: ArtifactId,
    /// When its content was true.
    pub instant: Instant,
    /// The instant of the schedule that it satisfies.
    pub slot: Option<Instant>,
    /// The artifact that must be there for this one to restore: its parent or the owner of its bytes.
    pub need: Option<Random>,
    /// The set it belongs to.
    pub set: Option<Random>,
    /// Its generations, oldest first; at least one.
    pub generations: Vec<Generation>,
    /// Pins on it in this store.
    pub holds: Vec<Hold>,
    /// Until when the store will not give it up; none if it was not asked, or may go. Asked only of what would be deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked_until: Option<Instant>,
}

/// One writing of an artifact's bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// 1 for the capture or first copy, then 2, 3 for repairs.
    pub n: u32,
    /// Bytes of all its objects, as the key says.
    pub bytes: u64,
    /// Bytes of the largest of them; 0 if they were not listed.
    #[serde(default, skip_serializing_if = "is_unlisted")]
    pub largest: u64,
    /// What the listing shows of them.
    pub payload: Payload,
    /// An object of it is not encrypted, as its name says.
    #[serde(default)]
    pub readable: bool,
    /// The newest check of this generation.
    pub check: Option<Check>,
}

fn is_unlisted(largest: &u64) -> bool {
    *largest == 0
}

/// What a listing shows of a generation's objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Payload {
    /// Every object is there with its size.
    Complete,
    /// Objects are missing or have another size.
    Damaged,
}

/// The outcome of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// When it ended.
    pub at: Instant,
    /// How deep it went: 0 presence, 1 stored bytes, 2 structure, 3 restored aside, 4 drilled.
    pub level: u8,
    /// What it found.
    pub result: CheckResult,
}

/// What a verification found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckResult {
    /// All good down to its level.
    Pass,
    /// Damage.
    Fail,
    /// It could not be run.
    Unrun,
}

/// A pin that retention respects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Its name.
    pub name: String,
}

/// Payload that no record names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orphan {
    /// The folder's name, an artifact's id as a rule.
    pub id: String,
    /// The generation whose folder it is, 1 for the id's own.
    pub generation: u32,
    /// Every key in it.
    pub keys: Vec<String>,
    /// Their bytes.
    pub bytes: u64,
    /// The store's own time of the youngest of them.
    pub youngest: Instant,
    /// Whether it is known to be left by a run of this host that has ended.
    pub abandoned: bool,
    /// Until when the store will not give it up; none if it was not asked, or may go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked_until: Option<Instant>,
}

impl Artifact {
    /// Whether a generation is whole as far as anybody knows.
    pub fn listed_complete(&self) -> bool {
        self.generations.iter().any(Generation::usable)
    }

    /// The newest usable generation.
    pub fn usable_generation(&self) -> Option<&Generation> {
        self.generations.iter().rev().find(|g| g.usable())
    }

    /// The number that a repair would have.
    pub fn next_generation(&self) -> u32 {
        self.generations.iter().map(|g| g.n).max().unwrap_or(0) + 1
    }

    /// Whether somebody without a key could read a whole generation of it.
    pub fn readable(&self) -> bool {
        self.generations.iter().any(|g| g.usable() && g.readable)
    }

    /// Whether something else made it, before it came here: a capture ends after it began.
    pub fn adopted(&self) -> bool {
        self.slot.is_none() && self.instant < self.id.start()
    }

    /// Bytes of all generations.
    pub fn bytes(&self) -> u64 {
        self.generations.iter().map(|g| g.bytes).sum()
    }

    /// Whether a usable generation has passed a check of the stored bytes or deeper.
    pub fn verified(&self) -> bool {
        self.generations.iter().any(|g| g.usable() && g.check.is_some_and(|c| c.result == CheckResult::Pass && c.level >= 1))
    }
}

impl Generation {
    /// Listed complete and not known damaged.
    pub fn usable(&self) -> bool {
        self.payload == Payload::Complete && self.check.is_none_or(|c| c.result != CheckResult::Fail)
    }
}
