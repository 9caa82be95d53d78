//! `min-count-one`: a floor that may leave a single artifact.

use std::collections::BTreeMap;

use crate::finding::{Finding, lint as code};
use crate::model::Loaded;

pub(super) fn check(loaded: &Loaded) -> Vec<Finding> {
    let policies = loaded.partial.policies.values();
    let used: BTreeMap<_, _> =
        policies.flat_map(|policy| policy.retention.iter().chain(policy.retention_at.values())).map(|rule| (&rule.name, rule)).collect();
    used.into_values()
        .filter(|rule| rule.value.min_count == 1)
        .map(|rule| {
            Finding::new(code::MIN_COUNT_ONE, format!("`retention.{}` may leave a single artifact", rule.name))
                .at(rule.span.clone(), "`min_count = 1`")
                .help("keep at least two: the newest may be damaged")
        })
        .collect()
}
