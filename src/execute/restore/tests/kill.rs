//! A kill at every journalled step: afterwards the old state or the new one is whole, and recovery says which.

use std::collections::BTreeSet;
use std::fs;

use super::super::fault::Fault;
use super::super::settle::{commit_until, recover_until, rollback_until};
use super::super::*;
use super::world::World;

struct States {
    old: Vec<String>,
    new: Vec<String>,
}

/// A tree and a file that are replaced, and a file that is lost.
fn prepared() -> (World, States) {
    let world = World::with("paths = [\"data\", \"conf.txt\", \"lost.txt\"]", "");
    world.write("lost.txt", "lost");
    let new = state(&world);
    world.capture();
    world.write("data/a.txt", "today");
    world.write("data/new.txt", "new");
    world.write("conf.txt", "today");
    fs::remove_file(world.path("lost.txt")).unwrap();
    let old = state(&world);
    assert_ne!(old, new);
    (world, States { old, new })
}

fn state(world: &World) -> Vec<String> {
    let mut lines = world.tree("data");
    for file in ["conf.txt", "lost.txt"] {
        lines.push(format!("{file} {:?}", fs::read_to_string(world.path(file)).ok()));
    }
    lines
}

/// The first step after which the exchange has begun.
fn in_the_middle() -> usize {
    let begun = (0..100).find(|steps| {
        let (world, _) = prepared();
        let killed = world.restore_until("files", &world.ask(To::InPlace), *steps).is_err();
        killed && pending(&world.ports).unwrap()[0].phase == Phase::Swapping
    });
    begun.unwrap()
}

fn nothing_left(world: &World) {
    assert!(world.journals().is_empty() && world.leftovers().is_empty(), "{:?} {:?}", world.journals(), world.leftovers());
    assert!(recover(&world.ports).unwrap().is_empty());
}

#[test]
fn a_restore_in_place_that_is_killed_anywhere_is_undone_or_finished() {
    let mut seen = BTreeSet::new();
    for steps in 0.. {
        let (world, states) = prepared();
        let Err(killed) = world.restore_until("files", &world.ask(To::InPlace), steps) else { break };
        assert!(matches!(killed, RestoreError::Killed), "step {steps}: {killed}");
        let waiting = pending(&world.ports).unwrap();
        let recovered = recover(&world.ports).unwrap();
        match recovered.first().map(|r| &r.what) {
            Some(What::Undone) => {
                assert_eq!(state(&world), states.old, "step {steps}");
                nothing_left(&world);
                seen.insert("undone");
            }
            // Killed after the journal's last word: nothing was to be recovered.
            other @ (Some(What::Swapped) | None) => {
                assert_eq!(state(&world), states.new, "step {steps}");
                assert_eq!(other.is_none(), waiting[0].phase == Phase::Swapped);
                rollback(&world.ports, waiting[0].run.as_str()).unwrap();
                assert_eq!(state(&world), states.old, "step {steps}");
                nothing_left(&world);
                seen.insert(if other.is_some() { "finished" } else { "waiting" });
            }
            other => panic!("step {steps}: {other:?}"),
        }
    }
    assert_eq!(seen, BTreeSet::from(["undone", "finished", "waiting"]));
}

#[test]
fn a_recovery_that_is_killed_itself_is_taken_up_by_the_next() {
    for steps in 1..10 {
        for again in [0, 1, 3] {
            let (world, states) = prepared();
            if world.restore_until("files", &world.ask(To::InPlace), steps).is_ok() {
                return;
            }
            let _ = recover_until(&world.ports, &Fault::after(again));
            recover(&world.ports).unwrap();
            let now = state(&world);
            assert!(now == states.old || now == states.new, "steps {steps}, again {again}: {now:#?}");
        }
    }
}

#[test]
fn a_rollback_that_is_killed_anywhere_is_finished() {
    for steps in 0.. {
        let (world, states) = prepared();
        let run = world.restore("files", &world.ask(To::InPlace)).unwrap().run;
        world.write("data/later.txt", "later");
        if rollback_until(&world.ports, run.as_str(), &Fault::after(steps)).is_ok() {
            break;
        }
        assert_eq!(recover(&world.ports).unwrap()[0].what, What::RolledBack, "step {steps}");
        assert_eq!(state(&world), states.old, "step {steps}");
        nothing_left(&world);
    }
}

#[test]
fn a_commit_that_is_killed_anywhere_is_finished() {
    for steps in 0..2 {
        let (world, states) = prepared();
        let run = world.restore("files", &world.ask(To::InPlace)).unwrap().run;
        assert!(commit_until(&world.ports, run.as_str(), &Fault::after(steps)).is_err());
        assert_eq!(recover(&world.ports).unwrap()[0].what, What::Committed, "step {steps}");
        assert_eq!(state(&world), states.new, "step {steps}");
        nothing_left(&world);
    }
}

