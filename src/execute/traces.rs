//! What a run leaves when it is over: a record of what it did, and nothing of what did not become an artifact.

use super::error::chain;
use super::event::Event;
use super::outcome::{Ending, Outcome};
use super::ports::Ports;
use super::state::{StateError, TEMPORARY};
use crate::facts::{Facts, Listing};
use crate::model::PolicySet;
use crate::model::id::Name;
use crate::store::documents::{FormatVersion, RunRecord};
use crate::store::layout;

/// How long a run's record is kept.
const RUN_RECORD_KEPT: chrono::TimeDelta = chrono::TimeDelta::days(90);

/// Forgets what earlier runs left on the way, once nothing of it is there any more; a folder that was made for it goes with it.
pub fn forget_swept(ports: &Ports, instance: &Name, facts: &Facts) -> Result<(), StateError> {
    let mut gone = ports.state.abandoned()?;
    // what a listing leaves out may still be there
    let all = |listing: &Listing| listing.complete && listing.payload_listed;
    gone.retain(|what| {
        if what.starts_with(TEMPORARY) {
            return facts.stores.values().all(|s| s.listing().is_some_and(|l| all(l) && !l.leftovers.iter().any(|l| l.abandoned)));
        }
        let Some((store, rest)) = what.split_once('/') else { return true };
        let listing = store.parse().ok().and_then(|s: Name| facts.stores.get(&s)?.listing());
        let Some(listing) = listing.filter(|listing| all(listing)) else { return false };
        let orphans = listing.series.values().flat_map(|s| &s.orphans).filter(|o| o.abandoned).flat_map(|o| &o.keys);
        let left = orphans.chain(listing.leftovers.iter().filter(|l| l.abandoned).map(|l| &l.key));
        !left.into_iter().any(|key| key.contains(&format!("/data/{rest}/")))
    });
    for (store, rest) in gone.iter().filter_map(|what| what.split_once('/')) {
        let store = store.parse().ok().and_then(|name: Name| ports.stores.get(&name));
        if let Some(store) = store {
            // An empty folder is no object: one that stays hurts nobody.
            drop(store.delete(&format!("{instance}/data/{rest}/-")));
        }
    }
    ports.state.forget_abandoned(&gone)
}

/// Leaves a record of the run on every store that it could use. A run whose record cannot be written is none the worse.
pub(super) fn write_run(set: &PolicySet, ports: &Ports, facts: &Facts, outcome: &Outcome) {
    let ending = match outcome.ending() {
        Ending::Good => "good",
        Ending::Failed => "failed",
        Ending::Refused => "refused",
        Ending::Locked => "locked",
        Ending::Interrupted => "interrupted",
    };
    let record = RunRecord {
        format_version: FormatVersion::CURRENT,
        run: outcome.run,
        host: ports.host.name.clone(),
        start: outcome.start,
        end: outcome.end,
        outcome: ending.to_owned(),
        steps: outcome.steps.iter().filter_map(|s| serde_json::to_value(s).ok()).collect(),
        expires: outcome.end + RUN_RECORD_KEPT,
    };
    let bytes = crate::store::documents::write(&record);
    let key = layout::run(&set.instance, outcome.start, &outcome.run);
    let usable = facts.stores.iter().filter(|(_, s)| s.listing().is_some());
    for store in usable.filter_map(|(name, _)| ports.stores.get(name)) {
        if let Err(error) = store.create(&key, &bytes) {
            ports.say(Event::StepWarning {
                address: "run".to_owned(),
                message: format!("the run's record was not kept: {}", chain(&error)),
            });
        }
    }
}
