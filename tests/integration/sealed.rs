//! Encrypted policies from the capture to the restore: what a host without a secret key can do, and who else can read what it made. `age` and
//! `zstd` are the judges.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::support::{Ran, World, until};

const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/integration/formats/age");
const AGE: &str = "age1lked2mr8wdnhucpf6fvww0ht9s8kx7yhhjj4zzeu4pvxr0vk2pwqynwskn";
const FINGERPRINTS: [&str; 2] = ["ssh-ed25519:38a93289cdf8802f", "x25519:4a0fdb9594b8097a"];

fn key(name: &str) -> String {
    format!("{KEYS}/{name}")
}

fn ssh() -> String {
    fs::read_to_string(key("ssh-ed25519.pub")).unwrap().trim().to_owned()
}

/// Two stores and two policies, a tree and a command, to two recipients. No secret key is in it.
fn world() -> World {
    World::new(&format!(
        "version = 1\nname = \"demo\"\ntimezone = \"Etc/UTC\"\n[encryption]\nrecipients = [{AGE:?}, {:?}]\n\
         [store.directory.local]\npath = \"backups\"\nrequire_encryption = true\n[store.directory.far]\npath = \"second\"\n\
         [schedule]\nnightly = {{ cron = \"0 2 * * *\" }}\n[retention]\nmonth = {{ keep_within = \"30d\", min_count = 3 }}\n\
         [source.files.config]\npaths = [\"data\"]\n\
         [source.command.dump]\ncommand = [\"cat\", \"database\"]\nfile = \"dump.sql\"\nrestore_command = [\"tee\", \"restored\"]\n\
         [policy.config]\nsource = \"config\"\nschedule = \"nightly\"\nretention = \"month\"\nstores = [\"local\", \"far\"]\n\
         [policy.dump]\nsource = \"dump\"\nschedule = \"nightly\"\nretention = \"month\"\nstores = [\"local\"]\n",
        ssh()
    ))
}

fn captured() -> World {
    let world = world();
    world.file("database", "insert what is to be kept;\n".repeat(1000));
    let _ = world.run("apply").good();
    world
}

/// The newest record of a series.
fn record(world: &World, series: &str) -> Value {
    serde_json::from_slice(&fs::read(world.records("backups", series).last().unwrap()).unwrap()).unwrap()
}

/// The only object of a series with such a name.
fn object(world: &World, series: &str, name: &str) -> PathBuf {
    let files = world.files(&format!("backups/demo/data/{series}"));
    world.path(files.iter().find(|path| path.ends_with(name)).unwrap_or_else(|| panic!("{name} is in {files:?}")))
}

/// What a pipe of other programs makes of a file.
#[track_caller]
fn piped(script: &str, file: &Path) -> Vec<u8> {
    let input = fs::File::open(file).unwrap();
    let output = Command::new("sh").args(["-ec", script]).stdin(input).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{script}");
    output.stdout
}

fn restore(world: &World, words: &str, name: &str) -> Ran {
    world.run(&format!("restore {words} --identity {} --yes", key(name)))
}

#[test]
fn a_host_without_a_secret_key_captures_copies_and_verifies() {
    let world = captured();
    let record = record(&world, "config");
    assert_eq!(record["recipients"], serde_json::json!(FINGERPRINTS));
    assert_eq!(record["codec"], serde_json::json!(["tar", "zstd", "age"]));
    assert_eq!(record["segments"][0]["name"], "files.tar.zst.age");
    assert_eq!(record["index"]["name"], "files.tar.zst.index.age");
    assert_eq!(self::record(&world, "dump")["segments"][0]["name"], "dump.sql.zst.age");
    let payload = |store: &str| world.files(&format!("{store}/demo/data/config"));
    for (one, other) in payload("backups").iter().zip(payload("second")) {
        let stored = fs::read(world.path(one)).unwrap();
        assert!(stored.starts_with(b"age-encryption.org/v1\n"), "{one}");
        assert!(stored == fs::read(world.path(&other)).unwrap(), "a copy is the same bytes");
    }
    let id = world.ids("backups", "config").remove(0);
    let _ =
        world.run("verify").good().says(&["good (level 1)", "without an identity only the stored bytes were checked"]).hides(&["level 2"]);
    let _ = world.harmless("plan --detailed-exitcode").good();
    let _ = world.harmless("list").good();
    let _ = world.harmless(&format!("show {id}")).good().says(&["readable by"]).says(&FINGERPRINTS);
    for path in world.files("backups").iter().chain(&world.files("second")).chain(&world.files("state")) {
        let stored = fs::read(world.path(path)).unwrap();
        for plain in ["what is to be kept", "deep/b.txt", "restore_command"] {
            assert!(!stored.windows(plain.len()).any(|part| part == plain.as_bytes()), "`{plain}` can be read in {path}");
        }
    }
}

