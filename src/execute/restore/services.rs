//! Services around an exchange: quiet before it, awake after it, and the exchange undone where they do not come back well.
//!
//! Whoever has a folder mounted goes on with the old one after an exchange, so that services are stopped for it even where a capture
//! only pauses them, and a container that would keep the old state is a refusal.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::RestoreError;
use super::journal::Journal;
use super::perform::Hands;
use super::plan::{Planned, RestorePlan};
use crate::execute::event::{StepOutcome, StepResult};
use crate::execute::ports::Ports;
use crate::execute::window::{NotOpened, Open, Window};
use crate::facts::{Facts, Picture};
use crate::finding::Finding;
use crate::model::PolicySet;
use crate::model::id::{Name, Random};
use crate::plan::{Quiet, mounters, quiet};

/// What has to be quiet while these places of a policy change.
pub(super) fn around(set: &PolicySet, facts: &Facts, policy: &Name, places: &[PathBuf]) -> Result<Vec<Quiet>, RestoreError> {
    let source = set.policies.get(policy).and_then(|policy| set.sources.get(&policy.source));
    let services = match source {
        Some(source) => quiet(set, facts, &source.restore_stop, true).map_err(|findings| refused(&findings))?,
        None => Vec::new(),
    };
    let keep = facts.runtime.picture().map_or_else(Vec::new, |seen| mounters(&resolved(seen.clone()), &facts.owed, places, &services));
    if !keep.is_empty() {
        let (names, source) = (keep.join("`, `"), source.map_or_else(|| policy.to_string(), |source| source.name.to_string()));
        return Err(RestoreError::refused(
            format!("container `{names}` has it mounted and would go on with the old state"),
            format!("name its service in `restore_stop` of source `{source}`, or stop it by hand, or restore to a folder with `--to`"),
        ));
    }
    Ok(services)
}

/// Containers that have one of these places mounted right now. What is quiet does not run, so that it is not among them.
pub(super) fn holders(seen: Picture, places: &[PathBuf]) -> Vec<String> {
    mounters(&resolved(seen), &[], places, &[])
}

/// Refuses what has been mounted since the plan was made: by a container that was started, or one that was quiet and was woken.
pub(super) fn refuse_new_holders(hands: &Hands<'_>) -> Result<(), RestoreError> {
    if !hands.set.needs_engine() {
        return Ok(());
    }
    let seen = match hands.ports.runtime.picture() {
        Ok(seen) => seen,
        Err(_) if hands.plan.services.is_empty() => return Ok(()),
        Err(error) => {
            let why = crate::execute::chain(&error);
            return Err(RestoreError::Changed(format!("nobody knows who has it mounted by now: {why}; nothing was put in place")));
        }
    };
    let holders = holders(seen, &places(hands.plan));
    if holders.is_empty() {
        return Ok(());
    }
    Err(RestoreError::Changed(format!(
        "container `{}` has it mounted since the restore was planned, and would go on with the old state; nothing was put in place; stop \
         it, or name its service in `restore_stop`, and restore again",
        holders.join("`, `")
    )))
}

/// A picture whose paths have no links in them, as those of places have none. Paths of another host stay as they are.
fn resolved(mut seen: Picture) -> Picture {
    if !seen.engine.local {
        return seen;
    }
    let real = |path: &Path| if path.is_absolute() { fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()) } else { path.to_owned() };
    for mount in seen.containers.iter_mut().flat_map(|container| &mut container.mounts) {
        mount.source = real(&mount.source);
    }
    for volume in &mut seen.volumes {
        volume.mountpoint = real(&volume.mountpoint);
        if let Some(device) = volume.options.get_mut("device") {
            *device = real(Path::new(device)).to_string_lossy().into_owned();
        }
    }
    seen
}

/// The places that a plan exchanges.
pub(super) fn places(plan: &RestorePlan) -> Vec<PathBuf> {
    match &plan.target {
        Planned::InPlace { roots } => roots.iter().map(|root| root.path.clone()).collect(),
        Planned::Folder { .. } | Planned::Command { .. } | Planned::Server { .. } => Vec::new(),
    }
}

/// The places that a restore has exchanged.
pub(super) fn exchanged(journal: &Journal) -> Vec<PathBuf> {
    journal.spots.iter().map(|spot| spot.target.clone()).collect()
}

fn refused(findings: &[Finding]) -> RestoreError {
    let message = findings.iter().map(|finding| finding.message.clone()).collect::<Vec<_>>().join("; ");
    let help = findings.iter().find_map(|finding| finding.help.clone()).unwrap_or_default();
    RestoreError::refused(message, help)
}

/// `ours`: the same run has quieted them before and they may not have come back. Quiets them, does the work, and wakes them, whatever the work came to. `Unwell` where the work went well and they did not come back.
pub(super) fn during<T>(
    ports: &Ports,
    run: Random,
    name: &str,
    instance: &Name,
    services: &[Quiet],
    ours: bool,
    work: impl FnOnce() -> Result<T, RestoreError>,
) -> Result<T, RestoreError> {
    if services.is_empty() {
        return work();
    }
    let window = Window { run, name, instance, services: services.to_vec(), ours, limit: None };
    let (open, _) = window.open(ports).map_err(|error| match error {
        NotOpened::Locked(holder) => RestoreError::Locked { holder },
        NotOpened::Failed(error) => RestoreError::Changed(crate::execute::chain(&error)),
    })?;
    let result = match open.ready() {
        Ok(()) => work(),
        Err(why) => Err(RestoreError::Changed(format!("{why}; nothing was put in place"))),
    };
    let unwell = unwell(&open);
    match (result, unwell.is_empty()) {
        (Ok(value), true) => Ok(value),
        (Ok(_), false) => Err(RestoreError::Unwell { services: unwell }),
        (Err(error), _) => Err(error),
    }
}

/// Closes a window; what did not come back as it was.
fn unwell(open: &Open) -> Vec<String> {
    let message = |outcome: StepOutcome| match outcome.result {
        StepResult::Done(_) => None,
        StepResult::Failed { message } | StepResult::Skipped { message } => Some(message),
    };
    open.close().into_iter().filter_map(message).collect()
}
