//! The policy set: what a manifest means, with every default filled in and every reference resolved.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::databases::MongodbSource;
use super::id::{Capture, Name};
use super::schedule::Schedule;
use super::services::{Service, ServiceKind};
use super::stores::Store;
use super::zone::Zone;
use crate::finding::Span;
use crate::manifest::Period;

/// Everything a manifest says.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicySet {
    /// The manifest's `name`.
    pub instance: Name,
    /// The zone of schedules and of buckets of retention.
    pub zone: Zone,
    /// Places that hold artifacts.
    pub stores: BTreeMap<Name, Store>,
    /// What is protected.
    pub sources: BTreeMap<Name, Source>,
    /// What can be quieted and woken.
    pub services: BTreeMap<Name, Service>,
    /// Public keys of those who can read the manifest in the stores, and artifacts whose policy says nothing else.
    pub recipients: Vec<String>,
    /// What is done.
    pub policies: BTreeMap<Name, Policy>,
    /// How hard a run may work.
    pub run: Run,
    /// Limits that block deletions.
    pub guard: Guard,
    /// SHA-256 of the files with their paths and lengths, in hex; the order in which they were given does not count.
    pub manifest_sha256: String,
    /// The files as `(path, text)`, sorted by path.
    pub files: Vec<(String, String)>,
}

/// A value with the name it was declared under.
#[derive(Debug, Clone, PartialEq)]
pub struct Named<T> {
    /// The name.
    pub name: Name,
    /// The value.
    pub value: T,
    /// Where it is declared.
    pub span: Span,
}

/// What is protected, and how to read it.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// Its name.
    pub name: Name,
    /// What it is.
    pub kind: SourceKind,
    /// Services that are quiet while it is read.
    pub stop: Vec<Name>,
    /// Services that are quiet while it is put back; what `stop` says unless it was written.
    pub restore_stop: Vec<Name>,
    /// Where it is declared.
    pub span: Span,
}

/// What a source is.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceKind {
    /// Files and folders.
    Files(FilesSource),
    /// Volumes of a container engine.
    Volume(VolumeSource),
    /// The output of a command.
    Command(CommandSource),
    /// A MongoDB server or replica set.
    Mongodb(MongodbSource),
}

/// Files and folders.
#[derive(Debug, Clone, PartialEq)]
pub struct FilesSource {
    /// Joined to the manifest's folder; may be patterns.
    pub paths: Vec<PathBuf>,
    /// One label per path, if they were given.
    pub labels: Option<Vec<String>>,
    /// Patterns of what to leave out.
    pub exclude: Vec<String>,
    /// Every path must be a mount point.
    pub mount: bool,
    /// Do not descend into other file systems.
    pub one_file_system: bool,
}

/// Volumes of a container engine.
#[derive(Debug, Clone, PartialEq)]
pub struct VolumeSource {
    /// Their names: compose's own within `project`, else the engine's. Each is its label.
    pub volumes: Vec<String>,
    /// The compose project they belong to.
    pub project: Option<String>,
    /// Patterns of what to leave out.
    pub exclude: Vec<String>,
    /// They are read through the engine's API, which loses some metadata, instead of at their mountpoints.
    pub api: bool,
}

/// The output of a command.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandSource {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Judges an artifact.
    pub check_command: Option<Vec<String>>,
    /// Takes the payload back.
    pub restore_command: Option<Vec<String>>,
    /// Secrets in the commands' environment.
    pub env: BTreeMap<String, SecretRef>,
    /// The payload's file name.
    pub file: String,
    /// The container that the commands run in; none: this host.
    pub container: Option<String>,
    /// The user in that container, as `USER[:GROUP]`.
    pub user: Option<String>,
}

/// Where a secret is. Never the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretRef {
    /// An environment variable of this program.
    Env(String),
    /// A file, joined to the manifest's folder.
    File(PathBuf),
    /// A name in a file of `NAME=value` lines.
    EnvFile {
        /// The file, joined to the manifest's folder.
        file: PathBuf,
        /// The name.
        name: String,
    },
    /// A credential that systemd handed over.
    Credential(String),
    /// A command that prints it.
    Command(Vec<String>),
}

/// What is backed up when, where to, and kept how long.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Its name.
    pub name: Name,
    /// The name of its artifacts in the stores.
    pub series: Name,
    /// Its source.
    pub source: Name,
    /// What is taken of the source.
    pub capture: Capture,
    /// When; `None`: once, and then only on demand.
    pub schedule: Option<Named<Schedule>>,
    /// How long; `None`: for ever.
    pub retention: Option<Named<Retention>>,
    /// How long on single stores.
    pub retention_at: BTreeMap<Name, Named<Retention>>,
    /// Where to; the first is written first.
    pub stores: Vec<Name>,
    /// Public keys of those who can read its artifacts, as they were written; empty: everybody can.
    pub recipients: Vec<String>,
    /// How old the newest artifact may be.
    pub rpo: Option<Period>,
    /// How old on single stores.
    pub rpo_at: BTreeMap<Name, Period>,
    /// How long a restore may take.
    pub rto: Option<Period>,
    /// How late a missed slot may still run; filled in where services stop.
    pub catch_up_within: Option<Period>,
    /// How long services may be stopped.
    pub max_downtime: Option<Period>,
    /// Warnings of a capture are failures.
    pub strict: bool,
    /// Whether it is at work.
    pub state: PolicyState,
    /// Where its keys stand.
    pub spans: PolicySpans,
}

