//! Names and identities. **[format]**
//!
//! A name is what an operator writes; an artifact's id is what the engine makes. Both stand in store keys, so their alphabet
//! and width are part of the format. Nothing here draws a random number or reads a clock: both come in as arguments.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate, Timelike, Utc};
use serde::{Deserialize, Serialize};

/// A point in time; the whole program speaks UTC and only schedules and buckets know zones.
pub type Instant = DateTime<Utc>;

/// Bytes of a stamp: `YYYYMMDDThhmmssmmmZ`, UTC to the millisecond, sorts as text.
pub const STAMP_LEN: usize = 19;
/// Bytes of the random part of an id: 80 bits in base32.
pub const RANDOM_LEN: usize = 16;
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Why a text is not a name, an id or a stamp.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {wanted}")]
pub struct IdError {
    /// The text as given.
    pub text: String,
    /// What it should have been, as a noun phrase.
    pub wanted: &'static str,
}

impl IdError {
    fn new(text: &str, wanted: &'static str) -> Self {
        Self { text: text.to_owned(), wanted }
    }
}

/// A name from the manifest: `[a-z0-9][a-z0-9-]{0,62}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// The pattern that a name matches, for schemas and messages.
    pub const PATTERN: &str = "^[a-z0-9][a-z0-9-]{0,62}$";

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let bytes = text.as_bytes();
        let good = (1..=63).contains(&bytes.len())
            && bytes[0] != b'-'
            && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-');
        if good { Ok(Self(text.to_owned())) } else { Err(IdError::new(text, "a name: a-z, 0-9 and -, at most 63, not starting with -")) }
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The random part of an id: 16 letters of lower-case base32 (RFC 4648 alphabet), 80 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Random([u8; RANDOM_LEN]);

impl Random {
    /// Ten random bytes as sixteen letters.
    pub fn new(bytes: [u8; 10]) -> Self {
        let mut bits = [0_u8; 16];
        bits[6..].copy_from_slice(&bytes);
        let mut number = u128::from_be_bytes(bits);
        let mut letters = [0_u8; RANDOM_LEN];
        for letter in letters.iter_mut().rev() {
            *letter = BASE32[usize::from((number & 31) as u8)];
            number >>= 5;
        }
        Self(letters)
    }

    /// The letters as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for Random {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        match <[u8; RANDOM_LEN]>::try_from(text.as_bytes()) {
            Ok(letters) if letters.iter().all(|b| BASE32.contains(b)) => Ok(Self(letters)),
            _ => Err(IdError::new(text, "16 letters of lower-case base32")),
        }
    }
}

impl TryFrom<String> for Random {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<Random> for String {
    fn from(random: Random) -> Self {
        random.as_str().to_owned()
    }
}

impl fmt::Display for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a capture takes of its source. Stands in ids, so its text is at most nine bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capture {
    /// All of the source.
    Full,
}

impl Capture {
    /// Every capture this version makes or reads.
    pub const ALL: [Self; 1] = [Self::Full];

    /// The word in ids and manifests.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
        }
    }
}

impl FromStr for Capture {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::ALL.into_iter().find(|c| c.as_str() == text).ok_or_else(|| IdError::new(text, "a capture that this version knows"))
    }
}

impl fmt::Display for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The identity of an artifact: `<start>-<capture>-<random>`, for example
/// `20261123T020000123Z-full-mfrggzdfmztwq2lk`. Sorts by start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ArtifactId {
    start: Instant,
    capture: Capture,
    random: Random,
}

impl ArtifactId {
    /// An id from its parts; `start` is cut to whole milliseconds.
    pub fn new(start: Instant, capture: Capture, random: Random) -> Self {
        Self { start: to_millis(start), capture, random }
    }

    /// When the capture began.
    pub fn start(&self) -> Instant {
        self.start
    }

    /// What was captured.
    pub fn capture(&self) -> Capture {
        self.capture
    }

