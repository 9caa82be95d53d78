//! Performs a plan and nothing else: notes before, record after. Decides nothing that the planner could.
//!
//! | file | job |
//! |---|---|
//! | `apply` | the stages of a run, its record |
//! | `holding` | the locks and leases of a run |
//! | `candidates` | what a plan must know of what it would remove |
//! | `lost` | what was shown and cannot be done any more |
//! | `traces` | what a run leaves when it is over |
//! | `schedule` | steps as their order allows, a bounded number at a time |
//! | `init`, `capture`, `copy`, `remove`, `manifest` | one kind of step each |
//! | `making` | what every new artifact goes through, from its id to its record |
//! | `adopt`, `hashed` | an artifact of a backup that something else made |
//! | `promise` | what a store keeps for a time, kept for longer |
//! | `recipients` | what is wrong with those of a manifest |
//! | `sealing` | encryption around what is written and read |
//! | `verify` | the checks of an artifact, down to its structure |
//! | `restore` | the way back: to a folder, or in place with the old state kept |
//! | `window` | services quiet, something done, services awake again |
//! | `windows` | the windows of a plan, and what is done before one is opened |
//! | `state`, `commits` | what this host remembers between runs |
//! | `ports` | what all of it acts on |

mod adopt;
mod apply;
mod candidates;
mod capture;
mod checked;
mod commits;
mod copy;
mod error;
mod event;
mod hashed;
mod holding;
mod init;
mod lost;
mod making;
mod manifest;
mod outcome;
mod ports;
mod promise;
mod reading;
mod recipients;
mod remove;
pub mod restore;
mod run;
mod schedule;
mod sealing;
mod state;
#[cfg(test)]
mod tests;
mod traces;
mod verify;
pub mod window;
mod windows;

pub use adopt::{AdoptError, Adopted, Adoption};
pub use apply::{Observe, Order, apply};
pub use candidates::{asks, informed};
pub use checked::{Checked, Content};
pub use error::{StepError, chain};
pub use event::{Done, Event, StepOutcome, StepResult};
pub use outcome::{Ending, Outcome};
pub use ports::{Clock, EngineAt, Entropy, Host, Ports, Report};
pub use reading::Reading;
pub use recipients::judge_recipients;
pub use state::{Flight, Held, LocalState, StateError, TEMPORARY};
pub use traces::forget_swept;
pub use verify::{Checker, Found};
