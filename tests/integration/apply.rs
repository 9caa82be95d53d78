//! Applying: restricted, at once, to two stores, from a saved plan, beside another run, and what it leaves alone.

use std::fs::{self, File};
use std::io::Write;

use crate::support::{World, digest};

/// The quickstart with a second store.
fn two_stores() -> World {
    let world = World::with("[schedule]", "[store.directory.far]\npath = \"second\"\n[schedule]");
    world.edit("[\"local\"]", "[\"local\", \"far\"]");
    world
}

/// The quickstart with a second policy, of the same source.
fn two_policies() -> World {
    let world = World::quickstart();
    let text = fs::read_to_string(world.path("lucid-policy.toml")).unwrap();
    let other = "[policy.other]\nsource = \"config\"\nschedule = \"nightly\"\nretention = \"month\"\nstores = [\"local\"]\n";
    world.file("lucid-policy.toml", text + other);
    world
}

#[test]
fn only_restricts_a_run_and_says_so() {
    let world = two_policies();
    let _ = world.run("apply --only policy.other").good().says(&["Restricted to policy.other"]);
    assert_eq!((world.ids("backups", "config").len(), world.ids("backups", "other").len()), (0, 1));
    let _ = world.harmless("plan --only other --detailed-exitcode").good().says(&["Restricted to policy.other"]);
    let _ = world.harmless("plan --detailed-exitcode").ends(2).says(&["+ capture policy.config"]).hides(&["capture  policy.other"]);
}

#[test]
fn now_captures_whatever_the_schedule_says() {
    let world = World::quickstart();
    let _ = world.run("apply").good();
    let _ = world.harmless("plan --now --detailed-exitcode").ends(2).says(&["asked for with --now"]);
    let _ = world.run("apply --now").good().says(&["done: capture:policy.config"]);
    assert_eq!(world.records("backups", "config").len(), 2);
    let _ = world.harmless("plan --detailed-exitcode").good();
}

#[test]
fn a_copy_that_rots_is_found_named_and_repaired_from_the_good_one() {
    let world = two_stores();
    let _ = world.run("apply").good().says(&["done: copy:policy.config"]);
    let id = world.ids("backups", "config").remove(0);
    let payload = format!("demo/data/config/{id}/files.tar.zst");
    let [good, rotten] = ["backups", "second"].map(|store| world.path(&format!("{store}/{payload}")));
    assert_eq!(fs::read(&good).unwrap(), fs::read(&rotten).unwrap());
    let mut bytes = fs::read(&rotten).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&rotten, &bytes).unwrap();
    let ran = world.run("verify").ends(8).says(&["DAMAGED", "on far", "files.tar.zst", "on local"]);
    assert_eq!(ran.out.matches("DAMAGED").count(), 1, "{ran}");
    let _ = world.harmless("list").good().says(&["DAMAGED"]);
    let _ = world.harmless("plan --detailed-exitcode").ends(2).says(&[
        "+ copy policy.config",
        "from local to far",
        "the copy there is damaged",
    ]);
    let _ = world.run("apply").good().says(&["done: copy:policy.config"]);
    let repaired = world.path(&format!("second/demo/data/config/{id}/r2/files.tar.zst"));
    assert_eq!(fs::read(&good).unwrap(), fs::read(repaired).unwrap());
    let _ = world.run("verify").good();
    let _ = world.harmless("plan --detailed-exitcode").good().says(&["No changes."]);
}

#[test]
fn a_copy_that_is_lost_is_copied_and_not_captured_again() {
    let world = two_stores();
    let _ = world.run("apply").good();
    let id = world.ids("second", "config").remove(0);
    fs::remove_dir_all(world.path(&format!("second/demo/data/config/{id}"))).unwrap();
    let _ = world.harmless("plan").good().says(&["0 to capture, 1 to copy"]);
    let _ = world.run("apply").good();
    let _ = world.run("verify").good();
}

