//! Listings that are long, and listings that lie.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use proptest::prelude::*;

use super::server::{Fault, Server};
use crate::model::id::{Instant, stamp};
use crate::store::port::{Created, Object, Reach, ReadStore, WriteStore};
use crate::store::s3::page::Page;
use crate::store::s3::walk::{Step, Walk};

/// A listing of sorted keys as a service gives it, `size` keys a page.
fn page(keys: &BTreeSet<String>, walk: &Walk, size: usize) -> Page {
    let ask = walk.ask();
    let from = ask.token.clone().or(ask.after.clone()).unwrap_or_default();
    let mut page = Page::default();
    let mut names = BTreeSet::new();
    for key in keys.iter().filter(|key| key.starts_with(&ask.prefix)) {
        let rest = &key[ask.prefix.len()..];
        match rest.split_once('/').filter(|_| ask.flat) {
            Some((folder, _)) => names.insert(format!("{}{folder}/", ask.prefix)),
            None => names.insert(key.clone()),
        };
    }
    let mut left = names.into_iter().filter(|name| *name > from);
    for name in left.by_ref().take(size) {
        page.next = Some(name.clone());
        if name.ends_with('/') {
            page.folders.push(name[ask.prefix.len()..].to_owned());
            continue;
        }
        let span = page.span.take().map_or((name.clone(), name.clone()), |(first, _)| (first, name.clone()));
        page.span = Some(span);
        page.objects.push(Object { key: name, bytes: 1, modified: Instant::MAX_UTC });
    }
    if left.next().is_none() {
        page.next = None;
    }
    page
}

/// Walks as the store does, one page after the other, and how many pages that took.
fn walked(keys: &BTreeSet<String>, prefix: &str, size: usize, now: Instant) -> (Vec<String>, usize) {
    let (mut waiting, mut found, mut pages) = (vec![Walk::new(prefix)], Vec::new(), 0);
    while let Some(mut walk) = waiting.pop() {
        pages += 1;
        let page = page(keys, &walk, size);
        let idle = 15_usize.saturating_sub(waiting.len());
        let Step { objects, cut, .. } = walk.take(page, idle, now).unwrap();
        assert!(objects.is_sorted_by(|a, b| a.key < b.key));
        found.extend(objects.into_iter().map(|object| object.key));
        waiting.extend(cut);
        if !walk.ended() {
            waiting.push(walk);
        }
    }
    found.sort_unstable();
    (found, pages)
}

fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

proptest! {
    #[test]
    fn every_key_is_found_once(
        times in prop::collection::vec(0_i64..100_000, 0..60),
        names in prop::collection::vec("[a-c2]{1,3}(/[a-c0-9]{1,2}){0,2}", 0..30),
        series in 1_usize..4,
        size in 1_usize..9,
        now in 0_i64..120_000,
    ) {
        let start = at("2026-01-01T00:00:00Z");
        let mut keys: BTreeSet<String> = names.iter().map(|name| format!("i/data/{name}")).collect();
        keys.extend(times.iter().enumerate().map(|(n, time)| {
            let id = stamp(start + TimeDelta::milliseconds(*time));
            format!("i/data/s{}/{id}-full-{n}/files", n % series)
        }));
        keys.insert("i/lock/x".to_owned());
        for prefix in ["", "i/", "i/data/", "i/data/s0/"] {
            let wanted: Vec<String> = keys.iter().filter(|key| key.starts_with(prefix)).cloned().collect();
            let (found, _) = walked(&keys, prefix, size, start + TimeDelta::milliseconds(now));
            prop_assert_eq!(found, wanted, "{}", prefix);
        }
    }
}

#[test]
fn a_long_series_is_cut_and_a_short_one_is_not() {
    let start = at("2026-01-01T00:00:00Z");
    let key = |n: i64| format!("i/catalog/s/{}-full-x.json", stamp(start + TimeDelta::minutes(n)));
    let keys: BTreeSet<String> = (0..20_000).map(key).collect();
    let mut walk = Walk::new("i/catalog/s/");
    let end = start + TimeDelta::minutes(20_000);
    let Step { cut, .. } = walk.take(page(&keys, &walk, 1_000), 15, end).unwrap();
    assert_eq!(cut.len(), 15);
    let (found, pages) = walked(&keys, "i/catalog/s/", 1_000, end);
    assert!(found.len() == 20_000 && pages < 45, "{pages}");
    let few: BTreeSet<String> = (0..1_500).map(key).collect();
    assert_eq!(walked(&few, "i/catalog/s/", 1_000, start + TimeDelta::minutes(1_500)).1, 2);
}

#[test]
fn keys_out_of_order_are_refused() {
    let mut walk = Walk::new("a/");
    let span = |first: &str, last: &str| Some((first.to_owned(), last.to_owned()));
    let next = Some("more".to_owned());
    let first = Page { span: span("a/m", "a/z"), next: next.clone(), ..Page::default() };
    assert!(walk.take(first, 0, Instant::MAX_UTC).is_some());
    let second = Page { span: span("a/b", "a/c"), next, ..Page::default() };
    assert!(walk.take(second, 0, Instant::MAX_UTC).is_none());
}

