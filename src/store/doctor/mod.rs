//! What a store keeps of what stores promise, tried out.
//!
//! Everything is tried in a scratch folder of its own beside the instances, by the same calls that runs use, concurrent writers included:
//! a server that accepts a condition and ignores it looks good until two write at once. The folder is removed afterwards; if it cannot
//! be, that is said. Nothing else in the store is changed. One thing stays, for two minutes: an object that was locked, where the manifest
//! has `object_lock`. The first visit after that removes it.
//!
//! | file | job |
//! |---|---|
//! | `promise` | what is promised, whether it holds, what follows |
//! | `visit` | the order of the probes, and tidying up |
//! | `names` | names that are taken, and objects that are swapped |
//! | `objects` | what was written comes back, in parts too, or leaves nothing |
//! | `rest` | leases, deleting, the clock, room |
//! | `locked` | what is locked cannot be deleted, and the object that stays of the trial |
//! | `bucket` | what the settings of a bucket mean |

mod bucket;
mod locked;
mod names;
mod objects;
mod promise;
mod rest;
mod visit;

#[cfg(test)]
mod tests;

pub use bucket::{BucketLock, BucketSettings, LifecycleRule, Versioning, Wanted, judge};
pub use promise::{Promise, Standing};
pub use visit::{Needs, Visit};
