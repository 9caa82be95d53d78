//! Copies over stores with habits: those that go on, are repaired, are made up, or are too large.

use std::sync::{Arc, Mutex};

use super::laws::{catalog, ids};
use super::odd::Habits;
use super::stores::{hour, run, went, world};
use super::world::{Applied, Luck, World, locked};
use crate::finding::world as code;
use crate::store::ReadStore;
use crate::store::faults::Fault;
use crate::store::layout::Area;

#[test]
fn a_copy_that_was_cut_goes_on_where_it_was_cut() {
    for (number, fault) in [(1, Fault::Error), (2, Fault::Error), (3, Fault::Error)] {
        let (mut world, habits) = world("", "retention = \"many\"");
        world.down[1] = true;
        run(&mut world, Luck::Good);
        world.down[1] = false;
        run(&mut world, Luck::Stumbles(number + 3, fault));
        let there = world.stores[1].list(&Area::Data.folder(&world.instance)).unwrap();
        locked(&habits).calls.clear();
        assert_eq!(went(&run(&mut world, Luck::Good)), ["copy"], "{number}");
        let calls = locked(&habits).calls.clone();
        let sent = calls.iter().filter(|call| call.starts_with("upload")).count();
        assert_eq!(sent, 2 - there.len(), "{number}: {calls:#?}");
        assert!(calls.iter().all(|call| !there.iter().any(|object| *call == format!("upload {}", object.key))), "{calls:#?}");
    }
}

#[test]
fn what_lies_in_the_way_of_a_copy_is_never_taken_for_it() {
    for (bytes, what) in [(b"indeX".as_slice(), "other bytes"), (b"ind", "a piece")] {
        let (mut world, _) = world("", "retention = \"many\"");
        run(&mut world, Luck::Good);
        hour(&mut world, true);
        world.down[1] = true;
        run(&mut world, Luck::Good);
        world.down[1] = false;
        let key = world.stores[0].list(&Area::Data.folder(&world.instance)).unwrap().pop().unwrap().key;
        world.stores[1].put(&key, bytes);
        assert_eq!(went(&run(&mut world, Luck::Good)), ["copy"], "{what}");
        let copy = catalog(&world.stores[1], &world.instance).pop().unwrap().2;
        assert_eq!(copy.generation, 2, "{what}");
        assert_eq!(world.stores[1].get(&key).unwrap(), bytes);
    }
}

#[test]
fn a_damaged_copy_is_replaced_and_its_bytes_stay_until_the_artifact_goes() {
    let (mut world, _) = world("", "retention = \"few\"");
    run(&mut world, Luck::Good);
    let key = world.stores[1].list(&Area::Data.folder(&world.instance)).unwrap().remove(0).key;
    assert!(world.stores[1].truncate(&key));
    let damaged = world.stores[1].get(&key).unwrap();
    assert_eq!(went(&run(&mut world, Luck::Good)), ["copy"]);
    assert_eq!(world.stores[1].get(&key).unwrap(), damaged);
    assert!(run(&mut world, Luck::Good).plan.steps.is_empty());
    hour(&mut world, true);
    assert_eq!(went(&run(&mut world, Luck::Good)), ["capture", "copy", "delete", "delete"]);
    assert!(world.stores[1].get(&key).is_err());
    assert_eq!(world.stores[1].list(&Area::Data.folder(&world.instance)).unwrap().len(), 2);
}

#[test]
fn a_capture_is_cut_where_the_smallest_store_needs_it() {
    let (mut world, habits) = world("", "retention = \"many\"");
    locked(&habits).largest = Some(8);
    run(&mut world, Luck::Good);
    let objects = world.stores[0].list(&Area::Data.folder(&world.instance)).unwrap();
    let payload: Vec<u64> = objects.iter().filter(|o| !o.key.contains(".index")).map(|o| o.bytes).collect();
    assert!(payload.len() > 2 && payload.iter().all(|bytes| *bytes <= 8), "{payload:?}");
    assert_eq!(world.stores[1].list(&Area::Data.folder(&world.instance)).unwrap().len(), objects.len());
}

