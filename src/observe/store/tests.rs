//! Facts of stores in memory, by literals.

use std::collections::BTreeMap;
use std::io::Read;

use chrono::Duration;

use super::*;
use crate::facts::{CheckResult, Listing, Payload, StoreFacts, Trouble};
use crate::model::id::{ArtifactId, Capture, Instant, Name, Random};
use crate::store::documents::{self, FormatVersion, OwnerRecord, RunRecord, StoreMark};
use crate::store::key::CatalogKey;
use crate::store::layout::{self, CheckKey, MARK, Verdict};
use crate::store::record::{ArtifactRef, Record, Segment};
use crate::store::{Memory, Object, Reach, ReadStore, Sha256Sum, StoreError, Survey, WriteStore};

const UUID: &str = "07070707-0707-4707-8707-070707070707";
const EXAMPLE: &[u8] = include_bytes!("../../../tests/integration/formats/record/v1.json");

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn now() -> Instant {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

fn store() -> Memory {
    let store = Memory::new();
    store.set_time(now());
    store.put(MARK, &documents::write(&StoreMark::new([7; 16], now())));
    store
}

fn id(n: u8) -> ArtifactId {
    ArtifactId::new(now() - Duration::hours(100) + Duration::hours(n.into()), Capture::Full, Random::new([n; 10]))
}

/// A record of one segment and an index, of `bytes` and 3 bytes.
fn record(n: u8, bytes: u64) -> Record {
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

fn put(store: &Memory, record: &Record, generation: u32) -> CatalogKey {
    let key = record.catalog_key(generation);
    store.put(&layout::record(&name("lucid"), &record.series, &key), &record.write());
    for segment in record.objects() {
        store.put(&data(&key, &segment.name), &vec![1; usize::try_from(segment.bytes).unwrap()]);
    }
    key
}

fn data(key: &CatalogKey, file: &str) -> String {
    layout::data(&name("lucid"), &name("config"), &key.id, key.generation, file)
}

fn seen_by(store: &Memory, remembered: Option<&str>) -> StoreFacts {
    look(store, &Look { known: remembered, ..usual(&name("lucid")) })
}

/// A look for `host-1`.
fn usual(instance: &Name) -> Look<'_> {
    Look { instance, known: None, host: Some("host-1"), payload: true, side_by_side: false, own: &[], now: now() }
}

fn listing(store: &Memory) -> Listing {
    match seen_by(store, Some(UUID)) {
        StoreFacts::Ready(listing) => *listing,
        other => panic!("{other:?}"),
    }
}

fn trouble(facts: StoreFacts) -> Trouble {
    match facts {
        StoreFacts::Unusable(trouble) => trouble,
        other => panic!("{other:?}"),
    }
}

fn payloads(listing: &Listing) -> Vec<Vec<(u32, Payload)>> {
    let artifacts = &listing.series[&name("config")].artifacts;
    artifacts.iter().map(|artifact| artifact.generations.iter().map(|g| (g.n, g.payload)).collect()).collect()
}

#[test]
fn nothing_there_and_nothing_remembered_is_new() {
    let store = Memory::new();
    assert_eq!(seen_by(&store, None), StoreFacts::New);
    store.put("holiday.jpg", b"");
    store.put("music/song.mp3", b"");
    assert_eq!(seen_by(&store, None), StoreFacts::New);
    store.put("lucid/lock/config", b"");
    assert_eq!(seen_by(&store, None), StoreFacts::New, "a first run was killed after taking its lease");
}

#[test]
fn a_store_that_is_remembered_and_gone_is_away() {
    assert_eq!(trouble(seen_by(&Memory::new(), Some(UUID))), Trouble::Away { known: UUID.to_owned() });
}

#[test]
fn a_store_that_lost_its_mark_is_refused_and_not_made_anew() {
    let store = store();
    put(&store, &record(1, 5), 1);
    store.delete(MARK).unwrap();
    let Trouble::Unusable { message, help } = trouble(seen_by(&store, None)) else { panic!() };
    assert_eq!(message, "`memory` holds a folder `lucid` but no `lucid.json`, so it is not known which store it is");
    assert!(help.contains("put `lucid.json` back"), "{help}");
}

#[test]
fn another_uuid_is_another_store_and_an_unknown_one_is_ready() {
    let (known, found) = ("other".to_owned(), UUID.to_owned());
    assert_eq!(trouble(seen_by(&store(), Some("other"))), Trouble::Replaced { known, found });
    assert!(matches!(seen_by(&store(), None), StoreFacts::Ready(listing) if listing.uuid == UUID && listing.complete));
}

#[test]
fn a_newer_major_version_is_refused_and_damage_is_told_apart_from_it() {
    let store = store();
    store.put(MARK, br#"{"format_version": "2.0"}"#);
    let (object, version) = (MARK.to_owned(), "2.0".to_owned());
    assert_eq!(trouble(seen_by(&store, None)), Trouble::TooNew { object, version });
    store.put(MARK, b"{}");
    assert!(matches!(trouble(seen_by(&store, None)), Trouble::Unusable { message, .. } if message.contains("`lucid.json`")));
}

#[test]
fn the_highest_claim_counts() {
    let store = store();
    let claim = |host: &str| {
        let (host, hostname) = (host.to_owned(), "box".to_owned());
        documents::write(&OwnerRecord { format_version: FormatVersion::CURRENT, host, hostname, at: now() })
    };
    store.put("lucid/owner/9.json", &claim("host-2"));
    let Trouble::OwnedElsewhere { owner } = trouble(seen_by(&store, None)) else { panic!() };
    assert_eq!((owner.n, owner.host.as_str()), (9, "host-2"));
    assert!(matches!(look(&store, &Look { host: None, ..usual(&name("lucid")) }), StoreFacts::Ready(_)));
    store.put("lucid/owner/10.json", &claim("host-1"));
    assert_eq!(listing(&store).owner.unwrap().n, 10);
}

#[test]
fn an_artifact_is_its_record_and_its_listed_bytes() {
    let store = store();
    store.set_free(Some(12));
    let key = put(&store, &record(1, 5), 1);
    let listing = listing(&store);
    let artifact = &listing.series[&name("config")].artifacts[0];
    assert_eq!((artifact.id, artifact.slot, artifact.need, artifact.bytes()), (key.id, key.slot, None, 8));
    assert!(artifact.listed_complete());
    assert_eq!((listing.free, listing.complete, listing.foreign), (Some(12), true, vec![]));
}

#[test]
fn payload_that_is_gone_or_cut_is_damaged_and_what_lies_beside_it_is_foreign() {
    let store = store();
    let keys: Vec<_> = (1..=4).map(|n| put(&store, &record(n, 5), 1)).collect();
    store.truncate(&data(&keys[0], "files.tar.zst"));
    store.delete(&data(&keys[1], "files.tar.zst.index")).unwrap();
    for file in ["files.tar.zst", "files.tar.zst.index"] {
        store.delete(&data(&keys[2], file)).unwrap();
    }
    store.put(&data(&keys[3], "notes"), b"mine");
    let listing = listing(&store);
    let [gone, whole] = [vec![(1, Payload::Damaged)], vec![(1, Payload::Complete)]];
    assert_eq!(payloads(&listing), [gone.clone(), gone.clone(), gone, whole]);
    assert_eq!(listing.foreign, [data(&keys[3], "notes")]);
    assert!(listing.complete && listing.series[&name("config")].orphans.is_empty());
}

#[test]
fn a_sum_that_agrees_by_accident_is_not_asked_about_and_one_that_differs_is() {
    let store = store();
    let key = put(&store, &record(1, 5), 1);
    let place = layout::record(&name("lucid"), &name("config"), &key);
    store.corrupt(&place);
    assert_eq!(payloads(&listing(&store)), [[(1, Payload::Complete)]], "no record is read where the sum is right");
    store.put(&place, b"{}");
    store.truncate(&data(&key, "files.tar.zst"));
    let series = &listing(&store).series[&name("config")];
    assert_eq!((series.artifacts.len(), &series.unreadable), (0, &vec![place]));
    assert!(series.orphans.is_empty(), "payload of a record that cannot be read is no orphan");
}

#[test]
fn generations_of_an_id_are_one_artifact() {
    let store = store();
    let first = put(&store, &record(1, 5), 1);
    put(&store, &record(1, 5), 12);
    put(&store, &record(1, 5), 2);
    store.truncate(&data(&first, "files.tar.zst"));
    let listing = listing(&store);
    assert_eq!(payloads(&listing), [[(1, Payload::Damaged), (2, Payload::Complete), (12, Payload::Complete)]]);
    let artifact = &listing.series[&name("config")].artifacts[0];
    assert!(artifact.listed_complete() && artifact.next_generation() == 13);
}

#[test]
fn an_unchanged_tree_is_complete_without_bytes() {
    let store = store();
    let owner = record(1, 5);
    put(&store, &owner, 1);
    let payload_of = Some(ArtifactRef { series: name("config"), id: owner.id });
    let key = put(&store, &Record { payload_of, segments: vec![], index: None, ..record(2, 5) }, 1);
    assert_eq!(key.need, Some(owner.id.random()));
    assert_eq!(payloads(&listing(&store))[1], [(1, Payload::Complete)]);
}

#[test]
fn payload_without_a_record_is_an_orphan_of_its_generation_and_age() {
    let store = store();
    let key = put(&store, &record(1, 5), 1);
    let later = CatalogKey { generation: 2, ..key };
    let stray = CatalogKey { id: id(9), ..key };
    store.put(&data(&later, "files.tar.zst"), b"12345");
    store.put(&data(&stray, "files.tar.zst"), b"1");
    store.set_time(now() + Duration::hours(1));
    store.put(&data(&stray, "files.tar.zst.002"), b"12");
    let orphans = listing(&store).series.remove(&name("config")).unwrap().orphans;
    let short: Vec<_> = orphans.iter().map(|o| (o.id.as_str(), o.generation, o.keys.len(), o.bytes, o.youngest)).collect();
    let (one, nine) = (id(1).to_string(), id(9).to_string());
    assert_eq!(short, [(one.as_str(), 2, 1, 5, now()), (nine.as_str(), 1, 2, 3, now() + Duration::hours(1))]);
}

#[test]
fn records_that_cannot_be_read_by_name_are_named_and_veil_their_payload() {
    let store = store();
    let key = put(&store, &record(1, 5), 1);
    let place = layout::record(&name("lucid"), &name("config"), &key);
    let newer = place.replace("-full-", "-incr-");
    store.put(&newer, b"{}");
    let contradicting =
        layout::record(&name("lucid"), &name("config"), &CatalogKey { set: Some(Random::new([8; 10])), generation: 2, ..key });
    store.put(&contradicting, b"{}");
    let empty = layout::record(&name("lucid"), &name("config"), &CatalogKey { id: id(3), ..key });
    store.put(&empty, b"");
    store.put(&data(&CatalogKey { id: id(3), ..key }, "files.tar.zst"), b"1");
    store.put("lucid/catalog/config/README", b"");
    let listing = listing(&store);
    let series = &listing.series[&name("config")];
    let mut unreadable = [newer, contradicting, empty];
    unreadable.sort();
    let mut found = series.unreadable.clone();
    found.sort();
    assert_eq!(found, unreadable);
    assert_eq!((series.artifacts.len(), series.orphans.len(), series.artifacts[0].generations.len()), (1, 0, 1));
    assert_eq!(listing.foreign, ["lucid/catalog/config/README"]);
}

#[test]
fn the_check_that_stands_is_the_one_that_nothing_later_answers() {
    use Verdict::{Fail, Pass, Unrun};
    let standing = |checks: &[(u8, Verdict)]| {
        let store = store();
        let key = put(&store, &record(1, 5), 1);
        for (n, (level, verdict)) in (0..).zip(checks) {
            let at = now() - Duration::minutes(60 - n);
            let check = CheckKey { at, generation: key.generation, level: *level, verdict: *verdict };
            store.put(&layout::check(&name("lucid"), &name("config"), &key.id, &check), b"{}");
        }
        let check = listing(&store).series[&name("config")].artifacts[0].generations[0].check?;
        Some(((now() - check.at).num_minutes(), check.level, check.result))
    };
    assert_eq!(standing(&[]), None);
    assert_eq!(standing(&[(1, Pass), (2, Pass), (1, Pass)]), Some((58, 1, CheckResult::Pass)));
    assert_eq!(standing(&[(1, Pass), (0, Pass)]), Some((60, 1, CheckResult::Pass)));
    assert_eq!(standing(&[(1, Pass), (1, Fail), (1, Unrun)]), Some((59, 1, CheckResult::Fail)));
    assert_eq!(standing(&[(2, Fail), (1, Pass)]), Some((60, 2, CheckResult::Fail)));
    assert_eq!(standing(&[(1, Fail), (2, Pass)]), Some((59, 2, CheckResult::Pass)));
    assert_eq!(standing(&[(1, Unrun), (2, Unrun)]), Some((59, 2, CheckResult::Unrun)));
}

#[test]
fn holds_are_on_their_artifact_and_checks_without_one_are_leftovers() {
    let store = store();
    let key = put(&store, &record(1, 5), 1);
    let check = CheckKey { at: now(), generation: 1, level: 1, verdict: Verdict::Pass };
    let [lucid, config] = [name("lucid"), name("config")];
    store.put(&layout::hold(&lucid, &config, &key.id, &name("audit")), b"{}");
    store.put(&layout::hold(&lucid, &config, &id(9), &name("audit")), b"{}");
    let stale = layout::check(&lucid, &config, &id(9), &check);
    store.put(&stale, b"{}");
    let listing = listing(&store);
    assert_eq!(listing.series[&config].artifacts[0].holds[0].name, "audit");
    assert_eq!(listing.leftovers.iter().map(|leftover| &leftover.key).collect::<Vec<_>>(), [&stale]);
}

#[test]
fn runs_expire_by_their_own_word_and_reading_stops_at_the_first_that_stays() {
    let store = store();
    let lucid = name("lucid");
    let run = |hours: i64, expires: i64| {
        let start = now() - Duration::hours(hours);
        let run = Random::new([1; 10]);
        let (outcome, host, expires) = ("done".to_owned(), "host-1".to_owned(), now() + Duration::hours(expires));
        let format_version = FormatVersion::CURRENT;
        let record = RunRecord { format_version, run, host, start, end: start, outcome, steps: vec![], expires };
        let key = layout::run(&lucid, start, &run);
        store.put(&key, &documents::write(&record));
        key
    };
    let expired = [run(90, -5), run(70, 0)];
    store.put(&layout::run(&lucid, now() - Duration::hours(80), &Random::new([2; 10])), b"nonsense");
    run(60, 5);
    run(50, -5);
    let found: Vec<_> = listing(&store).expired_runs.into_iter().map(|run| run.key).collect();
    assert_eq!(found, expired);
}

#[test]
fn what_is_not_ours_is_named_and_another_instance_is_ours() {
    let store = store();
    let foreign = [
        "holiday.jpg",
        "lucid/data/config/README",
        "lucid/data/config/somewhere/files",
        "lucid/holds/note",
        "lucid/manifests/x.zip",
        "lucid/notes.txt",
        "lucid/owner/me.json",
    ];
    for key in foreign {
        store.put(key, b"x");
    }
    for key in [
        "other/catalog/a/x",
        "other/owner/1.json",
        "lucid/sets/a/b",
        "lucid/index/a",
        "lucid/lock/config",
        "lucid/strange/1",
        "pics/1/2",
        "pics/catalog/2",
    ] {
        store.put(key, b"x");
    }
    let mut all = [&foreign[..], &["lucid/strange/", "pics/"]].concat();
    all.sort_unstable();
    assert_eq!(listing(&store).foreign, all);
    for n in 0..2000 {
        store.put(&format!("stray-{n}"), b"");
    }
    assert_eq!(listing(&store).foreign.len(), 1000);
}

#[test]
fn leftovers_are_listed_wherever_they_are() {
    let store = store();
    let _one = store.upload("lucid/data/config/x/files").unwrap();
    let _two = store.upload("lucid.json").unwrap();
    let _three = store.upload("lucid/owner/1.json").unwrap();
    assert_eq!(listing(&store).leftovers.len(), 3);
}

#[test]
fn a_part_that_cannot_be_read_makes_the_listing_incomplete_and_no_answer_makes_the_store_unusable() {
    let store = store();
    put(&store, &record(1, 5), 1);
    store.set_unread("lucid/data/config/");
    let listing = listing(&store);
    assert!(!listing.complete);
    assert_eq!(listing.series[&name("config")].artifacts.len(), 1);
    let dead = crate::store::faults::Faulty::new(store, &crate::store::faults::Budget::kill_after(0));
    let facts = look(&dead, &usual(&name("lucid")));
    assert!(matches!(trouble(facts), Trouble::Unusable { message, .. } if message.contains("the process was killed here")));
}

#[test]
fn one_uuid_behind_two_names_refuses_both() {
    let facts = || seen_by(&store(), None);
    let mut stores: BTreeMap<_, _> = ["a", "b", "c"].into_iter().map(|n| (name(n), facts())).collect();
    stores.insert(name("new"), StoreFacts::New);
    mark_twins(&mut stores);
    let other = |n: &str| match &stores[&name(n)] {
        StoreFacts::Unusable(Trouble::Twin { other, uuid }) if uuid == UUID => other.to_string(),
        facts => panic!("{facts:?}"),
    };
    assert_eq!((other("a"), other("b"), other("c")), ("b".to_owned(), "a".to_owned(), "a".to_owned()));
    assert_eq!(stores[&name("new")], StoreFacts::New);
}

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

fn ready(facts: StoreFacts) -> Listing {
    match facts {
        StoreFacts::Ready(listing) => *listing,
        other => panic!("{other:?}"),
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
