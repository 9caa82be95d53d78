//! How far back a store's past begins that is new to a policy: `backfill` of the manifest.
//!
//! Nothing is remembered for it. What the store has of the series says where its past begins; where it has nothing yet, the newest
//! artifact elsewhere does. With `none` it begins no later than the store itself. What is wanted needs others, and those belong to the past as well: it
//! begins with the oldest of them, so that what is copied does not move the beginning for the next plan.
//!
//! So a copy that failed is wanted again as soon as anything older, or younger that needs it, has arrived, whatever younger arrived
//! before it. With `newest` it is not while nothing has: then the store's past has not begun, and begins with the newest there is by
//! then. That one is what was asked for, and what is older cannot be told from what the manifest leaves out.

use std::collections::HashMap;

use super::retention::FUTURE_TOLERANCE;
use super::view::{Seen, View};
use crate::facts::Artifact;
use crate::model::Backfill;
use crate::model::id::{Instant, Random};

/// The instant of the oldest artifact that the store is to be given of `known`; none: all of them.
pub(super) fn begins(view: &View<'_>, seen: &Seen<'_>, known: &HashMap<Random, &Artifact>) -> Option<Instant> {
    let backfill = view.set.stores.get(seen.store)?.backfill;
    if backfill == Backfill::All {
        return None;
    }
    // what is dated in the future is the beginning of nothing
    let horizon = view.at + FUTURE_TOLERANCE;
    let here = seen.artifacts().iter().map(|a| a.instant).filter(|at| *at <= horizon).min();
    let mut begins = match (here, backfill) {
        // a copy that failed while a later one arrived is still of its past
        (oldest, Backfill::None) => oldest.into_iter().chain(seen.listing.created).min()?,
        (Some(oldest), _) => oldest,
        (None, _) => known.values().map(|a| a.instant).filter(|at| *at <= horizon).max()?,
    };
    loop {
        let needed = known.values().filter(|a| a.instant >= begins).filter_map(|a| known.get(&a.need?)).map(|a| a.instant).min();
        match needed {
            Some(older) if older < begins => begins = older,
            _ => return Some(begins),
        }
    }
}
