//! A small world for histories: two stores in memory that can die between any two changes, sources that know what they held, a clock
//! that only moves when it is asked, and the local state of one host.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::TimeDelta;

use super::laws;
use crate::execute::{Host, LocalState, Observe, Order, Outcome, Ports, apply};
use crate::facts::Facts;
use crate::model::id::{Instant, Name};
use crate::model::{PolicySet, Source, SourceKind, read};
use crate::observe::{Eyes, collect};
use crate::plan::{Plan, Request, decide};
use crate::source::{Captured, Fingerprint, Output, Probe, Shape, SourceError, Sources, Watch};
use crate::store::faults::{Budget, Fault, Faulty};
use crate::store::layout::{self, Place};
use crate::store::record::Record;
use crate::store::{Created, Locked, Memory, Reach, ReadStore, StoreError, Survey, Upload, WriteStore};

pub(super) const STORES: [&str; 2] = ["local", "offsite"];
const HOST: &str = "host-1";

/// The same numbers for the same seed, everywhere.
pub(super) struct Rng(u64);

impl Rng {
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut rng = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ stream.wrapping_mul(0xd1b5_4a32_d192_ed03));
        rng.next();
        rng
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    pub(super) fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from + 1)
    }

    pub(super) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let at = usize::try_from(self.below(from.len() as u64)).unwrap();
        from.get(at)
    }
}

pub(super) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A manifest at random: two policies over the two stores.
pub(super) fn manifest(rng: &mut Rng) -> String {
    let mut text = String::from("version = 1\nname = \"lucid\"\ntimezone = \"Etc/UTC\"\n[run]\nconcurrency = 1\n");
    if rng.percent(60) {
        text.push_str("[guard]\nmax_delete_fraction = 1.0\n");
    }
    for store in STORES {
        text.push_str(&format!("[store.directory.{store}]\npath = \"/stores/{store}\"\n"));
    }
    text.push_str("[source.files.tree]\npaths = [\"/srv/tree\"]\n[source.command.dump]\ncommand = [\"dump\"]\n[schedule]\n");
    for policy in ["trees", "dumps"] {
        let cron = ["0 * * * *", "0 */6 * * *", "30 2,14 * * *", "0 2 * * *", "0 1 * * 0"];
        text.push_str(&format!("{policy} = {{ cron = \"{}\" }}\n", rng.pick(&cron).unwrap()));
    }
    text.push_str("[retention]\n");
    for rule in ["ra", "rb", "rc"] {
        text.push_str(&format!("{rule} = {{ {} }}\n", retention(rng)));
    }
    for (policy, source) in [("trees", "tree"), ("dumps", "dump")] {
        let stores = ["\"local\", \"offsite\"", "\"local\", \"offsite\"", "\"local\", \"offsite\"", "\"offsite\", \"local\"", "\"local\""];
        let stores = *rng.pick(&stores).unwrap();
        text.push_str(&format!("[policy.{policy}]\nsource = \"{source}\"\nstores = [{stores}]\n"));
        if rng.percent(95) {
            text.push_str(&format!("schedule = \"{policy}\"\n"));
        }
        if rng.percent(95) {
            text.push_str(&format!("retention = \"{}\"\n", rng.pick(&["ra", "rb", "rc"]).unwrap()));
        }
        if rng.percent(70) {
            let at = if stores.contains("offsite") { *rng.pick(&STORES).unwrap() } else { "local" };
            text.push_str(&format!("retention_at = {{ {at} = \"{}\" }}\n", rng.pick(&["ra", "rb", "rc"]).unwrap()));
        }
        if rng.percent(15) {
            text.push_str(&format!("rpo = \"{}h\"\n", rng.between(2, 60)));
        }
        if rng.percent(15) {
            text.push_str(&format!("catch_up_within = \"{}h\"\n", rng.between(1, 12)));
        }
        if rng.percent(6) {
            text.push_str(&format!("state = \"{}\"\n", rng.pick(&["paused", "retired"]).unwrap()));
        }
    }
    text
}

