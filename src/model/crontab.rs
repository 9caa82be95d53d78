//! The five fields of crontab(5) as sets of numbers.
//!
//! This is our own reader because the `cron` crate speaks Quartz: there, `1-5` pasted from a crontab means Sunday to Thursday, the
//! two day fields must both match, and blanks between fields are optional. Refused, with a message each: `@reboot`, ranges that wrap, steps
//! after a single number, and days that no calendar has.

/// Why a text is not a schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ScheduleError {
    /// What is wrong.
    pub reason: String,
    /// What could have been meant.
    pub help: Option<String>,
    /// The fields are well formed, but no day matches them.
    pub never_fires: bool,
}

impl ScheduleError {
    pub(super) fn new(reason: impl Into<String>, help: impl Into<Option<String>>) -> Self {
        Self { reason: reason.into(), help: help.into(), never_fires: false }
    }
}

/// One field: which numbers match, and whether it was written with a leading star.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    /// Bit n: the number n matches.
    pub(super) bits: u64,
    pub(super) star: bool,
}

/// The five fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Crontab {
    pub(super) minute: Field,
    pub(super) hour: Field,
    pub(super) day: Field,
    pub(super) month: Field,
    /// 0 is Sunday, and 7 is folded into it.
    pub(super) weekday: Field,
}

struct Shape {
    noun: &'static str,
    low: u32,
    high: u32,
    names: &'static [&'static str],
    /// The number of the first name.
    first: u32,
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const SHAPES: [Shape; 5] = [
    Shape { noun: "minute", low: 0, high: 59, names: &[], first: 0 },
    Shape { noun: "hour", low: 0, high: 23, names: &[], first: 0 },
    Shape { noun: "day of month", low: 1, high: 31, names: &[], first: 0 },
    Shape { noun: "month", low: 1, high: 12, names: &MONTHS, first: 1 },
    Shape { noun: "day of week", low: 0, high: 7, names: &WEEKDAYS, first: 0 },
];
const SHORTHANDS: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];
/// Days of each month in the longest year.
const LONGEST: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

impl Crontab {
    pub(super) fn parse(text: &str) -> Result<Self, ScheduleError> {
        let text = text.trim();
        if text.starts_with('@') {
            let Some((_, fields)) = SHORTHANDS.iter().find(|(word, _)| *word == text) else {
                let known = SHORTHANDS.map(|(word, _)| word).join(", ");
                return Err(match text {
                    "@reboot" => ScheduleError::new(
                        "`@reboot` is not a time",
                        "name a time, and use `catch_up_within` for slots missed while the host was down".to_owned(),
                    ),
                    _ => ScheduleError::new(format!("no shorthand `{text}`"), format!("the shorthands are {known}")),
                });
            };
            return Self::parse(fields);
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = words.as_slice() else {
            let help = match words.len() {
                6 | 7 => "there are no seconds and no years: minute, hour, day of month, month, day of week",
                _ => "write minute, hour, day of month, month, day of week, with blanks between, as in \"0 2 * * *\"",
            };
            return Err(ScheduleError::new(format!("a schedule has five fields, this has {}", words.len()), help.to_owned()));
        };
        let [minutes, hours, days, months, weekdays] = &SHAPES;
        let mut weekday = field(weekday, weekdays)?;
        weekday.bits = (weekday.bits | (weekday.bits >> 7)) & 0x7f;
        let crontab = Self {
            minute: field(minute, minutes)?,
            hour: field(hour, hours)?,
            day: field(day, days)?,
            month: field(month, months)?,
            weekday,
        };
        if crontab.either_day() || crontab.has_a_day() {
            return Ok(crontab);
        }
        Err(ScheduleError {
            never_fires: true,
            ..ScheduleError::new("no calendar has such a day", "the day of month does not occur in the month".to_owned())
        })
    }

    /// Whether a day matches if either day field does: both are restricted, neither starts with a star.
    pub(super) fn either_day(&self) -> bool {
        !self.day.star && !self.weekday.star
    }

    /// Whether jobs like this follow the clock through a repeated hour: the minute or the hour starts with a star.
    pub(super) fn follows_the_clock(&self) -> bool {
        self.minute.star || self.hour.star
    }

    fn has_a_day(&self) -> bool {
        let first = self.day.bits.trailing_zeros();
        (1..=12_u32).zip(LONGEST).any(|(month, days)| self.month.has(month) && first <= days)
    }

    /// The sources of the `cron` crate's schedules that together are this one: two if either day field may match.
    pub(super) fn quartz(&self) -> Vec<String> {
        let all = Field { bits: u64::MAX, star: true };
        let line = |day: Field, weekday: Field| {
            // Quartz counts the days of the week from Sunday = 1
            let weekday = Field { bits: weekday.bits << 1, star: weekday.star };
            format!(
                "0 {} {} {} {} {}",
                self.minute.list(0, 59),
                self.hour.list(0, 23),
                day.list(1, 31),
                self.month.list(1, 12),
                weekday.list(1, 7)
            )
        };
        if self.either_day() { vec![line(self.day, all), line(all, self.weekday)] } else { vec![line(self.day, self.weekday)] }
    }
}

impl Field {
    pub(super) fn has(self, number: u32) -> bool {
        number < 64 && self.bits & (1 << number) != 0
    }

