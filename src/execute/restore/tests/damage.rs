//! Damage, hostile archives, signals: nothing is changed, and nothing is left.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::super::*;
use super::world::World;
use crate::execute::Event;
use crate::execute::error::chain;
use crate::store::StoreError;
use crate::store::segments::SegmentError;

const PAYLOAD: &str = "files.tar.zst";

#[test]
fn an_altered_byte_is_found_before_anything_is_changed() {
    let world = World::new();
    world.capture();
    let (one, two) =
        (world.plan("files", &world.ask(To::Folder("out".into()))).unwrap(), world.plan("files", &world.ask(To::InPlace)).unwrap());
    world.flip("one", "files", PAYLOAD);
    world.flip("two", "files", PAYLOAD);
    world.write("data/a.txt", "today");
    let before = world.tree("data");
    for plan in [one, two] {
        let error = perform(&world.set, &world.ports, &plan).unwrap_err();
        assert!(error.is_damage() && chain(&error).contains("/data/files/"), "{}", chain(&error));
        assert_eq!(world.tree("data"), before);
        assert!(!world.path("out").exists() && world.journals().is_empty() && world.leftovers().is_empty());
    }
}

#[test]
fn an_altered_index_and_a_truncated_payload_are_damage_that_names_the_object() {
    let world = World::new();
    world.capture();
    let ask = world.ask(To::Folder("out".into()));
    let plan = world.plan("files", &ask).unwrap();
    let id = world.newest("files");
    for store in ["one", "two"] {
        let path = world.path(&format!("{store}/demo/data/files/{id}/{PAYLOAD}"));
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    }
    let error = perform(&world.set, &world.ports, &plan).unwrap_err();
    assert!(error.is_damage() && chain(&error).contains(PAYLOAD), "{}", chain(&error));
    for store in ["one", "two"] {
        world.flip(store, "files", "files.tar.zst.index");
    }
    let error = perform(&world.set, &world.ports, &plan).unwrap_err();
    assert!(error.is_damage() && chain(&error).contains("files.tar.zst.index` does not have the SHA-256"), "{}", chain(&error));
    assert!(!world.path("out").exists() && world.journals().is_empty() && world.leftovers().is_empty());
}

#[test]
fn a_damaged_copy_is_replaced_by_a_good_one_of_another_store() {
    let world = World::new();
    world.capture();
    world.flip("one", "files", PAYLOAD);
    let restored = world.restore("files", &world.ask(To::Folder("out".into()))).unwrap();
    assert_eq!(restored.store.as_str(), "two");
    assert_eq!(world.tree("out/data"), world.tree("data"));
    let events = world.events.lock().unwrap();
    assert!(events.iter().any(|e| matches!(e, Event::StepWarning { message, .. } if message.ends_with("the next copy is read"))));
}

#[test]
fn a_store_that_went_away_is_replaced_by_another_one() {
    let mut world = World::new();
    world.capture();
    let plan = world.plan("files", &world.ask(To::Folder("out".into()))).unwrap();
    assert_eq!(plan.choice.copies[0].store.as_str(), "one");
    let away = world.ports.stores.remove("one").unwrap();
    assert_eq!(perform(&world.set, &world.ports, &plan).unwrap().store.as_str(), "two");
    let refused = || StoreError::of(&away.place(), "read", "payload", std::io::ErrorKind::PermissionDenied.into());
    for error in [refused().into(), SegmentError::from(refused()).into()] {
        let error: RestoreError = error;
        assert!(error.is_of_copy() && !error.is_damage(), "{error}");
    }
    assert!(!RestoreError::io("write", std::path::Path::new("out"))(std::io::ErrorKind::PermissionDenied.into()).is_of_copy());
}

#[test]
fn an_altered_index_is_replaced_by_a_good_one_of_another_store() {
    let world = World::new();
    world.capture();
    world.flip("one", "files", "files.tar.zst.index");
    assert_eq!(world.restore("files", &world.ask(To::Folder("out".into()))).unwrap().store.as_str(), "two");
}

#[test]
fn an_archive_that_climbs_out_is_refused_and_touches_nothing() {
    let world = World::new();
    world.capture();
    let mut builder = tar::Builder::new(Vec::new());
    for name in ["data/x", "data/../../escaped"] {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(1);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, &b"x"[..]).unwrap();
    }
    let payload = zstd::encode_all(builder.into_inner().unwrap().as_slice(), 1).unwrap();
    let id = world.newest("files");
    for store in ["one", "two"] {
        let sum = crate::store::Sha256Sum::of(&payload);
        let catalog = world.path(&format!("{store}/demo/catalog/files"));
        let old = fs::read_dir(&catalog).unwrap().next().unwrap().unwrap().path();
        let mut record = crate::store::record::Record::read(&fs::read(&old).unwrap()).unwrap();
        record.segments[0].bytes = payload.len() as u64;
        record.segments[0].sha256 = sum;
        record.index = None;
        fs::remove_file(&old).unwrap();
        fs::write(catalog.join(record.catalog_key(1).file_name()), record.write()).unwrap();
        fs::write(world.path(&format!("{store}/demo/data/files/{id}/{PAYLOAD}")), &payload).unwrap();
        fs::remove_file(world.path(&format!("{store}/demo/data/files/{id}/{PAYLOAD}.index"))).unwrap();
    }
    let before = world.tree("data");
    for to in [To::Folder("out/of/here".into()), To::InPlace] {
        let error = world.restore("files", &world.ask(to)).unwrap_err();
        assert!(chain(&error).contains("its name contains `..`"), "{}", chain(&error));
        assert_eq!(world.tree("data"), before);
        assert!(!world.path("out").exists() && !world.path("escaped").exists());
        assert!(world.journals().is_empty() && world.leftovers().is_empty());
    }
}

#[test]
fn a_signal_while_bytes_are_staged_leaves_nothing() {
    for to in [To::Folder("out".into()), To::InPlace] {
        let mut world = World::new();
        world.capture();
        let before = world.tree("data");
        let plan = world.plan("files", &world.ask(to)).unwrap();
        let cancel = Arc::clone(&world.ports.cancel);
        world.ports.report = Arc::new(move |event| {
            if matches!(event, Event::StepStarted { .. }) {
                cancel.store(true, Ordering::Relaxed);
            }
        });
        assert!(matches!(perform(&world.set, &world.ports, &plan), Err(RestoreError::Interrupted)));
        assert_eq!(world.tree("data"), before);
        assert!(!world.path("out").exists() && world.journals().is_empty() && world.leftovers().is_empty());
    }
}

#[test]
fn a_signal_during_the_swap_waits_until_it_is_done() {
    let mut world = World::new();
    world.capture();
    let plan = world.plan("files", &world.ask(To::InPlace)).unwrap();
    let cancel = Arc::clone(&world.ports.cancel);
    world.ports.report = Arc::new(move |event| {
        if matches!(&event, Event::StepStarted { address } if address.starts_with("swap:")) {
            cancel.store(true, Ordering::Relaxed);
        }
    });
    let restored = perform(&world.set, &world.ports, &plan).unwrap();
    assert!(restored.uncommitted);
    assert_eq!(pending(&world.ports).unwrap()[0].phase, Phase::Swapped);
}
