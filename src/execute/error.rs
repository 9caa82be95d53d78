//! Why a step failed.

use std::error::Error;

use super::state::StateError;
use crate::source::SourceError;
use crate::store::StoreError;
use crate::store::documents::RecordError;
use crate::store::lease::LeaseLost;

/// Why a step failed. Nothing of a failed step is listed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// A store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Somebody else may have what this run works on.
    #[error("{0}; what was under way is left to the next run")]
    Lease(#[from] LeaseLost),
    /// A payload could not be written or read.
    #[error(transparent)]
    Segment(#[from] crate::store::segments::SegmentError),
    /// The local state refused.
    #[error(transparent)]
    State(#[from] StateError),
    /// The source refused.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// What runs could not be quieted or woken.
    #[error(transparent)]
    Runtime(#[from] crate::runtime::RuntimeError),
    /// It cannot be encrypted as the manifest wants it.
    #[error("cannot encrypt: {0}")]
    Seal(#[source] crate::archive::SealError),
    /// Services were quiet for as long as they may be.
    #[error("services were quiet for {seconds} s, which is all that `max_downtime` allows; the capture was ended and they are woken")]
    Overdue {
        /// The limit.
        seconds: u64,
    },
    /// A file could not be made into an artifact.
    #[error("`{name}` could not be adopted")]
    Adopt {
        /// The file.
        name: String,
        /// Why.
        #[source]
        source: crate::archive::PackError,
    },
    /// Stored bytes are not what their record says.
    #[error("{0}")]
    Damaged(String),
    /// A newer version of this program wrote it.
    #[error("{0}")]
    TooNew(String),
    /// Something is not as the plan found it.
    #[error("{0}")]
    Changed(String),
    /// Somebody asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl StepError {
    /// A record that cannot be taken for what it should be.
    pub(super) fn record(place: &str, name: &str, error: &RecordError) -> Self {
        let message = format!("{place}: record `{name}`: {error}");
        match error {
            RecordError::TooNew { .. } => Self::TooNew(format!("{message}; use a newer version of lucid-policy")),
            RecordError::Unreadable { .. } | RecordError::Mismatch { .. } => Self::Damaged(message),
        }
    }
}

/// An error with all its causes, outermost first, as one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.ends_with(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}
