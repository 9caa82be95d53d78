//! Services that are not the plain case: paused, stopped, many of one, in another's network, in two windows at once, made anew.

use chrono::Utc;

use crate::shared::{World, until};
use crate::support::{Container, Engine, Site, record, rest};

/// How often each of these was started since an instant.
fn starts(engine: &Engine, since: &chrono::DateTime<Utc>, containers: &[&Container]) -> Vec<usize> {
    let (since, now) = (since.format("%s.%f").to_string(), Utc::now().format("%s.%f").to_string());
    let args = ["events", "--since", &since, "--until", &now, "--filter", "event=start", "--format", "{{.Actor.ID}}"];
    let said = engine.client.tell(&args);
    containers.iter().map(|container| said.lines().filter(|id| *id == container.id).count()).collect()
}

#[test]
fn what_was_paused_or_stopped_stays_as_it_was() {
    let site = Site::new();
    let (paused, stopped) = (site.engine.run("paused", &[]), site.engine.run("stopped", &[]));
    paused.tell("pause");
    stopped.tell("stop");
    for (name, container) in [("paused", &paused), ("stopped", &stopped)] {
        site.add(&format!("[service.container.{name}]\ncontainer = \"{}\"\n", container.name));
    }
    site.world.edit("stop = [\"web\"]", "stop = [\"web\", \"paused\", \"stopped\"]");
    let before = [paused.started_at(), stopped.started_at()];
    let _ = site.world.run("plan").good().hides(&["service.paused", "service.stopped"]);
    let _ = site.world.run("apply --yes").good();
    assert_eq!(
        ([paused.state(), stopped.state()], [paused.started_at(), stopped.started_at()]),
        (["paused".into(), "exited".into()], before)
    );
    site.awake();
    let record = site.record();
    let state = |name: &str| record["services"].as_array().unwrap().iter().find(|s| s["name"] == name).unwrap()["state"].clone();
    assert_eq!([state("web"), state("paused"), state("stopped")], ["stopped", "not-running", "not-running"]);
    paused.tell("unpause");
}

#[test]
fn what_ends_and_is_started_again_all_the_time_is_quiet_for_the_capture_and_goes_on_like_that() {
    let site = Site::with(&["--restart", "always"], &["sh", "-c", "usleep 300000; exit 1"]);
    until("it was started again", || site.web.field("{{.RestartCount}}") != "0");
    let _ = site.world.run("apply --yes").good();
    let record = site.record();
    assert_eq!((record["consistency"].as_str(), record["services"][0]["state"].as_str()), (Some("clean"), Some("stopped")), "{record}");
    let before = site.web.started_at();
    until("it is started again", || site.web.started_at() != before);
}

#[test]
fn all_replicas_of_a_service_are_stopped_and_started() {
    let engine = Engine::new();
    let project = engine.compose("services:\n  web: {image: 'lucid-test:1', scale: 3}\n  other: {image: 'lucid-test:1'}\n");
    let world = World::new(&format!(
        "{}[service.compose.web]\nproject = \"{}\"\n[source.files.data]\npaths = [\"data\"]\nstop = [\"web\"]\n\
         [policy.data]\nsource = \"data\"\nschedule = \"hourly\"\nstores = [\"local\"]\n",
        rest(),
        project.name
    ))
    .on(&engine.client.host);
    let (web, other) = (project.services("web"), project.service("other"));
    assert_eq!(web.len(), 3);
    let names: Vec<&str> = web.iter().map(|container| container.name.as_str()).collect();
    let _ = world.run("plan").good().says(&names).says(&["1 service to stop"]);
    let since = Utc::now();
    let _ = world.run("apply --yes").good();
    let all: Vec<&Container> = web.iter().chain([&other]).collect();
    assert_eq!(starts(&engine, &since, &all), [1, 1, 1, 0]);
    assert!(all.iter().all(|container| container.state() == "running"));
    assert_eq!(record(&world, "data")["services"].as_array().unwrap().len(), 1);
}

