//! Numbers, sizes and times as people read them.

use chrono::TimeDelta;

use crate::model::Zone;
use crate::model::id::Instant;

/// A size with a unit of 1024, for example `1.5 GiB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A number with its noun, in the plural where it needs one.
pub fn count(number: usize, noun: &str) -> String {
    match (number, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        (_, None) => format!("{number} {noun}s"),
    }
}

/// An instant in UTC to the second.
pub fn instant(at: Instant) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// An instant as clocks in a zone show it, to the minute.
pub fn instant_in(at: Instant, zone: Zone) -> String {
    format!("{} {zone}", zone.civil(at).format("%a %Y-%m-%d %H:%M"))
}

/// A length of time in its two largest units.
pub fn span_of(length: TimeDelta) -> String {
    let seconds = length.num_seconds().max(0);
    if seconds < 10 {
        return format!("{}.{} s", seconds, length.subsec_millis().max(0) / 100);
    }
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_one_decimal_and_round_into_the_next_unit() {
        let table = [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1_048_575, "1.0 MiB"), (1_610_612_736, "1.5 GiB")];
        for (count, text) in table {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn lengths_show_two_units() {
        let table = [(5, "5.0 s"), (15, "15 s"), (65, "1 min"), (3_700, "1 h 1 min"), (90_000, "1 d 1 h")];
        for (seconds, text) in table {
            assert_eq!(span_of(TimeDelta::seconds(seconds)), text);
        }
    }
}
