//! Windows as values: what is quiet together, in which order, and for how long about.

use serde::{Deserialize, Serialize};

use crate::facts::State;
use crate::model::id::ArtifactId;
use crate::model::{Mode, Ready};

/// One thing that is quiet during a window. Complete in itself: with it, and nothing else, it is woken again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quiet {
    /// `service.NAME`; `container.NAME` for what is quiet only because it shares something with a service.
    pub address: String,
    /// What is acted on.
    pub handle: Handle,
    /// How.
    pub mode: Mode,
    /// Seconds to end in; none: its own grace period.
    pub stop_timeout: Option<u64>,
    /// When it counts as awake.
    pub ready: Ready,
    /// Seconds that it may take.
    pub ready_timeout: u64,
    /// Addresses in the same window that are quiet after it and awake before it.
    pub needs: Vec<String>,
}

/// What a service is, by now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Handle {
    /// Containers that work; at least one.
    Containers(Vec<Subject>),
    /// A pair of commands.
    Command {
        /// Program and arguments that quiet it.
        quiesce: Vec<String>,
        /// Program and arguments that wake it.
        resume: Vec<String>,
        /// The container they run in; none: this host.
        container: Option<String>,
        /// The user in that container.
        user: Option<String>,
    },
}

/// A container as it was when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it did; it is brought back to it.
    pub was: State,
    /// Its last start, as its engine writes it: another one means that somebody has started it since.
    pub started_at: String,
    /// The compose project, service and number, by which a container that was made anew is known.
    pub compose: Option<(String, String, u32)>,
}

/// How long a window is expected to last, and how that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Downtime {
    /// Seconds between the last stop and the first start.
    pub seconds: u64,
    /// The artifacts whose captures took that long.
    pub from: Vec<ArtifactId>,
}

impl Quiet {
    /// Whether it takes an engine to quiet and to wake it: a pair of commands of this host does not.
    pub fn needs_engine(&self) -> bool {
        !matches!(self.handle, Handle::Command { container: None, .. })
    }
}
