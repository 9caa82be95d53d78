//! `rpo-without-schedule`: an objective that nothing works towards.

use crate::finding::{Finding, lint as code};
use crate::model::{Loaded, PolicyState};

pub(super) fn check(loaded: &Loaded) -> Vec<Finding> {
    let policies = loaded.partial.policies.values();
    let idle = policies.filter(|policy| {
        policy.state == PolicyState::Active && policy.schedule.is_none() && (policy.rpo.is_some() || !policy.rpo_at.is_empty())
    });
    idle.map(|policy| {
        Finding::new(code::RPO_WITHOUT_SCHEDULE, format!("`policy.{}` has an `rpo` but no schedule", policy.name))
            .at(policy.spans.rpo.clone(), "nothing makes a newer artifact when time passes")
            .help("name a schedule, or remove the objective")
    })
    .collect()
}
