//! Renames that know which side they are on: by device and inode of what stands at both paths, so that none is ever repeated or undone
//! by half.
//!
//! A move is an exchange if something stands at both paths, and else a rename to the one that is free. What stands at neither side as
//! the journal says is touched by nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::disk::{self, FileId, Looks, id_of};
use super::error::RestoreError;
use super::fault::Fault;
use super::journal::{Dressing, Journal, Move, RawPath, Spot};

/// What the file system's own repair tool keeps at the top of a file system; it stays where it is.
const LOST_AND_FOUND: &str = "lost+found";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

impl Move {
    /// Which side it is on.
    fn side(&self, same_boot: bool) -> Result<Side, RestoreError> {
        let (target, staged) = (id_of(&self.target)?, id_of(&self.staged)?);
        // Device numbers are given anew at a boot; what is exchanged is on one file system, where the inode alone tells.
        let same = |one: Option<FileId>, other: Option<FileId>| match (one, other) {
            (Some(one), Some(other)) => one.inode == other.inode && (one.device == other.device || !same_boot),
            (one, other) => one.is_none() && other.is_none(),
        };
        let before = same(target, self.old) && same(staged, self.new);
        let after = same(target, self.new) && same(staged, self.old);
        match (before, after) {
            (true, false) => Ok(Side::Before),
            (false, true) => Ok(Side::After),
            _ => Err(RestoreError::Changed(format!(
                "what stands at `{}` and `{}` is not what the restore left there; look at both",
                self.target.display(),
                self.staged.display()
            ))),
        }
    }

    fn go(&self, to: Side, same_boot: bool) -> Result<(), RestoreError> {
        if self.side(same_boot)? == to {
            return Ok(());
        }
        let (from, to) =
            if (to == Side::After) == self.new.is_some() { (&self.staged, &self.target) } else { (&self.target, &self.staged) };
        if self.old.is_some() && self.new.is_some() { disk::exchange(&self.staged, &self.target) } else { disk::place(from, to) }
    }
}

/// Does what is not done yet, and makes it durable.
pub(super) fn forward(journal: &Journal, fault: &Fault) -> Result<(), RestoreError> {
    all(journal, Side::After, journal.moves.iter(), fault)
}

/// Undoes what is done, the last first.
pub(super) fn back(journal: &Journal, fault: &Fault) -> Result<(), RestoreError> {
    all(journal, Side::Before, journal.moves.iter().rev(), fault)
}

fn all<'a>(journal: &Journal, to: Side, moves: impl Iterator<Item = &'a Move>, fault: &Fault) -> Result<(), RestoreError> {
    let same_boot = journal.same_boot();
    let mut folders: BTreeSet<&Path> = BTreeSet::new();
    for one in moves {
        one.go(to, same_boot)?;
        folders.extend([&one.target, &one.staged].into_iter().filter_map(|path| path.parent()));
        fault.step()?;
    }
    for dressing in &journal.dressings {
        let looks = if to == Side::After { &dressing.after } else { &dressing.before };
        looks.give(&dressing.path)?;
    }
    folders.into_iter().try_for_each(disk::sync_folder)
}

/// The moves that put what is staged in its place.
pub(super) fn plan_moves(journal: &mut Journal) -> Result<(), RestoreError> {
    let (mut moves, mut dressings) = (Vec::new(), Vec::new());
    for spot in &journal.spots {
        if spot.mount {
            for name in names_in(spot)? {
                moves.extend(move_of(spot.target.join(&name), spot.staged.join(&name))?);
            }
            dressings.push(Dressing { path: spot.target.clone(), before: Looks::of(&spot.target)?, after: Looks::of(&spot.staged)? });
        } else {
            moves.extend(move_of(spot.target.clone(), spot.staged.clone())?);
        }
    }
    (journal.moves, journal.dressings) = (moves, dressings);
    Ok(())
}

/// The moves that put the kept state back, whatever has become of the restored one since.
pub(super) fn plan_return(journal: &mut Journal) -> Result<(), RestoreError> {
    check_kept(journal)?;
    let dressed: BTreeMap<PathBuf, Looks> = journal.dressings.drain(..).map(|d| (d.path, d.before)).collect();
    plan_moves(journal)?;
    for dressing in &mut journal.dressings {
        if let Some(before) = dressed.get(&dressing.path) {
            dressing.after = *before;
        }
    }
    Ok(())
}

/// Whether the kept state is where the restore left it. Where nothing was replaced, nothing may be there either.
pub(super) fn check_kept(journal: &Journal) -> Result<(), RestoreError> {
    let same_boot = journal.same_boot();
    for one in &journal.moves {
        let there = id_of(&one.staged)?;
        let same = match (there, one.old) {
            (Some(there), Some(old)) => there.inode == old.inode && (there.device == old.device || !same_boot),
            (there, old) => there.is_none() && old.is_none(),
        };
        if !same {
            return Err(RestoreError::Changed(format!(
                "`{}` is not what restore {} kept of `{}`; look at both",
                one.staged.display(),
                journal.run,
                one.target.display()
            )));
        }
    }
    Ok(())
}

fn move_of(target: PathBuf, staged: PathBuf) -> Result<Option<Move>, RestoreError> {
    let (old, new) = (id_of(&target)?, id_of(&staged)?);
    if old.is_none() && new.is_none() {
        return Ok(None);
    }
    Ok(Some(Move { target, staged, old, new }))
}

/// Every name at the top of a mount point or of what is staged for it.
fn names_in(spot: &Spot) -> Result<BTreeSet<OsString>, RestoreError> {
    let mut names = BTreeSet::new();
    for folder in [&spot.target, &spot.staged] {
        for entry in fs::read_dir(folder).map_err(RestoreError::io("list", folder))? {
            names.insert(entry.map_err(RestoreError::io("list", folder))?.file_name());
        }
    }
    names.retain(|name| {
        let staging = spot.staged.strip_prefix(&spot.target).ok().and_then(|rest| rest.components().next());
        name != LOST_AND_FOUND && staging.is_none_or(|staging| staging.as_os_str() != name)
    });
    Ok(names)
}

/// The staging folders of a journal.
pub(super) fn folders(journal: &Journal) -> impl Iterator<Item = &Path> {
    journal.folders.iter().map(|RawPath(folder)| folder.as_path())
}
