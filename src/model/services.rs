//! Services: what can be quieted and woken.

use super::id::Name;
use crate::finding::Span;

/// How long is waited for a service to be ready, unless the manifest says otherwise. Seconds.
pub const READY_TIMEOUT: u64 = 120;

/// Something that can be quieted and woken.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Its name.
    pub name: Name,
    /// What it is.
    pub kind: ServiceKind,
    /// Services that it needs, beside those that compose labels name: it is quiet before them and awake after them.
    pub depends_on: Vec<Name>,
    /// How it is quieted. Of no meaning for commands.
    pub mode: Mode,
    /// Seconds that its containers have to end; none: each container's own grace period. For commands: the limit of `quiesce` and `resume`.
    pub stop_timeout: Option<u64>,
    /// When it counts as awake.
    pub ready: Ready,
    /// Seconds that it may take.
    pub ready_timeout: u64,
    /// Where it is declared.
    pub span: Span,
    /// Where its `depends_on` stands.
    pub depends_span: Span,
}

/// What a service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceKind {
    /// One container.
    Container {
        /// Its name.
        container: String,
    },
    /// All containers of a compose service.
    Compose {
        /// The project.
        project: String,
        /// The service.
        service: String,
    },
    /// A pair of commands.
    Command {
        /// Program and arguments that quiet it.
        quiesce: Vec<String>,
        /// Program and arguments that wake it. May run more than once.
        resume: Vec<String>,
        /// The container they run in; none: this host.
        container: Option<String>,
        /// The user in that container.
        user: Option<String>,
    },
}

/// How a container is quieted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Its process ends.
    Stop,
    /// Its processes freeze where they are: as after a power cut, for what reads their files.
    Pause,
}

/// When a service counts as awake.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ready {
    /// Healthy where the container has a health check, else started.
    Default,
    /// It runs.
    Started,
    /// Its health check says so.
    Healthy,
    /// A TCP port of its container takes connections.
    Port(u16),
    /// A command in its container (for a command service: where its commands run) ends with 0.
    Command(Vec<String>),
}

impl ServiceKind {
    /// The kind's word in the manifest.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Container { .. } => "container",
            Self::Compose { .. } => "compose",
            Self::Command { .. } => "command",
        }
    }
}