#[test]
fn what_lives_in_anothers_network_is_stopped_and_started_around_it() {
    let engine = Engine::new();
    let project =
        engine.compose("services:\n  net: {image: 'lucid-test:1'}\n  side: {image: 'lucid-test:1', network_mode: 'service:net'}\n");
    let world = World::new(&format!(
        "{}[service.compose.net]\nproject = \"{}\"\n[source.files.data]\npaths = [\"data\"]\nstop = [\"net\"]\n\
         [policy.data]\nsource = \"data\"\nschedule = \"hourly\"\nstores = [\"local\"]\n",
        rest(),
        project.name
    ))
    .on(&engine.client.host);
    let (net, side) = (project.service("net"), project.service("side"));
    let devices =
        |container: &Container| container.exec(&["sh", "-c", "ip -o link | cut -d@ -f1 | cut -d' ' -f2; ip -o -4 addr show eth0"]);
    assert!(devices(&side).contains("eth0"), "{}", devices(&side));
    let node = format!("container.{}", side.name);
    let order = [
        &format!("stop {node}"),
        "it shares its namespaces with service.net",
        "stop service.net",
        "start service.net",
        &format!("start {node}"),
    ];
    let _ = world.run("plan").good().says_in_order(&order);
    let since = Utc::now();
    let _ = world.run("apply --yes").good();
    assert_eq!(starts(&engine, &since, &[&net, &side]), [1, 1]);
    assert!(devices(&side).contains("eth0") && devices(&side) == devices(&net), "{}\n{}", devices(&side), devices(&net));
    assert!(side.started_at() > net.started_at(), "it was started in a network that was not there");
}

#[test]
fn policies_that_quiet_the_same_share_a_window_and_copies_come_after_it() {
    let site = Site::new();
    let (middle, last) = (site.engine.run("middle", &[]), site.engine.run("last", &[]));
    for (name, container) in [("middle", &middle), ("last", &last)] {
        site.add(&format!("[service.container.{name}]\ncontainer = \"{}\"\n", container.name));
    }
    site.world.edit("stop = [\"web\"]", "stop = [\"web\", \"middle\"]");
    site.world.edit("path = \"backups\"\n", "path = \"backups\"\n[store.directory.second]\npath = \"second\"\n");
    site.world.edit("stores = [\"local\"]", "stores = [\"local\", \"second\"]");
    site.add(
        "[source.files.data]\npaths = [\"data\"]\nstop = [\"middle\", \"last\"]\n\
         [policy.data]\nsource = \"data\"\nschedule = \"hourly\"\nstores = [\"local\", \"second\"]\n",
    );
    let _ = site
        .world
        .run("plan")
        .good()
        .says(&["Window 1: 3 services quiet", "quiet while policy.data, policy.web are captured"])
        .hides(&["Window 2"]);
    let since = Utc::now();
    let ran = site.world.run("apply --yes --format json").good();
    assert_eq!(starts(&site.engine, &since, &[&site.web, &middle, &last]), [1, 1, 1]);
    let events: Vec<serde_json::Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let places = |kind: &str, address: &str| -> Vec<usize> {
        let so = |event: &serde_json::Value| event["type"] == kind && event["address"].as_str().is_some_and(|a| a.starts_with(address));
        (0..events.len()).filter(|n| so(&events[*n])).collect()
    };
    let (stopped, begun, captured) = (places("step-ended", "stop:"), places("step-started", "capture:"), places("step-ended", "capture:"));
    let (waking, awake, copying) = (places("step-started", "start:"), places("step-ended", "start:"), places("step-started", "copy:"));
    assert_eq!([stopped.len(), begun.len(), captured.len(), waking.len(), awake.len(), copying.len()], [3, 2, 2, 3, 3, 2], "{ran}");
    assert!(stopped.iter().max() < begun.iter().min() && captured.iter().max() < waking.iter().min(), "{ran}");
    assert!(awake.iter().max() < copying.iter().min(), "{ran}");
    assert_eq!([site.world.records("second", "web").len(), site.world.records("second", "data").len()], [1, 1]);
}

#[test]
fn a_saved_plan_is_stale_once_a_container_was_made_anew() {
    let site = Site::new();
    let _ = site.world.run("plan --out saved.json").good();
    let (name, mount) = (site.web.name.clone(), format!("{}:/data", site.volume.name));
    site.web.remove();
    let anew = site.engine.run("web", &["--volume", &mount]);
    assert_eq!(anew.name, name);
    let before = anew.started_at();
    let _ =
        site.world.run("apply --plan saved.json").ends(5).says(&["the saved plan is stale", "stop:service.web", &name, "make a new plan"]);
    assert_eq!((anew.state().as_str(), anew.started_at()), ("running", before.clone()));
    let _ = site.world.run("plan --out saved.json").good();
    let _ = site.world.run("apply --plan saved.json").good().says(&["done: capture:policy.web"]);
    assert_ne!(anew.started_at(), before);
    assert_eq!(anew.state(), "running");
}