fn retention(rng: &mut Rng) -> String {
    let mut keys = Vec::new();
    for (key, chance, most) in
        [("keep_last", 50, 5), ("keep_hourly", 20, 8), ("keep_daily", 50, 7), ("keep_weekly", 35, 4), ("keep_monthly", 20, 3)]
    {
        if rng.percent(chance) {
            keys.push(format!("{key} = {}", rng.between(1, most)));
        }
    }
    if rng.percent(40) || keys.is_empty() {
        keys.push(format!("keep_within = \"{}h\"", rng.between(6, 240)));
    }
    keys.push(format!("min_count = {}", rng.between(1, 3)));
    keys.push(format!("min_age = \"{}h\"", rng.pick(&[1, 1, 2, 12, 24, 48]).unwrap()));
    if rng.percent(20) {
        keys.push("keep_oldest_until_full = true".to_owned());
    }
    keys.join(", ")
}

pub(super) fn set(text: &str) -> Arc<PolicySet> {
    let loaded = read(&[("lucid-policy.toml".to_owned(), text.to_owned())], Path::new("/etc/lucid"));
    Arc::new(loaded.set.unwrap_or_else(|| panic!("{text}\n{:#?}", loaded.findings)))
}

/// What one source holds, and how it behaves.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) version: u64,
    pub(super) changed: Instant,
    pub(super) unusable: bool,
    /// The next capture fails half-way.
    pub(super) fails: bool,
    /// The next capture sees it change under its hands.
    pub(super) moves: bool,
    /// The version that was last captured, or found unchanged.
    pub(super) last_read: u64,
}

/// Sources that are numbers: version `n` has its own bytes.
#[derive(Debug)]
pub(super) struct Numbers(pub(super) Mutex<BTreeMap<Name, Held>>);

/// The bytes of one version of a source.
pub(super) fn payload(source: &str, version: u64) -> Vec<u8> {
    format!("{source} as of version {version}; ").repeat(1 + usize::try_from(version % 3).unwrap()).into_bytes()
}

impl Numbers {
    fn of<T>(&self, source: &Source, with: impl FnOnce(&mut Held) -> T) -> T {
        with(locked(&self.0).get_mut(&source.name).unwrap())
    }
}

impl Sources for Numbers {
    fn probe(&self, source: &Source, _: Option<&crate::runtime::seen::Picture>) -> Probe {
        let unusable = self.of(source, |held| held.unusable);
        if unusable { Probe::Unusable("it is not there".to_owned()) } else { Probe::Ready }
    }

    fn shape(&self, source: &Source) -> Shape {
        let tree = matches!(source.kind, SourceKind::Files(_));
        Shape {
            payload: if tree { "files.bin" } else { "output" }.to_owned(),
            index: tree.then(|| "files.bin.index".to_owned()),
            codec: vec!["none".to_owned()],
            labels: BTreeMap::new(),
            excludes: Vec::new(),
        }
    }

    fn fingerprint(&self, source: &Source) -> Result<Option<Fingerprint>, SourceError> {
        if !matches!(source.kind, SourceKind::Files(_)) {
            return Ok(None);
        }
        Ok(Some(self.of(source, |held| {
            held.last_read = held.version;
            Fingerprint { text: format!("v{}", held.version), entries: 1, bytes: 1, newest_change: held.changed }
        })))
    }

    fn capture(&self, source: &Source, _: bool, output: Output<'_>, _: &Watch<'_>) -> Result<Captured, SourceError> {
        let before = self.of(source, |held| std::mem::replace(held, Held { fails: false, last_read: held.version, ..held.clone() }));
        let bytes = payload(source.name.as_str(), before.version);
        let broken = |error: io::Error| SourceError::Command { name: source.name.to_string(), message: error.to_string() };
        if before.fails {
            output.payload.write_all(&bytes[..bytes.len() / 2]).map_err(broken)?;
            return Err(broken(io::Error::other("it failed half-way")));
        }
        output.payload.write_all(&bytes).map_err(broken)?;
        output.index.write_all(b"index").map_err(broken)?;
        if before.moves {
            self.of(source, |held| *held = Held { version: held.version + 1, moves: false, ..held.clone() });
        }
        let fingerprint = self.fingerprint(source)?.filter(|_| !before.moves);
        self.of(source, |held| held.last_read = before.version);
        Ok(Captured { entries: 1, bytes: bytes.len() as u64, fingerprint, ..Captured::default() })
    }

