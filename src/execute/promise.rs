//! What a store keeps for a time, kept for longer where something new needs it.
//!
//! An artifact whose bytes are another's, or that continues another one, is worth no more than that: before its record is written,
//! everything that it needs is promised for at least as long as the record will be. Where a store promises nothing, nothing is done.

use std::collections::BTreeSet;

use super::error::StepError;
use super::run::{Run, key_of};
use crate::facts::StoreFacts;
use crate::model::id::{Instant, Name};
use crate::store::record::{ArtifactRef, Record};
use crate::store::{WriteStore, layout};

/// The store dates a record when it arrives, which is later than now.
pub(super) const ON_THE_WAY: chrono::TimeDelta = chrono::TimeDelta::hours(1);

/// Extends the promises on all that a record needs, its ancestors before it.
pub(super) fn ancestors(run: &Run, store_name: &Name, record: &Record) -> Result<(), StepError> {
    let arrival = run.ports.now() + ON_THE_WAY;
    let Some(until) = run.set.stores.get(store_name).and_then(|store| store.locked_until(arrival)) else { return Ok(()) };
    let store = run.store(store_name)?.as_ref();
    let needs = |record: &Record| record.payload_of.iter().chain(&record.parent).cloned().collect::<Vec<ArtifactRef>>();
    let mut open = needs(record);
    let mut seen: BTreeSet<_> = open.iter().map(|need| need.id).collect();
    while let Some(need) = open.pop() {
        for record in extend(run, store, &need, until)? {
            open.extend(needs(&record).into_iter().filter(|need| seen.insert(need.id)));
        }
    }
    Ok(())
}

/// Extends every generation of one artifact; gives their records.
fn extend(run: &Run, store: &dyn WriteStore, need: &ArtifactRef, until: Instant) -> Result<Vec<Record>, StepError> {
    // one that this stage has just copied is listed where it came from
    let listings = run.facts.stores.values().filter_map(StoreFacts::listing);
    let mut listed = listings.filter_map(|l| l.series.get(&need.series)?.artifacts.iter().find(|a| a.id == need.id));
    let Some(key) = listed.find_map(|a| key_of(a, a.generations.last()?.n)) else {
        return Err(StepError::Changed(format!("`{}` is not listed any more, and cannot be promised for longer", need.id)));
    };
    let folder = layout::payload_folder(&run.set.instance, &need.series, &need.id, 1);
    let payload = store.list(&folder)?;
    let generation = |key: &str| layout::generation_of(&key[folder.len()..]).map(|(n, _)| n);
    let mut generations: BTreeSet<u32> = payload.iter().filter_map(|object| generation(&object.key)).collect();
    if generations.is_empty() {
        generations.insert(1);
    }
    let mut records = Vec::new();
    for n in generations {
        let place = layout::record(&run.set.instance, &need.series, &crate::store::key::CatalogKey { generation: n, ..key });
        if store.look(&place)?.is_none() {
            continue;
        }
        // the record first: a plan that asks for its date must not take the whole for free because this was cut here
        store.extend(&place, until)?;
        for object in payload.iter().filter(|object| generation(&object.key) == Some(n)) {
            store.extend(&object.key, until)?;
        }
        let record = Record::read(&store.get(&place)?).map_err(|e| StepError::record(&store.place(), &place, &e))?;
        records.push(record);
    }
    Ok(records)
}
