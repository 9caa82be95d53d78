//! Secrets through a whole life of backups: every word that the program says and every file that it writes is searched for them.

use std::fs;

use crate::support::{Ran, World};

const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/integration/formats/age");
const FROM_ENV: &str = "correct-horse-1";
const FROM_FILE: &str = "battery-staple-2";

/// What must be nowhere, each also without its end: something cut off is still half a secret.
fn planted() -> Vec<String> {
    let identity = fs::read_to_string(format!("{KEYS}/identity.txt")).unwrap();
    let ssh = fs::read_to_string(format!("{KEYS}/ssh-ed25519")).unwrap();
    let whole = [FROM_ENV, FROM_FILE, identity.lines().last().unwrap(), ssh.lines().nth(3).unwrap()];
    whole.iter().map(|secret| secret[..secret.len().min(24)].to_owned()).collect()
}

fn world() -> World {
    let public = |file: &str| fs::read_to_string(format!("{KEYS}/{file}")).unwrap();
    let age = public("identity.txt").lines().find_map(|line| line.strip_prefix("# public key: ").map(str::to_owned)).unwrap();
    let ssh = public("ssh-ed25519.pub").trim().to_owned();
    let secrets = "env = { ONE = { env = \"FROM_ENV\" }, TWO = { file = \"secret\" } }";
    // What runs can see the command lines of itself and of this program.
    let script = "cat /proc/$$/cmdline /proc/$PPID/cmdline >> argv; printf '%s and %s' $ONE $TWO";
    let world = World::new(&format!(
        "version = 1\nname = \"demo\"\ntimezone = \"Etc/UTC\"\n[encryption]\nrecipients = [{age:?}, {ssh:?}]\n\
         [store.directory.local]\npath = \"backups\"\n\
         [schedule]\nnightly = {{ cron = \"0 2 * * *\" }}\n[retention]\nmonth = {{ keep_within = \"30d\", min_count = 3 }}\n\
         [source.files.config]\npaths = [\"data\"]\n\
         [source.command.dump]\ncommand = [\"sh\", \"-c\", {script:?}]\n{secrets}\n\
         restore_command = [\"sh\", \"-c\", \"cat /proc/$$/cmdline /proc/$PPID/cmdline >> argv; cat > restored; echo $ONE $TWO >&2\"]\n\
         [source.command.bad]\ncommand = [\"sh\", \"-c\", \"echo data; echo failed with $ONE and $TWO >&2; exit 1\"]\n{secrets}\n\
         [policy.config]\nsource = \"config\"\nschedule = \"nightly\"\nretention = \"month\"\nstores = [\"local\"]\n\
         [policy.dump]\nsource = \"dump\"\nschedule = \"nightly\"\nretention = \"month\"\nstores = [\"local\"]\n\
         [policy.bad]\nsource = \"bad\"\nschedule = \"nightly\"\nretention = \"month\"\nstores = [\"local\"]\n"
    ));
    world.file("secret", format!("{FROM_FILE}\n"));
    world
}

/// Runs the program, in text and as JSON where that is asked for, and searches all it says.
#[track_caller]
fn run(world: &World, words: &str, code: i32) -> Ran {
    let words: Vec<&str> = words.split_whitespace().collect();
    let planted = planted();
    let planted: Vec<&str> = planted.iter().map(String::as_str).collect();
    world.finish(world.command(&words).env("FROM_ENV", FROM_ENV)).ends(code).hides(&planted)
}

#[test]
fn a_whole_life_says_and_stores_no_secret() {
    let world = world();
    let (age, ssh, wrong) = (format!("{KEYS}/identity.txt"), format!("{KEYS}/ssh-ed25519"), format!("{KEYS}/other.txt"));
    for format in ["text", "json"] {
        let json = format!("--format {format}");
        let _ = run(&world, &format!("validate {json}"), 0);
        let _ = run(&world, &format!("plan --now {json}"), 0);
        let _ = run(&world, &format!("plan --now --out plan-{format}.json"), 0);
        let _ = run(&world, &format!("apply --now {json}"), 3).says(&["failed with *** and ***"]);
        let _ = run(&world, &format!("apply --now --only policy.dump --only policy.config {json}"), 0);
        let _ = run(&world, &format!("verify {json}"), 0);
        let _ = run(&world, &format!("verify --identity {age} {json}"), 0);
        let _ = run(&world, &format!("verify --identity {wrong} {json}"), 9);
        for verb in ["list", "status", "graph"] {
            let _ = run(&world, &format!("{verb} {json}"), 0);
        }
        let id = world.ids("backups", "config").pop().unwrap();
        let _ = run(&world, &format!("show {id} {json}"), 0);
        let _ = run(&world, &format!("show {id} --files --identity {ssh} {json}"), 0);
        let _ = run(&world, &format!("restore config --to out-{format} --yes --identity {ssh} {json}"), 0);
        let _ = run(&world, &format!("restore config --to none --yes {json}"), 4);
        let _ = run(&world, &format!("restore config --to none --yes --identity {wrong} {json}"), 4);
        let _ = run(&world, &format!("restore dump --yes --identity {age} {json}"), 0);
        let _ = run(&world, &format!("restore dump --yes --identity {KEYS}/ssh-ed25519-locked {json}"), 64);
    }
    assert_eq!(
        fs::read_to_string(world.path("restored")).unwrap(),
        format!("{FROM_ENV} and {FROM_FILE}"),
        "the secrets did reach the command"
    );
    fs::remove_file(world.path("secret")).unwrap();
    let _ = run(&world, "apply --now --only policy.dump", 3).says(&["cannot read"]);
    let argv = fs::read(world.path("argv")).unwrap();
    assert!(argv.windows(10).any(|part| part == b"--identity"), "the command line of the program was seen");
    let written = ["backups", "state", "home"].iter().flat_map(|folder| world.files(folder));
    let written = written.chain(["argv", "plan-text.json", "plan-json.json"].map(str::to_owned));
    let mut searched = 0;
    for path in written {
        let bytes = fs::read(world.path(&path)).unwrap();
        for secret in planted() {
            assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "`{secret}` is in {path}");
        }
        searched += 1;
    }
    assert!(searched > 20, "{searched} files are not a whole life");
}
