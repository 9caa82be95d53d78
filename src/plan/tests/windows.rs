//! Windows: who shares one, in which order their steps come, how long they last, and what is odd about them.

use super::lab::*;
use crate::facts::{Artifact, Container, RuntimeFacts, State};
use crate::plan::{Downtime, Plan, Reason, Request, Work, decide, evolve};

fn downtime(plan: &Plan, node: &str) -> Option<Downtime> {
    let Work::Start { downtime, .. } = &plan.step(&format!("start:{node}")).unwrap().work else { unreachable!() };
    downtime.clone()
}

/// The steps that make and stay in `plan.steps` after those they wait for.
fn in_order(plan: &Plan) {
    for (place, step) in plan.steps.iter().enumerate() {
        for before in &step.after {
            assert!(plan.steps[..place].iter().any(|s| s.address == *before), "{} waits for {before}", step.address);
        }
    }
}

#[test]
fn a_window_stops_dependents_first_and_starts_them_last() {
    let lab = Lab::new(&[("data", &["db", "web"])]).runs([part("web", 1, &["api"]), part("api", 1, &["db"]), part("db", 1, &[])]);
    let lab = lab.service("web", compose("web"), &[]).service("db", compose("db"), &[]);
    let plan = lab.plan();
    assert_eq!(addresses(&plan), ["stop:service.web", "stop:service.db", "capture:policy.data", "start:service.db", "start:service.web"]);
    let capture = &plan.steps[2];
    assert_eq!(stop(&plan, "service.db").0.after, ["stop:service.web"]);
    assert_eq!(capture.after, ["stop:service.web", "stop:service.db"]);
    assert_eq!(plan.steps[3].after, [capture.address.as_str()]);
    assert_eq!(plan.steps[4].after, [capture.address.as_str(), "start:service.db"]);
    assert!(matches!(&capture.work, Work::Capture { window: Some(window), .. } if window == "1"));
    assert_eq!(stop(&plan, "service.db").0.reason, Reason::Quiet { policies: vec![name("data")] });
    assert_eq!(plan.steps[4].reason, Reason::Wake {});
    assert_eq!(stop(&plan, "service.web").0.span, Some(lab.set.sources["data"].span.clone()));
    assert!(evolve(&plan, &lab.facts).runtime == lab.facts.runtime, "everything is as before");
}

#[test]
fn policies_whose_sets_meet_share_a_window_and_others_do_not() {
    // `a` and `c` stop nothing in common, and `b` meets both
    let lab = Lab::new(&[("a", &["one"]), ("b", &["one", "two"]), ("c", &["two"]), ("d", &["three"]), ("e", &[])]);
    let lab = lab.runs(["one", "two", "three"].map(container)).services(&["one", "two", "three"]);
    let plan = lab.plan();
    let expected = [
        "capture:policy.e",
        "stop:service.two",
        "stop:service.one",
        "capture:policy.a",
        "capture:policy.b",
        "capture:policy.c",
        "start:service.one",
        "start:service.two",
        "stop:service.three",
        "capture:policy.d",
        "start:service.three",
    ];
    assert_eq!(addresses(&plan), expected);
    let windows = plan.steps.iter().filter_map(|s| match &s.work {
        Work::Capture { policy, window, .. } => Some((policy.as_str(), window.as_deref())),
        _ => None,
    });
    let expected = [("e", None), ("a", Some("1")), ("b", Some("1")), ("c", Some("1")), ("d", Some("2"))];
    assert_eq!(windows.collect::<Vec<_>>(), expected);
    assert_eq!(stop(&plan, "service.one").0.reason, Reason::Quiet { policies: ["a", "b", "c"].map(name).to_vec() });
    in_order(&plan);
}

#[test]
fn sets_that_meet_only_once_they_are_closed_share_a_window_too() {
    let user = Container { shares: vec!["id-vpn".to_owned()], ..container("web") };
    let lab = Lab::new(&[("a", &["vpn"]), ("b", &["web"])]).runs([user, container("vpn")]).services(&["vpn", "web"]);
    let plan = lab.plan();
    assert_eq!(
        addresses(&plan),
        ["stop:service.web", "stop:service.vpn", "capture:policy.a", "capture:policy.b", "start:service.vpn", "start:service.web"]
    );
    let lab = Lab::new(&[("a", &["vpn"])]).runs([Container { shares: vec!["id-vpn".to_owned()], ..container("web") }, container("vpn")]);
    let plan = lab.services(&["vpn"]).plan();
    let shares = Reason::Shares { with: "service.vpn".to_owned(), what: "namespaces".to_owned() };
    assert_eq!(stop(&plan, "container.web").0.reason, shares);
    assert_eq!(stop(&plan, "container.web").0.span, None);
}

