//! The server of the tests does what the tests rely on, and the hands that spoil it spoil it.

use std::time::Duration;

use crate::support::{Bucket, Dropper, Proxy, Way};

#[test]
fn a_bucket_holds_what_is_put_in() {
    let bucket = Bucket::new();
    bucket.put("a/b", "text");
    assert_eq!((bucket.keys("a/"), bucket.get("a/b")), (vec!["a/b".to_owned()], b"text".to_vec()));
    bucket.alter("a/b");
    assert_ne!(bucket.get("a/b"), b"text");
    bucket.truncate("a/b");
    assert_eq!(bucket.objects(""), [("a/b".to_owned(), 2)]);
    bucket.begin_upload("a/c");
    assert_eq!(bucket.uploads(), ["a/c"]);
    bucket.delete("a/b");
    assert_eq!(bucket.keys(""), Vec::<String>::new());
}

#[test]
fn a_create_finds_the_name_taken_unless_conditions_are_dropped() {
    let bucket = Bucket::new();
    let creates = || bucket.creates("a", "text");
    assert_eq!((creates(), creates()), (true, false));
    let dropper = Dropper::new();
    let bucket = Bucket::new().through(&dropper.endpoint);
    assert_eq!((bucket.creates("a", "one"), bucket.creates("a", "two")), (true, true));
    assert_eq!((dropper.dropped(), bucket.get("a")), (2, b"two".to_vec()));
}

#[test]
fn versions_stay_and_locked_ones_cannot_be_deleted() {
    let bucket = Bucket::versioned();
    bucket.put("a", "one");
    bucket.put("a", "two");
    bucket.delete("a");
    let versions = bucket.versions("a");
    assert_eq!((versions.len(), versions.iter().filter(|v| v.marker).count(), bucket.keys("").len()), (3, 1, 0), "{versions:?}");
    assert!(versions.iter().all(|version| bucket.deletes(version)));
    assert_eq!(bucket.versions(""), []);
    let bucket = Bucket::lockable();
    bucket.put_locked("a", "one", Duration::from_hours(1));
    assert!(!bucket.deletes(&bucket.versions("a")[0]));
}

#[test]
fn a_way_can_be_cut_and_healed() {
    let proxy = Proxy::new();
    let bucket = Bucket::new().through(&proxy.endpoint);
    bucket.put("a", vec![7; 100_000]);
    assert_eq!(bucket.get("a").len(), 100_000);
    proxy.cuts(Way::Down, 50_000);
    assert!(!bucket.answers("a"));
    proxy.heals();
    assert!(bucket.answers("a"));
    proxy.resets(1.0);
    assert!(!bucket.answers("a"));
    proxy.heals();
    proxy.goes_down();
    assert!(!bucket.answers("a"));
    proxy.heals();
    assert!(bucket.answers("a"));
}
