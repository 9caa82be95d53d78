//! Removes artifacts and leftovers. A record goes before its payload, so that what is listed restores, wherever this is cut.

use super::error::StepError;
use super::event::Done;
use super::run::{Run, key_of};
use crate::model::id::{ArtifactId, Name};
use crate::store::layout;

pub(super) fn delete(run: &Run, series: &Name, id: ArtifactId, store_name: &Name) -> Result<Done, StepError> {
    run.stop_if_cancelled()?;
    let store = run.store(store_name)?;
    let instance = &run.set.instance;
    let artifact = run.listed(store_name, series, id);
    let artifact = artifact.ok_or_else(|| StepError::Changed(format!("`{id}` is not listed on store `{store_name}` any more")))?;
    if !store.list(&layout::holds_folder(instance, series, &id))?.is_empty() {
        return Err(StepError::Changed(format!("`{id}` is held on store `{store_name}` since it was planned to go")));
    }
    for generation in &artifact.generations {
        if let Some(key) = key_of(artifact, generation.n) {
            store.delete(&layout::record(instance, series, &key))?;
        }
    }
    let rest = [layout::payload_folder(instance, series, &id, 1), layout::checks_folder(instance, series, &id)];
    for folder in rest {
        for object in store.list(&folder)? {
            store.delete(&object.key)?;
        }
    }
    Ok(Done { id: Some(id), bytes: artifact.bytes(), ..Done::default() })
}

pub(super) fn sweep(run: &Run, store_name: &Name, keys: &[String], bytes: u64) -> Result<Done, StepError> {
    let store = run.store(store_name)?;
    for key in keys {
        run.stop_if_cancelled()?;
        store.delete(key)?;
    }
    Ok(Done { bytes, ..Done::default() })
}
