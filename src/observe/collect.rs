//! Looks at every store and source of a manifest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::store::{Look, look, mark_twins, unusable};
use crate::facts::{Facts, Owed, RuntimeFacts, SourceFacts, StoreFacts};
use crate::model::id::{Instant, Name};
use crate::model::{PolicySet, StoreKind};
use crate::runtime::Runtime;
use crate::source::{Probe, Sources};
use crate::store::layout::TEMP_PREFIX;
use crate::store::{ReadStore, StoreError};

/// What is looked at, and what is remembered of it.
pub struct Eyes {
    /// The manifest's stores; the error of one that could not be opened.
    pub stores: BTreeMap<Name, Result<Arc<dyn ReadStore>, StoreError>>,
    /// Looks at sources; none where nobody asks.
    pub sources: Option<Arc<dyn Sources>>,
    /// Looks at what runs; none where nobody asks.
    pub runtime: Option<Arc<dyn Runtime>>,
    /// What interrupted runs have quieted.
    pub owed: Vec<Owed>,
    /// The uuids that were seen before, by `<instance>/<store>`.
    pub known: BTreeMap<String, String>,
    /// `<store>/<series>/<id>` of what runs of this host that have ended were writing.
    pub abandoned: BTreeSet<String>,
    /// The tags in the names of those runs' temporary objects.
    pub dead_tags: BTreeSet<String>,
    /// This host.
    pub host: String,
    /// Keys that this host has written within a day, by store: some services list them late.
    pub own: BTreeMap<Name, Vec<String>>,
    /// Whether any owner of the instance is fine, as for whoever only reads or only removes.
    pub any_owner: bool,
    /// Whether payload is left out.
    pub catalog_only: bool,
}

/// Takes the picture.
pub fn collect(set: &PolicySet, eyes: &Eyes, now: Instant) -> Facts {
    let (mut stores, sources, runtime) = std::thread::scope(|scope| {
        let looks: Vec<_> = set.stores.keys().map(|name| (name, scope.spawn(|| see(set, eyes, name, now)))).collect();
        let runtime = engine(set, eyes);
        let sources = set.sources.values().map(|source| {
            let facts = match eyes.sources.as_ref().map(|sources| sources.probe(source, runtime.picture())) {
                Some(Probe::Ready) => SourceFacts::Ready,
                Some(Probe::Unusable(message)) => SourceFacts::Unusable(message),
                Some(Probe::NotChecked) | None => SourceFacts::NotChecked,
            };
            (source.name.clone(), facts)
        });
        let sources: BTreeMap<Name, SourceFacts> = sources.collect();
        let stores: BTreeMap<Name, StoreFacts> = looks
            .into_iter()
            .map(|(name, look)| (name.clone(), look.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))))
            .collect();
        (stores, sources, runtime)
    });
    mark_twins(&mut stores);
    Facts { at: now, host: eyes.host.clone(), stores, sources, runtime, owed: eyes.owed.clone() }
}

/// What runs, where the manifest has anything to do with it.
fn engine(set: &PolicySet, eyes: &Eyes) -> RuntimeFacts {
    let Some(runtime) = &eyes.runtime else { return RuntimeFacts::NotChecked };
    if !set.needs_engine() {
        return RuntimeFacts::NotNeeded;
    }
    match runtime.picture() {
        Ok(picture) => RuntimeFacts::Seen(Box::new(picture)),
        Err(error) => RuntimeFacts::Unreachable(error.to_string()),
    }
}

fn see(set: &PolicySet, eyes: &Eyes, name: &Name, now: Instant) -> StoreFacts {
    let known = eyes.known.get(&format!("{}/{name}", set.instance)).map(String::as_str);
    let mut facts = match eyes.stores.get(name) {
        Some(Ok(store)) => look(
            store.as_ref(),
            &Look {
                instance: &set.instance,
                known,
                host: (!eyes.any_owner).then_some(eyes.host.as_str()),
                payload: !eyes.catalog_only,
                side_by_side: set.stores.get(name).is_some_and(|store| matches!(store.kind, StoreKind::S3(_))),
                own: eyes.own.get(name).map_or(&[], Vec::as_slice),
                now,
            },
        ),
        Some(Err(error)) => unusable(error),
        None => StoreFacts::New,
    };
    if let StoreFacts::Ready(listing) = &mut facts {
        for tag in &eyes.dead_tags {
            let name = format!("{TEMP_PREFIX}{tag}-");
            for leftover in listing.leftovers.iter_mut().filter(|l| l.key.contains(&name)) {
                leftover.abandoned = true;
            }
        }
        let mine: Vec<&str> = eyes.abandoned.iter().filter_map(|a| a.strip_prefix(name.as_str())?.strip_prefix('/')).collect();
        for what in mine {
            let Some((series, id)) = what.split_once('/') else { continue };
            let folder = format!("/data/{series}/{id}/");
            for leftover in listing.leftovers.iter_mut().filter(|l| l.key.contains(&folder)) {
                leftover.abandoned = true;
            }
            let found = series.parse::<Name>().ok().and_then(|s| listing.series.get_mut(&s));
            for orphan in found.into_iter().flat_map(|s| &mut s.orphans).filter(|o| o.id == id) {
                orphan.abandoned = true;
            }
        }
    }
    facts
}
