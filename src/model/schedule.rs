//! Schedules: when a policy is due. Stateless and monotone: the answer depends on the instant asked about and on nothing else.
//!
//! Fields are matched on civil time; the step to instants is ours, because the `cron` crate loses and repeats slots where clocks
//! change. A time in a gap happens at the first valid minute after it. A time that clocks show twice happens the first time only, and
//! both times if the minute or the hour field starts with a star. Slots that fall on one instant are one slot.

use std::fmt;

use chrono::{NaiveDateTime, TimeDelta, Timelike};

use super::crontab::Crontab;
pub use super::crontab::ScheduleError;
use super::id::Instant;
use super::zone::{Shown, Zone};

/// How far a change of the clocks can move a slot, and a little more: Apia once left out a whole day.
const REACH: TimeDelta = TimeDelta::hours(26);

/// A schedule: five fields of crontab(5).
#[derive(Clone)]
pub struct Schedule {
    text: String,
    fields: Crontab,
    /// Each on civil time, written as UTC; two where either day field may match.
    parts: Vec<cron::Schedule>,
}

impl Schedule {
    /// Reads five fields, or a shorthand such as `@daily`.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        let fields = Crontab::parse(text)?;
        let parts = fields
            .quartz()
            .iter()
            .map(|line| line.parse().map_err(|error| ScheduleError::new(format!("cannot be read ({error})"), None)))
            .collect::<Result<_, _>>()?;
        Ok(Self { text: text.trim().to_owned(), fields, parts })
    }

    /// The schedule as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first slot after `at`.
    pub fn next_after(&self, at: Instant, zone: Zone) -> Option<Instant> {
        let civil = zone.civil(at);
        let mut from = if changes_near(at, zone) { civil - REACH } else { civil - TimeDelta::seconds(1) };
        let mut best: Option<Instant> = None;
        while let Some(slot) = self.civil_after(from) {
            let (first, second) = self.instants(slot, zone);
            if best.is_some_and(|best| first >= best) {
                break;
            }
            for instant in std::iter::once(first).chain(second).filter(|instant| *instant > at) {
                best = Some(best.map_or(instant, |best| best.min(instant)));
            }
            // without a second pass, civil order is the order of instants
            if best.is_some() && !self.fields.follows_the_clock() {
                break;
            }
            from = slot;
        }
        best
    }

    /// The last slot at or before `at`.
    pub fn newest_at_or_before(&self, at: Instant, zone: Zone) -> Option<Instant> {
        let civil = zone.civil(at);
        if changes_near(at, zone) {
            let mut best: Option<Instant> = None;
            let mut from = civil - REACH;
            while let Some(slot) = self.civil_after(from).filter(|slot| *slot <= civil + REACH) {
                let (first, second) = self.instants(slot, zone);
                best = std::iter::once(first).chain(second).filter(|instant| *instant <= at).chain(best).max();
                from = slot;
            }
            if best.is_some() {
                return best;
            }
            return self.newest_of(self.civil_at_or_before(civil - REACH)?, at, zone);
        }
        self.newest_of(self.civil_at_or_before(civil)?, at, zone)
    }

    /// The slots after `at`, in order.
    pub fn after(&self, at: Instant, zone: Zone) -> impl Iterator<Item = Instant> + '_ {
        std::iter::successors(self.next_after(at, zone), move |slot| self.next_after(*slot, zone))
    }

    fn newest_of(&self, slot: NaiveDateTime, at: Instant, zone: Zone) -> Option<Instant> {
        let (first, second) = self.instants(slot, zone);
        second.filter(|instant| *instant <= at).or(Some(first).filter(|instant| *instant <= at))
    }

    /// The instants of a civil slot.
    fn instants(&self, slot: NaiveDateTime, zone: Zone) -> (Instant, Option<Instant>) {
        match zone.shown(slot) {
            Shown::Once(at) | Shown::Skipped(at) => (at, None),
            Shown::Twice(first, second) => (first, self.fields.follows_the_clock().then_some(second)),
        }
    }

    /// The first civil slot after a civil time.
    fn civil_after(&self, civil: NaiveDateTime) -> Option<NaiveDateTime> {
        self.parts.iter().filter_map(|part| part.after(&civil.and_utc()).next()).min().map(|slot| slot.naive_utc())
    }

    /// The last civil slot at or before a civil time.
    fn civil_at_or_before(&self, civil: NaiveDateTime) -> Option<NaiveDateTime> {
        // going back is exclusive of the second it starts from
        let from = civil.with_nanosecond(0).unwrap_or(civil) + TimeDelta::seconds(1);
        self.parts.iter().filter_map(|part| part.after(&from.and_utc()).next_back()).max().map(|slot| slot.naive_utc())
    }
}

/// Whether clocks change so near to `at` that civil order and the order of instants may differ.
fn changes_near(at: Instant, zone: Zone) -> bool {
    let offset = zone.offset(at);
    zone.offset(at - REACH) != offset || zone.offset(at + REACH) != offset
}

impl PartialEq for Schedule {
    /// Two schedules are equal if they fire at the same times, however they are written.
    fn eq(&self, other: &Self) -> bool {
        self.fields == other.fields
    }
}

impl Eq for Schedule {}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schedule({:?})", self.text)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}
