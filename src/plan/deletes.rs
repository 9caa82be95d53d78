//! What goes, and the guards that keep it from going.
//!
//! Guards block deletes and nothing else. They work on what was listed: decided again, after captures and copies, from facts listed
//! then, so that a capture that failed or a copy that did not arrive takes its deletes with it.

use std::collections::HashMap;

use super::Role;
use super::mirror::awaited;
use super::problem::{self, Guard};
use super::retention::{FUTURE_TOLERANCE, Item, Keep, Verdicts};
use super::step::{Candidate, Holding, Reason, Step, Wait, Waiting, Work};
use super::view::{Seen, View};
use crate::facts::{Artifact, SourceFacts, Writer};
use crate::finding::Finding;
use crate::model::PolicyState;
use crate::model::id::Instant;

/// A series that loses no more than this many artifacts in one run is not asked for its fraction.
const FEW: usize = 5;

/// Seconds that a store's clock may differ from this host's before ages mean nothing there.
pub(super) const SKEW: i64 = 300;

/// The deletes of one policy on one store, what stays, and when that changes by time alone.
pub(super) struct Judged {
    pub(super) deletes: Vec<Step>,
    pub(super) waiting: Vec<Waiting>,
    pub(super) candidates: Vec<Candidate>,
    pub(super) holding: Holding,
    pub(super) changes_at: Option<Instant>,
}

/// Judges one policy on every store that answered.
pub(super) fn judge(view: &View<'_>, role: Role, problems: &mut Vec<Finding>) -> Vec<Judged> {
    view.seen.iter().map(|seen| on_store(view, seen, role, problems)).collect()
}

/// What one store holds, judged by its own rules and by what other stores still need of it.
pub(super) fn verdicts(view: &View<'_>, seen: &Seen<'_>) -> (Vec<Item>, Verdicts) {
    let (items, mut verdicts) = view.present(seen);
    if view.policy.stores.len() > 1 {
        let numbers: HashMap<_, _> = items.iter().enumerate().map(|(n, i)| (i.id, n)).collect();
        let pins: Vec<_> = awaited(view, seen.store.as_str()).into_iter().filter_map(|(id, why)| Some((*numbers.get(&id)?, why))).collect();
        verdicts.pin(&items, pins);
        // What is damaged here, itself or in what it needs, and is wanted whole again by this store's own rules: repaired, not deleted.
        let (wanted, want) = view.wanted(seen);
        let repaired: Vec<_> = wanted
            .iter()
            .enumerate()
            .filter(|(n, i)| want.kept(*n) && seen.find(i.id).is_some_and(|a| !seen.usable(a)))
            .filter_map(|(_, i)| Some((*numbers.get(&i.id)?, Keep::Damaged)))
            .collect();
        verdicts.pin(&items, repaired);
    }
    // The last of the pins: what a rule keeps is kept by the rule.
    let locked = |artifact: &Artifact| Some(Keep::Locked { until: artifact.locked_until.filter(|until| *until > view.now)? });
    let locked: Vec<_> = seen.artifacts().iter().enumerate().filter_map(|(n, a)| Some((n, locked(a)?))).collect();
    verdicts.pin(&items, locked);
    (items, verdicts)
}

