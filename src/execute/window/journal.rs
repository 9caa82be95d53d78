//! The journal of a window: written durably before the first service is quieted, gone once the last one is awake. **[format]**
//!
//! `quiet/<engine>/<run>-<window>.json` in the local state, where `<engine>` is the engine's own id (`host` where only commands of this
//! host are involved); `.alive` beside it is locked for as long as the window's process is at work. It is complete in itself: with it
//! and an engine that answers, everything is woken again, in order, without a manifest.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::execute::ports::Ports;
use crate::execute::state::{Held, LocalState, StateError};
use crate::facts::{Engine, Owed};
use crate::model::id::{Instant, Name, Random};
use crate::plan::{Handle, Quiet};

/// The folder of the journals in the local state.
const FOLDER: &str = "quiet";
/// The version of the journal; another major one is refused.
const FORMAT_VERSION: &str = "1.0";
/// Stands for the engine where there is none.
const HOST: &str = "host";

/// The journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Journal {
    pub(super) format_version: String,
    pub(super) run: Random,
    /// Which of the run's windows.
    pub(super) window: String,
    pub(super) instance: Name,
    pub(super) at: Instant,
    /// The engine of the containers in it.
    pub(super) engine: Option<EngineRef>,
    /// What is quieted, in that order.
    pub(super) entries: Vec<Entry>,
}

/// An engine, and where it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EngineRef {
    pub(super) id: String,
    pub(super) endpoint: String,
}

/// One thing that is quieted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) service: Quiet,
    /// Whether it was about to be quieted. A command then has to be resumed; a container that still runs may be on its way to its end,
    /// because an engine finishes a stop whose caller is gone.
    pub(super) begun: bool,
    /// Whether it was about to be brought back: a start since then may be ours.
    #[serde(default)]
    pub(super) waking: bool,
}

impl Journal {
    pub(super) fn new(run: Random, window: &str, instance: &Name, at: Instant, engine: Option<&Engine>, quiet: Vec<Quiet>) -> Self {
        Self {
            format_version: FORMAT_VERSION.to_owned(),
            run,
            window: window.to_owned(),
            instance: instance.clone(),
            at,
            engine: engine.map(|engine| EngineRef { id: engine.id.clone(), endpoint: engine.endpoint.clone() }),
            entries: quiet.into_iter().map(|service| Entry { service, begun: false, waking: false }).collect(),
        }
    }

    pub(super) fn write(&self, state: &LocalState) -> Result<(), StateError> {
        state.write_json(&self.path("json"), self)
    }

    /// Says that nothing is owed any more.
    pub(super) fn remove(&self, state: &LocalState) -> Result<(), StateError> {
        state.remove(&self.path("json"))?;
        state.remove(&self.path("alive"))
    }

    /// Says that the window is at work, or who says so already.
    pub(super) fn hold(&self, ports: &Ports) -> Result<Result<Held, String>, StateError> {
        ports.state.hold_file(&self.path("alive"), &format!("process {} on {}", ports.host.pid, ports.host.name))
    }

    fn path(&self, ending: &str) -> PathBuf {
        let engine = self.engine.as_ref().map_or(HOST, |engine| &engine.id);
        PathBuf::from(format!("{FOLDER}/{}/{}-{}.{ending}", file_name(engine), self.run, file_name(&self.window)))
    }

    /// Whether what is owed still needs the engine: what needed it may be settled, and the commands of this host left.
    pub(super) fn needs_engine(&self) -> bool {
        self.entries.iter().any(|entry| entry.service.needs_engine())
    }

    /// What is owed, for facts.
    fn owed(&self, alive: bool) -> Owed {
        let subjects = self.entries.iter().flat_map(|entry| match &entry.service.handle {
            Handle::Containers(subjects) => subjects.as_slice(),
            Handle::Command { .. } => &[],
        });
        Owed {
            run: self.run,
            at: self.at,
            services: self.entries.iter().map(|entry| entry.service.address.clone()).collect(),
            containers: subjects.map(|subject| subject.id.clone()).collect(),
            engineless: !self.needs_engine(),
            alive,
        }
    }
}

/// Every journal, by engine and run.
pub(super) fn all(state: &LocalState) -> Result<Vec<Journal>, StateError> {
    each(state)?.into_iter().collect()
}

/// The same, each as far as it can be read.
pub(super) fn each(state: &LocalState) -> Result<Vec<Result<Journal, StateError>>, StateError> {
    let mut journals = Vec::new();
    for engine in state.folders(FOLDER)? {
        let folder = format!("{FOLDER}/{engine}");
        for name in state.names(&folder)? {
            journals.extend(read(state, Path::new(&format!("{folder}/{name}.json"))).transpose());
        }
    }
    Ok(journals)
}

/// Removes what a run that was killed just before or just after its journal was there has left of a window.
pub(super) fn tidy(state: &LocalState) -> Result<(), StateError> {
    state.folders(FOLDER)?.iter().try_for_each(|engine| state.clear(&format!("{FOLDER}/{engine}")))
}

fn read(state: &LocalState, path: &Path) -> Result<Option<Journal>, StateError> {
    let journal: Option<Journal> = state.read_json(path)?;
    if let Some(newer) = journal.as_ref().filter(|j| !j.format_version.starts_with("1.")) {
        let message = format!("it has format {}, this program reads 1; use the program that wrote it", newer.format_version);
        return Err(StateError { operation: "understand", path: state.root().join(path), source: std::io::Error::other(message) });
    }
    Ok(journal)
}

