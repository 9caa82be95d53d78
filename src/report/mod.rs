//! Values to text and JSON. Reads no store and decides nothing; what it is given is what it shows.
//!
//! Text is for people and may change; JSON has a `format_version` and may not, within a major version.

mod artifact;
mod doctor;
mod human;
mod plan;
mod progress;
mod restore;
mod status;
mod window;

pub use crate::finding::{bytes, count};
pub use artifact::{ArtifactRow, list_text, show_text};
pub use doctor::{Examined, examined_text};
pub use human::{instant, instant_in, span_of};
pub use plan::{plan_text, reason_text, work_text};
pub use progress::{event_text, outcome_text, step_text};
pub use restore::{pending_text, recovered_text, restore_text, restored_text};
pub use status::{LeaseStatus, PolicyStatus, Status, StoreStatus, status_of, status_text};
pub use window::{awoken_text, quiet_text};