/// The second of two artifacts is not on `offsite` yet, which takes nothing of its size any more.
fn one_too_large() -> (World, Arc<Mutex<Habits>>) {
    let (mut world, habits) = world("", "retention = \"many\"");
    run(&mut world, Luck::Good);
    hour(&mut world, true);
    world.down[1] = true;
    run(&mut world, Luck::Good);
    world.down[1] = false;
    locked(&habits).largest = Some(8);
    (world, habits)
}

#[test]
fn what_is_larger_than_a_store_takes_is_tried_by_no_run() {
    let (mut world, habits) = one_too_large();
    hour(&mut world, true);
    let applied = run(&mut world, Luck::Good);
    assert_eq!(went(&applied), ["capture", "copy"]);
    let said: Vec<_> = applied.outcome.unwrap().findings.into_iter().filter(|f| f.code == code::SEGMENT_TOO_LARGE).collect();
    assert!(said.len() == 1 && said[0].message.contains("8 B at most"), "{said:?}");
    assert!(run(&mut world, Luck::Good).plan.steps.is_empty());
    // a listing without payload does not show it: then it is found out before anything is sent
    world.catalog_only = true;
    locked(&habits).calls.clear();
    let said = went(&run(&mut world, Luck::Good));
    assert!(said.len() == 1 && said[0].starts_with("copy ") && said[0].contains("8 B at most"), "{said:?}");
    assert!(locked(&habits).calls.iter().all(|call| !call.starts_with("upload")));
    world.catalog_only = false;
    locked(&habits).largest = None;
    assert_eq!(went(&run(&mut world, Luck::Good)), ["copy"]);
    assert_eq!(ids(&world.stores[1], &world.instance).len(), 3);
}

#[test]
fn a_tree_that_did_not_change_is_captured_anew_where_a_store_cannot_take_what_it_was_captured_to() {
    let (mut world, _) = one_too_large();
    hour(&mut world, false);
    assert_eq!(went(&run(&mut world, Luck::Good)), ["capture", "copy"]);
    let first = catalog(&world.stores[1], &world.instance).pop().unwrap().2;
    assert_eq!((first.need, ids(&world.stores[1], &world.instance).len()), (None, 2));
    // that one fits: what comes next points at it
    hour(&mut world, false);
    assert_eq!(went(&run(&mut world, Luck::Good)), ["capture", "copy"]);
    let second = catalog(&world.stores[1], &world.instance).pop().unwrap().2;
    assert_eq!(second.need, Some(first.id.random()));
}

#[test]
fn a_copy_that_failed_is_made_up_once_the_new_store_has_its_beginning() {
    let (mut world, habits) = world("backfill = \"newest\"", "retention = \"many\"");
    let failed = |applied: &Applied| went(applied).iter().any(|line| line.starts_with("copy ") && line.contains("not now"));
    // nothing has arrived yet: the store's past begins with what does
    locked(&habits).refuses = Some(String::new());
    assert!(failed(&run(&mut world, Luck::Good)));
    locked(&habits).refuses = None;
    hour(&mut world, true);
    assert_eq!(went(&run(&mut world, Luck::Good)), ["capture", "copy"]);
    assert!(run(&mut world, Luck::Good).plan.steps.is_empty());
    // from there on nothing is left out, though a younger one arrives first
    hour(&mut world, true);
    locked(&habits).refuses = Some(String::new());
    assert!(failed(&run(&mut world, Luck::Good)));
    let missed = ids(&world.stores[0], &world.instance).into_iter().next_back().unwrap().1;
    hour(&mut world, true);
    locked(&habits).refuses = Some(missed.to_string());
    let said = went(&run(&mut world, Luck::Good));
    assert_eq!(said.iter().filter(|line| *line == "copy").count(), 1, "{said:?}");
    assert_eq!(ids(&world.stores[1], &world.instance).len(), 2);
    locked(&habits).refuses = None;
    assert_eq!(went(&run(&mut world, Luck::Good)), ["copy"]);
    let mut there = ids(&world.stores[0], &world.instance);
    there.pop_first();
    assert_eq!(ids(&world.stores[1], &world.instance), there);
}
