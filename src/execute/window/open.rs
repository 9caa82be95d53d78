//! A window that is open: what it holds, what it found, and how it is closed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::back::instead;
use super::journal::Journal;
use super::order::in_order;
use super::quiet::{GLANCE, Stillness, quiet};
use super::wake::{Waking, Woken};
use crate::execute::error::{StepError, chain};
use crate::execute::event::{Done, Event, StepOutcome, StepResult};
use crate::execute::ports::Ports;
use crate::execute::state::Held;
use crate::facts::{Engine, State};
use crate::model::Source;
use crate::model::id::{Name, Random};
use crate::plan::{Handle, Quiet, Subject, writers_now};
use crate::runtime::{Runtime, RuntimeError};
use crate::store::record::ServiceState;

/// What a window is to be.
pub(in crate::execute) struct Window<'a> {
    /// The run, and which of its windows.
    pub(in crate::execute) run: Random,
    pub(in crate::execute) name: &'a str,
    pub(in crate::execute) instance: &'a Name,
    /// What is to be quiet, dependents first.
    pub(in crate::execute) services: Vec<Quiet>,
    /// Whether an earlier window of the run has quieted the same and could not wake all of it.
    pub(in crate::execute) ours: bool,
    /// How long at most; then what is done meanwhile is cancelled.
    pub(in crate::execute) limit: Option<Duration>,
}

/// A window in which everything is quiet, or that is on its way to it. Dropping it wakes everything.
pub(in crate::execute) struct Open {
    ports: Ports,
    journal: Mutex<Journal>,
    still: Vec<Result<Stillness, String>>,
    /// Raised by a signal, by the limit, or by the end of the window.
    cancel: Arc<AtomicBool>,
    over: Arc<AtomicBool>,
    limit: Option<Duration>,
    watcher: Mutex<Option<JoinHandle<()>>>,
    ended: Arc<AtomicBool>,
    closed: AtomicBool,
    _held: Vec<Held>,
}

/// What keeps content from being of one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::execute) struct Doubt {
    /// A sentence that names the object.
    pub(in crate::execute) said: String,
    /// The manifest wants it so.
    pub(in crate::execute) wanted: bool,
}

/// Why no window was opened. Nothing was quieted.
#[derive(Debug)]
pub(in crate::execute) enum NotOpened {
    /// Another run has quieted, or is about to quiet, one of its containers.
    Locked(String),
    /// Something is not as the plan found it, or cannot be written down.
    Failed(StepError),
}

impl<E: Into<StepError>> From<E> for NotOpened {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Window<'_> {
    /// Takes the containers, looks at them again, writes the journal, and quiets everything; each stop is shown as a step. A window
    /// in which something could not be quieted is open all the same: it has to be closed, and nothing is to be done in it.
    pub(in crate::execute) fn open(self, ports: &Ports) -> Result<(Open, Vec<StepOutcome>), NotOpened> {
        let containers = self.services.iter().any(Quiet::needs_engine);
        let engine = if containers { Some(ports.runtime.engine()?) } else { None };
        let mut held = self.hold(ports, engine.as_ref())?;
        let services = self.services.into_iter().map(|service| still_there(ports, self.ours, service)).collect::<Result<Vec<_>, _>>()?;
        let services: Vec<Quiet> = services.into_iter().flatten().collect();
        let journal = Journal::new(self.run, self.name, self.instance, ports.now(), engine.as_ref(), services);
        held.push(journal.hold(ports)?.map_err(NotOpened::Locked)?);
        ports.windows.fetch_add(1, Ordering::SeqCst);
        if let Err(error) = journal.write(&ports.state) {
            ports.windows.fetch_sub(1, Ordering::SeqCst);
            return Err(error.into());
        }
        let mut open = Open {
            ports: ports.clone(),
            still: Vec::new(),
            journal: Mutex::new(journal),
            cancel: Arc::default(),
            over: Arc::default(),
            limit: self.limit,
            watcher: Mutex::default(),
            ended: Arc::default(),
            closed: AtomicBool::default(),
            _held: held,
        };
        open.watch();
        let outcomes = open.quiet();
        Ok((open, outcomes))
    }

