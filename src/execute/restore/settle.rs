//! What is left of restores: commit, roll-back, and recovery after a kill.
//!
//! None of them acts on a restore that another process works on. A roll-back takes the restored state as it is now, whatever was
//! written to it since; it is removed then. What stands where the journal does not expect it ends the work with a sentence, and the
//! journal stays.

use std::path::PathBuf;

use serde::Serialize;

use super::disk;
use super::error::RestoreError;
use super::fault::Fault;
use super::journal::{self, Journal, Phase, RawPath, hold};
use super::services::{around, during, exchanged, holders};
use super::swap;
use crate::execute::error::chain;
use crate::execute::ports::Ports;
use crate::facts::Facts;
use crate::model::PolicySet;
use crate::model::id::{ArtifactId, Instant, Name, Random};

/// A restore that waits for a decision, or was interrupted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pending {
    /// Its id.
    pub run: Random,
    /// The policy.
    pub policy: Name,
    /// The artifact.
    pub id: ArtifactId,
    /// When it began.
    pub at: Instant,
    /// How far it is; `swapped` waits for `--commit` or `--rollback`.
    pub phase: Phase,
    /// What it replaced, or would have.
    pub targets: Vec<String>,
    /// Where the old state is kept.
    pub kept: Vec<String>,
    /// Whether a process works on it right now.
    pub busy: bool,
}

/// What became of an interrupted restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recovered {
    /// Its id.
    pub run: Random,
    /// What became of it.
    #[serde(flatten)]
    pub what: What,
}

/// What recovery did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "what", content = "detail", rename_all = "kebab-case")]
pub enum What {
    /// What was staged is removed; the old state stands as it was.
    Undone,
    /// The exchange is finished; the restored state stands, the old one is kept until it is committed.
    Swapped,
    /// It had ended, only its journal was left.
    Ended,
    /// Its roll-back is finished.
    RolledBack,
    /// Its commit is finished.
    Committed,
    /// It was left as it is, and why.
    Stuck(String),
}

/// Every restore that is not settled, oldest first.
pub fn pending(ports: &Ports) -> Result<Vec<Pending>, RestoreError> {
    let mut pending = Vec::new();
    for journal in journal::all(ports)? {
        // Whoever may not even ask still sees what waits.
        let busy = hold(ports, &journal.run.to_string()).is_ok_and(|held| held.is_err());
        let shown = |path: &PathBuf| path.display().to_string();
        pending.push(Pending {
            run: journal.run,
            policy: journal.policy.clone(),
            id: journal.id,
            at: journal.at,
            phase: journal.phase,
            targets: journal.spots.iter().map(|spot| shown(&spot.target)).collect(),
            kept: journal.folders.iter().map(|RawPath(folder)| shown(folder)).collect(),
            busy,
        });
    }
    pending.sort_by_key(|p| (p.at, p.run));
    Ok(pending)
}

/// Removes the old state that a restore kept.
pub fn commit(ports: &Ports, run: &str) -> Result<(), RestoreError> {
    commit_until(ports, run, &Fault::never())
}

pub(super) fn commit_until(ports: &Ports, run: &str, fault: &Fault) -> Result<(), RestoreError> {
    let (mut journal, _held) = decided(ports, run)?;
    swap::check_kept(&journal)?;
    journal.enter(Phase::Committing, ports)?;
    fault.step()?;
    swap::folders(&journal).try_for_each(disk::discard)?;
    fault.step()?;
    Ok(journal.remove(ports)?)
}

/// Puts the old state back and removes what was restored, with all that was written to it since.
pub fn rollback(ports: &Ports, run: &str) -> Result<(), RestoreError> {
    rollback_until(ports, run, &Fault::never())
}

pub(super) fn rollback_until(ports: &Ports, run: &str, fault: &Fault) -> Result<(), RestoreError> {
    let (mut journal, _held) = decided(ports, run)?;
    undo(&mut journal, ports, fault)
}

/// The same, with the policy's services quiet meanwhile.
pub fn rollback_around(set: &PolicySet, facts: &Facts, ports: &Ports, run: &str) -> Result<(), RestoreError> {
    let (mut journal, _held) = decided(ports, run)?;
    let services = around(set, facts, &journal.policy, &exchanged(&journal))?;
    let (run, instance) = (journal.run, journal.instance.clone());
    during(ports, run, "rollback", &instance, &services, false, || undo(&mut journal, ports, &Fault::never()))
}

/// Puts back what a restore has exchanged, and forgets the restore.
pub(super) fn undo(journal: &mut Journal, ports: &Ports, fault: &Fault) -> Result<(), RestoreError> {
    swap::plan_return(journal)?;
    journal.boot = journal::boot();
    journal.enter(Phase::RollingBack, ports)?;
    fault.step()?;
    finish_rollback(journal, ports, fault)
}

fn finish_rollback(journal: &Journal, ports: &Ports, fault: &Fault) -> Result<(), RestoreError> {
    swap::forward(journal, fault)?;
    forget(ports, journal)
}

