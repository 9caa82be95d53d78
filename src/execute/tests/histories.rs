//! A random search over histories, on the real planner and executor: what breaks a law is printed as a story that a person can read.
//!
//! A history is a number. It makes a manifest, then lives through steps: time passes, sources change, people hold and release, stores
//! are out of reach, objects rot, buckets keep what they have promised, another host is the only one to delete, runs are killed between any two changes or meet one fault. After every step the laws of `laws` are
//! looked at, and at the end everything is mended and must come to rest. When a law breaks, steps are taken out of the history for as
//! long as it still breaks.
//!
//! What the search and the laws of `plan/tests/laws.rs` were seen to catch, each switched off by hand: needs kept with what needs
//! them, holds, deletes on the first store only with its siblings seen, removals decided again after captures and copies, an owner of
//! bytes that is whole, holds before the record of a copy, the note of what is on its way, the second round of copies (the laws, and
//! longer searches), pins of what another store awaits (the laws). Not caught: payload removed before its record, because a restore
//! of what is being deleted is promised to nobody; the record is still the first to go.
//!
//! Of windows, with an engine that goes away, runs that are killed between any two of its calls, and somebody else who starts, stops,
//! pauses, renames, removes and makes containers anew, it was seen to catch: the journal before the first stop, the note that a command
//! is about to run, entries that stay until they are settled, last starts compared before something is started, thaws, recovery itself,
//! doubts about what was started or made anew meanwhile. Not caught: a container that ends between the plan and its window, which no
//! history does; what was paused before, which only restores stop.
//!
//! The normal suite runs [`HISTORIES`] of them. To search further: `LUCID_HISTORIES=20000 LUCID_FIRST=1 cargo test --release --lib
//! random_histories`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use chrono::TimeDelta;
use tokio::runtime::Runtime;

use super::chance::{Rng, manifest};
use super::laws::{Truth, catalog, ids, listing, series_names};
use super::watched::Look;
use super::world::{Applied, Luck, STORES, World, locked, name, set};
use super::yard::{ACTS, CONTAINERS};
use crate::archive::Identities;
use crate::execute::verify::{Eyes, check};
use crate::execute::{Outcome, StepResult};
use crate::facts::Facts;
use crate::model::PolicySet;
use crate::model::id::{ArtifactId, Name, Random, to_millis};
use crate::plan::{Plan, Role};
use crate::store::documents::{CheckRecord, FormatVersion, HoldRecord, write};
use crate::store::faults::Fault;
use crate::store::layout::{self, CheckKey, Place, Verdict};
use crate::store::{ReadStore, WriteStore};

/// Histories of the normal suite.
const HISTORIES: u64 = 120;
/// Steps of one.
const STEPS: u64 = 20;
/// Applies within which a mended world comes to rest: one finds each rotten object.
const REST: usize = 24;

/// A broken law, and the history up to it.
struct Broken {
    law: String,
    story: Vec<String>,
}

struct History<'a> {
    world: World,
    runtime: &'a Runtime,
    story: Vec<String>,
    /// No faults but passing time and changing sources.
    calm: bool,
    /// The host may not delete, and another one does nothing else.
    split: bool,
    /// `(store, series, id)` that were there and are not.
    gone: BTreeSet<(usize, Name, ArtifactId)>,
    there: [BTreeSet<(Name, ArtifactId)>; 2],
}

fn live(seed: u64, steps: &[u64], runtime: &Runtime) -> Result<(), Broken> {
    let mut rng = Rng::new(seed, 0);
    let text = manifest(&mut rng);
    let mut story: Vec<String> = text.lines().map(|line| format!("    {line}")).collect();
    let calm = rng.percent(20);
    story.insert(0, format!("history {seed}{}", if calm { ", calm" } else { "" }));
    let split = rng.percent(25);
    let mut world = World::new(seed, set(&text));
    if split {
        world.role = Role::Writer;
        story.push("another host deletes".to_owned());
    }
    let mut history = History { world, runtime, story, calm, split, gone: BTreeSet::new(), there: [BTreeSet::new(), BTreeSet::new()] };
    let mut result = Ok(());
    for step in steps {
        result = result.and_then(|()| history.step(&mut Rng::new(seed, *step)));
    }
    result = result.and_then(|()| history.rest());
    result.map_err(|law| Broken { law, story: history.story })
}