    fn feed(&self, _: &Source, _: &mut (dyn Read + Send), _: &AtomicBool) -> Result<(), SourceError> {
        Err(SourceError::Interrupted)
    }
}

/// One look of a run at the world, and what was true then.
pub(super) struct Look {
    pub(super) facts: Facts,
    /// What some store's rules kept and what could be restored from somewhere, before the first record was removed by what was seen
    /// here; none if none was.
    pub(super) wanted: Option<laws::Ids>,
}

/// What is written down while a run goes on.
#[derive(Default)]
pub(super) struct Notes {
    pub(super) looks: Vec<Look>,
    pub(super) broken: Vec<String>,
    /// The copy of the local state as it was when the process died.
    pub(super) frozen: Option<PathBuf>,
    pub(super) died_at: Option<String>,
}

/// A store as a run has it: it can die, and everything that it is told to remove is looked at first.
#[derive(Clone)]
pub(super) struct Watched {
    number: usize,
    raw: Memory,
    inner: Faulty<Memory>,
    budget: Arc<Budget>,
    instance: Name,
    notes: Arc<Mutex<Notes>>,
    /// The local state and where it is copied to at the moment of death.
    state: (PathBuf, PathBuf),
    /// Whether the process dies at once, or only when it touches a store again.
    at_once: bool,
    wanted: Arc<dyn Fn() -> laws::Ids + Send + Sync>,
}

impl Watched {
    fn after<T>(&self, key: &str, result: T, failed: bool) -> T {
        if self.budget.dead() && (self.at_once || failed) {
            freeze(&self.notes, &self.state, &format!("{} {key}", if failed { "before" } else { "after" }));
        }
        result
    }

    fn pass<T>(&self, key: &str, result: Result<T, StoreError>) -> Result<T, StoreError> {
        let failed = result.is_err();
        self.after(key, result, failed)
    }
}

