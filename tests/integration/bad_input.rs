//! What bad input gets: one clear message that names the object and the cure, the documented exit code, and nothing changed.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use chrono::{TimeDelta, Utc};

use crate::support::{Mounted, Ran, World};

/// The manifest is refused by every verb that reads it, with one finding of this code, and nothing is touched.
#[track_caller]
fn invalid(world: &World, code: &str, words: &[&str]) {
    for verb in ["validate", "plan", "apply --yes", "status", "list", "verify"] {
        let ran = world.harmless(verb).ends(10).says(words);
        let _ = ran.says_once("help:").says_once("1 error");
    }
    let json = world.harmless("validate --format json").ends(10).json();
    let findings = json["findings"].as_array().unwrap();
    assert_eq!((findings.len(), &findings[0]["code"]), (1, &code.into()), "{json:#}");
}

/// The findings of a plan: their codes, without advice.
#[track_caller]
fn codes(ran: &Ran) -> Vec<String> {
    let json = ran.json();
    let findings = json["findings"].as_array().unwrap();
    findings.iter().filter(|f| f["severity"] != "advice").map(|f| f["code"].as_str().unwrap().to_owned()).collect()
}

/// Planning and applying are refused with one finding of this code, and nothing is touched.
#[track_caller]
fn refused(world: &World, code: &str, words: &[&str]) {
    assert_eq!(codes(&world.harmless("plan --now --format json").ends(4)), [code]);
    let _ = world.harmless("plan --now").ends(4).says(words).says_once("help:");
    let _ = world.harmless("apply --now --yes").ends(4).says(words).says_once("help:");
    // What is silent is silent about what is good, not about what is not.
    let _ = world.harmless("--quiet apply --now --yes").ends(4).says(words);
}

#[test]
fn an_unknown_key_gets_the_nearest_known_one() {
    invalid(&World::with("keep_within", "keep_witin"), "unknown-key", &["`keep_witin`", "did you mean `keep_within`?", ":9:"]);
}

#[test]
fn two_stores_of_one_name_are_found_across_files() {
    let world = World::quickstart();
    let text = fs::read_to_string(world.path("lucid-policy.toml")).unwrap();
    fs::remove_file(world.path("lucid-policy.toml")).unwrap();
    world.file("policies/one.toml", text.replace("\"backups\"", "\"../backups\""));
    world.file("policies/two.toml", "[store.directory.local]\npath = \"/srv/other\"\n");
    let ran = world.harmless("plan").ends(10).says(&["`local`", "one.toml", "two.toml", "1 error"]);
    let _ = ran.says_once("help:");
}

#[test]
fn an_impossible_day_is_no_schedule() {
    invalid(&World::with("0 2 * * *", "0 0 31 2 *"), "cron-never-fires", &["0 0 31 2 *"]);
}

#[test]
fn a_cycle_is_shown_as_its_whole_path() {
    let other = "stores    = [\"local\"]\nbase = \"other\"\n[policy.other]\nsource = \"config\"\nstores = [\"local\"]\nbase = \"config\"\n";
    let world = World::with("stores    = [\"local\"]\n", other);
    let json = world.harmless("validate --format json").ends(10).json();
    let cycles: Vec<_> = json["findings"].as_array().unwrap().iter().filter(|f| f["code"] == "cycle").collect();
    assert_eq!(cycles.len(), 1, "{json:#}");
    assert!(cycles[0]["labels"].as_array().unwrap().len() >= 2, "each edge has its place: {json:#}");
    let _ = world.harmless("apply --yes").ends(10).says(&["policy.config -> policy.other -> policy.config"]);
}

#[test]
fn a_literal_secret_is_refused_and_never_shown() {
    let world = World::quickstart();
    let dump = "[source.command.dump]\ncommand = [\"true\"]\nenv = { PASSWORD = \"hunter2hunter2\" }\n[policy.dump]\nsource = \"dump\"\n\
                schedule = \"nightly\"\nretention = \"month\"\nstores = [\"local\"]\n";
    let text = fs::read_to_string(world.path("lucid-policy.toml")).unwrap();
    world.file("lucid-policy.toml", text + dump);
    invalid(&world, "secret-literal", &["`source.command.dump.env.PASSWORD`", "PASSWORD = { env = \"PASSWORD\" }"]);
    for verb in
        ["validate", "plan", "apply --yes", "status", "list", "verify", "graph", "show x", "hold x", "claim --yes", "store accept local"]
    {
        for format in ["", " --format json", " --color always", " --quiet"] {
            let _ = world.harmless(&format!("{verb}{format}")).hides(&["hunter2"]);
        }
    }
}

