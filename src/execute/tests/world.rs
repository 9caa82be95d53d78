//! A small world for histories: two stores and an engine in memory that can die between any two changes, sources that know what they
//! held, a clock that only moves when it is asked, and the local state of one host.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::TimeDelta;

use super::chance::Rng;
use super::laws;
use super::numbers::{Held, Numbers};
use super::watched::{Look, Notes, Watched, freeze};
use super::yard::{Hands, Yard};
use crate::execute::window::{self, Awoken};
use crate::execute::{Clock, Host, LocalState, Observe, Order, Outcome, Ports, apply, informed};
use crate::facts::Facts;
use crate::model::id::{Instant, Name};
use crate::model::{PolicySet, read};
use crate::observe::{Eyes, collect};
use crate::plan::{Plan, Request, Role, Step, decide};
use crate::runtime::Runtime;
use crate::source::Sources;
use crate::store::faults::{Budget, Fault, Faulty};
use crate::store::lease::{Claimant, Process};
use crate::store::record::Record;
use crate::store::{Memory, ReadStore, StoreError, WriteStore};

pub(super) const STORES: [&str; 2] = ["local", "offsite"];
const HOST: &str = "host-1";
const JANITOR: &str = "host-2";

pub(super) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The policies of a manifest. Nobody waits for an engine here: what it does is done at once.
pub(super) fn set(text: &str) -> Arc<PolicySet> {
    let loaded = read(&[("lucid-policy.toml".to_owned(), text.to_owned())], Path::new("/etc/lucid"));
    let mut set = loaded.set.unwrap_or_else(|| panic!("{text}\n{:#?}", loaded.findings));
    for service in set.services.values_mut() {
        service.ready_timeout = 0;
    }
    Arc::new(set)
}

/// How one run goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Luck {
    Good,
    /// Killed after so many changes; whether the local state is lost at once too.
    Killed(u64, bool),
    /// The n-th change meets a fault, and the run goes on.
    Stumbles(u64, Fault),
    /// The engine goes away after so many of its changes.
    Leaves(usize),
}

impl Luck {
    fn budget(self) -> (Arc<Budget>, bool) {
        match self {
            Self::Good | Self::Leaves(_) => (Budget::unlimited(), false),
            Self::Killed(after, at_once) => (Budget::kill_after(after), at_once),
            Self::Stumbles(at, fault) => (Budget::at(at, fault), false),
        }
    }
}

/// What a run came to.
pub(super) struct Applied {
    pub(super) plan: Plan,
    pub(super) outcome: Option<Outcome>,
    pub(super) notes: Notes,
}

pub(super) struct World {
    pub(super) instance: Name,
    pub(super) set: Arc<PolicySet>,
    pub(super) stores: [Memory; 2],
    pub(super) down: [bool; 2],
    pub(super) sources: Arc<Numbers>,
    pub(super) yard: Arc<Yard>,
    pub(super) now: Arc<Mutex<Instant>>,
    pub(super) truth: laws::Truth,
    /// Whether payload is left out where stores are listed.
    pub(super) catalog_only: bool,
    /// What the host may do that looks and applies.
    pub(super) role: Role,
    /// Makes of a store, by its number, what a run has of it.
    pub(super) wrap: Option<Wrap>,
    entropy: Arc<Mutex<Rng>>,
    folder: tempfile::TempDir,
    state: PathBuf,
    states: usize,
    /// The local state of the other host: of the janitor, or of whoever captures while the janitor is at work.
    other: PathBuf,
}

/// See [`World::wrap`].
pub(super) type Wrap = Arc<dyn Fn(usize, Arc<dyn WriteStore>) -> Arc<dyn WriteStore> + Send + Sync>;

impl World {
    pub(super) fn new(seed: u64, set: Arc<PolicySet>) -> Self {
        let now: Instant = "2026-11-20T09:30:00Z".parse().unwrap();
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let state = folder.path().join("state-0");
        let yard = Arc::new(Yard::new(&state));
        let held = Held { version: 1, changed: now, unusable: false, fails: false, moves: false, last_read: 0 };
        Self {
            instance: set.instance.clone(),
            sources: Arc::new(Numbers(Mutex::new(set.sources.keys().map(|s| (s.clone(), held.clone())).collect()), Arc::clone(&yard))),
            yard,
            set,
            stores: [Memory::new(), Memory::new()],
            down: [false; 2],
            now: Arc::new(Mutex::new(now)),
            truth: laws::Truth::default(),
            catalog_only: false,
            role: Role::Whole,
            wrap: None,
            other: folder.path().join("janitor-0"),
            entropy: Arc::new(Mutex::new(Rng::new(seed, u64::MAX))),
            state,
            folder,
            states: 0,
        }
    }

