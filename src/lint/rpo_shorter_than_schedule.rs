//! `rpo-shorter-than-schedule`: slots are further apart than the objective allows.

use super::slots;
use crate::finding::{Finding, lint as code};
use crate::model::{Loaded, Period, PolicyState};

pub(super) fn check(loaded: &Loaded) -> Vec<Finding> {
    let gaps = slots::longest(&loaded.partial);
    let mut found = Vec::new();
    for policy in loaded.partial.policies.values().filter(|policy| policy.state == PolicyState::Active) {
        let Some(schedule) = &policy.schedule else { continue };
        let objectives = policy.stores.iter().filter_map(|store| policy.rpo_for(store));
        let Some(strictest) = objectives.min_by_key(|period| period.at_most_seconds()) else { continue };
        let Some(&gap) = gaps.get(&schedule.name) else { continue };
        if strictest.at_most_seconds() < gap {
            found.push(
                Finding::new(code::RPO_SHORTER_THAN_SCHEDULE, format!("`policy.{}` cannot meet its `rpo` of {strictest}", policy.name))
                    .at(policy.spans.rpo.clone(), format!("no artifact may be older than {strictest}"))
                    .at(schedule.span.clone(), format!("slots are up to {} apart", Period::from_seconds(gap)))
                    .help("run more often, or promise less"),
            );
        }
    }
    found
}
