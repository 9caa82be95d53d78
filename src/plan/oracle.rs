//! What the planner decides, said once more in another way, for the laws of this layer and of the one that performs plans.

use std::collections::BTreeMap;

use super::FUTURE_TOLERANCE;
use crate::facts::Artifact;
use crate::model::id::{ArtifactId, Instant, Name};
use crate::model::{Backfill, PolicySet};

/// Where the past of a series begins on a store, by what is there and by its manifest, with all that it needs; none: everything.
pub(crate) fn begins(
    set: &PolicySet,
    store: &Name,
    (at, created): (Instant, Option<Instant>),
    here: &BTreeMap<ArtifactId, &Artifact>,
    all: &BTreeMap<ArtifactId, &Artifact>,
) -> Option<Instant> {
    let dated =
        |of: &BTreeMap<ArtifactId, &Artifact>| of.values().map(|a| a.instant).filter(|i| *i <= at + FUTURE_TOLERANCE).collect::<Vec<_>>();
    let mut begins = match (dated(here).into_iter().min(), set.stores[store].backfill) {
        (_, Backfill::All) => return None,
        (oldest, Backfill::None) => oldest.into_iter().chain(created).min()?,
        (Some(oldest), _) => oldest,
        (None, _) => dated(all).into_iter().max()?,
    };
    while let Some(older) = all.values().filter(|a| a.instant >= begins).find_map(|child| {
        let owner = all.values().find(|a| child.need == Some(a.id.random()))?;
        (owner.instant < begins).then_some(owner.instant)
    }) {
        begins = older;
    }
    Some(begins)
}
