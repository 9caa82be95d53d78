//! A restore as a value: what is read, what is replaced, what it needs, before anything is done. **[format]**
//!
//! Refused here, with numbers or names: what does not fit, paths that the artifact does not have, targets that [`super::target`]
//! finds unfit. The plan holds for the moment at which it was made; performing it looks again.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::choice::{Choice, Which, choose};
use super::disk::{self, raw};
use super::error::RestoreError;
use super::opened::Opened;
use super::target;
use crate::execute::ports::Ports;
use crate::facts::Facts;
use crate::model::id::{Instant, Name, Random};
use crate::model::{PolicySet, Source};
use crate::plan::Quiet;
use crate::source::Back;

/// The version of the plan's JSON.
pub const FORMAT_VERSION: &str = "1.0";

/// Where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// A folder that is absent or empty; members appear in it as `<label>/...`.
    Folder(PathBuf),
    /// Where it came from.
    InPlace,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Which artifact.
    pub which: Which,
    /// Where to.
    pub to: To,
    /// Only this path and what is below it: `<label>/x/y`, or a path of the source.
    pub path: Option<PathBuf>,
    /// How a server takes it.
    pub back: Back,
    /// What relative paths count from: the caller's working folder, absolute.
    pub base: PathBuf,
}

/// A restore that can be shown, and performed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestorePlan {
    /// [`FORMAT_VERSION`].
    pub format_version: String,
    /// The manifest's name.
    pub instance: Name,
    /// The restore's own id, for `--commit` and `--rollback`.
    pub run: Random,
    /// When it was made.
    pub at: Instant,
    /// What is restored.
    pub choice: Choice,
    /// The path that was selected, as a member of the artifact.
    pub path: Option<MemberPath>,
    /// Where it goes.
    pub target: Planned,
    /// Bytes that are written.
    pub bytes: u64,
    /// Entries that are written, where that is known.
    pub entries: Option<u64>,
    /// The file systems that take them.
    pub space: Vec<Space>,
    /// What is done, in order.
    pub steps: Vec<RestoreStep>,
    /// What is quiet while it is put in place, dependents first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<Quiet>,
    /// What to know: sentences that name the object.
    pub notes: Vec<String>,
}

/// The name of a member, which need not be text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberPath(#[serde(with = "raw")] pub PathBuf);

/// Where a restore goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Planned {
    /// To a folder of its own.
    Folder {
        /// The folder.
        path: PathBuf,
        /// Whether it is there, empty.
        exists: bool,
        /// Where it is staged.
        staging: PathBuf,
    },
    /// To where it came from.
    InPlace {
        /// One for each label.
        roots: Vec<PlannedRoot>,
    },
    /// Into a command.
    Command {
        /// The command and its arguments.
        argv: Vec<String>,
    },
    /// Into a server.
    Server {
        /// The source that it is.
        source: Name,
        /// Where it is, for people.
        place: String,
        /// What of the artifact it gets, and under which name.
        #[serde(flatten)]
        back: Back,
    },
}

/// One thing that is replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedRoot {
    /// Its member in the artifact.
    pub member: MemberPath,
    /// Where it is, symlinks resolved.
    #[serde(with = "raw")]
    pub path: PathBuf,
    /// Whether something stands there.
    pub exists: bool,
    /// How it gets there.
    pub how: How,
    /// Bytes that are written there.
    pub bytes: u64,
    /// The folder, on the same file system, in which it is staged and the old state is kept.
    #[serde(with = "raw")]
    pub staging: PathBuf,
}

/// How something gets to its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// It changes places with what stands there.
    Exchange,
    /// It is moved there; nothing stands there.
    Move,
    /// It is a mount point, which stays: what is in it changes places, one after the other.
    Children,
    /// It is the folder of a volume, which containers hold on to, so that it stays in the same way.
    Volume,
}

impl How {
    /// Whether the folder stays, and what is in it is moved.
    pub(super) fn keeps_folder(self) -> bool {
        matches!(self, Self::Children | Self::Volume)
    }
}

/// A file system that takes a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Space {
    /// A folder of it.
    #[serde(with = "raw")]
    pub path: PathBuf,
    /// Bytes that are needed.
    pub needed: u64,
    /// Bytes that are free.
    pub free: u64,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreStep {
    /// Its name in this plan.
    pub address: String,
    /// `restore` stages and checks, `swap` puts in place.
    pub kind: String,
    /// Why.
    pub reason: RestoreReason,
    /// Addresses of the steps that come first.
    pub after: Vec<String>,
}

