//! Every lease of an instance in a store, only looked at.

use super::record::LeaseRecord;
use crate::model::id::Name;
use crate::store::documents::RecordError;
use crate::store::error::StoreError;
use crate::store::layout::{self, Area, Place};
use crate::store::port::ReadStore;

/// A lease, or why it cannot be read.
pub type Seen = Result<LeaseRecord, RecordError>;

/// The lease of each series. One that an older version left empty is none.
///
/// # Errors
/// The store could not be listed or read.
pub fn seen(store: &dyn ReadStore, instance: &Name) -> Result<Vec<(Name, Seen)>, StoreError> {
    let mut found = Vec::new();
    for object in store.list(&Area::Lock.folder(instance))? {
        let Some(Place::Lock(series)) = layout::parse(instance, &object.key) else { continue };
        let bytes = match store.get(&object.key) {
            Err(error) if error.is_not_found() => continue,
            other => other?,
        };
        if !bytes.is_empty() {
            found.push((series, LeaseRecord::read(&bytes)));
        }
    }
    Ok(found)
}