#[test]
fn a_second_store_that_is_away_does_not_stop_the_first() {
    let world = two_stores();
    let _ = world.run("apply").good();
    fs::rename(world.path("second"), world.path("unplugged")).unwrap();
    let _ = world.run("apply --now").ends(4).says(&["done: capture:policy.config", "store `far`"]).says_once("mount it or bring it back");
    assert_eq!(world.records("backups", "config").len(), 2);
    fs::rename(world.path("unplugged"), world.path("second")).unwrap();
    let _ = world.run("apply").good().says(&["0 to capture, 1 to copy"]);
    assert_eq!(world.records("second", "config").len(), 2);
}

#[test]
fn a_held_artifact_stays_until_it_is_released() {
    let world = World::with_expired();
    let oldest = world.ids("backups", "config").remove(0);
    let _ = world.harmless("plan").good().says(&[&format!("- delete policy.config {oldest}")]);
    let _ = world.run(&format!("hold {oldest} --name audit --reason inspection")).good().says(&["held", "as `audit`"]);
    let _ = world.run(&format!("hold {oldest} --name audit")).good();
    let _ = world.harmless("plan").good().hides(&[&format!("config {oldest}")]);
    let _ = world.run("apply --yes").good();
    assert!(world.ids("backups", "config").contains(&oldest));
    let _ = world.harmless(&format!("show {oldest}")).good().says(&["held by audit"]);
    let _ = world.harmless("list").good().says(&["kept: held"]);
    let _ = world.run(&format!("release {oldest} --name adit")).ends(64).says(&["is not held as `adit`"]);
    let _ = world.run(&format!("release {oldest} --name audit")).good();
    let _ = world.run("apply --yes").good().says(&["done: delete:"]);
    assert!(!world.ids("backups", "config").contains(&oldest));
}

#[test]
fn a_hold_covers_every_store_that_has_the_artifact() {
    let world = two_stores();
    let _ = world.run("apply").good();
    let id = world.ids("backups", "config").remove(0);
    let _ = world.run(&format!("hold {id}")).good().says(&["on local", "on far"]);
    let _ = world.run(&format!("release {id}")).good().says(&["on local", "on far"]);
    assert_eq!((world.files("backups/demo/holds"), world.files("second/demo/holds")), (vec![], vec![]));
}

#[test]
fn a_saved_plan_is_applied_as_it_was_shown() {
    let world = World::with_expired();
    let _ = world.run("plan --out plan.json").good();
    let _ = world.run("apply --plan plan.json").good().says(&["done: delete:"]);
    let _ = world.harmless("plan --detailed-exitcode").good();
    // Applied again it has nothing left to do.
    let _ = world.run("apply --plan plan.json").good().says(&["No changes."]);
}

#[test]
fn a_saved_plan_of_another_manifest_is_stale() {
    let world = World::quickstart();
    let _ = world.run("plan --out plan.json").good();
    world.edit("min_count = 3", "min_count = 4");
    let _ = world.harmless("apply --plan plan.json").ends(5).says(&["`plan.json`", "another manifest", "make a new plan"]);
    assert!(!world.path("backups").exists());
}

#[test]
fn a_saved_plan_deletes_nothing_that_it_does_not_name() {
    let world = World::with_expired();
    let oldest = world.ids("backups", "config").remove(0);
    let _ = world.run(&format!("hold {oldest}")).good();
    let _ = world.run("plan --out plan.json").good().hides(&[&format!("config {oldest}")]);
    let _ = world.run(&format!("release {oldest}")).good();
    let ran = world.harmless("apply --plan plan.json").ends(5);
    let _ = ran.says(&["stale", &format!("delete:policy.config/{oldest}@local"), "make a new plan"]);
}

#[test]
fn a_saved_plan_keeps_its_restriction_and_its_request() {
    let world = two_policies();
    let _ = world.run("apply").good();
    let _ = world.run("plan --now --only policy.other --out plan.json").good();
    let _ = world.run("apply --plan plan.json").good();
    assert_eq!((world.records("backups", "config").len(), world.records("backups", "other").len()), (1, 2));
}

