//! What the stores of an instance hold, as one document, so that a plan can be made where no store can be reached. **[format]**
//!
//! JSON with a `format_version` of `<major>.<minor>`; a reader ignores keys that it does not know and refuses a newer major before it
//! looks at anything else. Times are RFC 3339 in UTC, sizes are bytes. It has what a listing shows and nothing of the host but its
//! name: no sources, no services, no environment, and not the identities by which hosts own an instance.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::runtime::RuntimeFacts;
use super::store::StoreFacts;
use super::{Facts, SourceFacts};
use crate::model::id::{Instant, Name};

/// The version that is written.
const FORMAT_VERSION: &str = "1.0";
const MAJOR: &str = "1";

/// The document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inventory {
    /// `1.0`.
    pub format_version: String,
    /// The manifest's name.
    pub instance: Name,
    /// When the stores were looked at.
    pub at: Instant,
    /// The name of the host that looked, for people.
    pub host: String,
    /// Every store of the manifest, seen or not.
    pub stores: BTreeMap<Name, StoreFacts>,
}

/// Why something is no inventory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InventoryError {
    /// A newer program wrote it.
    #[error("it has format version {0}, newer than the {FORMAT_VERSION} that this version reads")]
    TooNew(String),
    /// It is something else, or was cut.
    #[error("it is no inventory: {0}")]
    Unreadable(String),
}

impl Inventory {
    /// What was seen of the stores.
    pub fn of(instance: &Name, facts: &Facts, host: &str) -> Self {
        let mut stores = facts.stores.clone();
        for store in stores.values_mut() {
            if let StoreFacts::Ready(listing) = store
                && let Some(owner) = &mut listing.owner
            {
                owner.host.clear();
            }
        }
        Self { format_version: FORMAT_VERSION.to_owned(), instance: instance.clone(), at: facts.at, host: host.to_owned(), stores }
    }

    /// Reads one.
    pub fn read(bytes: &[u8]) -> Result<Self, InventoryError> {
        #[derive(Deserialize)]
        struct Head {
            format_version: String,
        }
        let unreadable = |error: serde_json::Error| InventoryError::Unreadable(error.to_string());
        let Head { format_version } = serde_json::from_slice(bytes).map_err(unreadable)?;
        let major = format_version.split('.').next().unwrap_or_default();
        match (major == MAJOR, major.parse::<u32>()) {
            (true, _) => serde_json::from_slice(bytes).map_err(unreadable),
            (false, Ok(1..)) => Err(InventoryError::TooNew(format_version)),
            (false, _) => Err(InventoryError::Unreadable(format!("`{format_version}` is no format version"))),
        }
    }

    /// Its bytes, with a line end.
    pub fn write(&self) -> Vec<u8> {
        // fails only for maps whose keys are not text, and there is none
        let mut bytes = serde_json::to_vec_pretty(self).expect("an inventory is JSON");
        bytes.push(b'\n');
        bytes
    }

    /// The facts of a plan from it: sources and services are not checked, what it does not name of `stores` is new, and others are
    /// left out.
    pub fn facts<'a>(mut self, stores: impl Iterator<Item = &'a Name>, sources: impl Iterator<Item = &'a Name>) -> Facts {
        Facts {
            at: self.at,
            host: String::new(),
            stores: stores.map(|name| (name.clone(), self.stores.remove(name).unwrap_or(StoreFacts::New))).collect(),
            sources: sources.map(|name| (name.clone(), SourceFacts::NotChecked)).collect(),
            runtime: RuntimeFacts::NotChecked,
            owed: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORED: &[u8] = include_bytes!("../../tests/integration/formats/inventory/v1.json");

    #[test]
    fn the_stored_inventory_of_version_1_reads_and_is_written_as_it_was() {
        let inventory = Inventory::read(STORED).unwrap();
        assert_eq!(String::from_utf8(inventory.write()).unwrap(), String::from_utf8(STORED.to_vec()).unwrap());
        let names = ["local", "offsite", "third"].map(|name| name.parse().unwrap());
        let facts = inventory.clone().facts(names.iter(), std::iter::empty());
        assert_eq!(facts.stores["third"], StoreFacts::New);
        let fewer = inventory.facts(names[1..].iter(), std::iter::empty());
        assert!(fewer.stores.keys().eq(&names[1..]), "a store that the manifest does not name");
        assert!(matches!(facts.stores["local"], StoreFacts::Ready(_)) && matches!(facts.stores["offsite"], StoreFacts::Unusable(_)));
        assert_eq!(facts.runtime, RuntimeFacts::NotChecked);
    }

    #[test]
    fn what_is_newer_cut_or_something_else_is_refused_by_what_it_is() {
        let text = String::from_utf8(STORED.to_vec()).unwrap();
        let newer = text.replacen("\"1.0\"", "\"2.3\"", 1);
        assert_eq!(Inventory::read(newer.as_bytes()), Err(InventoryError::TooNew("2.3".to_owned())));
        let minor = text.replacen("\"1.0\"", "\"1.9\", \"colour\": \"red\"", 1);
        assert_eq!(Inventory::read(minor.as_bytes()).unwrap().stores, Inventory::read(STORED).unwrap().stores);
        let plan = "{\"format_version\": \"1.0\", \"instance\": \"lucid\", \"steps\": []}";
        for wrong in [&text[..text.len() / 2], "", "[]", "{}", plan, "{\"format_version\": \"x\"}", "{\"format_version\": \"0.9\"}"] {
            assert!(matches!(Inventory::read(wrong.as_bytes()), Err(InventoryError::Unreadable(_))), "{wrong}");
        }
    }

    #[test]
    fn the_identity_of_the_host_that_owns_a_store_is_left_out() {
        let mut facts = Inventory::read(STORED).unwrap().facts(std::iter::once(&"local".parse().unwrap()), std::iter::empty());
        let Some(StoreFacts::Ready(listing)) = facts.stores.get_mut("local") else { unreachable!() };
        listing.owner.as_mut().unwrap().host = "5ec2e7".to_owned();
        facts.host = "5ec2e7".to_owned();
        let written = Inventory::of(&"lucid".parse().unwrap(), &facts, "backup-1").write();
        assert!(!String::from_utf8(written).unwrap().contains("5ec2e7"));
    }
}
