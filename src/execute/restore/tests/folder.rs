//! To a folder of its own.

use std::fs;

use super::super::*;
use super::world::World;

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