#[test]
fn without_a_fitting_identity_a_restore_is_refused_before_anything_is_touched() {
    let world = captured();
    let before = fs::read(world.path("data/a.txt")).unwrap();
    for words in
        ["restore config --yes", "restore config --to out --yes", "restore config --path data/a.txt --to out --yes", "restore dump --yes"]
    {
        let _ = world.harmless(words).ends(4).says(&FINGERPRINTS).says(&["no identity is given", "`--identity`"]);
        let wrong = format!("{words} --identity {} -i {}", key("other.txt"), key("ssh-rsa"));
        let _ = world.harmless(&wrong).ends(4).says(&FINGERPRINTS).says(&["none of the given identities opens it"]);
    }
    assert!(!world.path("out").exists() && !world.path("restored").exists());
    assert_eq!(fs::read(world.path("data/a.txt")).unwrap(), before);
    let id = world.ids("backups", "config").remove(0);
    let _ = world.harmless(&format!("show {id} --files")).ends(4).says(&FINGERPRINTS).says(&["`--identity`"]);
    let ran = world.run(&format!("verify --identity {}", key("other.txt")));
    let _ = ran.ends(9).says(&["good (level 1)", "none of the given identities opens it: only the stored bytes were checked"]);
    assert!(world.files("backups/demo/checks").iter().any(|note| note.ends_with("-L1-pass.json")), "what was seen is noted");
    for (file, why) in [("ssh-ed25519-locked", "ssh-keygen -p"), ("ssh-ed25519.pub", "is a public key"), ("none", "cannot be read")] {
        let _ = world.harmless(&format!("restore config --to out --yes -i {}", key(file))).ends(64).says(&[why]);
    }
}

#[test]
fn an_altered_header_is_damage_and_no_fault_of_the_key() {
    let world = captured();
    let id = world.ids("backups", "config").remove(0);
    let list = |identity: &str| world.harmless(&format!("show {id} --files -i {}", key(identity)));
    let _ = list("other.txt").ends(4).says(&["none of the given identities opens it"]);
    // a good header of other recipients than those it was made for: one character of each wrapped key is another one
    let index = object(&world, "config", ".index.age");
    let mut bytes = fs::read(&index).unwrap();
    let starts: Vec<usize> =
        (0..400).filter(|n| [&b"-> X25519 "[..], b"-> ssh-ed25519 "].iter().any(|word| bytes[*n..].starts_with(word))).collect();
    assert_eq!(starts.len(), 2, "one for each recipient");
    for start in starts {
        let line = start + bytes[start..].iter().position(|byte| *byte == b'\n').unwrap() + 5;
        bytes[line] = if bytes[line] == b'A' { b'B' } else { b'A' };
    }
    fs::write(&index, bytes).unwrap();
    fs::remove_dir_all(world.path("second/demo/data")).unwrap();
    for identity in ["identity.txt", "other.txt"] {
        let _ = list(identity).ends(8).says(&["`lucid-policy verify` says more"]).hides(&["none of the given identities"]);
    }
}

