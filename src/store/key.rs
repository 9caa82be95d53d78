//! The name of a record, which holds all that a plan needs of it. **[format]**
//!
//! `<id>_<instant>_<slot or ->_<need or ->_<set or ->_<bytes>[.r<n>]`, and `.json` after it in the store. A listing of the
//! catalogue is thereby a plan's whole knowledge of it; no record is read. Only what [`CatalogKey`] writes is read back: no
//! leading zeros, no `.r1`, no missing field, so that one artifact has one name. What it does not know is refused, not guessed.
//!
//! - `instant`: when the content was true. `slot`: the instant of the schedule that it satisfies; `-` satisfies nothing.
//! - `need`: the random part of the artifact without which this one does not restore: its parent, or the owner of its bytes, and
//!   then `bytes` is 0.
//! - `set`: the random part of the set's id.
//! - `bytes`: of all objects of this generation, index included. `.r<n>`: the generation, from 2 on.

use std::fmt;
use std::str::FromStr;

use crate::model::id::{ArtifactId, IdError, Instant, Random, parse_stamp, stamp};

/// What follows the key in the name of the record.
pub const RECORD_SUFFIX: &str = ".json";

/// The name of a record, without `.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CatalogKey {
    /// The artifact.
    pub id: ArtifactId,
    /// When its content was true.
    pub instant: Instant,
    /// The instant of the schedule that it satisfies.
    pub slot: Option<Instant>,
    /// The random part of what it needs.
    pub need: Option<Random>,
    /// The random part of its set.
    pub set: Option<Random>,
    /// Bytes of all objects of this generation.
    pub bytes: u64,
    /// 1, or the number of the repair.
    pub generation: u32,
}

impl CatalogKey {
    /// The name of the record's file.
    pub fn file_name(&self) -> String {
        format!("{self}{RECORD_SUFFIX}")
    }

    /// Reads the name of a record's file.
    pub fn from_file_name(name: &str) -> Result<Self, IdError> {
        name.strip_suffix(RECORD_SUFFIX).and_then(read).ok_or_else(|| wrong(name))
    }
}

impl fmt::Display for CatalogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}_", self.id, stamp(self.instant))?;
        match self.slot {
            Some(slot) => write!(f, "{}_", stamp(slot))?,
            None => f.write_str("-_")?,
        }
        for random in [self.need, self.set] {
            f.write_str(random.as_ref().map_or("-", Random::as_str))?;
            f.write_str("_")?;
        }
        write!(f, "{}", self.bytes)?;
        if self.generation > 1 { write!(f, ".r{}", self.generation) } else { Ok(()) }
    }
}

impl FromStr for CatalogKey {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        read(text).ok_or_else(|| wrong(text))
    }
}

fn wrong(text: &str) -> IdError {
    IdError { text: text.to_owned(), wanted: "the name of a record (<id>_<instant>_<slot>_<need>_<set>_<bytes>)" }
}

fn read(text: &str) -> Option<CatalogKey> {
    let mut fields = text.split('_');
    let id = fields.next()?.parse().ok()?;
    let instant = parse_stamp(fields.next()?).ok()?;
    let slot = given(fields.next()?).map(parse_stamp).transpose().ok()?;
    let need = given(fields.next()?).map(str::parse).transpose().ok()?;
    let set = given(fields.next()?).map(str::parse).transpose().ok()?;
    let last = fields.next()?;
    if fields.next().is_some() {
        return None;
    }
    let (bytes, generation) = match last.split_once(".r") {
        None => (last, 1),
        Some((bytes, n)) => (bytes, canonical(n).and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 1)?),
    };
    Some(CatalogKey { id, instant, slot, need, set, bytes: canonical(bytes)?, generation })
}

fn given(text: &str) -> Option<&str> {
    if text == "-" { None } else { Some(text) }
}

