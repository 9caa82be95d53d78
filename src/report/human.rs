//! Times as people read them.

use chrono::TimeDelta;

use crate::model::Zone;
use crate::model::id::Instant;

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
    fn lengths_show_two_units() {
        let table = [(5, "5.0 s"), (15, "15 s"), (65, "1 min"), (3_700, "1 h 1 min"), (90_000, "1 d 1 h")];
        for (seconds, text) in table {
            assert_eq!(span_of(TimeDelta::seconds(seconds)), text);
        }
    }
}