    fn hold(&self, ports: &Ports, engine: Option<&Engine>) -> Result<Vec<Held>, NotOpened> {
        let holder = format!("run {} of host {} (pid {})", self.run, ports.host.name, ports.host.pid);
        let mut held = Vec::new();
        let engine = engine.map_or("host", |engine| &engine.id);
        for service in &self.services {
            let taken: Vec<(String, String)> = match &service.handle {
                Handle::Containers(subjects) => {
                    subjects.iter().map(|subject| (subject.id.clone(), format!("container `{}`", subject.name))).collect()
                }
                Handle::Command { .. } => vec![(format!("{}-{}", self.instance, service.address), format!("`{}`", service.address))],
            };
            for (key, shown) in taken {
                match super::journal::hold_subject(ports, engine, &key, &holder)? {
                    Ok(one) => held.push(one),
                    Err(other) => return Err(NotOpened::Locked(format!("{other}, which quiets {shown}"))),
                }
            }
        }
        Ok(held)
    }
}

/// What is still to be quieted of a service, now that nobody else of us acts on it: a container that has ended by itself since the
/// plan is not ours to start later, and one that was started anew has another last start. `ours`: one that has ended is, because an
/// earlier window of the same run has started it.
fn still_there(ports: &Ports, ours: bool, mut service: Quiet) -> Result<Option<Quiet>, NotOpened> {
    let Handle::Containers(subjects) = &mut service.handle else { return Ok(Some(service)) };
    let mut kept = Vec::new();
    for mut subject in std::mem::take(subjects) {
        let seen = ports.runtime.container(&subject.id)?;
        let seen = seen.ok_or_else(|| StepError::Changed(format!("container `{}` is gone since the plan was made", subject.name)))?;
        let works = seen.state.works();
        if works || seen.state == State::Paused && subject.was == State::Paused || ours && seen.state == State::Exited {
            subject.was = if works { State::Running } else { subject.was };
            subject.started_at = seen.started_at;
            kept.push(subject);
        }
    }
    *subjects = kept;
    Ok((!subjects.is_empty()).then_some(service))
}

impl Open {
    /// What steps of this window act on: the same ports, with a cancellation of the window's own.
    pub(in crate::execute) fn ports(&self) -> Ports {
        Ports { cancel: Arc::clone(&self.cancel), ..self.ports.clone() }
    }

    /// Whether everything is quiet; else why not.
    pub(in crate::execute) fn ready(&self) -> Result<(), String> {
        self.still.iter().find_map(|still| still.as_ref().err()).map_or(Ok(()), |why| Err(why.clone()))
    }

    /// The limit, if the window had to end because of it. Seconds.
    pub(in crate::execute) fn overdue(&self) -> Option<u64> {
        self.limit.filter(|_| self.over.load(Ordering::SeqCst)).map(|limit| limit.as_secs())
    }

    /// What each service is, for records.
    pub(in crate::execute) fn states(&self) -> Vec<ServiceState> {
        let journal = self.journal();
        let state = |still: &Result<Stillness, String>| match still {
            Ok(Stillness::Ended) => "stopped",
            Ok(Stillness::Frozen(_)) => "paused",
            Ok(Stillness::Killed(_)) => "killed",
            Ok(Stillness::Said) => "quiesced",
            Err(_) => "unknown",
        };
        let name = |address: &str| address.strip_prefix("service.").unwrap_or(address).to_owned();
        let pairs = journal.entries.iter().zip(&self.still);
        pairs.map(|(entry, still)| ServiceState { name: name(&entry.service.address), state: state(still).to_owned() }).collect()
    }

    /// What keeps content that was read in this window from being of one instant, as of now: services that were killed or frozen,
    /// and such as were started meanwhile, by whomever.
    pub(in crate::execute) fn doubts(&self, source: &Source) -> Vec<Doubt> {
        let of_old = self.still.iter().filter_map(|still| match still {
            Ok(Stillness::Frozen(said)) => Some(Doubt { said: said.clone(), wanted: true }),
            Ok(Stillness::Killed(said)) => Some(Doubt { said: said.clone(), wanted: false }),
            _ => None,
        });
        let mut doubts: Vec<Doubt> = of_old.collect();
        let mut doubt = |said: String| doubts.push(Doubt { said, wanted: false });
        let subjects: Vec<_> = {
            let journal = self.journal();
            let of = |quiet: &Quiet| match &quiet.handle {
                Handle::Containers(subjects) => subjects.clone(),
                Handle::Command { .. } => Vec::new(),
            };
            journal.entries.iter().flat_map(|entry| of(&entry.service)).collect()
        };
        for (container, what) in self.writers(source) {
            doubt(format!("container `{container}`, which was not stopped, could write {what} meanwhile"));
        }
        for subject in subjects {
            match stir(self.ports.runtime.as_ref(), &subject) {
                Ok(Some(said)) => doubt(said),
                Ok(None) => {}
                Err(error) => doubt(format!("whether container `{}` stayed quiet is not known: {}", subject.name, chain(&error))),
            }
        }
        // What nobody wanted is said first.
        doubts.sort_by_key(|doubt| doubt.wanted);
        doubts
    }