/// A number as `Display` writes it: digits, no leading zero.
pub(super) fn canonical(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::*;

    use super::*;
    use crate::model::id::Capture;

    fn instants() -> impl Strategy<Value = Instant> {
        (0_i64..7_258_118_400_000).prop_map(|millis| DateTime::from_timestamp_millis(millis).unwrap())
    }

    fn randoms() -> impl Strategy<Value = Random> {
        any::<[u8; 10]>().prop_map(Random::new)
    }

    fn keys() -> impl Strategy<Value = CatalogKey> {
        let options = (prop::option::of(instants()), prop::option::of(randoms()), prop::option::of(randoms()));
        (instants(), randoms(), instants(), options, any::<u64>(), 1_u32..).prop_map(
            |(start, random, instant, (slot, need, set), bytes, generation)| CatalogKey {
                id: ArtifactId::new(start, Capture::Full, random),
                instant,
                slot,
                need,
                set,
                bytes,
                generation,
            },
        )
    }

    proptest! {
        #[test]
        fn a_key_reads_back_as_it_was_written(key in keys()) {
            let text = key.to_string();
            prop_assert_eq!(text.parse::<CatalogKey>().unwrap(), key);
            prop_assert_eq!(CatalogKey::from_file_name(&key.file_name()).unwrap(), key);
            prop_assert!(key.file_name().len() <= 255);
        }

        #[test]
        fn whatever_reads_is_written_the_same(text in "[0-9TZ]{19}-full-[a-z2-7]{16}_2026[0-9]{4}T[0-9]{9}Z_-_-_-_0?[0-9]{1,3}(\\.r[0-9]{1,2})?") {
            if let Ok(key) = text.parse::<CatalogKey>() {
                prop_assert_eq!(key.to_string(), text);
            }
        }

        #[test]
        fn one_changed_letter_never_reads_as_the_same_key(key in keys(), at in any::<prop::sample::Index>(), letter in "[ -~]") {
            let mut text = key.to_string();
            let at = at.index(text.len());
            text.replace_range(at..=at, &letter);
            if let Ok(read) = text.parse::<CatalogKey>() {
                prop_assert_eq!(read.to_string(), text);
            }
        }
    }

    #[test]
    fn a_key_is_what_the_design_says() {
        let at = |text: &str| text.parse::<Instant>().unwrap();
        let key = CatalogKey {
            id: ArtifactId::new(at("2026-11-23T02:00:00.123Z"), Capture::Full, Random::new([1; 10])),
            instant: at("2026-11-23T02:00:07Z"),
            slot: Some(at("2026-11-23T02:00:00Z")),
            need: None,
            set: Some(Random::new([0; 10])),
            bytes: 1_234,
            generation: 2,
        };
        let text = "20261123T020000123Z-full-aeaqcaibaeaqcaib_20261123T020007000Z_20261123T020000000Z_-_aaaaaaaaaaaaaaaa_1234.r2";
        assert_eq!(key.to_string(), text);
        assert_eq!(text.parse::<CatalogKey>().unwrap(), key);
    }

    #[test]
    fn another_spelling_of_a_key_is_refused() {
        let good = "20261123T020000123Z-full-aeaqcaibaeaqcaib_20261123T020007000Z_-_-_-_12";
        assert!(good.parse::<CatalogKey>().is_ok());
        let long = format!("{good}_-");
        for bad in [
            &good.replace("_12", "_012"),
            &good.replace("_12", "_+12"),
            &good.replace("_12", "_"),
            &good.replace("_12", "_12.r1"),
            &good.replace("_12", "_12.r02"),
            &good.replace("_12", "_12.r"),
            &good.replace("_12", "_12.r4294967296"),
            &good.replace("_12", "_18446744073709551616"),
            &good.replace("_-_-_-", "_-_-"),
            &good.replace("_-_-_-", "___"),
            &good.replace("07000Z", "60000Z"),
            &long,
        ] {
            assert!(bad.parse::<CatalogKey>().is_err(), "{bad}");
        }
        assert!(CatalogKey::from_file_name(good).is_err());
    }
}
