//! The small documents of a store: its mark, claims, pins, checks and runs, and how any document is read. **[format]**
//!
//! All are JSON, indented, with a line end, and have a `format_version` of `<major>.<minor>`. A reader ignores fields it does not
//! know, whatever the minor version, and refuses a newer major before it looks at anything else: the error carries the version,
//! so that what is newer is never taken for damage. Times are RFC 3339 in UTC.

use std::fmt;
use std::str::FromStr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::layout::Verdict;
use crate::model::id::{ArtifactId, IdError, Instant, Name, Random};

/// The version of a document's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FormatVersion {
    /// Changes when an old reader would misread.
    pub major: u32,
    /// Changes when a field is added.
    pub minor: u32,
}

impl FormatVersion {
    /// What this program writes.
    pub const CURRENT: Self = Self { major: 1, minor: 0 };
}

impl fmt::Display for FormatVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for FormatVersion {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let number = |text: &str| super::key::canonical(text).and_then(|n| u32::try_from(n).ok());
        text.split_once('.')
            .and_then(|(major, minor)| Some(Self { major: number(major)?, minor: number(minor)? }))
            .ok_or_else(|| IdError { text: text.to_owned(), wanted: "a format version like 1.0" })
    }
}

impl TryFrom<String> for FormatVersion {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<FormatVersion> for String {
    fn from(version: FormatVersion) -> Self {
        version.to_string()
    }
}

/// Why a document cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// A newer program wrote it.
    #[error("its format is {version}, newer than the {} that this version reads", FormatVersion::CURRENT)]
    TooNew {
        /// The version it has.
        version: String,
    },
    /// It is no such document.
    #[error("it cannot be read: {why}")]
    Unreadable {
        /// What is wrong with it.
        why: String,
    },
    /// It is a document, of something else than its name says.
    #[error("its {field} is not what its name says")]
    Mismatch {
        /// The field that differs.
        field: &'static str,
    },
}

impl RecordError {
    pub(super) fn unreadable(why: impl fmt::Display) -> Self {
        Self::Unreadable { why: why.to_string() }
    }
}

/// Reads a document of any kind: its version first, then the rest.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, RecordError> {
    #[derive(Deserialize)]
    struct Head {
        format_version: FormatVersion,
    }
    let Head { format_version: version } = serde_json::from_slice(bytes).map_err(RecordError::unreadable)?;
    if version.major > FormatVersion::CURRENT.major {
        return Err(RecordError::TooNew { version: version.to_string() });
    }
    serde_json::from_slice(bytes).map_err(RecordError::unreadable)
}

/// The bytes of a document; equal documents have equal bytes.
pub fn write<T: Serialize>(document: &T) -> Vec<u8> {
    // fails only for maps whose keys are not text, and no document has one
    let mut bytes = serde_json::to_vec_pretty(document).expect("a document is JSON");
    bytes.push(b'\n');
    bytes
}

/// What makes a place a store: `lucid.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreMark {
    /// The version of the store's layout.
    pub format_version: FormatVersion,
    /// The identity of the store.
    pub uuid: String,
    /// When it was made.
    pub created: Instant,
}

impl StoreMark {
    /// The mark of a new store.
    pub fn new(random: [u8; 16], created: Instant) -> Self {
        Self { format_version: FormatVersion::CURRENT, uuid: uuid_v4(random), created }
    }
}

/// The claim of a host on an instance: `owner/<n>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerRecord {
    /// The version of this document.
    pub format_version: FormatVersion,
    /// The identity of the host.
    pub host: String,
    /// The host's name when it claimed, for people.
    pub hostname: String,
    /// When it claimed.
    pub at: Instant,
}

/// A pin on an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldRecord {
    /// The version of this document.
    pub format_version: FormatVersion,
    /// The pin's name.
    pub name: Name,
    /// Why, for people.
    pub reason: String,
    /// When it was set.
    pub created: Instant,
    /// Who set it.
    pub by: String,
}

/// The outcome of a verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckRecord {
    /// The version of this document.
    pub format_version: FormatVersion,
    /// The series.
    pub series: Name,
    /// The artifact.
    pub id: ArtifactId,
    /// The generation that was looked at.
    pub generation: u32,
    /// How deep: 0 presence, 1 stored bytes, 2 structure, 3 restored aside, 4 drilled.
    pub level: u8,
    /// What it found.
    pub result: Verdict,
    /// When it began.
    pub start: Instant,
    /// When it ended; stands in the key.
    pub end: Instant,
    /// The run that did it.
    pub run: Random,
    /// Sentences about what is wrong, or why it could not be run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
}

/// What a run did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The version of this document.
    pub format_version: FormatVersion,
    /// The run.
    pub run: Random,
    /// The host that ran it.
    pub host: String,
    /// When it began; stands in the key.
    pub start: Instant,
    /// When it ended.
    pub end: Instant,
    /// How it ended, as one word.
    pub outcome: String,
    /// What each step came to, as the report writes it.
    pub steps: Vec<serde_json::Value>,
    /// When this record may go.
    pub expires: Instant,
}

/// A random uuid (version 4) of sixteen random bytes.
pub fn uuid_v4(mut random: [u8; 16]) -> String {
    random[6] = random[6] & 0x0f | 0x40;
    random[8] = random[8] & 0x3f | 0x80;
    let n = u128::from_be_bytes(random);
    let field = |shift: u32, bits: u32| (n >> shift) & ((1_u128 << bits) - 1);
    format!("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", field(96, 32), field(80, 16), field(64, 16), field(48, 16), field(0, 48))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_of_version_4() {
        assert_eq!(uuid_v4([0xff; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(uuid_v4([0; 16]), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uuid_v4(*b"0123456789abcdef"), "30313233-3435-4637-b839-616263646566");
    }

    #[test]
    fn a_mark_reads_back_and_its_bytes_are_known() {
        let mark = StoreMark::new([7; 16], "2026-11-23T02:00:00.5Z".parse().unwrap());
        let bytes = write(&mark);
        let text = "{\n  \"format_version\": \"1.0\",\n  \"uuid\": \"07070707-0707-4707-8707-070707070707\",\n  \"created\": \"2026-11-23T02:00:00.500Z\"\n}\n";
        assert_eq!(String::from_utf8(bytes.clone()).unwrap(), text);
        assert_eq!(read::<StoreMark>(&bytes).unwrap(), mark);
    }

    #[test]
    fn a_newer_major_is_refused_by_version_before_anything_else_and_a_newer_minor_is_read() {
        let newer = br#"{"format_version": "2.1", "uuid": {"shape": "unknown"}}"#;
        let Err(RecordError::TooNew { version }) = read::<StoreMark>(newer) else { panic!("must be refused") };
        assert_eq!(version, "2.1");
        let minor = br#"{"format_version": "1.9", "uuid": "u", "created": "2026-01-01T00:00:00Z", "colour": "red"}"#;
        assert_eq!(read::<StoreMark>(minor).unwrap().uuid, "u");
        for nonsense in
            ["", "{}", "[]", r#"{"format_version": 1}"#, r#"{"format_version": "1"}"#, r#"{"format_version": "1.0", "uuid": 3}"#]
        {
            assert!(matches!(read::<StoreMark>(nonsense.as_bytes()), Err(RecordError::Unreadable { .. })), "{nonsense}");
        }
    }
}
