//! Windows: which captures share one, and the steps that open and close it.
//!
//! Captures whose closed sets overlap share a window, so that nothing is stopped twice. Everything that a capture waits for anyway,
//! new stores and room, comes before the first stop. What is owed by interrupted runs is woken before anything is stopped.
//!
//! Windows run side by side, unless one needs what is quiet in the other: those come one after the other.
//!
//! A command that runs in a container needs it awake: a capture without a window comes after the one that quiets its container, a
//! capture with a window is left to the next run.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use super::closure::{Closed, close, runs_in};
use super::refusal::Refusal;
use super::running::Running;
use super::step::{Reason, Step, Work};
use super::view::View;
use super::window::{Downtime, Quiet};
use super::{mounts, refusal};
use crate::facts::{Facts, RuntimeFacts};
use crate::finding::{Finding, Span, world as code};
use crate::model::id::{Instant, Name, Random};
use crate::model::{Policy, PolicySet, Source};

/// Wakes what interrupted runs owe, one step a run. While the engine is away that is no step: nothing could be done.
pub(super) fn recoveries(facts: &Facts, findings: &mut Vec<Finding>) -> Vec<Step> {
    let mut runs: BTreeMap<Random, (Instant, BTreeSet<&String>)> = BTreeMap::new();
    for owed in facts.owed.iter().filter(|owed| !owed.alive) {
        if let RuntimeFacts::Unreachable(why) = &facts.runtime
            && !owed.engineless
        {
            let message = format!("what run {} has quieted may not be awake ({}): {why}", owed.run, owed.services.join(", "));
            let help = "start the engine, then run `lucid-policy recover`";
            findings.push(Finding::new(code::ENGINE_UNREACHABLE, message).help(help));
            continue;
        }
        runs.entry(owed.run).or_insert((owed.at, BTreeSet::new())).1.extend(&owed.services);
    }
    let mut runs: Vec<(Instant, Random, BTreeSet<&String>)> = runs.into_iter().map(|(run, (at, services))| (at, run, services)).collect();
    runs.sort();
    let step = |(_, run, services): (Instant, Random, BTreeSet<&String>)| Step {
        address: format!("recover:run.{run}"),
        work: Work::Recover { run, services: services.into_iter().cloned().collect() },
        reason: Reason::Interrupted {},
        span: None,
        after: Vec::new(),
    };
    runs.into_iter().map(step).collect()
}

/// Puts the captures of what stops services between stops and starts. What it is given and gives back are the steps that make.
pub(super) fn open(
    set: &PolicySet,
    facts: &Facts,
    now: Instant,
    recovered: &[Step],
    makes: Vec<Step>,
    findings: &mut Vec<Finding>,
) -> Vec<Step> {
    let recovered: Vec<String> = recovered.iter().map(|s| s.address.clone()).collect();
    let mut steps = Vec::new();
    let mut captures: Vec<Windowed<'_>> = Vec::new();
    let mut awake: Vec<(Step, &str)> = Vec::new();
    let mut unseen: Vec<&Policy> = Vec::new();
    for mut step in makes {
        let Some((policy, source)) = captured(set, &step) else {
            steps.push(step);
            continue;
        };
        if runs_in(source).is_some() {
            step.after.extend(recovered.iter().cloned());
        }
        if facts.runtime == RuntimeFacts::NotChecked {
            unseen.extend((!source.stop.is_empty()).then_some(policy));
            steps.push(step);
            continue;
        }
        // Refused sets have been told already, where their capture was left out.
        let closed = close(set, facts, &source.stop, false).unwrap_or_default();
        if !closed.members.is_empty() {
            captures.push(Windowed { step, policy, source, closed });
            continue;
        }
        findings.extend(written(facts, policy, source, &[]));
        match runs_in(source) {
            Some(container) => awake.push((step, container)),
            None => steps.push(step),
        }
    }
    findings.extend(refusal::unseen(&unseen));
    let silent = |w: &Windowed<'_>, of: &[Windowed<'_>]| {
        let container = runs_in(w.source)?;
        let by: Vec<Name> = of.iter().filter(|c| c.closed.quiets(container)).map(|c| c.policy.name.clone()).collect();
        (!by.is_empty()).then(|| Refusal::Silenced { container: container.to_owned(), by })
    };
    // one at a time: two that silence each other are captured by turns
    while let Some((place, refusal)) = captures.iter().enumerate().find_map(|(n, w)| Some((n, silent(w, &captures)?))) {
        refusal.tell(set, captures.remove(place).policy, findings);
    }
    let running = Running::new(set, facts);
    let nodes: BTreeSet<&String> = captures.iter().flat_map(|c| &c.closed.members).map(|member| &member.quiet.address).collect();
    for (step, container) in &mut awake {
        let own = running.named(container).map_or(&[][..], |c| running.nodes_of(&c.id));
        let needs: BTreeSet<&str> = own.iter().flat_map(|node| running.graph.reach(node).into_iter().chain([node.as_str()])).collect();
        step.after.extend(nodes.iter().filter(|node| needs.contains(node.as_str())).map(|node| start(node)));
    }
    let mut windows: Vec<Window<'_>> = Vec::new();
    for capture in captures {
        let nodes = capture.closed.members.iter().map(|member| member.quiet.address.clone()).collect();
        join(&mut windows, Window { nodes, captures: vec![capture] });
    }
    let mut done: Vec<BTreeSet<String>> = Vec::new();
    for (number, window) in windows.into_iter().enumerate() {
        let earlier = done.iter().filter(|nodes| window.meets(nodes, &running)).flatten().map(|node| start(node));
        let before: Vec<String> = recovered.iter().cloned().chain(earlier).collect();
        done.push(window.nodes.clone());
        steps.extend(window.steps(set, facts, now, &(number + 1).to_string(), &before, findings));
    }
    steps.extend(awake.into_iter().map(|(step, _)| step));
    steps
}

