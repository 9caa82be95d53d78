//! What happens in a history behind the back of its runs: to sources, stores, artifacts, the manifest, the engine.

use std::sync::atomic::AtomicBool;

use chrono::TimeDelta;

use super::chance::{Rng, manifest};
use super::history::History;
use super::laws::{catalog, ids};
use super::world::{STORES, locked, name, set};
use super::yard::{ACTS, CONTAINERS};
use crate::archive::Identities;
use crate::execute::verify::{Eyes, check};
use crate::model::PolicySet;
use crate::model::id::{Name, Random, to_millis};
use crate::store::documents::{CheckRecord, FormatVersion, HoldRecord, write};
use crate::store::layout::{self, CheckKey, Place, Verdict};
use crate::store::{ReadStore, WriteStore};

impl History<'_> {
    pub(super) fn change(&mut self, source: &str, back: bool, moves: bool) {
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

    pub(super) fn event(&mut self, rng: &mut Rng) {
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
    pub(super) fn somebody(&mut self, rng: &mut Rng) {
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

    /// Reads an artifact's bytes, as `verify` does, and leaves what it found.
    pub(super) fn scrub(&mut self, number: usize, series: &Name, key: crate::store::key::CatalogKey) {
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
}
