//! One history: what a step of it is, what is asked of every run in it, and how it comes to rest.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use chrono::TimeDelta;
use tokio::runtime::Runtime;

use super::chance::Rng;
use super::laws::ids;
use super::world::{Applied, Luck, STORES, World, locked, name};
use crate::execute::{Outcome, StepResult};
use crate::model::id::{ArtifactId, Name};
use crate::plan::{Plan, Role};
use crate::store::faults::Fault;

/// Applies within which a mended world comes to rest: one finds each rotten object.
const REST: usize = 24;

pub(super) struct History<'a> {
    pub(super) world: World,
    pub(super) runtime: &'a Runtime,
    pub(super) story: Vec<String>,
    /// No faults but passing time and changing sources.
    pub(super) calm: bool,
    /// The host may not delete, and another one does nothing else.
    pub(super) split: bool,
    /// `(store, series, id)` that were there and are not.
    pub(super) gone: BTreeSet<(usize, Name, ArtifactId)>,
    pub(super) there: [BTreeSet<(Name, ArtifactId)>; 2],
}

impl History<'_> {
    pub(super) fn say(&mut self, line: impl std::fmt::Display) {
        self.story.push(format!("{} {line}", self.world.now().format("%d %H:%M:%S")));
    }

    pub(super) fn step(&mut self, rng: &mut Rng) -> Result<(), String> {
        let hours = if rng.percent(8) { rng.between(24, 240) } else { rng.between(0, 12) };
        self.world.advance(TimeDelta::minutes(i64::try_from(hours * 60 + rng.below(60)).unwrap()));
        for source in ["dump", "tree"] {
            if rng.percent(40) {
                self.change(source, rng.percent(10), rng.percent(3));
            }
        }
        if !self.calm {
            for _ in 0..=rng.below(2) {
                self.event(rng);
            }
            self.somebody(rng);
        }
        let luck = match rng.below(10) {
            0..=2 if !self.calm => Luck::Killed(rng.below(30), rng.percent(70)),
            3 if !self.calm => Luck::Stumbles(rng.between(1, 25), *rng.pick(&[Fault::Error, Fault::Lost, Fault::Full]).unwrap()),
            4 if !self.calm && rng.percent(40) => Luck::Leaves(usize::try_from(rng.below(12)).unwrap()),
            _ => Luck::Good,
        };
        let tick = TimeDelta::milliseconds(*rng.pick(&[1, 3, 1500, 20_000]).unwrap());
        let wakes = if !self.calm && rng.percent(20) { Luck::Killed(rng.below(8), rng.percent(70)) } else { Luck::Good };
        if !self.recover(wakes)? {
            return Ok(());
        }
        if self.calm || rng.percent(95) {
            self.apply(luck, tick, !self.calm && rng.percent(15))?;
        }
        if self.split && rng.percent(50) {
            let luck = if !self.calm && rng.percent(30) { Luck::Killed(rng.below(12), rng.percent(70)) } else { Luck::Good };
            self.janitor(luck)?;
        }
        Ok(())
    }

    /// The other host removes what may go.
    pub(super) fn janitor(&mut self, luck: Luck) -> Result<bool, String> {
        self.say("the janitor:");
        self.world.change_hosts(Role::Janitor);
        let rests = self.apply(luck, TimeDelta::milliseconds(1), false);
        self.world.change_hosts(Role::Writer);
        rests
    }

    /// What an `apply` begins with. Whether it lived.
    pub(super) fn recover(&mut self, luck: Luck) -> Result<bool, String> {
        let (awoken, notes) = self.world.recover(luck);
        for window in &awoken {
            self.say(format_args!("recovers: {window:?}"));
        }
        if let Some(place) = &notes.died_at {
            self.say(format_args!("recover, {luck:?}, killed {place}"));
        }
        if let Some(broken) = notes.broken.first() {
            return Err(broken.clone());
        }
        self.world.yard.unrest().map_or(Ok(()), Err)?;
        let stuck = awoken.iter().flat_map(|w| &w.stuck).next();
        if let (Some(stuck), None, false) = (stuck, &notes.died_at, self.world.yard.away()) {
            return Err(format!("the engine answers, and yet: {stuck}"));
        }
        Ok(notes.died_at.is_none())
    }

    pub(super) fn apply(&mut self, luck: Luck, tick: TimeDelta, approve: bool) -> Result<bool, String> {
        let mut before = [BTreeSet::new(), BTreeSet::new()];
        for (ids, store) in before.iter_mut().zip(&self.world.stores) {
            *ids = self::ids(store, &self.world.instance);
        }
        let facts = self.world.facts(true);
        let rotten = self.world.truth.rotten(&self.world.set, &self.world.stores, &facts);
        let away = self.world.yard.away();
        self.world.yard.disturbed.store(away, Ordering::SeqCst);
        let fails = locked(&self.world.sources.0).values().any(|held| held.fails || held.moves);
        let down = self.world.down;
        self.say(format_args!("apply, {luck:?}{}", if approve { ", what was approved only" } else { "" }));
        let Applied { plan, outcome, notes } = self.world.apply(self.runtime, luck, tick, approve, &facts);
        self.tell(&plan, outcome.as_ref(), notes.died_at.as_deref());
        if let Some(broken) = notes.broken.first() {
            return Err(broken.clone());
        }
        self.world.yard.unrest().map_or(Ok(()), Err)?;
        let disturbed = self.world.yard.disturbed.load(Ordering::SeqCst);
        let facts = self.world.facts(true);
        self.nothing_lies(&facts)?;
        self.nothing_is_lost(&notes.looks)?;
        self.nothing_twice(&before, notes.looks.first().map(|look| &look.facts), &plan)?;
        self.copies_are_held(&before, &notes.looks)?;
        self.world.truth.unpromised(&self.world.stores, &self.world.instance).into_iter().next().map_or(Ok(()), Err)?;
        let role = self.world.role;
        let stranger = plan.steps.iter().find(|step| match step.work.kind() {
            "delete" | "sweep" => role == Role::Writer,
            _ => role == Role::Janitor,
        });
        if let Some(step) = stranger {
            return Err(format!("{} is nothing for a {role:?}", step.address));
        }
        self.nothing_flaps(&before)?;
        if let (true, Some(outcome)) = (approve, &outcome) {
            let unasked = outcome.steps.iter().find(|s| s.kind == "delete" && plan.step(&s.address).is_none());
            if let Some(step) = unasked {
                return Err(format!("{} was not approved", step.address));
            }
        }
        let Some(outcome) = outcome.filter(|_| luck == Luck::Good || matches!(luck, Luck::Killed(..))) else { return Ok(false) };
        let failed = outcome.steps.iter().find(|s| !matches!(s.result, StepResult::Done(_)));
        if let Some(failed) = failed {
            if !rotten && !fails && !disturbed {
                return Err(format!("{} did not go well, and nothing was wrong: {:?}", failed.address, failed.result));
            }
            return Ok(false);
        }
        if !outcome.locked.is_empty() {
            return Err(format!("locked by nobody: {:?}", outcome.locked));
        }
        // What somebody did meanwhile may be the next plan's to answer.
        if !approve && (away || !disturbed) {
            let again = self.world.plan(&facts, plan.as_of);
            if let Some(step) = again.steps.first() {
                return Err(format!("a step is left after apply at the same instant: {} because of {:?}", step.address, step.reason));
            }
            if role != Role::Writer {
                self.nothing_abandoned(&facts, down)?;
            }
        }
        Ok(true)
    }

    pub(super) fn tell(&mut self, plan: &Plan, outcome: Option<&Outcome>, died_at: Option<&str>) {
        for step in &plan.steps {
            self.story.push(format!("        planned {}", step.address));
        }
        for finding in &plan.findings {
            self.story.push(format!("        finding {}", finding.message));
        }
        for step in outcome.into_iter().flat_map(|o| &o.steps) {
            let result = match &step.result {
                StepResult::Done(done) if done.unchanged => "done, unchanged".to_owned(),
                StepResult::Done(_) => "done".to_owned(),
                StepResult::Failed { message } | StepResult::Skipped { message } => message.clone(),
            };
            self.story.push(format!("        {} {result}", step.address));
        }
        if let Some(place) = died_at {
            self.story.push(format!("        killed {place}"));
        }
    }

    /// Everything is mended, and nothing more happens: the world comes to rest, and no rule fails to explain what is in it.
    pub(super) fn rest(&mut self) -> Result<(), String> {
        self.world.down = [false; 2];
        self.world.yard.mend();
        for held in locked(&self.world.sources.0).values_mut() {
            (held.unusable, held.fails, held.moves) = (false, false, false);
        }
        self.world.advance(TimeDelta::hours(25));
        self.say("everything is mended, a day later");
        self.recover(Luck::Good)?;
        // what a copy left that failed is a day old before another host takes it for abandoned
        for day in 0..=u8::from(self.split) {
            self.world.advance(TimeDelta::hours(25 * i64::from(day)));
            for tries in 0.. {
                let mut rests = self.apply(Luck::Good, TimeDelta::milliseconds(1), false)?;
                if self.split {
                    rests &= self.janitor(Luck::Good)?;
                }
                if rests {
                    break;
                }
                if tries > REST {
                    return Err("the world does not come to rest".to_owned());
                }
            }
        }
        let facts = self.world.facts(true);
        if self.split {
            self.world.change_hosts(Role::Janitor);
        }
        let plan = self.world.plan(&facts, facts.at);
        if plan.findings.iter().any(|f| f.message.contains("not deleted")) {
            return Ok(());
        }
        let used = |n: usize| self.world.set.policies.values().any(|p| p.stores.contains(&name(STORES[n])));
        if !(used(0) && used(1)) {
            return Ok(());
        }
        self.world.truth.unexplained(&self.world.set, &self.world.stores, &facts).into_iter().next().map_or(Ok(()), Err)
    }
}
