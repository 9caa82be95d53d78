//! Ends the lease of a run that is gone, and of no other.

use std::sync::Arc;

use super::keeper::unreadable;
use super::record::LeaseRecord;
use crate::model::id::Random;
use crate::store::error::StoreError;
use crate::store::port::Swap;

/// What became of a lease that was to be ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unlocked {
    /// It named the run, and is nobody's now.
    Released(LeaseRecord),
    /// It does not name the run, or nobody has it; what is there, if anything.
    Other(Option<LeaseRecord>),
    /// It names the run, and the process of that run is alive: it ends with that.
    Alive(LeaseRecord),
}

/// Ends the lease `key` of a store that can compare and swap, if it is that run's.
///
/// # Errors
/// The store did not answer, or has something under the key that this version cannot read.
pub fn unlock(swap: &Arc<dyn Swap>, place: &str, key: &str, run: &Random) -> Result<Unlocked, StoreError> {
    loop {
        let Some(register) = swap.load(key)? else { return Ok(Unlocked::Other(None)) };
        let record = LeaseRecord::read(&register.bytes).map_err(|error| unreadable(place, key, &error))?;
        if record.run != *run || !record.is_held() {
            return Ok(Unlocked::Other(Some(record)));
        }
        // Somebody was first: the run itself, which renewed it, or its successor. What is there now decides.
        if swap.swap(key, Some(&register.tag), &record.clone().released().write())?.is_some() {
            return Ok(Unlocked::Released(record.released()));
        }
    }
}
