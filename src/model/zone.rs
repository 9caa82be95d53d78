//! Zones: civil time to instants and back.
//!
//! The zone is the manifest's; the process's own is never read. The rules are those compiled in (chrono-tz), so that a plan does not
//! depend on the host's files.

use std::fmt;
use std::str::FromStr;

use chrono::offset::LocalResult;
use chrono::{NaiveDateTime, Offset, TimeDelta, TimeZone, Timelike};
use serde::{Deserialize, Serialize};

use super::id::Instant;
use crate::finding::nearest;

/// An IANA zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone(chrono_tz::Tz);

/// A text is not a zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no time zone `{text}`")]
pub struct ZoneError {
    /// The text as given.
    pub text: String,
    /// The zone that was probably meant.
    pub near: Option<&'static str>,
}

/// The instants at which clocks show a civil time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Once, as on every other day.
    Once(Instant),
    /// Twice, because clocks were put back: the first and the second time.
    Twice(Instant, Instant),
    /// Never, because clocks were put forward: the first valid minute after the gap.
    Skipped(Instant),
}

impl Zone {
    /// UTC, under the name that manifests default to.
    pub const UTC: Self = Self(chrono_tz::Etc::UTC);

    /// Its IANA name.
    pub fn name(&self) -> &'static str {
        self.0.name()
    }

    /// What clocks in this zone show.
    pub fn civil(&self, at: Instant) -> NaiveDateTime {
        at.with_timezone(&self.0).naive_local()
    }

    /// How far clocks are ahead of UTC, in seconds.
    pub fn offset(&self, at: Instant) -> i32 {
        self.0.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc()
    }

    /// When clocks in this zone show that.
    pub fn shown(&self, civil: NaiveDateTime) -> Shown {
        match self.0.from_local_datetime(&civil) {
            LocalResult::Single(at) => Shown::Once(at.to_utc()),
            LocalResult::Ambiguous(one, other) => Shown::Twice(one.min(other).to_utc(), one.max(other).to_utc()),
            LocalResult::None => Shown::Skipped(self.after_gap(civil)),
        }
    }

    /// The first instant at or after which clocks show that civil time or a later one: starts of days, weeks and months.
    pub fn earliest(&self, civil: NaiveDateTime) -> Instant {
        match self.shown(civil) {
            Shown::Once(at) | Shown::Twice(at, _) | Shown::Skipped(at) => at,
        }
    }

    /// The first minute after the gap that swallows `civil`. Gaps are at most a day long (Apia left out 30 December 2011).
    fn after_gap(self, civil: NaiveDateTime) -> Instant {
        let minute = civil.with_second(0).and_then(|c| c.with_nanosecond(0)).unwrap_or(civil);
        let valid = |minutes: i64| self.0.from_local_datetime(&(minute + TimeDelta::minutes(minutes))).earliest();
        // doubling, then halving: inside of the gap nothing is valid, after it everything is
        let mut high = 1;
        while valid(high).is_none() && high < 4096 {
            high *= 2;
        }
        let mut low = high / 2;
        while high - low > 1 {
            let middle = i64::midpoint(low, high);
            if valid(middle).is_some() { high = middle } else { low = middle }
        }
        valid(high).map_or_else(|| civil.and_utc(), |at| at.to_utc())
    }
}

impl FromStr for Zone {
    type Err = ZoneError;

    fn from_str(text: &str) -> Result<Self, ZoneError> {
        text.parse().map(Self).map_err(|_| ZoneError {
            text: text.to_owned(),
            near: nearest(text, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()))
                .and_then(|near| chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()).find(|name| *name == near)),
        })
    }
}

impl TryFrom<String> for Zone {
    type Error = ZoneError;

    fn try_from(text: String) -> Result<Self, ZoneError> {
        text.parse()
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.name().to_owned()
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_end_at_their_first_valid_minute() {
        let table = [
            ("Europe/Berlin", "2026-03-29T02:00:00", "2026-03-29T01:00:00Z"),
            ("Europe/Berlin", "2026-03-29T02:59:00", "2026-03-29T01:00:00Z"),
            ("Pacific/Apia", "2011-12-30T00:00:00", "2011-12-30T10:00:00Z"),
            ("Pacific/Apia", "2011-12-30T23:59:00", "2011-12-30T10:00:00Z"),
            ("Australia/Lord_Howe", "2026-10-04T02:15:00", "2026-10-03T15:30:00Z"),
        ];
        for (zone, civil, expected) in table {
            let zone: Zone = zone.parse().unwrap();
            assert_eq!(zone.shown(civil.parse().unwrap()), Shown::Skipped(expected.parse().unwrap()), "{zone} {civil}");
        }
    }

    #[test]
    fn a_near_name_is_suggested() {
        assert_eq!("europe/berlin".parse::<Zone>().unwrap_err().near, Some("Europe/Berlin"));
        assert_eq!("Europe/Brelin".parse::<Zone>().unwrap_err().near, Some("Europe/Berlin"));
    }
}
