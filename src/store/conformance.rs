//! What every store does. A store's own tests call [`all`] with a maker of empty stores, or the parts that hold for it where a
//! server that is tried against lacks the rest.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::lease::tests::Host;
use super::lease::{LeaseRecord, Unlocked};
use super::{Created, Lease, Locked, Reach, ReadStore, StoreError, Swap, WriteStore};

/// Runs the whole suite, each part over a store of its own.
pub(crate) fn all<S: WriteStore>(make: impl Fn() -> S) {
    objects(&make);
    unfinished(&make);
    leases(&make);
}

/// What is left of uploads that do not end.
pub(crate) fn unfinished<S: WriteStore>(make: impl Fn() -> S) {
    an_unfinished_upload_is_a_leftover(&make());
}

/// Leases.
pub(crate) fn leases<S: WriteStore>(make: impl Fn() -> S) {
    a_lease_excludes(&make());
    a_lease_that_loses_its_object_is_lost(&make());
    racing_askers_of_a_lease_have_one_winner(&make());
    unlocking_ends_no_lease_of_another_run(&make());
    if let Some(swap) = make().swapper() {
        swapping(&*swap);
    }
}

/// Objects, written and read, listed and removed.
pub(crate) fn objects<S: WriteStore>(make: impl Fn() -> S) {
    create_only(&make());
    racing_creators_have_one_winner(&make());
    an_upload_shows_nothing_before_its_end(&make());
    an_upload_that_is_dropped_leaves_nothing(&make());
    an_upload_to_a_taken_name_changes_nothing(&make());
    listings_are_in_key_order_and_below_their_prefix(&make());
    a_flat_survey_names_folders_and_does_not_enter_them(&make());
    ranges_are_read_as_asked(&make());
    odd_sizes_come_back(&make());
    deleting_twice_is_deleting(&make());
    many_are_deleted_in_their_order(&make());
    what_is_no_key_is_refused(&make());
    one_object_is_looked_at_without_a_listing(&make());
    listing_while_writing_shows_whole_objects(&make());
}

fn keys(store: &impl ReadStore, prefix: &str) -> Vec<String> {
    store.list(prefix).unwrap().into_iter().map(|object| object.key).collect()
}

fn create_only(store: &impl WriteStore) {
    assert_eq!(store.create("lucid/catalog/a/one", b"first").unwrap(), Created::New);
    assert_eq!(store.create("lucid/catalog/a/one", b"second").unwrap(), Created::Taken);
    assert_eq!(store.get("lucid/catalog/a/one").unwrap(), b"first");
    let listed = store.list("").unwrap();
    assert_eq!((listed.len(), listed[0].bytes), (1, 5));
    assert!(store.leftovers("").unwrap().is_empty());
}

