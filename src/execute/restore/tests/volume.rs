//! Volumes are put back where the engine has them today, and stay the folders that containers hold on to.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use super::super::fault::Fault;
use super::super::settle::rollback_until;
use super::super::*;
use super::world::World;
use crate::execute::StepResult;
use crate::runtime::running;
use crate::runtime::seen::{Container, Mount, State, Volume};

const VOLUMES: &str = "[source.volume.sessions]\nproject = \"lucid\"\nvolumes = [\"data\"]\n\
    [policy.sessions]\nsource = \"sessions\"\nschedule = \"nightly\"\nretention = \"all\"\nstores = [\"one\"]\n";

fn volume(at: &Path) -> Volume {
    Volume {
        name: "lucid_data".to_owned(),
        driver: "local".to_owned(),
        mountpoint: at.to_owned(),
        options: BTreeMap::new(),
        compose: Some(("lucid".to_owned(), "data".to_owned())),
    }
}

fn world() -> World {
    let world = World::with("paths = [\"data\"]", VOLUMES);
    world.write("volumes/old/a.txt", "a");
    world.write("volumes/old/sub/b.txt", "b");
    let at = world.path("volumes/old");
    world.engine.change(|seen| seen.volumes = vec![volume(&at)]);
    world
}

#[test]
fn a_volume_keeps_its_folder_and_can_be_rolled_back() {
    let world = world();
    let captured = world.tree("volumes/old");
    world.capture();
    world.write("volumes/old/a.txt", "today");
    world.write("volumes/old/new.txt", "new");
    let (before, inode) = (world.tree("volumes/old"), fs::metadata(world.path("volumes/old")).unwrap().ino());
    let run = world.restore("sessions", &world.ask(To::InPlace)).unwrap().run;
    // what is kept until the commit lies beside it, where no container sees it
    assert_eq!(world.tree("volumes/old"), captured);
    assert!(!world.leftovers().is_empty());
    assert_eq!(fs::metadata(world.path("volumes/old")).unwrap().ino(), inode);
    rollback(&world.ports, run.as_str()).unwrap();
    assert_eq!(world.tree("volumes/old"), before);
}

#[test]
fn a_kill_between_two_children_of_a_volume_is_finished() {
    let mut finished = 0;
    for steps in 0.. {
        let world = world();
        let captured = world.tree("volumes/old");
        world.capture();
        world.write("volumes/old/a.txt", "today");
        world.write("volumes/old/new.txt", "new");
        let before = world.tree("volumes/old");
        if world.restore_until("sessions", &world.ask(To::InPlace), steps).is_ok() {
            break;
        }
        let waiting = pending(&world.ports).unwrap().remove(0);
        if recover(&world.ports).unwrap().first().is_some_and(|r| r.what == What::Undone) {
            assert_eq!(world.tree("volumes/old"), before, "step {steps}");
            assert_eq!(world.leftovers(), Vec::<String>::new(), "step {steps}");
            continue;
        }
        finished += 1;
        assert_eq!(world.tree("volumes/old"), captured, "step {steps}");
        rollback(&world.ports, waiting.run.as_str()).unwrap();
        assert_eq!(world.tree("volumes/old"), before, "step {steps}");
    }
    assert!(finished > 0, "some kill must come after the swap began");
}

/// A container that runs and mounts a folder of the host.
fn holder(at: &Path) -> Container {
    Container {
        mounts: vec![Mount { volume: None, source: at.to_owned(), destination: "/held".into(), writable: true }],
        ..running("late")
    }
}

#[test]
fn a_container_that_is_started_after_the_plan_stops_the_restore() {
    let world = world();
    world.capture();
    world.write("volumes/old/a.txt", "today");
    let before = world.tree("volumes/old");
    // one that shows the folder by another name
    std::os::unix::fs::symlink(world.path("volumes"), world.path("link")).unwrap();
    let linked = world.path("link/old/sub");
    let plan = world.plan("sessions", &world.ask(To::InPlace)).unwrap();
    world.engine.change(|seen| seen.containers = vec![holder(&linked)]);
    let error = perform(&world.set, &world.ports, &plan).unwrap_err().to_string();
    assert!(error.contains("container `late` has it mounted since the restore was planned"), "{error}");
    assert_eq!(world.tree("volumes/old"), before);
    assert!(world.leftovers().is_empty() && world.journals().is_empty());
    let error = world.plan("sessions", &world.ask(To::InPlace)).unwrap_err();
    assert!(error.is_refusal() && error.to_string().contains("container `late`"), "{error}");
    world.engine.change(|seen| seen.containers[0].state = State::Exited);
    perform(&world.set, &world.ports, &plan).unwrap();
}

#[test]
fn an_engine_that_is_away_by_then_holds_nothing_up_that_nobody_uses() {
    let world = world();
    world.capture();
    let plan = world.plan("sessions", &world.ask(To::InPlace)).unwrap();
    world.engine.answer(0);
    perform(&world.set, &world.ports, &plan).unwrap();
}

