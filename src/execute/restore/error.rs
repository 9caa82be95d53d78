//! Why a restore was refused or failed. Unless the variant says otherwise, nothing was changed.

use std::io;
use std::path::PathBuf;

use crate::archive::ReadError;
use crate::execute::state::StateError;
use crate::model::id::{ArtifactId, Instant, Name, Random};
use crate::source::SourceError;
use crate::store::StoreError;
use crate::store::segments::SegmentError;

/// Why a restore was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The manifest has no such policy.
    #[error("there is no policy `{name}`{}", near.as_ref().map(|n| format!(", did you mean `{n}`?")).unwrap_or_default())]
    NoPolicy {
        /// As given.
        name: String,
        /// The one that was probably meant.
        near: Option<Name>,
    },
    /// No store has an artifact that is whole.
    #[error("policy `{policy}` has nothing that can be restored: {}", stores.join("; "))]
    Nothing {
        /// The policy.
        policy: Name,
        /// A phrase for each of its stores.
        stores: Vec<String>,
    },
    /// Everything is younger.
    #[error("policy `{policy}` has nothing at or before {at}; its oldest artifact is `{oldest}`, of {instant}", at = shown(*at), instant = shown(*instant))]
    NothingBefore {
        /// The policy.
        policy: Name,
        /// The time that was asked for.
        at: Instant,
        /// The oldest artifact.
        oldest: ArtifactId,
        /// When its content was true.
        instant: Instant,
    },
    /// No artifact has that id.
    #[error("policy `{policy}` has no artifact `{id}`{}", listed(near))]
    NoSuchId {
        /// The policy.
        policy: Name,
        /// As given.
        id: String,
        /// What comes close, nearest first.
        near: Vec<ArtifactId>,
    },
    /// Several artifacts begin like that.
    #[error("`{id}` is the beginning of several artifacts of policy `{policy}`: {}", quoted(matches))]
    Ambiguous {
        /// The policy.
        policy: Name,
        /// As given.
        id: String,
        /// The first of them.
        matches: Vec<ArtifactId>,
    },
    /// The artifact is known, and damaged or incomplete wherever it is.
    #[error("artifact `{id}` is not whole on any store: {}", stores.join("; "))]
    NotWhole {
        /// The artifact.
        id: ArtifactId,
        /// A phrase for each store that lists it.
        stores: Vec<String>,
    },
    /// It is encrypted, and nobody here can open it.
    #[error("artifact `{id}` is encrypted to {}, and {why}", crate::execute::sealing::listed(recipients))]
    Sealed {
        /// The artifact.
        id: ArtifactId,
        /// Fingerprints of who could.
        recipients: Vec<String>,
        /// What is missing, as a clause.
        why: String,
        /// What to do about it, in the imperative.
        help: &'static str,
    },
    /// The path is not in the artifact.
    #[error("`{path}` is not in artifact `{id}`; it has {}", labels.join(", "))]
    NoSuchPath {
        /// As given.
        path: String,
        /// The artifact.
        id: ArtifactId,
        /// What it has, at its top.
        labels: Vec<String>,
    },
    /// Doing it would be wrong.
    #[error("{message}")]
    Refused {
        /// A sentence that names the object.
        message: String,
        /// What to do instead, in the imperative.
        help: String,
    },
    /// It would not fit.
    #[error("`{}` has {free} bytes free, and {needed} are needed", path.display())]
    NoSpace {
        /// A folder of the file system.
        path: PathBuf,
        /// Bytes that are needed.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// It did not fit.
    #[error("no space left below `{}` while `{member}` was written; what was staged is removed again and nothing was changed", path.display())]
    Full {
        /// The folder.
        path: PathBuf,
        /// The member.
        member: String,
    },
    /// An earlier restore of the same place waits for a decision.
    #[error("`{}` is part of restore {run}, which is not committed", path.display())]
    Uncommitted {
        /// The place.
        path: PathBuf,
        /// That restore.
        run: Random,
    },
    /// Another run works on it.
    #[error("held by {holder}")]
    Locked {
        /// What the holder says.
        holder: String,
    },
    /// There is no such restore.
    #[error("there is no restore `{run}` that waits for a decision{}", listed_runs(pending))]
    NoSuchRun {
        /// As given.
        run: String,
        /// Those that do.
        pending: Vec<Random>,
    },
    /// The services did not come back as they were. What has become of the exchange stands beside it.
    #[error("{}", services.join("; "))]
    Unwell {
        /// A sentence for each.
        services: Vec<String>,
    },
    /// What was restored made services ill, and the old state stands again.
    #[error("the old state was put back, because the services did not come back well on the restored one: {}", services.join("; "))]
    RolledBack {
        /// A sentence for each.
        services: Vec<String>,
    },
    /// Something is not as it was found or left before.
    #[error("{0}")]
    Changed(String),
    /// Stored bytes are not what their record says.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// Stored bytes are not an archive, or one that must not be unpacked.
    #[error("{object}")]
    Payload {
        /// The store and the payload's folder.
        object: String,
        /// Why.
        #[source]
        source: ReadError,
    },
    /// A record cannot be used.
    #[error("{0}")]
    Record(String),
    /// A store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The local state refused.
    #[error(transparent)]
    State(#[from] StateError),
    /// The source refused the payload. It may have taken a part of it.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The system refused.
    #[error("cannot {operation} `{}`", path.display())]
    Io {
        /// What was tried, as a verb.
        operation: &'static str,
        /// With what.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Somebody asked to stop.
    #[error("interrupted; nothing was changed")]
    Interrupted,
    /// A test stopped it here, as a power cut would.
    #[doc(hidden)]
    #[error("stopped by a test")]
    Killed,
}

impl RestoreError {
    /// A refusal with its cure.
    pub(super) fn refused(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Refused { message: message.into(), help: help.into() }
    }

    /// A closure that makes the error of a system call.
    pub(super) fn io(operation: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { operation, path, source }
    }

    /// What to do about it, in the imperative.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::Refused { help, .. } => help.clone(),
            Self::Nothing { .. } => "capture it with `apply`, or bring back the store that has it".to_owned(),
            Self::Sealed { help, .. } => (*help).to_owned(),
            Self::NoSpace { .. } | Self::Full { .. } => {
                "make room, restore a part with `--path`, or restore to another disk with `--to`".to_owned()
            }
            Self::Uncommitted { run, .. } => {
                format!("keep what it restored with `restore --commit {run}`, or go back with `restore --rollback {run}`")
            }
            Self::Locked { .. } => "wait until it has ended".to_owned(),
            Self::Segment(SegmentError::Damaged { .. }) | Self::Payload { source: ReadError::Damaged(_), .. } | Self::NotWhole { .. } => {
                "choose another artifact with `--id` or `--at`, or repair this one from another store with `apply`".to_owned()
            }
            _ => return None,
        })
    }

    /// Whether it was refused before anything was tried.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::NoPolicy { .. }
                | Self::Nothing { .. }
                | Self::NothingBefore { .. }
                | Self::NoSuchId { .. }
                | Self::Ambiguous { .. }
                | Self::NoSuchPath { .. }
                | Self::Sealed { .. }
                | Self::Refused { .. }
                | Self::NoSpace { .. }
                | Self::Uncommitted { .. }
                | Self::NoSuchRun { .. }
        )
    }

    /// Whether stored bytes are to blame, so that another copy may do.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Segment(error) => matches!(error, SegmentError::Damaged { .. }),
            Self::Payload { source: ReadError::Sealed(error), .. } => error.is_damage(),
            Self::Payload { source, .. } => matches!(source, ReadError::Damaged(_) | ReadError::Refused { .. }),
            Self::Record(_) | Self::NotWhole { .. } => true,
            Self::Store(error) => error.is_not_found(),
            _ => false,
        }
    }

    /// Whether it is about one copy, so that another one may do: its bytes, or the store that has it.
    pub(super) fn is_of_copy(&self) -> bool {
        self.is_damage() || matches!(self, Self::Segment(SegmentError::Store(_)) | Self::Store(_))
    }

    /// Whether what is on the disk must be left as it is: a kill cleans nothing up.
    pub(super) fn is_kill(&self) -> bool {
        matches!(self, Self::Killed)
    }
}

fn shown(at: Instant) -> String {
    at.format("%F %T UTC").to_string()
}

fn quoted(ids: &[ArtifactId]) -> String {
    ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ")
}

fn listed(near: &[ArtifactId]) -> String {
    if near.is_empty() { String::new() } else { format!("; close to it: {}", quoted(near)) }
}

fn listed_runs(pending: &[Random]) -> String {
    if pending.is_empty() {
        "; none does".to_owned()
    } else {
        format!("; these do: {}", pending.iter().map(|run| format!("`{run}`")).collect::<Vec<_>>().join(", "))
    }
}
