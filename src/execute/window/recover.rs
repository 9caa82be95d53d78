//! After a kill: wakes what a run has quieted that is not alive any more. Needs no manifest; an engine is reached where the journal says
//! it was.

use serde::Serialize;

use super::journal::{self, Journal};
use super::open::wake_all;
use crate::execute::error::chain;
use crate::execute::event::StepResult;
use crate::execute::ports::Ports;
use crate::execute::state::StateError;
use crate::model::id::{Instant, Random};
use crate::runtime::Runtime;

/// What became of an interrupted window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Awoken {
    /// The run, and which of its windows.
    pub run: Random,
    /// Which of its windows.
    pub window: String,
    /// When it began.
    pub at: Instant,
    /// Addresses of what is awake.
    pub awake: Vec<String>,
    /// What to know: sentences that name the object.
    pub notes: Vec<String>,
    /// What is not as it was, and why; the journal stays where that can still be mended.
    pub stuck: Vec<String>,
}

/// What recovery came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// What became of each interrupted window.
    pub windows: Vec<Awoken>,
    /// Journals that cannot be read, and why: what they name is not woken.
    pub unreadable: Vec<String>,
}

/// Wakes everything that dead runs have quieted; not for the runs `unsettled`, whose restores left the files of their services half-way.
pub fn recover(ports: &Ports, unsettled: &[Random]) -> Result<Recovery, StateError> {
    let mut recovery = Recovery::default();
    for seen in journal::each(&ports.state)? {
        let seen = match seen {
            Ok(seen) => seen,
            Err(error) => {
                recovery.unreadable.push(chain(&error));
                continue;
            }
        };
        let Ok(_held) = seen.hold(ports)? else { continue };
        // Read again: its process may have ended in good order just now.
        let Some(journal) = journal::again(&seen, &ports.state)? else {
            seen.remove(&ports.state)?;
            continue;
        };
        recovery.windows.push(if unsettled.contains(&journal.run) { left(&journal) } else { one(ports, journal) });
    }
    journal::tidy(&ports.state)?;
    Ok(recovery)
}

/// One that is left as it is: its services would run on files that are neither old nor new.
fn left(journal: &Journal) -> Awoken {
    let why = format!("{} stays quiet until restore {} is settled", names(journal), journal.run);
    Awoken { stuck: vec![why], ..nothing(journal) }
}

fn nothing(journal: &Journal) -> Awoken {
    Awoken { run: journal.run, window: journal.window.clone(), at: journal.at, awake: Vec::new(), notes: Vec::new(), stuck: Vec::new() }
}

fn one(ports: &Ports, journal: Journal) -> Awoken {
    let mut awoken = nothing(&journal);
    let found = match journal.engine.as_ref().filter(|_| journal.needs_engine()) {
        None => Ok(std::sync::Arc::clone(&ports.runtime)),
        Some(engine) => reach(ports, &engine.id, &engine.endpoint),
    };
    let runtime = match found {
        Ok(runtime) => runtime,
        Err(why) => {
            awoken.stuck.push(format!("{} is not awake: {why}", names(&journal)));
            return awoken;
        }
    };
    let (outcomes, notes) = wake_all(ports, runtime.as_ref(), journal);
    awoken.notes.extend(notes.into_iter().map(|(_, note)| note));
    for outcome in outcomes {
        match outcome.result {
            StepResult::Failed { message } | StepResult::Skipped { message } => awoken.stuck.push(message),
            // What is told in a note is somebody else's by now, and maybe not awake.
            StepResult::Done(done) if done.note.is_some() => {}
            StepResult::Done(_) => awoken.awake.push(outcome.address.trim_start_matches("start:").to_owned()),
        }
    }
    awoken
}

/// The engine of this id: the one of today's surroundings, else the one where it was.
fn reach(ports: &Ports, id: &str, endpoint: &str) -> Result<std::sync::Arc<dyn Runtime>, String> {
    let today = ports.runtime.engine();
    if today.as_ref().is_ok_and(|engine| engine.id == id) {
        return Ok(std::sync::Arc::clone(&ports.runtime));
    }
    let there = (ports.engine_at)(endpoint);
    match there.engine() {
        Ok(engine) if engine.id == id => Ok(there),
        Ok(engine) => {
            Err(format!("the engine at {endpoint} is another one now ({} instead of {id}); with DOCKER_HOST say where it is", engine.id))
        }
        Err(error) => Err(format!("{}; run `lucid-policy recover` once it answers", chain(&error))),
    }
}

fn names(journal: &Journal) -> String {
    journal.entries.iter().map(|entry| entry.service.address.as_str()).collect::<Vec<_>>().join(", ")
}
