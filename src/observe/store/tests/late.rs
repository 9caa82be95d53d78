//! Listings from before the last writes, side by side, and without payload.

use std::io::Read;

use chrono::Duration;

use super::lab::{data, listing, name, now, payloads, put, ready, record, store, usual};
use crate::facts::Payload;
use crate::model::id::Instant;
use crate::observe::store::{Look, look};
use crate::store::layout;
use crate::store::{Memory, Object, Reach, ReadStore, StoreError, Survey, WriteStore};

/// A store that shows a listing from before the last writes, and has a clock.
struct Late {
    now: Memory,
    before: Memory,
    clock: Instant,
}

impl ReadStore for Late {
    fn survey(&self, prefix: &str, reach: Reach) -> Result<Survey, StoreError> {
        self.before.survey(prefix, reach)
    }

    fn clock(&self) -> Result<Option<Instant>, StoreError> {
        Ok(Some(self.clock))
    }

    fn place(&self) -> String {
        self.now.place()
    }

    fn get(&self, key: &str) -> Result<Vec<u8>, StoreError> {
        self.now.get(key)
    }

    fn open(&self, key: &str, offset: u64) -> Result<Box<dyn Read + Send>, StoreError> {
        self.now.open(key, offset)
    }

    fn read_at(&self, key: &str, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        self.now.read_at(key, offset, buffer)
    }

    fn look(&self, key: &str) -> Result<Option<Object>, StoreError> {
        self.now.look(key)
    }

    fn free(&self) -> Result<Option<u64>, StoreError> {
        Ok(None)
    }
}

#[test]
fn what_this_host_has_just_written_is_looked_up_where_a_listing_lacks_it() {
    let store = store();
    put(&store, &record(1, 5), 1);
    let before = store.fork();
    let key = put(&store, &record(2, 6), 1);
    let record_key = layout::record(&name("lucid"), &name("config"), &key);
    let own = [data(&key, "files.tar.zst"), data(&key, "files.tar.zst.index"), record_key.clone(), "lucid/data/config/gone".to_owned()];
    let late = Late { now: store.clone(), before, clock: now() - Duration::seconds(70) };
    let instance = name("lucid");
    let without = ready(look(&late, &usual(&instance)));
    assert_eq!(payloads(&without).len(), 1);
    for side_by_side in [false, true] {
        let with = ready(look(&late, &Look { own: &own, side_by_side, ..usual(&instance) }));
        assert_eq!(payloads(&with), [vec![(1, Payload::Complete)], vec![(1, Payload::Complete)]]);
        assert!(with.series[&name("config")].orphans.is_empty() && with.foreign.is_empty());
        assert_eq!((with.clock_ahead, with.created), (Some(-70), Some(now())));
    }
    // payload that is listed and whose record is not is nobody's orphan
    let half = store.fork();
    half.delete(&record_key).unwrap();
    let late = Late { before: half, ..late };
    assert_eq!(ready(look(&late, &usual(&instance))).series[&name("config")].orphans.len(), 1);
    assert!(ready(look(&late, &Look { own: &own, ..usual(&instance) })).series[&name("config")].orphans.is_empty());
    store.delete(&record_key).unwrap();
    let gone = ready(look(&late, &Look { own: &own, ..usual(&instance) }));
    assert_eq!(gone.series[&name("config")].artifacts.len(), 1, "what is not found by its key either is forgotten");
}

#[test]
fn side_by_side_a_store_is_what_it_is_in_order() {
    let store = store();
    for n in 1..6 {
        put(&store, &record(n, u64::from(n)), 1);
    }
    put(&store, &record(3, 3), 2);
    let damaged = put(&store, &record(6, 9), 1);
    store.lose(&data(&damaged, "files.tar.zst"));
    store.put("lucid/data/config/20260101T000000000Z-full-mfrggzdfmztwq2lk/files", b"an orphan");
    store.put("lucid/lock/config", b"");
    store.put("lucid/what", b"a stranger");
    let instance = name("lucid");
    let one = ready(look(&store, &usual(&instance)));
    assert_eq!(payloads(&one).last().unwrap(), &[(1, Payload::Damaged)]);
    assert_eq!(one, ready(look(&store, &Look { side_by_side: true, ..usual(&instance) })));
}

#[test]
fn what_is_written_or_removed_while_it_is_listed_is_looked_at_again() {
    let store = store();
    let (written, removed, damaged) = (put(&store, &record(1, 5), 1), put(&store, &record(2, 6), 1), put(&store, &record(3, 7), 1));
    let before = store.fork();
    // the record was listed, its payload was not yet
    before.lose(&data(&written, "files.tar.zst"));
    // and here both were, and both are gone
    for key in [data(&removed, "files.tar.zst"), data(&removed, "files.tar.zst.index")] {
        before.lose(&key);
        store.lose(&key);
    }
    store.lose(&layout::record(&name("lucid"), &name("config"), &removed));
    for side in [&before, &store] {
        side.lose(&data(&damaged, "files.tar.zst"));
    }
    let late = Late { now: store, before, clock: now() };
    let instance = name("lucid");
    let found = ready(look(&late, &Look { side_by_side: true, ..usual(&instance) }));
    assert_eq!(payloads(&found), [vec![(1, Payload::Complete)], vec![(1, Payload::Damaged)]]);
}

#[test]
fn without_its_payload_whatever_has_a_record_counts_as_whole() {
    let store = store();
    let key = put(&store, &record(1, 5), 1);
    store.lose(&data(&key, "files.tar.zst"));
    store.put("lucid/data/config/20260101T000000000Z-full-mfrggzdfmztwq2lk/files", b"an orphan");
    for side_by_side in [false, true] {
        let found = ready(look(&store, &Look { payload: false, side_by_side, ..usual(&name("lucid")) }));
        assert_eq!((found.payload_listed, payloads(&found)), (false, vec![vec![(1, Payload::Complete)]]));
        assert!(found.series[&name("config")].orphans.is_empty());
    }
    assert!(listing(&store).payload_listed);
}
