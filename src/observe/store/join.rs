//! The listings of one instance, joined by artifact.
//!
//! Every listing comes by key and artifacts are in the order of their ids, so each object finds its artifact next to the last one.
//!
//! Of several checks of a generation one stands. A failure stands until a pass at its level or deeper; a pass stands until the
//! next one that read stored bytes (level 1 and up), so that a look at presence does not undo it; what could not be run stands
//! only while there is nothing else.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::facts::{Artifact, Check, CheckResult, Generation, Hold, Leftover, Listing, Orphan, Payload, Series};
use crate::model::id::{ArtifactId, Instant, Name};
use crate::store::documents;
use crate::store::key::{CatalogKey, RECORD_SUFFIX};
use crate::store::layout::{self, Area, CheckKey, MARK, Place, SCRATCH_PREFIX, Verdict};
use crate::store::record::Record;
use crate::store::{Object, Reach, ReadStore, StoreError, Survey};

/// Foreign keys that are named; a wrong path must not make a listing of somebody's home.
const FOREIGN: usize = 1000;
/// Run records that one look reads.
const RUNS: usize = 1000;

pub(super) struct Join<'a> {
    pub(super) store: &'a dyn ReadStore,
    pub(super) instance: &'a Name,
    pub(super) listing: Listing,
    /// By series, ids whose records cannot be read: their payload is nobody's orphan.
    veiled: BTreeMap<Name, BTreeSet<String>>,
}

impl<'a> Join<'a> {
    pub(super) fn new(store: &'a dyn ReadStore, instance: &'a Name, listing: Listing) -> Self {
        Self { store, instance, listing, veiled: BTreeMap::new() }
    }

    pub(super) fn finish(mut self) -> Listing {
        for series in self.listing.series.values_mut() {
            series.artifacts.retain(|artifact| !artifact.generations.is_empty());
        }
        self.listing.foreign.sort_unstable();
        self.listing.leftovers.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        self.listing
    }

    /// What lies beside the instance.
    pub(super) fn around(&mut self, root: Survey) -> Result<(), StoreError> {
        for folder in root.folders.iter().filter(|folder| folder.strip_suffix('/') != Some(self.instance.as_str())) {
            // what `doctor` tries out goes with it; some services list its folder a while longer
            if !folder.starts_with(SCRATCH_PREFIX) && !self.is_instance(folder) {
                self.foreign(folder.clone());
            }
        }
        let objects = self.rest(root);
        self.strange(objects.into_iter().filter(|object| object.key != MARK));
        let inside = self.store.survey(&format!("{}/", self.instance), Reach::Flat)?;
        for folder in inside.folders.iter().filter(|folder| Area::from_name(folder.trim_end_matches('/')).is_none()) {
            self.foreign(format!("{}/{folder}", self.instance));
        }
        let objects = self.rest(inside);
        self.strange(objects);
        Ok(())
    }

    /// Whether a folder beside ours is another instance's: it holds areas and nothing else.
    fn is_instance(&self, folder: &str) -> bool {
        let named = folder.strip_suffix('/').is_some_and(|name| name.parse::<Name>().is_ok());
        let inside = if named { self.store.survey(folder, Reach::Flat).ok() } else { None };
        inside.is_some_and(|inside| {
            let known = |folder: &String| Area::from_name(folder.trim_end_matches('/')).is_some();
            inside.objects.is_empty() && inside.strangers.is_empty() && !inside.folders.is_empty() && inside.folders.iter().all(known)
        })
    }