/// Reads one again.
pub(super) fn again(journal: &Journal, state: &LocalState) -> Result<Option<Journal>, StateError> {
    state.read_json(&journal.path("json"))
}

/// What is quiet by runs: by such as have died, and by such as are at work. Writes nothing.
pub fn owed(state: &LocalState) -> Result<Vec<Owed>, StateError> {
    Ok(all(state)?.iter().map(|journal| journal.owed(state.is_held(&journal.path("alive")))).collect())
}

/// A window in which services are quiet now, by a process that is alive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpenWindow {
    /// The run.
    pub run: Random,
    /// When it began to quiet things.
    pub at: Instant,
    /// Addresses of what it quiets.
    pub services: Vec<String>,
    /// What that process says of itself.
    pub holder: String,
}

/// The windows that are open now. Writes nothing.
pub fn open(state: &LocalState) -> Result<Vec<OpenWindow>, StateError> {
    let one = |journal: &Journal| {
        let holder = state.holder(&journal.path("alive"))?;
        let Owed { run, at, services, .. } = journal.owed(true);
        Some(OpenWindow { run, at, services, holder })
    };
    // What cannot be read is recovery's to say.
    Ok(each(state)?.iter().flatten().filter_map(one).collect())
}

/// Takes a container, or a pair of commands, for this process, or says who has it.
pub(super) fn hold_subject(ports: &Ports, engine: &str, id: &str, holder: &str) -> Result<Result<Held, String>, StateError> {
    ports.state.hold_file(&PathBuf::from(format!("locks/containers/{}/{}", file_name(engine), file_name(id))), holder)
}

/// An engine's words as one component of a path.
fn file_name(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '-' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORED: &str = include_str!("../../../tests/integration/formats/journal/v1.json");

    #[test]
    fn the_stored_journal_of_version_1_reads_and_is_written_as_it_was() {
        let journal: Journal = serde_json::from_str(STORED).unwrap();
        assert_eq!(serde_json::to_string_pretty(&journal).unwrap(), STORED.trim_end());
        assert_eq!(journal.owed(false).containers, ["1f0c", "2a11"]);
    }

    #[test]
    fn a_window_is_open_while_its_process_holds_it_and_owed_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let state = LocalState::new(folder.path().to_owned());
        let journal: Journal = serde_json::from_str(STORED).unwrap();
        journal.write(&state).unwrap();
        let held = state.hold_file(&journal.path("alive"), "process 7 on host").unwrap().unwrap();
        let found = open(&state).unwrap();
        assert_eq!((found.len(), found[0].run, found[0].holder.as_str()), (1, journal.run, "process 7 on host"));
        assert_eq!((&found[0].services, owed(&state).unwrap()), (&journal.owed(true).services, vec![journal.owed(true)]));
        drop(held);
        assert_eq!((open(&state).unwrap(), owed(&state).unwrap()), (vec![], vec![journal.owed(false)]));
    }

    #[test]
    fn what_is_left_of_a_window_without_a_journal_is_tidied_away() {
        let folder = tempfile::tempdir().unwrap();
        let state = LocalState::new(folder.path().to_owned());
        let left = |n: u8| PathBuf::from(format!("quiet/engine/{n}.alive"));
        let half = |n: u8| PathBuf::from(format!("quiet/engine/.{n}.json.new"));
        drop(state.hold_file(&left(1), "process 7 on host").unwrap().unwrap());
        let at_work = state.hold_file(&left(2), "process 8 on host").unwrap().unwrap();
        let journal: Journal = serde_json::from_str(STORED).unwrap();
        journal.write(&state).unwrap();
        drop(state.hold_file(&journal.path("alive"), "process 9 on host").unwrap().unwrap());
        // 1 and 2 were, or are, at their first write; 3 lost its claim to a recovery that was killed itself.
        for n in [1, 2, 3] {
            std::fs::write(state.root().join(half(n)), "{").unwrap();
        }
        tidy(&state).unwrap();
        let there = |path: &Path| state.root().join(path).exists();
        assert_eq!([left(1), half(1), half(3), left(2), half(2)].map(|path| there(&path)), [false, false, false, true, true]);
        assert_eq!((there(&journal.path("json")), there(&journal.path("alive"))), (true, true));
        drop(at_work);
        tidy(&state).unwrap();
        assert!(!there(&left(2)) && !there(&half(2)));
    }

    #[test]
    fn a_journal_without_what_came_later_reads() {
        let mut value: serde_json::Value = serde_json::from_str(STORED).unwrap();
        value["entries"][1].as_object_mut().unwrap().remove("waking");
        value["later"] = true.into();
        let journal: Journal = serde_json::from_value(value).unwrap();
        assert!(journal.entries.iter().all(|entry| !entry.waking));
    }

    #[test]
    fn a_journal_of_another_major_version_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let state = LocalState::new(folder.path().to_owned());
        let mut journal: Journal = serde_json::from_str(STORED).unwrap();
        "2.0".clone_into(&mut journal.format_version);
        journal.write(&state).unwrap();
        assert!(owed(&state).unwrap_err().to_string().contains("cannot understand"));
    }
}
