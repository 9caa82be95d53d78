//! To a folder: staged in a hidden sibling, renamed when all of it is good.
//!
//! Nothing waits for the disk: the artifact is still in its store, and after a power cut it is restored again. In place, where an old
//! state gives way, everything is durable first.
//!
//! A folder that is made is its owner's alone (0700): what the members' old parents hid stays hidden. One that was there keeps its
//! owner and mode.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::disk::{self, Looks};
use super::error::RestoreError;
use super::journal::{Journal, RawPath, Spot, hold};
use super::opened::{Opened, Part, Watch, is_full};
use super::perform::{Hands, Staged, done};
use super::plan::check_space;
use super::target::is_free;
use crate::archive::Outcome;

pub(super) fn perform(hands: &Hands<'_>, path: &Path, staging: &Path, exists: bool) -> Result<Staged, RestoreError> {
    let (ports, plan) = (hands.ports, hands.plan);
    if is_free(path)? != exists {
        return Err(RestoreError::Changed(format!("`{}` has come or gone since the restore was planned", path.display())));
    }
    check_space(&super::plan::space(plan)?)?;
    let run = plan.run.to_string();
    let _held = match hold(ports, &run)? {
        Ok(held) => held,
        Err(holder) => return Err(RestoreError::Locked { holder }),
    };
    let mut journal = Journal::new(plan.run, &plan.instance, &plan.choice, ports.now());
    journal.aside = true;
    journal.spots.push(Spot { target: path.to_owned(), staged: staging.to_owned(), mount: false });
    journal.stage_in(staging)?;
    journal.made = disk::missing_parents(path)?.into_iter().map(RawPath).collect();
    journal.write(ports)?;
    let result =
        hands.shown(hands.stage_address(), "restore", || stage(hands, &journal, path, staging, exists), |staged| done(plan, staged));
    match result {
        Err(error) if error.is_kill() => Err(error),
        Ok(staged) => {
            journal.remove(ports)?;
            Ok(staged)
        }
        Err(error) => {
            super::place::clean(hands, &journal);
            Err(error)
        }
    }
}

fn stage(hands: &Hands<'_>, journal: &Journal, path: &Path, staging: &Path, exists: bool) -> Result<Staged, RestoreError> {
    hands.fault.step()?;
    super::place::make_parents(journal)?;
    disk::make_private(staging)?;
    hands.fault.step()?;
    let again = || disk::discard(staging).and_then(|()| disk::make_private(staging));
    let staged = hands.read_a_good_copy(|opened, watch| write(hands, opened, watch, staging), again)?;
    hands.fault.step()?;
    hands.stop_if_cancelled()?;
    if exists {
        Looks::of(path)?.give(staging)?;
        // Replaces a folder only if it is empty: then it takes its place at once.
        std::fs::rename(staging, path).map_err(RestoreError::io("put what was restored at", path))?;
    } else {
        disk::place(staging, path)?;
    }
    hands.fault.step()?;
    Ok(staged)
}

fn write(hands: &Hands<'_>, opened: &Opened<'_>, watch: &Watch<'_>, staging: &Path) -> Result<Outcome, RestoreError> {
    if opened.is_tree() {
        use std::os::unix::ffi::OsStrExt;
        let part = hands.plan.path.as_ref().map_or(Part::All, |member| Part::Path(member.0.as_os_str().as_bytes()));
        return opened.unpack(staging, part, watch);
    }
    let path: PathBuf = staging.join(opened.file_name());
    let made = File::options().write(true).create_new(true).mode(0o600).open(&path);
    let mut file = made.map_err(RestoreError::io("make", &path))?;
    let bytes = opened.decompress(&mut file, staging, watch)?;
    match file.sync_all() {
        Err(error) if is_full(&error) => Err(RestoreError::Full { path: staging.to_owned(), member: opened.file_name().to_owned() }),
        other => other.map_err(RestoreError::io("sync", &path)),
    }?;
    Ok(Outcome { entries: 1, bytes, ..Outcome::default() })
}