    /// Takes a survey of objects that need no more than to be ours.
    pub(super) fn take(&mut self, survey: Survey, ours: impl Fn(&Place<'_>) -> bool) {
        let instance = self.instance;
        let objects = self.rest(survey);
        self.strange(objects.into_iter().filter(|object| !layout::parse(instance, &object.key).is_some_and(|place| ours(&place))));
    }

    /// Takes what every survey has beside its objects.
    pub(super) fn rest(&mut self, survey: Survey) -> Vec<Object> {
        self.listing.complete &= survey.unread.is_empty();
        self.listing.leftovers.extend(survey.leftovers.into_iter().map(leftover));
        survey.strangers.into_iter().for_each(|key| self.foreign(key));
        survey.objects
    }

    fn strange(&mut self, objects: impl IntoIterator<Item = Object>) {
        objects.into_iter().for_each(|object| self.foreign(object.key));
    }

    fn foreign(&mut self, key: String) {
        if self.listing.foreign.len() < FOREIGN {
            self.listing.foreign.push(key);
        }
    }

    pub(super) fn catalog(&mut self, objects: Vec<Object>) {
        let prefix = Area::Catalog.folder(self.instance);
        let mut at: Option<(Name, Series)> = None;
        for Object { key, bytes, .. } in objects {
            let parts = key[prefix.len()..].split_once('/').filter(|(_, file)| !file.contains('/') && file.ends_with(RECORD_SUFFIX));
            let Some((series, file)) = parts else {
                self.foreign(key);
                continue;
            };
            if at.as_ref().is_none_or(|(name, _)| name.as_str() != series) {
                let Ok(name) = series.parse::<Name>() else {
                    self.foreign(key);
                    continue;
                };
                self.listing.series.extend(at.replace((name, Series::default())));
            }
            let Some((name, series)) = &mut at else { continue };
            // no record is empty; one that is was cut off by something below us
            let known = CatalogKey::from_file_name(file).ok().filter(|_| bytes > 0);
            if !known.is_some_and(|key| add(&mut series.artifacts, &key, self.listing.payload_listed)) {
                let id = file.split('_').next().unwrap_or_default().to_owned();
                self.veiled.entry(name.clone()).or_default().insert(id);
                series.unreadable.push(key);
            }
        }
        self.listing.series.extend(at);
        for series in self.listing.series.values_mut() {
            series.artifacts.shrink_to_fit();
            series.artifacts.sort_by_key(|artifact| artifact.id);
            for artifact in &mut series.artifacts {
                artifact.generations.sort_by_key(|generation| generation.n);
            }
        }
    }

    pub(super) fn data(&mut self, objects: &[Object]) {
        let prefix = Area::Data.folder(self.instance).len();
        let same = |a: &Object, b: &Object| folder(&a.key[prefix..]).is_some_and(|f| folder(&b.key[prefix..]) == Some(f));
        let mut cursor = 0;
        let mut last = "";
        for group in objects.chunk_by(same) {
            let parts = folder(&group[0].key[prefix..]).and_then(|folder| folder.split_once('/'));
            let known = parts.and_then(|(series, id)| Some((series, series.parse::<Name>().ok()?, id.parse::<ArtifactId>().ok()?)));
            let Some((text, series, id)) = known else {
                self.strange(group.iter().cloned());
                continue;
            };
            if text != last {
                (cursor, last) = (0, text);
            }
            self.folder(&series, &id, group, &mut cursor);
        }
    }

    /// One artifact's folder: its generations against what their keys say.
    fn folder(&mut self, name: &Name, id: &ArtifactId, group: &[Object], cursor: &mut usize) {
        let below = layout::payload_folder(self.instance, name, id, 1).len();
        let mut parts: Vec<(u32, Vec<&Object>)> = Vec::new();
        for object in group {
            let Some((generation, _)) = layout::generation_of(&object.key[below..]) else {
                self.foreign(object.key.clone());
                continue;
            };
            match parts.iter_mut().find(|(n, _)| *n == generation) {
                Some((_, objects)) => objects.push(object),
                None => parts.push((generation, vec![object])),
            }
        }
        for (n, objects) in parts {
            let bytes = objects.iter().fold(0_u64, |sum, object| sum.saturating_add(object.bytes));
            let series = self.listing.series.entry(name.clone()).or_default();
            let artifact = find(&mut series.artifacts, id, cursor);
            let generation = artifact.and_then(|artifact| {
                let key = artifact.generations.iter().find(|generation| generation.n == n).map(|generation| key_of(artifact, generation));
                key.zip(artifact.generations.iter_mut().find(|generation| generation.n == n))
            });
            match generation {
                Some((_, generation)) if generation.bytes == bytes => {
                    generation.payload = Payload::Complete;
                    generation.largest = objects.iter().map(|object| object.bytes).max().unwrap_or(0);
                    generation.readable = objects.iter().any(|object| !layout::is_encrypted(&object.key));
                }
                Some((key, _)) => self.ask(name, &key, &objects),
                None if self.veiled.get(name).is_some_and(|ids| ids.contains(&id.to_string())) => {}
                None => {
                    let keys = objects.iter().map(|object| object.key.clone()).collect();
                    let youngest = objects.iter().map(|object| object.modified).max().unwrap_or_default();
                    series.orphans.push(Orphan {
                        id: id.to_string(),
                        generation: n,
                        keys,
                        bytes,
                        youngest,
                        abandoned: false,
                        locked_until: None,
                    });
                }
            }
        }
    }

    /// The sum differs, which is no verdict: the record says what should be there.
    fn ask(&mut self, name: &Name, key: &CatalogKey, objects: &[&Object]) {
        let place = layout::record(self.instance, name, key);
        let Ok(bytes) = self.store.get(&place) else {
            self.listing.complete = false;
            return;
        };
        let record = Record::read(&bytes).and_then(|record| record.matches(key).map(|()| record));
        let folder = layout::payload_folder(self.instance, name, &key.id, key.generation);
        let Some(series) = self.listing.series.get_mut(name) else { return };
        let Ok(at) = series.artifacts.binary_search_by_key(&key.id, |artifact| artifact.id) else { return };
        let Ok(record) = record.map_err(drop).and_then(|record| if record.series == *name { Ok(record) } else { Err(()) }) else {
            series.artifacts[at].generations.retain(|generation| generation.n != key.generation);
            series.unreadable.push(place);
            self.veiled.entry(name.clone()).or_default().insert(key.id.to_string());
            return;
        };
        let file = |object: &Object| object.key[folder.len()..].to_owned();
        let sizes: BTreeMap<String, u64> = objects.iter().map(|object| (file(object), object.bytes)).collect();
        if let Some(generation) = series.artifacts[at].generations.iter_mut().find(|generation| generation.n == key.generation) {
            let whole = record.objects().all(|segment| sizes.get(&segment.name) == Some(&segment.bytes));
            generation.payload = if whole { Payload::Complete } else { Payload::Damaged };
            generation.largest = record.objects().map(|segment| segment.bytes).max().unwrap_or(0);
            generation.readable = record.recipients.is_empty();
        }
        let named: BTreeSet<&str> = record.objects().map(|segment| segment.name.as_str()).collect();
        self.strange(objects.iter().filter(|object| !named.contains(file(object).as_str())).map(|object| (*object).clone()));
    }

    pub(super) fn checks(&mut self, objects: Vec<Object>) {
        let mut cursor = 0;
        for object in objects {
            let Some(Place::Check(name, id, check)) = layout::parse(self.instance, &object.key) else {
                self.foreign(object.key);
                continue;
            };
            let artifact = self.listing.series.get_mut(&name).and_then(|series| find(&mut series.artifacts, &id, &mut cursor));
            match artifact {
                Some(artifact) => {
                    if let Some(generation) = artifact.generations.iter_mut().find(|generation| generation.n == check.generation) {
                        generation.check = Some(standing(generation.check, check));
                    }
                }
                None if self.veiled.get(&name).is_some_and(|ids| ids.contains(&id.to_string())) => {}
                // its artifact was deleted, and the delete ended before its last step
                None => self.listing.leftovers.push(leftover(object)),
            }
        }
    }

    /// A pin on what is not here is left alone: a person set it, and the artifact may be on its way.
    pub(super) fn holds(&mut self, objects: Vec<Object>) {
        let mut cursor = 0;
        for object in objects {
            let Some(Place::Hold(series, id, name)) = layout::parse(self.instance, &object.key) else {
                self.foreign(object.key);
                continue;
            };
            let artifact = self.listing.series.get_mut(&series).and_then(|series| find(&mut series.artifacts, &id, &mut cursor));
            if let Some(artifact) = artifact {
                artifact.holds.push(Hold { name: name.as_str().to_owned() });
            }
        }
    }

    /// Runs are listed by time and expire in about that order, so reading stops at the first that is to stay.
    pub(super) fn runs(&mut self, objects: Vec<Object>, now: Instant) {
        #[derive(Deserialize)]
        struct Expiry {
            expires: Instant,
        }
        let mut left = RUNS;
        for object in objects {
            if !matches!(layout::parse(self.instance, &object.key), Some(Place::Run(..))) {
                self.foreign(object.key);
            } else if left > 0 {
                left -= 1;
                match self.store.get(&object.key).ok().map(|bytes| documents::read::<Expiry>(&bytes)) {
                    Some(Ok(run)) if run.expires <= now => self.listing.expired_runs.push(leftover(object)),
                    Some(Ok(_)) => left = 0,
                    // unreadable, newer or gone: no reason to touch it, nor to look no further
                    Some(Err(_)) | None => {}
                }
            }
        }
    }
}

/// Adds a record to its artifact; false if it contradicts another record of the same artifact.
fn add(artifacts: &mut Vec<Artifact>, key: &CatalogKey, payload_listed: bool) -> bool {
    let CatalogKey { id, instant, slot, need, set, bytes, generation: n } = *key;
    let payload = if bytes == 0 || !payload_listed { Payload::Complete } else { Payload::Damaged };
    let generation = Generation { n, bytes, largest: 0, payload, readable: false, check: None };
    match artifacts.last_mut().filter(|last| last.id == id) {
        None => {
            artifacts.push(Artifact { id, instant, slot, need, set, generations: vec![generation], holds: Vec::new(), locked_until: None });
            true
        }
        Some(last) => {
            let agrees = (last.instant, last.slot, last.need, last.set) == (instant, slot, need, set);
            let good = agrees && last.generations.iter().all(|other| other.n != n);
            if good {
                last.generations.push(generation);
            }
            good
        }
    }
}

/// The artifact, from where the last one was found.
fn find<'a>(artifacts: &'a mut [Artifact], id: &ArtifactId, cursor: &mut usize) -> Option<&'a mut Artifact> {
    let near = [*cursor, *cursor + 1].into_iter().find(|at| artifacts.get(*at).is_some_and(|artifact| artifact.id == *id));
    let at = near.or_else(|| artifacts.binary_search_by_key(id, |artifact| artifact.id).ok())?;
    *cursor = at;
    artifacts.get_mut(at)
}

