//! The plan as a value. **[format]**
//!
//! `format_version` is `major.minor`: a reader refuses another major and ignores keys it does not know. Steps are a DAG: a step runs
//! after all that `after` names. Times are RFC 3339 in UTC, sizes are bytes, durations are seconds. `reason.code` is open: a reader
//! takes an unknown one for "no reason given".
//!
//! Steps with the same `window` belong together: all its stops come before its captures, all its starts after them. A stop is complete in
//! itself: what it quiets can be woken from it alone. `downtime` is an estimate for the whole window, in seconds.

use serde::{Deserialize, Serialize};

use super::retention::Miss;
use super::window::{Downtime, Handle, Quiet};
use crate::finding::{Finding, Severity, Span};
use crate::model::id::{ArtifactId, Instant, Name, Random};

/// The version of the plan's JSON.
pub const FORMAT_VERSION: &str = "1.0";

/// What would be done, why, and what stands in the way.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// [`FORMAT_VERSION`].
    pub format_version: &'static str,
    /// The manifest's name.
    pub instance: Name,
    /// SHA-256 over the manifest's files.
    pub manifest_sha256: String,
    /// The instant for which it was decided.
    pub as_of: Instant,
    /// When the world was looked at.
    pub facts_at: Instant,
    /// When it changes by time alone; none if never.
    pub valid_until: Option<Instant>,
    /// The policies it was restricted to; empty for all.
    pub only: Vec<Name>,
    /// What would be done, in an order that respects `after`.
    pub steps: Vec<Step>,
    /// What stands in the way, and what to know.
    pub findings: Vec<Finding>,
    /// What each series holds once the plan is done.
    pub holdings: Vec<Holding>,
    /// What no rule keeps, and what stays all the same for now.
    pub waiting: Vec<Waiting>,
    /// What no rule keeps, whatever stands in the way: of these their stores are asked before anything is decided for good.
    #[serde(skip)]
    pub candidates: Vec<Candidate>,
}

/// An artifact on a store that no rule keeps there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate {
    /// The store.
    pub store: Name,
    /// The series.
    pub series: Name,
    /// The artifact.
    pub id: ArtifactId,
}

/// Something that would go if it could.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// The address that its step would have.
    pub address: String,
    /// The policy; none for what belongs to none.
    pub policy: Option<Name>,
    /// The store.
    pub store: Name,
    /// The artifact; none for what interrupted runs have left.
    pub id: Option<ArtifactId>,
    /// Its bytes.
    pub bytes: u64,
    /// What it waits for.
    pub reason: Wait,
}

/// What something waits for that would go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "code", content = "data", rename_all = "kebab-case")]
pub enum Wait {
    /// The store has promised not to give it up.
    Locked {
        /// Until then.
        until: Instant,
    },
    /// Somebody who may delete.
    Janitor {},
}

/// One series in one store, after the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Holding {
    /// The policy.
    pub policy: Name,
    /// The store.
    pub store: Name,
    /// How many artifacts stay.
    pub artifacts: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its name in this plan, for example `capture:policy.config@2026-11-23T02:00:00Z`.
    pub address: String,
    /// What is done, and to what.
    #[serde(flatten)]
    pub work: Work,
    /// Why.
    pub reason: Reason,
    /// The line of the manifest that asks for it.
    #[serde(default, skip_deserializing)]
    pub span: Option<Span>,
    /// Addresses of the steps that come first.
    pub after: Vec<String>,
}

/// What a step does, and to what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "target", rename_all = "kebab-case")]
pub enum Work {
    /// Makes a store.
    Init {
        /// The store.
        store: Name,
    },
    /// Makes an artifact.
    Capture {
        /// The policy.
        policy: Name,
        /// Its series.
        series: Name,
        /// The store that takes it.
        store: Name,
        /// The instant of the schedule that it satisfies.
        slot: Option<Instant>,
        /// The size of the newest one before it, in bytes.
        estimate: Option<u64>,
        /// The window it happens in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        window: Option<String>,
    },
    /// Wakes what an interrupted run has quieted.
    Recover {
        /// The run.
        run: Random,
        /// Addresses of what it quieted.
        services: Vec<String>,
    },
    /// Quiets a service.
    Stop {
        /// The window that it opens, with the other stops of the same name.
        window: String,
        /// What is quieted, and how.
        service: Quiet,
    },
    /// Wakes a service, whatever has become of the captures.
    Start {
        /// The window that it closes.
        window: String,
        /// The address of what is woken.
        service: String,
        /// How long it is expected to be quiet.
        downtime: Option<Downtime>,
    },
    /// Copies an artifact.
    Copy {
        /// The policy.
        policy: Name,
        /// Its series.
        series: Name,
        /// The artifact; none where a capture of this plan makes it.
        id: Option<ArtifactId>,
        /// The address of that capture.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        of: Option<String>,
        /// Where it is whole.
        from: Name,
        /// Where it is missing or damaged.
        store: Name,
        /// The generation to read.
        generation: u32,
        /// The generation to write.
        as_generation: u32,
        /// Its size.
        bytes: Option<u64>,
    },
    /// Removes an artifact from one store.
    Delete {
        /// The policy.
        policy: Name,
        /// Its series.
        series: Name,
        /// The artifact.
        id: ArtifactId,
        /// The store.
        store: Name,
        /// The catalogue's keys, one a generation.
        generations: Vec<u32>,
        /// Its size, all generations.
        bytes: u64,
    },
    /// Removes what interrupted runs left, or run records past their expiry.
    Sweep {
        /// The store.
        store: Name,
        /// The series; none for what belongs to no series.
        series: Option<Name>,
        /// The objects.
        keys: Vec<String>,
        /// Their bytes.
        bytes: u64,
    },
}