/// Why a step is in the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", content = "data", rename_all = "kebab-case")]
pub enum RestoreReason {
    /// It is the newest artifact that is whole.
    Newest {},
    /// It was named.
    Named {
        /// As given.
        id: String,
    },
    /// It is the newest at or before a time.
    At {
        /// The time.
        at: Instant,
    },
    /// It changes places with what stands at the path, which is kept until the restore is committed.
    Replaces {
        /// The path.
        path: String,
    },
    /// It is quiet while things change places.
    Quiet {},
    /// What was quieted is woken.
    Wake {},
    /// Nothing stands at the path.
    Absent {
        /// The path.
        path: String,
    },
}

/// Chooses an artifact and plans its restore. Reads records and indexes, changes nothing.
pub fn plan(set: &PolicySet, facts: &Facts, ports: &Ports, policy: &str, ask: &Ask) -> Result<RestorePlan, RestoreError> {
    let choice = choose(set, facts, policy, &ask.which)?;
    let mut plan = plan_choice(set, ports, choice, ask)?;
    if !matches!(plan.target, Planned::Folder { .. }) {
        plan.services = super::services::around(set, facts, &plan.choice.policy, &super::services::places(&plan))?;
        quiet_steps(&mut plan);
    }
    Ok(plan)
}

/// Plans the restore of an artifact that was chosen.
pub fn plan_choice(set: &PolicySet, ports: &Ports, choice: Choice, ask: &Ask) -> Result<RestorePlan, RestoreError> {
    let run = ports.random();
    let opened = first_readable(ports, &choice)?;
    let mut notes = Vec::new();
    let selected = match &ask.path {
        None => None,
        Some(path) => Some(target::member(set, ports, &choice, &opened, path, &ask.base)?),
    };
    if opened.is_tree() && ask.back != Back::default() {
        let message = format!("artifact `{}` is a tree of files and no server's", choice.id);
        return Err(RestoreError::refused(message, "leave `--database`, `--collection`, `--as` and `--replace` out"));
    }
    let target = match &ask.to {
        To::Folder(folder) => target::folder(set, ports, &ask.base.join(folder), run)?,
        To::InPlace if opened.is_tree() => target::roots(set, ports, &choice, &opened, selected.as_deref(), run, &mut notes)?,
        To::InPlace => target::stream(set, ports, &choice, &ask.back, &mut notes)?,
    };
    let (bytes, entries) = size(&opened, selected.as_deref())?;
    let mut plan = RestorePlan {
        format_version: FORMAT_VERSION.to_owned(),
        instance: set.instance.clone(),
        run,
        at: ports.now(),
        path: selected.map(MemberPath),
        steps: steps(&choice, &target, &ask.which),
        choice,
        target,
        bytes,
        entries,
        space: Vec::new(),
        services: Vec::new(),
        notes,
    };
    plan.space = space(&plan)?;
    check_space(&plan.space)?;
    if matches!(plan.target, Planned::InPlace { .. }) {
        super::place::refuse_uncommitted(ports, &plan)?;
        if !opened.record.excludes.is_empty() {
            let patterns = opened.record.excludes.iter().map(|p| format!("`{p}`")).collect::<Vec<_>>().join(", ");
            plan.notes
                .push(format!("what {patterns} left out of the artifact will not be there; it stays in the old state until the commit"));
        }
    }
    Ok(plan)
}

/// The first copy whose records and index can be read.
fn first_readable<'a>(ports: &'a Ports, choice: &Choice) -> Result<Opened<'a>, RestoreError> {
    let mut first = None;
    for copy in &choice.copies {
        let opened = Opened::open(ports, choice, copy).and_then(|opened| opened.with_index(|_| Ok(())).map(|()| opened));
        match opened {
            Ok(opened) => return Ok(opened),
            Err(error) => first.get_or_insert(error),
        };
    }
    Err(first.unwrap_or(RestoreError::NotWhole { id: choice.id, stores: Vec::new() }))
}

/// Bytes and entries that are written. Those of a whole tree are the tar stream's: data without holes, and a header for each member.
pub(super) fn size(opened: &Opened<'_>, selected: Option<&Path>) -> Result<(u64, Option<u64>), RestoreError> {
    use std::os::unix::ffi::OsStrExt;
    let counts = opened.owner.counts;
    opened.with_index(|index| match (index, selected) {
        (None, _) => Ok((counts.bytes, opened.is_tree().then_some(counts.entries))),
        (Some(index), None) => Ok((index.totals().tar_bytes, Some(index.totals().entries))),
        (Some(index), Some(path)) => {
            let (mut bytes, mut entries) = (0_u64, 0);
            for entry in index.range(path.as_os_str().as_bytes()) {
                let entry = entry.map_err(|error| opened.failed(error, Path::new("")))?;
                bytes = bytes.saturating_add(entry.length);
                entries += 1;
            }
            Ok((bytes, Some(entries)))
        }
    })
}

