//! The engine that the tests run against is what they take it for.

use crate::support::Engine;

const TWO: &str = "services:
  db:
    image: lucid-test:1
    volumes: [{type: volume, source: files, target: /data}]
    healthcheck: {test: [\"CMD\", \"true\"], interval: 1s}
  web:
    image: lucid-test:1
    depends_on:
      db: {condition: service_healthy}
volumes:
  files:
";

#[test]
fn a_container_runs_and_ends_when_it_is_told_to() {
    let engine = Engine::new();
    let container = engine.run("one", &["--stop-timeout", "30"]);
    container.until("running");
    let first = container.started_at();
    container.tell("stop");
    assert_eq!((container.state().as_str(), container.exit_code()), ("exited", 0));
    container.tell("start");
    assert_ne!(container.started_at(), first);
    container.remove();
    assert_eq!(container.state(), "gone");
}

#[test]
fn a_project_of_todays_compose_comes_up_with_its_volume() {
    let engine = Engine::new();
    let project = engine.compose(TWO);
    project.service("web").until("running");
    assert_eq!(project.service("db").health(), "healthy");
    let volume = project.volume("files");
    volume.write("deep/a.txt", "kept\n");
    assert_eq!(project.service("db").exec(&["cat", "/data/deep/a.txt"]), "kept");
}

#[test]
fn a_project_of_the_old_compose_comes_up_with_its_volume() {
    let engine = Engine::new();
    let project = engine.compose_v1(&format!("version: \"2.4\"\n{TWO}"));
    project.service("web").until("running");
    project.service("db").exec(&["touch", "/data/seen"]);
    assert!(project.volume("files").read("seen").is_empty());
}

#[test]
fn an_engine_of_a_tests_own_survives_being_killed() {
    let engine = Engine::own();
    let container = engine.run("one", &["--restart", "always"]);
    container.until("running");
    let first = container.started_at();
    engine.kill();
    engine.start();
    container.until("running");
    assert_ne!(container.started_at(), first);
}

#[test]
fn what_a_test_made_is_gone_after_it() {
    let engine = Engine::new();
    let client = engine.client.clone();
    let volume = engine.volume("v");
    let mounted = format!("{}:/data", volume.name);
    let name = engine.run("one", &["--volume", &mounted]).name;
    let container = engine.container(&name);
    let project = engine.compose(TWO).name;
    drop(engine);
    assert_eq!(container.state(), "gone");
    assert!(!volume.folder.exists());
    for what in ["ps --all", "volume ls", "network ls"] {
        let mut args: Vec<&str> = what.split(' ').collect();
        let filter = format!("name={project}");
        args.extend(["--quiet", "--filter", &filter]);
        assert_eq!(client.list(&args), Vec::<String>::new(), "{what}");
    }
}