#[test]
fn every_recipient_restores_whole_in_part_and_in_place() {
    let world = captured();
    for (to, name) in [("by-age", "identity.txt"), ("by-ssh", "ssh-ed25519")] {
        let _ = restore(&world, &format!("config --to {to}"), name).good();
        assert_eq!(fs::read(world.path(&format!("{to}/data/deep/b.txt"))).unwrap(), b"and this\n");
    }
    let _ = restore(&world, "config --path data/deep --to part", "identity.txt").good();
    assert!(world.path("part/data/deep/b.txt").exists() && !world.path("part/data/a.txt").exists());
    world.file("data/a.txt", "spoilt\n");
    let ran = restore(&world, "config", "identity.txt").good();
    assert_eq!(fs::read(world.path("data/a.txt")).unwrap(), b"what is to be kept\n");
    let run = ran.out.split("--rollback ").nth(1).or_else(|| ran.err.split("--rollback ").nth(1)).unwrap();
    let run: String = run.chars().take_while(char::is_ascii_alphanumeric).collect();
    let _ = world.run(&format!("restore --rollback {run}")).good();
    assert_eq!(fs::read(world.path("data/a.txt")).unwrap(), b"spoilt\n");
    let _ = restore(&world, "dump", "identity.txt").good();
    assert_eq!(fs::read(world.path("restored")).unwrap(), fs::read(world.path("database")).unwrap());
    let _ = restore(&world, "dump --to dumped", "ssh-ed25519").good();
    assert_eq!(fs::read(world.path("dumped/dump.sql")).unwrap(), fs::read(world.path("database")).unwrap());
    let identity = key("identity.txt");
    let _ = world.run(&format!("verify --identity {identity}")).good().says(&["good (level 2)"]).hides(&["level 1"]);
    let id = world.ids("backups", "config").remove(0);
    let _ = world.harmless(&format!("show {id} --files -i {identity}")).good().says(&["data/deep/b.txt"]);
}

#[test]
fn age_and_zstd_open_what_is_stored() {
    let world = captured();
    for name in ["identity.txt", "ssh-ed25519"] {
        let age = format!("age -d -i {}", key(name));
        let listed = piped(&format!("{age} | zstd -dq | tar -t"), &object(&world, "config", "files.tar.zst.age"));
        assert!(String::from_utf8(listed).unwrap().contains("data/deep/b.txt"));
        let index = piped(&age, &object(&world, "config", "files.tar.zst.index.age"));
        assert!(index.ends_with(b"LPINDEX\n"));
        let dumped = piped(&format!("{age} | zstd -dq"), &object(&world, "dump", "dump.sql.zst.age"));
        assert!(dumped == fs::read(world.path("database")).unwrap());
        let manifest = world.files("backups/demo/manifests");
        assert!(manifest.len() == 1 && manifest[0].ends_with(".tar.zst.age"), "{manifest:?}");
        let text = piped(&format!("{age} | zstd -dq | tar -xO"), &world.path(&manifest[0]));
        assert_eq!(text, fs::read(world.path("lucid-policy.toml")).unwrap());
    }
}

#[test]
fn other_recipients_are_a_reason_to_capture_an_unchanged_tree_again() {
    let world = world();
    world.file("database", "x");
    let young = || fs::metadata(world.path("data")).unwrap().modified().unwrap() + Duration::from_millis(2500) > SystemTime::now();
    until("the tree is old enough to be compared", || !young());
    let _ = world.run("apply").good();
    let _ = world.run("apply --now --only policy.config").good();
    assert!(record(&world, "config")["payload_of"].is_object(), "the same tree to the same recipients is not stored again");
    world.edit(
        &format!("recipients = [{AGE:?}, "),
        &format!("recipients = [{:?}, ", "age1vdgjz0zccv0jzud88xgrk25n4rcxnsdxgkzfh34r0eu3z685daxsrszgvx"),
    );
    let _ = world.run("apply --now --only policy.config").good();
    let newest = record(&world, "config");
    assert!(newest["payload_of"].is_null() && newest["recipients"][1] != FINGERPRINTS[1], "{newest}");
    world.edit("require_encryption = true\n", "");
    let text = fs::read_to_string(world.path("lucid-policy.toml")).unwrap();
    let plain = text.lines().filter(|line| !line.contains("recipients") && *line != "[encryption]").collect::<Vec<_>>().join("\n");
    world.file("lucid-policy.toml", plain);
    let _ = world.run("apply --now --only policy.config").good();
    let newest = record(&world, "config");
    assert!(newest["payload_of"].is_null() && newest["codec"] == serde_json::json!(["tar", "zstd"]), "{newest}");
}