pub(super) fn freeze(notes: &Mutex<Notes>, (from, to): &(PathBuf, PathBuf), place: &str) {
    let mut notes = locked(notes);
    if notes.frozen.is_none() {
        copy_folder(from, to);
        notes.frozen = Some(to.clone());
        notes.died_at = Some(place.to_owned());
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).into_iter().flatten() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

impl ReadStore for Watched {
    fn place(&self) -> String {
        STORES[self.number].to_owned()
    }

    fn survey(&self, prefix: &str, reach: Reach) -> Result<Survey, StoreError> {
        self.pass(prefix, self.inner.survey(prefix, reach))
    }

    fn get(&self, key: &str) -> Result<Vec<u8>, StoreError> {
        self.pass(key, self.inner.get(key))
    }

    fn open(&self, key: &str, offset: u64) -> Result<Box<dyn Read + Send>, StoreError> {
        self.pass(key, self.inner.open(key, offset))
    }

    fn read_at(&self, key: &str, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        self.pass(key, self.inner.read_at(key, offset, buffer))
    }

    fn free(&self) -> Result<Option<u64>, StoreError> {
        self.pass("", self.inner.free())
    }
}

impl WriteStore for Watched {
    fn create(&self, key: &str, bytes: &[u8]) -> Result<Created, StoreError> {
        self.pass(key, self.inner.create(key, bytes))
    }

    fn upload(&self, key: &str) -> Result<Box<dyn Upload>, StoreError> {
        let inner = self.pass(key, self.inner.upload(key))?;
        Ok(Box::new(WatchedUpload { inner: Some(inner), key: key.to_owned(), store: self.clone() }))
    }

    fn delete(&self, key: &str) -> Result<(), StoreError> {
        if let (false, Some(Place::Record(series, record))) = (self.budget.dead(), layout::parse(&self.instance, key)) {
            let mut notes = locked(&self.notes);
            let found = notes.looks.last().map(|look| laws::removal(&self.raw, self.number, &self.instance, &series, &record, &look.facts));
            notes.broken.extend(found.unwrap_or_default());
            if let Some(look) = notes.looks.last_mut() {
                look.wanted.get_or_insert_with(|| (self.wanted)());
            }
        }
        self.pass(key, self.inner.delete(key))
    }

    fn lock(&self, key: &str, holder: &str) -> Result<Locked, StoreError> {
        self.pass(key, self.inner.lock(key, holder))
    }
}

struct WatchedUpload {
    inner: Option<Box<dyn Upload>>,
    key: String,
    store: Watched,
}

impl Write for WatchedUpload {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.inner.as_mut().map_or(Ok(0), |inner| inner.write(buffer));
        let failed = written.is_err();
        self.store.after(&self.key, written, failed)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Upload for WatchedUpload {
    fn commit(mut self: Box<Self>) -> Result<Created, StoreError> {
        let Some(inner) = self.inner.take() else { return Ok(Created::Taken) };
        let result = inner.commit();
        self.store.pass(&self.key, result)
    }
}

/// How one run goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Luck {
    Good,
    /// Killed after so many changes; whether the local state is lost at once too.
    Killed(u64, bool),
    /// The n-th change meets a fault, and the run goes on.
    Stumbles(u64, Fault),
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
    pub(super) now: Arc<Mutex<Instant>>,
    pub(super) truth: laws::Truth,
    entropy: Arc<Mutex<Rng>>,
    folder: tempfile::TempDir,
    state: PathBuf,
    states: usize,
}

impl World {
    pub(super) fn new(seed: u64, set: Arc<PolicySet>) -> Self {
        let now: Instant = "2026-11-20T09:30:00Z".parse().unwrap();
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let held = Held { version: 1, changed: now, unusable: false, fails: false, moves: false, last_read: 0 };
        Self {
            instance: set.instance.clone(),
            sources: Arc::new(Numbers(Mutex::new(set.sources.keys().map(|s| (s.clone(), held.clone())).collect()))),
            set,
            stores: [Memory::new(), Memory::new()],
            down: [false; 2],
            now: Arc::new(Mutex::new(now)),
            truth: laws::Truth::default(),
            entropy: Arc::new(Mutex::new(Rng::new(seed, u64::MAX))),
            state: folder.path().join("state-0"),
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

    /// The world as it is, without what a run may not see.
    pub(super) fn facts(&self, all: bool) -> Facts {
        let stores = self.stores.clone().map(|store| Arc::new(store) as Arc<dyn WriteStore>);
        let state = LocalState::new(self.state.clone());
        let down = if all { [false; 2] } else { self.down };
        collect(&self.set, &eyes(&self.set, stores, down, &(Arc::clone(&self.sources) as Arc<dyn Sources>), &state), self.now())
    }

    /// What a plan at that instant would do, if nothing changed since these facts, in which every store was in reach.
    pub(super) fn plan(&self, facts: &Facts, at: Instant) -> Plan {
        let seen = if self.down == [false; 2] { facts.clone() } else { self.facts(false) };
        decide(&self.set, &seen, at, &Request::default())
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
        let (budget, at_once) = match luck {
            Luck::Good => (Budget::unlimited(), false),
            Luck::Killed(after, at_once) => (Budget::kill_after(after), at_once),
            Luck::Stumbles(at, fault) => (Budget::at(at, fault), false),
        };
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
            Arc::new(move || {
                let all = raw.clone().map(|store| Arc::new(store) as Arc<dyn WriteStore>);
                let at = *locked(&now);
                truth.wanted(&set, &raw, &collect(&set, &eyes(&set, all, [false; 2], &sources, &state), at), down)
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
            }) as Arc<dyn WriteStore>
        });
        let plan = self.plan(facts, self.now());
        let clock: crate::execute::Clock = {
            let (now, stores) = (Arc::clone(&self.now), self.stores.clone());
            Arc::new(move || {
                let mut now = locked(&now);
                *now += tick;
                for store in &stores {
                    store.set_time(*now);
                }
                *now
            })
        };
        let state = Arc::new(LocalState::new(self.state.clone()));
        let sources: Arc<dyn Sources> = Arc::clone(&self.sources) as Arc<dyn Sources>;
        let observe: Observe = {
            let (set, watched, state, sources) = (Arc::clone(&self.set), watched.clone(), Arc::clone(&state), Arc::clone(&sources));
            let (down, notes, clock) = (self.down, Arc::clone(&notes), Arc::clone(&clock));
            Arc::new(move || {
                let facts = collect(&set, &eyes(&set, watched.clone(), down, &sources, &state), clock());
                locked(&notes).looks.push(Look { facts: facts.clone(), wanted: None });
                facts
            })
        };
        let entropy = Arc::clone(&self.entropy);
        let ports = Ports {
            runtime: Arc::new(crate::runtime::Memory::new(Vec::new())),
            engine_at: Arc::new(|_| Arc::new(crate::runtime::Memory::new(Vec::new()))),
            stores: STORES
                .iter()
                .zip(&watched)
                .zip(self.down)
                .filter(|(_, down)| !down)
                .map(|((n, s), _)| (name(n), Arc::clone(s)))
                .collect(),
            sources,
            clock,
            entropy: Arc::new(move || {
                let mut rng = locked(&entropy);
                std::array::from_fn(|_| rng.next().to_le_bytes()[3])
            }),
            state,
            host: Host { id: HOST.to_owned(), name: "host".to_owned(), pid: 1 },
            report: Arc::new(|_| {}),
            temp_tag: "test".to_owned(),
            cancel: Arc::new(AtomicBool::new(false)),
        };
        let approved = approve.then(|| plan.steps.iter().filter(|s| s.work.deletes()).map(|s| s.address.clone()).collect());
        let order = Order { set: Arc::clone(&self.set), plan: plan.clone(), request: Request::default(), approved };
        let outcome = runtime.block_on(apply(order, ports, observe)).ok();
        drop(watched);
        if budget.dead() {
            freeze(&notes, &places, "after everything");
        }
        let mut notes = std::mem::take(&mut *locked(&notes));
        if let Some(frozen) = &notes.frozen {
            self.state.clone_from(frozen);
        }
        let read: BTreeMap<Name, u64> = locked(&self.sources.0).iter().map(|(name, held)| (name.clone(), held.last_read)).collect();
        notes.broken.extend(self.truth.learn(&self.set, &self.stores, &read));
        Applied { plan, outcome: outcome.filter(|_| !budget.dead()), notes }
    }
}

fn eyes(set: &PolicySet, stores: [Arc<dyn WriteStore>; 2], down: [bool; 2], sources: &Arc<dyn Sources>, state: &LocalState) -> Eyes {
    let down_now = || StoreError::Unusable { message: "it is out of reach".to_owned(), help: "wait".to_owned() };
    let stores = STORES
        .iter()
        .zip(stores)
        .zip(down)
        .map(|((n, store), down)| (name(n), if down { Err(down_now()) } else { Ok(store as Arc<dyn crate::store::ReadStore>) }));
    Eyes {
        runtime: Some(Arc::new(crate::runtime::Memory::new(Vec::new()))),
        owed: Vec::new(),
        stores: stores.filter(|(name, _)| set.stores.contains_key(name)).collect(),
        sources: Arc::clone(sources),
        known: state.stores().unwrap(),
        abandoned: state.abandoned().unwrap(),
        dead_tags: std::collections::BTreeSet::new(),
        host: HOST.to_owned(),
        reading: false,
    }
}

/// Reads a record that nobody damages.
pub(super) fn record(store: &Memory, key: &str) -> Record {
    Record::read(&store.get(key).unwrap()).unwrap()
}
