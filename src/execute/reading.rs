//! One artifact opened for looking: its record, and the record and index of whoever owns its bytes.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::error::StepError;
use super::run::key_of;
use super::sealing::plain_at;
use super::verify::Stored;
use crate::archive::{Identities, ReadAt, ReadError, UnsealError};
use crate::facts::{Artifact, Facts};
use crate::model::id::{ArtifactId, Name};
use crate::store::record::Record;
use crate::store::segments::{SegmentError, SegmentReader, SegmentsAt};
use crate::store::{WriteStore, layout};

/// An artifact, opened.
pub struct Reading {
    store: Arc<dyn WriteStore>,
    /// Its record.
    pub record: Record,
    owner: Record,
    folder: String,
}

impl Reading {
    /// Opens the artifact on the first store where it is whole, else on the first that lists it.
    pub fn open(
        instance: &Name,
        stores: &BTreeMap<Name, Arc<dyn WriteStore>>,
        facts: &Facts,
        series: &Name,
        id: ArtifactId,
    ) -> Result<Self, StepError> {
        let mut listed: Vec<(&Name, &[Artifact], &Artifact)> = Vec::new();
        for (name, listing) in facts.stores.iter().filter_map(|(n, s)| Some((n, s.listing()?))) {
            let Some(held) = listing.series.get(series) else { continue };
            listed.extend(held.artifacts.iter().find(|a| a.id == id).map(|a| (name, held.artifacts.as_slice(), a)));
        }
        listed.sort_by_key(|(_, _, artifact)| !artifact.listed_complete());
        let first = listed.into_iter().find_map(|(name, all, artifact)| Some((stores.get(name)?, all, artifact)));
        let Some((store, all, artifact)) = first else {
            return Err(StepError::Changed(format!("`{id}` is not listed on any store that can be read")));
        };
        let (record, folder) = record(store, instance, series, artifact)?;
        let owner = match artifact.need.and_then(|need| all.iter().find(|a| a.id.random() == need)) {
            Some(owner) => Some(self::record(store, instance, series, owner)?),
            None => None,
        };
        let (owner, folder) = owner.unwrap_or_else(|| (record.clone(), folder));
        Ok(Self { store: Arc::clone(store), record, owner, folder })
    }

    /// Fingerprints of who can read it; empty where everybody can.
    pub fn recipients(&self) -> &[String] {
        &self.owner.recipients
    }

    /// The index of its files; none for a stream. One that is encrypted is opened with an identity. A header of which a byte was altered
    /// looks as if it was made for somebody else: no identity is blamed before the stored bytes were read against their digest.
    pub fn index(&self, identities: &Identities) -> Option<Result<Box<dyn ReadAt + '_>, ReadError>> {
        let tree = self.owner.codec.first().is_some_and(|codec| codec == "tar");
        let index = self.owner.index.as_ref().filter(|_| tree)?;
        let object = std::slice::from_ref(index);
        let stored = Stored(SegmentsAt::new(self.store.as_ref(), &self.folder, object));
        Some(plain_at(&self.owner, identities, stored).map_err(|error| match error {
            ReadError::Sealed(UnsealError::NoIdentity) if !identities.is_empty() => {
                match SegmentReader::new(self.store.as_ref(), &self.folder, object).finish() {
                    Err(damage @ SegmentError::Damaged { .. }) => ReadError::Io(io::Error::other(damage)),
                    // what cannot be read now says nothing of what is stored
                    Ok(()) | Err(_) => error,
                }
            }
            error => error,
        }))
    }
}

fn record(store: &Arc<dyn WriteStore>, instance: &Name, series: &Name, artifact: &Artifact) -> Result<(Record, String), StepError> {
    let generation = artifact.usable_generation().or(artifact.generations.last());
    let Some(key) = generation.and_then(|g| key_of(artifact, g.n)) else {
        return Err(StepError::Changed(format!("`{}` has no generation", artifact.id)));
    };
    let name = layout::record(instance, series, &key);
    let record = Record::read(&store.get(&name)?).and_then(|record| record.matches(&key).map(|()| record));
    let record = record.map_err(|e| StepError::record(&store.place(), &name, &e))?;
    Ok((record, layout::payload_folder(instance, series, &artifact.id, key.generation)))
}
