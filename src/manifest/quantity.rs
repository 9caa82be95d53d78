//! Durations and sizes as written: a whole number with an explicit unit.
//!
//! Months and years are calendar time and stay apart from seconds until they are counted back from an instant. What is refused: bare
//! numbers, fractions, blanks, and `m`, which may be minutes or months.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Months, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// What a duration looks like; the parser accepts exactly this.
pub(super) const DURATION_PATTERN: &str = "^([1-9][0-9]{0,6}(s|min|h|d|w|mo|y))+$";
/// What a size looks like; the parser accepts exactly this.
pub(super) const SIZE_PATTERN: &str = "^[1-9][0-9]{0,6}(B|KiB|MiB|GiB|TiB|kB|MB|GB|TB)$";

/// A length of time: calendar months and seconds. Never zero when it was read from a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Period {
    /// Calendar months: what `mo` and `y` count.
    pub months: u32,
    /// Seconds: what all other units count.
    pub seconds: u64,
}

/// Why a text is not a duration or a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {noun}: {reason}")]
pub struct QuantityError {
    /// The text as given.
    pub text: String,
    /// "duration" or "size".
    pub noun: &'static str,
    /// What is wrong with it.
    pub reason: String,
    /// What could have been meant.
    pub help: String,
}

/// A unit: its name, its months, its seconds.
const UNITS: [(&str, u32, u64); 7] =
    [("s", 0, 1), ("min", 0, 60), ("h", 0, 3600), ("d", 0, 86_400), ("w", 0, 604_800), ("mo", 1, 0), ("y", 12, 0)];

const SIZES: [(&str, u64); 9] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

impl Period {
    /// A period of whole seconds.
    pub const fn from_seconds(seconds: u64) -> Self {
        Self { months: 0, seconds }
    }

    /// The instant this long before `at`; the beginning of time if there is none.
    pub fn before(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        at.checked_sub_months(Months::new(self.months))
            .and_then(|at| at.checked_sub_signed(self.delta()?))
            .unwrap_or(DateTime::<Utc>::MIN_UTC)
    }

    /// The instant this long after `at`; the end of time if there is none.
    pub fn after(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        at.checked_add_months(Months::new(self.months))
            .and_then(|at| at.checked_add_signed(self.delta()?))
            .unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// Seconds, with months as long as they can be (31 days): for comparisons that must not promise too much.
    pub fn at_most_seconds(&self) -> u64 {
        self.seconds.saturating_add(u64::from(self.months).saturating_mul(31 * 86_400))
    }

    fn delta(self) -> Option<TimeDelta> {
        TimeDelta::try_seconds(i64::try_from(self.seconds).ok()?)
    }
}

impl FromStr for Period {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let wrong = |reason: &str, help: String| QuantityError { text: text.to_owned(), noun: "duration", reason: reason.to_owned(), help };
        let usual = || "write a whole number and a unit: s, min, h, d, w, mo, y, as in \"30d\"".to_owned();
        let mut period = Self { months: 0, seconds: 0 };
        let mut rest = text;
        if rest.is_empty() {
            return Err(wrong("it is empty", usual()));
        }
        while !rest.is_empty() {
            let (number, after) = number(rest).map_err(|reason| wrong(reason, usual()))?;
            let letters = after.len() - after.trim_start_matches(|c: char| !c.is_ascii_digit()).len();
            let (unit, next) = after.split_at(letters);
            let Some((_, months, seconds)) = UNITS.iter().find(|(name, ..)| *name == unit) else {
                return Err(match unit {
                    "m" => wrong("`m` may be minutes or months", format!("write \"{number}min\" or \"{number}mo\"")),
                    "" => wrong("it has no unit", usual()),
                    _ => wrong(&format!("no unit `{unit}`"), usual()),
                });
            };
            period.months = period.months.saturating_add(months.saturating_mul(u32::try_from(number).unwrap_or(u32::MAX)));
            period.seconds = period.seconds.saturating_add(seconds.saturating_mul(number));
            rest = next;
        }
        Ok(period)
    }
}

/// Splits a positive number of at most seven digits from the front.
fn number(text: &str) -> Result<(u64, &str), &'static str> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, rest) = text.split_at(digits);
    match number.parse::<u64>() {
        _ if number.is_empty() => Err("it does not start with a number"),
        _ if number.starts_with('0') => Err("a number starts with 1 to 9"),
        _ if digits > 7 => Err("a number has at most seven digits"),
        Ok(n) => Ok((n, rest)),
        Err(_) => Err("the number cannot be read"),
    }
}

impl TryFrom<String> for Period {
    type Error = QuantityError;

    fn try_from(text: String) -> Result<Self, QuantityError> {
        text.parse()
    }
}