impl History<'_> {
    fn say(&mut self, line: impl std::fmt::Display) {
        self.story.push(format!("{} {line}", self.world.now().format("%d %H:%M:%S")));
    }

    fn step(&mut self, rng: &mut Rng) -> Result<(), String> {
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
    fn janitor(&mut self, luck: Luck) -> Result<bool, String> {
        self.say("the janitor:");
        self.world.change_hosts(Role::Janitor);
        let rests = self.apply(luck, TimeDelta::milliseconds(1), false);
        self.world.change_hosts(Role::Writer);
        rests
    }

    fn change(&mut self, source: &str, back: bool, moves: bool) {
        let now = self.world.now();
        let version = {
            let mut sources = locked(&self.world.sources.0);
            let held = sources.get_mut(&name(source)).unwrap();
            held.version = if back { held.version.saturating_sub(1).max(1) } else { held.version + 1 };
            held.changed = now;
            held.moves = moves;
            held.version
        };
        self.say(format_args!("{source} is of version {version} now{}", if moves { ", and will move while it is read" } else { "" }));
    }

    fn event(&mut self, rng: &mut Rng) {
        let number = usize::from(rng.percent(50));
        let store = self.world.stores[number].clone();
        let at = STORES[number];
        let instance = self.world.instance.clone();
        let all = catalog(&store, &instance);
        let some = rng.pick(&all).cloned();
        match (rng.below(22), some) {
            (0..=2, Some((_, series, key))) => {
                let hold = HoldRecord {
                    format_version: FormatVersion::CURRENT,
                    name: name("audit"),
                    reason: "a person said so".to_owned(),
                    created: self.world.now(),
                    by: "person".to_owned(),
                };
                let everywhere = rng.percent(70);
                for (n, store) in self.world.stores.iter().enumerate() {
                    if n == number || everywhere && ids(store, &instance).contains(&(series.clone(), key.id)) {
                        store.create(&layout::hold(&instance, &series, &key.id, &hold.name), &write(&hold)).unwrap();
                    }
                }
                self.say(format_args!("hold {series}/{} on {}", key.id, if everywhere { "every store that has it" } else { at }));
            }
            (3..=4, _) => {
                for store in &self.world.stores {
                    for key in store.keys().iter().filter(|k| matches!(layout::parse(&instance, k), Some(Place::Hold(..)))) {
                        store.delete(key).unwrap();
                    }
                }
                self.say("everything is released");
            }
            (5..=7, _) => {
                self.world.down[number] = !self.world.down[number];
                self.say(format_args!("{at} is {}", if self.world.down[number] { "out of reach" } else { "back" }));
            }
            (8..=11, Some((_, series, key))) => {
                let folder = layout::payload_folder(&instance, &series, &key.id, key.generation);
                let objects = store.list(&folder).unwrap();
                let Some(object) = rng.pick(&objects) else { return };
                let how = match rng.below(4) {
                    0 => {
                        store.truncate(&object.key);
                        "loses its end"
                    }
                    1 => {
                        store.lose(&object.key);
                        "is lost"
                    }
                    _ => {
                        store.corrupt(&object.key);
                        "rots"
                    }
                };
                self.world.truth.damaged.insert((number, object.key.clone()), store.get(&object.key).ok());
                self.gone.clear();
                self.say(format_args!("`{}` {how} on {at}", object.key));
                if rng.percent(40) {
                    self.scrub(number, &series, key);
                }
            }
            (12..=16, Some((_, series, key))) => self.scrub(number, &series, key),
            (17, _) => {
                let mut sources = locked(&self.world.sources.0);
                let held = sources.get_mut(&name("tree")).unwrap();
                held.unusable = !held.unusable;
                let line = if held.unusable { "tree cannot be read" } else { "tree can be read" };
                drop(sources);
                self.say(line);
            }
            (18, _) => {
                locked(&self.world.sources.0).get_mut(&name("dump")).unwrap().fails = true;
                self.say("the next dump fails half-way");
            }
            (19, _) if rng.percent(50) => {
                let text = manifest(rng);
                let locks = |set: &PolicySet| set.stores["offsite"].locked_until(self.world.now()).is_some();
                // what was promised is not taken back by a manifest that does not know of it
                if locks(&self.world.set) && !locks(&set(&text)) {
                    return;
                }
                self.say("the manifest becomes:");
                self.story.extend(text.lines().map(|line| format!("    {line}")));
                self.world.set = set(&text);
                self.gone.clear();
            }
            _ => {}
        }
    }

    /// What happens to the engine and what runs on it, behind our back.
    fn somebody(&mut self, rng: &mut Rng) {
        let yard = std::sync::Arc::clone(&self.world.yard);
        if rng.percent(if yard.away() { 60 } else { 5 }) {
            yard.answer(if yard.away() { usize::MAX } else { 0 });
            self.say(if yard.away() { "the engine is away" } else { "the engine answers" });
        }
        let name = *rng.pick(&CONTAINERS).unwrap();
        let act = *rng.pick(&ACTS).unwrap();
        if rng.percent(35)
            && let Some(said) = yard.act(name, act)
        {
            self.say(said);
        }
        if rng.percent(12) {
            let (name, act) = (*rng.pick(&CONTAINERS).unwrap(), *rng.pick(&ACTS).unwrap());
            *locked(&yard.meanwhile) = Some((name, act));
            self.say(format_args!("while a source is read next, somebody will do: {act:?} of {name}"));
        }
    }

    /// What an `apply` begins with. Whether it lived.
    fn recover(&mut self, luck: Luck) -> Result<bool, String> {
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

    /// Reads an artifact's bytes, as `verify` does, and leaves what it found.
    fn scrub(&mut self, number: usize, series: &Name, key: crate::store::key::CatalogKey) {
        let store = &self.world.stores[number];
        self.world.advance(TimeDelta::milliseconds(1));
        let at = to_millis(self.world.now());
        let (identities, cancel) = (Identities::none(), AtomicBool::new(false));
        let eyes = Eyes { level: 1, threads: 1, identities: &identities, cancel: &cancel };
        let found = check(store, &self.world.instance, series, &key, &eyes);
        let record = CheckRecord {
            format_version: FormatVersion::CURRENT,
            series: series.clone(),
            id: key.id,
            generation: key.generation,
            level: found.level,
            result: found.verdict,
            start: at,
            end: at,
            run: Random::new([0; 10]),
            findings: found.findings,
        };
        let place = CheckKey { at, generation: key.generation, level: found.level, verdict: found.verdict };
        store.create(&layout::check(&self.world.instance, series, &key.id, &place), &write(&record)).unwrap();
        if found.verdict == Verdict::Fail {
            self.gone.clear();
        }
        self.say(format_args!("{series}/{} is verified on {}: {}", key.id, STORES[number], found.verdict.as_str()));
    }

    fn apply(&mut self, luck: Luck, tick: TimeDelta, approve: bool) -> Result<bool, String> {
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

    fn tell(&mut self, plan: &Plan, outcome: Option<&Outcome>, died_at: Option<&str>) {
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

    fn nothing_lies(&self, facts: &Facts) -> Result<(), String> {
        self.world.truth.lies(&self.world.set, &self.world.stores, facts).into_iter().next().map_or(Ok(()), Err)
    }

    fn nothing_is_lost(&self, looks: &[Look]) -> Result<(), String> {
        let world = &self.world;
        let mut left = BTreeSet::new();
        for store in &world.stores {
            left.extend(world.truth.restorable(store, &world.instance));
        }
        for wanted in looks.iter().filter_map(|look| look.wanted.as_ref()) {
            if let Some((series, id)) = wanted.difference(&left).next() {
                return Err(format!("{id} of {series} was kept by a store's rules, could be restored, and cannot be now"));
            }
        }
        Ok(())
    }

    fn nothing_twice(&self, before: &[BTreeSet<(Name, ArtifactId)>; 2], facts: Option<&Facts>, plan: &Plan) -> Result<(), String> {
        let known: BTreeSet<_> = before.iter().flatten().cloned().collect();
        let after: BTreeSet<_> = self.world.stores.iter().flat_map(|s| ids(s, &self.world.instance)).collect();
        if let Some(facts) = facts {
            let wrong = Truth::captured_again(&self.world.set, facts, &known, &after, plan.as_of);
            wrong.into_iter().next().map_or(Ok(()), Err)?;
        }
        if !self.calm {
            return Ok(());
        }
        for (series, slot) in series_names(&self.world.set).iter().flat_map(|s| self.slots(s)).fold(BTreeMap::new(), |mut map, at| {
            *map.entry(at).or_insert(0) += 1;
            map
        }) {
            if slot > 1 {
                return Err(format!("{} has {slot} artifacts for the slot {}", series.0, series.1));
            }
        }
        Ok(())
    }

    /// Slots of the artifacts of a series, each artifact once.
    fn slots(&self, series: &Name) -> Vec<(Name, crate::model::Instant)> {
        let mut found = BTreeMap::new();
        for store in &self.world.stores {
            found.extend(catalog(store, &self.world.instance).into_iter().filter(|(_, s, _)| s == series).map(|(_, _, k)| (k.id, k.slot)));
        }
        found.into_values().flatten().map(|slot| (series.clone(), slot)).collect()
    }

    /// A copy of what is held is held, even if the run died over it.
    fn copies_are_held(&self, before: &[BTreeSet<(Name, ArtifactId)>; 2], looks: &[Look]) -> Result<(), String> {
        let Some(look) = looks.first() else { return Ok(()) };
        for (number, store) in self.world.stores.iter().enumerate() {
            let Some(other) = listing(&look.facts, 1 - number) else { continue };
            for (series, id) in ids(store, &self.world.instance).difference(&before[number]) {
                let original = other.series.get(series).and_then(|s| s.artifacts.iter().find(|a| a.id == *id));
                let held = store.list(&layout::holds_folder(&self.world.instance, series, id)).unwrap().len();
                if original.is_some_and(|a| a.holds.len() > held) {
                    return Err(format!("{id} of {series} is held, and its copy on {} is not", STORES[number]));
                }
            }
        }
        Ok(())
    }

    /// What was deleted on a store does not come back there.
    fn nothing_flaps(&mut self, before: &[BTreeSet<(Name, ArtifactId)>; 2]) -> Result<(), String> {
        for (number, store) in self.world.stores.iter().enumerate() {
            let after = ids(store, &self.world.instance);
            for (series, id) in after.difference(&before[number]) {
                if self.gone.contains(&(number, series.clone(), *id)) {
                    return Err(format!("{id} of {series} was deleted on {} and is there again", STORES[number]));
                }
            }
            self.gone.extend(before[number].difference(&after).map(|(series, id)| (number, series.clone(), *id)));
            self.there[number] = after;
        }
        Ok(())
    }

    /// What a run left that was killed is gone after the next good one that could reach it.
    fn nothing_abandoned(&self, facts: &Facts, down: [bool; 2]) -> Result<(), String> {
        for (number, down) in down.into_iter().enumerate() {
            let Some(listing) = listing(facts, number).filter(|_| !down) else { continue };
            let named =
                |series: &Name| self.world.set.policies.values().any(|p| p.series == *series && p.stores.contains(&name(STORES[number])));
            let orphans = listing.series.iter().filter(|(s, _)| named(s)).flat_map(|(_, s)| &s.orphans).filter(|o| o.abandoned);
            let free = |key: &&String| self.world.stores[number].retained(key).unwrap().is_none_or(|until| until <= self.world.now());
            let left = orphans.flat_map(|o| &o.keys).chain(listing.leftovers.iter().filter(|l| l.abandoned).map(|l| &l.key)).find(free);
            if let Some(key) = left {
                return Err(format!("`{key}` was left by a run that is dead, and stays on {}", STORES[number]));
            }
        }
        Ok(())
    }

    /// Everything is mended, and nothing more happens: the world comes to rest, and no rule fails to explain what is in it.
    fn rest(&mut self) -> Result<(), String> {
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

/// Takes steps out of a history for as long as the same law still breaks.
fn shorten(seed: u64, broken: Broken, runtime: &Runtime) -> Broken {
    let kind =
        |law: &str| law.chars().filter(|c| !c.is_ascii_digit()).take(400).collect::<String>().split_whitespace().last().map(str::to_owned);
    let mut steps: Vec<u64> = (1..=STEPS).collect();
    let mut best = broken;
    let mut at = steps.len();
    while at > 0 {
        at -= 1;
        let mut fewer = steps.clone();
        fewer.remove(at);
        if let Err(again) = live(seed, &fewer, runtime)
            && kind(&again.law) == kind(&best.law)
        {
            (steps, best) = (fewer, again);
        }
    }
    best
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn random_histories_keep_every_law() {
    let (first, count) = (number("LUCID_FIRST", 1), number("LUCID_HISTORIES", HISTORIES));
    let next = AtomicU64::new(first);
    let found: Mutex<Vec<Broken>> = Mutex::new(Vec::new());
    let most = usize::try_from(number("LUCID_BROKEN", 1)).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, std::num::NonZero::get) {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(2).build().unwrap();
                let steps: Vec<u64> = (1..=STEPS).collect();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count || locked(&found).len() >= most {
                        break;
                    }
                    if let Err(broken) = live(seed, &steps, &runtime) {
                        let shorter = shorten(seed, broken, &runtime);
                        locked(&found).push(shorter);
                    }
                }
            });
        }
    });
    let found = locked(&found);
    let stories: Vec<String> = found.iter().map(|b| format!("{}\nBROKEN: {}\n", b.story.join("\n"), b.law)).collect();
    assert!(stories.is_empty(), "\n{}", stories.join("\n"));
}
