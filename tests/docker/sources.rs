//! What is read and what is asked to be quiet, in containers and on the host: commands, volumes through the engine, bind mounts.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use crate::shared::{Ran, World, until};
use crate::support::{Engine, Site, record, rest};

/// What a command source has made, restored aside.
#[track_caller]
fn restored(world: &World, policy: &str, path: &str) -> String {
    let _ = world.args(&["restore", policy, "--to", "restored", "--yes"]).good();
    let text = fs::read_to_string(world.path("restored").join(path)).unwrap();
    fs::remove_dir_all(world.path("restored")).unwrap();
    text
}

/// Captures whether a flag is up, with a pair of commands of this host that raises and lowers it.
fn flagged(quiesce: &str) -> Site {
    let site = Site::new();
    site.slow();
    site.world.edit("touch begun; cat pipe", "cat flag; touch begun; cat pipe");
    site.world.edit("stop = [\"web\"]", "stop = [\"flag\"]");
    site.add(&format!(
        "[service.command.flag]\nquiesce = [\"sh\", \"-c\", {quiesce:?}]\nresume = [\"sh\", \"-c\", \"echo down >>resumed; rm -f flag\"]\n"
    ));
    site
}

#[test]
fn a_pair_of_commands_of_the_host_is_around_the_capture() {
    let site = flagged("echo up >flag");
    let _ = site.world.run("plan").good().says(&["stop service.flag: `sh -c echo up >flag`", "start service.flag"]);
    let child = site.waiting(&["apply", "--yes"]);
    site.world.go_on();
    let _ = site.world.ended(child).good();
    assert!(!site.world.path("flag").exists());
    assert_eq!(fs::read_to_string(site.world.path("resumed")).unwrap(), "down\n");
    site.untouched();
    let record = site.record();
    assert_eq!((record["consistency"].as_str(), record["services"][0]["state"].as_str()), (Some("clean"), Some("quiesced")), "{record}");
    assert_eq!(restored(&site.world, "web", "output"), "up\nthe rest\n");
}

#[test]
fn a_quiesce_that_fails_is_resumed_all_the_same() {
    let site = flagged("touch flag; echo no space >&2; exit 7");
    let words = [
        "FAILED: stop:service.flag",
        "`service.flag` ended with exit code 7: no space",
        "done: start:service.flag",
        "skipped: capture:policy.web",
    ];
    let _ = site.world.run("apply --yes").ends(3).says(&words);
    assert!(!site.world.path("flag").exists());
    assert_eq!(fs::read_to_string(site.world.path("resumed")).unwrap(), "down\n");
    site.untouched();
    site.nothing_made();
}

#[test]
fn what_a_killed_run_has_quiesced_is_resumed_by_recover() {
    let site = flagged("echo up >flag");
    let mut child = site.waiting(&["apply", "--yes"]);
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    site.world.close_pipe();
    assert!(site.world.path("flag").exists());
    let _ = site.world.harmless("plan").good().says(&["recover", "service.flag"]);
    let _ = site.world.run("recover").good().says(&["awake again", "service.flag"]);
    assert!(!site.world.path("flag").exists());
    let _ = site.world.run("recover").good().says(&["There is nothing to recover"]);
    assert_eq!(fs::read_to_string(site.world.path("resumed")).unwrap(), "down\n");
}

#[test]
fn a_pair_of_commands_in_a_container_is_around_the_capture() {
    let site = Site::new();
    fs::set_permissions(&site.volume.folder, fs::Permissions::from_mode(0o777)).unwrap();
    site.world.edit("stop = [\"web\"]", "stop = [\"flag\"]");
    site.add(&format!(
        "[service.command.flag]\nquiesce = [\"sh\", \"-c\", \"id -un >/data/flag\"]\nresume = [\"rm\", \"/data/flag\"]\n\
         container = \"{}\"\nuser = \"app\"\n",
        site.web.name
    ));
    let _ = site.world.run("plan").good().says(&[&format!("in container {}", site.web.name)]);
    let _ = site.world.run("apply --yes").good();
    site.untouched();
    assert!(!site.volume.folder.join("flag").exists());
    assert_eq!(site.record()["services"][0]["state"], "quiesced");
    let label = site.volume.name.clone();
    assert_eq!(restored(&site.world, "web", &format!("{label}/flag")), "app\n");
}

