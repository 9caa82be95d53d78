//! `no-schedule`: an active policy is never due by time.

use crate::finding::{Finding, lint as code};
use crate::model::{Loaded, PolicyState};

pub(super) fn check(loaded: &Loaded) -> Vec<Finding> {
    let policies = loaded.partial.policies.values();
    let idle = policies.filter(|policy| policy.state == PolicyState::Active && policy.schedule.is_none());
    idle.map(|policy| {
        Finding::new(code::NO_SCHEDULE, format!("`policy.{}` runs once and then only with `apply --now`", policy.name))
            .at(policy.spans.table.clone(), "no `schedule`")
            .help("name a schedule, or allow this lint with a reason")
    })
    .collect()
}
