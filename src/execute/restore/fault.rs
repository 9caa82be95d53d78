//! Where a kill may fall: every journalled step passes here.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::error::RestoreError;

/// Stops a restore after so many steps, as a power cut would.
pub(super) struct Fault(AtomicUsize);

impl Fault {
    /// Never stops it.
    pub(super) fn never() -> Self {
        Self(AtomicUsize::new(usize::MAX))
    }

    /// Lets `steps` steps pass.
    #[cfg(test)]
    pub(super) fn after(steps: usize) -> Self {
        Self(AtomicUsize::new(steps))
    }

    /// One step is done.
    pub(super) fn step(&self) -> Result<(), RestoreError> {
        let passed = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        passed.map(drop).map_err(|_| RestoreError::Killed)
    }
}
