//! Backups that something else made become artifacts like all others, or nothing at all.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{Ran, World};

/// A recipient, and the file of the identity behind it.
const AGE: &str = "age1lked2mr8wdnhucpf6fvww0ht9s8kx7yhhjj4zzeu4pvxr0vk2pwqynwskn";
const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/integration/formats/age/identity.txt");
const TAKEN: &str = "2026-01-02T03:04:05+01:00";

/// The quickstart with a second store, and a backup of its source beside it.
fn world() -> World {
    let world = World::with("stores    = [\"local\"]", "stores    = [\"local\", \"far\"]\n[store.directory.far]\npath = \"second\"");
    fs::remove_file(world.path("data/scratch.tmp")).unwrap();
    fs::create_dir(world.path("old")).unwrap();
    world
}

/// GNU tar in the world's folder.
#[track_caller]
fn tar(world: &World, args: &str) {
    let output = Command::new("tar").args(args.split_whitespace()).current_dir(world.folder()).output().unwrap();
    assert!(output.status.success(), "tar {args}: {}", String::from_utf8_lossy(&output.stderr));
}

fn adopt(world: &World, file: &str) -> Ran {
    world.run(&format!("adopt config {file} --taken-at {TAKEN}"))
}

/// It ends with this code, says this, and neither a store nor the local state has anything of it.
#[track_caller]
fn refused(world: &World, words: &str, code: i32, says: &str) {
    let _ = world.harmless(words).ends(code).says(&[says]);
    assert_eq!(world.files("state/flights"), [""; 0], "`{words}` left a flight");
}

