//! What a plan must know of what it would remove, asked of nothing else: until when a store has promised to keep it, and for a
//! janitor under which rules the newest artifact was made.
//!
//! Each is a request of its own, so that a plan is made without them first, and made again with the answers for what it would
//! remove, until nothing is left that was not asked for. What cannot be asked stays unknown: then its removal is refused by the
//! store, or by whoever removes it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::run::key_of;
use crate::facts::{Artifact, Facts, StoreFacts, Writer};
use crate::model::id::{ArtifactId, Instant, Name};
use crate::model::{PolicySet, StoreKind};
use crate::plan::{Candidate, Plan, Role, Work};
use crate::store::record::Record;
use crate::store::{StoreError, WriteStore, layout};

/// The plan that `decide` makes once the facts hold what it must know of what it would remove.
pub fn informed(
    set: &PolicySet,
    stores: &BTreeMap<Name, Arc<dyn WriteStore>>,
    facts: &mut Facts,
    role: Role,
    decide: impl Fn(&Facts) -> Plan,
) -> Plan {
    let mut asked: BTreeSet<String> = BTreeSet::new();
    loop {
        let plan = decide(facts);
        let mut more = false;
        for Candidate { store: name, series, id } in &plan.candidates {
            let Some(store) = stores.get(name) else { continue };
            if role == Role::Janitor && asked.insert(format!("{name}/{series}")) {
                more |= ask_writer(set, store.as_ref(), facts, name, series);
            }
            if may_promise(set, name) && asked.insert(format!("{name}/{series}/{id}")) {
                more |= ask_artifact(set, store.as_ref(), facts, name, series, *id);
            }
        }
        for step in &plan.steps {
            let Work::Sweep { store: name, keys, .. } = &step.work else { continue };
            let Some(store) = stores.get(name).filter(|_| may_promise(set, name)) else { continue };
            let new: BTreeSet<&String> = keys.iter().filter(|key| asked.insert(format!("{name}:{key}"))).collect();
            more |= ask_left(store.as_ref(), facts, name, &new);
        }
        if !more {
            return plan;
        }
    }
}

/// Whether there is anything to ask at all.
pub fn asks(set: &PolicySet, role: Role) -> bool {
    role == Role::Janitor || set.stores.keys().any(|store| may_promise(set, store))
}

/// Whether a store may keep something for a time, by the manifest as it is or as it was when that was made.
fn may_promise(set: &PolicySet, store: &Name) -> bool {
    set.stores.get(store).is_some_and(|store| matches!(store.kind, StoreKind::S3(_)))
}

/// Whether a store keeps what it is given for a time.
pub(super) fn promises(set: &PolicySet, store: &Name) -> bool {
    set.stores.get(store).is_some_and(|store| matches!(&store.kind, StoreKind::S3(s3) if s3.object_lock.is_some()))
}

/// Until when an object stays; one that is not there may go.
pub(super) fn kept_until(store: &dyn WriteStore, key: &str) -> Result<Option<Instant>, StoreError> {
    match store.retained(key) {
        Err(error) if error.is_not_found() => Ok(None),
        other => other,
    }
}

fn artifact<'a>(facts: &'a mut Facts, store: &Name, series: &Name, id: ArtifactId) -> Option<&'a mut Artifact> {
    let Some(StoreFacts::Ready(listing)) = facts.stores.get_mut(store) else { return None };
    listing.series.get_mut(series)?.artifacts.iter_mut().find(|a| a.id == id)
}

/// Its records and the first object of its payload: all of it was written within one run.
fn ask_artifact(set: &PolicySet, store: &dyn WriteStore, facts: &mut Facts, name: &Name, series: &Name, id: ArtifactId) -> bool {
    let Some(artifact) = artifact(facts, name, series, id) else { return false };
    let records = artifact.generations.iter().filter_map(|g| Some(layout::record(&set.instance, series, &key_of(artifact, g.n)?)));
    let mut keys: Vec<String> = records.collect();
    if artifact.bytes() > 0 {
        let payload = store.list(&layout::payload_folder(&set.instance, series, &id, 1)).unwrap_or_default();
        keys.extend(payload.into_iter().next().map(|object| object.key));
    }
    artifact.locked_until = keys.iter().filter_map(|key| kept_until(store, key).ok()?).max();
    artifact.locked_until.is_some()
}

fn ask_left(store: &dyn WriteStore, facts: &mut Facts, name: &Name, keys: &BTreeSet<&String>) -> bool {
    let Some(StoreFacts::Ready(listing)) = facts.stores.get_mut(name) else { return false };
    let mut found = false;
    for orphan in listing.series.values_mut().flat_map(|s| &mut s.orphans).filter(|o| o.keys.iter().any(|key| keys.contains(key))) {
        orphan.locked_until = orphan.keys.iter().filter_map(|key| kept_until(store, key).ok()?).max();
        found |= orphan.locked_until.is_some();
    }
    for leftover in listing.leftovers.iter_mut().chain(&mut listing.expired_runs).filter(|l| keys.contains(&l.key)) {
        leftover.locked_until = kept_until(store, &leftover.key).ok().flatten();
        found |= leftover.locked_until.is_some();
    }
    found
}

/// The newest record of a series there.
fn ask_writer(set: &PolicySet, store: &dyn WriteStore, facts: &mut Facts, name: &Name, series: &Name) -> bool {
    let Some(StoreFacts::Ready(listing)) = facts.stores.get_mut(name) else { return false };
    let Some(found) = listing.series.get_mut(series) else { return false };
    let Some(newest) = found.artifacts.iter().max_by_key(|a| (a.instant, a.id)) else { return false };
    let Some(key) = newest.generations.last().and_then(|g| key_of(newest, g.n)) else { return false };
    let place = layout::record(&set.instance, series, &key);
    let read = |bytes: Vec<u8>| Record::read(&bytes).map_err(|error| format!("record `{place}`: {error}"));
    found.writer = Some(match store.get(&place).map_err(|error| super::error::chain(&error)).and_then(read) {
        Ok(record) => Writer::Said {
            id: record.id,
            manifest_sha256: record.manifest_sha256.to_string(),
            rules: record.rules.map(|rules| rules.to_string()),
        },
        Err(message) => Writer::Unread { message },
    });
    true
}
