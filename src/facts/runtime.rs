//! What runs, as an engine showed it, and what interrupted runs owe to it.

use serde::{Deserialize, Serialize};

use crate::model::id::{Instant, Random};
pub use crate::runtime::seen::{Compose, Condition, Container, Dependency, Engine, Health, Mount, Picture, State, Volume};

/// What was seen of the engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RuntimeFacts {
    /// Nothing in the manifest needs one, so that none was looked for.
    NotNeeded,
    /// It was not asked: a plan from a file, or one that only deletes. What its services do is left out.
    NotChecked,
    /// It did not answer: a sentence that says where it was looked for.
    Unreachable(String),
    /// It answered.
    Seen(Box<Picture>),
}

impl RuntimeFacts {
    /// What was seen, if anything was.
    pub fn picture(&self) -> Option<&Picture> {
        match self {
            Self::Seen(picture) => Some(picture),
            Self::NotNeeded | Self::NotChecked | Self::Unreachable(_) => None,
        }
    }
}

/// Something that a run of this host has quieted and not woken yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    /// The run.
    pub run: Random,
    /// When it began to quiet things.
    pub at: Instant,
    /// Addresses of what it quieted: `service.NAME` or `container.NAME`.
    pub services: Vec<String>,
    /// The ids of their containers.
    pub containers: Vec<String>,
    /// Whether they can be woken without an engine: all of them are commands of this host.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub engineless: bool,
    /// Whether that run is still at work and wakes them itself; else it has died.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub alive: bool,
}
