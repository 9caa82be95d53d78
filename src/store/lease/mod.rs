//! Leases: the right to run or to delete in one series of one store.
//!
//! A lease is a small record under the series' own key, changed by compare-and-swap only. Whoever has it writes a nonce of its own,
//! renews it, and stops before anybody else may take it. What is refused: a live lease of somebody else, at once and by name; a record
//! that this version cannot read, because its holder may be alive.
//!
//! | file | job |
//! |---|---|
//! | `record` | the record in the store |
//! | `claim` | who asks, and who has it |
//! | `protocol` | pure: what was seen, and what follows from it |
//! | `keeper` | takes, renews, checks and releases, over any [`super::Swap`] |
//! | `kept` | the thread that renews |
//! | `unlock` | ends the lease of a run that is gone |
//! | `seen` | every lease of an instance |
//!
//! - The store's time decides, never a host's own clock: a lease is over when the store, in one answer, says that it was written
//!   longer ago than its ttl and a margin. Or when its process is known to be gone: same boot, same pid namespace, no such process.
//! - The holder gives up earlier: at the start of its last good renewal, plus the ttl, minus the margin, on a clock that goes on while
//!   the host sleeps. So there is twice the margin between the last change of one holder and the first of the next.
//! - An answer that was lost is no answer: what is there is read, and the nonce says whose it is.

mod claim;
mod keeper;
mod kept;
mod protocol;
mod record;
mod seen;
mod unlock;

#[cfg(test)]
mod model;
#[cfg(test)]
pub(in crate::store) mod tests;

pub use claim::{Alive, Claim, Claimant, Holder, LeaseLost, Uptime, named};
pub use kept::lock;
pub use record::{LeaseRecord, LeaseState, Process};
pub use seen::{Found, Seen, Standing, seen, standing};
pub use unlock::{Unlocked, unlock};

use std::time::Duration;

/// How long a lease lasts after its last renewal.
pub const TTL: Duration = Duration::from_mins(10);

/// What holder and successor keep between them, each on its side, and what one batch of deletes may take: 60 s of ten minutes.
fn margin(ttl: Duration) -> Duration {
    ttl / 10
}
