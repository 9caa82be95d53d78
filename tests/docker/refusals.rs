//! What is refused before anything is stopped: by a plan that names the object and says what to do.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::shared::{Ran, World};
use crate::support::{Engine, Site, rest};

/// A plan and an apply refuse it with these words, and nothing is stopped or made.
#[track_caller]
fn refused(site: &Site, words: &[&str]) {
    let before = site.web.started_at();
    let _ = site.world.harmless("plan --now").ends(4).says(words).hides(&["stop     service.web"]);
    let _ = site.world.run("apply --yes --now").ends(4).says(words);
    assert_eq!((site.web.state().as_str(), site.web.started_at()), ("running", before));
    assert_eq!(site.world.records("backups", "web").len(), 0);
}

#[test]
fn a_volume_that_is_not_there() {
    let site = Site::new();
    let wrong = format!("{}x", site.volume.name);
    site.world.edit(&format!("volumes = [\"{}\"]", site.volume.name), &format!("volumes = [\"{wrong}\"]"));
    let mean = format!("did you mean `{}`?", site.volume.name);
    refused(&site, &["policy `web` is not captured", &format!("there is no volume `{wrong}`"), &mean]);
    let volumes = site.engine.client.tell(&["volume", "ls", "--quiet"]);
    assert!(!volumes.lines().any(|name| name == wrong), "it was made");
}

#[test]
fn a_service_that_is_not_there() {
    let site = Site::new();
    let wrong = site.engine.name("nobody");
    site.world.edit(&format!("container = \"{}\"", site.web.name), &format!("container = \"{wrong}\""));
    let words = [
        "policy `web` is not captured",
        &format!("service `web` needs container `{wrong}`, which does not exist"),
        "create what is missing",
    ];
    refused(&site, &words);
    site.world.edit("[service.container.web]\n", "[service.compose.web]\nproject = \"nowhere\"\nservice = \"web\"\n");
    site.world.edit(&format!("container = \"{wrong}\"\n"), "");
    refused(&site, &["`web` of compose project `nowhere`, which has no container"]);
}

#[test]
fn a_container_that_a_stop_would_remove() {
    let site = Site::with(&["--rm"], &["idle"]);
    refused(
        &site,
        &[&format!("quieting container `{}` of `service.web` would remove it", site.web.name), "without `--rm`", "mode = \"pause\""],
    );
    site.service("mode = \"pause\"");
    let _ = site.world.run("apply --yes").good();
    site.untouched();
}

#[test]
fn a_task_of_a_swarm() {
    let site = Site::on(Engine::own(), &[], &["idle"]);
    site.engine.client.tell(&["swarm", "init", "--advertise-addr", "docker0", "--listen-addr", "docker0"]);
    let mount = format!("type=volume,source={},target=/data", site.volume.name);
    let service = site.engine.name("tasks");
    let args = ["service", "create", "--detach", "--no-resolve-image", "--restart-condition", "any", "--name", &service, "--mount", &mount];
    site.engine.client.tell(&[&args[..], &["lucid-test:1", "idle"]].concat());
    let label = format!("label=com.docker.swarm.service.name={service}");
    let mut tasks = Vec::new();
    crate::shared::until("the task runs", || {
        tasks = site.engine.client.list(&["ps", "--filter", &label, "--format", "{{.Names}}"]);
        !tasks.is_empty()
    });
    site.world.edit(&format!("container = \"{}\"", site.web.name), &format!("container = \"{}\"", tasks[0]));
    let said = format!("would make swarm start another task of service `{service}`");
    refused(&site, &[&tasks[0], &said, "leave it out of `stop`"]);
    assert_eq!(site.engine.container(&tasks[0]).state(), "running");
}

#[test]
fn volumes_that_are_nowhere_while_no_container_runs() {
    let site = Site::new();
    let name = site.engine.name("far");
    let options = ["--opt", "type=nfs", "--opt", "o=addr=192.0.2.1,rw", "--opt", "device=:/far"];
    site.engine.client.tell(&[&["volume", "create"], &options[..], &[&name]].concat());
    site.world.edit(&format!("volumes = [\"{}\"]", site.volume.name), &format!("volumes = [\"{name}\"]"));
    let said = format!("volume `{name}` is a mount of type `nfs`, which is there only while a container runs");
    refused(&site, &[&said, "access = \"api\""]);
}

#[test]
fn a_mountpoint_of_an_engine_whose_host_has_another_name() {
    let site = Site::new();
    // The socket is of this host, as one is that leads elsewhere.
    let elsewhere = ["--uts", "sh", "-c", "hostname elsewhere; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_lucid-policy")];
    let ran = |words: &[&str]| {
        let mut program = Command::new("unshare");
        program.args(elsewhere).args(["--state-dir", "state"]).args(words).current_dir(site.world.folder()).stdin(Stdio::null());
        site.world.finish(program.env("DOCKER_HOST", &site.engine.client.host))
    };
    let said = format!("volume `{}` is on the host of the engine at `{}`, which is not known", site.volume.name, site.engine.client.host);
    let _ = ran(&["apply", "--yes", "--now"]).ends(4).says(&[&said, "access = \"api\"", "or run this program on that host"]);
    site.untouched();
    site.world.edit("[source.volume.web]\n", "[source.volume.web]\naccess = \"api\"\n");
    let _ = ran(&["apply", "--yes", "--now"]).good();
}

