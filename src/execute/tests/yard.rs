//! An engine for histories: containers and a pair of commands, of which it is known at every moment what they are to do once nothing
//! is owed to them. A run has it as [`Hands`], which die between any two calls as the stores do; somebody else acts on it as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::watched::{Notes, freeze};
use super::world::locked;
use crate::execute::LocalState;
use crate::execute::window::owed;
use crate::facts::{Container, Engine, Picture, State, Volume};
use crate::model::Source;
use crate::model::id::Name;
use crate::runtime::{Call, Ended, Exec, Memory, Runtime, RuntimeError, Streams, running};
use crate::store::faults::{Budget, Fault};

/// The containers; each is a service of its own name.
pub(super) const CONTAINERS: [&str; 4] = ["db", "web", "cache", "agent"];
/// The pair of commands, as it stands in journals.
const PAIR: &str = "service.flag";

/// What somebody does to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Start,
    Stop,
    Restart,
    StartAndStop,
    Pause,
    Thaw,
    Rename,
    Remove,
    MakeAnew,
}

pub(super) const ACTS: [Act; 9] =
    [Act::Start, Act::Stop, Act::Restart, Act::StartAndStop, Act::Pause, Act::Thaw, Act::Rename, Act::Remove, Act::MakeAnew];

/// What a container is to do once nothing is owed to it.
#[derive(Debug, Clone, Copy)]
struct Due {
    state: State,
    /// As good: what it did before somebody changed it in a way that cannot be told from a window's.
    or: Option<State>,
    /// Somebody started it while it was owed: it is theirs until it has come to rest.
    theirs: bool,
}

impl Due {
    fn of(state: State) -> Self {
        Self { state, or: None, theirs: false }
    }
}

pub(super) struct Yard {
    engine: Memory,
    due: Mutex<BTreeMap<String, Due>>,
    /// Whether the pair of commands has quieted what it quiets.
    quiet: AtomicBool,
    made: AtomicU64,
    /// Whether a run met more than it could know: an engine that went away, somebody else.
    pub(super) disturbed: AtomicBool,
    /// What somebody does while the next source is read.
    pub(super) meanwhile: Mutex<Option<(&'static str, Act)>>,
    /// Sources of which a quieted service worked while they were last read.
    worked: Mutex<BTreeSet<Name>>,
    /// The local state of today.
    state: Mutex<PathBuf>,
}

impl Yard {
    pub(super) fn new(state: &Path) -> Self {
        let engine = Memory::new(CONTAINERS.map(running).to_vec());
        let due = CONTAINERS.map(|name| (format!("id-{name}"), Due::of(State::Running)));
        Self {
            engine,
            due: Mutex::new(due.into()),
            quiet: AtomicBool::default(),
            made: AtomicU64::default(),
            disturbed: AtomicBool::default(),
            meanwhile: Mutex::default(),
            worked: Mutex::default(),
            state: Mutex::new(state.to_owned()),
        }
    }

    pub(super) fn live_in(&self, state: &Path) {
        state.clone_into(&mut locked(&self.state));
    }

    /// Answers so many more changes.
    pub(super) fn answer(&self, changes: usize) {
        self.engine.answer(changes);
    }

    pub(super) fn away(&self) -> bool {
        self.engine.picture().is_err()
    }

    /// Every container, whether the engine answers or not.
    fn containers(&self) -> Vec<Container> {
        let mut all = Vec::new();
        self.engine.change(|picture| all.clone_from(&picture.containers));
        all
    }

    fn by_id(&self, id: &str) -> Option<Container> {
        self.containers().into_iter().find(|c| c.id == id)
    }

    /// Somebody acts. What became of it; none if nothing could be done.
    pub(super) fn act(&self, name: &str, act: Act) -> Option<String> {
        if self.away() {
            return None;
        }
        let all = self.containers();
        let other = format!("{name}-old");
        let found = all.iter().find(|c| c.name == name).or_else(|| all.iter().find(|c| c.name == other));
        if act == Act::MakeAnew {
            if let Some(found) = all.iter().find(|c| c.name == name) {
                self.remove(&found.id);
            }
            let number = self.made.fetch_add(1, Ordering::SeqCst);
            let id = format!("id-{name}-{number}");
            let made = Container { id: id.clone(), started_at: format!("made-{number}"), ..running(name) };
            self.engine.change(|picture| picture.containers.push(made));
            locked(&self.due).insert(id, Due::of(State::Running));
            return Some(format!("somebody makes {name} anew"));
        }
        let before = found?;
        let id = before.id.as_str();
        match act {
            Act::Start | Act::StartAndStop if before.state == State::Paused => return None,
            Act::Start => self.engine.start(id).ok()?,
            Act::Stop => self.engine.stop(id, None).ok()?,
            // an engine that goes away in between has done the first half
            Act::Restart => drop(self.engine.stop(id, None).and_then(|()| self.engine.start(id))),
            Act::StartAndStop => drop(self.engine.start(id).and_then(|()| self.engine.stop(id, None))),
            Act::Pause => self.engine.pause(id).ok()?,
            Act::Thaw => self.engine.unpause(id).ok()?,
            Act::Rename => {
                let to = if before.name == name { other.as_str() } else { name };
                if all.iter().any(|c| c.name == to) {
                    return None;
                }
                self.engine.change(|picture| picture.containers.iter_mut().filter(|c| c.id == id).for_each(|c| to.clone_into(&mut c.name)));
            }
            Act::Remove => self.remove(id),
            Act::MakeAnew => {}
        }
        let after = self.by_id(id);
        if after.as_ref() == Some(before) {
            return None;
        }
        if let Some(after) = &after {
            self.changed(before, after);
        }
        Some(format!("somebody: {act:?} of {} ({id}), which was {}", before.name, before.state.as_str()))
    }