fn on_store(view: &View<'_>, seen: &Seen<'_>, role: Role, problems: &mut Vec<Finding>) -> Judged {
    let policy = view.policy;
    let (items, verdicts) = verdicts(view, seen);
    let going: Vec<usize> = (0..items.len()).filter(|n| !verdicts.kept(*n)).collect();
    // said of the store as a whole
    let elsewhere = problem::writer_elsewhere(view.set, view.facts, seen.store, seen.listing).is_some();
    let guard = if going.is_empty() || elsewhere { None } else { guard(view, seen, role, going.len(), items.len()) };
    let blocked = guard.is_some() || elsewhere;
    let mut waiting: Vec<Waiting> =
        verdicts.keep.iter().zip(seen.artifacts()).filter_map(|(keep, a)| locked(view, seen, keep.as_ref()?, a)).collect();
    if role == Role::Writer {
        // Whether it may go is judged by who removes it.
        if !blocked && policy.retention_for(seen.store).is_some() {
            waiting.extend(going.iter().map(|n| waits(view, seen, &seen.artifacts()[*n], Wait::Janitor {})));
        }
        let bytes = seen.artifacts().iter().map(Artifact::bytes).sum();
        let holding = Holding { policy: policy.name.clone(), store: seen.store.clone(), artifacts: items.len(), bytes };
        return Judged {
            deletes: Vec::new(),
            waiting,
            candidates: Vec::new(),
            holding,
            changes_at: changes_at(view, seen, &items, &verdicts),
        };
    }
    if let (None, Some(Guard::ClockBehind { id, instant })) = (&guard, clock_behind(view, seen)) {
        problems.push(problem::clock_behind(policy, seen.store, id, instant));
    }
    // Why nothing is captured is why nothing is deleted: said once.
    let at_source = |p: &Finding| p.labels.iter().any(|label| label.span == policy.spans.source);
    let said = matches!(guard, Some(Guard::Source(_) | Guard::Services(_))) && problems.iter().any(at_source);
    if let Some(guard) = guard.filter(|_| !said) {
        problems.push(problem::deletes_blocked(policy, seen.store, going.len(), &guard));
    }
    let candidate = |n: &usize| Candidate { store: seen.store.clone(), series: policy.series.clone(), id: seen.artifacts()[*n].id };
    let candidates = going.iter().map(candidate).collect();
    let mut deletes = Vec::new();
    let mut gone = 0;
    if let (false, Some(retention)) = (blocked, policy.retention_for(seen.store)) {
        let survivors = verdicts.survivors(&items);
        // What needs others goes before what it needs, the newest first: cut anywhere, everything still listed restores.
        let mut order = going;
        order.sort_unstable_by_key(|n| (items[*n].need.is_none(), std::cmp::Reverse((items[*n].instant, items[*n].id))));
        let mut before: Option<String> = None;
        for number in order {
            let artifact = &seen.artifacts()[number];
            let (older, newer) = survivors.around(artifact.instant);
            let address = address(view, seen, artifact);
            gone += artifact.bytes();
            deletes.push(Step {
                address: address.clone(),
                work: Work::Delete {
                    policy: policy.name.clone(),
                    series: policy.series.clone(),
                    id: artifact.id,
                    store: seen.store.clone(),
                    generations: artifact.generations.iter().map(|g| g.n).collect(),
                    bytes: artifact.bytes(),
                },
                reason: Reason::Expired {
                    retention: retention.name.to_string(),
                    misses: verdicts.misses(&items, &retention.value, number),
                    older,
                    newer,
                },
                span: Some(retention.span.clone()),
                after: before.replace(address).into_iter().collect(),
            });
        }
    }
    let all: u64 = seen.artifacts().iter().map(crate::facts::Artifact::bytes).sum();
    let holding =
        Holding { policy: policy.name.clone(), store: seen.store.clone(), artifacts: items.len() - deletes.len(), bytes: all - gone };
    Judged { deletes, waiting, candidates, holding, changes_at: changes_at(view, seen, &items, &verdicts) }
}

fn address(view: &View<'_>, seen: &Seen<'_>, artifact: &Artifact) -> String {
    format!("delete:policy.{}/{}@{}", view.policy.name, artifact.id, seen.store)
}

fn waits(view: &View<'_>, seen: &Seen<'_>, artifact: &Artifact, reason: Wait) -> Waiting {
    Waiting {
        address: address(view, seen, artifact),
        policy: Some(view.policy.name.clone()),
        store: seen.store.clone(),
        id: Some(artifact.id),
        bytes: artifact.bytes(),
        reason,
    }
}

/// What only its store keeps.
fn locked(view: &View<'_>, seen: &Seen<'_>, keep: &Keep, artifact: &Artifact) -> Option<Waiting> {
    let Keep::Locked { until } = keep else { return None };
    Some(waits(view, seen, artifact, Wait::Locked { until: *until }))
}

