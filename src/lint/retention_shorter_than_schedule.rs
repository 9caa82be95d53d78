//! `retention-shorter-than-schedule`: the only rule is shorter than the time between two slots.

use super::slots;
use crate::finding::{Finding, lint as code};
use crate::model::{Loaded, Period, PolicyState, Retention};

pub(super) fn check(loaded: &Loaded) -> Vec<Finding> {
    let gaps = slots::longest(&loaded.partial);
    let mut found = Vec::new();
    for policy in loaded.partial.policies.values().filter(|policy| policy.state == PolicyState::Active) {
        let (Some(schedule), Some(rule)) = (&policy.schedule, &policy.retention) else { continue };
        let Some(within) = only_within(&rule.value) else { continue };
        let Some(&gap) = gaps.get(&schedule.name) else { continue };
        if within.at_most_seconds() < gap {
            found.push(
                Finding::new(
                    code::RETENTION_SHORTER_THAN_SCHEDULE,
                    format!("`policy.{}` keeps for {within} what is made every {}", policy.name, Period::from_seconds(gap)),
                )
                .at(policy.spans.retention.clone(), "only the floors keep anything")
                .at(rule.span.clone(), format!("`keep_within = \"{within}\"` is its only rule"))
                .help("keep for longer, or add a rule that counts, such as `keep_last`"),
            );
        }
    }
    found
}

/// `keep_within`, if no other rule keeps anything.
fn only_within(rule: &Retention) -> Option<Period> {
    let counts = [rule.last, rule.hourly, rule.daily, rule.weekly, rule.monthly, rule.quarterly, rule.yearly];
    rule.within.filter(|_| counts.iter().all(|n| *n == 0))
}
