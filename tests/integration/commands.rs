//! Commands as sources: what makes an artifact, what does not, and that secrets go to the command and nowhere else.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{Ran, World};

/// A world whose policy `dump` captures this source.
fn world(source: &str) -> World {
    World::new(&format!(
        "version = 1\nname = \"demo\"\ntimezone = \"Etc/UTC\"\n[store.directory.local]\npath = \"backups\"\n\
         [schedule]\nnightly = {{ cron = \"0 2 * * *\" }}\n[retention]\nmonth = {{ keep_within = \"30d\", min_count = 3 }}\n\
         [source.command.dump]\n{source}\n\
         [policy.dump]\nsource = \"dump\"\nschedule = \"nightly\"\nretention = \"month\"\nstores = [\"local\"]\n"
    ))
}

/// The step failed, with these words, and nothing of it is left.
#[track_caller]
fn fails(world: &World, words: &[&str]) -> Ran {
    let ran = world.run("apply").ends(3).says(&["FAILED: capture:policy.dump", "source `dump`"]).says(words);
    assert_eq!((world.files("backups/demo/data"), world.files("backups/demo/catalog")), (vec![], vec![]), "{ran}");
    let _ = world.run("list").good().says(&["No artifacts."]);
    ran
}

fn unpacked(path: &Path) -> String {
    let output = Command::new("zstd").arg("-dcq").arg(path).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_a_command_writes_is_the_payload_and_zstd_reads_it() {
    let world = world("command = [\"sh\", \"-c\", \"echo one; echo two\"]\nfile = \"dump.sql\"");
    let _ = world.harmless("plan").good().says(&["+ capture policy.dump"]);
    let _ = world.run("apply").good();
    let id = world.ids("backups", "dump").remove(0);
    assert_eq!(unpacked(&world.path(&format!("backups/demo/data/dump/{id}/dump.sql.zst"))), "one\ntwo\n");
    let _ = world.run("verify").good();
    let _ = world.harmless("plan --detailed-exitcode").good();
    let _ = world.harmless(&format!("show {id}")).good().says(&["dump.sql.zst", "command dump"]);
    let _ = world.harmless(&format!("show {id} --files")).ends(64).says(&["one stream"]);
}

#[test]
fn a_plan_runs_no_command() {
    let world = world("command = [\"touch\", \"ran\"]\ncheck_command = [\"touch\", \"checked\"]");
    for verb in ["validate", "plan", "plan --now --as-of 2099-01-01", "status", "list"] {
        let _ = world.harmless(verb).good();
    }
    assert!(!world.path("ran").exists() && !world.path("checked").exists());
}

#[test]
fn an_exit_code_that_is_not_zero_makes_no_artifact() {
    let world = world("command = [\"sh\", \"-c\", \"echo half a dump; echo the server went away >&2; exit 7\"]");
    let _ = fails(&world, &["exit status: 7", "the server went away"]);
}

#[test]
fn a_command_killed_by_a_signal_makes_no_artifact() {
    let _ = fails(&world("command = [\"sh\", \"-c\", \"echo half; kill -9 $$\"]"), &["signal: 9"]);
}

#[test]
fn a_command_that_writes_nothing_makes_no_artifact() {
    let _ = fails(&world("command = [\"sh\", \"-c\", \"echo nothing to dump >&2\"]"), &["wrote nothing", "nothing to dump"]);
}

#[test]
fn a_command_that_is_not_there_is_named() {
    let _ = fails(&world("command = [\"pg_dumpp\"]"), &["`pg_dumpp` cannot be started", "No such file"]);
}

#[test]
fn a_check_command_reads_the_same_bytes_and_has_the_last_word() {
    let _ = world("command = [\"echo\", \"good\"]\ncheck_command = [\"grep\", \"-q\", \"good\"]").run("apply").good();
    let bad =
        world("command = [\"echo\", \"bad\"]\ncheck_command = [\"sh\", \"-c\", \"grep -q good || { echo no trailer >&2; exit 3; }\"]");
    let _ = fails(&bad, &["check command `sh -c", "exit status: 3", "no trailer"]);
}

#[test]
fn a_check_command_that_stops_reading_early_decides_by_its_exit_code() {
    let long = "command = [\"sh\", \"-c\", \"yes | head -c 4000000\"]\ncheck_command = ";
    let _ = world(&format!("{long}[\"head\", \"-c\", \"1\"]")).run("apply").good();
    let _ = fails(&world(&format!("{long}[\"false\"]")), &["check command `false`"]);
}

#[test]
fn what_a_good_command_complains_about_is_a_warning() {
    let world = world("command = [\"sh\", \"-c\", \"echo data; echo skipped one table >&2\"]");
    let _ = world.run("apply").good().says(&["warning:", "skipped one table"]);
    let record = fs::read_to_string(&world.records("backups", "dump")[0]).unwrap();
    assert!(record.contains("\"warnings\": 1"), "{record}");
}

const SECRETS: [&str; 3] = ["correct-horse-1", "battery-staple-2", "tr0ub4dor-3"];

fn secretive(script: &str) -> World {
    let world = world(&format!(
        "command = [\"sh\", \"-c\", {script:?}]\n\
         env = {{ ONE = {{ env = \"FROM_ENV\" }}, TWO = {{ file = \"secret\" }}, THREE = {{ env_file = \"app.env\", name = \"TOKEN\" }} }}"
    ));
    world.file("secret", format!("{}\n", SECRETS[1]));
    world.file("app.env", format!("# of the app\nOTHER=x\nexport TOKEN=\"{}\"\n", SECRETS[2]));
    world
}

/// Runs the program with the one secret that comes from its environment.
fn with_env(world: &World, words: &str) -> Ran {
    let words: Vec<&str> = words.split_whitespace().collect();
    world.finish(world.command(&words).env("FROM_ENV", SECRETS[0]))
}

/// No secret is in any file of the store or the local state.
#[track_caller]
fn nowhere(world: &World) {
    for path in world.files("backups").into_iter().chain(world.files("state")) {
        let bytes = fs::read(world.path(&path)).unwrap();
        let text = if path.contains("/manifests/") { unpacked(&world.path(&path)) } else { String::from_utf8_lossy(&bytes).into_owned() };
        assert!(SECRETS.iter().all(|secret| !text.contains(secret)), "a secret is in {path}");
    }
}

#[test]
fn secrets_reach_the_command_and_nothing_else() {
    let world = secretive("printf '%s|%s|%s' $ONE $TWO $THREE | sha256sum");
    let _ = with_env(&world, "apply --format json").good().hides(&SECRETS);
    let id = world.ids("backups", "dump").remove(0);
    let payload = world.files(&format!("backups/demo/data/dump/{id}")).remove(0);
    let expected = Command::new("sh").args(["-c", &format!("printf '%s|%s|%s' {} | sha256sum", SECRETS.join(" "))]).output().unwrap();
    assert_eq!(unpacked(&world.path(&payload)), String::from_utf8(expected.stdout).unwrap());
    nowhere(&world);
    for verb in ["plan", "plan --format json", "status --format json", "list --format json", "graph", "validate"] {
        let _ = with_env(&world, verb).good().hides(&SECRETS);
    }
    let _ = with_env(&world, &format!("show {id} --format json")).good().hides(&SECRETS);
}

#[test]
fn what_a_failing_command_said_is_kept_without_the_secrets_in_it() {
    let world = secretive("echo data; echo \"login as $ONE with $TWO and $THREE failed\" >&2; exit 1");
    for format in ["", " --format json", " --quiet"] {
        let ran = with_env(&world, &format!("apply{format}")).ends(3);
        let _ = ran.says(&["login as *** with *** and *** failed"]).hides(&SECRETS);
    }
    nowhere(&world);
}

#[test]
fn a_secret_at_the_edge_of_what_is_kept_of_a_long_complaint_does_not_show_its_end() {
    // The end of the complaint is kept: 4096 bytes, of which the first would be the tail of the secret.
    let world = secretive("echo data; printf '%s' $ONE >&2; head -c 4090 /dev/zero | tr '\\0' x >&2; exit 1");
    let _ = with_env(&world, "apply").ends(3).says(&["xxxx"]).hides(&["orse-1", "rse-1x"]);
}

#[test]
fn a_secret_that_cannot_be_had_is_named_and_nothing_is_run() {
    let world = secretive("touch ran; echo data");
    let _ = fails(&world, &["environment variable `FROM_ENV` is not set"]);
    fs::remove_file(world.path("secret")).unwrap();
    let _ = with_env(&world, "apply").ends(3).says(&["cannot read", "secret`"]);
    world.file("secret", "x");
    world.file("app.env", "OTHER=x\n");
    let _ = with_env(&world, "apply").ends(3).says(&["has no line `TOKEN=...`"]).hides(&["OTHER"]);
    assert!(!world.path("ran").exists());
}
