//! A store in memory, and what a look at it shows.

use chrono::Duration;

use crate::facts::{Listing, Payload, StoreFacts, Trouble};
use crate::model::id::{ArtifactId, Capture, Instant, Name, Random};
use crate::observe::store::{Look, look};
use crate::store::documents::{self, StoreMark};
use crate::store::key::CatalogKey;
use crate::store::layout::{self, MARK};
use crate::store::record::{Record, Segment};
use crate::store::{Memory, Sha256Sum};

pub(super) const UUID: &str = "07070707-0707-4707-8707-070707070707";
pub(super) const EXAMPLE: &[u8] = include_bytes!("../../../../tests/integration/formats/record/v1.json");

pub(super) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(super) fn now() -> Instant {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

pub(super) fn store() -> Memory {
    let store = Memory::new();
    store.set_time(now());
    store.put(MARK, &documents::write(&StoreMark::new([7; 16], now())));
    store
}

pub(super) fn id(n: u8) -> ArtifactId {
    ArtifactId::new(now() - Duration::hours(100) + Duration::hours(n.into()), Capture::Full, Random::new([n; 10]))
}

/// A record of one segment and an index, of `bytes` and 3 bytes.
pub(super) fn record(n: u8, bytes: u64) -> Record {
    let segment = |name: &str, bytes| Segment { name: name.to_owned(), bytes, sha256: Sha256Sum::of(b"") };
    Record {
        series: name("config"),
        id: id(n),
        slot: Some(id(n).start()),
        start: id(n).start(),
        instant: id(n).start(),
        set: None,
        segments: vec![segment("files.tar.zst", bytes)],
        index: Some(segment("files.tar.zst.index", 3)),
        ..Record::read(EXAMPLE).unwrap()
    }
}

pub(super) fn put(store: &Memory, record: &Record, generation: u32) -> CatalogKey {
    let key = record.catalog_key(generation);
    store.put(&layout::record(&name("lucid"), &record.series, &key), &record.write());
    for segment in record.objects() {
        store.put(&data(&key, &segment.name), &vec![1; usize::try_from(segment.bytes).unwrap()]);
    }
    key
}

pub(super) fn data(key: &CatalogKey, file: &str) -> String {
    layout::data(&name("lucid"), &name("config"), &key.id, key.generation, file)
}

pub(super) fn seen_by(store: &Memory, remembered: Option<&str>) -> StoreFacts {
    look(store, &Look { known: remembered, ..usual(&name("lucid")) })
}

/// A look for `host-1`.
pub(super) fn usual(instance: &Name) -> Look<'_> {
    Look { instance, known: None, host: Some("host-1"), payload: true, side_by_side: false, own: &[], now: now() }
}

pub(super) fn listing(store: &Memory) -> Listing {
    match seen_by(store, Some(UUID)) {
        StoreFacts::Ready(listing) => *listing,
        other => panic!("{other:?}"),
    }
}

pub(super) fn trouble(facts: StoreFacts) -> Trouble {
    match facts {
        StoreFacts::Unusable(trouble) => trouble,
        other => panic!("{other:?}"),
    }
}

pub(super) fn payloads(listing: &Listing) -> Vec<Vec<(u32, Payload)>> {
    let artifacts = &listing.series[&name("config")].artifacts;
    artifacts.iter().map(|artifact| artifact.generations.iter().map(|g| (g.n, g.payload)).collect()).collect()
}

pub(super) fn ready(facts: StoreFacts) -> Listing {
    match facts {
        StoreFacts::Ready(listing) => *listing,
        other => panic!("{other:?}"),
    }
}