#[test]
fn a_policy_that_stops_nothing_that_works_has_no_window() {
    let lab = Lab::new(&[("data", &["db"])]).runs([Container { state: State::Exited, ..container("db") }]).services(&["db"]);
    let plan = lab.plan();
    assert_eq!(addresses(&plan), ["capture:policy.data"]);
    assert!(matches!(&plan.steps[0].work, Work::Capture { window: None, .. }));
}

#[test]
fn a_command_in_a_container_runs_while_that_container_is_awake() {
    // without a window of its own it comes after the one that quiets its container
    let lab = Lab::new(&[("dump", &[]), ("tree", &["db"])]).runs([container("db")]).services(&["db"]).runs_in("dump", "db");
    let plan = lab.plan();
    assert_eq!(addresses(&plan), ["stop:service.db", "capture:policy.tree", "start:service.db", "capture:policy.dump"]);
    assert_eq!(plan.steps[3].after, ["start:service.db"]);
    in_order(&plan);
    // with one it is left to the next run, whether the two share it or not
    for stops in [&["web"][..], &["api"]] {
        let lab = Lab::new(&[("dump", stops), ("tree", &["db", "web"])]).runs(["db", "web", "api"].map(container));
        let mut lab = lab.services(&["db", "web", "api"]).runs_in("dump", "db");
        let plan = lab.plan();
        let all = ["stop:service.web", "stop:service.db", "capture:policy.tree", "start:service.db", "start:service.web"];
        assert_eq!(addresses(&plan), all);
        let expected = "stop-source: policy `dump` is not captured: it is read in container `db`, which is quiet for policy `tree`";
        assert_eq!(said(&plan), [expected]);
        lab.facts = evolve(&plan, &lab.facts);
        assert!(addresses(&lab.plan()).contains(&"capture:policy.dump") && said(&lab.plan()).is_empty());
    }
    // two that silence each other are captured by turns
    let lab = Lab::new(&[("a", &["one"]), ("b", &["two"])]).runs(["one", "two"].map(container)).services(&["one", "two"]);
    let lab = lab.runs_in("a", "two").runs_in("b", "one");
    assert_eq!(addresses(&lab.plan()), ["stop:service.two", "capture:policy.b", "start:service.two"]);
}

#[test]
fn windows_of_which_one_needs_the_other_come_one_after_the_other() {
    let runs = [part("web", 1, &["api"]), part("api", 1, &["db"]), part("db", 1, &[]), part("mail", 1, &[])];
    let lab = Lab::new(&[("a", &["web"]), ("b", &["mail"]), ("c", &["db"]), ("d", &[])]).runs(runs).runs_in("d", "api-1");
    let lab = ["web", "db", "mail"].iter().fold(lab, |lab, s| lab.service(s, compose(s), &[]));
    let plan = lab.plan();
    assert!(stop(&plan, "service.web").0.after.is_empty());
    assert!(stop(&plan, "service.mail").0.after.is_empty());
    assert_eq!(stop(&plan, "service.db").0.after, ["start:service.web"]);
    // what a command's container needs is awake too
    assert_eq!(plan.steps.last().unwrap().after, ["start:service.db"]);
    in_order(&plan);
}

#[test]
fn a_plan_is_valid_until_its_slots_are_too_old() {
    let lab = Lab::new(&[("data", &["db"])]).runs([container("db")]).services(&["db"]);
    let limit = slot() + chrono::TimeDelta::hours(1);
    assert_eq!(lab.plan().valid_until, Some(limit));
    let plan = |at| decide(&lab.set, &lab.facts, at, &Request::default());
    assert_eq!(addresses(&plan(limit)).len(), 3);
    assert_eq!(addresses(&plan(limit + chrono::TimeDelta::seconds(1))), [""; 0]);
    // what is asked for by hand is as valid later
    let later = limit + chrono::TimeDelta::hours(1);
    let asked = decide(&lab.set, &lab.facts, later, &Request { now: true, ..Request::default() });
    assert_eq!(addresses(&asked).len(), 3);
    assert_eq!(asked.valid_until, Some(slot() + chrono::TimeDelta::days(1)));
}

