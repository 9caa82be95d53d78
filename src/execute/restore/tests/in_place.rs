//! In place: exchange, commit, roll-back, and what is refused.

use std::fs;

use super::super::*;
use super::world::World;

#[test]
fn a_tree_is_exchanged_and_the_old_one_kept_until_the_commit() {
    let world = World::new();
    let captured = world.tree("data");
    world.capture();
    world.write("data/a.txt", "today");
    world.write("data/new.txt", "new");
    fs::remove_file(world.path("conf.txt")).unwrap();
    let restored = world.restore("files", &world.ask(To::InPlace)).unwrap();
    assert!(restored.uncommitted);
    assert_eq!(world.tree("data"), captured);
    assert_eq!(world.read("conf.txt"), "conf");
    let waiting = pending(&world.ports).unwrap();
    assert_eq!((waiting.len(), waiting[0].phase, waiting[0].busy), (1, Phase::Swapped, false));
    let kept = format!("{}/data/new.txt", waiting[0].kept[0]);
    assert_eq!(fs::read_to_string(kept).unwrap(), "new");
    commit(&world.ports, restored.run.as_str()).unwrap();
    assert_eq!(world.tree("data"), captured);
    assert!(world.journals().is_empty() && world.leftovers().is_empty());
    let none = commit(&world.ports, restored.run.as_str()).unwrap_err().to_string();
    assert!(none.ends_with("waits for a decision; none does"), "{none}");
}

#[test]
fn a_rollback_brings_the_old_state_back_whatever_was_written_since() {
    let world = World::new();
    world.capture();
    world.write("data/a.txt", "today");
    fs::remove_file(world.path("conf.txt")).unwrap();
    let before = world.tree("data");
    let restored = world.restore("files", &world.ask(To::InPlace)).unwrap();
    world.write("data/later.txt", "written after the restore");
    fs::remove_file(world.path("conf.txt")).unwrap();
    world.write("conf.txt", "another inode");
    rollback(&world.ports, restored.run.as_str()).unwrap();
    assert_eq!(world.tree("data"), before);
    assert!(!world.path("conf.txt").exists());
    assert!(world.journals().is_empty() && world.leftovers().is_empty());
}

#[test]
fn a_second_restore_of_a_place_is_refused_and_names_both_cures() {
    let world = World::new();
    world.capture();
    let second = world.plan("files", &world.ask(To::InPlace)).unwrap();
    let run = world.restore("files", &world.ask(To::InPlace)).unwrap().run;
    let path = Ask { path: Some("data/sub/b.txt".into()), ..world.ask(To::InPlace) };
    let refused = [
        perform(&world.set, &world.ports, &second).unwrap_err(),
        world.plan("files", &world.ask(To::InPlace)).unwrap_err(),
        world.plan("files", &path).unwrap_err(),
    ];
    for error in refused {
        assert!(error.is_refusal() && error.to_string().contains(&format!("is part of restore {run}")), "{error}");
        let help = error.help().unwrap();
        assert!(help.contains(&format!("--commit {run}")) && help.contains(&format!("--rollback {run}")), "{help}");
    }
    world.restore("files", &world.ask(To::Folder("out".into()))).unwrap();
}

#[test]
fn one_file_and_one_subtree_are_exchanged_and_their_neighbours_stay() {
    for (path, changed) in [("data/sub/b.txt", "data/sub/b.txt"), ("data/sub", "data/sub/deep/c.txt")] {
        let world = World::new();
        world.capture();
        world.write(changed, "today");
        world.write("data/neighbour.txt", "stays");
        let before = world.tree("data");
        let run = world.restore("files", &Ask { path: Some(path.into()), ..world.ask(To::InPlace) }).unwrap().run;
        assert_eq!(world.read(changed).len(), 1);
        assert_eq!(world.read("data/neighbour.txt"), "stays");
        rollback(&world.ports, run.as_str()).unwrap();
        // The folder that holds what was exchanged has another time than before.
        let files = |tree: Vec<String>| tree.into_iter().filter(|line| !line.contains(" 40")).collect::<Vec<_>>();
        assert_eq!(files(world.tree("data")), files(before));
        let run = world.restore("files", &Ask { path: Some(path.into()), ..world.ask(To::InPlace) }).unwrap().run;
        commit(&world.ports, run.as_str()).unwrap();
        assert_eq!(world.read(changed).len(), 1);
        assert!(world.leftovers().is_empty() && world.journals().is_empty());
    }
}