/// Whether a policy is at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyState {
    /// Captures, copies and deletes.
    Active,
    /// Does nothing.
    Paused,
    /// Captures nothing, while retention goes on.
    Retired,
}

/// Where a policy's keys stand. What was not written points at the policy's name.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicySpans {
    /// Its name.
    pub table: Span,
    /// The value of `source`.
    pub source: Span,
    /// The value of `schedule`.
    pub schedule: Span,
    /// The value of `retention`.
    pub retention: Span,
    /// The values of `retention_at`, by store.
    pub retention_at: BTreeMap<Name, Span>,
    /// Each of `stores`, in their order.
    pub stores: Vec<Span>,
    /// The value of `rpo`.
    pub rpo: Span,
    /// The value of `series`.
    pub series: Span,
    /// The value of `state`.
    pub state: Span,
    /// The value of `catch_up_within`.
    pub catch_up_within: Span,
    /// The value of `max_downtime`.
    pub max_downtime: Span,
}

/// What to keep. Rules add up; a rule of 0 is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// All that are younger than this, counted back from the newest.
    pub within: Option<Period>,
    /// The newest N.
    pub last: u32,
    /// The newest of each of N hours.
    pub hourly: u32,
    /// The newest of each of N days.
    pub daily: u32,
    /// The newest of each of N ISO weeks.
    pub weekly: u32,
    /// The newest of each of N months.
    pub monthly: u32,
    /// The newest of each of N quarters.
    pub quarterly: u32,
    /// The newest of each of N years.
    pub yearly: u32,
    /// Never fewer than this many; at least 1.
    pub min_count: u32,
    /// Nothing younger is deleted.
    pub min_age: Period,
    /// Keep the oldest until the coarsest rule is full.
    pub keep_oldest_until_full: bool,
}

impl Retention {
    /// Floors and no rule: what a manifest starts from.
    pub const FLOORS: Self = Self {
        within: None,
        last: 0,
        hourly: 0,
        daily: 0,
        weekly: 0,
        monthly: 0,
        quarterly: 0,
        yearly: 0,
        min_count: 2,
        min_age: Period::from_seconds(86_400),
        keep_oldest_until_full: false,
    };
}

/// How hard a run may work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Threads that compress; `None`: one per core.
    pub threads: Option<usize>,
    /// Added to the niceness.
    pub nice: Option<i32>,
    /// Policies at the same time.
    pub concurrency: usize,
}

impl Default for Run {
    fn default() -> Self {
        Self { threads: None, nice: None, concurrency: 2 }
    }
}

/// Limits that block deletions.
#[derive(Debug, Clone, PartialEq)]
pub struct Guard {
    /// The part of a series that one run may delete, above 0 and at most 1.
    pub max_delete_fraction: f64,
    /// Where it is set, if it is.
    pub span: Option<Span>,
}

impl Default for Guard {
    fn default() -> Self {
        Self { max_delete_fraction: 0.5, span: None }
    }
}

impl PolicySet {
    /// Whether anything in it lives in a container engine.
    pub fn needs_engine(&self) -> bool {
        let service = |kind: &ServiceKind| !matches!(kind, ServiceKind::Command { container: None, .. });
        let source = |kind: &SourceKind| match kind {
            SourceKind::Files(_) => false,
            SourceKind::Volume(_) => true,
            SourceKind::Command(command) => command.container.is_some(),
            SourceKind::Mongodb(mongodb) => mongodb.container().is_some(),
        };
        self.services.values().any(|s| service(&s.kind)) || self.sources.values().any(|s| source(&s.kind))
    }
}

impl PolicyState {
    /// Whether a policy in this state makes artifacts.
    pub fn captures(self) -> bool {
        self == Self::Active
    }
}

impl SourceKind {
    /// The kind's word in the manifest.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Files(_) => "files",
            Self::Volume(_) => "volume",
            Self::Command(_) => "command",
            Self::Mongodb(_) => "mongodb",
        }
    }
}

impl Policy {
    /// Where a store is named among the policy's.
    pub fn store_span(&self, store: &Name) -> Option<&Span> {
        self.stores.iter().position(|s| s == store).and_then(|n| self.spans.stores.get(n))
    }

    /// What that store keeps of this policy; `None`: everything.
    pub fn retention_for(&self, store: &Name) -> Option<&Named<Retention>> {
        self.retention_at.get(store).or(self.retention.as_ref())
    }

    /// How old the newest artifact on that store may be.
    pub fn rpo_for(&self, store: &Name) -> Option<&Period> {
        self.rpo_at.get(store).or(self.rpo.as_ref())
    }
}