#[test]
fn what_is_owed_counts_as_running_and_is_woken_before_the_stops() {
    let down = |named: &str| Container { state: State::Exited, ..container(named) };
    let lab = Lab::new(&[("data", &["db"]), ("other", &[])]).runs([down("db"), down("off")]).services(&["db", "off"]);
    let lab = lab.owed(&["service.db"], &["id-db"]);
    let plan = lab.plan();
    let run = &lab.facts.owed[0].run;
    let recover = format!("recover:run.{run}");
    assert_eq!(addresses(&plan), [&recover, "capture:policy.other", "stop:service.db", "capture:policy.data", "start:service.db"]);
    assert_eq!(plan.steps[0].work, Work::Recover { run: *run, services: vec!["service.db".to_owned()] });
    assert_eq!(plan.steps[0].reason, Reason::Interrupted {});
    assert_eq!(stop(&plan, "service.db").0.after, [recover.as_str()]);
    assert!(plan.steps[1].after.is_empty(), "what needs no service waits for none");
    let after = evolve(&plan, &lab.facts);
    assert!(after.owed.is_empty());
    let states: Vec<_> = after.runtime.picture().unwrap().containers.iter().map(|c| c.state).collect();
    assert_eq!(states, [State::Running, State::Exited]);
    assert!(decide(&lab.set, &after, now(), &Request::default()).steps.is_empty());
    // it is woken whether anything else is to be done or not
    let mut nothing = Lab::new(&[]).runs([down("db")]).owed(&["service.db"], &["id-db"]);
    assert_eq!(addresses(&nothing.plan()), [recover]);
    // an engine that is away can wake nothing: said, and no step
    nothing.facts.runtime = RuntimeFacts::Unreachable("it is off".to_owned());
    assert_eq!(addresses(&nothing.plan()), [""; 0]);
    assert_eq!(said(&nothing.plan()), [format!("engine-unreachable: what run {run} has quieted may not be awake (service.db): it is off")]);
}

#[test]
fn what_a_run_that_is_at_work_has_quieted_counts_as_running_and_is_its_own_to_wake() {
    let down = Container { state: State::Exited, ..container("db") };
    let mut lab = Lab::new(&[("data", &["db"])]).runs([down]).services(&["db"]).owed(&["service.db"], &["id-db"]);
    lab.facts.owed[0].alive = true;
    assert_eq!(addresses(&lab.plan()), ["stop:service.db", "capture:policy.data", "start:service.db"]);
}

#[test]
fn room_and_stores_are_made_before_anything_is_stopped() {
    let mut lab = Lab::new(&[("data", &["db"])]).runs([container("db")]).services(&["db"]);
    lab.set.stores.get_mut("local").unwrap().min_free = Some(100);
    lab.set.guard.max_delete_fraction = 1.0;
    *lab.artifacts("data") = (1..9).map(|day| artifact(day, 1, u8::try_from(day).unwrap())).collect();
    let Some(crate::facts::StoreFacts::Ready(listing)) = lab.facts.stores.get_mut("local") else { unreachable!() };
    listing.free = Some(105);
    let plan = lab.plan();
    let early: Vec<&str> = plan.steps.iter().take_while(|s| s.work.deletes()).map(|s| s.address.as_str()).collect();
    assert!(!early.is_empty());
    let (stop, _) = stop(&plan, "service.db");
    assert!(early.iter().all(|e| stop.after.iter().any(|a| a == e)), "{stop:#?}");
    in_order(&plan);

    let mut lab = Lab::new(&[("data", &["db"])]).runs([container("db")]).services(&["db"]);
    lab.facts.stores.insert(name("local"), crate::facts::StoreFacts::New);
    let plan = lab.plan();
    assert_eq!(addresses(&plan), ["init:store.local", "stop:service.db", "capture:policy.data", "start:service.db"]);
    assert_eq!(plan.steps[1].after, ["init:store.local"]);
}

#[test]
fn copies_and_deletes_come_after_the_wake() {
    let mut lab = Lab::new(&[("data", &["db"])]).runs([container("db")]).services(&["db"]);
    let local = lab.set.stores["local"].clone();
    lab.set.stores.insert(name("offsite"), crate::model::Store { name: name("offsite"), ..local });
    lab.set.policies.get_mut("data").unwrap().stores.push(name("offsite"));
    lab.set.guard.max_delete_fraction = 1.0;
    *lab.artifacts("data") = (1..9).map(|day| artifact(day, 1, u8::try_from(day).unwrap())).collect();
    lab.facts.stores.insert(name("offsite"), lab.facts.stores["local"].clone());
    let plan = lab.plan();
    let mut kinds: Vec<&str> = Vec::new();
    for step in &plan.steps {
        if matches!(step.work, Work::Copy { .. } | Work::Delete { .. }) {
            assert!(step.after.contains(&"start:service.db".to_owned()), "{step:#?}");
            kinds.push(step.work.kind());
        }
    }
    kinds.dedup();
    assert_eq!(kinds, ["copy", "delete"]);
    in_order(&plan);
}