impl From<Period> for String {
    fn from(period: Period) -> Self {
        period.to_string()
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let months = match self.months {
            0 => String::new(),
            n if n.is_multiple_of(12) => format!("{}y", n / 12),
            n => format!("{n}mo"),
        };
        let seconds = if self.seconds > 0 || self.months == 0 {
            let (unit, length) = [("d", 86_400), ("h", 3600), ("min", 60)]
                .into_iter()
                .find(|(_, length)| self.seconds > 0 && self.seconds.is_multiple_of(*length))
                .unwrap_or(("s", 1));
            format!("{}{unit}", self.seconds / length)
        } else {
            String::new()
        };
        f.pad(&(months + &seconds))
    }
}

/// Bytes of a size such as `16GiB`.
pub fn parse_size(text: &str) -> Result<u64, QuantityError> {
    let help = "write a whole number and a unit: KiB, MiB, GiB, TiB or kB, MB, GB, TB, as in \"50GiB\"".to_owned();
    let wrong = |reason: String| QuantityError { text: text.to_owned(), noun: "size", reason, help: help.clone() };
    let (number, unit) = number(text).map_err(|reason| wrong(reason.to_owned()))?;
    let Some((_, bytes)) = SIZES.iter().find(|(name, _)| *name == unit) else {
        return Err(wrong(if unit.is_empty() { "it has no unit".to_owned() } else { format!("no unit `{unit}`") }));
    };
    number.checked_mul(*bytes).ok_or_else(|| wrong("it is too large".to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_read_as_written_and_print_in_one_way() {
        let table = [
            ("30d", 0, 30 * 86_400, "30d"),
            ("1w", 0, 604_800, "7d"),
            ("26h", 0, 93_600, "26h"),
            ("90min", 0, 5_400, "90min"),
            ("1d12h", 0, 129_600, "36h"),
            ("12mo", 12, 0, "1y"),
            ("1y6mo", 18, 0, "18mo"),
            ("1mo1s", 1, 1, "1mo1s"),
        ];
        for (text, months, seconds, shown) in table {
            let period: Period = text.parse().unwrap();
            assert_eq!(period, Period { months, seconds }, "{text}");
            assert_eq!(period.to_string(), shown);
            assert_eq!(shown.parse::<Period>().unwrap(), period);
        }
    }

    #[test]
    fn a_bare_m_is_refused_with_both_readings() {
        let error = "5m".parse::<Period>().unwrap_err();
        assert_eq!(error.help, "write \"5min\" or \"5mo\"");
        assert!("5M".parse::<Period>().is_err());
    }

    #[test]
    fn months_are_counted_on_the_calendar() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let month: Period = "1mo".parse().unwrap();
        assert_eq!(month.before(at("2026-03-31T02:00:00Z")), at("2026-02-28T02:00:00Z"));
        let age: Period = "9999999y".parse().unwrap();
        assert_eq!(age.before(at("2026-03-31T02:00:00Z")), DateTime::<Utc>::MIN_UTC);
    }

    #[test]
    fn sizes_know_both_families_of_units() {
        assert_eq!(parse_size("16GiB").unwrap(), 16 << 30);
        assert_eq!(parse_size("5MB").unwrap(), 5_000_000);
        for bad in ["", "16", "16 GiB", "1.5GiB", "0B", "016GiB", "16gib", "16G", "99999999B", "-1B"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }

    /// A matcher of the two patterns that shares nothing with the parsers: it walks the alternatives letter by letter.
    fn matches(text: &str, units: &[&str], many: bool) -> bool {
        (2..=text.len()).filter(|&end| text.is_char_boundary(end)).any(|end| {
            let (one, rest) = text.split_at(end);
            let good = units.iter().any(|unit| {
                one.strip_suffix(unit)
                    .is_some_and(|n| (1..=7).contains(&n.len()) && n.bytes().all(|b| b.is_ascii_digit()) && !n.starts_with('0'))
            });
            good && (rest.is_empty() || (many && matches(rest, units, many)))
        })
    }

    proptest! {
        #[test]
        fn parsers_accept_exactly_what_the_patterns_say(text in "[0-9]{0,3}(s|min|mi|h|d|w|mo|m|y|B|KiB|kB|TB|G| )?[0-9]{0,8}(s|min|h|mo|TiB)?") {
            let units: Vec<_> = UNITS.iter().map(|u| u.0).collect();
            let sizes: Vec<_> = SIZES.iter().map(|u| u.0).collect();
            prop_assert_eq!(text.parse::<Period>().is_ok(), matches(&text, &units, true));
            prop_assert_eq!(parse_size(&text).is_ok(), matches(&text, &sizes, false));
        }
    }

    #[test]
    fn the_patterns_name_the_units_of_the_parsers() {
        let alternatives = |pattern: &'static str| pattern.split('(').next_back().and_then(|p| p.split(')').next()).unwrap();
        assert_eq!(alternatives(DURATION_PATTERN), UNITS.map(|u| u.0).join("|"));
        assert_eq!(alternatives(SIZE_PATTERN), SIZES.map(|u| u.0).join("|"));
    }
}
