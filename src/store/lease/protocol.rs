//! What was seen of a lease, and what follows from it.

use std::time::Duration;

use chrono::TimeDelta;

use super::claim::named;
use super::margin;
use super::record::LeaseRecord;

/// A lease as it was read, with all that tells whether it is over.
#[derive(Debug, Clone)]
pub(super) struct Sight {
    /// The record.
    pub(super) record: LeaseRecord,
    /// The store's time of the answer less the store's time of the last renewal.
    pub(super) age: TimeDelta,
    /// For how long we have seen this same tag, on our own clock.
    pub(super) unchanged: Duration,
    /// Whether its process is known to be gone.
    pub(super) gone: bool,
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It can be taken, for the `epoch`-th time; from whom, where somebody did not release it.
    Take { epoch: u64, over: Option<String> },
    /// Somebody has it.
    Wait,
}

/// How long after its last renewal a lease can be taken by others.
pub(super) fn lasts(record: &LeaseRecord) -> Duration {
    let ttl = Duration::from_secs(record.ttl_seconds);
    ttl.saturating_add(margin(ttl))
}

/// Whether a lease can be taken.
pub(super) fn judge(seen: Option<&Sight>) -> Verdict {
    let Some(seen) = seen else { return Verdict::Take { epoch: 1, over: None } };
    let epoch = seen.record.epoch.saturating_add(1);
    if !seen.record.is_held() {
        return Verdict::Take { epoch, over: None };
    }
    let lasts = lasts(&seen.record);
    let from = || named(&seen.record);
    let over = if seen.gone {
        format!("the lease was taken over from {}, whose process is gone", from())
    } else if seen.age.to_std().is_ok_and(|age| age > lasts) {
        format!("the lease was taken over from {}, which was last heard of {} s ago", from(), seen.age.num_seconds())
    } else if seen.unchanged > lasts {
        format!("the lease was taken over from {}, which did not renew it for {} s", from(), seen.unchanged.as_secs())
    } else {
        return Verdict::Wait;
    };
    Verdict::Take { epoch, over: Some(over) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::lease::tests::{TEN_MINUTES, record};

    #[test]
    fn every_line_of_the_protocol() {
        let (young, limit, old) = (TimeDelta::seconds(1), TimeDelta::seconds(660), TimeDelta::milliseconds(660_001));
        let (short, long) = (Duration::from_mins(11), Duration::from_millis(660_001));
        let held = |age, unchanged, gone| Some(Sight { record: record(TEN_MINUTES), age, unchanged, gone });
        let released = |age| Some(Sight { record: record(TEN_MINUTES).released(), age, unchanged: Duration::ZERO, gone: false });
        let taken = |epoch, why: &str| (Some((epoch, !why.is_empty())), why.to_owned());
        let table = [
            ("nothing is there", None, taken(1, "")),
            ("released just now", released(young), taken(6, "")),
            ("released long ago", released(old), taken(6, "")),
            ("live", held(young, Duration::ZERO, false), (None, String::new())),
            ("at its limit by the store's time", held(limit, Duration::ZERO, false), (None, String::new())),
            ("past it", held(old, Duration::ZERO, false), taken(6, "last heard of 660 s ago")),
            ("dated after the store's own now", held(TimeDelta::days(-400), Duration::ZERO, false), (None, String::new())),
            ("unchanged up to the limit", held(young, short, false), (None, String::new())),
            ("unchanged for longer", held(young, long, false), taken(6, "did not renew it for 660 s")),
            ("unchanged for longer, whatever the store's clock says", held(TimeDelta::days(-400), long, false), taken(6, "did not renew")),
            ("its process is gone", held(young, Duration::ZERO, true), taken(6, "whose process is gone")),
        ];
        for (case, seen, (expected, why)) in table {
            let (found, said) = match judge(seen.as_ref()) {
                Verdict::Take { epoch, over } => (Some((epoch, over.is_some())), over.unwrap_or_default()),
                Verdict::Wait => (None, String::new()),
            };
            assert_eq!(found, expected, "{case}");
            assert!(said.contains(&why), "{case}: {said}");
            assert!(said.is_empty() || said.contains("run nbswy3dpo5xxe3de of host db1 (pid 7, apply)"), "{said}");
        }
    }

    #[test]
    fn a_record_of_nonsense_numbers_is_no_reason_to_panic() {
        let mut record = record(TEN_MINUTES);
        (record.epoch, record.ttl_seconds) = (u64::MAX, u64::MAX);
        let seen = Sight { record, age: TimeDelta::MAX, unchanged: Duration::MAX, gone: false };
        assert_eq!(judge(Some(&seen)), Verdict::Wait);
        assert!(matches!(judge(Some(&Sight { gone: true, ..seen })), Verdict::Take { epoch: u64::MAX, .. }));
    }
}
