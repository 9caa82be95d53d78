//! What an engine shows of itself is seen as it is.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use lucid_policy::runtime::Runtime;
use lucid_policy::runtime::seen::{Condition, Container, Dependency, Health, Picture, State};

use crate::shared::until;
use crate::support::{Engine, Project};

#[track_caller]
fn named<'a>(picture: &'a Picture, name: &str) -> &'a Container {
    picture.containers.iter().find(|container| container.name == name).unwrap_or_else(|| panic!("{name} is not seen"))
}

fn seen(engine: &Engine, name: &str) -> Container {
    named(&engine.runtime().picture().unwrap(), name).clone()
}

fn on(service: &str, condition: Condition) -> Dependency {
    Dependency { service: service.to_owned(), condition }
}

const STACK: &str = "services:
  web:
    image: lucid-test:1
    depends_on:
      queue: {condition: service_started}
      db: {condition: service_healthy}
    volumes: [{type: volume, source: files, target: /files, read_only: true}]
  queue:
    image: lucid-test:1
    stop_grace_period: 90s
    restart: unless-stopped
  db:
    image: lucid-test:1
    volumes: [{type: volume, source: files, target: /files}]
    healthcheck: {test: [\"CMD\", \"true\"], interval: 1s}
volumes:
  files:
";

#[test]
fn the_engine_says_who_it_is() {
    let engine = Engine::new();
    let (runtime, host) = (engine.runtime(), engine.client.host.clone());
    let seen = runtime.engine().unwrap();
    assert_eq!(seen.id, engine.client.tell(&["info", "--format", "{{.ID}}"]));
    assert_eq!(seen.version, engine.client.tell(&["version", "--format", "{{.Server.Version}}"]));
    assert!(seen.api.starts_with("1."), "{}", seen.api);
    assert_eq!((seen.endpoint, seen.local), (host, true));
    assert_eq!(runtime.picture().unwrap().engine, runtime.engine().unwrap());
}

#[test]
fn a_project_of_todays_compose_is_seen_with_what_it_depends_on() {
    let engine = Engine::new();
    let project = engine.compose(STACK);
    let picture = engine.runtime().picture().unwrap();
    let web = named(&picture, &project.service("web").name);
    let compose = web.compose.clone().unwrap();
    assert_eq!((compose.project, compose.service, compose.number, compose.one_off), (project.name.clone(), "web".to_owned(), 1, false));
    assert_eq!(compose.depends_on, [on("db", Condition::Healthy), on("queue", Condition::Started)]);
    assert_eq!(web.health, None);
    volume_is_seen(&picture, &project, web);
    let queue = named(&picture, &project.service("queue").name);
    assert_eq!((queue.stop_timeout, queue.restart_policy.as_str()), (Some(90), "unless-stopped"));
    let db = named(&picture, &project.service("db").name);
    assert_eq!((db.health, db.mounts[0].writable), (Some(Health::Healthy), true));
}

#[track_caller]
fn volume_is_seen(picture: &Picture, project: &Project, web: &Container) {
    let name = format!("{}_files", project.name);
    let volume = picture.volumes.iter().find(|volume| volume.name == name).unwrap();
    assert_eq!((volume.driver.as_str(), &volume.mountpoint), ("local", &project.volume("files").folder));
    assert_eq!(volume.compose, Some((project.name.clone(), "files".to_owned())));
    let mount = &web.mounts[0];
    assert_eq!((mount.volume.as_deref(), mount.writable), (Some(name.as_str()), false));
    assert_eq!((&mount.source, &mount.destination), (&volume.mountpoint, &PathBuf::from("/files")));
}

#[test]
fn a_project_of_the_old_compose_is_seen_without() {
    let engine = Engine::new();
    let project = engine.compose_v1(&format!("version: \"2.4\"\n{STACK}"));
    project.tell(&["run", "--detach", "--no-deps", "queue", "idle"]);
    let picture = engine.runtime().picture().unwrap();
    let web = named(&picture, &project.service("web").name);
    let compose = web.compose.clone().unwrap();
    assert_eq!((compose.project.as_str(), compose.service.as_str(), compose.number), (project.name.as_str(), "web", 1));
    assert_eq!((compose.one_off, compose.depends_on), (false, vec![]));
    volume_is_seen(&picture, &project, web);
    let of_queue = |c: &&Container| c.compose.as_ref().is_some_and(|c| c.project == project.name && c.service == "queue");
    let one_off: Vec<bool> = picture.containers.iter().filter(of_queue).map(|c| c.compose.as_ref().unwrap().one_off).collect();
    assert_eq!((one_off.len(), one_off.iter().filter(|one_off| **one_off).count()), (2, 1));
}

#[test]
fn what_a_container_shares_is_seen_by_id() {
    let engine = Engine::new();
    let volume = engine.volume("v");
    let mounted = format!("{}:/data", volume.name);
    let (base, other) = (engine.run("base", &["--ipc", "shareable", "--volume", &mounted]), engine.run("other", &[]));
    let (network, pid) = (format!("container:{}", base.name), format!("container:{}", &other.id[..12]));
    let from = format!("{}:ro", base.name);
    let sharer = engine.run("sharer", &["--network", &network, "--ipc", &network, "--pid", &pid, "--volumes-from", &from]);
    let mut shares = vec![base.id.clone(), other.id.clone()];
    shares.sort();
    for container in [seen(&engine, &sharer.name), engine.runtime().container(&sharer.name).unwrap().unwrap()] {
        assert_eq!((container.shares, container.volumes_from), (shares.clone(), vec![base.id.clone()]));
        assert_eq!((container.mounts[0].volume.as_deref(), container.mounts[0].writable), (Some(volume.name.as_str()), false));
    }
    assert_eq!(seen(&engine, &base.name).shares, Vec::<String>::new());
}

#[test]
fn flags_and_ends_are_seen() {
    let engine = Engine::new();
    let created = engine.name("created");
    engine.client.tell(&["create", "--name", &created, "--restart", "on-failure:3", "--stop-timeout", "7", "lucid-test:1"]);
    let removed = engine.run("removed", &["--rm", "--label", "com.docker.swarm.service.name=web"]);
    let ended = engine.run_command("ended", &["--restart", "no"], &["sh", "-c", "exit 3"]);
    ended.until("exited");
    let paused = engine.run("paused", &["--restart", "always"]);
    paused.tell("pause");
    let picture = engine.runtime().picture().unwrap();
    let created = named(&picture, &created);
    assert_eq!((created.state, created.exit_code, created.stop_timeout), (State::Created, None, Some(7)));
    assert_eq!((created.restart_policy.as_str(), created.auto_remove), ("on-failure", false));
    let removed = named(&picture, &removed.name);
    assert_eq!((removed.state, removed.auto_remove, removed.swarm.as_deref()), (State::Running, true, Some("web")));
    assert_eq!((removed.exit_code, removed.stop_timeout, removed.compose.is_none(), removed.own), (None, None, true, false));
    let seen = named(&picture, &ended.name);
    assert_eq!((seen.state, seen.exit_code, seen.restart_policy.as_str()), (State::Exited, Some(3), "no"));
    assert_eq!(seen.started_at, ended.started_at());
    let paused = named(&picture, &paused.name);
    assert_eq!((paused.state, paused.restart_policy.as_str()), (State::Paused, "always"));
    let names: Vec<&str> = picture.containers.iter().map(|c| c.name.as_str()).collect();
    assert!(names.is_sorted(), "{names:?}");
}

#[test]
fn where_it_can_be_reached_is_seen() {
    let engine = Engine::new();
    let folder = tempfile::tempdir().unwrap();
    let bind = format!("{}:/here:ro", folder.path().display());
    let container =
        engine.run("one", &["--publish", "127.0.0.1::6379", "--publish", "127.0.0.1::53/udp", "--volume", &bind, "--tmpfs", "/t"]);
    let published = engine.client.tell(&["port", &container.name, "6379/tcp"]).parse::<SocketAddr>().unwrap();
    let address: IpAddr = container.field("{{.NetworkSettings.IPAddress}}").parse().unwrap();
    let one = seen(&engine, &container.name);
    assert_eq!((one.ports, one.addresses), (vec![(6379, published)], vec![address]));
    assert_eq!(one.mounts.len(), 1, "{:?}", one.mounts);
    assert_eq!((one.mounts[0].volume.as_deref(), one.mounts[0].source.as_path(), one.mounts[0].writable), (None, folder.path(), false));
    let host = engine.run("host", &["--network", "host"]);
    assert_eq!(seen(&engine, &host.name).addresses, [IpAddr::from([127, 0, 0, 1])]);
}

#[test]
fn a_health_check_is_seen_as_it_decides() {
    let engine = Engine::new();
    let check = ["--health-cmd", "test -e /tmp/well", "--health-interval", "1s", "--health-retries", "1"];
    let container = engine.run("one", &check);
    let health = || seen(&engine, &container.name).health;
    assert!(matches!(health(), Some(Health::Starting | Health::Unhealthy)));
    until("it is unhealthy", || health() == Some(Health::Unhealthy));
    container.exec(&["touch", "/tmp/well"]);
    until("it is healthy", || health() == Some(Health::Healthy));
}

#[test]
fn volumes_are_seen_with_their_options() {
    let engine = Engine::new();
    let name = engine.name("in-memory");
    engine.client.tell(&["volume", "create", "--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", "o=size=1m", &name]);
    let volumes = engine.runtime().volumes().unwrap();
    let volume = volumes.iter().find(|volume| volume.name == name).unwrap();
    let options: Vec<(&str, &str)> = volume.options.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(options, [("device", "tmpfs"), ("o", "size=1m"), ("type", "tmpfs")]);
    assert_eq!(volume.compose, None);
    assert!(volumes.is_sorted_by_key(|volume| &volume.name));
}

#[test]
fn a_container_is_found_by_name_and_by_id_and_one_that_is_not_there_is_none() {
    let engine = Engine::new();
    let (runtime, container) = (engine.runtime(), engine.run("one", &[]));
    for id in [container.name.as_str(), &container.id, &container.id[..12]] {
        assert_eq!(runtime.container(id).unwrap().unwrap().id, container.id);
    }
    container.remove();
    for id in [container.name.as_str(), &container.id, "no such", "../info", ""] {
        assert_eq!(runtime.container(id).unwrap(), None, "{id}");
    }
}
