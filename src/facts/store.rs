//! One store as it was listed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::series::Series;
use super::shared::Shared;
use crate::model::id::{Instant, Name};

/// A store of the manifest as it was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum StoreFacts {
    /// Nothing is there and nothing was known: it can be made.
    New,
    /// A store that answers.
    Ready(Box<Listing>),
    /// Something is wrong with it: nothing that concerns it may run.
    Unusable(Trouble),
}

impl StoreFacts {
    /// The listing, where there is one.
    pub fn listing(&self) -> Option<&Listing> {
        match self {
            Self::Ready(listing) => Some(listing),
            Self::New | Self::Unusable(_) => None,
        }
    }
}

/// Why a store cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Trouble {
    /// It is known from earlier runs and is not there.
    Away {
        /// The uuid that was remembered.
        known: String,
    },
    /// Another store answers under its name.
    Replaced {
        /// The uuid that was remembered.
        known: String,
        /// The uuid that is there.
        found: String,
    },
    /// Two stores of the manifest are one place.
    Twin {
        /// The other store.
        other: Name,
        /// The uuid of both.
        uuid: String,
    },
    /// It was written by a newer major version of the format.
    TooNew {
        /// The object that says so.
        object: String,
        /// The version it has.
        version: String,
    },
    /// Another host owns the instance there.
    OwnedElsewhere {
        /// The host that owns it.
        owner: Owner,
    },
    /// The place itself is wrong: a file where a folder should be, not writable, not mounted, unreadable.
    Unusable {
        /// A sentence that names the object.
        message: String,
        /// What to do about it, in the imperative.
        help: String,
    },
}

/// Who captures and copies an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The generation of the claim; the highest counts.
    pub n: u32,
    /// The identity of the host.
    pub host: String,
    /// The host's name when it claimed, for people.
    pub hostname: String,
    /// When it claimed.
    pub at: Instant,
}

/// What one store holds of one instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Listing {
    /// The identity of the store.
    pub uuid: String,
    /// When the store was made, as its mark says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Instant>,
    /// Whether payload was listed. Where it was not, everything that has a record counts as whole, and nothing may be removed.
    pub payload_listed: bool,
    /// Seconds by which the store's clock is ahead of this host's, below 0 if it is behind; none where it has no clock of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_ahead: Option<i64>,
    /// Whether everything was listed; an incomplete listing allows no copy, delete or sweep.
    pub complete: bool,
    /// Bytes of the largest object that the store takes; none where it sets no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub largest: Option<u64>,
    /// Free bytes, where the store can tell.
    pub free: Option<u64>,
    /// The host that owns the instance; none before the first capture.
    pub owner: Option<Owner>,
    /// Every series found, named by a policy or not.
    pub series: BTreeMap<Name, Shared<Series>>,
    /// Temporary objects of writes that never ended.
    pub leftovers: Vec<Leftover>,
    /// Run records past their own expiry.
    pub expired_runs: Vec<Leftover>,
    /// Keys that this program did not write; shown, never touched.
    pub foreign: Vec<String>,
}

/// An object that nothing refers to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leftover {
    /// Its key in the store.
    pub key: String,
    /// Its size.
    pub bytes: u64,
    /// The store's own time of it.
    pub modified: Instant,
    /// Whether it is known to be left by a run of this host that has ended.
    pub abandoned: bool,
    /// Until when the store will not give it up; none if it was not asked, or may go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked_until: Option<Instant>,
}

impl Listing {
    /// A store of which nothing is known but its identity: complete, with nothing in it.
    pub fn empty(uuid: String) -> Self {
        Self {
            uuid,
            created: None,
            payload_listed: true,
            clock_ahead: None,
            complete: true,
            largest: None,
            free: None,
            owner: None,
            series: BTreeMap::new(),
            leftovers: Vec::new(),
            expired_runs: Vec::new(),
            foreign: Vec::new(),
        }
    }
}
