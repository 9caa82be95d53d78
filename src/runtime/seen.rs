//! What an engine shows of itself: data only, as it was at one moment.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One look at an engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// The engine.
    pub engine: Engine,
    /// Every container, running or not, by name.
    pub containers: Vec<Container>,
    /// Every volume, by name.
    pub volumes: Vec<Volume>,
}

/// An engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Engine {
    /// Its own identity, which journals and locks are filed under.
    pub id: String,
    /// Its version.
    pub version: String,
    /// The version of its API that is spoken.
    pub api: String,
    /// How it was reached, for example `unix:///var/run/docker.sock`.
    pub endpoint: String,
    /// Whether its file system is this host's, so that mountpoints can be read here.
    pub local: bool,
}

/// A container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Its id, whole.
    pub id: String,
    /// Its name, without the slash before it.
    pub name: String,
    /// What it does.
    pub state: State,
    /// When it was last started, as the engine writes it: compared, never computed with. It changes with every start and with nothing else.
    pub started_at: String,
    /// How its process ended, once it has.
    pub exit_code: Option<i64>,
    /// What its health check says; none where it has no health check.
    pub health: Option<Health>,
    /// What compose says of it.
    pub compose: Option<Compose>,
    /// The swarm service whose task it is.
    pub swarm: Option<String>,
    /// Whether it disappears, with its anonymous volumes, when it ends.
    pub auto_remove: bool,
    /// Whether its engine starts it again after a restart of its own: `no`, `always`, `unless-stopped`, `on-failure`.
    pub restart_policy: String,
    /// Seconds that its process has to end before it is killed; none: the engine's own 10.
    pub stop_timeout: Option<u64>,
    /// The ids of the containers whose network, IPC or PID namespace it lives in.
    pub shares: Vec<String>,
    /// The ids of the containers whose volumes it mounts.
    pub volumes_from: Vec<String>,
    /// What is mounted in it.
    pub mounts: Vec<Mount>,
    /// Where it can be reached from its engine's host.
    pub addresses: Vec<IpAddr>,
    /// Its published ports: the container's own, and where it is published.
    pub ports: Vec<(u16, SocketAddr)>,
    /// Whether this program runs in it.
    pub own: bool,
}

/// What a container does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Made, never started.
    Created,
    /// It runs.
    Running,
    /// It is frozen.
    Paused,
    /// It has ended and is about to be started again by its engine.
    Restarting,
    /// It is going away.
    Removing,
    /// It has ended.
    Exited,
    /// It could not be removed.
    Dead,
}

impl State {
    /// Whether its processes can write.
    pub fn works(self) -> bool {
        matches!(self, Self::Running | Self::Restarting)
    }

    /// The engine's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Removing => "removing",
            Self::Exited => "exited",
            Self::Dead => "dead",
        }
    }
}

/// What a health check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// It has not decided.
    Starting,
    /// All is well.
    Healthy,
    /// It is not.
    Unhealthy,
}

/// What compose says of a container by its labels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compose {
    /// The project.
    pub project: String,
    /// The service.
    pub service: String,
    /// Which of the service's containers it is, from 1.
    pub number: u32,
    /// Whether it was made by `compose run`, so that it is no part of the service.
    pub one_off: bool,
    /// The services it is started after.
    pub depends_on: Vec<Dependency>,
}

/// One dependency that a label names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// The service, of the same project.
    pub service: String,
    /// What is waited for.
    pub condition: Condition,
}

/// What a dependent waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// That it runs.
    Started,
    /// That it is healthy.
    Healthy,
    /// That it has ended well: a job that runs once, which is never quieted or woken for it.
    Completed,
}

/// What is mounted in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// The volume's name; none for a bind mount.
    pub volume: Option<String>,
    /// Where it is on the engine's host.
    pub source: PathBuf,
    /// Where it is in the container.
    pub destination: PathBuf,
    /// Whether the container may write to it.
    pub writable: bool,
}

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// The engine's name for it.
    pub name: String,
    /// Its driver.
    pub driver: String,
    /// Where it is on the engine's host.
    pub mountpoint: PathBuf,
    /// The driver's options, such as `type`, `o` and `device`.
    pub options: BTreeMap<String, String>,
    /// The compose project it belongs to, and its name there.
    pub compose: Option<(String, String)>,
}
