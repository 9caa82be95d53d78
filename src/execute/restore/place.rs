//! In place: staged beside the target on its own file system, exchanged when all of it is good, the old state kept.
//!
//! Up to the journal's phase `swapping` only hidden folders were made; from there on the exchange is finished, by this process or by
//! the next [`super::recover`]. A rename that the system refuses undoes the others.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::disk;
use super::error::RestoreError;
use super::journal::{self, Journal, Phase, RawPath, Spot, hold};
use super::opened::{Opened, Part, Watch};
use super::perform::{Hands, Staged, done};
use super::plan::{How, Planned, PlannedRoot, RestorePlan, check_space};
use super::services::{during, refuse_new_holders};
use super::settle::forget;
use super::swap;
use crate::archive::Outcome;
use crate::execute::event::Done;
use crate::execute::ports::Ports;

pub(super) fn perform(hands: &Hands<'_>, roots: &[PlannedRoot]) -> Result<Staged, RestoreError> {
    let (ports, plan) = (hands.ports, hands.plan);
    let locked = |holder| RestoreError::Locked { holder };
    let holder = format!("restore {} of host {} (pid {})", plan.run, ports.host.name, ports.host.pid);
    let _series = ports.state.hold(&plan.instance, &plan.choice.series, &holder)?.map_err(locked)?;
    let _run = hold(ports, &plan.run.to_string())?.map_err(locked)?;
    let mut journal = {
        // Two restores of one place cannot both find that they are the only one.
        let _one = ports.state.hold_file(Path::new("locks/restore"), &holder)?.map_err(locked)?;
        refuse_uncommitted(ports, plan)?;
        roots.iter().try_for_each(still_as_planned)?;
        check_space(&super::plan::space(plan)?)?;
        let journal = journal_of(plan, roots, ports)?;
        journal.write(ports)?;
        journal
    };
    let staged = hands.shown(hands.stage_address(), "restore", || stage(hands, &journal, roots), |staged| done(plan, staged));
    let ready = staged.and_then(|staged| {
        hands.stop_if_cancelled()?;
        roots.iter().try_for_each(still_as_planned)?;
        Ok(staged)
    });
    let staged = match ready {
        Ok(staged) => staged,
        Err(error) if error.is_kill() => return Err(error),
        Err(error) => {
            clean(hands, &journal);
            return Err(error);
        }
    };
    let quietly = during(ports, plan.run, "restore", &plan.instance, &plan.services, false, || {
        hands.stop_if_cancelled()?;
        hands.fault.step()?;
        // What a service wrote at its end belongs to the old state.
        swap::plan_moves(&mut journal)?;
        refuse_new_holders(hands)?;
        journal.enter(Phase::Swapping, ports)?;
        hands.fault.step()?;
        put_in_place(hands, &mut journal)
    });
    match quietly {
        Ok(()) => Ok(staged),
        Err(error) if error.is_kill() => Err(error),
        Err(RestoreError::Unwell { services }) => {
            hands.warn(format!("{}; the old state is put back", services.join("; ")));
            put_back(hands, journal)?;
            Err(RestoreError::RolledBack { services })
        }
        Err(error) => {
            // Nothing stands in its place yet, or what stood there stands again.
            if journal.phase == Phase::Staging {
                clean(hands, &journal);
            }
            Err(error)
        }
    }
}

/// Back to the old state, around the services once more.
fn put_back(hands: &Hands<'_>, mut journal: Journal) -> Result<(), RestoreError> {
    let (ports, plan) = (hands.ports, hands.plan);
    during(ports, plan.run, "rollback", &plan.instance, &plan.services, true, || super::settle::undo(&mut journal, ports, hands.fault))
}

/// Refuses a second restore of a place whose first one waits for a decision.
pub(super) fn refuse_uncommitted(ports: &Ports, plan: &RestorePlan) -> Result<(), RestoreError> {
    let Planned::InPlace { roots } = &plan.target else { return Ok(()) };
    let journals = journal::all(ports)?;
    for root in roots {
        if let Some(journal) = journals.iter().find(|journal| journal.run != plan.run && journal.touches(&root.path)) {
            return Err(RestoreError::Uncommitted { path: root.path.clone(), run: journal.run });
        }
    }
    Ok(())
}

fn still_as_planned(root: &PlannedRoot) -> Result<(), RestoreError> {
    let changed = |how: &str| Err(RestoreError::Changed(format!("`{}` {how} since the restore was planned", root.path.display())));
    if disk::look(&root.path)?.is_some() != root.exists {
        return changed("has come or gone");
    }
    let mounts = disk::mounts()?;
    if mounts.contains(&root.path) != (root.how == How::Children) {
        return changed("was mounted or unmounted");
    }
    if mounts.iter().any(|mount| mount.starts_with(&root.path) && mount != &root.path) {
        return changed("got another file system mounted in it");
    }
    Ok(())
}

