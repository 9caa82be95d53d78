//! `doctor` on folders: what it says, that it leaves nothing, and how it ends.

use crate::support::{Mounted, World};

const PROMISES: [&str; 12] = [
    "create-only",
    "one-winner",
    "read-back",
    "list-after-write",
    "parts",
    "create-only-parts",
    "abort",
    "lease",
    "clock",
    "space",
    "delete",
    "tidy",
];

#[test]
fn a_folder_keeps_what_it_promises_and_is_as_it_was() {
    let world = World::quickstart();
    let _ = world.run("apply").good();
    let ran = world.harmless("doctor local").good().says_in_order(&PROMISES);
    let _ = ran.says(&["The store keeps what the manifest relies on."]).hides(&["BROKEN", "unknown"]);
    let json = world.harmless("doctor local --format json").good().json();
    assert_eq!((&json["format_version"], &json["store"]), (&"1.0".into(), &"local".into()));
    let promises = json["promises"].as_array().unwrap();
    assert_eq!(promises.iter().map(|p| p["about"].as_str().unwrap()).collect::<Vec<_>>(), PROMISES);
    assert!(promises.iter().all(|p| p["standing"] == "holds" && p["relied"] == true && p.get("remedy").is_none()), "{json:#}");
    let _ = world.harmless("doctor locl").ends(64).says(&["there is no store `locl`", "did you mean `local`?"]);
}

#[test]
fn a_promise_that_is_broken_is_exit_4_and_a_store_that_cannot_be_tried_9() {
    let world = World::with("path = \"backups\"", "path = \"disk\"\nmin_free = \"900TiB\"");
    let disk = Mounted::at(&world.path("disk"), "size=80m");
    let words = [
        "BROKEN space",
        "MiB are free",
        "`min_free` wants 900.0 TiB",
        "needed: free space there",
        "relies on what this store does not keep",
    ];
    let _ = world.run("doctor local").ends(4).says(&words);
    assert_eq!(world.files("disk"), [] as [String; 0]);
    disk.again("ro");
    let _ = world.run("doctor local").ends(9).says(&["store `local` could not be tried", "read-only", "mount it so"]);
}

#[test]
fn a_disk_that_is_too_small_for_the_trial_is_not_called_broken() {
    let world = World::with("path = \"backups\"", "path = \"disk\"");
    let _disk = Mounted::at(&world.path("disk"), "size=8m");
    let _ = world.run("doctor local").ends(9).says(&["unknown parts", "no space left", "could be tried", "holds tidy"]);
    assert_eq!(world.files("disk"), [] as [String; 0]);
}
