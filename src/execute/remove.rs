//! Removes artifacts and leftovers. A record goes before its payload, so that what is listed restores, wherever this is cut.
//!
//! Before every batch the lease is checked: who has lost it may meet what another run has just made.

use super::error::StepError;
use super::event::Done;
use super::run::{Run, key_of};
use crate::model::id::{ArtifactId, Name};
use crate::store::{WriteStore, layout};

/// Objects that go at once, at most: what one request of S3 takes.
const BATCH: usize = 1000;

pub(super) fn delete(run: &Run, series: &Name, id: ArtifactId, store_name: &Name) -> Result<Done, StepError> {
    run.stop_if_cancelled()?;
    let store = run.store(store_name)?;
    let instance = &run.set.instance;
    let artifact = run.listed(store_name, series, id);
    let artifact = artifact.ok_or_else(|| StepError::Changed(format!("`{id}` is not listed on store `{store_name}` any more")))?;
    if !store.list(&layout::holds_folder(instance, series, &id))?.is_empty() {
        return Err(StepError::Changed(format!("`{id}` is held on store `{store_name}` since it was planned to go")));
    }
    run.entitled(store_name, series)?;
    for generation in &artifact.generations {
        if let Some(key) = key_of(artifact, generation.n) {
            store.delete(&layout::record(instance, series, &key))?;
        }
    }
    let mut rest = Vec::new();
    for folder in [layout::payload_folder(instance, series, &id, 1), layout::checks_folder(instance, series, &id)] {
        rest.extend(store.list(&folder)?.into_iter().map(|object| object.key));
    }
    for batch in rest.chunks(BATCH) {
        run.entitled(store_name, series)?;
        delete_all(store.as_ref(), batch)?;
    }
    Ok(Done { id: Some(id), bytes: artifact.bytes(), ..Done::default() })
}

pub(super) fn sweep(run: &Run, store_name: &Name, series: Option<&Name>, keys: &[String], bytes: u64) -> Result<Done, StepError> {
    let store = run.store(store_name)?;
    for batch in keys.chunks(BATCH) {
        run.stop_if_cancelled()?;
        match series {
            Some(series) => run.entitled(store_name, series)?,
            None => run.held.check_all(store_name)?,
        }
        delete_all(store.as_ref(), batch)?;
    }
    Ok(Done { bytes, ..Done::default() })
}

/// Removes all of them that can be removed; the first refusal is the error.
fn delete_all(store: &dyn WriteStore, keys: &[String]) -> Result<(), StepError> {
    for removed in store.delete_all(keys) {
        removed?;
    }
    Ok(())
}