#[test]
fn a_pair_of_commands_needs_its_container_to_run() {
    let site = Site::new();
    let other = site.engine.run("other", &[]);
    site.world.edit("stop = [\"web\"]", "stop = [\"flag\"]");
    let table = format!("[service.command.flag]\nquiesce = [\"true\"]\nresume = [\"true\"]\ncontainer = \"{}\"\n", other.name);
    site.add(&table);
    other.tell("stop");
    let said = format!("the commands of service `flag` run in container `{}`, which is exited", other.name);
    let _ = site.world.run("apply --yes").ends(4).says(&[&said, "start that container"]);
    assert_eq!(other.state(), "exited");
    site.untouched();
}

const SECRET: &str = "correct-horse-1";

/// A command in the container, which is told a secret.
fn asked(script: &str) -> Site {
    let site = Site::new();
    fs::set_permissions(&site.volume.folder, fs::Permissions::from_mode(0o777)).unwrap();
    site.world.edit(
        &format!("[source.volume.web]\nvolumes = [\"{}\"]\nstop = [\"web\"]\n", site.volume.name),
        &format!(
            "[source.command.web]\ncommand = [\"sh\", \"-c\", {script:?}]\nrestore_command = [\"sh\", \"-c\", \"cat >/data/back\"]\n\
             container = \"{}\"\nuser = \"app\"\nenv = {{ PASSWORD = {{ env = \"DB_PASSWORD\" }} }}\n",
            site.web.name
        ),
    );
    site
}

#[track_caller]
fn with_secret(site: &Site, words: &str) -> Ran {
    let words: Vec<&str> = words.split_whitespace().collect();
    let ran = site.world.finish(site.world.command(&words).env("DB_PASSWORD", SECRET)).hides(&[SECRET]);
    for path in site.world.files("backups").into_iter().chain(site.world.files("state")) {
        let bytes = fs::read(site.world.path(&path)).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains(SECRET), "the secret is in {path}");
    }
    ran
}

#[test]
fn a_command_in_a_container_is_captured_as_its_user_and_takes_it_back() {
    let site = asked("id -un; cat /data/kept; printf %s $PASSWORD | wc -c");
    let _ = with_secret(&site, "plan").good();
    let _ = with_secret(&site, "apply --yes").good().says(&["done: capture:policy.web"]);
    let _ = with_secret(&site, "restore web --yes").good();
    let back = site.volume.folder.join("back");
    assert_eq!(fs::read_to_string(&back).unwrap(), format!("app\nwhat is to be kept\n{}\n", SECRET.len()));
    assert_eq!(fs::metadata(&back).unwrap().uid(), 1000);
    site.untouched();
}

#[test]
fn a_command_in_a_container_that_fails_lists_nothing() {
    let site = asked("echo half; echo login with $PASSWORD refused >&2; exit 3");
    let words = ["FAILED: capture:policy.web", &site.web.name, "3", "login with *** refused"];
    let _ = with_secret(&site, "apply --yes").ends(3).says(&words);
    site.nothing_made();
    site.web.tell("stop");
    let _ = with_secret(&site, "apply --yes").says(&[&site.web.name]);
    assert_eq!(site.web.state(), "exited");
    site.nothing_made();
}

/// What is below a folder: for each path its mode, its owners, and its bytes or where it leads to.
fn tree(root: &Path) -> BTreeMap<String, (u32, u32, u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut left = vec![root.to_owned()];
    while let Some(path) = left.pop() {
        let seen = fs::symlink_metadata(&path).unwrap();
        let bytes = match seen.file_type() {
            kind if kind.is_symlink() => fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes(),
            kind if kind.is_dir() => Vec::new(),
            _ => fs::read(&path).unwrap(),
        };
        if seen.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        found.insert(name, (seen.mode(), seen.uid(), seen.gid(), bytes));
    }
    found
}

