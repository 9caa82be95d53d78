//! Every artifact's verdict as retention stands now: for lists, not for deleting.

use super::retention::Keep;
use super::view::View;
use crate::facts::Facts;
use crate::model::PolicySet;
use crate::model::id::{ArtifactId, Instant, Name};

/// One verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// The policy.
    pub policy: Name,
    /// The store.
    pub store: Name,
    /// The artifact.
    pub id: ArtifactId,
    /// Whether it can be restored from there, with what it needs.
    pub usable: bool,
    /// Why it stays; none if retention lets it go.
    pub keep: Option<Keep>,
}

/// Judges everything that is listed.
pub fn explain(set: &PolicySet, facts: &Facts, now: Instant) -> Vec<Explained> {
    let mut verdicts = Vec::new();
    for policy in set.policies.values() {
        let view = View::new(set, policy, facts, now);
        for seen in &view.seen {
            let (_, judged) = super::deletes::verdicts(&view, seen);
            verdicts.extend(seen.artifacts().iter().zip(judged.keep).map(|(artifact, keep)| Explained {
                policy: policy.name.clone(),
                store: seen.store.clone(),
                id: artifact.id,
                usable: seen.usable(artifact),
                keep,
            }));
        }
    }
    verdicts
}
