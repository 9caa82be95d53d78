//! The payload of an instance against what the keys of its records say.
//!
//! It comes in pieces, and the objects of one artifact can come in two of them. What adds up at once is whole; the rest waits for the
//! last piece. Only where the sum differs then is the record asked, so that no list of objects is held for what is as it should be.

use std::collections::{BTreeMap, BTreeSet};

use super::join::{Join, find, key_of};
use crate::facts::{Generation, Orphan, Payload};
use crate::model::id::{ArtifactId, Name};
use crate::store::Object;
use crate::store::key::CatalogKey;
use crate::store::layout::{self, Area};
use crate::store::record::Record;

impl Join<'_> {
    /// A piece of the payload.
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
            self.folder(&series, id, group, &mut cursor);
        }
    }

    /// An artifact's folder, or a part of it: its generations against what their keys say.
    fn folder(&mut self, name: &Name, id: ArtifactId, group: &[Object], cursor: &mut usize) {
        let below = layout::payload_folder(self.instance, name, &id, 1).len();
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
            let artifact = self.listing.series.get_mut(name).and_then(|series| find(&mut series.artifacts, &id, cursor));
            let generation = artifact.and_then(|artifact| artifact.generations.iter_mut().find(|generation| generation.n == n));
            match generation {
                Some(generation) if generation.payload == Payload::Damaged && generation.bytes == sum(&objects) => {
                    complete(generation, &objects);
                }
                _ => self.open.entry((name.clone(), id, n)).or_default().extend(objects.into_iter().cloned()),
            }
        }
    }

    /// The payload is whole: what did not add up at once is added up, or asked for, or belongs to no record.
    pub(super) fn end_data(&mut self) {
        for ((name, id, n), mut objects) in std::mem::take(&mut self.open) {
            let artifacts = self.listing.series.get_mut(&name).map(|series| series.artifacts.as_mut_slice()).unwrap_or_default();
            let artifact = find(artifacts, &id, &mut 0);
            let key = artifact.as_ref().and_then(|artifact| {
                let generation = artifact.generations.iter().find(|generation| generation.n == n)?;
                Some((key_of(artifact, generation), generation.payload))
            });
            let Some((key, payload)) = key else {
                if !self.veiled.get(&name).is_some_and(|ids| ids.contains(&id.to_string())) {
                    self.listing.series.entry(name).or_default().orphans.push(orphan(id, n, objects));
                }
                continue;
            };
            if payload == Payload::Complete && key.bytes > 0 {
                // what is here came after what had added up
                let folder = layout::payload_folder(self.instance, &name, &id, n);
                let Ok(all) = self.store.list(&folder) else {
                    self.listing.complete = false;
                    continue;
                };
                objects = all;
                objects.retain(|object| !object.key[folder.len()..].contains('/'));
            }
            let objects: Vec<&Object> = objects.iter().collect();
            let generation = artifact.and_then(|artifact| artifact.generations.iter_mut().find(|generation| generation.n == n));
            match generation.filter(|generation| generation.bytes == sum(&objects)) {
                Some(generation) => {
                    complete(generation, &objects);
                }
                None => self.ask(&name, &key, &objects),
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
            generation.largest = record.largest();
            generation.readable = record.recipients.is_empty();
        }
        let named: BTreeSet<&str> = record.objects().map(|segment| segment.name.as_str()).collect();
        self.strange(objects.iter().filter(|object| !named.contains(file(object).as_str())).map(|object| (*object).clone()));
    }
}

fn orphan(id: ArtifactId, generation: u32, mut objects: Vec<Object>) -> Orphan {
    objects.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    let bytes = sum(&objects.iter().collect::<Vec<_>>());
    let youngest = objects.iter().map(|object| object.modified).max().unwrap_or_default();
    let keys = objects.into_iter().map(|object| object.key).collect();
    Orphan { id: id.to_string(), generation, keys, bytes, youngest, abandoned: false, locked_until: None }
}

fn sum(objects: &[&Object]) -> u64 {
    objects.iter().fold(0, |sum, object| sum.saturating_add(object.bytes))
}

/// All of it is there, and these are its objects.
fn complete(generation: &mut Generation, objects: &[&Object]) {
    generation.payload = Payload::Complete;
    generation.largest = objects.iter().map(|object| object.bytes).max().unwrap_or(0);
    generation.readable = objects.iter().any(|object| !layout::is_encrypted(&object.key));
}

/// `<series>/<id>` of a key in the data area.
fn folder(rest: &str) -> Option<&str> {
    let series = rest.find('/')?;
    let id = rest[series + 1..].find('/')?;
    Some(&rest[..series + 1 + id])
}