#[test]
fn damage_to_what_is_encrypted_is_found_without_an_identity_and_restored_around_with_one() {
    let world = captured();
    let payload = object(&world, "config", "files.tar.zst.age");
    let mut stored = fs::read(&payload).unwrap();
    let last = stored.len() - 1;
    stored[last] ^= 1;
    fs::write(&payload, stored).unwrap();
    let _ = restore(&world, "config --to out", "identity.txt").good().says(&["the next copy is read"]);
    assert_eq!(fs::read(world.path("out/data/a.txt")).unwrap(), b"what is to be kept\n");
    let _ = world.run("verify config").ends(8).says(&["DAMAGED (level 1)"]);
}

#[test]
fn a_header_with_an_altered_byte_is_damage_and_no_wrong_key() {
    let world = world();
    world.file("database", "insert what is to be kept;\n");
    // more than is read at once, so that the header is judged long before the digest of the whole
    let noise = (0..200_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes());
    fs::write(world.path("data/noise"), noise.collect::<Vec<u8>>()).unwrap();
    let _ = world.run("apply").good();
    for (series, name) in [("config", "files.tar.zst.age"), ("dump", "dump.sql.zst.age")] {
        let payload = object(&world, series, name);
        let mut stored = fs::read(&payload).unwrap();
        let stanza = stored.windows(10).position(|window| window == b"-> X25519 ").unwrap();
        let body = stanza + stored[stanza..].iter().position(|byte| *byte == b'\n').unwrap() + 1;
        stored[body] = if stored[body] == b'A' { b'B' } else { b'A' };
        fs::write(&payload, &stored).unwrap();
        assert!(series == "dump" || stored.len() > 256 << 10, "{}", stored.len());
    }
    let _ = restore(&world, "config --to out", "identity.txt").good().says(&["SHA-256", "the next copy is read"]);
    assert_eq!(fs::read(world.path("out/data/a.txt")).unwrap(), b"what is to be kept\n");
    // of which there is no other copy
    let _ = restore(&world, "dump --to gone", "identity.txt").ends(8).says(&["SHA-256"]).hides(&["identities"]);
}

#[test]
fn a_plugin_that_is_not_there_fails_the_capture_and_names_it() {
    let world = world();
    world.file("database", "x");
    world.edit(&format!("{AGE:?}, "), &format!("{:?}, ", fs::read_to_string(key("plugin.pub")).unwrap().trim()));
    let _ = world.run("validate").good();
    let _ = world.run("apply").ends(3).says(&["`age-plugin-nowhere` is not in PATH"]);
    assert!(world.files("backups/demo/data").is_empty());
}

#[test]
fn a_secret_key_among_the_recipients_is_an_error_and_never_repeated() {
    let secret = fs::read_to_string(key("other.txt")).unwrap().lines().last().unwrap().to_owned();
    let world = world();
    world.edit(&format!("{AGE:?}, "), &format!("{AGE:?}, {secret:?}, "));
    for words in ["validate", "validate --format json", "plan", "plan --format json", "apply", "status", "graph"] {
        let ran = world.run(words).hides(&[&secret, &secret[..30]]);
        assert!(ran.code == 10 || words == "graph", "{words}: {ran}");
    }
    let _ = world.run("validate").ends(10).says(&["secret-recipient", "leaked"]);
    world.edit("[policy.config]", "[policy.config");
    let _ = world.run("validate").ends(10).hides(&[&secret, &secret[..30]]);
    world.edit("[policy.config", "[policy.config]");
    // and without the brackets, for which there would be an edit
    world.edit(&format!("[{AGE:?}, {secret:?}, {:?}]", ssh()), &format!("{secret:?}"));
    for words in ["validate", "validate --format json"] {
        let _ = world.run(words).ends(10).says(&["must be a list"]).hides(&[&secret, &secret[..30]]);
    }
    assert!(world.files("backups").is_empty() && world.files("state").is_empty());
}