pub(super) fn key_of(artifact: &Artifact, generation: &Generation) -> CatalogKey {
    let Artifact { id, instant, slot, need, set, .. } = *artifact;
    CatalogKey { id, instant, slot, need, set, bytes: generation.bytes, generation: generation.n }
}

/// `<series>/<id>` of a key in the data area.
fn folder(rest: &str) -> Option<&str> {
    let series = rest.find('/')?;
    let id = rest[series + 1..].find('/')?;
    Some(&rest[..series + 1 + id])
}

fn leftover(object: Object) -> Leftover {
    let Object { key, bytes, modified } = object;
    Leftover { key, bytes, modified, abandoned: false, locked_until: None }
}

fn standing(old: Option<Check>, key: CheckKey) -> Check {
    let CheckKey { at, level, verdict, .. } = key;
    let result = match verdict {
        Verdict::Pass => CheckResult::Pass,
        Verdict::Fail => CheckResult::Fail,
        Verdict::Unrun => CheckResult::Unrun,
    };
    let new = Check { at, level, result };
    let Some(old) = old else { return new };
    let replaces = match (old.result, new.result) {
        (CheckResult::Unrun, _) | (_, CheckResult::Fail) => true,
        (_, CheckResult::Unrun) => false,
        (CheckResult::Fail, CheckResult::Pass) => new.level >= old.level,
        (CheckResult::Pass, CheckResult::Pass) => new.level >= old.level.min(1),
    };
    if replaces { new } else { old }
}