    pub(super) fn now(&self) -> Instant {
        *locked(&self.now)
    }

    pub(super) fn advance(&self, by: TimeDelta) {
        let mut now = locked(&self.now);
        *now += by;
        for store in &self.stores {
            store.set_time(*now);
        }
    }

    /// Changes places with the host of the other role.
    pub(super) fn change_hosts(&mut self, role: Role) {
        self.role = role;
        std::mem::swap(&mut self.state, &mut self.other);
    }

    fn wrapped(&self, stores: [Arc<dyn WriteStore>; 2]) -> [Arc<dyn WriteStore>; 2] {
        let [local, offsite] = stores;
        match &self.wrap {
            Some(wrap) => [wrap(0, local), wrap(1, offsite)],
            None => [local, offsite],
        }
    }

    fn request(&self) -> Request {
        Request { role: self.role, ..Request::default() }
    }

    /// The world as it is, without what a run may not see.
    pub(super) fn facts(&self, all: bool) -> Facts {
        let stores = self.wrapped(self.stores.clone().map(|store| Arc::new(store) as Arc<dyn WriteStore>));
        let state = LocalState::new(self.state.clone());
        let down = if all { [false; 2] } else { self.down };
        let owed = window::owed(&state).unwrap();
        let yard = Arc::new(self.hands(&Budget::unlimited(), false, &Arc::default(), None));
        let eyes = eyes(&self.set, stores, down, &(Arc::clone(&self.sources) as Arc<dyn Sources>), &state, yard, self.now());
        collect(&self.set, &Eyes { owed, catalog_only: self.catalog_only, ..seen_by(self.role, eyes) }, self.now())
    }

    /// What a plan at that instant would do, if nothing changed since these facts, in which every store was in reach.
    pub(super) fn plan(&self, facts: &Facts, at: Instant) -> Plan {
        let mut seen = if self.down == [false; 2] { facts.clone() } else { self.facts(false) };
        let stores = STORES.iter().zip(&self.stores).zip(self.down).filter(|(_, down)| !down);
        let stores = stores.map(|((n, store), _)| (name(n), Arc::new(store.clone()) as Arc<dyn WriteStore>)).collect();
        informed(&self.set, &stores, &mut seen, self.role, |facts| decide(&self.set, facts, at, &self.request()))
    }

