//! `unused-store`, `unused-source`, `unused-service`, `unused-schedule`, `unused-retention`: one rule over five nouns.
//!
//! Silent while a policy, a source or a service could not be read as a whole: what it would have named cannot be known.

use std::collections::BTreeSet;

use crate::finding::{Code, Finding, lint as code};
use crate::model::{Loaded, Noun};

pub(super) fn stores(loaded: &Loaded) -> Vec<Finding> {
    unused(loaded, Noun::Store, code::UNUSED_STORE)
}

pub(super) fn sources(loaded: &Loaded) -> Vec<Finding> {
    unused(loaded, Noun::Source, code::UNUSED_SOURCE)
}

pub(super) fn services(loaded: &Loaded) -> Vec<Finding> {
    unused(loaded, Noun::Service, code::UNUSED_SERVICE)
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
    let namer = if noun == Noun::Service { "source" } else { "policy" };
    let used: BTreeSet<&(Noun, String)> = loaded.needs.iter().map(|need| &need.to).collect();
    let declared = loaded.declared.iter().filter(|(key, _)| key.0 == noun && !used.contains(key));
    declared
        .map(|((_, name), span)| {
            Finding::new(code, format!("no {namer} names `{noun}.{name}`"))
                .at(span.clone(), "not used")
                .help(format!("name it in a {namer}, or remove it"))
        })
        .collect()
}
