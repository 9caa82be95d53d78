//! `no-retention`: a policy keeps everything for ever, on some store.

use crate::finding::{Finding, lint as code};
use crate::model::Loaded;

pub(super) fn check(loaded: &Loaded) -> Vec<Finding> {
    let policies = loaded.partial.policies.values();
    let endless = policies.filter(|policy| policy.stores.iter().any(|store| policy.retention_for(store).is_none()));
    endless
        .map(|policy| {
            Finding::new(code::NO_RETENTION, format!("`policy.{}` keeps everything for ever", policy.name))
                .at(policy.spans.table.clone(), "no `retention`")
                .help("name a retention, or allow this lint with a reason")
        })
        .collect()
}