    /// One `apply` of what `plan` shows.
    pub(super) fn apply(
        &mut self,
        runtime: &tokio::runtime::Runtime,
        luck: Luck,
        tick: TimeDelta,
        approve: bool,
        facts: &Facts,
    ) -> Applied {
        let (budget, at_once) = luck.budget();
        self.states += 1;
        let next_state = self.folder.path().join(format!("state-{}", self.states));
        let places = (self.state.clone(), next_state);
        let notes = Arc::new(Mutex::new(Notes::default()));
        if matches!(luck, Luck::Killed(0, true)) {
            freeze(&notes, &places, "before anything");
        }
        let wanted: Arc<dyn Fn() -> laws::Ids + Send + Sync> = {
            let (set, raw, truth, down) = (Arc::clone(&self.set), self.stores.clone(), self.truth.clone(), self.down);
            let (sources, state) = (Arc::clone(&self.sources) as Arc<dyn Sources>, LocalState::new(self.state.clone()));
            let now = Arc::clone(&self.now);
            let seeing: Arc<dyn Runtime> = Arc::new(self.hands(&Budget::unlimited(), false, &Arc::default(), None));
            Arc::new(move || {
                let all = raw.clone().map(|store| Arc::new(store) as Arc<dyn WriteStore>);
                let at = *locked(&now);
                let eyes = eyes(&set, all, [false; 2], &sources, &state, Arc::clone(&seeing), at);
                truth.wanted(&set, &raw, &collect(&set, &Eyes { any_owner: true, ..eyes }, at), down)
            })
        };
        let watched: [Arc<dyn WriteStore>; 2] = std::array::from_fn(|number| {
            Arc::new(Watched {
                number,
                raw: self.stores[number].clone(),
                inner: Faulty::new(self.stores[number].clone(), &budget),
                budget: Arc::clone(&budget),
                instance: self.instance.clone(),
                notes: Arc::clone(&notes),
                state: places.clone(),
                at_once,
                wanted: Arc::clone(&wanted),
                declared: self.set.stores.get(STORES[number]).cloned(),
            }) as Arc<dyn WriteStore>
        });
        let watched = self.wrapped(watched);
        let plan = self.plan(facts, self.now());
        let approved: Option<BTreeSet<String>> = approve.then(|| plan.steps.iter().flat_map(Step::approvals).collect());
        let hands: Arc<dyn Runtime> = Arc::new(self.hands(&budget, at_once, &notes, approved.clone()));
        let clock = self.clock(tick);
        let state = Arc::new(LocalState::new(self.state.clone()));
        let sources: Arc<dyn Sources> = Arc::clone(&self.sources) as Arc<dyn Sources>;
        let observe: Observe = {
            let (set, watched, state, sources) = (Arc::clone(&self.set), watched.clone(), Arc::clone(&state), Arc::clone(&sources));
            let (down, notes, clock, hands) = (self.down, Arc::clone(&notes), Arc::clone(&clock), Arc::clone(&hands));
            let (role, catalog_only) = (self.role, self.catalog_only);
            Arc::new(move || {
                let owed = window::owed(&state).unwrap();
                let at = clock();
                let eyes = eyes(&set, watched.clone(), down, &sources, &state, Arc::clone(&hands), at);
                let facts = collect(&set, &Eyes { owed, catalog_only, ..seen_by(role, eyes) }, at);
                locked(&notes).looks.push(Look { facts: facts.clone(), wanted: None });
                facts
            })
        };
        let written = STORES.iter().zip(&watched).zip(self.down).filter(|(_, down)| !down);
        let ports = self.ports(hands, written.map(|((n, s), _)| (name(n), Arc::clone(s))).collect(), clock, state);
        if let Luck::Leaves(after) = luck {
            self.yard.answer(after);
            self.yard.disturbed.store(true, Ordering::SeqCst);
        }
        let order = Order { set: Arc::clone(&self.set), plan: plan.clone(), request: self.request(), approved };
        let outcome = runtime.block_on(apply(order, ports, observe)).ok();
        drop(watched);
        if !self.yard.away() {
            self.yard.answer(usize::MAX);
        }
        let mut notes = self.end(&budget, &notes, &places);
        let read: BTreeMap<Name, u64> = locked(&self.sources.0).iter().map(|(name, held)| (name.clone(), held.last_read)).collect();
        notes.broken.extend(self.truth.learn(&self.set, &self.stores, &read));
        notes.broken.extend(self.truth.unclean(&self.set, &self.stores, &self.yard));
        Applied { plan, outcome: outcome.filter(|_| !budget.dead()), notes }
    }

    /// The end of a run: a dead one leaves its local state as it was when it died.
    fn end(&mut self, budget: &Budget, notes: &Mutex<Notes>, places: &(PathBuf, PathBuf)) -> Notes {
        if budget.dead() {
            freeze(notes, places, "after everything");
        }
        let notes = std::mem::take(&mut *locked(notes));
        if let Some(frozen) = &notes.frozen {
            self.state.clone_from(frozen);
            if self.role != Role::Janitor {
                self.yard.live_in(frozen);
            }
        }
        notes
    }

    /// What every `apply` begins with.
    pub(super) fn recover(&mut self, luck: Luck) -> (Vec<Awoken>, Notes) {
        let (budget, at_once) = luck.budget();
        let notes = Arc::new(Mutex::new(Notes::default()));
        self.states += 1;
        let places = (self.state.clone(), self.folder.path().join(format!("state-{}", self.states)));
        let hands = Arc::new(Hands { state: places.clone(), ..self.hands(&budget, at_once, &notes, None) });
        let state = Arc::new(LocalState::new(self.state.clone()));
        let ports = self.ports(hands, BTreeMap::new(), self.clock(TimeDelta::milliseconds(1)), state);
        let awoken = window::recover(&ports, &[]).unwrap().windows;
        drop(ports);
        (awoken, self.end(&budget, &notes, &places))
    }