/// What each file system has to take.
pub(super) fn space(plan: &RestorePlan) -> Result<Vec<Space>, RestoreError> {
    let folders: Vec<(PathBuf, u64)> = match &plan.target {
        Planned::Folder { staging, .. } => vec![(disk::nearest_there(staging), plan.bytes)],
        Planned::Command { .. } | Planned::Server { .. } => Vec::new(),
        Planned::InPlace { roots } => roots.iter().map(|root| (disk::nearest_there(&root.staging), root.bytes)).collect(),
    };
    let mounts = disk::mounts()?;
    let mut space: Vec<Space> = Vec::new();
    for (folder, bytes) in folders {
        let mount = disk::mount_of(&folder, &mounts);
        match space.iter_mut().find(|known| disk::mount_of(&known.path, &mounts) == mount) {
            Some(known) => known.needed = known.needed.saturating_add(bytes),
            None => space.push(Space { free: disk::free(&folder)?, needed: bytes, path: folder }),
        }
    }
    Ok(space)
}

/// Refuses what does not fit.
pub(super) fn check_space(space: &[Space]) -> Result<(), RestoreError> {
    match space.iter().find(|space| space.needed > space.free) {
        Some(Space { path, needed, free }) => Err(RestoreError::NoSpace { path: path.clone(), needed: *needed, free: *free }),
        None => Ok(()),
    }
}

fn steps(choice: &Choice, target: &Planned, which: &Which) -> Vec<RestoreStep> {
    let stage = format!("restore:policy.{}/{}@{}", choice.policy, choice.id, choice.store);
    let why = match which {
        Which::Newest => RestoreReason::Newest {},
        Which::Id(id) => RestoreReason::Named { id: id.clone() },
        Which::At(at) => RestoreReason::At { at: *at },
    };
    let mut steps = vec![RestoreStep { address: stage.clone(), kind: "restore".to_owned(), reason: why, after: Vec::new() }];
    let roots = match target {
        Planned::InPlace { roots } => &roots[..],
        Planned::Folder { .. } | Planned::Command { .. } | Planned::Server { .. } => &[],
    };
    for root in roots {
        let path = root.path.to_string_lossy().into_owned();
        let reason =
            if root.exists { RestoreReason::Replaces { path: path.clone() } } else { RestoreReason::Absent { path: path.clone() } };
        let address = format!("swap:policy.{}{path}", choice.policy);
        steps.push(RestoreStep { address, kind: "swap".to_owned(), reason, after: vec![stage.clone()] });
    }
    steps
}

/// Puts the stops before the exchanges, and the starts after them.
fn quiet_steps(plan: &mut RestorePlan) {
    let step = |kind: &str, service: &Quiet, reason: RestoreReason, after: Vec<String>| RestoreStep {
        address: format!("{kind}:{}", service.address),
        kind: kind.to_owned(),
        reason,
        after,
    };
    let staged: Vec<String> = plan.steps.iter().take(1).map(|step| step.address.clone()).collect();
    let stops: Vec<RestoreStep> =
        plan.services.iter().map(|service| step("stop", service, RestoreReason::Quiet {}, staged.clone())).collect();
    let stopped: Vec<String> = stops.iter().map(|step| step.address.clone()).collect();
    plan.steps.iter_mut().skip(1).for_each(|swap| swap.after.clone_from(&stopped));
    let swapped: Vec<String> = plan.steps.iter().map(|step| step.address.clone()).collect();
    let starts = plan.services.iter().rev().map(|service| step("start", service, RestoreReason::Wake {}, swapped.clone()));
    let starts: Vec<RestoreStep> = starts.collect();
    plan.steps.splice(1..1, stops);
    plan.steps.extend(starts);
}

impl RestorePlan {
    /// Whether it replaces something, so that it is committed or rolled back later.
    pub fn keeps_old_state(&self) -> bool {
        matches!(self.target, Planned::InPlace { .. })
    }
}

/// The source of what was chosen.
pub(super) fn source_of<'a>(set: &'a PolicySet, choice: &Choice) -> Option<&'a Source> {
    set.sources.get(&set.policies.get(&choice.policy)?.source)
}
