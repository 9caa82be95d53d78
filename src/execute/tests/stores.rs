//! Runs over stores with habits: promises, late listings, roles.

use std::sync::{Arc, Mutex};

use chrono::TimeDelta;

use super::laws::{catalog, ids};
use super::odd::{Habits, Odd};
use super::world::{Applied, Luck, World, locked, name, set};
use crate::execute::StepResult;
use crate::finding::world as code;
use crate::model::id::Instant;
use crate::plan::Role;
use crate::store::layout::{self, Area};
use crate::store::{ReadStore, WriteStore};

/// One tree on a folder and a bucket, hourly.
pub(super) fn world(bucket: &str, rest: &str) -> (World, Arc<Mutex<Habits>>) {
    let text = format!(
        "version = 1\nname = \"lucid\"\ntimezone = \"Etc/UTC\"\n[run]\nconcurrency = 1\n[guard]\nmax_delete_fraction = 1.0\n\
         [store.directory.local]\npath = \"/stores/local\"\n[store.s3.offsite]\nbucket = \"backups\"\n{bucket}\n\
         [schedule]\nhourly = {{ cron = \"0 * * * *\" }}\n[retention]\nfew = {{ keep_last = 1, min_count = 1, min_age = \"1min\" }}\n\
         many = {{ keep_last = 99 }}\n[source.files.tree]\npaths = [\"/srv/tree\"]\n[policy.trees]\nsource = \"tree\"\n\
         schedule = \"hourly\"\nstores = [\"local\", \"offsite\"]\n{rest}\n"
    );
    let mut world = World::new(7, set(&text));
    // what changed a moment ago could change again unseen
    world.advance(TimeDelta::hours(1));
    let habits: Arc<Mutex<Habits>> = Arc::default();
    let odd = Arc::clone(&habits);
    world.wrap = Some(Arc::new(move |number, inner| if number == 0 { inner } else { Arc::new(Odd { inner, habits: Arc::clone(&odd) }) }));
    (world, habits)
}

pub(super) fn run(world: &mut World, luck: Luck) -> Applied {
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(2).build().unwrap();
    let facts = world.facts(false);
    world.apply(&runtime, luck, TimeDelta::milliseconds(1), false, &facts)
}

/// An hour later, the tree changed or not.
pub(super) fn hour(world: &mut World, changed: bool) {
    world.advance(TimeDelta::hours(1));
    if changed {
        let now = world.now();
        let mut sources = locked(&world.sources.0);
        let held = sources.get_mut(&name("tree")).unwrap();
        (held.version, held.changed) = (held.version + 1, now);
    }
}

/// Kind and end of each step, without those that went well.
pub(super) fn went(applied: &Applied) -> Vec<String> {
    let outcome = applied.outcome.as_ref().unwrap();
    let said = |result: &StepResult| match result {
        StepResult::Done(_) => String::new(),
        StepResult::Failed { message } | StepResult::Skipped { message } => format!(" {message}"),
    };
    outcome.steps.iter().map(|step| format!("{}{}", step.kind, said(&step.result))).collect()
}

fn promised(world: &World, key: &str) -> Option<Instant> {
    world.stores[1].retained(key).unwrap()
}

pub(super) const LOCK: &str = "object_lock = { mode = \"governance\", for = \"6h\" }";

#[test]
fn an_owner_of_bytes_is_promised_for_as_long_as_what_points_at_it() {
    let (mut world, habits) = world(LOCK, "retention = \"many\"");
    assert_eq!(went(&run(&mut world, Luck::Good)), ["init", "init", "capture", "copy"]);
    for _ in 0..3 {
        hour(&mut world, false);
        assert_eq!(went(&run(&mut world, Luck::Good)), ["capture", "copy"]);
    }
    let records = catalog(&world.stores[1], &world.instance);
    let last = records.iter().map(|(key, ..)| promised(&world, key).unwrap()).max().unwrap();
    let owner = records.iter().find(|(_, _, key)| key.need.is_none()).unwrap();
    let payload = world.stores[1].list(&Area::Data.folder(&world.instance)).unwrap();
    assert_eq!((records.len(), payload.len()), (4, 2));
    for key in payload.iter().map(|o| &o.key).chain([&owner.0]) {
        assert!(promised(&world, key).unwrap() >= last, "{key} may go before what needs it");
    }
    // extended before the record that needs it, record and index too
    let calls = locked(&habits).calls.clone();
    let of_last = calls.iter().rposition(|call| call.starts_with("create") && call.contains("/catalog/")).unwrap();
    let extended: Vec<&String> =
        calls[..of_last].iter().rev().take_while(|call| call.starts_with("extend") && !call.contains("/manifests/")).collect();
    assert_eq!(extended.len(), 3, "{calls:#?}");
}