#[test]
fn nothing_is_finished_below_a_container_that_mounts_it() {
    let mut finished = BTreeSet::new();
    for steps in 0.. {
        let world = world();
        world.capture();
        world.write("volumes/old/a.txt", "today");
        let rolled_back = steps % 2 == 1;
        let killed = if rolled_back {
            let run = world.restore("sessions", &world.ask(To::InPlace)).unwrap().run;
            rollback_until(&world.ports, run.as_str(), &Fault::after(steps / 2)).is_err()
        } else {
            world.restore_until("sessions", &world.ask(To::InPlace), steps / 2).is_err()
        };
        if !killed && !rolled_back {
            break;
        }
        let Some(phase) = pending(&world.ports).unwrap().first().map(|waiting| waiting.phase) else { continue };
        let (before, at) = (world.tree("volumes/old"), world.path("volumes/old"));
        world.engine.change(|seen| seen.containers = vec![holder(&at)]);
        let found = recover(&world.ports).unwrap();
        if !matches!(phase, Phase::Swapping | Phase::RollingBack) {
            continue;
        }
        let What::Stuck(why) = &found[0].what else { panic!("{steps}: {found:?}") };
        assert!(why.contains("container `late`") && why.contains("stop it, then run `lucid-policy recover` again"), "{why}");
        assert_eq!(world.tree("volumes/old"), before, "{steps}");
        world.engine.change(|seen| seen.containers[0].state = State::Exited);
        finished.insert(format!("{:?}", recover(&world.ports).unwrap()[0].what));
    }
    assert_eq!(finished, ["RolledBack", "Swapped"].map(str::to_owned).into());
}

#[test]
fn a_volume_that_was_made_again_is_restored_where_it_is_now() {
    let world = world();
    let captured = world.tree("volumes/old");
    world.capture();
    let at = world.path("volumes/new");
    fs::create_dir_all(&at).unwrap();
    world.engine.change(|seen| seen.volumes = vec![volume(&at)]);
    fs::remove_dir_all(world.path("volumes/old")).unwrap();
    let run = world.restore("sessions", &world.ask(To::InPlace)).unwrap().run;
    commit(&world.ports, run.as_str()).unwrap();
    assert_eq!(world.tree("volumes/new"), captured);
    assert!(!world.path("volumes/old").exists());
}

#[test]
fn a_volume_that_is_gone_is_not_made_but_restored_to_a_folder() {
    let world = world();
    world.capture();
    world.engine.change(|seen| seen.volumes.clear());
    let error = world.plan("sessions", &world.ask(To::InPlace)).unwrap_err();
    assert!(error.is_refusal(), "{error}");
    assert_eq!(error.to_string(), "source `sessions`: there is no volume `data` in the compose project `lucid`");
    assert!(error.help().unwrap().contains("docker compose up --no-start"));
    let ask = Ask { path: Some("data/sub".into()), ..world.ask(To::Folder(world.path("aside"))) };
    world.restore("sessions", &ask).unwrap();
    assert!(world.tree("aside").iter().any(|line| line.starts_with("data/sub/b.txt") && line.ends_with(" b")), "{:?}", world.tree("aside"));
}

#[test]
fn an_unchanged_volume_stores_nothing_again() {
    let world = world();
    world.capture();
    let first = world.newest("sessions");
    let outcome = world.capture();
    assert_ne!(world.newest("sessions"), first);
    let unchanged = outcome.steps.iter().filter(|step| step.address.contains("sessions")).filter_map(|step| match &step.result {
        StepResult::Done(done) => Some(done.unchanged),
        _ => None,
    });
    assert_eq!(unchanged.collect::<Vec<_>>(), [true]);
}

/// The same volume, read through a container that rests and mounts it at `/srv/data`.
fn distant() -> World {
    let world = World::with("paths = [\"data\"]", &VOLUMES.replace("volumes =", "access = \"api\"\nvolumes ="));
    world.write("srv/data/a/x.txt", "x");
    world.write("srv/data/a-b.txt", "b");
    let volume = Volume { driver: "nfs".to_owned(), ..volume(Path::new("/nowhere")) };
    let mount = Mount { volume: Some(volume.name.clone()), source: "/nowhere".into(), destination: "/srv/data".into(), writable: true };
    let container = Container { state: State::Exited, mounts: vec![mount], ..running("recorder") };
    world.engine.change(|seen| {
        seen.engine.local = false;
        seen.volumes = vec![volume];
        seen.containers = vec![container];
    });
    let tar = Command::new("tar").args(["--sort=name", "-cC"]).arg(world.path("srv")).arg("data").output().unwrap();
    assert!(tar.status.success());
    world.engine.archive("id-recorder", "/srv/data", tar.stdout);
    world
}

#[test]
fn a_volume_that_is_read_through_the_engine_is_restored_aside_only() {
    let world = distant();
    let outcome = world.capture();
    let warnings = outcome.steps.iter().filter_map(|step| match &step.result {
        StepResult::Done(done) => Some(done.warnings),
        _ => None,
    });
    assert!(warnings.sum::<u64>() == 0, "what the manifest asks for is no warning");
    world.restore("sessions", &world.ask(To::Folder(world.path("aside")))).unwrap();
    assert_eq!(world.read("aside/data/a/x.txt") + &world.read("aside/data/a-b.txt"), "xb");
    let error = world.plan("sessions", &world.ask(To::InPlace)).unwrap_err();
    assert_eq!(error.to_string(), "source `sessions` reads its volumes through the engine, which cannot put them back in place");
    assert!(error.help().unwrap().contains("--to"));
    let catalog = fs::read_dir(world.path("one/demo/catalog/sessions")).unwrap().next().unwrap().unwrap().path();
    assert!(fs::read_to_string(catalog).unwrap().contains("\"fidelity\": \"reduced\""));
}

#[test]
fn a_stream_of_the_engine_that_is_cut_off_makes_no_artifact() {
    let world = distant();
    let tar = Command::new("tar").args(["-cC"]).arg(world.path("srv")).arg("data").output().unwrap().stdout;
    world.engine.archive("id-recorder", "/srv/data", tar[..1024].to_vec());
    let outcome = world.attempt();
    let failed = outcome.steps.iter().filter(|step| matches!(&step.result, StepResult::Failed { .. }));
    assert_eq!(failed.map(|step| step.address.contains("sessions")).collect::<Vec<_>>(), [true]);
    assert!(!world.path("one/demo/catalog/sessions").exists());
}