#[test]
fn a_policy_that_another_run_holds_is_left_to_it_and_its_holder_is_named() {
    let world = World::quickstart();
    let _ = world.run("apply").good();
    let mut lock = File::options().write(true).truncate(true).open(world.path("state/locks/demo/config")).unwrap();
    lock.lock().unwrap();
    lock.write_all(b"run aaaa of host elsewhere (pid 1)").unwrap();
    let before = digest(&world.path("backups"));
    let _ = world.run("apply --now").ends(11).says(&["policy.config is held by run aaaa of host elsewhere (pid 1)", "Nothing ran"]);
    assert!(before == digest(&world.path("backups")));
    let _ = world.harmless("plan").good();
    drop(lock);
    let _ = world.run("apply --now").good();
}

#[test]
fn a_series_that_no_policy_names_is_shown_and_never_deleted() {
    let world = World::with_expired();
    let before = world.records("backups", "config");
    world.edit("[policy.config]", "[policy.renamed]");
    let _ = world.harmless("plan").good().says(&["7 artifacts of series `config`", "never deleted"]);
    let _ = world.run("apply --yes").good();
    assert_eq!(world.records("backups", "config"), before);
    let _ = world.harmless("list").good().says(&["no policy writes it here"]);
    // With its old series named, it goes on with its past.
    world.edit("stores    = [\"local\"]", "stores    = [\"local\"]\nseries = \"config\"");
    let _ = world.harmless("plan").good().says(&["- delete policy.renamed"]);
}

#[test]
fn what_the_program_did_not_write_is_never_touched() {
    let world = World::quickstart();
    world.file("backups/notes.txt", "mine");
    let _ = world.run("apply").good();
    let strange = ["backups/demo/notes", "backups/demo/data/config/strange/file", "backups/demo/catalog/notes/readme", "backups/other/x"];
    for path in strange {
        world.file(path, "mine");
    }
    let _ = world.run("apply --now").good();
    let ran = world.harmless("plan").good().says(&["this program did not write", "never touched"]);
    let _ = ran.hides(&["sweep", "delete "]);
    for path in strange.into_iter().chain(["backups/notes.txt"]) {
        assert_eq!(fs::read_to_string(world.path(path)).unwrap(), "mine", "{path}");
    }
}

#[test]
fn looking_changes_nothing_before_and_after_the_first_run() {
    let world = World::quickstart();
    let verbs = ["validate", "plan", "plan --now", "plan --as-of 2099-01-01", "status", "list", "verify", "graph", "explain", "schema"];
    for verb in verbs {
        let _ = world.harmless(verb).good();
    }
    assert!(!world.path("backups").exists() && !world.path("state").exists());
    let _ = world.run("apply").good();
    for verb in verbs.into_iter().filter(|v| *v != "verify") {
        let _ = world.harmless(verb).good();
    }
    let _ = world.harmless("verify --no-notes").good();
}

#[test]
fn a_paused_policy_does_nothing_and_a_retired_one_only_lets_go() {
    let world = World::with_expired();
    world.edit("stores    = [\"local\"]", "stores    = [\"local\"]\nstate = \"paused\"");
    let _ = world.harmless("plan --now --detailed-exitcode").good().says(&["3 artifacts of policy `config`", "the policy is paused"]);
    let _ = world.harmless("status --check").good().says(&["paused"]);
    world.edit("\"paused\"", "\"retired\"");
    let _ = world.run("apply --now --yes").good().says(&["0 to capture, 0 to copy, 3 to delete"]);
    let _ = world.harmless("plan --detailed-exitcode").good();
}

#[test]
fn a_capture_that_would_leave_too_little_room_is_refused() {
    let world = World::quickstart();
    let _ = world.run("apply").good();
    world.edit("path = \"backups\"", "path = \"backups\"\nmin_free = \"900TiB\"");
    let words = ["policy `config` is not captured", "store `local`", "`min_free`", "free space there"];
    let _ = world.harmless("apply --now").ends(4).says(&words).says_once("help:");
    // Nothing is due, so nothing needs the room.
    let _ = world.harmless("plan --detailed-exitcode").good();
}

#[test]
fn a_new_store_has_to_have_the_room_as_well() {
    let world = World::with("path = \"backups\"", "path = \"backups\"\nmin_free = \"900TiB\"");
    let _ = world.run("apply").ends(4).says(&["store `local`", "`min_free`"]);
    assert_eq!(world.records("backups", "config").len(), 0);
}

