//! The journal of a restore: complete in itself, written durably before what it speaks of is done. **[format]**
//!
//! `restores/<run>.json` in the local state; `restores/<run>.alive` is locked for as long as the restore, its commit or its
//! roll-back is at work. A journal that is gone means that nothing is left to do or to decide.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::disk::{self, FileId, Looks, raw};
use super::error::RestoreError;
use crate::execute::ports::Ports;
use crate::execute::state::{Held, StateError};
use crate::model::id::{ArtifactId, Instant, Name, Random};

/// The folder of the journals in the local state.
pub(super) const FOLDER: &str = "restores";
/// The version of the journal; another major one is refused.
const FORMAT_VERSION: &str = "1.0";

/// How far a restore is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Bytes are written aside; nothing else was touched. Undone if it dies.
    Staging,
    /// All is staged and checked, and is being put in its place. Finished if it dies.
    Swapping,
    /// It could not be put in its place, and what was moved is moved back. Undone if it dies.
    Undoing,
    /// All is in its place, the old state is kept: commit or roll back.
    Swapped,
    /// The old state is being put back. Finished if it dies.
    RollingBack,
    /// The old state is being removed. Finished if it dies.
    Committing,
}

/// One rename: what stands at the two paths before it, and the other way round after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Move {
    #[serde(with = "raw")]
    pub(super) target: PathBuf,
    #[serde(with = "raw")]
    pub(super) staged: PathBuf,
    /// At the target before.
    pub(super) old: Option<FileId>,
    /// At the staged path before.
    pub(super) new: Option<FileId>,
}

/// Where one thing goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Spot {
    #[serde(with = "raw")]
    pub(super) target: PathBuf,
    #[serde(with = "raw")]
    pub(super) staged: PathBuf,
    /// A mount point or a volume stays, and what is in it is moved.
    pub(super) mount: bool,
}

/// A mount point's own owner, mode and time, before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Dressing {
    #[serde(with = "raw")]
    pub(super) path: PathBuf,
    pub(super) before: Looks,
    pub(super) after: Looks,
}

/// A path that survives JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RawPath(#[serde(with = "raw")] pub(super) PathBuf);

/// The journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Journal {
    pub(super) format_version: String,
    pub(super) run: Random,
    pub(super) instance: Name,
    pub(super) policy: Name,
    pub(super) series: Name,
    pub(super) id: ArtifactId,
    pub(super) at: Instant,
    /// The kernel's name for this boot: device numbers hold within one.
    pub(super) boot: String,
    pub(super) phase: Phase,
    /// To a folder that was not there or empty; then there is nothing to commit.
    pub(super) aside: bool,
    pub(super) spots: Vec<Spot>,
    /// Where things are staged, and what is replaced is kept.
    pub(super) folders: Vec<RawPath>,
    /// The mount points that these folders are on: without them nothing can be said.
    pub(super) mounts: Vec<RawPath>,
    /// Folders that were made on the way to targets, outermost first.
    pub(super) made: Vec<RawPath>,
    pub(super) moves: Vec<Move>,
    pub(super) dressings: Vec<Dressing>,
}

impl Journal {
    pub(super) fn new(run: Random, instance: &Name, choice: &super::Choice, at: Instant) -> Self {
        Self {
            format_version: FORMAT_VERSION.to_owned(),
            run,
            instance: instance.clone(),
            policy: choice.policy.clone(),
            series: choice.series.clone(),
            id: choice.id,
            at,
            boot: boot(),
            phase: Phase::Staging,
            aside: false,
            spots: Vec::new(),
            folders: Vec::new(),
            mounts: Vec::new(),
            made: Vec::new(),
            moves: Vec::new(),
            dressings: Vec::new(),
        }
    }

    /// Adds a folder in which things are staged.
    pub(super) fn stage_in(&mut self, folder: &Path) -> Result<(), RestoreError> {
        if !self.folders.iter().any(|known| known.0 == folder) {
            self.folders.push(RawPath(folder.to_owned()));
            self.mounts.push(RawPath(disk::mount_of(folder, &disk::mounts()?)));
        }
        Ok(())
    }

    /// Refuses to look at what is not mounted: what is missing there is not gone.
    pub(super) fn check_mounted(&self) -> Result<(), RestoreError> {
        let mounts = disk::mounts()?;
        match self.mounts.iter().find(|RawPath(mount)| !mounts.contains(mount)) {
            Some(RawPath(mount)) => {
                Err(RestoreError::refused(format!("restore {}: `{}` is not mounted", self.run, mount.display()), "mount it"))
            }
            None => Ok(()),
        }
    }

    /// Whether device numbers still mean what they meant.
    pub(super) fn same_boot(&self) -> bool {
        self.boot == boot()
    }

    pub(super) fn write(&self, ports: &Ports) -> Result<(), StateError> {
        ports.state.write_json(&path_of(&self.run.to_string()), self)
    }

    /// Writes it in another phase.
    pub(super) fn enter(&mut self, phase: Phase, ports: &Ports) -> Result<(), StateError> {
        self.phase = phase;
        self.write(ports)
    }

    pub(super) fn remove(&self, ports: &Ports) -> Result<(), StateError> {
        let run = self.run.to_string();
        ports.state.remove(&path_of(&run))?;
        ports.state.remove(&alive(&run))
    }

    /// Whether it replaces `path`, something in it, or something that it is in.
    pub(super) fn touches(&self, path: &Path) -> bool {
        self.spots.iter().any(|spot| path.starts_with(&spot.target) || spot.target.starts_with(path))
    }
}

/// Reads the journal of a run.
pub(super) fn read(ports: &Ports, run: &str) -> Result<Option<Journal>, RestoreError> {
    let journal: Option<Journal> = ports.state.read_json(&path_of(run))?;
    match journal {
        Some(journal) if !journal.format_version.starts_with("1.") => Err(RestoreError::refused(
            format!("the journal of restore {run} has format {}, this program reads 1", journal.format_version),
            "use the program that wrote it",
        )),
        journal => Ok(journal),
    }
}

/// Every journal, by run.
pub(super) fn all(ports: &Ports) -> Result<Vec<Journal>, RestoreError> {
    let mut journals = Vec::new();
    for run in ports.state.names(FOLDER)? {
        journals.extend(read(ports, &run)?);
    }
    Ok(journals)
}

/// Says that a restore is at work, or who says so already.
pub(super) fn hold(ports: &Ports, run: &str) -> Result<Result<Held, String>, StateError> {
    let holder = format!("process {} on {}", ports.host.pid, ports.host.name);
    ports.state.hold_file(&alive(run), &holder)
}

/// Removes what a restore that was killed beside its journal has left.
pub(super) fn tidy(ports: &Ports) -> Result<(), StateError> {
    ports.state.clear(FOLDER)
}

fn path_of(run: &str) -> PathBuf {
    PathBuf::from(format!("{FOLDER}/{run}.json"))
}

fn alive(run: &str) -> PathBuf {
    PathBuf::from(format!("{FOLDER}/{run}.alive"))
}

/// The kernel's name for this boot.
pub(super) fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}
