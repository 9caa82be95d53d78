//! What `doctor` finds of a server in the process.

use std::cell::Cell;

use chrono::Utc;

use super::server::{Fault, Server, error};
use crate::model::id::Random;
use crate::store::S3;
use crate::store::doctor::{Needs, Promise, Standing, Visit};
use crate::store::lease::tests::Host;
use crate::store::port::ReadStore;

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
    for about in ["compare-and-swap", "swap-one-winner", "lease", "parts", "create-only-parts", "abort", "versioning", "lifecycle"] {
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
