//! `max-downtime-without-stop`: a limit for services that are not stopped.

use crate::finding::{Finding, lint as code};
use crate::model::Loaded;

pub(super) fn check(loaded: &Loaded) -> Vec<Finding> {
    let limited = loaded.partial.policies.values().filter(|policy| policy.max_downtime.is_some());
    let idle = limited.filter_map(|policy| {
        let source = loaded.partial.sources.get(&policy.source).filter(|source| source.stop.is_empty())?;
        let finding =
            Finding::new(code::MAX_DOWNTIME_WITHOUT_STOP, format!("`policy.{}` has a `max_downtime`, but nothing is stopped", policy.name))
                .at(policy.spans.max_downtime.clone(), "limits nothing")
                .at(source.span.clone(), "this source stops no service")
                .help("name services in `stop` of the source, or remove `max_downtime`");
        Some(finding)
    });
    idle.collect()
}