#[test]
fn what_is_locked_stays_with_its_date_and_goes_when_the_date_is_past() {
    let (mut world, _) = world(LOCK, "retention = \"few\"");
    run(&mut world, Luck::Good);
    hour(&mut world, true);
    let applied = run(&mut world, Luck::Good);
    assert_eq!(went(&applied), ["capture", "copy", "delete"]);
    let facts = world.facts(true);
    let plan = world.plan(&facts, applied.plan.as_of);
    assert!(plan.steps.is_empty());
    let [locked] = plan.waiting.as_slice() else { panic!("{:?}", plan.waiting) };
    assert_eq!((locked.store.as_str(), ids(&world.stores[1], &world.instance).len()), ("offsite", 2));
    let until = plan.valid_until.unwrap();
    world.advance(TimeDelta::hours(6));
    let facts = world.facts(true);
    let plan = world.plan(&facts, until.max(world.now()));
    assert!(plan.step(&locked.address).is_some(), "{:?}", plan.steps);
}

#[test]
fn what_is_locked_is_asked_for_before_it_is_said_to_be_too_much() {
    // longer locked than kept: what is locked is no part of what one run deletes
    let (mut world, _) = world("object_lock = { mode = \"governance\", for = \"30d\" }", "retention = \"few\"");
    world.set = set(&world.set.files[0].1.replace("max_delete_fraction = 1.0", "max_delete_fraction = 0.5"));
    for _ in 0..9 {
        hour(&mut world, true);
        let applied = run(&mut world, Luck::Good);
        assert!(applied.outcome.unwrap().findings.is_empty());
    }
    let facts = world.facts(true);
    let plan = world.plan(&facts, world.now());
    assert_eq!((plan.waiting.len(), plan.steps.len(), plan.refused()), (8, 0, false));
}

#[test]
fn one_locked_object_keeps_the_whole_artifact() {
    let (mut world, _) = world(LOCK, "retention = \"few\"");
    run(&mut world, Luck::Good);
    world.advance(TimeDelta::hours(7));
    hour(&mut world, true);
    // neither the record nor the first object, which is what a plan asks for
    let index = world.stores[1].list(&Area::Data.folder(&world.instance)).unwrap().pop().unwrap().key;
    assert!(index.contains(".index"));
    let until = world.now() + TimeDelta::days(2);
    world.stores[1].extend(&index, until).unwrap();
    let before = world.stores[1].keys();
    let said = went(&run(&mut world, Luck::Good));
    let failed: Vec<&String> = said.iter().filter(|line| line.contains("locked until")).collect();
    assert_eq!(failed.len(), 1, "{said:?}");
    assert!(failed[0].contains(&until.format("%F %T UTC").to_string()), "{said:?}");
    let after = world.stores[1].keys();
    assert!(before.iter().all(|key| after.contains(key) || key.contains("/lock/")), "something of it is gone");
}