#[track_caller]
fn same_trees(one: &Path, two: &Path) {
    let diff = Command::new("diff").arg("-r").args([one, two]).output().unwrap();
    assert!(diff.status.success(), "{}", String::from_utf8_lossy(&diff.stdout));
    let modes = |root: &Path| {
        let found = Command::new("find").args([".", "-printf", "%P %y %m %U %G %Ts %l\\n"]).current_dir(root).output().unwrap();
        let mut lines: Vec<String> = String::from_utf8(found.stdout).unwrap().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(modes(one), modes(two));
}

fn record(world: &World, store: &str) -> Value {
    let records = world.records(store, "config");
    assert_eq!(records.len(), 1, "{records:?}");
    serde_json::from_slice(&fs::read(&records[0]).unwrap()).unwrap()
}

#[test]
fn every_form_of_an_archive_becomes_an_artifact_that_restores_to_the_same_tree() {
    let forms = [
        ("-C data -cf old/a.tar .", "old/a.tar", "relative to the root"),
        ("-czf old/b.backup data", "old/b.backup", "below `data` as they are"),
        ("--zstd --format=pax -cf old/c.tar.zst ./data", "old/c.tar.zst", "below `data` as they are"),
        ("-C data -czf old/d.tgz a.txt deep link hard holes", "old/d.tgz", "relative to the root"),
        // with notes on what was in each folder, for backups of changes
        ("--listed-incremental=old/changes -czf old/e.tgz data", "old/e.tgz", "below `data` as they are"),
        ("-S --format=gnu -cf old/f.tar data", "old/f.tar", "below `data` as they are"),
        ("-S --format=pax -czf old/g.tgz data", "old/g.tgz", "below `data` as they are"),
        ("--format=v7 -cf old/h.tar data", "old/h.tar", "below `data` as they are"),
    ];
    for (make, file, how) in forms {
        let world = world();
        std::os::unix::fs::symlink("deep/b.txt", world.path("data/link")).unwrap();
        fs::hard_link(world.path("data/a.txt"), world.path("data/hard")).unwrap();
        let mut holes = File::create(world.path("data/holes")).unwrap();
        holes.set_len(3 << 20).unwrap();
        holes.seek(SeekFrom::Start(1 << 20)).unwrap();
        holes.write_all(b"an island").unwrap();
        tar(&world, make);
        let ran = adopt(&world, file).good().says(&[how, "content of 2026-01-02 02:04:05 UTC", "done: adopt:policy.config"]);
        let ran = ran.says(&["on local", "The next apply copies it to far"]);
        let id = world.ids("backups", "config").remove(0);
        let _ = ran.says(&[&id]);
        let _ = world.run(&format!("restore config --id {id} --to out --yes")).good();
        // without the root itself nobody knows how that was
        if file == "old/d.tgz" {
            let touch = Command::new("touch").args(["-r", "data", "out/data"]).current_dir(world.folder()).status().unwrap();
            let chmod = Command::new("chmod").args(["--reference=data", "out/data"]).current_dir(world.folder()).status().unwrap();
            assert!(touch.success() && chmod.success());
        }
        same_trees(&world.path("data"), &world.path("out/data"));
        let _ = world.run("verify config --level 2").good().says(&["good (level 2)"]);
        let _ = world.run("list config").good().says(&[&id, "2026-01-02 02:04:05 UTC"]);
        let name = file.rsplit('/').next().unwrap();
        let _ = world.run(&format!("show {id}")).good().says(&["slot none", &format!("adopted {name} sha256"), "consistency crash"]);
    }
}

#[test]
fn paths_of_the_source_are_taken_for_what_they_are() {
    for absolute in ["", "P"] {
        let world = world();
        let data = world.path("data").canonicalize().unwrap();
        tar(&world, &format!("-c{absolute}zf old/a.tgz {}", data.display()));
        let _ = adopt(&world, "old/a.tgz").good().says(&["at the paths of the source, put below `data`"]);
        let _ = world.run("restore config --to out --yes").good();
        same_trees(&world.path("data"), &world.path("out/data"));
    }
}

#[test]
fn the_record_says_where_it_came_from_and_the_plan_goes_on_as_before() {
    let world = world();
    let before = world.run("plan").good().says(&["+ capture policy.config to local"]);
    drop(before);
    tar(&world, "-czf old/a.tgz data");
    let ran = world.run(&format!("adopt policy.config old/a.tgz --taken-at {TAKEN} --format json")).good();
    let told = ran.json();
    assert_eq!((ran.err.as_str(), &told["format_version"], &told["missing_on"]), ("", &"1.0".into(), &serde_json::json!(["far"])));
    let record = record(&world, "backups");
    let sum = Command::new("sha256sum").arg(world.path("old/a.tgz")).output().unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap();
    let sum = sum.split_whitespace().next().unwrap();
    let bytes = fs::metadata(world.path("old/a.tgz")).unwrap().len();
    assert_eq!(record["origin"], serde_json::json!({ "tool": "adopt", "file": "a.tgz", "sha256": sum, "bytes": bytes }));
    assert_eq!((&record["id"], &record["slot"], &record["consistency"]), (&told["id"], &Value::Null, &"crash".into()));
    assert_eq!(record["instant"], "2026-01-02T02:04:05Z");
    assert!(record["start"].as_str() > record["instant"].as_str(), "{record:#}");
    assert_eq!(record["labels"]["data"], world.path("data").canonicalize().unwrap().to_str().unwrap());
    let _ = world.run("plan").good().says(&[
        "+ capture policy.config to local",
        "nothing was captured yet",
        "+ copy",
        told["id"].as_str().unwrap(),
    ]);
    let _ = world.run("apply").good();
    assert_eq!((world.records("backups", "config").len(), world.records("second", "config").len()), (2, 2));
    let _ = world.run("plan --detailed-exitcode").good();
    let _ = world.run("verify").good();
}

#[test]
fn the_same_file_is_adopted_once_for_one_time() {
    let world = world();
    tar(&world, "-czf old/a.tgz data");
    let _ = adopt(&world, "old/a.tgz").good();
    let id = world.ids("backups", "config").remove(0);
    fs::copy(world.path("old/a.tgz"), world.path("old/renamed")).unwrap();
    for file in ["old/a.tgz", "old/renamed"] {
        refused(&world, &format!("adopt config {file} --taken-at {TAKEN}"), 4, &format!("is already there, as `{id}` on store `local`"));
    }
    let _ = world.run("adopt config old/a.tgz --taken-at 2026-01-03T00:00:00Z").good();
    assert_eq!(world.ids("backups", "config").len(), 2);
}

#[test]
fn without_a_time_the_files_own_is_taken_and_said() {
    let world = world();
    tar(&world, "-czf old/a.tgz data");
    let touch = |when: &str| assert!(Command::new("touch").args(["-d", when]).arg(world.path("old/a.tgz")).status().unwrap().success());
    touch("2098-01-01T00:00:00Z");
    refused(&world, "adopt config old/a.tgz", 64, "the modification time of the file is 2098-01-01 00:00:00 UTC, which is in the future");
    touch("2026-02-03T04:05:06Z");
    let said = "content of 2026-02-03 04:05:06 UTC, when the file was last modified; --taken-at says otherwise";
    let _ = world.run("adopt config old/a.tgz").good().says(&[said]);
    assert_eq!(record(&world, "backups")["instant"], "2026-02-03T04:05:06Z");
}

#[test]
fn what_is_cut_or_changed_anywhere_is_damage_and_leaves_nothing() {
    let world = world();
    world.file("data/noise.bin", (0..200_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect::<Vec<u8>>());
    tar(&world, "-cf old/a.tar data");
    tar(&world, "-czf old/a.tgz data");
    tar(&world, "--zstd -cf old/a.tar.zst data");
    for (file, flips) in [("old/a.tar", false), ("old/a.tgz", true), ("old/a.tar.zst", true)] {
        let whole = fs::read(world.path(file)).unwrap();
        for cut in [40, 700, whole.len() / 2, whole.len() * 9 / 10] {
            world.file("old/cut", &whole[..cut]);
            let ran = world.harmless(&format!("adopt config old/cut --taken-at {TAKEN}"));
            let expected: &[i32] = if file == "old/a.tar" && cut == 40 { &[4] } else { &[8] };
            assert!(expected.contains(&ran.code), "{file} cut at {cut}:\n{ran}");
        }
        for at in [whole.len() / 3, whole.len() * 2 / 3].into_iter().filter(|_| flips) {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x10;
            world.file("old/flipped", flipped);
            refused(&world, &format!("adopt config old/flipped --taken-at {TAKEN}"), 8, "`flipped` is damaged: ");
        }
        world.file("old/longer", [&whole[..], b"more"].concat());
        refused(&world, &format!("adopt config old/longer --taken-at {TAKEN}"), 8, "`longer` is damaged: ");
    }
    let mut header = fs::read(world.path("old/a.tar")).unwrap();
    header[700] ^= 1;
    world.file("old/header", header);
    refused(&world, &format!("adopt config old/header --taken-at {TAKEN}"), 8, "its checksum is wrong");
}

#[test]
fn what_is_no_backup_of_this_source_is_refused_with_what_was_expected() {
    let world = world();
    fs::create_dir_all(world.path("other/sub")).unwrap();
    world.file("other/x", "x");
    fs::create_dir(world.path("hollow")).unwrap();
    world.file("old/text", "this is a text and no archive ".repeat(100));
    world.file("old/nothing", "");
    tar(&world, "-czf old/other.tgz other");
    tar(&world, "-cPf old/absolute.tar /etc/hostname");
    tar(&world, "-cf old/none.tar -T /dev/null");
    tar(&world, "-C hollow -cf old/hollow.tar .");
    tar(&world, "-cf old/twice.tar data data/a.txt --hard-dereference");
    tar(&world, "-cPf old/climbs.tar data/../other/x");
    tar(&world, "--transform=s,^data/a.txt,data/deep/b.txt/a, -cf old/through.tar data");
    tar(&world, "-cJf old/a.tar.xz data");
    fs::hard_link(world.path("data/a.txt"), world.path("data/hard")).unwrap();
    tar(&world, "-cf old/dangling.tar data/a.txt data/hard");
    tar(&world, "--delete -f old/dangling.tar data/a.txt");
    tar(&world, "-cPf old/leaves.tar --transform=s,^data/a.txt,/etc/shadow,hRS data/a.txt data/hard");
    for (file, says) in [
        ("text", "it is no tar archive"),
        ("nothing", "it is empty: it has no bytes"),
        ("none.tar", "it is empty: it has no members"),
        ("hollow.tar", "it is empty: there is nothing in its folders"),
        ("a.tar.xz", "it is no tar archive: xz has compressed it"),
        ("other.tgz", "such as `other`, `other/"),
        ("other.tgz", "expected is below `data` (the source's labels)"),
        ("absolute.tar", "such as `/etc/hostname`"),
        ("twice.tar", "its name stands twice"),
        ("climbs.tar", "its name contains `..`"),
        ("dangling.tar", "it is a hard link to `data/a.txt`, which was not extracted before it"),
        ("leaves.tar", "it is a hard link to `/etc/shadow`, which leaves the root"),
        ("through.tar", "it would be written through something that is not a folder"),
    ] {
        refused(&world, &format!("adopt config old/{file} --taken-at {TAKEN}"), 4, says);
    }
    assert!(!world.path("backups").exists(), "a refused file makes no store");
}

#[test]
fn a_wrong_command_line_changes_nothing() {
    let world = world();
    tar(&world, "-czf old/a.tgz data");
    assert!(Command::new("mkfifo").arg(world.path("old/fifo")).status().unwrap().success());
    for (words, says) in [
        ("adopt confg old/a.tgz", "did you mean `config`?"),
        ("adopt config old/none.tgz", "`old/none.tgz` cannot be read"),
        ("adopt config old", "`old` is no regular file"),
        ("adopt config old/fifo", "`old/fifo` is no regular file"),
        ("adopt config old/a.tgz --taken-at 2098-01-01T00:00:00Z", "--taken-at is 2098-01-01 00:00:00 UTC, which is in the future"),
        ("adopt config old/a.tgz --taken-at 2026-01-01", "`2026-01-01` is not a time"),
        ("adopt config old/a.tgz --taken-at 2026-01-01T00:00:00", "is not a time"),
        ("adopt config", "required arguments were not provided"),
    ] {
        refused(&world, words, 64, says);
    }
}

#[test]
fn it_is_quiet_where_asked_and_says_what_retention_would_do() {
    let world = world();
    tar(&world, "-czf old/a.tgz data");
    let ran = world.run("adopt config old/a.tgz --taken-at 2026-01-01T00:00:00Z --quiet").good();
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", ""));
    let _ = world.run("apply").good();
    world.history([3, 2, 1]);
    let told = world.run("adopt config old/a.tgz --taken-at 2020-01-01T00:00:00Z").good();
    let _ = told.says(&["warning: adopt:policy.config: retention lets it go from store `local` at the next apply"]);
}

#[test]
fn a_store_without_room_and_a_series_that_is_held_take_nothing() {
    let world = world();
    tar(&world, "-czf old/a.tgz data");
    let _ = world.run("apply").good();
    world.edit("path = \"backups\"", "path = \"backups\"\nmin_free = \"900TiB\"");
    refused(&world, &format!("adopt config old/a.tgz --taken-at {TAKEN}"), 4, "less than its `min_free`");
    world.edit("min_free = \"900TiB\"", "");
    let mut lock = File::options().write(true).truncate(true).open(world.path("state/locks/demo/config")).unwrap();
    lock.lock().unwrap();
    lock.write_all(b"run aaaa of host elsewhere (pid 1)").unwrap();
    let _ = adopt(&world, "old/a.tgz").ends(11).says(&["policy `config` is held by run aaaa of host elsewhere (pid 1)"]);
    assert_eq!((world.ids("backups", "config").len(), world.files("state/flights")), (1, Vec::new()));
    lock.unlock().unwrap();
    let _ = adopt(&world, "old/a.tgz").good();
    let lease = fs::read_to_string(world.path("backups/demo/lock/config")).unwrap();
    assert!(lease.contains("\"adopt\"") && lease.contains("\"released\""), "{lease}");
}

#[test]
fn what_is_adopted_is_encrypted_for_the_policys_recipients() {
    let world = world();
    world.edit("[store.directory.local]", &format!("[encryption]\nrecipients = [\"{AGE}\"]\n[store.directory.local]"));
    tar(&world, "-czf old/a.tgz data");
    let _ = adopt(&world, "old/a.tgz").good();
    let record = record(&world, "backups");
    assert_eq!(record["codec"], serde_json::json!(["tar", "zstd", "age"]));
    let _ = world.run(&format!("verify config --identity {KEY}")).good().says(&["good (level 2)"]);
    let _ = world.run(&format!("restore config --to out --yes --identity {KEY}")).good();
    same_trees(&world.path("data"), &world.path("out/data"));
}

#[test]
fn a_stream_is_taken_byte_for_byte() {
    let world = World::with(
        "[source.files.config]\npaths   = [\"data\"]\nexclude = [\"*.tmp\"]",
        "[source.command.config]\ncommand = [\"false\"]\nfile = \"dump.sql\"",
    );
    world.file("old/dump.sql", "insert into t values (1);\n".repeat(1000));
    world.file("old/empty", "");
    refused(&world, &format!("adopt config old/empty --taken-at {TAKEN}"), 4, "it is empty");
    let _ = adopt(&world, "old/dump.sql").good().hides(&["warning"]);
    let _ = world.run("verify").good();
    let _ = world.run("restore config --to out --yes").good();
    assert_eq!(fs::read(world.path("out/dump.sql")).unwrap(), fs::read(world.path("old/dump.sql")).unwrap());
    assert!(Command::new("gzip").arg("-k").arg(world.path("old/dump.sql")).status().unwrap().success());
    let _ = adopt(&world, "old/dump.sql.gz").good().says(&["warning: it is compressed with gzip and taken as it is"]);
}
