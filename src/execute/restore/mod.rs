//! The way back: an artifact to a folder of its own, or to where it came from.
//!
//! Everything is staged on the target's own file system while every digest is checked, and changes places only if all of it is good.
//! What stood there is kept until it is committed; nothing is deleted first. A kill at any point leaves the old state or the new one,
//! and [`recover`] finishes or undoes what was under way.
//!
//! | file | job |
//! |---|---|
//! | `choice` | which artifact, from which store |
//! | `plan`, `target` | what is replaced, and what must not be |
//! | `opened` | a stored copy, read and checked |
//! | `folder`, `place`, `command` | the three ways to put it back |
//! | `services` | what is quiet around the exchange |
//! | `swap` | renames that know which side they are on |
//! | `journal`, `settle` | what survives a kill; commit, roll-back, recovery |
//! | `disk` | system calls |

mod choice;
mod disk;
mod error;
mod fault;
mod fed;
mod folder;
mod journal;
mod opened;
mod perform;
mod place;
mod plan;
mod services;
mod settle;
mod swap;
mod target;

#[cfg(test)]
mod tests;

pub use choice::{Choice, StoredCopy, Which, choose};
pub use error::RestoreError;
pub use journal::Phase;
pub use perform::{Restored, perform};
pub use plan::{
    Ask, FORMAT_VERSION, How, MemberPath, Planned, PlannedRoot, RestorePlan, RestoreReason, RestoreStep, Space, To, plan, plan_choice,
};
pub use settle::{Pending, Recovered, What, commit, pending, recover, rollback, rollback_around, unseen};