#[test]
fn a_restore_to_a_folder_that_is_killed_leaves_nothing_or_all_of_it() {
    let mut seen = BTreeSet::new();
    for steps in 0.. {
        let (world, states) = prepared();
        if world.restore_until("files", &world.ask(To::Folder("on/the/way".into())), steps).is_ok() {
            break;
        }
        let recovered = recover(&world.ports).unwrap();
        nothing_left(&world);
        assert_eq!(state(&world), states.old);
        if recovered[0].what == What::Ended {
            assert_eq!(world.read("on/the/way/conf.txt"), "conf");
            seen.insert("ended");
        } else {
            assert!(!world.path("on").exists(), "step {steps}");
            seen.insert("undone");
        }
    }
    assert_eq!(seen, BTreeSet::from(["undone", "ended"]));
}

#[test]
fn a_restore_that_is_alive_is_not_recovered() {
    let (world, _) = prepared();
    assert!(world.restore_until("files", &world.ask(To::InPlace), 2).is_err());
    let run = world.journals().remove(0);
    let held = super::super::journal::hold(&world.ports, &run).unwrap().unwrap();
    assert!(recover(&world.ports).unwrap().is_empty());
    assert!(pending(&world.ports).unwrap()[0].busy);
    drop(held);
    assert_eq!(recover(&world.ports).unwrap()[0].what, What::Undone);
}

#[test]
fn an_exchange_that_somebody_made_meanwhile_is_left_alone() {
    let (world, _) = prepared();
    assert!(world.restore_until("files", &world.ask(To::InPlace), in_the_middle()).is_err());
    fs::rename(world.path("data"), world.path("data.mine")).unwrap();
    fs::create_dir(world.path("data")).unwrap();
    let recovered = recover(&world.ports).unwrap();
    assert!(matches!(&recovered[0].what, What::Stuck(why) if why.contains("is not what the restore left there")), "{recovered:?}");
    assert_eq!(world.journals().len(), 1);
    fs::remove_dir(world.path("data")).unwrap();
    fs::rename(world.path("data.mine"), world.path("data")).unwrap();
    assert_eq!(recover(&world.ports).unwrap()[0].what, What::Swapped);
}

#[test]
fn device_numbers_that_a_reboot_gave_anew_do_not_stop_a_recovery() {
    let (world, states) = prepared();
    assert!(world.restore_until("files", &world.ask(To::InPlace), in_the_middle() + 1).is_err());
    let path = world.path(&format!("state/restores/{}.json", world.journals()[0]));
    let mut journal: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for one in journal["moves"].as_array_mut().unwrap() {
        for side in ["old", "new"] {
            if one[side].is_object() {
                one[side]["device"] = 1.into();
            }
        }
    }
    let written = fs::write(&path, serde_json::to_vec(&journal).unwrap());
    written.unwrap();
    assert!(matches!(recover(&world.ports).unwrap()[0].what, What::Stuck(_)), "in the same boot they must be the same");
    journal["boot"] = "another".into();
    fs::write(&path, serde_json::to_vec(&journal).unwrap()).unwrap();
    assert_eq!(recover(&world.ports).unwrap()[0].what, What::Swapped);
    assert_eq!(state(&world), states.new);
}

#[test]
fn a_kill_while_a_refused_exchange_is_undone_leaves_one_state() {
    let mut seen = BTreeSet::new();
    for steps in 0..40 {
        let (world, states) = prepared();
        let flag = |flag: &str| std::process::Command::new("chattr").arg(flag).arg(world.path("data")).output();
        if !flag("+i").is_ok_and(|done| done.status.success()) {
            eprintln!("skipped: no file can be made immutable here");
            return;
        }
        let error = world.restore_until("files", &world.ask(To::InPlace), steps).unwrap_err();
        flag("-i").unwrap();
        let recovered = recover(&world.ports).unwrap();
        let expected = match recovered.first().map(|r| &r.what) {
            Some(What::Undone) | None => &states.old,
            Some(What::Swapped) => &states.new,
            other => panic!("step {steps}: {other:?}"),
        };
        assert_eq!(&state(&world), expected, "step {steps}");
        if !matches!(error, RestoreError::Killed) {
            assert!(recovered.is_empty());
            nothing_left(&world);
            break;
        }
        seen.insert(format!("{:?}", recovered[0].what));
    }
    assert_eq!(seen, ["Swapped", "Undone"].map(str::to_owned).into());
}