#[test]
fn a_volume_is_read_through_the_engine_and_says_what_that_costs() {
    let site = Site::new();
    site.world.edit("[source.volume.web]\n", "[source.volume.web]\naccess = \"api\"\n");
    site.volume.write("deep/er/file", vec![7; 300_000]);
    site.volume.write("deep/secret", "for one only");
    site.volume.write("name with spaces and \u{e4}", "x");
    fs::set_permissions(site.volume.folder.join("deep/secret"), fs::Permissions::from_mode(0o4710)).unwrap();
    chown(site.volume.folder.join("deep/secret"), Some(1000), Some(70_000)).unwrap();
    symlink("deep/secret", site.volume.folder.join("link")).unwrap();
    fs::hard_link(site.volume.folder.join("kept"), site.volume.folder.join("also kept")).unwrap();
    let _ = site.world.run("apply --yes").good();
    site.awake();
    let id = site.world.ids("backups", "web").remove(0);
    let _ = site.world.args(&["show", &id]).good().says(&["fidelity", "reduced"]);
    let _ = site.world.run("verify --no-notes").good();
    let folder = format!("backups/demo/data/web/{id}");
    let payload = site.world.files(&folder).into_iter().find(|file| !file.contains(".index")).unwrap();
    fs::create_dir(site.world.path("by-tar")).unwrap();
    let mut tar = Command::new("tar");
    tar.args(["--zstd", "--numeric-owner", "-xpf"]).arg(site.world.path(&payload)).arg("-C").arg(site.world.path("by-tar"));
    let output = tar.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let _ = site.world.args(&["restore", "web", "--to", "restored", "--yes"]).good();
    let label = &site.volume.name;
    let volume = tree(&site.volume.folder);
    assert_eq!(tree(&site.world.path("restored").join(label)), volume);
    assert_eq!(tree(&site.world.path("by-tar").join(label)), volume);
    assert_eq!(fs::metadata(site.world.path("restored").join(label).join("also kept")).unwrap().nlink(), 2);
}

/// Keeps two files equal, and ends between two lines when it is told to.
const WRITER: &str = "trap 'end=1' TERM INT; n=0; \
     while [ -z \"$end\" ]; do n=$((n+1)); echo $n >>/data/one; echo $n >>/data/two; usleep 2000; done";

#[test]
fn a_folder_that_is_mounted_in_a_container_is_read_while_that_is_quiet() {
    let engine = Engine::new();
    let world = World::new("").on(&engine.client.host);
    let mount = format!("{}:/data", world.path("data").display());
    let web = engine.run_command("web", &["--volume", &mount], &["sh", "-c", WRITER]);
    world.file(
        "lucid-policy.toml",
        format!(
            "{}[service.container.web]\ncontainer = \"{}\"\n[source.files.web]\npaths = [\"data\"]\nstop = [\"web\"]\n\
             [policy.web]\nsource = \"web\"\nretention = \"month\"\nschedule = \"hourly\"\nstores = [\"local\"]\n",
            rest(),
            web.name
        ),
    );
    let lines = || fs::read_to_string(world.path("data/two")).unwrap_or_default().lines().count();
    until("it writes", || lines() > 5);
    let other = engine.run("other", &["--volume", &mount]);
    let said = format!("container `{}` writes", other.name);
    let _ = world.run("plan").good().says(&[&said, "while policy `web` captures it", "mount it read-only there"]);
    let said = format!("container `{}`, which was not stopped, could write", other.name);
    let _ = world.run("apply --yes").good().says(&[&said]);
    assert_eq!(record(&world, "web")["consistency"], "crash");
    other.remove();
    let _ = world.run("plan --now").good().hides(&[&other.name]);
    let _ = world.run("apply --yes --now").good();
    assert_eq!((web.state().as_str(), record(&world, "web")["consistency"].as_str()), ("running", Some("clean")));
    let seen = lines();
    until("it writes again", || lines() > seen);
    let (one, two) = (restored(&world, "web", "data/one"), restored(&world, "web", "data/two"));
    assert!(one == two && !one.is_empty());
}
