//! Which artifact, from which store.

use chrono::TimeDelta;

use super::super::*;
use super::world::World;

fn chosen(world: &World, which: &Which) -> Result<Choice, RestoreError> {
    choose(&world.set, &world.facts(), "files", which)
}

fn said(world: &World, which: &Which) -> String {
    chosen(world, which).unwrap_err().to_string()
}

#[test]
fn the_newest_at_or_before_a_time_is_chosen() {
    let world = World::new();
    world.capture();
    let first = world.newest("files");
    let between = world.now() + TimeDelta::minutes(30);
    world.wait(TimeDelta::hours(1));
    world.write("data/a.txt", "second");
    world.capture();
    let second = world.newest("files");
    assert_ne!(first, second);
    assert_eq!(chosen(&world, &Which::At(between)).unwrap().id, first);
    assert_eq!(chosen(&world, &Which::At(world.now())).unwrap().id, second);
    assert_eq!(chosen(&world, &Which::Newest).unwrap().id, second);
    let ask = Ask { which: Which::At(between), ..world.ask(To::Folder("out".into())) };
    world.restore("files", &ask).unwrap();
    assert_eq!(world.read("out/data/a.txt"), "a");
    let oldest = said(&world, &Which::At(between - TimeDelta::days(1)));
    assert!(oldest.contains("nothing at or before") && oldest.contains(&first.to_string()), "{oldest}");
}

#[test]
fn an_id_may_be_cut_as_long_as_it_is_one() {
    let world = World::new();
    world.capture();
    world.wait(TimeDelta::hours(1));
    world.write("data/a.txt", "second");
    world.capture();
    let id = world.newest("files");
    for text in [id.to_string(), id.random().to_string(), id.random().as_str()[..8].to_owned()] {
        assert_eq!(chosen(&world, &Which::Id(text)).unwrap().id, id);
    }
    let both = said(&world, &Which::Id(id.to_string()[..4].to_owned()));
    assert!(both.contains("beginning of several"), "{both}");
    let mut wrong = id.to_string();
    wrong.replace_range(wrong.len() - 1.., "!");
    let near = said(&world, &Which::Id(wrong));
    assert!(near.contains(&format!("close to it: `{id}`")), "{near}");
}

#[test]
fn a_policy_that_is_not_there_is_told_from_one_that_has_nothing() {
    let world = World::new();
    let wrong = choose(&world.set, &world.facts(), "fiels", &Which::Newest).unwrap_err().to_string();
    assert_eq!(wrong, "there is no policy `fiels`, did you mean `files`?");
    assert_eq!(
        said(&world, &Which::Newest),
        "policy `files` has nothing that can be restored: store `one` is not made yet; store `two` is not made yet"
    );
}

#[test]
fn an_artifact_of_an_unchanged_tree_is_restored_from_its_owner() {
    let world = World::new();
    world.capture();
    let owner = world.newest("files");
    world.wait(TimeDelta::hours(1));
    world.capture();
    let choice = chosen(&world, &Which::Newest).unwrap();
    assert_eq!(choice.need, Some(owner));
    assert!(choice.bytes > 0);
    let restored = world.restore("files", &world.ask(To::Folder("out".into()))).unwrap();
    assert_ne!(restored.id, owner);
    assert_eq!(world.tree("out/data"), world.tree("data"));
}

#[test]
fn a_store_that_lost_bytes_is_passed_over() {
    let world = World::new();
    world.capture();
    let id = world.newest("files");
    let payload = world.path(&format!("one/demo/data/files/{id}/files.tar.zst"));
    std::fs::remove_file(&payload).unwrap();
    let choice = chosen(&world, &Which::Newest).unwrap();
    assert_eq!((choice.id, choice.store.as_str()), (id, "two"));
    std::fs::remove_file(world.path(&format!("two/demo/data/files/{id}/files.tar.zst"))).unwrap();
    let lost = said(&world, &Which::Id(id.to_string()));
    assert!(lost.contains("is not whole on any store: store `one` has it damaged"), "{lost}");
    assert!(said(&world, &Which::Newest).contains("has only artifacts that are damaged"));
}
