//! Policies, facts and an instant to a plan. Pure: the same arguments give the same plan, to the byte.
//!
//! Three passes, each over the world as the one before leaves it: what is made, what is copied, what goes. The last pass is run
//! again by the executor over facts listed after the first two ([`removals`]).

use std::collections::BTreeSet;

use super::evolve::advance;
use super::step::{Candidate, FORMAT_VERSION, Holding, Plan, Reason, Step, Wait, Waiting, Work};
use super::view::View;
use super::{Request, Role, deletes, due, mirror, problem, space, sweeps, windows};
use crate::facts::{Facts, StoreFacts};
use crate::finding::{Finding, sort};
use crate::model::PolicySet;
use crate::model::id::{Instant, Name};

/// Decides everything.
pub fn decide(set: &PolicySet, facts: &Facts, now: Instant, request: &Request) -> Plan {
    let mut findings = problem::stores(set, facts, request);
    findings.extend(problem::series(set, facts));
    let mut world = facts.clone();
    // What is made at another instant is not of the future then.
    world.at = world.at.max(now);
    let mut steps = makes(set, facts, now, request, &mut findings);
    let early = space::early(set, facts, now, request, &mut steps, &mut findings);
    let recoveries = if request.role == Role::Janitor { Vec::new() } else { windows::recoveries(facts, &mut findings) };
    let steps = windows::open(set, facts, now, &recoveries, steps, &mut findings);
    for step in recoveries.iter().chain(&early).chain(&steps) {
        advance(&mut world, step, now);
    }
    let mut copied: Vec<Step> = Vec::new();
    loop {
        let mut round = copies(set, &world, now, request);
        round.retain(|step| !copied.iter().any(|before| before.address == step.address));
        let again = unlocks(&world, &round);
        after_repairs(&mut round, &copied, &world);
        name_captures(&mut round, &steps, now);
        for step in &round {
            advance(&mut world, step, now);
        }
        copied.extend(round);
        if !again {
            break;
        }
    }
    let mut removed = removals_in(set, &world, now, request, &mut findings);
    let waits: Vec<(Option<Name>, Option<Name>, String)> =
        steps.iter().chain(&copied).map(|s| (s.work.series().cloned(), s.work.store().cloned(), s.address.clone())).collect();
    for step in &mut removed.steps {
        let after = waits.iter().filter(|(series, store, _)| match step.work.series() {
            Some(own) => series.as_ref() == Some(own),
            None => store.is_some() && store.as_ref() == step.work.store(),
        });
        step.after.extend(after.map(|(_, _, address)| address.clone()));
    }
    windows::after_wake(&mut copied, &steps);
    windows::after_wake(&mut removed.steps, &steps);
    let valid_until = removed.changes_at.into_iter().chain(next_slots(set, now, request)).chain(too_late(set, now, &steps)).min();
    sort(&mut findings);
    let mut all = recoveries;
    all.extend(early);
    all.extend(steps);
    all.extend(copied);
    all.extend(removed.steps);
    Plan {
        format_version: FORMAT_VERSION,
        instance: set.instance.clone(),
        manifest_sha256: set.manifest_sha256.clone(),
        as_of: now,
        facts_at: facts.at,
        valid_until,
        only: request.only.iter().cloned().collect(),
        steps: all,
        findings,
        holdings: removed.holdings,
        waiting: removed.waiting,
        candidates: removed.candidates,
    }
}

/// What goes and what is swept, and nothing else: the pass that is run again before anything is removed.
pub fn removals(set: &PolicySet, facts: &Facts, now: Instant, request: &Request) -> Plan {
    let mut findings = problem::stores(set, facts, request);
    let removed = removals_in(set, facts, now, request, &mut findings);
    sort(&mut findings);
    Plan {
        format_version: FORMAT_VERSION,
        instance: set.instance.clone(),
        manifest_sha256: set.manifest_sha256.clone(),
        as_of: now,
        facts_at: facts.at,
        valid_until: removed.changes_at,
        only: request.only.iter().cloned().collect(),
        steps: removed.steps,
        findings,
        holdings: removed.holdings,
        waiting: removed.waiting,
        candidates: removed.candidates,
    }
}

pub(super) struct Removed {
    pub(super) steps: Vec<Step>,
    pub(super) waiting: Vec<Waiting>,
    pub(super) candidates: Vec<Candidate>,
    pub(super) holdings: Vec<Holding>,
    pub(super) changes_at: Option<Instant>,
}

fn makes(set: &PolicySet, facts: &Facts, now: Instant, request: &Request, findings: &mut Vec<Finding>) -> Vec<Step> {
    if request.role == Role::Janitor {
        return Vec::new();
    }
    let mut inits: BTreeSet<&Name> = BTreeSet::new();
    let mut captures = Vec::new();
    for policy in request.selected(set) {
        let view = View::new(set, policy, facts, now);
        let capture = due::capture(&view, facts, request, findings);
        // A store is made for what goes into it: for a source that cannot be read there is nothing.
        let something = capture.is_some() || view.seen.iter().any(|seen| !seen.artifacts().is_empty());
        if policy.state.captures() && something {
            inits.extend(policy.stores.iter().filter(|s| matches!(facts.stores.get(*s), Some(StoreFacts::New))));
        }
        captures.extend(capture);
    }
    let mut steps: Vec<Step> = inits.into_iter().map(|store| init(set, store)).collect();
    for mut capture in captures {
        let store = capture.work.store();
        capture.after = steps
            .iter()
            .filter(|s| matches!(&s.work, Work::Init { store: made } if Some(made) == store))
            .map(|s| s.address.clone())
            .collect();
        steps.push(capture);
    }
    steps
}