fn racing_creators_have_one_winner(store: &impl WriteStore) {
    for round in 0..20 {
        let key = format!("lucid/owner/{round}/deep/{round}.json");
        let outcomes: Vec<_> = thread::scope(|scope| {
            let write = |n: u8| {
                let key = &key;
                scope.spawn(move || (n, store.create(key, &[n; 100]).unwrap()))
            };
            let writers: Vec<_> = (0..8).map(write).collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        let winners: Vec<_> = outcomes.iter().filter(|(_, created)| *created == Created::New).map(|(n, _)| *n).collect();
        assert_eq!(winners.len(), 1, "{outcomes:?}");
        assert_eq!(store.get(&key).unwrap(), [winners[0]; 100]);
    }
    assert!(store.leftovers("").unwrap().is_empty());
}

fn an_upload_shows_nothing_before_its_end(store: &impl WriteStore) {
    let mut upload = store.upload("lucid/data/a/id/files").unwrap();
    upload.write_all(b"half").unwrap();
    assert!(keys(store, "").is_empty());
    assert!(store.get("lucid/data/a/id/files").unwrap_err().is_not_found());
    upload.write_all(b" and half").unwrap();
    assert_eq!(upload.commit().unwrap(), Created::New);
    assert_eq!(store.get("lucid/data/a/id/files").unwrap(), b"half and half");
    assert!(store.leftovers("").unwrap().is_empty());
}

/// More than any store holds back before it begins to write.
const BEGUN: usize = 20 << 20;
/// What a store lacks that fails there.
const REVIVED: &str = "it does not keep ended what was ended while a part was under way";

fn an_unfinished_upload_is_a_leftover(store: &impl WriteStore) {
    let mut upload = store.upload("lucid/data/a/id/files").unwrap();
    upload.write_all(&vec![7; BEGUN]).unwrap();
    assert!(keys(store, "").is_empty());
    let leftovers = store.leftovers("lucid/data/").unwrap();
    assert_eq!(leftovers.len(), 1);
    assert!(leftovers[0].key.starts_with("lucid/data/a/id/"), "{leftovers:?}");
    assert!(store.leftovers("lucid/catalog/").unwrap().is_empty());
    store.delete(&leftovers[0].key).unwrap();
    assert!(store.leftovers("").unwrap().is_empty(), "{REVIVED}");
    drop(upload);
    assert!(store.leftovers("").unwrap().is_empty(), "{REVIVED}");
    let mut upload = store.upload("lucid/data/a/id/files").unwrap();
    upload.write_all(&vec![8; BEGUN]).unwrap();
    assert_eq!(upload.commit().unwrap(), Created::New);
    let left = store.leftovers("").unwrap();
    assert!(left.iter().all(|left| left.key != leftovers[0].key), "{REVIVED}");
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(store.look("lucid/data/a/id/files").unwrap().unwrap().bytes, BEGUN as u64);
}

fn an_upload_that_is_dropped_leaves_nothing(store: &impl WriteStore) {
    let mut upload = store.upload("lucid/data/a/id/files").unwrap();
    upload.write_all(&vec![1; 100_000]).unwrap();
    drop(upload);
    assert!(keys(store, "").is_empty());
    assert!(store.leftovers("").unwrap().is_empty());
    assert_eq!(store.create("lucid/data/a/id/files", b"later").unwrap(), Created::New);
}

fn an_upload_to_a_taken_name_changes_nothing(store: &impl WriteStore) {
    let mut upload = store.upload("lucid/data/a/id/files").unwrap();
    upload.write_all(b"late").unwrap();
    store.create("lucid/data/a/id/files", b"early").unwrap();
    assert_eq!(upload.commit().unwrap(), Created::Taken);
    assert_eq!(store.get("lucid/data/a/id/files").unwrap(), b"early");
    assert!(store.leftovers("").unwrap().is_empty());
}

fn listings_are_in_key_order_and_below_their_prefix(store: &impl WriteStore) {
    assert!(keys(store, "").is_empty());
    assert!(keys(store, "nowhere/").is_empty());
    let all = ["z", "a/b/c", "a-b", "a/c", "a/b-c/x", "a0", "a-b-c/y", "a/b/a"];
    for key in all {
        store.create(key, key.as_bytes()).unwrap();
    }
    let sorted: Vec<_> = BTreeSet::from(all).into_iter().collect();
    assert_eq!(keys(store, ""), sorted);
    assert_eq!(keys(store, "a/"), ["a/b-c/x", "a/b/a", "a/b/c", "a/c"]);
    assert_eq!(keys(store, "a/b/"), ["a/b/a", "a/b/c"]);
    assert_eq!(keys(store, "a-b-c/"), ["a-b-c/y"]);
    for prefix in ["", "a/", "a/b/", "not-there/"] {
        let mut found = Vec::new();
        let rest = store.pieces(prefix, &mut |piece| {
            assert!(piece.is_sorted_by(|one, other| one.key < other.key));
            found.extend(piece);
        });
        assert!(rest.unwrap().objects.is_empty());
        found.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        assert_eq!(found, store.list(prefix).unwrap(), "{prefix}");
    }
    assert!(keys(store, "a/b/c/d/").is_empty());
}

fn a_flat_survey_names_folders_and_does_not_enter_them(store: &impl WriteStore) {
    for key in ["lucid.json", "lucid/a/x", "lucid/b/y", "lucid/b/z/q", "other/x"] {
        store.create(key, b"").unwrap();
    }
    let root = store.survey("", Reach::Flat).unwrap();
    assert_eq!(root.objects.iter().map(|object| object.key.as_str()).collect::<Vec<_>>(), ["lucid.json"]);
    assert_eq!(root.folders, ["lucid/", "other/"]);
    let inside = store.survey("lucid/", Reach::Flat).unwrap();
    assert_eq!((inside.objects.len(), inside.folders), (0, vec!["a/".to_owned(), "b/".to_owned()]));
}

fn ranges_are_read_as_asked(store: &impl WriteStore) {
    store.create("a/bytes", b"0123456789").unwrap();
    let mut buffer = [0; 4];
    assert_eq!(store.read_at("a/bytes", 0, &mut buffer).unwrap(), 4);
    assert_eq!(&buffer, b"0123");
    assert_eq!(store.read_at("a/bytes", 8, &mut buffer).unwrap(), 2);
    assert_eq!(&buffer[..2], b"89");
    assert_eq!(store.read_at("a/bytes", 10, &mut buffer).unwrap(), 0);
    assert_eq!(store.read_at("a/bytes", 1 << 40, &mut buffer).unwrap(), 0);
    for (offset, rest) in [(0, "0123456789"), (7, "789"), (10, ""), (11, "")] {
        let mut text = String::new();
        store.open("a/bytes", offset).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, rest);
    }
    assert!(store.read_at("a/none", 0, &mut buffer).unwrap_err().is_not_found());
    assert!(store.open("none/at/all", 0).is_err_and(|error| error.is_not_found()));
    assert!(store.get("a").unwrap_err().is_not_found(), "a folder is no object");
    assert!(store.get("a/bytes/x").unwrap_err().is_not_found(), "an object is no folder");
}

fn odd_sizes_come_back(store: &impl WriteStore) {
    for size in [0, 1, (8 << 20) + 1] {
        let key = format!("a/{size}");
        let bytes: Vec<u8> = (0..=255).cycle().take(size).collect();
        let mut upload = store.upload(&key).unwrap();
        for part in bytes.chunks(1_000_003) {
            upload.write_all(part).unwrap();
        }
        upload.commit().unwrap();
        assert!(store.get(&key).unwrap() == bytes, "{size}");
        assert_eq!(store.list("a/").unwrap().into_iter().find(|object| object.key == key).unwrap().bytes, size as u64);
    }
}

fn deleting_twice_is_deleting(store: &impl WriteStore) {
    store.create("lucid/data/a/id/files", b"x").unwrap();
    store.create("lucid/data/b/id/files", b"y").unwrap();
    store.delete("lucid/data/a/id/files").unwrap();
    store.delete("lucid/data/a/id/files").unwrap();
    store.delete("lucid/data/never/was").unwrap();
    assert_eq!(keys(store, ""), ["lucid/data/b/id/files"]);
    assert_eq!(store.create("lucid/data/a/id/files", b"again").unwrap(), Created::New);
}

fn many_are_deleted_in_their_order(store: &impl WriteStore) {
    let all: Vec<String> = (0..30).map(|n| format!("lucid/data/a/{n}/files")).collect();
    for key in all.iter().filter(|key| !key.contains('7')) {
        store.create(key, b"x").unwrap();
    }
    let wanted: Vec<String> = all.iter().filter(|key| !key.contains('9')).cloned().chain(["../x".to_owned()]).collect();
    let outcomes = store.delete_all(&wanted);
    let failed: Vec<usize> = outcomes.iter().enumerate().filter(|(_, outcome)| outcome.is_err()).map(|(n, _)| n).collect();
    assert_eq!((outcomes.len(), failed), (wanted.len(), vec![wanted.len() - 1]), "{outcomes:?}");
    assert!(store.delete_all(&[]).is_empty());
    assert_eq!(keys(store, ""), ["lucid/data/a/19/files", "lucid/data/a/29/files", "lucid/data/a/9/files"]);
    let left = keys(store, "");
    assert!(store.delete_all(&left).iter().all(Result::is_ok));
    assert!(keys(store, "").is_empty());
}

fn a_lease_excludes(store: &impl WriteStore) {
    let (one, two) = (Host::new(1).claim, Host::new(2).claim);
    let first = had(store.lock("lucid/lock/a", &one).unwrap());
    let Locked::By(holder) = store.lock("lucid/lock/a", &two).unwrap() else { panic!("it was taken") };
    assert_eq!(holder.lease.as_ref().map(|lease| (lease.run, lease.holder.hostname.as_str())), Some((one.run, "db1")));
    assert!(holder.to_string().starts_with(&format!("run {} of host db1 (pid 1, apply)", one.run)), "{holder}");
    first.check().unwrap();
    let other = had(store.lock("lucid/lock/b", &two).unwrap());
    assert_eq!(keys(store, "lucid/lock/"), ["lucid/lock/a", "lucid/lock/b"]);
    let read = |key: &str| LeaseRecord::read(&store.get(key).unwrap()).unwrap();
    assert_eq!((read("lucid/lock/a").epoch, read("lucid/lock/a").is_held(), read("lucid/lock/b").run), (1, true, two.run));
    drop(first);
    assert_eq!((read("lucid/lock/a").is_held(), read("lucid/lock/b").is_held()), (false, true));
    let again = had(store.lock("lucid/lock/a", &two).unwrap());
    assert_eq!((read("lucid/lock/a").epoch, read("lucid/lock/a").run), (2, two.run));
    drop((again, other));
}

fn a_lease_that_loses_its_object_is_lost(store: &impl WriteStore) {
    let lease = had(store.lock("lucid/lock/a", &Host::new(1).claim).unwrap());
    store.delete("lucid/lock/a").unwrap();
    let lost = lease.check().unwrap_err();
    assert_eq!((lost.key.as_str(), lost.place), ("lucid/lock/a", store.place()));
    let second = had(store.lock("lucid/lock/a", &Host::new(2).claim).unwrap());
    lease.check().unwrap_err();
    drop(lease);
    second.check().unwrap();
}

fn racing_askers_of_a_lease_have_one_winner(store: &impl WriteStore) {
    for round in 0..5 {
        let key = format!("lucid/lock/{round}");
        let all: Vec<_> = thread::scope(|scope| {
            let ask = |n: u8| {
                let key = &key;
                scope.spawn(move || store.lock(key, &Host::new(n).claim).unwrap())
            };
            let askers: Vec<_> = (1..=8).map(ask).collect();
            askers.into_iter().map(|asker| asker.join().unwrap()).collect()
        });
        let held: Vec<_> =
            all.iter().filter_map(|locked| if let Locked::Held { lease, .. } = locked { Some(lease) } else { None }).collect();
        assert_eq!(held.len(), 1);
        held[0].check().unwrap();
    }
}

fn unlocking_ends_no_lease_of_another_run(store: &impl WriteStore) {
    let (one, two) = (Host::new(1).claim, Host::new(2).claim);
    assert_eq!(store.unlock("lucid/lock/a", &one.run).unwrap(), Unlocked::Other(None));
    let lease = had(store.lock("lucid/lock/a", &one).unwrap());
    assert!(matches!(store.unlock("lucid/lock/a", &two.run).unwrap(), Unlocked::Other(Some(found)) if found.run == one.run));
    lease.check().unwrap();
    drop(lease);
    assert!(matches!(store.unlock("lucid/lock/a", &one.run).unwrap(), Unlocked::Other(Some(found)) if !found.is_held()));
    assert!(store.unlock("../x", &one.run).is_err() && store.lock("../x", &one).is_err());
}

fn had(locked: Locked) -> Box<dyn Lease> {
    match locked {
        Locked::Held { lease, said: None } => lease,
        Locked::Held { said, .. } => panic!("nobody had it: {said:?}"),
        Locked::By(holder) => panic!("it is held by {holder}"),
    }
}

/// What a store does that can compare and swap.
pub(crate) fn swapping(swap: &dyn Swap) {
    let key = "lucid/lock/swapped";
    assert_eq!(swap.load(key).unwrap(), None);
    assert_eq!(swap.swap(key, Some("\"d41d8cd98f00b204e9800998ecf8427e\""), b"x").unwrap(), None, "nothing has that tag");
    let first = swap.swap(key, None, b"one").unwrap().expect("the name is free");
    let loaded = swap.load(key).unwrap().unwrap();
    assert_eq!((loaded.bytes.as_slice(), &loaded.tag), (b"one".as_slice(), &first));
    assert!(loaded.modified <= loaded.now + chrono::TimeDelta::seconds(1));
    assert_eq!(swap.swap(key, None, b"x").unwrap(), None, "the name is taken");
    let second = swap.swap(key, Some(&first), b"two").unwrap().expect("the tag is right");
    assert_ne!(first, second);
    assert_eq!(swap.swap(key, Some(&first), b"x").unwrap(), None, "the tag is old");
    assert_eq!(swap.load(key).unwrap().unwrap().bytes, b"two");
    let mut tag = second;
    for round in 0..5_u8 {
        let results: Vec<_> = thread::scope(|scope| {
            let write = |n: u8| {
                let tag = &tag;
                scope.spawn(move || (n, swap.swap(key, Some(tag), &[round, n]).unwrap()))
            };
            let writers: Vec<_> = (0..8).map(write).collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        let winners: Vec<_> = results.into_iter().filter_map(|(n, tag)| Some((n, tag?))).collect();
        assert_eq!(winners.len(), 1, "{winners:?}");
        assert_eq!(swap.load(key).unwrap().unwrap().bytes, [round, winners[0].0]);
        tag.clone_from(&winners[0].1);
    }
}

fn what_is_no_key_is_refused(store: &impl WriteStore) {
    for key in ["", "/", "/etc/x", "a//b", "a/", "../x", "a/../b", "a/./b", "a\nb", "é", "a b", "a/.lucid-tmp-1"] {
        assert!(matches!(store.create(key, b""), Err(StoreError::Io { .. })), "{key}");
        assert!(store.upload(key).is_err(), "{key}");
        assert!(store.get(key).is_err(), "{key}");
    }
    assert!(store.delete("../x").is_err());
}

fn one_object_is_looked_at_without_a_listing(store: &impl WriteStore) {
    store.create("a/b", b"12345").unwrap();
    let (looked, listed) = (store.look("a/b").unwrap().unwrap(), store.list("a/").unwrap().pop().unwrap());
    assert_eq!((&looked.key, looked.bytes), (&listed.key, listed.bytes));
    // a header of HTTP has no parts of a second
    assert!((looked.modified - listed.modified).num_seconds() == 0, "{looked:?} {listed:?}");
    assert_eq!((store.look("a/c").unwrap(), store.look("a").unwrap(), store.retained("a/b").unwrap()), (None, None, None));
    store.delete("a/b").unwrap();
    assert_eq!(store.look("a/b").unwrap(), None);
}

fn listing_while_writing_shows_whole_objects(store: &impl WriteStore) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..200 {
                store.create(&format!("lucid/data/a/{n}/files"), &[7; 1000]).unwrap();
                if n % 3 == 0 {
                    store.delete(&format!("lucid/data/a/{n}/files")).unwrap();
                }
            }
            done.store(true, Ordering::Release);
        });
        while !done.load(Ordering::Acquire) {
            assert!(store.list("lucid/").unwrap().iter().all(|object| object.bytes == 1000));
        }
    });
    assert_eq!(store.list("lucid/").unwrap().len(), 133);
}
