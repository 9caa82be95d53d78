//! Removes artifacts and leftovers. A record goes before its payload, so that what is listed restores, wherever this is cut.
//!
//! Before every batch the lease is checked: who has lost it may meet what another run has just made.
//!
//! What a store has promised to keep is refused as a whole: every record and every object of the payload is asked before the first
//! goes. What was found out about an artifact (its checks) may stay for as long as its own promise says; it is swept later.

use super::candidates::{kept_until, promises};
use super::error::StepError;
use super::event::Done;
use super::run::{Run, key_of};
use crate::facts::StoreFacts;
use crate::model::id::{ArtifactId, Instant, Name};
use crate::store::{Removed, StoreError, WriteStore, layout};

/// Objects that go at once, at most: what one request of S3 takes.
const BATCH: usize = 1000;

pub(super) fn delete(run: &Run, address: &str, series: &Name, id: ArtifactId, store_name: &Name) -> Result<Done, StepError> {
    run.stop_if_cancelled()?;
    let store = run.store(store_name)?.as_ref();
    let instance = &run.set.instance;
    let artifact = run.listed(store_name, series, id);
    let artifact = artifact.ok_or_else(|| StepError::Changed(format!("`{id}` is not listed on store `{store_name}` any more")))?;
    if !store.list(&layout::holds_folder(instance, series, &id))?.is_empty() {
        return Err(StepError::Changed(format!("`{id}` is held on store `{store_name}` since it was planned to go")));
    }
    let keys = artifact.generations.iter().filter_map(|g| key_of(artifact, g.n));
    let records: Vec<String> = keys.map(|key| layout::record(instance, series, &key)).collect();
    let folder = layout::payload_folder(instance, series, &id, 1);
    let payload = keys_in(store, &folder)?;
    if promises(&run.set, store_name) {
        all_free(store, records.iter().chain(&payload), run.ports.now())?;
    }
    floors(run, store, store_name, series, id)?;
    let mut hidden = 0;
    for record in &records {
        run.entitled(store_name, series)?;
        hidden += usize::from(store.delete(record)? == Removed::Hidden);
    }
    for batch in payload.chunks(BATCH) {
        run.entitled(store_name, series)?;
        hidden += remove(store, batch)?;
    }
    run.entitled(store_name, series)?;
    let checks = keys_in(store, &layout::checks_folder(instance, series, &id))?;
    for (key, removed) in checks.iter().zip(store.delete_all(&checks)) {
        match removed {
            Err(StoreError::Locked { .. }) => run.warn(address, format!("`{key}` stays until the store gives it up")),
            other => hidden += usize::from(other? == Removed::Hidden),
        }
    }
    let forgotten: Vec<String> = records.into_iter().chain([folder]).collect();
    run.ports.state.uncommitted(instance, store_name, &forgotten, run.ports.now())?;
    Ok(Done { id: Some(id), bytes: artifact.bytes(), note: note(hidden), ..Done::default() })
}

/// Reads what stays for good reason before the first of a series goes: the records of the newest usable artifact and of the newest
/// verified one. A catalogue that cannot be read is worth nothing, however much of it is listed.
fn floors(run: &Run, store: &dyn WriteStore, store_name: &Name, series: &Name, going: ArtifactId) -> Result<(), StepError> {
    let mut read = run.floors.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let place = (store_name.clone(), series.clone());
    if read.contains(&place) {
        return Ok(());
    }
    let listed = run.facts.stores.get(store_name).and_then(StoreFacts::listing).and_then(|listing| listing.series.get(series));
    let staying = || listed.iter().flat_map(|s| &s.artifacts).filter(|a| a.id != going && a.listed_complete());
    let newest = staying().max_by_key(|a| (a.instant, a.id));
    let verified = staying().filter(|a| a.verified()).max_by_key(|a| (a.instant, a.id));
    for artifact in newest.into_iter().chain(verified) {
        let Some(key) = artifact.usable_generation().and_then(|g| key_of(artifact, g.n)) else { continue };
        let unread = |error: StepError| {
            let why = super::error::chain(&error);
            StepError::Changed(format!(
                "nothing of series `{series}` goes: the record of `{}`, which stays, does not read: {why}",
                artifact.id
            ))
        };
        super::making::read_record(run, store, series, &key).map_err(unread)?;
    }
    read.insert(place);
    Ok(())
}

pub(super) fn sweep(run: &Run, store_name: &Name, series: Option<&Name>, keys: &[String], bytes: u64) -> Result<Done, StepError> {
    let store = run.store(store_name)?.as_ref();
    let mut hidden = 0;
    for batch in keys.chunks(BATCH) {
        run.stop_if_cancelled()?;
        match series {
            Some(series) => run.entitled(store_name, series)?,
            None => run.held.check_all(store_name)?,
        }
        hidden += remove(store, batch)?;
    }
    Ok(Done { bytes, note: note(hidden), ..Done::default() })
}

fn keys_in(store: &dyn WriteStore, folder: &str) -> Result<Vec<String>, StoreError> {
    Ok(store.list(folder)?.into_iter().map(|object| object.key).collect())
}

/// Refuses if one of these must stay.
fn all_free<'a>(store: &dyn WriteStore, keys: impl Iterator<Item = &'a String>, now: Instant) -> Result<(), StoreError> {
    for key in keys {
        if let Some(until) = kept_until(store, key)?.filter(|until| *until > now) {
            return Err(StoreError::Locked { place: store.place(), key: key.clone(), until: Some(until) });
        }
    }
    Ok(())
}

/// Removes as many as it can, and says how many are hidden only; the first refusal is the error.
fn remove(store: &dyn WriteStore, keys: &[String]) -> Result<usize, StoreError> {
    let mut hidden = 0;
    let mut refused = None;
    for removed in store.delete_all(keys) {
        match removed {
            Ok(removed) => hidden += usize::from(removed == Removed::Hidden),
            Err(error) => {
                refused.get_or_insert(error);
            }
        }
    }
    refused.map_or(Ok(hidden), Err)
}

fn note(hidden: usize) -> Option<String> {
    let objects = if hidden == 1 { "1 object is".to_owned() } else { format!("{hidden} objects are") };
    (hidden > 0).then(|| format!("{objects} hidden and not gone: older versions stay in the bucket, and are paid for"))
}
