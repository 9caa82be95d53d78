//! What goes wrong with a store.
//!
//! Every error names its object. A full disk is told apart from other refusals by its cause, wherever it shows up: at a write, at
//! an fsync, at the making of a folder.

use std::error::Error;
use std::io;

use crate::model::id::Instant;

/// A failed operation on a store. Every variant names its object.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such object.
    #[error("{place}: there is no object `{key}`")]
    NotFound {
        /// The store, for people.
        place: String,
        /// The key asked for.
        key: String,
    },
    /// The place cannot be used as a store.
    #[error("{message}")]
    Unusable {
        /// A sentence that names the object.
        message: String,
        /// What to do about it.
        help: String,
    },
    /// The object was promised to stay.
    #[error("{place}: `{key}` is locked{}", until.map(|until| format!(" until {}", until.format("%F %T UTC"))).unwrap_or_default())]
    Locked {
        /// The store, for people.
        place: String,
        /// The object.
        key: String,
        /// Until when, where the store says so.
        until: Option<Instant>,
    },
    /// No room is left.
    #[error("{place}: no space left while writing `{key}`; free space there or keep less, then run it again")]
    Full {
        /// The store, for people.
        place: String,
        /// The object that did not fit.
        key: String,
    },
    /// The system refused.
    #[error("{place}: cannot {operation} `{key}`")]
    Io {
        /// The store, for people.
        place: String,
        /// What was tried, as a verb.
        operation: &'static str,
        /// The object.
        key: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl StoreError {
    /// A refusal of the system as what it means: no room, no such object, or itself.
    ///
    /// An error that passed through an [`io::Error`] (as it must below `io::Write`) comes out as it went in.
    pub fn of(place: &str, operation: &'static str, key: &str, source: io::Error) -> Self {
        let source = match source.downcast::<Self>() {
            Ok(own) => return own,
            Err(source) => source,
        };
        let (place, key) = (place.to_owned(), key.to_owned());
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { place, key },
            io::ErrorKind::NotFound => Self::NotFound { place, key },
            _ => Self::Io { place, operation, key, source },
        }
    }

    /// Whether the object is simply not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }
}

/// An error with its causes, as one line.
pub(super) fn chain(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}

impl From<StoreError> for io::Error {
    fn from(error: StoreError) -> Self {
        let kind = match &error {
            StoreError::NotFound { .. } => io::ErrorKind::NotFound,
            StoreError::Full { .. } => io::ErrorKind::StorageFull,
            StoreError::Unusable { .. } | StoreError::Locked { .. } => io::ErrorKind::Other,
            // never `Interrupted`: the loops of `std::io` retry that one for ever
            StoreError::Io { source, .. } if source.kind() == io::ErrorKind::Interrupted => io::ErrorKind::Other,
            StoreError::Io { source, .. } => source.kind(),
        };
        Self::new(kind, error)
    }
}