#[test]
fn a_window_lasts_as_long_as_the_newest_that_own_their_bytes() {
    let mut lab = Lab::new(&[("a", &["db"]), ("b", &["db"]), ("c", &["db"])]).runs([container("db")]).services(&["db"]);
    // an unchanged tree was captured in no time
    let owner = artifact(2, 9, 40);
    let mut unchanged = artifact(1, 0, 41);
    unchanged.need = Some(owner.id.random());
    *lab.artifacts("b") = vec![unchanged, artifact(3, 500, 42), owner.clone()];
    let plan = lab.plan();
    let ids = [lab.artifacts("a")[0].id, owner.id, lab.artifacts("c")[0].id];
    // 10 + 9 + 10, two at a time
    assert_eq!(downtime(&plan, "service.db"), Some(Downtime { seconds: 15, from: ids.to_vec() }));
    *lab.artifacts("c") = vec![artifact(1, 40, 43)];
    assert_eq!(downtime(&lab.plan(), "service.db").unwrap().seconds, 40);
    lab.set.run.concurrency = 1;
    assert_eq!(downtime(&lab.plan(), "service.db").unwrap().seconds, 59);
    assert_eq!(said(&lab.plan()), [""; 0]);
    lab.set.policies.get_mut("a").unwrap().max_downtime = Some("5min".parse().unwrap());
    lab.set.policies.get_mut("c").unwrap().max_downtime = Some("58s".parse().unwrap());
    assert_eq!(
        said(&lab.plan()),
        ["downtime-too-long: window 1 is expected to last 59 s, longer than the `max_downtime` of 58s of policy `c`"]
    );
    lab.artifacts("a").clear();
    assert_eq!(downtime(&lab.plan(), "service.db"), None);
}

#[test]
fn who_writes_what_is_read_at_rest_is_named() {
    let with = |named: &str, mounts| Container { mounts, ..container(named) };
    let runs = [
        with("db", vec![mounted("shop_data", true), bind("/srv/a", true)]),
        with("exporter", vec![mounted("shop_data", true)]),
        with("reader", vec![mounted("shop_data", false), bind("/srv", false)]),
        with("agent", vec![bind("/srv/a/logs", true), bind("/srv/a", true)]),
        with("other", vec![mounted("other_data", true), bind("/srv/b", true)]),
        Container { state: State::Paused, ..with("frozen", vec![mounted("shop_data", true)]) },
        Container { own: true, ..with("self", vec![mounted("shop_data", true), bind("/srv", true)]) },
    ];
    let lab = Lab::new(&[("a", &["db"]), ("b", &[]), ("v", &["db"])]).runs(runs).services(&["db"]).reads_volume("v", "data");
    let lab = lab.seen(|p| p.volumes = vec![volume("data")]);
    let plan = lab.plan();
    assert_eq!(
        said(&plan),
        [
            "writer-awake: container `agent` writes `/srv/a` while policy `a` captures it",
            "writer-awake: container `exporter` writes volume `data` while policy `v` captures it"
        ]
    );
    assert!(!plan.refused());
    // what is owed writes again once it is woken
    let down = Container { state: State::Exited, ..with("agent", vec![bind("/srv/a", true)]) };
    let owed = Lab::new(&[("a", &["db"])]).runs([container("db"), down]).services(&["db"]);
    assert_eq!(said(&owed.plan()), [""; 0]);
    assert_eq!(said(&owed.owed(&[], &["id-agent"]).plan()).len(), 1);
    // patterns are compared a component at a time
    let mut lab = lab;
    let crate::model::SourceKind::Files(files) = &mut lab.set.sources.get_mut("a").unwrap().kind else { unreachable!() };
    files.paths = vec!["/srv/[xyz]/logs".into()];
    assert_eq!(said(&lab.plan()).len(), 1);
}

#[test]
fn a_label_that_leads_nowhere_is_said_of_what_is_quieted() {
    let lab = Lab::new(&[("a", &["api"])]).runs([part("api", 1, &["gone"]), part("web", 1, &["lost"])]);
    let plan = lab.service("api", compose("api"), &[]).plan();
    let expected = "label-dangling: a label says that container `api-1` needs service `gone`, of which its project has no container";
    assert_eq!(said(&plan), [expected]);
    assert!(!plan.refused());
}

