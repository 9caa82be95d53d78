//! What lies in a store: artifacts, orphans, checks, holds, runs, strangers.

use chrono::Duration;

use super::lab::{data, id, listing, name, now, payloads, put, record, store};
use crate::facts::{CheckResult, Payload};
use crate::model::id::Random;
use crate::store::WriteStore;
use crate::store::documents::{self, FormatVersion, RunRecord};
use crate::store::key::CatalogKey;
use crate::store::layout::{self, CheckKey, Verdict};
use crate::store::record::{ArtifactRef, Record};

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
    let orphans = listing(&store).series[&name("config")].orphans.clone();
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
