//! Performs a plan: dispatch, progress, and the next copy where one turns out to be damaged or out of reach.

use serde::Serialize;

use super::choice::StoredCopy;
use super::error::RestoreError;
use super::fault::Fault;
use super::opened::{Opened, Watch};
use super::plan::{Planned, RestorePlan};
use super::{fed, folder, place};
use crate::archive::Outcome;
use crate::execute::event::{Done, Event, StepOutcome, StepResult};
use crate::execute::ports::Ports;
use crate::model::PolicySet;
use crate::model::id::{ArtifactId, Name, Random};
use crate::source::Back;

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// Its id.
    pub run: Random,
    /// The artifact.
    pub id: ArtifactId,
    /// The store that it was read from.
    pub store: Name,
    /// Entries that were written.
    pub entries: u64,
    /// Bytes that were written.
    pub bytes: u64,
    /// Whether the old state is kept and a commit or a roll-back is due.
    pub uncommitted: bool,
    /// What is poorer than it was: sentences that name the object.
    pub warnings: Vec<String>,
}

/// What was unpacked, and from where.
pub(super) struct Staged {
    pub(super) store: Name,
    pub(super) entries: u64,
    pub(super) bytes: u64,
    pub(super) warnings: Vec<String>,
}

/// What performing needs.
pub(super) struct Hands<'a> {
    pub(super) set: &'a PolicySet,
    pub(super) ports: &'a Ports,
    pub(super) plan: &'a RestorePlan,
    pub(super) fault: &'a Fault,
}

/// Performs a plan. Blocks; the caller gives it a thread.
pub fn perform(set: &PolicySet, ports: &Ports, plan: &RestorePlan) -> Result<Restored, RestoreError> {
    perform_until(set, ports, plan, &Fault::never())
}

/// The same, up to where a test stops it.
pub(super) fn perform_until(set: &PolicySet, ports: &Ports, plan: &RestorePlan, fault: &Fault) -> Result<Restored, RestoreError> {
    let hands = Hands { set, ports, plan, fault };
    hands.stop_if_cancelled()?;
    let staged = match &plan.target {
        Planned::Folder { path, staging, exists } => folder::perform(&hands, path, staging, *exists)?,
        Planned::InPlace { roots } => place::perform(&hands, roots)?,
        Planned::Command { .. } => fed::perform(&hands, &Back::default())?,
        Planned::Server { back, .. } => fed::perform(&hands, back)?,
    };
    Ok(Restored {
        run: plan.run,
        id: plan.choice.id,
        store: staged.store,
        entries: staged.entries,
        bytes: staged.bytes,
        uncommitted: plan.keeps_old_state(),
        warnings: staged.warnings,
    })
}

impl Hands<'_> {
    /// The address of the step that stages.
    pub(super) fn stage_address(&self) -> &str {
        self.plan.steps.first().map_or("restore", |step| step.address.as_str())
    }

    pub(super) fn stop_if_cancelled(&self) -> Result<(), RestoreError> {
        if self.ports.cancelled() { Err(RestoreError::Interrupted) } else { Ok(()) }
    }

    pub(super) fn warn(&self, message: String) {
        self.ports.say(Event::StepWarning { address: self.stage_address().to_owned(), message });
    }

    /// Runs a step between the events that show it.
    pub(super) fn shown<T>(
        &self,
        address: &str,
        kind: &str,
        work: impl FnOnce() -> Result<T, RestoreError>,
        done: impl FnOnce(&T) -> Done,
    ) -> Result<T, RestoreError> {
        self.ports.say(Event::StepStarted { address: address.to_owned() });
        let began = self.ports.now();
        let result = work();
        let shown = match &result {
            Ok(value) => StepResult::Done(done(value)),
            Err(error) => StepResult::Failed { message: crate::execute::error::chain(error) },
        };
        let millis = u64::try_from((self.ports.now() - began).num_milliseconds()).unwrap_or(0);
        self.ports.say(Event::StepEnded(StepOutcome { address: address.to_owned(), kind: kind.to_owned(), result: shown, millis }));
        result
    }

    /// Reads the first copy that can be read and is not damaged; `again` empties the staging folders before the next one is tried.
    pub(super) fn read_a_good_copy(
        &self,
        read: impl Fn(&Opened<'_>, &Watch<'_>) -> Result<Outcome, RestoreError>,
        again: impl Fn() -> Result<(), RestoreError>,
    ) -> Result<Staged, RestoreError> {
        let mut copies = self.plan.choice.copies.iter().peekable();
        loop {
            let Some(copy) = copies.next() else {
                return Err(RestoreError::NotWhole { id: self.plan.choice.id, stores: Vec::new() });
            };
            match self.read_copy(copy, &read) {
                Err(error) if error.is_of_copy() && copies.peek().is_some() => {
                    self.warn(format!("{}; the next copy is read", crate::execute::error::chain(&error)));
                    again()?;
                }
                Err(error) => return Err(error),
                Ok(outcome) => {
                    let mut warnings: Vec<String> = outcome.warnings.iter().map(ToString::to_string).collect();
                    if outcome.owners_kept > 0 {
                        warnings
                            .push(format!("{} entries have another owner than before: only root may give files away", outcome.owners_kept));
                    }
                    for warning in &warnings {
                        self.warn(warning.clone());
                    }
                    return Ok(Staged { store: copy.store.clone(), entries: outcome.entries, bytes: outcome.bytes, warnings });
                }
            }
        }
    }

    fn read_copy(
        &self,
        copy: &StoredCopy,
        read: &impl Fn(&Opened<'_>, &Watch<'_>) -> Result<Outcome, RestoreError>,
    ) -> Result<Outcome, RestoreError> {
        let opened = Opened::open(self.ports, &self.plan.choice, copy)?;
        let address = self.stage_address();
        let progress = self.ports.progress(address, Some(self.plan.bytes));
        read(&opened, &Watch { threads: self.set.run.threads, progress: &progress, cancel: &self.ports.cancel })
    }
}

/// The values of a step that staged something.
pub(super) fn done(plan: &RestorePlan, staged: &Staged) -> Done {
    Done {
        id: Some(plan.choice.id),
        bytes: staged.bytes,
        entries: Some(staged.entries),
        warnings: staged.warnings.len() as u64,
        ..Done::default()
    }
}
