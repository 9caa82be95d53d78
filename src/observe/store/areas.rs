//! The areas of an instance, listed one after the other; where every listing waits for a network, the small ones beside the large.
//!
//! The catalogue comes before the payload: payload is written before its record, so that a record that was seen has payload that
//! will be seen. Neither is held as a whole: of a million artifacts the lists of objects would be larger than all that is made of them.
//! A listing over a network takes its time, and an artifact can be removed meanwhile: what looks damaged then is looked up by its
//! keys, the newest first.

use std::thread::{self, ScopedJoinHandle};

use super::join::Join;
use super::place::Look;
use crate::facts::Payload;
use crate::model::id::Name;
use crate::store::key::CatalogKey;
use crate::store::layout::{self, Area, Place};
use crate::store::record::Record;
use crate::store::{Reach, ReadStore, StoreError, Survey};

/// Artifacts that are looked at again; a writer at work is between a few of them.
const DOUBTS: usize = 64;
/// What comes after catalogue and payload.
const OTHERS: [Area; 5] = [Area::Checks, Area::Holds, Area::Runs, Area::Manifests, Area::Lock];

fn list(store: &dyn ReadStore, instance: &Name, area: Area) -> Result<Survey, StoreError> {
    store.survey(&area.folder(instance), Reach::Deep)
}

fn ended<T>(handle: ScopedJoinHandle<'_, T>) -> T {
    handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

impl Join<'_> {
    /// Every area of the instance.
    pub(super) fn all(&mut self, look: &Look<'_>) -> Result<(), StoreError> {
        self.listing.payload_listed = look.payload;
        let (store, instance) = (self.store, self.instance);
        thread::scope(|scope| {
            let start = |area: Area| (area, scope.spawn(move || list(store, instance, area)));
            let beside = look.side_by_side.then(|| OTHERS.map(start));
            self.large(look)?;
            match beside {
                Some(listings) => listings.into_iter().try_for_each(|(area, listing)| {
                    self.area(area, ended(listing)?, look);
                    Ok(())
                }),
                None => OTHERS.into_iter().try_for_each(|area| {
                    self.area(area, list(store, instance, area)?, look);
                    Ok(())
                }),
            }
        })
    }

    /// Catalogue and payload.
    fn large(&mut self, look: &Look<'_>) -> Result<(), StoreError> {
        let (store, catalog, data) = (self.store, Area::Catalog.folder(self.instance), Area::Data.folder(self.instance));
        let survey = store.pieces(&catalog, &mut |objects| self.catalog(objects))?;
        self.rest(survey);
        self.end_catalog();
        if look.payload {
            let survey = store.pieces(&data, &mut |objects| self.data(&objects))?;
            self.rest(survey);
            self.end_data();
            if look.side_by_side {
                self.look_again();
            }
        }
        Ok(())
    }

    fn area(&mut self, area: Area, survey: Survey, look: &Look<'_>) {
        match area {
            Area::Manifests => self.take(survey, |place| matches!(place, Place::Manifest { .. })),
            Area::Lock => self.take(survey, |place| matches!(place, Place::Lock(_))),
            _ => {
                let objects = self.rest(survey);
                match area {
                    Area::Checks => self.checks(objects),
                    Area::Holds => self.holds(objects),
                    _ => self.runs(objects, look.now),
                }
            }
        }
    }

    /// Looks up what looks damaged: it may have been written, or removed, while it was listed.
    fn look_again(&mut self) {
        let mut doubts: Vec<(Name, CatalogKey)> = Vec::new();
        for (name, series) in &self.listing.series {
            let damaged = series.artifacts.iter().flat_map(|a| a.generations.iter().map(move |g| (a, g)));
            let damaged = damaged.filter(|(_, g)| g.payload == Payload::Damaged);
            doubts.extend(damaged.map(|(artifact, generation)| (name.clone(), super::join::key_of(artifact, generation))));
        }
        doubts.sort_unstable_by_key(|(_, key)| std::cmp::Reverse(key.id));
        for (name, key) in doubts.into_iter().take(DOUBTS) {
            let whole = self.whole(&name, &key);
            let Some(series) = self.listing.series.get_mut(&name) else { continue };
            let Some(artifact) = series.artifacts.iter_mut().find(|a| a.id == key.id) else { continue };
            match whole {
                Ok(Some(record)) => artifact.generations.iter_mut().filter(|g| g.n == key.generation).for_each(|g| {
                    g.payload = Payload::Complete;
                    g.largest = record.largest();
                    g.readable = record.recipients.is_empty();
                }),
                // its record is gone too: it was removed meanwhile
                Err(error) if error.is_not_found() => artifact.generations.retain(|g| g.n != key.generation),
                Ok(None) | Err(_) => {}
            }
        }
    }

    /// The record of a generation that is whole.
    fn whole(&self, series: &Name, key: &CatalogKey) -> Result<Option<Record>, StoreError> {
        let bytes = self.store.get(&layout::record(self.instance, series, key))?;
        let Ok(record) = Record::read(&bytes) else { return Ok(None) };
        let folder = layout::payload_folder(self.instance, series, &key.id, key.generation);
        for object in record.objects() {
            if self.store.look(&format!("{folder}{}", object.name))?.is_none_or(|found| found.bytes != object.bytes) {
                return Ok(None);
            }
        }
        Ok(Some(record).filter(|record| record.matches(key).is_ok()))
    }
}
