//! Mount points and full disks, on file systems in memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::*;
use super::world::World;

/// A file system in memory, unmounted when dropped.
struct Mounted(PathBuf);

impl Mounted {
    /// None where this process may not mount.
    fn at(path: &Path, bytes: u64) -> Option<Self> {
        fs::create_dir_all(path).unwrap();
        let size = format!("size={bytes}");
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(path).output().unwrap();
        if !done.status.success() {
            // Root may mount everywhere but in some containers.
            eprintln!("skipped: no file system can be mounted here: {}", String::from_utf8_lossy(&done.stderr));
            return None;
        }
        Some(Self(path.to_owned()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.0).output().unwrap();
    }
}

const SOURCE: &str = "paths = [\"volume\"]";

/// A source that is a mount point; none where this process may not mount.
fn mounted() -> Option<(World, Mounted)> {
    let world = World::with(SOURCE, "");
    let mount = Mounted::at(&world.path("volume"), 4 << 20)?;
    world.write("volume/a.txt", "a");
    world.write("volume/sub/b.txt", "b");
    world.write("volume/gone.txt", "gone");
    Some((world, mount))
}

fn change(world: &World) -> Vec<String> {
    use std::os::unix::fs::PermissionsExt;
    world.write("volume/a.txt", "today");
    fs::remove_file(world.path("volume/gone.txt")).unwrap();
    world.write("volume/new.txt", "new");
    fs::set_permissions(world.path("volume"), fs::Permissions::from_mode(0o711)).unwrap();
    world.tree("volume")
}

#[test]
fn what_is_in_a_mount_point_is_exchanged_child_by_child() {
    let Some((world, _mount)) = mounted() else { return };
    let captured = world.tree("volume");
    world.capture();
    let before = change(&world);
    let plan = world.plan("files", &world.ask(To::InPlace)).unwrap();
    assert!(matches!(&plan.target, Planned::InPlace { roots } if roots[0].how == How::Children));
    let run = perform(&world.set, &world.ports, &plan).unwrap().run;
    let restored = || world.tree("volume").into_iter().filter(|line| !line.contains("lucid-restore")).collect::<Vec<_>>();
    assert_eq!(restored(), captured);
    world.write("volume/later.txt", "later");
    rollback(&world.ports, run.as_str()).unwrap();
    assert_eq!(world.tree("volume"), before);
    let run = world.restore("files", &world.ask(To::InPlace)).unwrap().run;
    commit(&world.ports, run.as_str()).unwrap();
    assert_eq!(world.tree("volume"), captured);
    assert!(world.journals().is_empty());
}

#[test]
fn a_kill_between_two_children_of_a_mount_point_is_finished() {
    for steps in 0.. {
        let Some((world, _mount)) = mounted() else { return };
        let captured = world.tree("volume");
        world.capture();
        let before = change(&world);
        if world.restore_until("files", &world.ask(To::InPlace), steps).is_ok() {
            break;
        }
        let waiting = pending(&world.ports).unwrap().remove(0);
        if recover(&world.ports).unwrap().first().is_some_and(|r| r.what == What::Undone) {
            assert_eq!(world.tree("volume"), before, "step {steps}");
            continue;
        }
        let now: Vec<_> = world.tree("volume").into_iter().filter(|line| !line.contains("lucid-restore")).collect();
        assert_eq!(now, captured, "step {steps}");
        rollback(&world.ports, waiting.run.as_str()).unwrap();
        assert_eq!(world.tree("volume"), before, "step {steps}");
    }
}

#[test]
fn another_file_system_inside_the_target_is_not_carried_away() {
    let world = World::new();
    world.capture();
    let Some(_mount) = Mounted::at(&world.path("data/empty"), 1 << 20) else { return };
    let refused = world.plan("files", &world.ask(To::InPlace)).unwrap_err();
    assert!(refused.is_refusal() && refused.to_string().contains("another file system is mounted in it"), "{refused}");
}

#[test]
fn a_mount_point_is_no_folder_to_restore_to_but_one_in_it_is() {
    let world = World::new();
    world.capture();
    let Some(_mount) = Mounted::at(&world.path("disk"), 4 << 20) else { return };
    let refused = world.plan("files", &world.ask(To::Folder("disk".into()))).unwrap_err();
    assert!(refused.help().unwrap().ends_with("disk/restored`"), "{refused}");
    world.restore("files", &world.ask(To::Folder("disk/restored".into()))).unwrap();
    assert_eq!(world.tree("disk/restored/data"), world.tree("data"));
}

#[test]
fn what_does_not_fit_is_refused_with_numbers() {
    let world = World::new();
    world.write("data/big", &"x".repeat(2 << 20));
    world.capture();
    let Some(_mount) = Mounted::at(&world.path("disk"), 1 << 20) else { return };
    let refused = world.plan("files", &world.ask(To::Folder("disk/out".into()))).unwrap_err();
    assert!(matches!(refused, RestoreError::NoSpace { needed, free, .. } if needed > 2 << 20 && free <= 1 << 20), "{refused}");
}

#[test]
fn a_disk_that_fills_up_while_it_is_staged_is_said_and_cleaned() {
    let Some((world, _mount)) = mounted() else { return };
    world.write("volume/big", &"x".repeat(1 << 20));
    world.capture();
    let mut plans = vec![world.plan("files", &world.ask(To::Folder("volume/out".into()))).unwrap()];
    plans.push(world.plan("files", &world.ask(To::InPlace)).unwrap());
    world.write("volume/filler", &"x".repeat((3 << 20) - (128 << 10)));
    let before = world.tree("volume");
    for mut plan in plans {
        // As if the space had gone after the last look at it.
        plan.bytes = 0;
        if let Planned::InPlace { roots } = &mut plan.target {
            roots[0].bytes = 0;
        }
        let error = perform(&world.set, &world.ports, &plan).unwrap_err();
        assert!(matches!(error, RestoreError::Full { .. }) && error.to_string().contains("nothing was changed"), "{error}");
        assert_eq!(world.tree("volume"), before);
        assert!(world.journals().is_empty());
    }
}

#[test]
fn roots_on_several_file_systems_are_staged_each_on_its_own() {
    let world = World::with("paths = [\"data\", \"conf.txt\", \"volume\"]", "");
    let Some(_mount) = Mounted::at(&world.path("volume"), 4 << 20) else { return };
    world.write("volume/a.txt", "a");
    let (data, volume) = (world.tree("data"), world.tree("volume"));
    world.capture();
    for path in ["data/a.txt", "volume/a.txt", "conf.txt"] {
        world.write(path, "today");
    }
    let plan = world.plan("files", &world.ask(To::InPlace)).unwrap();
    assert_eq!(plan.space.len(), 2);
    let run = perform(&world.set, &world.ports, &plan).unwrap().run;
    commit(&world.ports, run.as_str()).unwrap();
    assert_eq!((world.tree("data"), world.tree("volume"), world.read("conf.txt")), (data, volume, "conf".to_owned()));
    assert!(world.leftovers().is_empty() && world.journals().is_empty());
}

#[test]
fn what_is_on_a_disk_that_is_not_mounted_is_not_forgotten() {
    let Some((world, mount)) = mounted() else { return };
    world.capture();
    assert!(world.restore_until("files", &world.ask(To::InPlace), 2).is_err());
    let aside = world.path("aside");
    fs::create_dir(&aside).unwrap();
    let moved = |from: &Path, to: &Path| Command::new("mount").arg("--move").arg(from).arg(to).status().unwrap().success();
    let bound = |from: &Path, to: &Path| Command::new("mount").arg("--bind").arg(from).arg(to).status().unwrap().success();
    // A shared parent forbids the move: then a second mount keeps the file system alive.
    let was_moved = moved(&mount.0, &aside);
    if !was_moved {
        assert!(bound(&mount.0, &aside));
        assert!(Command::new("umount").arg(&mount.0).status().unwrap().success());
    }
    let away = Mounted(aside.clone());
    assert!(matches!(&recover(&world.ports).unwrap()[0].what, What::Stuck(why) if why.ends_with("is not mounted")));
    assert!(bound(&aside, &mount.0));
    assert_eq!(recover(&world.ports).unwrap()[0].what, What::Undone);
    assert!(!world.tree("volume").iter().any(|line| line.contains("lucid-restore")));
    drop(away);
}