#[test]
fn a_circle_of_the_manifest_and_of_labels() {
    let engine = Engine::new();
    let service = |name: &str, more: &str| format!("  {name}:\n    image: lucid-test:1\n    stop_grace_period: 5s\n    {more}\n");
    let yaml = format!("services:\n{}{}", service("front", "depends_on: [back]"), service("back", ""));
    let project = engine.compose(&yaml);
    let table = |name: &str, more: &str| format!("[service.compose.{name}]\nproject = \"{}\"\n{more}", project.name);
    let manifest = format!(
        "{}{}{}[source.files.data]\npaths = [\"data\"]\nstop = [\"back\"]\n\
         [policy.data]\nsource = \"data\"\nschedule = \"hourly\"\nstores = [\"local\"]\n",
        rest(),
        table("front", ""),
        table("back", "depends_on = [\"front\"]\n")
    );
    let world = World::new(&manifest).on(&engine.client.host);
    let starts = || ["front", "back"].map(|name| project.service(name).started_at());
    let before = starts();
    let words = [
        "policy `data` is not captured: these need each other in a circle: ",
        "service.back -> service.front",
        "service.front -> service.back",
    ];
    for verb in ["plan", "apply --yes"] {
        let _ = world.run(verb).ends(4).says(&words[..2]).says(&["remove one of these needs"]);
    }
    let _ = world.run("plan").says(&words[2..]).says(&["lucid-policy.toml"]);
    assert_eq!(before, starts());
}

#[test]
fn a_label_that_leads_nowhere_is_a_warning() {
    let engine = Engine::new();
    let yaml = "services:\n  front: {image: 'lucid-test:1', depends_on: [middle]}\n  middle: {image: 'lucid-test:1', depends_on: [back]}\n  \
                back: {image: 'lucid-test:1'}\n";
    let project = engine.compose(yaml);
    project.service("middle").remove();
    let table = |name: &str| format!("[service.compose.{name}]\nproject = \"{}\"\n", project.name);
    let manifest = format!(
        "{}{}{}[source.files.data]\npaths = [\"data\"]\nstop = [\"front\", \"back\"]\n\
         [policy.data]\nsource = \"data\"\nschedule = \"hourly\"\nstores = [\"local\"]\n",
        rest(),
        table("front"),
        table("back")
    );
    let world = World::new(&manifest).on(&engine.client.host);
    let said = format!("container `{}` needs service `middle`, of which its project has no container", project.service("front").name);
    let _ = world.harmless("plan").good().says(&[&said, "create `middle`"]);
    let before = ["front", "back"].map(|name| project.service(name).started_at());
    let _ = world.run("apply --yes").good();
    for (name, before) in ["front", "back"].iter().zip(before) {
        assert_eq!(project.service(name).state(), "running");
        assert_ne!(project.service(name).started_at(), before);
    }
}

/// An image of the program and of the libraries that it is linked with.
fn image_of_the_program(engine: &Engine) -> String {
    let program = env!("CARGO_BIN_EXE_lucid-policy");
    let folder = tempfile::tempdir().unwrap();
    let linked = Command::new("ldd").arg(program).output().unwrap();
    let linked = String::from_utf8(linked.stdout).unwrap();
    let libraries = linked.split_whitespace().filter(|word| word.starts_with('/')).map(Path::new);
    for file in libraries.chain([Path::new(program)]) {
        let to = folder.path().join(file.strip_prefix("/").unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(file, to).unwrap();
    }
    let mut tar = Command::new("tar").arg("-C").arg(folder.path()).args(["-c", "."]).stdout(Stdio::piped()).spawn().unwrap();
    let name = format!("{}:1", engine.name("program"));
    let made = engine.client.command(&["import", "-", &name]).stdin(tar.stdout.take().unwrap()).output().unwrap();
    assert!(made.status.success() && tar.wait().unwrap().success());
    name
}

#[test]
fn the_programs_own_container() {
    let engine = Engine::new();
    let (image, own) = (image_of_the_program(&engine), engine.name("own"));
    let volume = engine.volume("data");
    volume.write("kept", "what is to be kept\n");
    let world = World::new(
        &crate::support::manifest(&own, &volume.name)
            .replace("[source.volume.web]\nvolumes = ", "[source.files.web]\npaths = [\"data\"]\nexclude = "),
    );
    let socket = engine.client.host.strip_prefix("unix://").unwrap();
    let mounts = [format!("{}:/world", world.folder().display()), format!("{socket}:/var/run/docker.sock")];
    let program = env!("CARGO_BIN_EXE_lucid-policy");
    let args = ["run", "--name", &own, "--volume", &mounts[0], "--volume", &mounts[1], "--workdir", "/world", &image];
    let output = engine.client.ask(&[&args[..], &[program, "--state-dir", "/world/state", "plan"]].concat());
    let said = format!("quieting container `{own}` of `service.web` would stop this program, which runs in it");
    let _ = Ran::new(output, String::new()).ends(4).says(&["policy `web` is not captured", &said, "run lucid-policy on the host"]);
    engine.client.tell(&["rm", "--force", &own]);
    engine.client.tell(&["rmi", &image]);
}