/// Why a step is in the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", content = "data", rename_all = "kebab-case")]
pub enum Reason {
    /// The store is not there yet.
    NewStore {},
    /// The policy was never captured: what was adopted satisfies nothing.
    FirstCapture {},
    /// Its newest slot is past and not satisfied.
    Due {
        /// The slot.
        slot: Instant,
        /// The newest slot that an artifact satisfies.
        satisfied: Option<Instant>,
        /// Slots between the two that are not made up.
        missed: u32,
    },
    /// `--now` asked for it.
    Requested {},
    /// The store's retention keeps the artifact, and the store lacks it.
    MissingCopy {},
    /// The store's copy is damaged; a good one stands elsewhere.
    DamagedCopy {},
    /// No rule keeps it.
    Expired {
        /// The retention's name.
        retention: String,
        /// What each rule says.
        misses: Vec<Miss>,
        /// The nearest older artifact that stays.
        older: Option<ArtifactId>,
        /// The nearest newer artifact that stays.
        newer: Option<ArtifactId>,
    },
    /// An interrupted run left it.
    Interrupted {},
    /// Policies are captured while it is quiet.
    Quiet {
        /// The policies.
        policies: Vec<Name>,
    },
    /// It shares a namespace or volumes with something that is quieted.
    Shares {
        /// What it shares something with.
        with: String,
        /// What it shares: `namespaces` or `volumes`.
        what: String,
    },
    /// What was quieted is woken.
    Wake {},
}

impl Step {
    /// What somebody must have agreed to before it runs: the address of a delete or of a command that quiets, and `stop:<id>` for
    /// each container of a stop, so that a container made anew since is not stopped on the word for another one. A recovery wakes
    /// only, and needs no word.
    pub fn approvals(&self) -> Vec<String> {
        match &self.work {
            Work::Delete { .. } => vec![self.address.clone()],
            Work::Stop { service, .. } => match &service.handle {
                Handle::Containers(subjects) => subjects.iter().map(|subject| format!("stop:{}", subject.id)).collect(),
                Handle::Command { .. } => vec![self.address.clone()],
            },
            Work::Init { .. }
            | Work::Capture { .. }
            | Work::Recover { .. }
            | Work::Start { .. }
            | Work::Copy { .. }
            | Work::Sweep { .. } => Vec::new(),
        }
    }
}

impl Work {
    /// The policy it belongs to.
    pub fn policy(&self) -> Option<&Name> {
        match self {
            Self::Capture { policy, .. } | Self::Copy { policy, .. } | Self::Delete { policy, .. } => Some(policy),
            Self::Init { .. } | Self::Sweep { .. } | Self::Recover { .. } | Self::Stop { .. } | Self::Start { .. } => None,
        }
    }

    /// The series it works in.
    pub fn series(&self) -> Option<&Name> {
        match self {
            Self::Capture { series, .. } | Self::Copy { series, .. } | Self::Delete { series, .. } => Some(series),
            Self::Sweep { series, .. } => series.as_ref(),
            Self::Init { .. } | Self::Recover { .. } | Self::Stop { .. } | Self::Start { .. } => None,
        }
    }

    /// The window that it is part of.
    pub fn window(&self) -> Option<&str> {
        match self {
            Self::Capture { window, .. } => window.as_deref(),
            Self::Stop { window, .. } | Self::Start { window, .. } => Some(window),
            Self::Init { .. } | Self::Recover { .. } | Self::Copy { .. } | Self::Delete { .. } | Self::Sweep { .. } => None,
        }
    }

    /// The store it changes, if it changes one.
    pub fn store(&self) -> Option<&Name> {
        match self {
            Self::Init { store }
            | Self::Capture { store, .. }
            | Self::Copy { store, .. }
            | Self::Delete { store, .. }
            | Self::Sweep { store, .. } => Some(store),
            Self::Recover { .. } | Self::Stop { .. } | Self::Start { .. } => None,
        }
    }

    /// The kind's word.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Init { .. } => "init",
            Self::Capture { .. } => "capture",
            Self::Copy { .. } => "copy",
            Self::Delete { .. } => "delete",
            Self::Sweep { .. } => "sweep",
            Self::Recover { .. } => "recover",
            Self::Stop { .. } => "stop",
            Self::Start { .. } => "start",
        }
    }

    /// Whether it removes an artifact.
    pub fn deletes(&self) -> bool {
        matches!(self, Self::Delete { .. })
    }
}

impl Plan {
    /// Whether nothing would be done.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether something is refused.
    pub fn refused(&self) -> bool {
        self.findings.iter().any(|f| f.severity == Severity::Error)
    }

    /// The step of an address.
    pub fn step(&self, address: &str) -> Option<&Step> {
        self.steps.iter().find(|s| s.address == address)
    }
}
