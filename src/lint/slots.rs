//! How far apart slots are. No lint: what two of them measure with.

use chrono::TimeDelta;

use crate::model::{Instant, Schedule, Zone};

/// Slots looked at: enough to see every distance of a daily or weekly schedule, and a year of a monthly one.
const SLOTS: usize = 40;
/// Where looking starts: an instant like any other, since lints have no clock. Right after a leap day and before a change of clocks.
const FROM_SECONDS: i64 = 1_835_440_000;

/// The longest time between two slots that follow each other, in seconds.
pub(super) fn longest(schedule: &Schedule, zone: Zone) -> Option<u64> {
    let from = Instant::from_timestamp(FROM_SECONDS, 0)?;
    let slots: Vec<Instant> = schedule.after(from, zone).take(SLOTS).collect();
    slots.windows(2).map(|pair| pair[1] - pair[0]).max().and_then(|gap: TimeDelta| u64::try_from(gap.num_seconds()).ok())
}