#[test]
fn status_says_who_is_late_by_its_objective_and_by_its_schedule() {
    let world = World::with("stores    = [\"local\"]", "stores    = [\"local\"]\nrpo = \"26h\"");
    let _ = world.harmless("status --check").ends(7).says(&["LATE", "nothing yet"]);
    world.history([72]);
    let _ = world.harmless("status").good().says(&["LATE", "PAST its rpo of 1 d 2 h"]);
    let _ = world.harmless("status --check").ends(7);
    assert_eq!(world.harmless("status --check --format json").ends(7).json()["late"], true);
    world.edit("rpo = \"26h\"", "");
    let _ = world.harmless("status --check").ends(7).says(&["MORE THAN ONE SLOT BEHIND"]);
    let _ = world.run("apply").good();
    let _ = world.harmless("status --check").good().says(&["policy.config ok"]);
}

#[test]
fn a_slot_that_is_too_late_to_be_made_up_is_said_and_waits_for_the_next() {
    let world = World::with("stores    = [\"local\"]", "stores    = [\"local\"]\ncatch_up_within = \"1s\"");
    world.history([72]);
    let _ =
        world.harmless("plan --detailed-exitcode").good().says(&["missed its slot", "by more than 1s", "apply --now --only policy.config"]);
    let _ = world.run("apply --now --only policy.config").good();
    assert_eq!(world.records("backups", "config").len(), 2);
}

#[test]
fn old_slots_are_counted_and_not_made_up() {
    let world = World::quickstart();
    world.history([240]);
    let _ = world.run("apply").good().says(&["9 slots between them are not made up"]);
    assert_eq!(world.records("backups", "config").len(), 2);
}

#[test]
fn quiet_says_nothing_of_what_is_good() {
    let world = World::quickstart();
    let ran = world.run("--quiet apply").good();
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", ""));
    let ran = world.run("-q verify").good();
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", ""));
    let ran = world.run("-q hold full").ends(64);
    assert!(!ran.err.is_empty());
}

#[test]
fn findings_are_said_once() {
    let world = World::quickstart();
    world.file("backups/notes.txt", "mine");
    // A store that is not there yet has not been looked into; the end of the run tells.
    let _ = world.run("apply").good().says_once("did not write");
    let _ = world.run("plan").good().says_once("did not write");
    let _ = world.run("apply --now").good().says_once("did not write");
}

#[test]
fn colour_comes_only_where_it_is_asked_for() {
    let world = World::with("keep_within", "keep_witin");
    let colored = |words: &str, env: &[(&str, &str)]| {
        let words: Vec<&str> = words.split_whitespace().collect();
        let ran = world.finish(world.command(&words).envs(env.iter().copied()));
        ran.out.contains('\u{1b}') || ran.err.contains('\u{1b}')
    };
    assert!(!colored("validate", &[]));
    assert!(!colored("validate", &[("NO_COLOR", "1"), ("FORCE_COLOR", "1")]));
    assert!(colored("validate", &[("FORCE_COLOR", "1")]));
    assert!(colored("validate", &[("NO_COLOR", ""), ("CLICOLOR_FORCE", "1")]));
    assert!(colored("validate --color always", &[("NO_COLOR", "1")]));
    assert!(!colored("validate --color never", &[("FORCE_COLOR", "1")]));
    assert!(!colored("--help", &[("NO_COLOR", "1")]));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let world = World::quickstart();
    let _ = world.run("apply").good();
    for words in [&["schema"][..], &["--help"], &["explain"], &["plan", "--format", "json"], &["apply", "--now", "--format", "json"]] {
        let mut child = world.start(words);
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""), "{words:?}");
    }
}

#[test]
fn init_writes_a_manifest_that_validates_and_spares_one_that_is_there() {
    let world = World::quickstart();
    let _ = world.harmless("init").ends(4).says(&["`lucid-policy.toml` is there already"]);
    fs::remove_file(world.path("lucid-policy.toml")).unwrap();
    let _ = world.run("init").good().says(&["lucid-policy validate"]);
    let _ = world.run("validate").good();
}
