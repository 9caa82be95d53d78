//! To a folder of its own.

use std::fs;

use super::super::*;
use super::world::World;
use crate::source::Back;

fn to(path: &str) -> To {
    To::Folder(path.into())
}

#[test]
fn a_tree_comes_back_in_a_folder_as_it_was() {
    let world = World::new();
    let before = world.tree("data");
    world.capture();
    world.write("data/a.txt", "changed");
    let restored = world.restore("files", &world.ask(to("out"))).unwrap();
    assert_eq!(world.tree("out/data"), before);
    assert_eq!(world.read("out/conf.txt"), "conf");
    assert_eq!(world.read("data/a.txt"), "changed");
    assert!(!restored.uncommitted && world.journals().is_empty() && world.leftovers().is_empty());
}

#[test]
fn a_folder_that_holds_something_is_refused_and_an_empty_one_keeps_its_mode() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    world.capture();
    world.write("full/x", "x");
    let refused = world.plan("files", &world.ask(to("full"))).unwrap_err();
    assert!(refused.is_refusal() && refused.to_string().ends_with("full` is not empty"), "{refused}");
    for inside in ["one/x", "state/x", "conf.txt"] {
        assert!(world.plan("files", &world.ask(to(inside))).unwrap_err().is_refusal(), "{inside}");
    }
    fs::create_dir(world.path("empty")).unwrap();
    fs::set_permissions(world.path("empty"), fs::Permissions::from_mode(0o715)).unwrap();
    world.restore("files", &world.ask(to("empty"))).unwrap();
    assert_eq!(fs::metadata(world.path("empty")).unwrap().permissions().mode() & 0o7777, 0o715);
    assert_eq!(world.read("empty/conf.txt"), "conf");
}

#[test]
fn what_came_between_plan_and_restore_is_not_touched() {
    let world = World::new();
    world.capture();
    let plan = world.plan("files", &world.ask(to("out"))).unwrap();
    world.write("out/mine", "mine");
    assert!(perform(&world.set, &world.ports, &plan).is_err());
    assert_eq!(world.read("out/mine"), "mine");
    assert!(world.journals().is_empty() && world.leftovers().is_empty());
}

#[test]
fn one_file_and_one_subtree_are_restored_by_any_name_for_them() {
    let world = World::new();
    world.capture();
    let absolute = world.path("data/sub/b.txt");
    let names = [("data/sub/b.txt".into(), "label"), (absolute, "absolute"), ("./data/../data/sub/b.txt".into(), "relative")];
    for (path, out) in names {
        world.restore("files", &Ask { path: Some(path), ..world.ask(to(out)) }).unwrap();
        assert_eq!(world.read(&format!("{out}/data/sub/b.txt")), "b");
        assert!(!world.path(&format!("{out}/data/a.txt")).exists());
    }
    let ask = Ask { path: Some("data/sub".into()), ..world.ask(to("subtree")) };
    let plan = world.plan("files", &ask).unwrap();
    assert_eq!(plan.entries, Some(6));
    perform(&world.set, &world.ports, &plan).unwrap();
    assert_eq!(world.tree("subtree/data/sub"), world.tree("data/sub"));
    let dropped = Ask { back: Back { replace: true, ..Back::default() }, ..world.ask(to("x")) };
    let refused = world.plan("files", &dropped).unwrap_err();
    assert!(refused.to_string().ends_with("is a tree of files and no server's") && refused.is_refusal(), "{refused}");
    let unknown = world.plan("files", &Ask { path: Some("data/nothing".into()), ..world.ask(to("x")) }).unwrap_err().to_string();
    assert!(unknown.starts_with("`data/nothing` is not in artifact") && unknown.contains("`conf.txt` (of `"), "{unknown}");
}

#[test]
fn the_output_of_a_command_is_a_file() {
    let world = World::new();
    world.capture();
    world.restore("dump", &world.ask(to("out"))).unwrap();
    assert_eq!(world.read("out/dump.sql"), "insert 1;\n");
}

#[test]
fn the_output_of_a_command_goes_back_into_its_restore_command() {
    let world = World::new();
    world.capture();
    world.write("database", "lost");
    let plan = world.plan("dump", &world.ask(To::InPlace)).unwrap();
    assert!(matches!(&plan.target, Planned::Command { argv } if argv[0] == "cp") && plan.notes[0].contains("cannot be rolled back"));
    let restored = perform(&world.set, &world.ports, &plan).unwrap();
    assert!(!restored.uncommitted);
    assert_eq!(world.read("database"), "insert 1;\n");
    world.write("database", "lost");
    world.flip("one", "dump", "dump.sql.zst");
    assert!(perform(&world.set, &world.ports, &plan).unwrap_err().is_damage());
    assert_eq!(world.read("database"), "lost", "the command was not started");
}

#[test]
fn a_plan_is_a_value_that_reads_back() {
    let world = World::new();
    world.capture();
    let plan = world.plan("files", &world.ask(To::InPlace)).unwrap();
    let text = serde_json::to_string(&plan).unwrap();
    assert!(text.starts_with(r#"{"format_version":"1.0","instance":"demo","#), "{text}");
    assert_eq!(serde_json::from_str::<RestorePlan>(&text).unwrap(), plan);
    assert_eq!(plan.steps.iter().map(|s| s.kind.as_str()).collect::<Vec<_>>(), ["restore", "swap", "swap"]);
}

#[test]
fn a_restore_command_that_fails_without_reading_is_a_failure_and_not_a_standstill() {
    let mut world = World::new();
    let number = |n: u32| n.wrapping_mul(2_654_435_761).to_string();
    world.write("database", &(0..100_000).map(number).collect::<String>());
    world.capture();
    let set = std::sync::Arc::make_mut(&mut world.set);
    let source = set.sources.get_mut("dump").unwrap();
    let crate::model::SourceKind::Command(command) = &mut source.kind else { unreachable!() };
    command.restore_command = Some(vec!["false".to_owned()]);
    let error = world.restore("dump", &world.ask(To::InPlace)).unwrap_err();
    assert!(matches!(&error, RestoreError::Source(_)) && error.to_string().contains("`false` ended with"), "{error}");
}