#[test]
fn a_store_inside_of_its_own_source_is_refused() {
    invalid(&World::with("\"backups\"", "\"data/backups\""), "store-inside-source", &["data/backups", "source `config`"]);
}

#[test]
fn a_store_that_is_a_file_is_refused() {
    let world = World::quickstart();
    world.file("backups", "not a folder");
    refused(&world, "store-unusable", &["store `local`", "backups` is not a folder", "name a folder in `path`"]);
}

#[test]
fn a_store_that_is_not_writable_is_refused_and_still_read() {
    let world = World::quickstart();
    let disk = Mounted::at(&world.path("backups"), "size=8m");
    let _ = world.run("apply").good();
    disk.again("ro");
    refused(&world, "store-unusable", &["store `local`", "mounted read-only", "can be written to"]);
    let _ = world.harmless("list").good().says(&[&world.ids("backups", "config")[0]]);
    let _ = world.harmless("verify --no-notes").good();
}

#[test]
fn a_disk_that_fills_up_in_the_middle_leaves_nothing_and_the_next_apply_works() {
    let world = World::quickstart();
    let disk = Mounted::at(&world.path("backups"), "size=2m");
    let mut noise = vec![0; 6 << 20];
    let mut state = 88_172_645_463_325_252_u64;
    for byte in &mut noise {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *byte = state.to_le_bytes()[0];
    }
    world.file("data/noise", &noise);
    let ran = world.run("apply").ends(3).says(&["FAILED: capture:policy.config", "backups: no space left", "free space there", "1 failed"]);
    assert_eq!(ran.err.matches("no space left").count(), 1, "{ran}");
    assert_eq!((world.files("backups/demo/data"), world.files("backups/demo/catalog")), (vec![], vec![]));
    let _ = world.run("list").good().says(&["No artifacts."]);
    disk.again("size=32m");
    let _ = world.run("apply").good();
    let _ = world.run("verify").good().says(&["good (level 2)"]);
    let _ = world.harmless("plan --detailed-exitcode").good().says(&["No changes."]);
}

#[test]
fn a_source_that_is_missing_is_not_captured_and_costs_no_artifact() {
    let world = World::quickstart();
    let _ = world.run("apply").good();
    fs::remove_dir_all(world.path("data")).unwrap();
    refused(&world, "source-unusable", &["policy `config` is not captured", "data` does not exist", "bring the source back"]);
}

#[test]
fn a_source_that_is_empty_is_taken_for_a_disk_that_is_not_mounted() {
    let world = World::quickstart();
    let _ = world.run("apply").good();
    fs::remove_dir_all(world.path("data")).unwrap();
    fs::create_dir(world.path("data")).unwrap();
    refused(&world, "source-unusable", &["source `config`", "data` is empty", "bring the source back"]);
}

#[test]
fn a_source_that_must_be_mounted_is_not_read_without_its_mount() {
    let world = World::with("paths   = [\"data\"]", "paths   = [\"data\"]\nmount = true");
    refused(&world, "source-unusable", &["data` is not a mount point", "bring the source back"]);
    let _disk = Mounted::at(&world.path("data"), "size=1m");
    world.file("data/file", "on the disk");
    let _ = world.run("apply").good();
}

#[test]
fn a_store_that_must_be_mounted_is_not_made_without_its_mount() {
    let world = World::with("path = \"backups\"", "path = \"backups\"\nmount = true");
    refused(&world, "store-unusable", &["store `local`", "backups` is not there", "mount the disk"]);
    let _disk = Mounted::at(&world.path("backups"), "size=4m");
    let _ = world.run("apply").good();
}

#[test]
fn a_clock_that_was_set_back_deletes_nothing_and_captures_go_on() {
    let world = World::quickstart();
    world.history([240, 216, 192, 24]);
    let _ = world.captured_at(Utc::now() + TimeDelta::days(2));
    world.edit("keep_within = \"30d\", min_count = 3", "keep_within = \"5d\", min_count = 2");
    let records = world.records("backups", "config");
    assert!(codes(&world.harmless("plan --format json").ends(4)) == ["clock-behind"]);
    let words = ["not deleted", "after now", "set the clock"];
    let _ = world.harmless("plan").ends(4).says(&words).says_once("help:");
    let _ = world.run("apply").ends(4).says(&words).says(&["done: capture:policy.config"]);
    let after = world.records("backups", "config");
    assert!(records.iter().all(|record| after.contains(record)), "a record was deleted");
}

