//! `unused-store`, `unused-source`, `unused-schedule`, `unused-retention`: one rule over four nouns.
//!
//! Silent while a policy could not be read as a whole: what it would have named cannot be known.

use std::collections::BTreeSet;

use crate::finding::{Code, Finding, lint as code};
use crate::model::{Loaded, Noun};

pub(super) fn stores(loaded: &Loaded) -> Vec<Finding> {
    unused(loaded, Noun::Store, code::UNUSED_STORE)
}

pub(super) fn sources(loaded: &Loaded) -> Vec<Finding> {
    unused(loaded, Noun::Source, code::UNUSED_SOURCE)
}

pub(super) fn schedules(loaded: &Loaded) -> Vec<Finding> {
    unused(loaded, Noun::Schedule, code::UNUSED_SCHEDULE)
}

pub(super) fn retentions(loaded: &Loaded) -> Vec<Finding> {
    unused(loaded, Noun::Retention, code::UNUSED_RETENTION)
}

fn unused(loaded: &Loaded, noun: Noun, code: Code) -> Vec<Finding> {
    // a name that nothing declares was probably meant to be this one
    if !loaded.complete || loaded.findings.iter().any(|finding| finding.code.as_str() == format!("unknown-{noun}")) {
        return Vec::new();
    }
    let used: BTreeSet<&(Noun, String)> = loaded.needs.iter().map(|need| &need.to).collect();
    let declared = loaded.declared.iter().filter(|(key, _)| key.0 == noun && !used.contains(key));
    declared
        .map(|((_, name), span)| {
            Finding::new(code, format!("no policy names `{noun}.{name}`"))
                .at(span.clone(), "not used")
                .help("name it in a policy, or remove it")
        })
        .collect()
}
