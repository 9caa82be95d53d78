//! What ends a verb early: one sentence that names the object, one that says what to do, an exit code.

use super::exit::Exit;
use crate::execute::{StateError, chain};
use crate::store::StoreError;

/// Why a verb ended.
#[derive(Debug)]
pub(super) struct Failure {
    /// What is wrong.
    pub(super) message: String,
    /// What to do; may be empty.
    pub(super) help: String,
    /// The exit code.
    pub(super) exit: Exit,
}

impl Failure {
    pub(super) fn new(exit: Exit, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into(), exit }
    }

    pub(super) fn usage(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message, help)
    }

    pub(super) fn unexpected(message: impl Into<String>) -> Self {
        Self::new(Exit::Unexpected, message, "")
    }
}

impl From<StateError> for Failure {
    fn from(error: StateError) -> Self {
        Self::new(Exit::Unexpected, chain(&error), "make the state folder writable, or name another one with --state-dir")
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let message = chain(&error);
        match error {
            StoreError::Unusable { help, .. } => Self::new(Exit::Refused, message, help),
            _ => Self::new(Exit::StepFailed, message, ""),
        }
    }
}