#[test]
fn a_clock_that_was_set_back_is_said_even_where_nothing_is_to_be_deleted() {
    let world = World::quickstart();
    let _ = world.captured_at(Utc::now() + TimeDelta::days(2));
    let _ = world.run("apply").good().says_once("set the clock");
    assert_eq!(codes(&world.harmless("plan --format json").good()), ["clock-behind"]);
}

#[test]
fn a_manifest_that_would_delete_almost_everything_deletes_nothing() {
    let world = World::quickstart();
    world.history((1..10).rev().map(|day| day * 24 + 1));
    let _ = world.run("apply").good();
    world.edit("keep_within = \"30d\", min_count = 3", "keep_last = 2, min_count = 2");
    let words = ["artifacts of policy `config` on store `local` not deleted", "`max_delete_fraction` = 0.5", "for one run"];
    let _ = world.harmless("plan").ends(4).says(&words).says_once("help:");
    assert_eq!(codes(&world.harmless("plan --format json").ends(4)), ["delete-fraction"]);
    let _ = world.harmless("apply --yes").ends(4).says(&words);
    let text = fs::read_to_string(world.path("lucid-policy.toml")).unwrap();
    world.file("lucid-policy.toml", format!("{text}[guard]\nmax_delete_fraction = 1.0\n"));
    let _ = world.run("apply --yes").good().says(&["done: delete:"]);
    assert_eq!(world.records("backups", "config").len(), 2);
}

#[test]
fn an_instance_of_another_host_is_left_alone_until_it_is_claimed() {
    let world = World::quickstart();
    let _ = world.run("apply").good();
    let owner = world.path("backups/demo/owner/1.json");
    let text = fs::read_to_string(&owner).unwrap();
    let mut record: serde_json::Value = serde_json::from_str(&text).unwrap();
    record["host"] = "ffffffffffffffffffffffffffffffff".into();
    record["hostname"] = "elder".into();
    fs::write(&owner, record.to_string()).unwrap();
    refused(&world, "other-host", &["store `local`", "host `elder`", "run `lucid-policy claim`"]);
    let _ = world.harmless("list").good().says(&["config on local"]);
    let _ = world.harmless("claim").ends(4).says(&["--yes"]);
    fs::rename(world.path("backups"), world.path("aside")).unwrap();
    world.file("backups", "no folder");
    let _ = world.harmless("claim --yes").ends(9).says(&["store `local` was not claimed", "is not a folder", "name a folder in `path`"]);
    fs::remove_file(world.path("backups")).unwrap();
    fs::rename(world.path("aside"), world.path("backups")).unwrap();
    fs::rename(world.path("backups"), world.path("aside")).unwrap();
    let words = ["store `local` is known (uuid", "and is not there; it was not claimed", "`lucid-policy store accept local`"];
    let _ = world.harmless("claim --yes").ends(4).says(&words).hides(&["belongs to nobody", "taken over"]);
    // a host that knows nothing of it
    fs::rename(world.path("state"), world.path("elsewhere")).unwrap();
    let words = ["nothing was claimed: no store of the manifest is there", "mount the store"];
    let _ = world.run("claim --yes").ends(4).says(&words).hides(&["belongs to nobody"]);
    fs::remove_dir_all(world.path("state")).ok();
    fs::rename(world.path("elsewhere"), world.path("state")).unwrap();
    fs::rename(world.path("aside"), world.path("backups")).unwrap();
    let _ = world.run("claim --yes").good().says(&["taken over from host `elder`"]);
    let _ = world.run("apply --now").good();
}

#[test]
fn a_store_of_a_newer_format_is_not_touched() {
    let world = World::quickstart();
    let _ = world.run("apply").good();
    let mark = world.path("backups/lucid.json");
    let text = fs::read_to_string(&mark).unwrap();
    fs::write(&mark, text.replace("\"1.0\"", "\"2.0\"")).unwrap();
    refused(&world, "store-too-new", &["store `local`", "`lucid.json` has format version 2.0", "newer version of lucid-policy"]);
}