fn journal_of(plan: &RestorePlan, roots: &[PlannedRoot], ports: &Ports) -> Result<Journal, RestoreError> {
    let mut journal = Journal::new(plan.run, &plan.instance, &plan.choice, ports.now());
    for root in roots {
        let staged = root.staging.join(&root.member.0);
        journal.spots.push(Spot { target: root.path.clone(), staged, mount: root.how.keeps_folder() });
        for folder in disk::missing_parents(&root.staging)?.into_iter().chain(disk::missing_parents(&root.path)?) {
            if !journal.made.iter().any(|made| made.0 == folder) {
                journal.made.push(RawPath(folder));
            }
        }
        journal.stage_in(&root.staging)?;
    }
    Ok(journal)
}

/// Removes what was staged. What cannot be removed keeps its journal, so that the next recovery tries again.
pub(super) fn clean(hands: &Hands<'_>, journal: &Journal) {
    if let Err(error) = forget(hands.ports, journal) {
        hands.warn(format!("what was staged stays until it is recovered: {}", crate::execute::error::chain(&error)));
    }
}

/// Makes the folders on the way to the targets, as anybody would make them.
pub(super) fn make_parents(journal: &Journal) -> Result<(), RestoreError> {
    for RawPath(folder) in &journal.made {
        fs::create_dir_all(folder).map_err(RestoreError::io("make the folder", folder))?;
    }
    Ok(())
}

fn stage(hands: &Hands<'_>, journal: &Journal, roots: &[PlannedRoot]) -> Result<Staged, RestoreError> {
    hands.fault.step()?;
    make_parents(journal)?;
    let make = || swap::folders(journal).try_for_each(disk::make_private);
    make()?;
    hands.fault.step()?;
    let again = || swap::folders(journal).try_for_each(disk::discard).and_then(|()| make());
    let staged = hands.read_a_good_copy(|opened, watch| unpack(hands, opened, watch, roots), again)?;
    swap::folders(journal).try_for_each(disk::sync_file_system)?;
    hands.fault.step()?;
    for spot in &journal.spots {
        if disk::look(&spot.staged)?.is_none() {
            return Err(RestoreError::Changed(format!("`{}` was unpacked and is not there", spot.staged.display())));
        }
    }
    Ok(staged)
}

/// One reading for everything that is on one file system; one for each root where there are several.
fn unpack(hands: &Hands<'_>, opened: &Opened<'_>, watch: &Watch<'_>, roots: &[PlannedRoot]) -> Result<Outcome, RestoreError> {
    let mut by_folder: BTreeMap<&Path, Vec<&PathBuf>> = BTreeMap::new();
    for root in roots {
        by_folder.entry(&root.staging).or_default().push(&root.member.0);
    }
    let mut sum = Outcome::default();
    let whole = by_folder.len() == 1 && hands.plan.path.is_none();
    for (folder, members) in by_folder {
        let parts: Vec<Part<'_>> = if whole {
            vec![Part::All]
        } else if hands.plan.path.is_some() {
            members.iter().map(|member| Part::Path(member.as_os_str().as_bytes())).collect()
        } else {
            members.iter().map(|member| Part::Label(member.as_os_str().as_bytes())).collect()
        };
        for part in parts {
            let one = opened.unpack(folder, part, watch)?;
            sum.entries += one.entries;
            sum.bytes += one.bytes;
            sum.owners_kept += one.owners_kept;
            sum.warnings.extend(one.warnings);
        }
    }
    Ok(sum)
}

/// The exchange itself. Not cancelled: it is short, and half of it is nothing that anybody wants.
fn put_in_place(hands: &Hands<'_>, journal: &mut Journal) -> Result<(), RestoreError> {
    let ports = hands.ports;
    let swaps: Vec<String> = hands.plan.steps.iter().filter(|step| step.kind == "swap").map(|step| step.address.clone()).collect();
    let address = swaps.first().map_or("swap", String::as_str);
    let swapped = hands.shown(address, "swap", || swap::forward(journal, hands.fault), |()| Done::default());
    match swapped {
        Ok(()) => {
            for address in swaps.iter().skip(1) {
                hands.shown(address, "swap", || Ok(()), |()| Done::default())?;
            }
            journal.enter(Phase::Swapped, ports)?;
            hands.fault.step()
        }
        Err(error) if error.is_kill() => Err(error),
        Err(error) => {
            journal.enter(Phase::Undoing, ports)?;
            hands.fault.step()?;
            swap::back(journal, hands.fault)?;
            clean(hands, journal);
            Err(error)
        }
    }
}