    fn remove(&self, id: &str) {
        self.engine.change(|picture| picture.containers.retain(|c| c.id != id));
        locked(&self.due).remove(id);
    }

    /// Learns what somebody made of a container.
    fn changed(&self, before: &Container, after: &Container) {
        let owed = self.names(&locked(&self.state), &before.id);
        let mut all = locked(&self.due);
        let Some(due) = all.get_mut(&before.id) else { return };
        if !owed {
            *due = Due::of(after.state);
            return;
        }
        due.theirs |= after.started_at != before.started_at && due.state.works();
        due.or = if due.theirs { None } else { due.or.or(Some(due.state)) };
        due.state = after.state;
    }

    /// Everything runs under its own name again.
    pub(super) fn mend(&self) {
        self.engine.answer(usize::MAX);
        *locked(&self.meanwhile) = None;
        self.engine.change(|picture| picture.containers.retain(|c| !c.name.ends_with("-old")));
        let ids: BTreeSet<String> = self.containers().into_iter().map(|c| c.id).collect();
        locked(&self.due).retain(|id, _| ids.contains(id));
        for name in CONTAINERS {
            let act = if self.containers().iter().any(|c| c.name == name) { Act::Start } else { Act::MakeAnew };
            self.act(name, act);
        }
    }

    /// While a source is read: what somebody does then, and whether what was quieted for it worked.
    pub(super) fn while_read(&self, source: &Source) {
        let state = locked(&self.state).clone();
        let quieted: Vec<&Name> = source.stop.iter().filter(|name| self.names(&state, name.as_str())).collect();
        let meanwhile = locked(&self.meanwhile).take();
        let wakes = meanwhile.is_some_and(|(name, act)| {
            let done = self.act(name, act).is_some();
            self.disturbed.fetch_or(done, Ordering::SeqCst);
            done && act == Act::StartAndStop && quieted.iter().any(|n| n.as_str() == name)
        });
        let ours = |c: &Container| quieted.iter().any(|n| n.as_str() == c.name) || self.names(&state, &c.id);
        let of_it = |c: &Container| quieted.iter().any(|n| c.name.strip_suffix("-old").unwrap_or(&c.name) == n.as_str());
        let works = |c: &Container| c.state.works() && of_it(c) && ours(c);
        let worked = wakes || self.containers().iter().any(works);
        let mut all = locked(&self.worked);
        if worked {
            all.insert(source.name.clone())
        } else {
            all.remove(&source.name)
        };
    }

    /// Whether a service of it worked while it was last read, although it had been quieted for that.
    pub(super) fn worked(&self, source: &Name) -> bool {
        locked(&self.worked).contains(source)
    }

    /// Whether any journal names it.
    fn names(&self, state: &Path, what: &str) -> bool {
        let quoted = format!("\"{what}\"");
        let engines = fs::read_dir(state.join("quiet")).into_iter().flatten().flatten();
        let files = engines.flat_map(|engine| fs::read_dir(engine.path()).into_iter().flatten().flatten());
        let mut journals = files.map(|file| file.path()).filter(|path| path.extension().is_some_and(|e| e == "json"));
        journals.any(|path| fs::read_to_string(path).is_ok_and(|text| text.contains(&quoted)))
    }