    /// Who writes right now what a source reads. Where the engine does not answer, nobody knows, and that is a doubt already.
    fn writers(&self, source: &Source) -> Vec<(String, String)> {
        let quiets: Vec<Quiet> = self.journal().entries.iter().map(|entry| entry.service.clone()).collect();
        let picture = if self.journal().engine.is_some() { self.ports.runtime.picture().ok() } else { None };
        picture.map(|picture| writers_now(&picture, source, &quiets)).unwrap_or_default()
    }

    fn journal(&self) -> std::sync::MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(&self) {
        let (outer, inner, over, ended) =
            (Arc::clone(&self.ports.cancel), Arc::clone(&self.cancel), Arc::clone(&self.over), Arc::clone(&self.ended));
        let (clock, limit, began) = (Arc::clone(&self.ports.clock), self.limit, self.ports.now());
        let watcher = thread::spawn(move || {
            while !ended.load(Ordering::SeqCst) {
                let late = limit.is_some_and(|limit| (clock() - began).to_std().unwrap_or_default() >= limit);
                over.fetch_or(late, Ordering::SeqCst);
                if late || outer.load(Ordering::SeqCst) {
                    inner.store(true, Ordering::SeqCst);
                    return;
                }
                thread::park_timeout(GLANCE);
            }
        });
        *self.watcher.lock().unwrap_or_else(PoisonError::into_inner) = Some(watcher);
    }

    fn quiet(&mut self) -> Vec<StepOutcome> {
        let services: Vec<Quiet> = self.journal().entries.iter().map(|entry| entry.service.clone()).collect();
        let place = |address: &String| services.iter().position(|s| s.address == *address);
        let mut waits: Vec<Vec<usize>> = vec![Vec::new(); services.len()];
        for (n, service) in services.iter().enumerate() {
            for needed in service.needs.iter().filter_map(place) {
                waits[needed].push(n);
            }
        }
        let one = |n: usize, well: bool| {
            let service: &Quiet = &services[n];
            let address = format!("stop:{}", service.address);
            if !well || self.cancel.load(Ordering::SeqCst) {
                let message = match (well, self.overdue()) {
                    (false, _) => "what needs it is not quiet",
                    (true, Some(_)) => "`max_downtime` was over before it was its turn",
                    (true, None) => "the run was interrupted",
                }
                .to_owned();
                let result = StepResult::Skipped { message: message.clone() };
                return ((Err(message), shown(&self.ports, &address, "stop", result, 0)), false);
            }
            let still = timed(&self.ports, &address, "stop", || {
                {
                    let mut journal = self.journal();
                    journal.entries[n].begun = true;
                    journal.write(&self.ports.state).map_err(|error| chain(&error))?;
                }
                let still = quiet(self.ports.runtime.as_ref(), service).map_err(|error| chain(&error))?;
                let note = match &still {
                    Stillness::Frozen(said) | Stillness::Killed(said) => Some(said.clone()),
                    Stillness::Ended | Stillness::Said => None,
                };
                Ok((still, note))
            });
            let well = still.0.is_ok();
            (still, well)
        };
        let (still, outcomes) = in_order(&waits, one).into_iter().unzip();
        self.still = still;
        outcomes
    }

    /// Wakes everything, whatever happened; each start is shown as a step. What could not be woken stays in the journal.
    /// The second time there is nothing left to do.
    pub(in crate::execute) fn close(&self) -> Vec<StepOutcome> {
        if self.closed.swap(true, Ordering::SeqCst) {
            return Vec::new();
        }
        self.ended.store(true, Ordering::SeqCst);
        let watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(watcher) = watcher {
            watcher.thread().unpark();
            // It only looks at flags; one that is lost has nothing to say.
            drop(watcher.join());
        }
        let journal = self.journal().clone();
        let (outcomes, notes) = wake_all(&self.ports, self.ports.runtime.as_ref(), journal);
        for (address, message) in notes {
            self.ports.say(Event::StepWarning { address, message });
        }
        self.ports.windows.fetch_sub(1, Ordering::SeqCst);
        outcomes
    }
}