#[test]
fn what_is_lost_is_put_back_with_the_folders_on_the_way() {
    let world = World::new();
    let captured = world.tree("data/sub");
    world.capture();
    fs::remove_dir_all(world.path("data")).unwrap();
    fs::remove_file(world.path("conf.txt")).unwrap();
    let ask = Ask { path: Some("data/sub".into()), ..world.ask(To::InPlace) };
    let run = world.restore("files", &ask).unwrap().run;
    assert_eq!(world.tree("data/sub"), captured);
    rollback(&world.ports, run.as_str()).unwrap();
    assert!(!world.path("data").exists(), "the folder that was made on the way is gone again");
    let run = world.restore("files", &world.ask(To::InPlace)).unwrap().run;
    commit(&world.ports, run.as_str()).unwrap();
    assert_eq!(world.tree("data/sub"), captured);
    assert_eq!(world.read("conf.txt"), "conf");
}

#[test]
fn a_symlink_is_followed_and_said() {
    let world = World::new();
    world.capture();
    fs::rename(world.path("data"), world.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink("elsewhere", world.path("data")).unwrap();
    world.write("elsewhere/a.txt", "today");
    let plan = world.plan("files", &world.ask(To::InPlace)).unwrap();
    assert!(plan.notes.iter().any(|note| note.contains("symlink") && note.contains("elsewhere` is what is replaced")), "{:?}", plan.notes);
    perform(&world.set, &world.ports, &plan).unwrap();
    assert!(world.path("data").is_symlink());
    assert_eq!(world.read("elsewhere/a.txt"), "a");
}

#[test]
fn a_place_that_holds_a_store_is_not_replaced() {
    let world = World::with("paths = [\".\"]\nlabels = [\"all\"]\nexclude = [\"/one\", \"/two\", \"/state\"]", "");
    world.capture();
    let refused = world.plan("files", &world.ask(To::InPlace)).unwrap_err();
    assert!(refused.is_refusal() && refused.to_string().contains("store `one` is in it"), "{refused}");
    let ask = Ask { path: Some("all/data".into()), ..world.ask(To::InPlace) };
    world.restore("files", &ask).unwrap();
}

#[test]
fn what_patterns_left_out_is_said_and_kept() {
    let world = World::new();
    world.write("data/cache.tmp", "cache");
    world.capture();
    let plan = world.plan("files", &world.ask(To::InPlace)).unwrap();
    assert!(plan.notes.iter().any(|note| note.contains("`*.tmp`")), "{:?}", plan.notes);
    let restored = perform(&world.set, &world.ports, &plan).unwrap();
    assert!(!world.path("data/cache.tmp").exists());
    rollback(&world.ports, restored.run.as_str()).unwrap();
    assert_eq!(world.read("data/cache.tmp"), "cache");
}

#[test]
fn a_kept_state_that_somebody_moved_is_not_guessed_about() {
    let world = World::new();
    world.capture();
    let run = world.restore("files", &world.ask(To::InPlace)).unwrap().run;
    let kept = format!("{}/data", pending(&world.ports).unwrap()[0].kept[0]);
    fs::rename(&kept, world.path("rescued")).unwrap();
    for settle in [commit, rollback] {
        assert!(matches!(settle(&world.ports, run.as_str()), Err(RestoreError::Changed(_))));
    }
    fs::rename(world.path("rescued"), &kept).unwrap();
    commit(&world.ports, run.as_str()).unwrap();
}

#[test]
fn a_restore_waits_for_the_run_that_works_on_the_series() {
    let world = World::new();
    world.capture();
    let plan = world.plan("files", &world.ask(To::InPlace)).unwrap();
    let held = world.ports.state.hold(&world.set.instance, &"files".parse().unwrap(), "run x").unwrap();
    assert!(matches!(perform(&world.set, &world.ports, &plan), Err(RestoreError::Locked { .. })));
    drop(held);
    perform(&world.set, &world.ports, &plan).unwrap();
}

#[test]
fn what_a_restore_keeps_beside_a_source_is_not_captured() {
    let world = World::new();
    world.capture();
    world.restore("files", &Ask { path: Some("data/sub".into()), ..world.ask(To::InPlace) }).unwrap();
    assert!(world.tree("data").iter().any(|line| line.contains("lucid-restore")));
    world.capture();
    world.restore("files", &world.ask(To::Folder("out".into()))).unwrap();
    assert!(!world.tree("out").iter().any(|line| line.contains("lucid-restore")));
}

#[test]
fn a_rename_that_the_system_refuses_undoes_the_others() {
    let world = World::new();
    world.capture();
    world.write("conf.txt", "today");
    world.write("data/a.txt", "today");
    let before = (world.tree("data"), world.read("conf.txt"));
    let flag = |flag: &str| std::process::Command::new("chattr").arg(flag).arg(world.path("data")).output();
    if !flag("+i").is_ok_and(|done| done.status.success()) {
        eprintln!("skipped: no file can be made immutable here");
        return;
    }
    let error = world.restore("files", &world.ask(To::InPlace)).unwrap_err();
    flag("-i").unwrap();
    assert!(error.to_string().contains("data"), "{error}");
    assert_eq!((world.tree("data"), world.read("conf.txt")), before);
    assert!(world.journals().is_empty() && world.leftovers().is_empty());
}
