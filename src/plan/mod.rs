//! Policies, facts and an instant to steps with reasons. Pure and deterministic: no clock, no disk, no task.
//!
//! | file | question |
//! |---|---|
//! | `due` | which policies are due, for which slot |
//! | `adoption` | where an artifact that is adopted goes, and whether it would stay |
//! | `mirror`, `backfill` | which copies are missing or damaged, and how far back |
//! | `retention`, `bucket` | what stays, and why |
//! | `deletes`, `sweeps`, `space` | what goes, and what keeps it from going |
//! | `running`, `closure`, `mounts` | what needs what, what is quiet together, who writes what is read |
//! | `windows`, `refusal` | who is quiet when, for how long about, and why somebody cannot be |
//! | `request` | what was asked for, and what the host may do |
//! | `decide` | all of it, in passes over the world as the pass before leaves it |
//! | `evolve` | the world after a plan |
//! | `explain` | why each artifact stays, for lists |

mod adoption;
mod backfill;
mod bucket;
mod closure;
mod decide;
mod deletes;
mod due;
mod evolve;
mod explain;
mod mirror;
mod mounts;
#[cfg(test)]
pub(crate) mod oracle;
mod problem;
mod refusal;
mod request;
mod retention;
mod running;
mod space;
mod step;
mod sweeps;
#[cfg(test)]
mod tests;
mod view;
mod window;
mod windows;

pub use adoption::{lets_go, room_for};
pub use bucket::{Bucket, Unit};
pub use closure::quiet;
pub use decide::{copies, decide, removals, unlocks};
pub use evolve::evolve;
pub use explain::{Explained, explain};
pub use mounts::{mounters, writers_now};
pub use problem::store_trouble;
pub use request::{Request, Role};
pub use retention::{FUTURE_TOLERANCE, Item, Keep, Miss, Rules, Verdicts, judge};
pub use step::{Candidate, FORMAT_VERSION, Holding, Plan, Reason, Step, Wait, Waiting, Work};
pub use window::{Downtime, Handle, Quiet, Subject};
