//! What a place is.

use std::collections::BTreeMap;

use super::lab::{UUID, listing, name, now, put, record, seen_by, store, trouble, usual};
use crate::facts::{StoreFacts, Trouble};
use crate::observe::store::{Look, look, mark_twins};
use crate::store::documents::{self, FormatVersion, OwnerRecord};
use crate::store::layout::MARK;
use crate::store::{Memory, WriteStore};

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
