//! One run: what its steps share, and the dispatch from a step to what performs it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use super::error::StepError;
use super::event::{Done, Event};
use super::holding::Holding;
use super::ports::Ports;
use super::window::Open;
use super::{capture, copy, remove};
use crate::facts::{Artifact, Facts, StoreFacts};
use crate::model::id::{ArtifactId, Name, Random};
use crate::model::{PolicySet, StoreKind};
use crate::plan::{Step, Work};
use crate::store::documents::{FormatVersion, OwnerRecord};
use crate::store::key::CatalogKey;
use crate::store::record::{Record, Segment};
use crate::store::{Created, ReadStore, WriteStore, layout};

/// What the steps of a run share.
pub(super) struct Run {
    pub(super) set: Arc<PolicySet>,
    pub(super) ports: Ports,
    pub(super) id: Random,
    /// The world as it was listed under the locks, before this stage.
    pub(super) facts: Facts,
    /// The window in which it happens.
    pub(super) window: Option<Arc<Open>>,
    /// Its leases.
    pub(super) held: Arc<Holding>,
    /// Stores and series in which what stays was read before something went.
    pub(super) floors: Mutex<BTreeSet<(Name, Name)>>,
}

impl Run {
    /// Performs one step.
    pub(super) fn perform(&self, step: &Step) -> Result<Done, StepError> {
        let overdue = || self.window.as_ref().and_then(|window| window.overdue());
        self.dispatch(step).map_err(|error| match (error, overdue()) {
            (StepError::Interrupted, Some(seconds)) => StepError::Overdue { seconds },
            (error, _) => error,
        })
    }

    fn dispatch(&self, step: &Step) -> Result<Done, StepError> {
        match &step.work {
            Work::Init { store } => super::init::perform(self, store),
            Work::Capture { policy, store, slot, .. } => capture::perform(self, &step.address, &self.set.policies[policy], store, *slot),
            Work::Copy { series, id, from, store, generation, as_generation, .. } => {
                let id = id.ok_or_else(|| StepError::Changed(format!("`{}` names no artifact", step.address)))?;
                copy::perform(
                    self,
                    &step.address,
                    &copy::Job { series, id, from, to: store, generation: *generation, as_generation: *as_generation },
                )
            }
            Work::Delete { series, id, store, .. } => remove::delete(self, &step.address, series, *id, store),
            Work::Sweep { store, series, keys, bytes } => remove::sweep(self, store, series.as_ref(), keys, *bytes),
            Work::Recover { .. } | Work::Stop { .. } | Work::Start { .. } => {
                Err(StepError::Changed(format!("`{}` is part of a window and nothing by itself", step.address)))
            }
        }
    }

    pub(super) fn store(&self, name: &Name) -> Result<&Arc<dyn WriteStore>, StepError> {
        self.ports.stores.get(name).ok_or_else(|| StepError::Changed(format!("store `{name}` cannot be used")))
    }

    /// An artifact as it was listed before this stage.
    pub(super) fn listed(&self, store: &Name, series: &Name, id: ArtifactId) -> Option<&Artifact> {
        let listing = self.facts.stores.get(store).and_then(StoreFacts::listing)?;
        listing.series.get(series)?.artifacts.iter().find(|a| a.id == id)
    }

    /// That what is about to be changed in a series of a store is ours to change.
    pub(super) fn entitled(&self, store: &Name, series: &Name) -> Result<(), StepError> {
        self.held.check(&self.set, store, series)
    }

    /// Remembers what a store is about to take, where it may list that late. An artifact is none the worse without, and a key that is
    /// not there in the end is looked for in vain.
    pub(super) fn remember(&self, store: &Name, key: String, record: &Record, generation: u32) {
        if self.set.stores.get(store).is_none_or(|s| matches!(s.kind, StoreKind::Directory { .. })) {
            return;
        }
        let folder = layout::payload_folder(&self.set.instance, &record.series, &record.id, generation);
        let payload = record.objects().map(|object| (format!("{folder}{}", object.name), object.bytes));
        let objects: Vec<(String, u64)> = payload.chain([(key, record.write().len() as u64)]).collect();
        if let Err(error) = self.ports.state.committed(&self.set.instance, store, &objects, self.ports.now()) {
            self.warn(record.id.to_string().as_str(), format!("it is not remembered as new: {error}"));
        }
    }

    pub(super) fn warn(&self, address: &str, message: String) {
        self.ports.say(Event::StepWarning { address: address.to_owned(), message });
    }

    pub(super) fn stop_if_cancelled(&self) -> Result<(), StepError> {
        if self.ports.cancelled() { Err(StepError::Interrupted) } else { Ok(()) }
    }

    /// Makes this host the owner of the instance in a store that has none; another host's claim is an error.
    pub(super) fn claim(&self, store: &dyn WriteStore) -> Result<(), StepError> {
        let record = OwnerRecord {
            format_version: FormatVersion::CURRENT,
            host: self.ports.host.id.clone(),
            hostname: self.ports.host.name.clone(),
            at: self.ports.now(),
        };
        let key = layout::owner(&self.set.instance, 1);
        if store.create(&key, &crate::store::documents::write(&record))? == Created::New {
            return Ok(());
        }
        let claims = store.list(&layout::Area::Owner.folder(&self.set.instance))?;
        let newest = claims
            .iter()
            .filter_map(|o| match layout::parse(&self.set.instance, &o.key)? {
                layout::Place::Owner(n) => Some((n, &o.key)),
                _ => None,
            })
            .max();
        // the one that stands in the way may be listed late
        let key = newest.map_or(&key, |(_, newest)| newest);
        let owner: OwnerRecord =
            crate::store::documents::read(&store.get(key)?).map_err(|e| StepError::Damaged(format!("{}: `{key}`: {e}", store.place())))?;
        if owner.host == self.ports.host.id {
            Ok(())
        } else {
            Err(StepError::Changed(format!("{}: the instance `{}` belongs to host `{}`", store.place(), self.set.instance, owner.hostname)))
        }
    }
}

/// The key of one generation of a listed artifact.
pub(super) fn key_of(artifact: &Artifact, generation: u32) -> Option<CatalogKey> {
    let found = artifact.generations.iter().find(|g| g.n == generation)?;
    Some(CatalogKey {
        id: artifact.id,
        instant: artifact.instant,
        slot: artifact.slot,
        need: artifact.need,
        set: artifact.set,
        bytes: found.bytes,
        generation,
    })
}

/// Whether every object of a generation is listed with its size: the last look before its record is written.
pub(super) fn payload_listed<'a>(store: &dyn ReadStore, folder: &str, objects: impl Iterator<Item = &'a Segment>) -> Result<(), StepError> {
    let listed = store.list(folder)?;
    for object in objects {
        let key = format!("{folder}{}", object.name);
        match listed.iter().find(|o| o.key == key) {
            Some(found) if found.bytes == object.bytes => {}
            Some(found) => {
                return Err(StepError::Damaged(format!(
                    "{}: `{key}` has {} bytes, {} were written",
                    store.place(),
                    found.bytes,
                    object.bytes
                )));
            }
            // some services list late
            None if store.look(&key)?.is_some_and(|found| found.bytes == object.bytes) => {}
            None => return Err(StepError::Damaged(format!("{}: `{key}` was written and is not listed", store.place()))),
        }
    }
    Ok(())
}