fn changes_at(view: &View<'_>, seen: &Seen<'_>, items: &[Item], verdicts: &Verdicts) -> Option<Instant> {
    let aged = view.retention(seen.store).and_then(|r| verdicts.changes_at(items, &r.min_age, view.now));
    let unlocked = verdicts.keep.iter().filter_map(|keep| if let Some(Keep::Locked { until }) = keep { Some(*until) } else { None });
    aged.into_iter().chain(unlocked).min()
}

fn guard(view: &View<'_>, seen: &Seen<'_>, role: Role, going: usize, listed: usize) -> Option<Guard> {
    if view.policy.state == PolicyState::Paused {
        return Some(Guard::Paused);
    }
    if !seen.listing.complete {
        return Some(Guard::IncompleteListing);
    }
    if !seen.listing.payload_listed {
        return Some(Guard::PayloadUnlisted);
    }
    // An engine that is away is why its volumes cannot be looked for.
    if view.policy.state == PolicyState::Active
        && let Some(refusal) = super::closure::refusals(view.set, view.facts, view.policy).into_iter().next()
    {
        return Some(Guard::Services(refusal));
    }
    if let (PolicyState::Active, Some(SourceFacts::Unusable(message))) = (view.policy.state, view.source) {
        return Some(Guard::Source(message.clone()));
    }
    let series = seen.series(&view.policy.series)?;
    if let Some(name) = series.unreadable.first() {
        return Some(Guard::Unreadable { count: series.unreadable.len(), example: name.clone() });
    }
    if view.policy.stores.first() == Some(seen.store) && !view.whole() {
        return Some(Guard::SiblingsUnseen);
    }
    if let Some(behind) = clock_behind(view, seen) {
        return Some(behind);
    }
    if let Some(ahead) = seen.listing.clock_ahead.filter(|ahead| ahead.abs() > SKEW) {
        return Some(Guard::ClockSkew { ahead });
    }
    if let Some(stranger) = series.writer.as_ref().filter(|_| role == Role::Janitor).and_then(|writer| stranger(view, writer)) {
        return Some(stranger);
    }
    #[expect(clippy::cast_precision_loss, reason = "a fraction of a count; no series comes near 2^52 artifacts")]
    let fraction = going as f64 / listed as f64;
    if going > FEW && fraction > view.set.guard.max_delete_fraction {
        return Some(Guard::Fraction { going, listed, limit: view.set.guard.max_delete_fraction });
    }
    stale(view, seen)
}

/// Rules that are not those of this manifest: what one lets go the other may be keeping.
fn stranger(view: &View<'_>, writer: &Writer) -> Option<Guard> {
    match writer {
        Writer::Unread { message } => Some(Guard::WriterUnread(message.clone())),
        Writer::Said { manifest_sha256, .. } if *manifest_sha256 == view.set.manifest_sha256 => None,
        Writer::Said { id, rules, .. } => {
            let own = view.policy.rules_sha256(view.set.zone);
            (rules.as_ref() != Some(&own)).then(|| Guard::OtherRules { id: *id, rules: rules.clone(), own })
        }
    }
}

/// An artifact that is dated after the time of the facts.
fn clock_behind(view: &View<'_>, seen: &Seen<'_>) -> Option<Guard> {
    let ahead = seen.artifacts().iter().filter(|a| a.instant.max(a.id.start()) > view.at + FUTURE_TOLERANCE);
    let ahead = ahead.max_by_key(|a| (a.instant, a.id))?;
    Some(Guard::ClockBehind { id: ahead.id, instant: ahead.instant.max(ahead.id.start()) })
}

/// While backups are late by their own objective, nothing old goes.
fn stale(view: &View<'_>, seen: &Seen<'_>) -> Option<Guard> {
    if view.policy.state != PolicyState::Active {
        return None;
    }
    let rpo = view.policy.rpo_for(seen.store)?;
    let newest = seen.artifacts().iter().filter(|a| seen.usable(a)).map(|a| a.instant).max()?;
    (newest < rpo.before(view.now)).then_some(Guard::Stale { newest, rpo: *rpo })
}