#[test]
fn a_record_of_a_newer_format_keeps_its_series_from_being_deleted() {
    let world = World::quickstart();
    world.history([240, 216, 192]);
    let _ = world.run("apply").good();
    let before = world.records("backups", "config").len();
    world.edit("keep_within = \"30d\", min_count = 3", "keep_within = \"5d\", min_count = 2");
    world.file("backups/demo/catalog/config/20991123T000000000Z-log-of-another-age.json", "{\"format_version\": \"2.0\"}");
    let _ = world
        .harmless("plan")
        .ends(4)
        .says(&["cannot be read by this version", "20991123T000000000Z-log", "move damaged names"])
        .says_once("help:");
    let _ = world.harmless("apply --yes").ends(4);
    assert_eq!(world.records("backups", "config").len(), before + 1);
}

#[test]
fn a_record_whose_text_is_of_a_newer_format_is_named_by_who_reads_it() {
    let world = World::quickstart();
    let _ = world.run("apply").good();
    let record = world.records("backups", "config").remove(0);
    let text = fs::read_to_string(&record).unwrap();
    fs::write(&record, text.replacen("\"1.0\"", "\"2.0\"", 1)).unwrap();
    let id = world.ids("backups", "config").remove(0);
    let _ = world.harmless(&format!("show {id}")).says(&["catalog/config/", "2.0"]).hides(&["panicked"]);
    let _ = world.run("verify").ends(9).says(&["not checked", &id, "2.0"]);
}

#[test]
fn a_known_store_that_is_away_waits_until_it_is_accepted() {
    let world = World::quickstart();
    let _ = world.run("apply").good();
    fs::rename(world.path("backups"), world.path("unplugged")).unwrap();
    let words = ["store `local`", "is not there", "mount it or bring it back", "lucid-policy store accept local"];
    assert!(codes(&world.harmless("plan --format json").ends(4)).contains(&"store-away".to_owned()));
    let _ = world.harmless("plan").ends(4).says(&words);
    let _ = world.harmless("apply --now --yes").ends(4).says(&words);
    let _ = world.harmless("list").ends(9).says(&["store `local` could not be read"]);
    let _ = world.harmless("status").good().says(&["policy.config not checked", "NOT SEEN"]);
    let _ = world.harmless("status --check").ends(9).hides(&["LATE"]);
    let _ = world.run("store accept lcoal").ends(64).says(&["did you mean `local`?"]);
    let _ = world.run("store accept local").good();
    let _ = world.run("apply").good().says(&["+ init store.local"]);
    assert_eq!(world.records("backups", "config").len(), 1);
}

#[test]
fn a_disk_that_is_not_mounted_is_a_store_that_is_away() {
    let world = World::quickstart();
    let disk = Mounted::at(&world.path("backups"), "size=4m");
    let _ = world.run("apply").good();
    drop(disk);
    let _ = world.harmless("apply --now").ends(4).says(&["store `local`", "is not there"]);
}

#[test]
fn another_store_under_a_known_name_is_refused_until_it_is_accepted() {
    let world = World::quickstart();
    let _ = world.run("apply").good();
    let mark = world.path("backups/lucid.json");
    let mut record: serde_json::Value = serde_json::from_str(&fs::read_to_string(&mark).unwrap()).unwrap();
    record["uuid"] = "00000000-0000-4000-8000-000000000000".into();
    fs::write(&mark, record.to_string()).unwrap();
    let words = ["store `local`", "another store, 00000000-0000-4000-8000-000000000000", "lucid-policy store accept local"];
    refused(&world, "store-replaced", &words);
    let _ = world.run("store accept local").good();
    let _ = world.run("apply --now").good();
}

#[test]
fn one_place_under_two_names_is_refused() {
    let world = World::with("[schedule]", "[store.directory.twin]\npath = \"twin\"\n[schedule]");
    world.edit("[\"local\"]", "[\"local\", \"twin\"]");
    fs::create_dir(world.path("backups")).unwrap();
    symlink("backups", world.path("twin")).unwrap();
    let _ = world.run("apply");
    let ran = world.harmless("plan --now").ends(4).says(&["`local` and `twin`", "one place", "different places"]);
    let _ = ran.hides(&["+ copy"]);
    let _ = world.harmless("apply --now --yes").ends(4);
}

