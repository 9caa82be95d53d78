//! What `doctor` finds of a server in the process.

use std::cell::Cell;
use std::sync::Arc;

use chrono::{TimeDelta, Utc};

use super::server::{Fault, Server, error};
use crate::model::id::Random;
use crate::store::S3;
use crate::store::doctor::{Needs, Promise, Standing, Visit};
use crate::store::lease::tests::Host;
use crate::store::port::ReadStore;
use crate::store::s3::{LockMode, ObjectLock};

fn visit(store: &S3) -> Vec<Promise> {
    let nonce = Cell::new(0);
    let claim = || {
        nonce.set(nonce.get() + 1);
        let mut claim = Host::new(1).claim;
        claim.nonce = Random::new([nonce.get(); 10]);
        claim
    };
    let needs = Needs { lease: true, delete: true, min_free: None };
    Visit { store, random: Random::new([7; 10]), needs, now: &Utc::now, claim: &claim, size: &|bytes| format!("{bytes} B") }.examine()
}

fn broken(all: &[Promise]) -> Vec<&'static str> {
    all.iter().filter(|promise| promise.relied && promise.standing == Standing::Broken).map(|promise| promise.about).collect()
}

#[test]
fn a_good_server_keeps_what_it_promises() {
    let server = Server::start();
    let store = server.fresh();
    let all = visit(&store);
    assert_eq!(broken(&all), [] as [&str; 0], "{all:#?}");
    for about in [
        "compare-and-swap",
        "swap-one-winner",
        "lease",
        "parts",
        "create-only-parts",
        "abort",
        "max-parts",
        "growing-parts",
        "versioning",
        "lifecycle",
    ] {
        let found = all.iter().find(|promise| promise.about == about).unwrap_or_else(|| panic!("nothing of {about}: {all:#?}"));
        assert_eq!(found.standing, Standing::Holds, "{found:?}");
    }
    assert!(store.list("").unwrap().is_empty());
    assert_eq!(server.open_uploads(), 0);
}

#[test]
fn a_server_that_ignores_the_conditions_of_small_writes_is_found_out() {
    let server = Server::start();
    server.fail(usize::MAX, Fault::Unconditional, |call| call.is("PUT", "") && call.condition);
    let found = broken(&visit(&server.fresh()));
    for about in ["create-only", "one-winner", "compare-and-swap"] {
        assert!(found.contains(&about), "{about} is not in {found:?}");
    }
}

#[test]
fn settings_that_may_not_be_asked_for_are_unknown() {
    let server = Server::start();
    let denied = Fault::Answer(403, error("AccessDenied", "Access Denied"));
    server.fail(usize::MAX, denied, |call| call.query.contains("lifecycle"));
    let all = visit(&server.fresh());
    let found = all.iter().find(|promise| promise.about == "lifecycle").unwrap();
    assert!(found.standing == Standing::Unknown && found.said.contains("AccessDenied"), "{found:?}");
}

/// A store that is to lock what it gets, in a bucket that says it can.
fn locking(server: &Server) -> S3 {
    let enabled = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>";
    server.fail(usize::MAX, Fault::Answer(200, enabled.to_owned()), |call| call.is("GET", "object-lock"));
    let lock = ObjectLock { mode: LockMode::Compliance, until: Arc::new(|now| now + TimeDelta::days(30)) };
    server.store(|bucket| bucket.object_lock = Some(lock))
}

#[test]
fn a_server_that_takes_locks_and_keeps_none_is_found_out() {
    let server = Server::start();
    let store = locking(&server);
    let all = visit(&store);
    assert_eq!(broken(&all), ["lock"], "{all:#?}");
    assert!(store.list("").unwrap().is_empty(), "what is not locked is removed");
}

#[test]
fn a_right_to_lock_that_is_missing_is_named() {
    let server = Server::start();
    let store = locking(&server);
    server.fail(usize::MAX, Fault::Answer(403, error("AccessDenied", "Access Denied")), |call| call.is("PUT", "/locked"));
    let all = visit(&store);
    let found = all.iter().find(|promise| promise.about == "lock").unwrap();
    assert!(found.said.contains("AccessDenied") && found.remedy.as_ref().unwrap().contains("`s3:PutObjectRetention`"), "{found:?}");
}

#[test]
fn a_number_of_parts_that_the_service_refuses_is_found_out_without_sending_so_many() {
    let server = Server::start();
    let refused = Fault::Answer(400, error("InvalidArgument", "Part number must be an integer between 1 and 1000, inclusive"));
    server.fail(usize::MAX, refused, |call| call.is("PUT", "partNumber=10000"));
    let all = visit(&server.fresh());
    assert_eq!(broken(&all), ["max-parts"], "{all:#?}");
    let found = all.iter().find(|promise| promise.about == "max-parts").unwrap();
    assert!(found.said.contains("between 1 and 1000") && found.remedy.as_ref().unwrap().contains("`max_parts`"), "{found:?}");
    assert_eq!(server.calls().iter().filter(|call| call.key.ends_with("/numbered") && call.method == "PUT").count(), 1);
    let all = visit(&server.store(|bucket| bucket.max_parts = 1000));
    assert_eq!(broken(&all), [] as [&str; 0], "{all:#?}");
    assert_eq!(server.open_uploads(), 0);
}

#[test]
fn a_service_whose_parts_must_be_alike_is_found_out() {
    let server = Server::start();
    let refused = Fault::Answer(400, error("InvalidPart", "All non-trailing parts must have the same length"));
    server.fail(usize::MAX, refused, |call| call.is("POST", "/grown") && call.query.contains("uploadId"));
    let all = visit(&server.store(|bucket| bucket.max_parts = 1000));
    let found = all.iter().find(|promise| promise.about == "growing-parts").unwrap();
    assert_eq!((found.standing, found.relied), (Standing::Broken, false), "{found:?}");
    assert!(found.said.contains("the same length") && found.said.contains("5344 MiB"), "{found:?}");
    assert_eq!(found.remedy.as_deref(), Some("set `segment_size` to at most \"5344MiB\""));
    assert_eq!(server.open_uploads(), 0);
}

#[test]
fn a_limit_that_could_not_be_tried_is_unknown() {
    let server = Server::start();
    server.fail(usize::MAX, Fault::Lost, |call| call.is("PUT", "/numbered"));
    let all = visit(&server.fresh());
    let found = all.iter().find(|promise| promise.about == "max-parts").unwrap();
    assert_eq!(found.standing, Standing::Unknown, "{found:?}");
}
