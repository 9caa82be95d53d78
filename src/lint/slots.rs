//! How far apart slots are. No lint: what two of them measure with.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use crate::model::{Instant, Name, PolicySet, Schedule, Zone};

/// Slots looked at: enough to see every distance of a daily or weekly schedule, and a year of a monthly one.
const SLOTS: usize = 40;
/// Where looking starts: an instant like any other, since lints have no clock. 29 February 2028.
const FROM_SECONDS: i64 = 1_835_440_000;

/// The longest time between two slots that follow each other, in seconds, of every schedule that a policy follows.
pub(super) fn longest(set: &PolicySet) -> BTreeMap<&Name, u64> {
    let mut gaps = BTreeMap::new();
    for schedule in set.policies.values().filter_map(|policy| policy.schedule.as_ref()) {
        if !gaps.contains_key(&schedule.name)
            && let Some(gap) = longest_of(&schedule.value, set.zone)
        {
            gaps.insert(&schedule.name, gap);
        }
    }
    gaps
}

fn longest_of(schedule: &Schedule, zone: Zone) -> Option<u64> {
    let from = Instant::from_timestamp(FROM_SECONDS, 0)?;
    let slots: Vec<Instant> = schedule.after(from, zone).take(SLOTS).collect();
    slots.windows(2).map(|pair| pair[1] - pair[0]).max().and_then(|gap: TimeDelta| u64::try_from(gap.num_seconds()).ok())
}
