//! `single-store`: an active policy has one store only. Off until the manifest asks for it.

use crate::finding::{Finding, lint as code};
use crate::model::{Loaded, PolicyState};

pub(super) fn check(loaded: &Loaded) -> Vec<Finding> {
    let policies = loaded.partial.policies.values();
    let alone = policies.filter(|policy| policy.state == PolicyState::Active && policy.stores.len() == 1);
    alone
        .map(|policy| {
            Finding::new(code::SINGLE_STORE, format!("`policy.{}` has one store only", policy.name))
                .at(policy.spans.stores.first().unwrap_or(&policy.spans.table).clone(), "the only store")
                .help("add a store on another disk")
        })
        .collect()
}
