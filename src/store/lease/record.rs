//! The record of a lease. **[format]**
//!
//! JSON as [`crate::store::documents`] says, under `<instance>/lock/<series>`. It stays when the lease ends, as `released`. Times in it are
//! for people: nothing is decided by them.

use serde::{Deserialize, Serialize};

use crate::model::id::{Instant, Random};
use crate::store::documents::{self, FormatVersion, RecordError};

/// A lease as it stands in a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRecord {
    /// The version of this document.
    pub format_version: FormatVersion,
    /// How often the lease was taken, this time included.
    pub epoch: u64,
    /// The run that has it, or had it last.
    pub run: Random,
    /// Says whose a record is where an answer was lost; new each time that the lease is taken.
    pub nonce: Random,
    /// How often it was renewed since it was taken.
    pub counter: u64,
    /// Who has it, or had it last.
    pub holder: Process,
    /// What for, as a word.
    pub purpose: String,
    /// When it was taken, by the holder's own clock.
    pub since: Instant,
    /// How long it lasts after its last renewal.
    pub ttl_seconds: u64,
    /// Whether somebody has it.
    pub state: LeaseState,
}

/// Whether somebody has a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeaseState {
    /// Somebody has it, unless it is over by now.
    Held,
    /// Nobody has it.
    Released,
}

/// A process, well enough to know later whether it is still there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// The host's stable identity.
    pub host: String,
    /// The host's name, for people.
    pub hostname: String,
    /// The kernel's name for the boot; empty where it is unknown.
    pub boot: String,
    /// The process's number.
    pub pid: u32,
    /// When the process began, in the kernel's ticks since the boot.
    pub pid_start: u64,
    /// The kernel's number of the pid namespace; 0 where it is unknown.
    pub pid_namespace: u64,
    /// The version of the program.
    pub version: String,
}

impl LeaseRecord {
    /// Reads one; a newer major is refused.
    pub fn read(bytes: &[u8]) -> Result<Self, RecordError> {
        documents::read(bytes)
    }

    /// Its bytes.
    pub fn write(&self) -> Vec<u8> {
        documents::write(self)
    }

    /// Whether it says that somebody has it.
    pub fn is_held(&self) -> bool {
        self.state == LeaseState::Held
    }

    /// The same, as nobody's.
    #[must_use]
    pub fn released(self) -> Self {
        Self { state: LeaseState::Released, ..self }
    }
}

impl Process {
    /// Whether the two see the same processes under the same numbers.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        let known = !self.boot.is_empty() && self.pid_namespace != 0;
        known && (&self.boot, self.pid_namespace) == (&other.boot, other.pid_namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORED: &str = include_str!("../../../tests/integration/formats/lease/v1.json");

    #[test]
    fn the_stored_lease_of_version_1_reads_and_is_written_as_it_was() {
        let record = LeaseRecord::read(STORED.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(record.write()).unwrap(), STORED);
        assert_eq!((record.epoch, record.counter, record.ttl_seconds, record.is_held()), (3, 7, 600, true));
        assert_eq!(record.clone().released().state, LeaseState::Released);
        assert!(matches!(LeaseRecord::read(STORED.replace("\"1.0\"", "\"2.0\"").as_bytes()), Err(RecordError::TooNew { .. })));
        assert!(LeaseRecord::read(b"").is_err());
    }
}
