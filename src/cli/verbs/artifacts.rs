//! Rows of artifacts for the verbs that show them.

use std::collections::HashMap;

use crate::cli::session::Session;
use crate::facts::{Facts, StoreFacts};
use crate::model::id::{ArtifactId, Name};
use crate::plan::{Explained, Request, explain};
use crate::report::ArtifactRow;

/// Every artifact that is listed, by series and store, newest first.
pub(super) fn rows(session: &Session, facts: &mut Facts) -> Vec<ArtifactRow> {
    let now = facts.at;
    // a listing has no dates of locks: what retention lets go is asked for them
    drop(session.decide(facts, now, &Request::default()));
    let verdicts: HashMap<(Name, ArtifactId), Explained> =
        explain(&session.set, facts, now).into_iter().map(|e| ((e.store.clone(), e.id), e)).collect();
    let mut rows = Vec::new();
    for (store, listing) in facts.stores.iter().filter_map(|(name, s)| Some((name, s.listing()?))) {
        for (series, held) in &listing.series {
            for artifact in &held.artifacts {
                let verdict = verdicts.get(&(store.clone(), artifact.id));
                rows.push(ArtifactRow {
                    series: series.clone(),
                    policy: verdict.map(|v| v.policy.clone()),
                    store: store.clone(),
                    id: artifact.id,
                    instant: artifact.instant,
                    slot: artifact.slot,
                    bytes: artifact.bytes(),
                    usable: verdict.map_or_else(|| artifact.listed_complete(), |v| v.usable),
                    verified: artifact.verified(),
                    holds: artifact.holds.iter().map(|h| h.name.clone()).collect(),
                    needs: artifact.need.map(|n| n.to_string()),
                    kept: verdict.and_then(|v| v.keep.clone()),
                });
            }
        }
    }
    rows.sort_by(|a, b| (&a.series, &a.store, b.instant, b.id).cmp(&(&b.series, &b.store, a.instant, a.id)));
    rows
}

/// Sentences about stores that could not be read: a list without them would be a lie.
pub(super) fn unseen(facts: &Facts) -> Vec<String> {
    let unusable = facts.stores.iter().filter(|(_, s)| matches!(s, StoreFacts::Unusable(_)));
    unusable.map(|(name, _)| format!("store `{name}` could not be read and is left out; `lucid-policy plan` says why")).collect()
}