#[test]
fn a_folder_that_is_named_on_two_pages_is_listed_once() {
    let mut walk = Walk::new("a/");
    let object = |key: &str| Object { key: key.to_owned(), bytes: 1, modified: Instant::MAX_UTC };
    let first = Page {
        objects: vec![object("a/b/c")],
        span: Some(("a/b/c".to_owned(), "a/b/c".to_owned())),
        next: Some("more".to_owned()),
        ..Page::default()
    };
    let Step { mut cut, .. } = walk.take(first, 0, Instant::MAX_UTC).unwrap();
    let mut folders = cut.pop().unwrap();
    assert!(folders.ask().flat);
    let page = |names: &[&str], next: Option<&str>, key: &str| Page {
        folders: names.iter().map(|name| (*name).to_owned()).collect(),
        objects: vec![object(key)],
        next: next.map(str::to_owned),
        ..Page::default()
    };
    let mut take = |page| {
        let Step { objects, cut, .. } = folders.take(page, 0, Instant::MAX_UTC).unwrap();
        (objects.into_iter().map(|object| object.key).collect::<Vec<_>>(), cut.iter().map(|walk| walk.ask().prefix).collect::<Vec<_>>())
    };
    assert_eq!(take(page(&["b/", "d/"], Some("more"), "a/c")), (vec!["a/c".to_owned()], vec!["a/b/".to_owned(), "a/d/".to_owned()]));
    assert_eq!(take(page(&["d/", "e/"], None, "a/c")), (vec![], vec!["a/e/".to_owned()]));
}

#[test]
fn thousands_of_objects_are_listed_in_their_order() {
    let server = Server::start();
    let store = server.store(|bucket| bucket.prefix = "prod/".to_owned());
    let start = at("2026-01-01T00:00:00Z");
    let mut wanted: Vec<String> = (0..2_600)
        .map(|n| format!("lucid/catalog/s{}/{}-full-x.json", n % 2, stamp(start + TimeDelta::hours(n))))
        .chain(["lucid.json".to_owned(), "lucid/lock/a".to_owned(), "zz/a".to_owned()])
        .collect();
    for key in &wanted {
        server.put(&format!("prod/{key}"), b"x");
    }
    server.put("other/lucid.json", b"x");
    wanted.sort_unstable();
    let keys: Vec<String> = store.list("").unwrap().into_iter().map(|object| object.key).collect();
    assert_eq!(keys, wanted);
    assert_eq!(store.list("lucid/catalog/s1/").unwrap().len(), 1_300);
    assert_eq!(store.survey("lucid/catalog/s1/", Reach::Flat).unwrap().objects.len(), 1_300);
    assert_eq!(store.survey("", Reach::Flat).unwrap().folders, ["lucid/", "zz/"]);
}

#[test]
fn names_that_cannot_be_ours_are_strangers() {
    let server = Server::start();
    let store = server.store(|_| ());
    server.put("a/b", b"x");
    server.put("a/.lucid-tmp-1", b"x");
    server.put("a/\u{e9} x", b"x");
    let survey = store.survey("", Reach::Deep).unwrap();
    assert_eq!(survey.objects.len(), 1);
    assert_eq!(survey.strangers, ["a/.lucid-tmp-1", "a/\u{e9} x"]);
    assert!(survey.leftovers.is_empty());
}

#[test]
fn a_listing_that_ends_early_is_an_error() {
    let lies: [fn(String) -> String; 5] = [
        |text| text.replace("<IsTruncated>false</IsTruncated>", "<IsTruncated>true</IsTruncated>"),
        |text| {
            let more = "<IsTruncated>true</IsTruncated><NextContinuationToken>a/1</NextContinuationToken>";
            text.replace("<IsTruncated>false</IsTruncated>", more)
        },
        |text| text[..text.len() / 2].to_owned(),
        |_| String::new(),
        |_| "<html>Welcome</html>".to_owned(),
    ];
    for (n, lie) in lies.into_iter().enumerate() {
        let server = Server::start();
        let store = server.store(|_| ());
        assert!((0..4).all(|n| store.create(&format!("a/{n}"), b"x").unwrap() == Created::New));
        server.fail(usize::MAX, Fault::Rewrite(lie), |call| call.is("GET", "list-type"));
        assert!(store.survey("a/", Reach::Deep).is_err(), "{n} deep");
        assert!(store.survey("a/", Reach::Flat).is_err(), "{n} flat");
    }
}

/// The answer to a listing of uploads.
fn uploads(keys: &[&str]) -> String {
    let all: Vec<String> = keys.iter().map(|key| format!("<Upload><Key>{key}</Key><UploadId>id</UploadId></Upload>")).collect();
    format!("<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>{}</ListMultipartUploadsResult>", all.concat())
}

#[test]
fn a_service_that_takes_a_prefix_of_uploads_for_a_whole_key_is_asked_for_all() {
    let all = ["prod/lucid/data/a/id/files", "prod/lucid/catalog/a/x.json", "test/lucid/data/a/id/files", "prod/photos"];
    for (name, found) in [("MinIO", 1), ("AmazonS3", 0)] {
        let server = Server::start();
        let store = server.store(|bucket| bucket.prefix = "prod/".to_owned());
        server.fail(usize::MAX, Fault::Says(name, uploads(&[])), |call| call.is("GET", "uploads") && call.query.contains("prefix=prod"));
        server.fail(usize::MAX, Fault::Says(name, uploads(&all)), |call| call.is("GET", "uploads"));
        let leftovers = store.leftovers("lucid/data/").unwrap();
        assert_eq!(leftovers.len(), found, "{name}: {leftovers:?}");
        assert!(leftovers.iter().all(|left| left.key.starts_with("lucid/data/a/id/.lucid-tmp-")), "{leftovers:?}");
        let asked = server.calls().iter().filter(|call| call.is("GET", "uploads")).count();
        assert_eq!(asked, 1 + found, "{name}: only who needs it is asked twice");
    }
}