fn init(set: &PolicySet, store: &Name) -> Step {
    Step {
        address: format!("init:store.{store}"),
        work: Work::Init { store: store.clone() },
        reason: Reason::NewStore {},
        span: set.stores.get(store).map(|s| s.span.clone()),
        after: Vec::new(),
    }
}

/// The copies that are missing, and nothing else: the pass that is run again once everything is made.
pub fn copies(set: &PolicySet, facts: &Facts, now: Instant, request: &Request) -> Vec<Step> {
    if request.role == Role::Janitor {
        return Vec::new();
    }
    request.selected(set).flat_map(|policy| mirror::missing(&View::new(set, policy, facts, now))).collect()
}

/// Whether copies make something whole beside themselves: what points at bytes that come back can then be copied in turn.
pub fn unlocks(facts: &Facts, copies: &[Step]) -> bool {
    copies.iter().any(|step| match &step.work {
        Work::Copy { series, id: Some(id), store, .. } => {
            let there = facts.stores.get(store).and_then(StoreFacts::listing).and_then(|l| l.series.get(series));
            there.is_some_and(|s| s.artifacts.iter().any(|a| a.need == Some(id.random())))
        }
        _ => false,
    })
}

/// A copy of what became whole by an earlier copy waits for it.
fn after_repairs(round: &mut [Step], before: &[Step], world: &Facts) {
    for step in round {
        let Work::Copy { series, id: Some(id), from, .. } = &step.work else { continue };
        let listed = world.stores.get(from).and_then(StoreFacts::listing).and_then(|l| l.series.get(series));
        let Some(need) = listed.and_then(|s| s.artifacts.iter().find(|a| a.id == *id)).and_then(|a| a.need) else { continue };
        let repairs = before.iter().filter(
            |b| matches!(&b.work, Work::Copy { series: s, id: Some(owner), store, .. } if s == series && owner.random() == need && store == from),
        );
        step.after.extend(repairs.map(|b| b.address.clone()));
    }
}

/// Turns copies of predicted artifacts into copies of what a capture of this plan will make.
fn name_captures(copied: &mut [Step], makes: &[Step], now: Instant) {
    for step in copied {
        for make in makes {
            let Work::Capture { policy, .. } = &make.work else {
                if make.work.store() == step.work.store() && matches!(make.work, Work::Init { .. }) {
                    step.after.push(make.address.clone());
                }
                continue;
            };
            let predicted = super::evolve::predicted(&make.address, now);
            if let Work::Copy { policy: own, id, of, store, bytes, .. } = &mut step.work
                && own == policy
                && *id == Some(predicted)
            {
                *id = None;
                *of = Some(make.address.clone());
                *bytes = bytes.filter(|b| *b > 0);
                step.address = format!("copy:{}@{store}", make.address.trim_start_matches("capture:"));
                step.after.push(make.address.clone());
            }
        }
    }
}

pub(super) fn removals_in(set: &PolicySet, facts: &Facts, now: Instant, request: &Request, findings: &mut Vec<Finding>) -> Removed {
    let mut removed = Removed { steps: Vec::new(), waiting: Vec::new(), candidates: Vec::new(), holdings: Vec::new(), changes_at: None };
    for policy in request.selected(set) {
        for judged in deletes::judge(&View::new(set, policy, facts, now), request.role, findings) {
            removed.steps.extend(judged.deletes);
            removed.waiting.extend(judged.waiting);
            removed.candidates.extend(judged.candidates);
            removed.holdings.push(judged.holding);
            removed.changes_at = removed.changes_at.into_iter().chain(judged.changes_at).min();
        }
    }
    if request.only.is_empty() {
        for (store, listing) in facts.stores.iter().filter_map(|(name, s)| Some((name, s.listing()?))) {
            let (steps, waiting) = sweeps::of(set, facts, store, listing);
            removed.waiting.extend(waiting);
            match request.role {
                Role::Writer => removed.waiting.extend(steps.into_iter().filter_map(left)),
                Role::Whole | Role::Janitor => removed.steps.extend(steps),
            }
        }
    }
    removed.candidates.sort_unstable();
    removed.waiting.sort_by(|a, b| (&a.store, &a.address).cmp(&(&b.store, &b.address)));
    removed
}

/// A sweep that is left to a janitor.
fn left(step: Step) -> Option<Waiting> {
    let Work::Sweep { store, bytes, .. } = step.work else { return None };
    Some(Waiting { address: step.address, policy: None, store, id: None, bytes, reason: Wait::Janitor {} })
}

fn next_slots<'a>(set: &'a PolicySet, now: Instant, request: &'a Request) -> impl Iterator<Item = Instant> + 'a {
    request
        .selected(set)
        .filter(|p| p.state.captures() && request.role != Role::Janitor)
        .filter_map(move |p| p.schedule.as_ref().and_then(|s| s.value.next_after(now, set.zone)))
}

/// When slots that are made up now would be too old for it. One that is too old already was asked for by hand.
fn too_late<'a>(set: &'a PolicySet, now: Instant, steps: &'a [Step]) -> impl Iterator<Item = Instant> + 'a {
    steps.iter().filter_map(move |step| {
        let (Work::Capture { policy, slot, .. }, Reason::Due { .. } | Reason::FirstCapture {}) = (&step.work, &step.reason) else {
            return None;
        };
        let policy = set.policies.get(policy)?;
        let limited = matches!(step.reason, Reason::Due { .. }) || set.sources.get(&policy.source).is_some_and(|s| !s.stop.is_empty());
        Some(policy.catch_up_within.as_ref().filter(|_| limited)?.after((*slot)?)).filter(|end| *end >= now)
    })
}