    /// The part that other keys refer to.
    pub fn random(&self) -> Random {
        self.random
    }
}

impl fmt::Display for ArtifactId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}-{}-{}", stamp(self.start), self.capture, self.random))
    }
}

impl FromStr for ArtifactId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let wrong = || IdError::new(text, "an artifact's id (<start>-<capture>-<16 letters>)");
        if !text.is_ascii() || text.len() < STAMP_LEN + 2 + RANDOM_LEN {
            return Err(wrong());
        }
        let (start, rest) = text.split_at(STAMP_LEN);
        let (middle, random) = rest.split_at(rest.len() - RANDOM_LEN);
        let capture = middle.strip_prefix('-').and_then(|m| m.strip_suffix('-')).ok_or_else(wrong)?;
        Ok(Self {
            start: parse_stamp(start).map_err(|_| wrong())?,
            capture: capture.parse().map_err(|_| wrong())?,
            random: random.parse().map_err(|_| wrong())?,
        })
    }
}

impl TryFrom<String> for ArtifactId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<ArtifactId> for String {
    fn from(id: ArtifactId) -> Self {
        id.to_string()
    }
}

/// The instant as it stands in ids and keys.
pub fn stamp(at: Instant) -> String {
    let at = to_millis(at);
    let (date, time, millis) = (at.date_naive(), at.time(), at.timestamp_subsec_millis());
    format!("{:04}{:02}{:02}T{:02}{:02}{:02}{millis:03}Z", date.year(), date.month(), date.day(), time.hour(), time.minute(), time.second())
}

/// Reads what [`stamp`] wrote, and only that. By hand: a catalogue of 100,000 names holds three times as many stamps.
pub fn parse_stamp(text: &str) -> Result<Instant, IdError> {
    read_stamp(text.as_bytes()).ok_or_else(|| IdError::new(text, "an instant like 20261123T020000123Z"))
}

fn read_stamp(text: &[u8]) -> Option<Instant> {
    if text.len() != STAMP_LEN || text[8] != b'T' || text[18] != b'Z' {
        return None;
    }
    let number = |range: std::ops::Range<usize>| {
        text[range].iter().try_fold(0_u32, |sum, b| b.is_ascii_digit().then(|| sum * 10 + u32::from(b - b'0')))
    };
    let date = NaiveDate::from_ymd_opt(i32::try_from(number(0..4)?).ok()?, number(4..6)?, number(6..8)?)?;
    Some(date.and_hms_milli_opt(number(9..11)?, number(11..13)?, number(13..15)?, number(15..18)?)?.and_utc())
}

/// The instant without what a stamp cannot hold.
pub fn to_millis(at: Instant) -> Instant {
    DateTime::from_timestamp_millis(at.timestamp_millis()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_splits_by_width() {
        let start = "2026-11-23T02:00:00.123456Z".parse::<Instant>().unwrap();
        let id = ArtifactId::new(start, Capture::Full, Random::new([0xff; 10]));
        assert_eq!(id.to_string(), "20261123T020000123Z-full-7777777777777777");
        assert_eq!(id.to_string().parse::<ArtifactId>().unwrap(), id);
        assert_eq!(Random::new([0; 10]).as_str(), "aaaaaaaaaaaaaaaa");
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in [
            "",
            "20261123T020000123Z-full-777777777777777",
            "20261323T020000123Z-full-7777777777777777",
            "20261123T020000123Z-fool-7777777777777777",
            "20261123T020000123Z-full-777777777777777A",
            "é0261123T020000123Z-full-7777777777777777",
        ] {
            assert!(text.parse::<ArtifactId>().is_err(), "{text}");
        }
    }

    #[test]
    fn names_are_narrow() {
        for good in ["a", "0", "mongodb-full", &"a".repeat(63)] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "A", "a_b", "a.b", "a/b", &"a".repeat(64)] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }
}
