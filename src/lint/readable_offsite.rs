//! `readable-offsite`: a policy writes to a bucket, and whoever reads the bucket reads its artifacts.

use crate::finding::{Finding, lint as code};
use crate::model::{Loaded, PolicyState, StoreKind};

pub(super) fn check(loaded: &Loaded) -> Vec<Finding> {
    let set = &loaded.partial;
    let readable = set.policies.values().filter(|policy| policy.recipients.is_empty() && policy.state != PolicyState::Retired);
    let mut findings = Vec::new();
    for policy in readable {
        let away = policy.stores.iter().filter_map(|name| set.stores.get(name));
        // One that requires encryption refuses the policy already.
        for store in away.filter(|store| matches!(store.kind, StoreKind::S3(_)) && !store.require_encryption) {
            findings.push(
                Finding::new(code::READABLE_OFFSITE, format!("`policy.{}` is stored readable in `store.s3.{}`", policy.name, store.name))
                    .maybe_at(policy.store_span(&store.name).cloned(), "whoever reads the bucket reads this")
                    .help("write `[encryption]` with `recipients`, or allow this lint with the reason why that does not matter here"),
            );
        }
    }
    findings
}
