//! What goes wrong with a store.

use std::io;

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
    /// No room is left.
    #[error("{place}: no space left while writing `{key}`")]
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