/// The journal of a restore that waits for a decision, held.
fn decided(ports: &Ports, run: &str) -> Result<(Journal, crate::execute::state::Held), RestoreError> {
    let waiting = || -> Result<RestoreError, RestoreError> {
        let waits = journal::all(ports)?.into_iter().filter(|journal| journal.phase == Phase::Swapped);
        Ok(RestoreError::NoSuchRun { run: run.to_owned(), pending: waits.map(|journal| journal.run).collect() })
    };
    // A run's id only: anything else could name a file elsewhere.
    let Ok(id) = run.parse::<Random>() else { return Err(waiting()?) };
    let Some(_) = journal::read(ports, id.as_str())? else { return Err(waiting()?) };
    let held = hold(ports, id.as_str())?.map_err(|holder| RestoreError::Locked { holder })?;
    match journal::read(ports, id.as_str())? {
        Some(journal) if journal.phase == Phase::Swapped => journal.check_mounted().map(|()| (journal, held)),
        Some(_) => Err(RestoreError::refused(format!("restore {id} was interrupted"), "let `recover` finish or undo it first")),
        None => Err(waiting()?),
    }
}

/// The runs of all restores that have a journal, whatever it says: where they could not be looked at, none counts as settled.
pub fn unseen(ports: &Ports) -> Vec<Random> {
    ports.state.names(journal::FOLDER).unwrap_or_default().iter().filter_map(|run| run.parse().ok()).collect()
}

/// Finishes or undoes every restore whose process has died. Those that wait for a decision are left alone.
pub fn recover(ports: &Ports) -> Result<Vec<Recovered>, RestoreError> {
    recover_until(ports, &Fault::never())
}

pub(super) fn recover_until(ports: &Ports, fault: &Fault) -> Result<Vec<Recovered>, RestoreError> {
    let mut recovered = Vec::new();
    for seen in journal::all(ports)? {
        if seen.phase == Phase::Swapped {
            continue;
        }
        let Ok(_held) = hold(ports, &seen.run.to_string())? else { continue };
        // Read again: its process may have ended in good order just now.
        let Some(journal) = journal::read(ports, &seen.run.to_string())? else { continue };
        let run = journal.run;
        let what = match one(journal, ports, fault) {
            Ok(None) => continue,
            Ok(Some(what)) => what,
            Err(error) if error.is_kill() => return Err(error),
            Err(error) => What::Stuck(chain(&error)),
        };
        recovered.push(Recovered { run, what });
    }
    // what cannot be removed must not hide what was found above: services wait for the verdict
    drop(journal::tidy(ports));
    Ok(recovered)
}

fn one(mut journal: Journal, ports: &Ports, fault: &Fault) -> Result<Option<What>, RestoreError> {
    journal.check_mounted()?;
    fault.step()?;
    match journal.phase {
        Phase::Swapped => Ok(None),
        Phase::Staging => {
            // To a folder, the last rename ends it: then nothing is staged any more.
            let arrived = journal.aside && journal.spots.iter().all(|spot| !spot.staged.exists() && has_something(&spot.target));
            forget(ports, &journal)?;
            Ok(Some(if arrived { What::Ended } else { What::Undone }))
        }
        Phase::Swapping => {
            unless_held(&journal, ports)?;
            swap::forward(&journal, fault)?;
            journal.enter(Phase::Swapped, ports)?;
            Ok(Some(What::Swapped))
        }
        Phase::Undoing => {
            swap::back(&journal, fault)?;
            forget(ports, &journal)?;
            Ok(Some(What::Undone))
        }
        Phase::RollingBack => {
            unless_held(&journal, ports)?;
            finish_rollback(&journal, ports, fault)?;
            Ok(Some(What::RolledBack))
        }
        Phase::Committing => {
            swap::folders(&journal).try_for_each(disk::discard)?;
            journal.remove(ports)?;
            Ok(Some(What::Committed))
        }
    }
}

/// Refuses where a container has it mounted, as far as an engine says so. What the dead run quieted is only woken after this.
fn unless_held(journal: &Journal, ports: &Ports) -> Result<(), RestoreError> {
    let holders = ports.runtime.picture().map_or_else(|_| Vec::new(), |seen| holders(seen, &exchanged(journal)));
    if holders.is_empty() {
        return Ok(());
    }
    Err(RestoreError::Changed(format!(
        "container `{}` has it mounted and would go on with what is replaced; stop it, then run `lucid-policy recover` again",
        holders.join("`, `")
    )))
}

fn has_something(folder: &std::path::Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

/// Removes what a restore staged and the folders that it made, then its journal.
pub(super) fn forget(ports: &Ports, journal: &Journal) -> Result<(), RestoreError> {
    swap::folders(journal).try_for_each(disk::discard)?;
    disk::remove_made(&journal.made.iter().map(|made| made.0.clone()).collect::<Vec<_>>());
    Ok(journal.remove(ports)?)
}