    /// What a step acts on that is performed alone.
    pub(super) fn bare(&self) -> Ports {
        let stores = STORES.iter().zip(self.stores.clone()).map(|(n, store)| (name(n), Arc::new(store) as Arc<dyn WriteStore>));
        let hands = Arc::new(self.hands(&Budget::unlimited(), false, &Arc::default(), None));
        let state = Arc::new(LocalState::new(self.state.clone()));
        self.ports(hands, stores.collect(), self.clock(TimeDelta::milliseconds(1)), state)
    }

    fn hands(&self, budget: &Arc<Budget>, at_once: bool, notes: &Arc<Mutex<Notes>>, approved: Option<BTreeSet<String>>) -> Hands {
        let state = (self.state.clone(), self.folder.path().join(format!("state-{}", self.states)));
        Hands { yard: Arc::clone(&self.yard), budget: Arc::clone(budget), notes: Arc::clone(notes), state, at_once, approved }
    }

    fn clock(&self, tick: TimeDelta) -> Clock {
        let (now, stores) = (Arc::clone(&self.now), self.stores.clone());
        Arc::new(move || {
            let mut now = locked(&now);
            *now += tick;
            for store in &stores {
                store.set_time(*now);
            }
            *now
        })
    }

    fn ports(&self, runtime: Arc<dyn Runtime>, stores: BTreeMap<Name, Arc<dyn WriteStore>>, clock: Clock, state: Arc<LocalState>) -> Ports {
        let entropy = Arc::clone(&self.entropy);
        let elsewhere = Arc::clone(&runtime);
        Ports {
            runtime,
            settle: std::time::Duration::ZERO,
            identities: Arc::default(),
            engine_at: Arc::new(move |_| Arc::clone(&elsewhere)),
            stores,
            sources: Arc::clone(&self.sources) as Arc<dyn Sources>,
            clock,
            entropy: Arc::new(move || {
                let mut rng = locked(&entropy);
                std::array::from_fn(|_| rng.next().to_le_bytes()[3])
            }),
            state,
            host: Host { id: host(self.role).to_owned(), name: "host".to_owned(), pid: 1 },
            // One run after the other: whoever has left a lease is gone.
            claimant: Claimant {
                process: Process { boot: "boot".to_owned(), pid_namespace: 1, ..Process::default() },
                uptime: Arc::new(|| std::time::Duration::ZERO),
                alive: Arc::new(|_, _| false),
            },
            report: Arc::new(|_| {}),
            temp_tag: "test".to_owned(),
            cancel: Arc::new(AtomicBool::new(false)),
            windows: Arc::default(),
        }
    }
}

fn eyes(
    set: &PolicySet,
    stores: [Arc<dyn WriteStore>; 2],
    down: [bool; 2],
    sources: &Arc<dyn Sources>,
    state: &LocalState,
    runtime: Arc<dyn Runtime>,
    now: Instant,
) -> Eyes {
    let down_now = || StoreError::Unusable { message: "it is out of reach".to_owned(), help: "wait".to_owned() };
    let stores = STORES
        .iter()
        .zip(stores)
        .zip(down)
        .map(|((n, store), down)| (name(n), if down { Err(down_now()) } else { Ok(store as Arc<dyn crate::store::ReadStore>) }));
    Eyes {
        runtime: Some(runtime),
        owed: Vec::new(),
        stores: stores.filter(|(name, _)| set.stores.contains_key(name)).collect(),
        sources: Some(Arc::clone(sources)),
        known: state.stores().unwrap(),
        abandoned: state.abandoned().unwrap(),
        dead_tags: std::collections::BTreeSet::new(),
        host: HOST.to_owned(),
        own: STORES.iter().map(|store| (name(store), state.commits(&set.instance, &name(store), now).unwrap())).collect(),
        any_owner: false,
        catalog_only: false,
    }
}

fn host(role: Role) -> &'static str {
    if role == Role::Janitor { JANITOR } else { HOST }
}

/// What a host of that role looks at.
fn seen_by(role: Role, eyes: Eyes) -> Eyes {
    let host = host(role).to_owned();
    if role == Role::Janitor { Eyes { any_owner: true, host, runtime: None, sources: None, ..eyes } } else { Eyes { host, ..eyes } }
}

/// Reads a record that nobody damages.
pub(super) fn record(store: &Memory, key: &str) -> Record {
    Record::read(&store.get(key).unwrap()).unwrap()
}