/// What shows that a container, or one in its place, has worked since it was quieted.
fn stir(runtime: &dyn Runtime, subject: &Subject) -> Result<Option<String>, RuntimeError> {
    let name = &subject.name;
    if let Some(seen) = runtime.container(&subject.id)? {
        let same = seen.started_at == subject.started_at;
        let what = if same { "thawed" } else { "started" };
        let stirred = !same || seen.state.works();
        return Ok(stirred.then(|| format!("container `{name}` was {what} while it should have been quiet")));
    }
    let containers = runtime.picture()?.containers;
    let other = instead(subject, &containers).filter(|other| other.state != State::Created);
    Ok(other.map(|_| format!("container `{name}` was made anew and started while it should have been quiet")))
}

impl Drop for Open {
    fn drop(&mut self) {
        self.close();
    }
}

/// Wakes all entries of a journal in their order, and leaves in it what is still owed. Gives how each went, and notes by address.
pub(super) fn wake_all(ports: &Ports, runtime: &dyn Runtime, journal: Journal) -> (Vec<StepOutcome>, Vec<(String, String)>) {
    let services: Vec<Quiet> = journal.entries.iter().map(|entry| entry.service.clone()).collect();
    let place = |address: &String| services.iter().position(|s| s.address == *address);
    let waits: Vec<Vec<usize>> = services.iter().map(|service| service.needs.iter().filter_map(place).collect()).collect();
    let journal = Mutex::new(journal);
    let lock = || journal.lock().unwrap_or_else(PoisonError::into_inner);
    let woken: Vec<(Woken, StepOutcome)> = in_order(&waits, |n, _| {
        let address = format!("start:{}", services[n].address);
        let (waking, begun) = {
            let journal = lock();
            (journal.entries[n].waking, journal.entries[n].begun)
        };
        let note = || {
            let mut journal = lock();
            journal.entries[n].waking = true;
            journal.write(&ports.state).map_err(|error| chain(&error))
        };
        let mut kept = Woken::default();
        let (_, outcome) = timed(ports, &address, "start", || {
            kept = Waking { runtime, clock: &ports.clock, settle: ports.settle, service: &services[n], tried: waking, begun, note: &note }
                .wake();
            match &kept.failure {
                Some(failure) => Err(failure.clone()),
                None => Ok(((), kept.notes.first().cloned())),
            }
        });
        ((kept, outcome), true)
    });
    let mut journal = lock().clone();
    let mut settled = woken.iter().map(|(woken, _)| woken.settled);
    journal.entries.retain(|_| !settled.next().unwrap_or(false));
    let written = if journal.entries.is_empty() { journal.remove(&ports.state) } else { journal.write(&ports.state) };
    let mut notes: Vec<(String, String)> = Vec::new();
    for (woken, outcome) in &woken {
        notes.extend(woken.notes.iter().map(|note| (outcome.address.clone(), note.clone())));
    }
    if let Err(error) = written {
        // What it still names is looked at by the next recovery, which finds it awake.
        notes.push(("start".to_owned(), format!("the journal of what was quiet stays: {}", chain(&error))));
    }
    (woken.into_iter().map(|(_, outcome)| outcome).collect(), notes)
}

/// Does something between the events that show it.
fn timed<T>(
    ports: &Ports,
    address: &str,
    kind: &str,
    work: impl FnOnce() -> Result<(T, Option<String>), String>,
) -> (Result<T, String>, StepOutcome) {
    ports.say(Event::StepStarted { address: address.to_owned() });
    let began = ports.now();
    let (value, result) = match work() {
        Ok((value, note)) => (Ok(value), StepResult::Done(Done { note, ..Done::default() })),
        Err(message) => (Err(message.clone()), StepResult::Failed { message }),
    };
    let millis = u64::try_from((ports.now() - began).num_milliseconds()).unwrap_or(0);
    (value, shown(ports, address, kind, result, millis))
}

fn shown(ports: &Ports, address: &str, kind: &str, result: StepResult, millis: u64) -> StepOutcome {
    let outcome = StepOutcome { address: address.to_owned(), kind: kind.to_owned(), result, millis };
    ports.say(Event::StepEnded(outcome.clone()));
    outcome
}