#[test]
fn what_a_bucket_only_hides_is_said_to_be_paid_for() {
    let (mut world, habits) = world("", "retention = \"few\"");
    run(&mut world, Luck::Good);
    hour(&mut world, true);
    locked(&habits).hides = true;
    let outcome = run(&mut world, Luck::Good).outcome.unwrap();
    let notes: Vec<_> = outcome
        .steps
        .iter()
        .filter(|step| step.kind == "delete")
        .map(|step| match &step.result {
            StepResult::Done(done) => (step.address.ends_with("@offsite"), done.note.clone()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(notes.len(), 2);
    for (offsite, note) in notes {
        assert_eq!(note.is_some_and(|note| note.starts_with("3 objects are hidden") && note.contains("paid for")), offsite);
    }
}

#[test]
fn what_was_just_written_is_known_though_no_listing_shows_it() {
    for changed in [true, false] {
        let (mut world, habits) = world("", "retention = \"many\"\nrpo = \"2h\"");
        world.set = set(&world.set.files[0].1.replace("[\"local\", \"offsite\"]", "[\"offsite\", \"local\"]"));
        run(&mut world, Luck::Good);
        hour(&mut world, changed);
        locked(&habits).late = true;
        assert_eq!(went(&run(&mut world, Luck::Good)), ["capture", "copy"]);
        let made = ids(&world.stores[1], &world.instance);
        for _ in 0..2 {
            let applied = run(&mut world, Luck::Good);
            assert!(applied.plan.steps.is_empty(), "{:?}", applied.plan.steps);
        }
        assert_eq!(ids(&world.stores[1], &world.instance), made);
        // what somebody else removed is looked up once more, and forgotten
        for (key, _, found) in catalog(&world.stores[1], &world.instance) {
            if locked(&habits).unlisted.contains(&key) {
                world.stores[1].lose(&key);
                world.stores[0].delete(&layout::record(&world.instance, &name("trees"), &found)).unwrap();
            }
        }
        let plan = run(&mut world, Luck::Good).plan;
        assert_eq!(plan.steps.iter().map(|s| s.work.kind()).collect::<Vec<_>>(), ["capture", "copy"]);
    }
}

#[test]
fn what_another_run_made_up_to_the_lease_is_not_made_again() {
    let (mut world, habits) = world("", "retention = \"many\"");
    world.set = set(&world.set.files[0].1.replace("[\"local\", \"offsite\"]", "[\"offsite\"]"));
    run(&mut world, Luck::Good);
    hour(&mut world, true);
    let before = world.stores[1].keys();
    assert_eq!(went(&run(&mut world, Luck::Good)), ["capture"]);
    let made = ids(&world.stores[1], &world.instance);
    // taken back, to be made by somebody else between this run's look and its lease
    let store = world.stores[1].clone();
    let mut others: Vec<(String, Vec<u8>)> = Vec::new();
    for key in store.keys().into_iter().filter(|key| !before.contains(key)) {
        others.push((key.clone(), store.get(&key).unwrap()));
        store.delete(&key).unwrap();
    }
    assert!(others.iter().any(|(key, _)| key.contains("/catalog/")), "{others:?}");
    locked(&habits).before_lock = Some(Box::new(move || others.iter().for_each(|(key, bytes)| store.put(key, bytes))));
    let applied = run(&mut world, Luck::Good);
    assert_eq!(applied.plan.steps.iter().map(|s| s.work.kind()).collect::<Vec<_>>(), ["capture"]);
    assert_eq!(went(&applied), [] as [String; 0]);
    assert_eq!(ids(&world.stores[1], &world.instance), made);
}

#[test]
fn a_clock_that_is_not_ours_blocks_deletes_there_and_nothing_else() {
    let (mut world, habits) = world("", "retention = \"few\"");
    run(&mut world, Luck::Good);
    hour(&mut world, true);
    locked(&habits).clock = Some(world.now() + TimeDelta::minutes(30));
    let applied = run(&mut world, Luck::Good);
    assert_eq!(went(&applied), ["capture", "copy", "delete"]);
    assert!(applied.outcome.unwrap().findings.iter().any(|finding| finding.code == code::CLOCK_SKEW));
    assert_eq!(ids(&world.stores[1], &world.instance).len(), 2);
}

#[test]
fn an_unchanged_tree_names_no_owner_whose_bytes_nobody_has_seen() {
    for lost in [false, true] {
        let (mut world, _) = world("", "retention = \"many\"");
        world.catalog_only = true;
        run(&mut world, Luck::Good);
        hour(&mut world, false);
        if lost {
            let payload = world.stores[0].list(&Area::Data.folder(&world.instance)).unwrap();
            world.stores[0].lose(&payload[0].key);
        }
        assert_eq!(went(&run(&mut world, Luck::Good)), ["capture", "copy"]);
        let needs = catalog(&world.stores[0], &world.instance).iter().filter(|(_, _, key)| key.need.is_some()).count();
        assert_eq!(needs, usize::from(!lost));
    }
}

#[test]
fn one_host_captures_and_another_one_deletes() {
    let (mut world, _) = world("", "retention = \"few\"");
    world.role = Role::Writer;
    run(&mut world, Luck::Good);
    hour(&mut world, true);
    let applied = run(&mut world, Luck::Good);
    assert_eq!(went(&applied), ["capture", "copy"]);
    assert_eq!(applied.plan.waiting.len(), 2);
    world.change_hosts(Role::Janitor);
    let applied = run(&mut world, Luck::Good);
    assert_eq!(went(&applied), ["delete", "delete"]);
    assert!(applied.outcome.unwrap().findings.is_empty());
    assert!(run(&mut world, Luck::Good).plan.steps.is_empty());
    world.change_hosts(Role::Writer);
    assert!(run(&mut world, Luck::Good).plan.waiting.is_empty());
    // another manifest with the same rules is as good
    hour(&mut world, true);
    run(&mut world, Luck::Good);
    world.change_hosts(Role::Janitor);
    world.set = set(&format!("{}# a word\n", world.set.files[0].1));
    assert_eq!(went(&run(&mut world, Luck::Good)), ["delete", "delete"]);
}

#[test]
fn a_janitor_with_fewer_rules_than_the_host_deletes_nothing() {
    let (mut world, _) = world("", "retention = \"many\"");
    world.role = Role::Writer;
    run(&mut world, Luck::Good);
    hour(&mut world, true);
    run(&mut world, Luck::Good);
    world.change_hosts(Role::Janitor);
    world.set = set(&world.set.files[0].1.replace("retention = \"many\"", "retention = \"few\""));
    let applied = run(&mut world, Luck::Good);
    assert!(applied.plan.steps.is_empty() && applied.plan.refused());
    assert_eq!(applied.plan.findings.iter().filter(|finding| finding.code == code::OTHER_RULES).count(), 2);
    assert_eq!(ids(&world.stores[0], &world.instance).len(), 2);
}

#[test]
fn a_record_is_known_before_it_is_there() {
    let mut ended = false;
    for kill in 0..40 {
        let (mut world, habits) = world("", "retention = \"many\"");
        world.set = set(&world.set.files[0].1.replace("[\"local\", \"offsite\"]", "[\"offsite\"]"));
        run(&mut world, Luck::Good);
        hour(&mut world, true);
        locked(&habits).late = true;
        ended = run(&mut world, Luck::Killed(kill, true)).outcome.is_some();
        let known = world.bare().state.commits(&world.instance, &name("offsite"), world.now()).unwrap();
        for (key, ..) in catalog(&world.stores[1], &world.instance) {
            assert!(known.contains(&key), "killed after {kill}: {key} is there, and nobody knows");
        }
        if ended {
            break;
        }
    }
    assert!(ended);
}

#[test]
fn what_is_locked_from_before_stays_though_the_manifest_has_no_lock_any_more() {
    let (mut world, _) = world(LOCK, "retention = \"few\"");
    run(&mut world, Luck::Good);
    hour(&mut world, true);
    world.set = set(&world.set.files[0].1.replace(LOCK, ""));
    assert_eq!(went(&run(&mut world, Luck::Good)), ["capture", "copy", "delete"]);
    let plan = world.plan(&world.facts(true), world.now());
    assert_eq!((plan.steps.len(), plan.waiting.len()), (0, 1));
}

#[test]
fn a_manifest_is_promised_for_as_long_as_what_is_made_with_it() {
    let (mut world, _) = world(LOCK, "retention = \"many\"");
    run(&mut world, Luck::Good);
    hour(&mut world, true);
    run(&mut world, Luck::Good);
    let [manifest] = world.stores[1].list(&Area::Manifests.folder(&world.instance)).unwrap().try_into().unwrap();
    let records = catalog(&world.stores[1], &world.instance);
    let last = records.iter().map(|(key, ..)| promised(&world, key).unwrap()).max().unwrap();
    assert!(promised(&world, &manifest.key).unwrap() >= last);
}
