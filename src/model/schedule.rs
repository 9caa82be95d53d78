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
        let mut from = civil - shift_near(at, zone) - TimeDelta::seconds(1);
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
        let shift = shift_near(at, zone);
        if shift > TimeDelta::zero() {
            let mut best: Option<Instant> = None;
            let mut from = civil - shift - TimeDelta::seconds(1);
            let oldest = from;
            while let Some(slot) = self.civil_after(from).filter(|slot| *slot <= civil + shift) {
                let (first, second) = self.instants(slot, zone);
                best = std::iter::once(first).chain(second).filter(|instant| *instant <= at).chain(best).max();
                from = slot;
            }
            if best.is_some() {
                return best;
            }
            return self.newest_of(self.civil_at_or_before(oldest)?, at, zone);
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

/// How far clocks move near `at`: civil order and the order of instants differ by no more than that.
fn shift_near(at: Instant, zone: Zone) -> TimeDelta {
    let offsets = [zone.offset(at - REACH), zone.offset(at), zone.offset(at + REACH)];
    let [low, high] = [offsets.iter().min(), offsets.iter().max()].map(|offset| offset.copied().unwrap_or(0));
    TimeDelta::seconds(i64::from(high - low))
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

#[cfg(test)]
mod tests {
    use chrono::{Datelike, TimeZone, Utc};

    use super::*;

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    /// Instants up to and without the minute, as `DDTHH:MM` in UTC.
    fn slots(text: &str, zone: &str, from: &str, n: usize) -> Vec<String> {
        let schedule = Schedule::parse(text).unwrap();
        schedule.after(at(from), zone.parse().unwrap()).take(n).map(|slot| slot.format("%dT%H:%M").to_string()).collect()
    }

    #[test]
    fn changes_of_clocks_lose_no_slot_and_repeat_none() {
        let table: [(&str, &str, &str, &[&str]); 12] = [
            // Berlin, 29 March 2026: 02:00 to 03:00 does not exist
            ("30 2 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z", &["28T01:30", "29T01:00", "30T00:30"]),
            ("0,30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", &["29T01:00", "30T00:00", "30T00:30"]),
            ("30 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", &["29T01:00", "29T01:30", "30T00:30"]),
            ("0 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", &["29T01:00", "30T00:00", "30T01:00"]),
            // Berlin, 25 October 2026: 02:00 to 03:00 exists twice
            ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", &["25T00:30", "26T01:30"]),
            ("0,30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", &["25T00:00", "25T00:30", "26T01:00"]),
            ("*/30 * * * *", "Europe/Berlin", "2026-10-24T23:45:00Z", &["25T00:00", "25T00:30", "25T01:00", "25T01:30", "25T02:00"]),
            ("*/30 2 * * *", "Europe/Berlin", "2026-10-24T23:45:00Z", &["25T00:00", "25T00:30", "25T01:00", "25T01:30", "26T01:00"]),
            ("15 * * * *", "Europe/Berlin", "2026-10-24T23:20:00Z", &["25T00:15", "25T01:15", "25T02:15"]),
            // Apia left out 30 December 2011
            ("0 12 * * *", "Pacific/Apia", "2011-12-29T00:00:00Z", &["29T22:00", "30T10:00", "30T22:00"]),
            // Lord Howe moves by half an hour
            ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", &["03T15:30", "04T15:15"]),
            ("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z", &["04T14:45", "05T15:15"]),
        ];
        for (text, zone, from, expected) in table {
            assert_eq!(slots(text, zone, from, expected.len()), expected, "{text} in {zone}");
        }
    }

    #[test]
    fn the_newest_slot_is_found_however_long_ago_it_was() {
        let table = [
            ("0 0 29 2 *", "2028-02-28T23:59:59Z", "2024-02-29T00:00:00Z"),
            ("0 0 29 2 *", "2028-02-29T00:00:00Z", "2028-02-29T00:00:00Z"),
            ("0 0 29 2 *", "2104-02-29T00:00:01Z", "2096-02-29T00:00:00Z"),
            ("0 2 * * *", "2026-11-23T02:00:00Z", "2026-11-23T02:00:00Z"),
            ("0 2 * * *", "2026-11-23T02:00:00.5Z", "2026-11-23T02:00:00Z"),
            ("0 2 * * *", "2026-11-23T01:59:59.9Z", "2026-11-22T02:00:00Z"),
            ("0 0 13 * 5", "2026-11-23T01:59:59Z", "2026-11-20T00:00:00Z"),
            ("0 0 31 12 *", "2026-12-30T00:00:00Z", "2025-12-31T00:00:00Z"),
        ];
        for (text, now, expected) in table {
            let found = Schedule::parse(text).unwrap().newest_at_or_before(at(now), Zone::UTC);
            assert_eq!(found, Some(at(expected)), "{text} at {now}");
        }
    }

    /// A crontab that shares nothing with the code above: it matches one civil minute, field by field, as Vixie's cron does.
    struct Model {
        fields: Vec<(bool, Vec<u32>)>,
    }

    impl Model {
        fn matches(&self, civil: NaiveDateTime) -> bool {
            let has = |n: usize, number: u32| self.fields[n].1.contains(&number);
            let weekday = civil.weekday().num_days_from_sunday();
            let by_weekday = has(4, weekday) || (weekday == 0 && has(4, 7));
            let by_day = has(2, civil.day());
            let day = if self.fields[2].0 || self.fields[4].0 { by_day && by_weekday } else { by_day || by_weekday };
            has(0, civil.minute()) && has(1, civil.hour()) && has(3, civil.month()) && day
        }

        /// Whether a slot falls on that minute, seen from the instants: what do clocks show now, and what did they leave out?
        fn fires(&self, minute: Instant, zone: chrono_tz::Tz) -> bool {
            let civil = |at: Instant| at.with_timezone(&zone).naive_local();
            let (now, before) = (civil(minute), civil(minute - TimeDelta::minutes(1)));
            let skipped = (now - before).num_minutes();
            if skipped > 1 && (1..skipped).any(|n| self.matches(before + TimeDelta::minutes(n))) {
                return true;
            }
            let again = zone.from_local_datetime(&now).earliest().is_none_or(|first| first.to_utc() != minute);
            self.matches(now) && (!again || self.fields[0].0 || self.fields[1].0)
        }
    }

    /// Numbers without a crate: the same expressions on every run.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, sides: u32) -> u32 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            u32::try_from(self.0 >> 33).unwrap() % sides
        }

        /// A field as text and as the model's list.
        fn field(&mut self, low: u32, high: u32, rare: bool) -> (String, (bool, Vec<u32>)) {
            match self.roll(if rare { 12 } else { 7 }) {
                0 => {
                    let step = self.roll(high.min(20)) + 1;
                    let top = if high == 7 { 6 } else { high };
                    (format!("*/{step}"), (true, (low..=top).step_by(step as usize).collect()))
                }
                1 | 2 => {
                    let mut list: Vec<u32> = (0..=self.roll(3)).map(|_| low + self.roll(high - low + 1)).collect();
                    let text = list.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
                    list.sort_unstable();
                    (text, (false, list))
                }
                3 | 4 => {
                    let (one, other) = (low + self.roll(high - low + 1), low + self.roll(high - low + 1));
                    let (first, last, step) = (one.min(other), one.max(other), self.roll(3) + 1);
                    (format!("{first}-{last}/{step}"), (false, (first..=last).step_by(step as usize).collect()))
                }
                _ => ("*".to_owned(), (true, (low..=high).collect())),
            }
        }
    }

    #[test]
    fn thousands_of_random_crontabs_agree_with_a_brute_force_model() {
        // middles of windows: changes of clocks, and quiet days
        let places = [
            ("Europe/Berlin", "2026-03-29T01:00:00Z"),
            ("Europe/Berlin", "2026-10-25T01:00:00Z"),
            ("America/New_York", "2026-11-01T06:00:00Z"),
            ("America/Sao_Paulo", "2018-11-04T03:00:00Z"),
            ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
            ("Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
            ("Pacific/Apia", "2011-12-30T10:00:00Z"),
            ("Asia/Kolkata", "2024-02-29T00:00:00Z"),
            ("Etc/UTC", "2025-12-31T23:00:00Z"),
        ];
        let mut dice = Dice(2026);
        let mut compared = 0;
        for n in 0..2200_usize {
            let (name, middle) = places[n % places.len()];
            let (zone, tz): (Zone, chrono_tz::Tz) = (name.parse().unwrap(), name.parse().unwrap());
            let parts = [
                dice.field(0, 59, false),
                dice.field(0, 23, false),
                dice.field(1, 31, true),
                dice.field(1, 12, true),
                dice.field(0, 7, true),
            ];
            let text = parts.each_ref().map(|part| part.0.as_str()).join(" ");
            let Ok(schedule) = Schedule::parse(&text) else { continue };
            let model = Model { fields: parts.map(|part| part.1).into() };
            if name == "Pacific/Apia" && model.fields[0].1.len() > 4 {
                // a day is left out there, and a dense schedule has a thousand slots in it: slow without showing more
                continue;
            }
            let hours = if n % 40 == 0 { 27 } else { 2 };
            let start = at(middle) - TimeDelta::hours(hours);
            let minutes: Vec<Instant> = (0..hours * 120).map(|m| start + TimeDelta::minutes(m)).collect();
            let expected: Vec<Instant> = minutes.iter().copied().filter(|minute| model.fires(*minute, tz)).collect();
            let (first, last) = (minutes[0], minutes[minutes.len() - 1]);
            let found: Vec<Instant> = schedule.after(first - TimeDelta::seconds(1), zone).take_while(|slot| *slot <= last).collect();
            assert_eq!(found, expected, "`{text}` in {name} around {middle}");
            for minute in minutes.iter().step_by(37).chain(expected.iter().step_by(1 + expected.len() / 20)) {
                let newest = expected.iter().copied().filter(|slot| slot <= minute).max();
                let answer = schedule.newest_at_or_before(*minute, zone);
                match newest {
                    Some(newest) => assert_eq!(answer, Some(newest), "`{text}` in {name}, newest at {minute}"),
                    None => assert!(answer.is_none_or(|slot| slot < first), "`{text}` in {name}, newest at {minute}: {answer:?}"),
                }
                compared += 1;
            }
        }
        assert!(compared > 20_000, "{compared}");
    }

    #[test]
    fn going_back_and_going_on_agree_over_years() {
        let mut dice = Dice(7);
        for _ in 0..200 {
            let parts = [
                dice.field(0, 59, false),
                dice.field(0, 23, false),
                dice.field(1, 31, true),
                dice.field(1, 12, false),
                dice.field(0, 7, true),
            ];
            let text = parts.each_ref().map(|part| part.0.as_str()).join(" ");
            let Ok(schedule) = Schedule::parse(&text) else { continue };
            let zone: Zone = "Europe/Berlin".parse().unwrap();
            let now = Utc.timestamp_opt(1_600_000_000 + i64::from(dice.roll(400_000_000)), 0).unwrap();
            let next = schedule.next_after(now, zone).unwrap();
            let newest = schedule.newest_at_or_before(now, zone).unwrap();
            assert!(newest <= now && now < next, "{text}");
            assert_eq!(schedule.next_after(newest, zone), Some(next), "{text}: nothing between {newest} and {next}");
            assert_eq!(schedule.newest_at_or_before(next, zone), Some(next), "{text}");
            assert_eq!(schedule.newest_at_or_before(next - TimeDelta::seconds(1), zone), Some(newest), "{text}");
        }
    }
}