#[test]
fn a_manifest_that_is_not_there_or_no_text_is_named() {
    let world = World::quickstart();
    let _ = world.harmless("-f nowhere.toml plan").ends(64).says(&["`nowhere.toml`", "No such file", "lucid-policy init"]);
    fs::create_dir(world.path("empty")).unwrap();
    let _ = world.harmless("-f empty apply").ends(64).says(&["no *.toml in `empty`"]);
    world.file("latin.toml", b"name = \"caf\xe9\"\n");
    let _ = world.harmless("-f latin.toml apply").ends(10).says(&["`latin.toml` is not UTF-8", "save it as UTF-8"]);
    fs::remove_file(world.path("lucid-policy.toml")).unwrap();
    let _ = world.harmless("plan").ends(64).says(&["no lucid-policy.toml and no policies/ here", "lucid-policy init"]);
}

#[test]
fn values_without_meaning_are_refused_with_what_would_have_one() {
    invalid(&World::with("30d", "30m"), "bad-duration", &["30m", "min"]);
    invalid(&World::with("Etc/UTC", "Europe/Berln"), "unknown-zone", &["did you mean `Europe/Berlin`?"]);
    invalid(&World::with("[\"local\"]", "[\"locla\"]"), "unknown-store", &["`locla`", "did you mean `local`?"]);
}

#[test]
fn what_is_named_on_the_command_line_and_not_there_is_refused() {
    let world = World::quickstart();
    let _ = world.run("apply").good();
    let usage = |words: &str, say: &[&str]| {
        let _ = world.harmless(words).ends(64).says(say);
    };
    usage("plan --only policy.confg", &["no policy `confg`", "did you mean `config`?"]);
    usage("apply --now --only polcy.confg", &["did you mean `config`?"]);
    usage("list confg", &["did you mean `config`?"]);
    usage("list --store lcal", &["no store `lcal`", "did you mean `local`?"]);
    usage("show 2099", &["no artifact `2099`", "lucid-policy list"]);
    usage("hold 2099", &["no artifact `2099`"]);
    usage("verify confg", &["did you mean `config`?"]);
    usage("plan --as-of noon", &["`noon` is not a time", "2026-11-23T02:00:00Z"]);
    usage("explain store-awy", &["did you mean `store-away`?"]);
    usage("status --format xml", &["no format `xml`"]);
    usage("aply", &["apply"]);
    usage("apply --plan lucid-policy.toml", &["`lucid-policy.toml` is not a plan"]);
    usage("apply --plan nowhere.json", &["`nowhere.json` cannot be read"]);
}

#[test]
fn a_payload_that_was_cut_short_is_damage_and_the_next_slot_does_not_count_on_it() {
    let world = World::quickstart();
    let _ = world.run("apply").good();
    let id = world.ids("backups", "config").remove(0);
    let payload = world.path(&format!("backups/demo/data/config/{id}/files.tar.zst"));
    let bytes = fs::read(&payload).unwrap();
    fs::write(&payload, &bytes[..bytes.len() / 2]).unwrap();
    let _ = world.run("verify").ends(8).says(&["DAMAGED", &id, "files.tar.zst"]);
    let _ = world.harmless("plan").good().says(&["1 to capture", "no good copy is known"]);
    let _ = world.run("apply").good();
    let _ = world.run("verify config --newest").good();
}

#[test]
fn a_record_that_was_cut_short_is_named_and_nothing_panics() {
    let world = World::quickstart();
    let _ = world.run("apply").good();
    let record = world.records("backups", "config").remove(0);
    let bytes = fs::read(&record).unwrap();
    fs::write(&record, &bytes[..bytes.len() / 2]).unwrap();
    let id = world.ids("backups", "config").remove(0);
    for verb in [format!("show {id}"), "verify".to_owned(), "list".to_owned(), "status".to_owned(), "plan --now".to_owned()] {
        let _ = world.run(&verb).hides(&["panicked"]);
    }
    let _ = world.run("verify").ends(8).says(&["catalog/config/", &id]);
}

#[test]
fn a_state_folder_that_cannot_be_written_stops_apply_before_anything_is_made() {
    let world = World::quickstart();
    let _disk = Mounted::at(&world.path("state"), "ro,size=64k");
    let _ = world.harmless("plan").good();
    let ran = world.run("apply").ends(1).says(&["local state", "Read-only file system", "--state-dir"]);
    assert!(world.files("backups").iter().all(|f| !f.contains("/data/")), "{ran}");
    fs::write(world.path("file"), "").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lucid-policy"));
    command.args(["--state-dir", "file", "apply"]).current_dir(world.folder());
    let _ = world.finish(&mut command).ends(1).says(&["local state", "--state-dir"]);
}