#[test]
fn the_first_capture_of_what_stops_services_is_near_a_slot_or_asked_for() {
    let mut lab = Lab::new(&[("data", &["db"]), ("live", &[])]).runs([container("db")]).services(&["db"]);
    lab.artifacts("data").clear();
    lab.artifacts("live").clear();
    let all = ["capture:policy.live", "stop:service.db", "capture:policy.data", "start:service.db"];
    assert_eq!(addresses(&lab.plan()), all, "the slot was half an hour ago");
    let later = now() + chrono::TimeDelta::minutes(31);
    let plan = decide(&lab.set, &lab.facts, later, &Request::default());
    assert_eq!(addresses(&plan), ["capture:policy.live"]);
    assert_eq!(
        said(&plan),
        ["first-capture-waits: policy `data` was never captured, stops services, and waits for its slot of 2026-11-24 02:00:00 UTC"]
    );
    assert!(plan.findings[0].help.as_ref().unwrap().contains("apply --now --only policy.data"));
    assert_eq!(plan.valid_until, Some(slot() + chrono::TimeDelta::days(1)));
    assert_eq!(addresses(&decide(&lab.set, &lab.facts, later, &Request { now: true, ..Request::default() })), all);
    // what was adopted, with the content of an earlier time, changes nothing of that
    let adopted = |number| Artifact { slot: None, ..artifact(1, -60, number) };
    lab.artifacts("data").push(adopted(1));
    lab.artifacts("live").push(adopted(2));
    assert_eq!(addresses(&decide(&lab.set, &lab.facts, later, &Request::default())), ["capture:policy.live"]);
    lab.set.policies.get_mut("data").unwrap().schedule = None;
    let plan = lab.plan();
    assert_eq!(addresses(&plan), ["capture:policy.live"]);
    assert_eq!(
        said(&plan),
        ["first-capture-waits: policy `data` was never captured, stops services, and waits until somebody asks for it"]
    );
}

#[test]
fn approvals_name_containers_by_id_and_the_rest_by_address() {
    let lab = Lab::new(&[("data", &["api", "maint"])]).runs([part("api", 1, &[]), part("api", 2, &[])]);
    let mut lab = lab.service("api", compose("api"), &[]).service("maint", commands(None), &[]).owed(&[], &["id-old"]);
    lab.set.guard.max_delete_fraction = 1.0;
    *lab.artifacts("data") = (1..5).map(|day| artifact(day, 1, u8::try_from(day).unwrap())).collect();
    let plan = lab.plan();
    let approvals: Vec<String> = plan.steps.iter().flat_map(crate::plan::Step::approvals).collect();
    let deletes: Vec<String> = plan.steps.iter().filter(|s| s.work.deletes()).map(|s| s.address.clone()).collect();
    assert!(!deletes.is_empty());
    assert_eq!(approvals[..3], ["stop:service.maint", "stop:id-api-1", "stop:id-api-2"]);
    assert_eq!(approvals[3..], deletes);
}

#[test]
fn steps_are_written_and_read_back() {
    let lab = Lab::new(&[("data", &["db", "maint"])]).runs([container("db")]).services(&["db"]).service("maint", commands(None), &[]);
    let plan = lab.owed(&["service.db"], &["id-db"]).plan();
    for step in &plan.steps {
        let json = serde_json::to_value(step).unwrap();
        let back: crate::plan::Step = serde_json::from_value(json).unwrap();
        assert_eq!(back, crate::plan::Step { span: None, ..step.clone() });
    }
    let shown = crate::plan::Step { span: None, ..stop(&plan, "service.db").0.clone() };
    insta::assert_snapshot!(serde_json::to_string_pretty(&shown).unwrap(), @r#"
    {
      "address": "stop:service.db",
      "kind": "stop",
      "target": {
        "window": "1",
        "service": {
          "address": "service.db",
          "handle": {
            "containers": [
              {
                "id": "id-db",
                "name": "db",
                "was": "running",
                "started_at": "2026-11-01T00:00:00Z",
                "compose": null
              }
            ]
          },
          "mode": "stop",
          "stop_timeout": null,
          "ready": "default",
          "ready_timeout": 120,
          "needs": []
        }
      },
      "reason": {
        "code": "quiet",
        "data": {
          "policies": [
            "data"
          ]
        }
      },
      "span": null,
      "after": [
        "recover:run.a4dqobyha4dqobyh"
      ]
    }
    "#);
}
