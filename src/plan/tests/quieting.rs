//! What is quiet together: the effective graph, the containers of services, closed sets.

use super::lab::*;
use crate::facts::{Condition, Container, State, Volume};
use crate::model::Mode;
use crate::plan::running::Running;
use crate::plan::{Handle, Quiet, mounters, quiet};

fn closed(lab: &Lab, services: &[&str], restoring: bool) -> Vec<Quiet> {
    let names: Vec<_> = services.iter().map(|s| name(s)).collect();
    quiet(&lab.set, &lab.facts, &names, restoring).unwrap()
}

fn nodes(quiets: &[Quiet]) -> Vec<&str> {
    quiets.iter().map(|q| q.address.as_str()).collect()
}

fn shares(container: Container, provider: &str) -> Container {
    Container { shares: vec![format!("id-{provider}")], ..container }
}

fn volumes_from(container: Container, provider: &str) -> Container {
    Container { volumes_from: vec![format!("id-{provider}")], ..container }
}

fn is(container: Container, state: State) -> Container {
    Container { state, ..container }
}

#[test]
fn the_graph_joins_the_manifest_with_what_the_engine_shows() {
    let mut job = part("job", 1, &["db"]);
    job.compose.as_mut().unwrap().one_off = true;
    let mut web = part("web", 1, &["db", "gone", "migration"]);
    web.compose.as_mut().unwrap().depends_on[2].condition = Condition::Completed;
    let elsewhere = {
        let mut db = part("db", 9, &[]);
        db.compose.as_mut().unwrap().project = "other".to_owned();
        db
    };
    let lab = Lab::new(&[]).runs([
        part("api", 1, &["db"]),
        part("api", 2, &["db"]),
        part("db", 1, &[]),
        web,
        job,
        elsewhere,
        shares(container("vpn-user"), "vpn"),
        container("vpn"),
        volumes_from(container("reader"), "db-1"),
    ]);
    let lab = lab.service("api", compose("api"), &["mode"]).service("mode", commands(Some("db-1")), &[]);
    let running = Running::new(&lab.set, &lab.facts);
    insta::assert_snapshot!(running.graph.to_text(), @r"
    container.reader
      volumes_from container.db-1
    container.vpn-user
      namespace    container.vpn
    container.web-1
      label        container.db-1
    service.api
      label        container.db-1
      depends_on   service.mode
    service.mode
      container    container.db-1
    ");
    assert_eq!(running.dangling, [("container.web-1".to_owned(), "web-1".to_owned(), "gone".to_owned())]);
    let all: Vec<&str> = running.graph.nodes().collect();
    assert!(all.contains(&"container.job-1") && all.contains(&"container.db-9") && !all.contains(&"container.api-1"), "{all:?}");
}

#[test]
fn a_service_is_all_of_its_containers_that_work() {
    let mut once = part("api", 4, &[]);
    once.compose.as_mut().unwrap().one_off = true;
    let lab = Lab::new(&[]).runs([
        part("api", 2, &[]),
        part("api", 1, &[]),
        is(part("api", 3, &[]), State::Exited),
        is(part("api", 5, &[]), State::Paused),
        is(part("api", 6, &[]), State::Restarting),
        Container { name: "once".to_owned(), ..once },
    ]);
    let lab = lab.service("api", compose("api"), &[]);
    let quiets = closed(&lab, &["api"], false);
    assert_eq!(containers(&quiets[0]), ["api-1", "api-2", "api-6"]);
    let Handle::Containers(subjects) = &quiets[0].handle else { unreachable!() };
    assert_eq!(subjects[1].compose, Some(("shop".to_owned(), "api".to_owned(), 2)));
    assert_eq!((subjects[2].was, subjects[2].id.as_str()), (State::Restarting, "id-api-6"));
    // what is put back must not be held by anybody
    let quiets = closed(&lab, &["api"], true);
    let Handle::Containers(subjects) = &quiets[0].handle else { unreachable!() };
    assert_eq!(containers(&quiets[0]), ["api-1", "api-2", "api-5", "api-6"]);
    assert_eq!(subjects[2].was, State::Paused);
}

#[test]
fn what_does_not_work_is_not_quieted() {
    let lab = Lab::new(&[]).runs([is(container("db"), State::Exited), is(container("web"), State::Paused)]).services(&["db", "web"]);
    assert_eq!(closed(&lab, &["db", "web"], false), []);
    assert_eq!(nodes(&closed(&lab, &["db", "web"], true)), ["service.web"]);
}

#[test]
fn sharers_of_what_is_stopped_join_whatever_their_mode() {
    let runs = [
        shares(container("web"), "vpn"),
        container("vpn"),
        shares(container("side"), "web"),
        is(shares(container("off"), "vpn"), State::Exited),
    ];
    let lab = Lab::new(&[]).runs(runs.clone()).services(&["vpn", "web"]).paused("web");
    let quiets = closed(&lab, &["vpn"], false);
    assert_eq!(nodes(&quiets), ["container.side", "service.web", "service.vpn"]);
    assert!(quiets.iter().all(|q| q.mode == Mode::Stop), "{quiets:#?}");
    // a namespace stays while its owner is frozen, and a sharer takes nothing with it
    let lab = Lab::new(&[]).runs(runs).services(&["vpn", "web"]).paused("vpn").paused("web");
    assert_eq!(nodes(&closed(&lab, &["vpn"], false)), ["service.vpn"]);
    assert_eq!(nodes(&closed(&lab, &["web"], false)), ["service.web"]);
    // nothing is paused for a restore
    let quiets = closed(&lab, &["vpn"], true);
    assert_eq!(nodes(&quiets), ["container.side", "service.web", "service.vpn"]);
    assert!(quiets.iter().all(|q| q.mode == Mode::Stop), "{quiets:#?}");
}

#[test]
fn volumes_from_joins_in_both_directions_and_through_what_does_not_run() {
    let runs = [
        container("data"),
        is(volumes_from(container("middle"), "data"), State::Exited),
        volumes_from(container("end"), "middle"),
        container("apart"),
    ];
    let lab = Lab::new(&[]).runs(runs).services(&["data", "end"]).paused("data");
    for start in ["data", "end"] {
        let quiets = closed(&lab, &[start], false);
        assert_eq!(nodes(&quiets), ["service.end", "service.data"], "from {start}");
        assert_eq!(quiets.iter().map(|q| q.mode).collect::<Vec<_>>(), [Mode::Stop, Mode::Pause]);
    }
}

#[test]
fn order_goes_through_what_is_not_in_the_set() {
    let lab = Lab::new(&[]).runs([part("web", 1, &["api"]), part("api", 1, &["cache"]), part("cache", 1, &["db"]), part("db", 1, &[])]);
    let lab = ["web", "api", "cache", "db"].iter().fold(lab, |lab, s| lab.service(s, compose(s), &[]));
    let quiets = closed(&lab, &["db", "web", "cache"], false);
    assert_eq!(nodes(&quiets), ["service.web", "service.cache", "service.db"]);
    assert_eq!(quiets[0].needs, ["service.cache", "service.db"]);
    assert_eq!(quiets[1].needs, ["service.db"]);
    assert!(quiets[2].needs.is_empty());
}

#[test]
fn commands_run_before_their_container_stops() {
    let lab = Lab::new(&[]).runs([container("aaa")]).services(&["aaa"]).service("flush", commands(Some("aaa")), &[]);
    let quiets = closed(&lab, &["aaa", "flush"], false);
    assert_eq!(nodes(&quiets), ["service.flush", "service.aaa"]);
    assert!(matches!(&quiets[0].handle, Handle::Command { container: Some(c), .. } if c == "aaa"));
}

#[test]
fn settings_are_those_of_the_declared_service() {
    let mut lab = Lab::new(&[]).runs([shares(container("web"), "vpn"), container("vpn")]).services(&["vpn"]);
    assert_eq!(closed(&lab, &["vpn"], false)[0].ready_timeout, crate::model::READY_TIMEOUT);
    lab = lab.services(&["web"]);
    let web = lab.set.services.get_mut("web").unwrap();
    (web.stop_timeout, web.ready, web.ready_timeout) = (Some(60), crate::model::Ready::Port(80), 5);
    let quiets = closed(&lab, &["vpn"], false);
    let of = |q: &Quiet| (q.stop_timeout, q.ready.clone(), q.ready_timeout);
    assert_eq!(of(&quiets[0]), (Some(60), crate::model::Ready::Port(80), 5));
}

#[test]
fn mounters_hold_a_place_above_it_and_below_it() {
    let with = |named: &str, mounts| Container { mounts, ..container(named) };
    let lab = Lab::new(&[]).runs([
        with("above", vec![bind("/srv", false)]),
        with("at", vec![bind("/srv/data", true)]),
        with("below", vec![bind("/srv/data/inner", true)]),
        with("beside", vec![bind("/srv/data2", true), bind("/opt", true)]),
        with("by-volume", vec![mounted("shop_data", false)]),
        with("by-bound", vec![mounted("shop_bound", true)]),
        with("by-mountpoint", vec![bind("/engine/volumes/shop_data", true)]),
        is(with("frozen", vec![bind("/srv/data", true)]), State::Paused),
        is(with("off", vec![bind("/srv/data", true)]), State::Exited),
        Container { own: true, ..with("self", vec![bind("/srv", true)]) },
        with("memory", vec![bind("", true)]),
    ]);
    let bound = Volume { options: [("device".to_owned(), "/srv/data/deep".to_owned())].into(), ..volume("bound") };
    let lab = lab.seen(|p| p.volumes = vec![volume("data"), bound]).services(&["at"]);
    let mounting = |path: &str, quiet: &[Quiet]| mounters(lab.facts.runtime.picture().unwrap(), &[], &[path.into()], quiet);
    assert_eq!(mounting("/srv/data", &[]), ["above", "at", "below", "by-bound", "frozen"]);
    assert_eq!(mounting("/srv/data/deep/er", &[]), ["above", "at", "by-bound", "frozen"]);
    assert_eq!(mounting("/srv/data", &closed(&lab, &["at"], true)), ["above", "below", "by-bound", "frozen"]);
    assert_eq!(mounting("/engine/volumes/shop_data/_data/sub", &[]), ["by-mountpoint", "by-volume"]);
    assert_eq!(mounting("/elsewhere", &[]), Vec::<String>::new());
}
