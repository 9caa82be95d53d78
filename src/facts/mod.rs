//! What was seen, when, and what could not be seen: data only.
//!
//! `observe` fills these in, `plan` decides from them, `evolve` advances them. Nothing here reads a disk or a clock, and nothing
//! here judges: a fact says that a listed size differs, not that the artifact is lost.

mod inventory;
mod runtime;
mod series;
mod shared;
mod store;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::id::{Instant, Name};

pub use inventory::{Inventory, InventoryError};
pub use runtime::{Compose, Condition, Container, Dependency, Engine, Health, Mount, Owed, Picture, RuntimeFacts, State, Volume};
pub use series::{Artifact, Check, CheckResult, Generation, Hold, Orphan, Payload, Series, Writer};
pub use shared::Shared;
pub use store::{Leftover, Listing, Owner, StoreFacts, Trouble};

/// One timed picture of the world.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// When the picture was taken.
    pub at: Instant,
    /// The identity of the host that looked.
    pub host: String,
    /// Every store of the manifest, seen or not.
    pub stores: BTreeMap<Name, StoreFacts>,
    /// Every source that was probed.
    pub sources: BTreeMap<Name, SourceFacts>,
    /// What runs.
    pub runtime: RuntimeFacts,
    /// What interrupted runs of this host have quieted and not woken.
    pub owed: Vec<Owed>,
}

/// What a probe of a source saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SourceFacts {
    /// It can be captured.
    Ready,
    /// It cannot, and why: a sentence that names the object.
    Unusable(String),
    /// It was not looked at: captured only by running something, which a plan never does.
    NotChecked,
}
