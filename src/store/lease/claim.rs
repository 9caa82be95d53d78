//! Who asks for a lease, who has it, and how it was lost.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;

use super::record::{LeaseRecord, LeaseState, Process};
use crate::model::id::{Instant, Random, to_millis};
use crate::store::documents::FormatVersion;

/// The time since some start, on a clock that never goes back and goes on while the host sleeps (`CLOCK_BOOTTIME`).
pub type Uptime = Arc<dyn Fn() -> Duration + Send + Sync>;
/// Whether the process of this number that began at this tick is still there, in our own pid namespace. In doubt it is.
pub type Alive = Arc<dyn Fn(u32, u64) -> bool + Send + Sync>;

/// This process, as it asks for leases.
#[derive(Clone)]
pub struct Claimant {
    /// Who we are.
    pub process: Process,
    /// Tells how much time passes.
    pub uptime: Uptime,
    /// Tells which processes are there.
    pub alive: Alive,
}

/// One wish for one lease.
#[derive(Clone)]
pub struct Claim {
    /// Who asks.
    pub claimant: Claimant,
    /// The run that it is for.
    pub run: Random,
    /// Never used before.
    pub nonce: Random,
    /// What for, as a word.
    pub purpose: String,
    /// The time, for people.
    pub at: Instant,
    /// How long the lease lasts after a renewal; whole seconds.
    pub ttl: Duration,
}

impl Claim {
    /// The record of the lease, taken for the `epoch`-th time.
    pub(in crate::store) fn record(&self, epoch: u64) -> LeaseRecord {
        LeaseRecord {
            format_version: FormatVersion::CURRENT,
            epoch,
            run: self.run,
            nonce: self.nonce,
            counter: 0,
            holder: self.claimant.process.clone(),
            purpose: self.purpose.clone(),
            since: to_millis(self.at),
            ttl_seconds: self.ttl.as_secs(),
            state: LeaseState::Held,
        }
    }
}

/// Who has a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Their lease; none if it cannot be read.
    pub lease: Option<Box<LeaseRecord>>,
    /// How long ago the store last heard of them, where it can tell.
    pub age: Option<TimeDelta>,
    /// From when on others may take it, by the store's time, if nothing is heard of them by then; none where it ends with their process.
    pub until: Option<Instant>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.lease {
            None => f.write_str("another process, whose lease cannot be read")?,
            Some(lease) => write!(f, "{}", named(lease))?,
        }
        if let Some(age) = self.age {
            write!(f, ", last heard of {} s ago", age.num_seconds().max(0))?;
        }
        match self.until {
            Some(until) => write!(f, ", free at {} unless it is heard of again", until.format("%F %T UTC")),
            None => Ok(()),
        }
    }
}

/// A lease's holder in words.
pub fn named(lease: &LeaseRecord) -> String {
    let Process { hostname, pid, .. } = &lease.holder;
    let since = lease.since.format("%F %T UTC");
    format!("run {} of host {hostname} (pid {pid}, {}) since {since}", lease.run, lease.purpose)
}

/// A lease is not ours any more: nothing may be changed on the strength of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: the lease `{key}` is lost: {why}")]
pub struct LeaseLost {
    /// The store, for people.
    pub place: String,
    /// The lease.
    pub key: String,
    /// What happened.
    pub why: String,
}