    /// What is neither as it was nor owed. What is at rest is so from now on.
    pub(super) fn unrest(&self) -> Option<String> {
        let state = locked(&self.state).clone();
        let owed = owed(&LocalState::new(state)).unwrap();
        let mut all = locked(&self.due);
        for container in self.containers() {
            if owed.iter().any(|o| o.containers.contains(&container.id)) {
                continue;
            }
            let Some(due) = all.get_mut(&container.id) else { continue };
            if container.state != due.state && Some(container.state) != due.or {
                let (name, is, was) = (&container.name, container.state.as_str(), due.state.as_str());
                return Some(format!("container {name} is {is}, was to be {was}, and nothing is owed to it"));
            }
            *due = Due::of(container.state);
        }
        let said = owed.iter().any(|o| o.services.iter().any(|service| service == PAIR));
        (self.quiet.load(Ordering::SeqCst) && !said).then(|| "what a command has quieted stays quiet, and nothing is owed to it".to_owned())
    }
}

/// The engine as a run has it.
pub(super) struct Hands {
    pub(super) yard: Arc<Yard>,
    pub(super) budget: Arc<Budget>,
    pub(super) notes: Arc<Mutex<Notes>>,
    /// The local state and where it is copied to at the moment of death.
    pub(super) state: (PathBuf, PathBuf),
    pub(super) at_once: bool,
    /// What may be stopped, if not everything.
    pub(super) approved: Option<BTreeSet<String>>,
}

impl Hands {
    fn look(&self, what: &str) -> Result<(), RuntimeError> {
        if !self.budget.dead() {
            return Ok(());
        }
        freeze(&self.notes, &self.state, &format!("before {what}"));
        Err(killed())
    }

    fn change<T>(&self, what: &str, id: &str, make: impl FnOnce() -> Result<T, RuntimeError>) -> Result<T, RuntimeError> {
        let place = format!("{what} {id}");
        let fault = self.budget.spend();
        if fault == Some(Fault::Kill) {
            freeze(&self.notes, &self.state, &format!("before {place}"));
            return Err(killed());
        }
        if let Some(wrong) = self.wrong(what, id) {
            locked(&self.notes).broken.push(wrong);
        }
        let result = match fault {
            None => make(),
            Some(Fault::Lost) => make().and(Err(RuntimeError::TimedOut { what: place.clone(), seconds: 1 })),
            Some(_) => Err(RuntimeError::Refused { what: place.clone(), message: "this one was to fail".to_owned() }),
        };
        if self.budget.dead() && self.at_once {
            freeze(&self.notes, &self.state, &format!("after {place}"));
        }
        result
    }

    /// What is wrong with doing this now.
    fn wrong(&self, what: &str, id: &str) -> Option<String> {
        if !self.yard.names(&self.state.0, id) {
            return Some(format!("{what} of {id}, which no journal names"));
        }
        let due = locked(&self.yard.due).get(id).copied();
        let ran = due.is_some_and(|due| [Some(due.state), due.or].iter().flatten().any(|s| matches!(s, State::Running | State::Paused)));
        if what == "start" && !ran {
            return Some(format!("{id} is started, which did not run"));
        }
        let approved = self.approved.as_ref().is_none_or(|approved| approved.contains(&format!("stop:{id}")));
        (what == "stop" && !approved).then(|| format!("{id} is stopped, which was not approved"))
    }
}

fn killed() -> RuntimeError {
    RuntimeError::Refused { what: "go on".to_owned(), message: "the process was killed here".to_owned() }
}

impl Runtime for Hands {
    fn engine(&self) -> Result<Engine, RuntimeError> {
        self.look("the engine is asked who it is")?;
        self.yard.engine.engine()
    }

    fn picture(&self) -> Result<Picture, RuntimeError> {
        self.look("the engine is looked at")?;
        self.yard.engine.picture()
    }

    fn volumes(&self) -> Result<Vec<Volume>, RuntimeError> {
        self.look("volumes are looked at")?;
        self.yard.engine.volumes()
    }

    fn container(&self, id: &str) -> Result<Option<Container>, RuntimeError> {
        self.look(&format!("{id} is looked at"))?;
        self.yard.engine.container(id)
    }

    fn stop(&self, id: &str, grace: Option<Duration>) -> Result<(), RuntimeError> {
        self.change("stop", id, || self.yard.engine.stop(id, grace))
    }

    fn start(&self, id: &str) -> Result<(), RuntimeError> {
        self.change("start", id, || self.yard.engine.start(id))
    }

    fn pause(&self, id: &str) -> Result<(), RuntimeError> {
        self.change("pause", id, || self.yard.engine.pause(id))
    }

    fn unpause(&self, id: &str) -> Result<(), RuntimeError> {
        self.change("unpause", id, || self.yard.engine.unpause(id))
    }

    fn exec(&self, exec: &Exec<'_>, streams: Streams<'_>, cancel: &AtomicBool) -> Result<i64, RuntimeError> {
        self.look("a command")?;
        self.yard.engine.exec(exec, streams, cancel)
    }

    fn call(&self, call: &Call, _: Duration) -> Result<Ended, RuntimeError> {
        let quiet = call.argv.first().is_some_and(|program| program == "quiesce");
        self.change(&call.argv.join(" "), PAIR, || {
            self.yard.quiet.store(quiet, Ordering::SeqCst);
            Ok(Ended { code: 0, said: String::new() })
        })
    }

    fn read_archive(&self, container: &str, path: &str) -> Result<Box<dyn Read + Send>, RuntimeError> {
        self.look("an archive")?;
        self.yard.engine.read_archive(container, path)
    }
}
