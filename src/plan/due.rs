//! Which policies are due, for which slot, and on which store the artifact is made.
//!
//! A slot is satisfied by artifacts, never by a log of runs. Only the newest past slot counts; older ones are counted in the reason
//! and never made up. A policy that never ran is due at once, unless it stops services: those are quiet near a slot only.

use super::step::{Reason, Step, Work};
use super::view::View;
use super::{Request, closure, problem, refusal};
use crate::facts::{Facts, SourceFacts, StoreFacts};
use crate::finding::Finding;
use crate::model::PolicyState;
use crate::model::id::{Instant, Name};

/// More missed slots than this are counted as this many.
const MISSED_AT_MOST: usize = 10_000;

/// The capture that a policy needs now, if it needs one and nothing stands in the way.
pub(super) fn capture(view: &View<'_>, facts: &Facts, request: &Request, problems: &mut Vec<Finding>) -> Option<Step> {
    let policy = view.policy;
    if policy.state != PolicyState::Active {
        return None;
    }
    let newest_slot = policy.schedule.as_ref().and_then(|s| s.value.newest_at_or_before(view.now, view.set.zone));
    let reason = reason(view, request, newest_slot)?;
    if let Reason::Due { slot, .. } = reason
        && let Some(limit) = &policy.catch_up_within
        && limit.before(view.now) > slot
    {
        problems.push(problem::too_late(policy, slot, limit));
        return None;
    }
    if reason == (Reason::FirstCapture {}) && !request.now && stops(view) && !timely(view, newest_slot) {
        let next = policy.schedule.as_ref().and_then(|s| s.value.next_after(view.now, view.set.zone));
        problems.push(refusal::first_waits(policy, next));
        return None;
    }
    let store = first_usable(view, facts, problems)?;
    let refusals = closure::refusals(view.set, facts, policy);
    if !refusals.is_empty() {
        for refusal in &refusals {
            refusal.tell(view.set, policy, problems);
        }
        return None;
    }
    if let Some(SourceFacts::Unusable(message)) = facts.sources.get(&policy.source) {
        problems.push(problem::source_unusable(policy, message));
        return None;
    }
    let estimate = view
        .seen
        .iter()
        .flat_map(super::view::Seen::artifacts)
        .filter(|a| a.need.is_none())
        .max_by_key(|a| (a.instant, a.id))
        .map(|a| a.generations.last().map_or(0, |g| g.bytes));
    Some(Step {
        address: address(&policy.name, newest_slot),
        work: Work::Capture {
            policy: policy.name.clone(),
            series: policy.series.clone(),
            store,
            slot: newest_slot,
            estimate,
            window: None,
        },
        reason,
        span: Some(policy.spans.table.clone()),
        after: Vec::new(),
    })
}

/// Whether its capture quiets anything.
fn stops(view: &View<'_>) -> bool {
    view.set.sources.get(&view.policy.source).is_some_and(|source| !source.stop.is_empty())
}

/// Whether a slot is near enough to be made up.
fn timely(view: &View<'_>, newest_slot: Option<Instant>) -> bool {
    let near = |slot| view.policy.catch_up_within.is_none_or(|limit| limit.before(view.now) <= slot);
    newest_slot.is_some_and(near)
}

fn address(policy: &Name, slot: Option<Instant>) -> String {
    let slot = slot.map_or_else(|| "-".to_owned(), |s| s.to_rfc3339_opts(chrono::SecondsFormat::Secs, true));
    format!("capture:policy.{policy}@{slot}")
}

fn reason(view: &View<'_>, request: &Request, newest_slot: Option<Instant>) -> Option<Reason> {
    // what was adopted satisfies nothing, not even that there is something
    let mut artifacts = view.seen.iter().flat_map(super::view::Seen::artifacts).filter(|a| !a.adopted()).peekable();
    if artifacts.peek().is_none() {
        return Some(Reason::FirstCapture {});
    }
    if request.now {
        return Some(Reason::Requested {});
    }
    let slot = newest_slot?;
    // The newest slot that is not in the future and can be restored; a slot in the future satisfies nothing.
    let mut slots: Vec<(Instant, _)> = artifacts.filter_map(|a| Some((a.slot?, a.id))).filter(|(s, _)| *s <= view.now).collect();
    slots.sort_unstable();
    let satisfied = slots.iter().rev().find(|(_, id)| view.usable_somewhere(*id)).map(|(s, _)| *s);
    if satisfied.is_some_and(|s| s >= slot) {
        return None;
    }
    Some(Reason::Due { slot, satisfied, missed: missed(view, satisfied, slot) })
}

fn missed(view: &View<'_>, satisfied: Option<Instant>, slot: Instant) -> u32 {
    let (Some(from), Some(schedule)) = (satisfied, &view.policy.schedule) else { return 0 };
    let between = std::iter::successors(schedule.value.next_after(from, view.set.zone), |at| schedule.value.next_after(*at, view.set.zone));
    u32::try_from(between.take_while(|at| *at < slot).take(MISSED_AT_MOST).count()).unwrap_or(u32::MAX)
}

/// The first store of the policy that can take an artifact.
pub(super) fn first_usable(view: &View<'_>, facts: &Facts, problems: &mut Vec<Finding>) -> Option<Name> {
    for name in &view.policy.stores {
        match facts.stores.get(name) {
            Some(StoreFacts::New) => return Some(name.clone()),
            Some(StoreFacts::Ready(listing)) if listing.complete => return Some(name.clone()),
            Some(StoreFacts::Ready(_)) => {
                problems.push(problem::incomplete_listing(view.policy, name));
                return None;
            }
            Some(StoreFacts::Unusable(_)) | None => {}
        }
    }
    // What is wrong with a policy's only store is said once, by the finding about the store.
    if view.policy.stores.len() > 1 {
        problems.push(problem::no_usable_store(view.policy));
    }
    None
}