/// Steps that come once a capture is done come once its window is closed.
pub(super) fn after_wake(steps: &mut [Step], makes: &[Step]) {
    let mut starts: BTreeMap<&String, Vec<&String>> = BTreeMap::new();
    for step in makes {
        if let Work::Start { window, .. } = &step.work {
            starts.entry(window).or_default().push(&step.address);
        }
    }
    let window = |address: &String| {
        let make = makes.iter().find(|m| m.address == *address)?;
        if let Work::Capture { window, .. } = &make.work { window.as_ref() } else { None }
    };
    for step in steps {
        let closed: BTreeSet<&String> = step.after.iter().filter_map(window).collect();
        let woken: Vec<String> = closed.into_iter().filter_map(|w| starts.get(w)).flatten().map(|s| (*s).clone()).collect();
        step.after.extend(woken);
    }
}

struct Window<'a> {
    /// Everything that is quiet in it.
    nodes: BTreeSet<String>,
    captures: Vec<Windowed<'a>>,
}

struct Windowed<'a> {
    step: Step,
    policy: &'a Policy,
    source: &'a Source,
    /// What its own source quiets.
    closed: Closed,
}

fn captured<'a>(set: &'a PolicySet, step: &Step) -> Option<(&'a Policy, &'a Source)> {
    let Work::Capture { policy, .. } = &step.work else { return None };
    let policy = set.policies.get(policy)?;
    Some((policy, set.sources.get(&policy.source)?))
}

/// Adds a window, as one with all those that it overlaps. They stay in the order of their first captures.
fn join<'a>(windows: &mut Vec<Window<'a>>, new: Window<'a>) {
    let (touched, apart): (Vec<_>, Vec<_>) = windows.drain(..).partition(|w| !w.nodes.is_disjoint(&new.nodes));
    let mut one = Window { nodes: BTreeSet::new(), captures: Vec::new() };
    for window in touched.into_iter().chain([new]) {
        one.nodes.extend(window.nodes);
        one.captures.extend(window.captures);
    }
    one.captures.sort_by(|a, b| a.policy.name.cmp(&b.policy.name));
    windows.extend(apart);
    windows.push(one);
    windows.sort_by(|a, b| a.first().cmp(&b.first()));
}