    fn list(self, low: u32, high: u32) -> String {
        if (low..=high).all(|n| self.has(n)) {
            return "*".to_owned();
        }
        (low..=high).filter(|n| self.has(*n)).map(|n| n.to_string()).collect::<Vec<_>>().join(",")
    }
}

fn field(text: &str, shape: &Shape) -> Result<Field, ScheduleError> {
    let mut bits = 0_u64;
    for part in text.split(',') {
        let (low, high, step) = range(part, shape)?;
        for number in (low..=high).step_by(step) {
            bits |= 1 << number;
        }
    }
    Ok(Field { bits, star: text.starts_with('*') })
}

/// One element of a list as first, last and step.
fn range(part: &str, shape: &Shape) -> Result<(u32, u32, usize), ScheduleError> {
    let Shape { noun, low, high, .. } = shape;
    let wrong = |why: String| ScheduleError::new(format!("the {noun} `{part}` {why}"), None);
    let (numbers, step) = match part.split_once('/') {
        None => (part, None),
        Some((numbers, step)) => (numbers, Some(step)),
    };
    let (first, last) = if numbers == "*" {
        // 7 is Sunday again: a step must not count it twice
        (*low, if *high == 7 { 6 } else { *high })
    } else if let Some((first, last)) = numbers.split_once('-') {
        (value(first, part, shape)?, value(last, part, shape)?)
    } else {
        let one = value(numbers, part, shape)?;
        if let Some(step) = step {
            let help = format!("write `{numbers}-{high}/{step}` or `*/{step}`");
            return Err(ScheduleError { help: Some(help), ..wrong("has a step but no range".to_owned()) });
        }
        (one, one)
    };
    if first > last {
        let help = match *noun {
            "day of week" if last == 0 => format!("Sunday is also 7: write `{first}-7`"),
            _ => format!("write two ranges: `{first}-{}` and `{low}-{last}`, with a comma", if *high == 7 { 6 } else { *high }),
        };
        return Err(ScheduleError { help: Some(help), ..wrong("runs backwards".to_owned()) });
    }
    let step = match step {
        None => 1,
        Some(step) => match step.parse::<usize>() {
            Ok(n) if n >= 1 && n <= *high as usize && step.bytes().all(|b| b.is_ascii_digit()) => n,
            _ => return Err(wrong(format!("has a step that is not 1 to {high}"))),
        },
    };
    Ok((first, last, step))
}

fn value(word: &str, part: &str, shape: &Shape) -> Result<u32, ScheduleError> {
    let Shape { noun, low, high, names, first } = shape;
    let lower = word.to_ascii_lowercase();
    let named = names.iter().zip(*first..).find(|(name, _)| **name == lower).map(|(_, number)| number);
    let number = named.or_else(|| word.parse().ok().filter(|_| word.bytes().all(|b| b.is_ascii_digit()) && word.len() <= 2));
    let also = if names.is_empty() { String::new() } else { format!(", or {} to {}", names[0], names[names.len() - 1]) };
    match number {
        Some(number) if (*low..=*high).contains(&number) => Ok(number),
        _ => Err(ScheduleError::new(format!("the {noun} `{part}` is not {low} to {high}{also}"), None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(field: Field) -> Vec<u32> {
        (0..60).filter(|n| field.has(*n)).collect()
    }

    #[test]
    fn fields_mean_what_crontab_means() {
        let table: [(&str, &[u32]); 9] = [
            ("0 0 * * 0", &[0]),
            ("0 0 * * 7", &[0]),
            ("0 0 * * 5-7", &[0, 5, 6]),
            ("0 0 * * mon-Fri", &[1, 2, 3, 4, 5]),
            ("0 0 * * */2", &[0, 2, 4, 6]),
            ("0 0 * * */7", &[0]),
            ("0 0 * * 0-7", &[0, 1, 2, 3, 4, 5, 6]),
            ("0 0 * * 1-5/2,sun", &[0, 1, 3, 5]),
            ("@weekly", &[0]),
        ];
        for (text, expected) in table {
            assert_eq!(numbers(Crontab::parse(text).unwrap().weekday), expected, "{text}");
        }
        assert_eq!(numbers(Crontab::parse("*/20,7 0 * feb-apr *").unwrap().minute), [0, 7, 20, 40]);
        assert_eq!(Crontab::parse("@annually"), Crontab::parse(" 0  0\t1 JAN * "));
        assert_eq!(Crontab::parse("@midnight"), Crontab::parse("@daily"));
    }

    #[test]
    fn what_is_refused_says_why() {
        let table = [
            ("@reboot", "`@reboot` is not a time"),
            ("@Daily", "no shorthand `@Daily`"),
            ("", "a schedule has five fields, this has 0"),
            ("0 2 * *", "a schedule has five fields, this has 4"),
            ("0 0 2 * * *", "a schedule has five fields, this has 6"),
            ("0****1", "a schedule has five fields, this has 1"),
            ("60 * * * *", "the minute `60` is not 0 to 59"),
            ("* 24 * * *", "the hour `24` is not 0 to 23"),
            ("* * 0 * *", "the day of month `0` is not 1 to 31"),
            ("* * * 13 *", "the month `13` is not 1 to 12, or jan to dec"),
            ("* * * * 8", "the day of week `8` is not 0 to 7, or sun to sat"),
            ("* * * * monday", "the day of week `monday` is not 0 to 7, or sun to sat"),
            ("* 22-2 * * *", "the hour `22-2` runs backwards"),
            ("* * * * fri-sun", "the day of week `fri-sun` runs backwards"),
            ("5/20 * * * *", "the minute `5/20` has a step but no range"),
            ("*/0 * * * *", "the minute `*/0` has a step that is not 1 to 59"),
            ("*/61 * * * *", "the minute `*/61` has a step that is not 1 to 59"),
            ("1,,2 * * * *", "the minute `` is not 0 to 59"),
            ("-1 * * * *", "the minute `-1` is not 0 to 59"),
            ("+1 * * * *", "the minute `+1` is not 0 to 59"),
            ("* * L * *", "the day of month `L` is not 1 to 31"),
            ("0 0 31 2 *", "no calendar has such a day"),
            ("0 0 31 4,6,9,11 *", "no calendar has such a day"),
        ];
        for (text, reason) in table {
            assert_eq!(Crontab::parse(text).unwrap_err().reason, reason, "{text}");
        }
        assert_eq!(Crontab::parse("* * * * fri-sun").unwrap_err().help.as_deref(), Some("Sunday is also 7: write `5-7`"));
        // either day field may match, so the Mondays remain
        assert!(Crontab::parse("0 0 31 2 1").is_ok());
        assert!(Crontab::parse("0 0 30 2 */2").is_err());
    }
}