impl Window<'_> {
    fn first(&self) -> Option<&Name> {
        self.captures.first().map(|c| &c.policy.name)
    }

    /// Whether anything in it needs what is quiet in the other one, or the other way round: what is woken could not get ready.
    fn meets(&self, other: &BTreeSet<String>, running: &Running<'_>) -> bool {
        let needs = |from: &BTreeSet<String>, to: &BTreeSet<String>| {
            from.iter().any(|node| running.graph.reach(node).into_iter().any(|need| to.contains(need)))
        };
        needs(&self.nodes, other) || needs(other, &self.nodes)
    }

    fn steps(self, set: &PolicySet, facts: &Facts, now: Instant, name: &str, before: &[String], findings: &mut Vec<Finding>) -> Vec<Step> {
        let named: BTreeSet<&Name> = self.captures.iter().flat_map(|c| &c.source.stop).collect();
        let named: Vec<Name> = named.into_iter().cloned().collect();
        let Closed { members, dangling } = close(set, facts, &named, false).unwrap_or_default();
        findings.extend(dangling.iter().map(|(node, container, service)| refusal::dangling(set, node, container, service)));
        let quiets: Vec<Quiet> = members.iter().map(|member| member.quiet.clone()).collect();
        for capture in &self.captures {
            findings.extend(written(facts, capture.policy, capture.source, &quiets));
        }
        let downtime = self.downtime(set, facts, now);
        findings.extend(downtime.as_ref().and_then(|downtime| self.too_long(name, downtime)));

        let before: BTreeSet<String> =
            self.captures.iter().flat_map(|c| c.step.after.iter().cloned()).chain(before.iter().cloned()).collect();
        let policies: Vec<Name> = self.captures.iter().map(|c| c.policy.name.clone()).collect();
        let mut steps = Vec::new();
        for member in &members {
            let dependents = quiets.iter().filter(|q| q.needs.contains(&member.quiet.address)).map(|q| stop(&q.address));
            steps.push(Step {
                address: stop(&member.quiet.address),
                work: Work::Stop { window: name.to_owned(), service: member.quiet.clone() },
                reason: match &member.shares {
                    Some(shared) => Reason::Shares { with: shared.with.clone(), what: shared.what.to_owned() },
                    None => Reason::Quiet { policies: policies.clone() },
                },
                span: self.asked_by(set, &member.quiet.address),
                after: before.iter().cloned().chain(dependents).collect(),
            });
        }
        let spans: Vec<Option<Span>> = steps.iter().map(|s| s.span.clone()).collect();
        let captures: Vec<String> = self.captures.iter().map(|c| c.step.address.clone()).collect();
        for capture in self.captures {
            let mut step = capture.step;
            step.after.extend(quiets.iter().map(|q| stop(&q.address)));
            if let Work::Capture { window, .. } = &mut step.work {
                *window = Some(name.to_owned());
            }
            steps.push(step);
        }
        for (quiet, span) in quiets.iter().zip(spans).rev() {
            steps.push(Step {
                address: start(&quiet.address),
                work: Work::Start { window: name.to_owned(), service: quiet.address.clone(), downtime: downtime.clone() },
                reason: Reason::Wake {},
                span,
                after: captures.iter().cloned().chain(quiet.needs.iter().map(|need| start(need))).collect(),
            });
        }
        steps
    }

    /// The first source that names a service; of what only joined, where it is declared.
    fn asked_by(&self, set: &PolicySet, node: &str) -> Option<Span> {
        let service = set.services.get(node.strip_prefix("service.")?)?;
        let names = |c: &&Windowed<'_>| c.source.stop.contains(&service.name);
        Some(self.captures.iter().find(names).map_or_else(|| service.span.clone(), |c| c.source.span.clone()))
    }

    /// How long its captures have taken: side by side, and the longest one at least. None if one of them has never been made.
    fn downtime(&self, set: &PolicySet, facts: &Facts, now: Instant) -> Option<Downtime> {
        let (mut sum, mut longest, mut from) = (TimeDelta::zero(), TimeDelta::zero(), Vec::new());
        for capture in &self.captures {
            let view = View::new(set, capture.policy, facts, now);
            let artifacts = view.seen.iter().flat_map(super::view::Seen::artifacts);
            // one that owns its bytes: an unchanged tree takes no time, and the next one may have changed
            let newest = artifacts.filter(|a| a.need.is_none()).max_by_key(|a| (a.instant, a.id))?;
            let took = (newest.instant - newest.id.start()).max(TimeDelta::zero());
            sum += took;
            longest = longest.max(took);
            from.push(newest.id);
        }
        let side_by_side = sum / i32::try_from(set.run.concurrency.max(1)).unwrap_or(i32::MAX);
        let millis = u64::try_from(longest.max(side_by_side).num_milliseconds()).unwrap_or(0);
        Some(Downtime { seconds: millis.div_ceil(1000), from })
    }

    fn too_long(&self, name: &str, downtime: &Downtime) -> Option<Finding> {
        let limits = self.captures.iter().filter_map(|c| Some((c.policy.max_downtime.as_ref()?, c.policy)));
        let (limit, policy) = limits.min_by_key(|(limit, policy)| (limit.at_most_seconds(), &policy.name))?;
        (downtime.seconds > limit.at_most_seconds()).then(|| refusal::too_long(policy, name, downtime, limit))
    }
}

/// A finding for everybody who writes what a policy reads at rest. One that stops nothing reads what lives, and means it.
fn written(facts: &Facts, policy: &Policy, source: &Source, quiet: &[Quiet]) -> Vec<Finding> {
    if source.stop.is_empty() {
        return Vec::new();
    }
    mounts::writers(facts, source, quiet).iter().map(|(container, what)| refusal::writer(policy, container, what)).collect()
}

fn stop(node: &str) -> String {
    format!("stop:{node}")
}

fn start(node: &str) -> String {
    format!("start:{node}")
}
