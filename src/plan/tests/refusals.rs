//! What cannot be quieted: each of the reasons, what it says, and that it holds back its own policies only.

use super::lab::*;
use crate::facts::{Container, RuntimeFacts, SourceFacts, State};
use crate::finding::Severity;
use crate::plan::{Plan, quiet};

/// Two policies, of which `one` stops `api`.
fn lab() -> Lab {
    Lab::new(&[("one", &["api"]), ("two", &[])])
}

/// Policy `two` goes on, `one` is told why not.
fn refused(lab: &Lab) -> Plan {
    let plan = lab.plan();
    assert_eq!(addresses(&plan), ["capture:policy.two"], "{:#?}", plan.findings);
    assert!(plan.refused());
    for finding in &plan.findings {
        assert!(finding.help.is_some() && finding.span() == Some(&lab.set.policies["one"].spans.source), "{finding:#?}");
        assert_eq!(finding.severity, Severity::Error);
    }
    plan
}

#[test]
fn each_reason_says_what_is_in_the_way() {
    let api = || container("api");
    let swarm = Container { swarm: Some("shop_api".to_owned()), ..api() };
    let table: Vec<(Lab, &str)> = vec![
        (
            lab().service("api", one("api"), &[]),
            "service-missing: policy `one` is not captured: service `api` needs container `api`, which does not exist",
        ),
        (
            lab().service("api", compose("api"), &[]),
            "service-missing: policy `one` is not captured: service `api` is `api` of compose project `shop`, which has no container",
        ),
        (
            lab().service("api", commands(Some("api")), &[]),
            "service-missing: policy `one` is not captured: service `api` needs container `api`, which does not exist",
        ),
        (
            lab().runs([Container { state: State::Exited, ..api() }]).service("api", commands(Some("api")), &[]),
            "service-not-running: policy `one` is not captured: the commands of service `api` run in container `api`, which is exited",
        ),
        (
            lab().runs([Container { auto_remove: true, ..api() }]).services(&["api"]),
            "stop-removes: policy `one` is not captured: quieting container `api` of `service.api` would remove it, with its anonymous volumes",
        ),
        (
            lab().runs([Container { own: true, ..api() }]).services(&["api"]),
            "stop-self: policy `one` is not captured: quieting container `api` of `service.api` would stop this program, which runs in it",
        ),
        (
            lab().runs([api(), Container { own: true, shares: vec!["id-api".to_owned()], ..container("backup") }]).services(&["api"]),
            "stop-self: policy `one` is not captured: quieting container `backup` would stop this program, which runs in it",
        ),
        (
            lab().runs([swarm]).services(&["api"]),
            "stop-swarm: policy `one` is not captured: quieting container `api` of `service.api` would make swarm start another task of service `shop_api`",
        ),
        (
            lab().runs([part("api", 1, &[])]).service("api", compose("api"), &[]).service("other", one("api-1"), &[]),
            "service-twice: policy `one` is not captured: container `api-1` is `service.api` and `service.other` at once",
        ),
        (
            lab().runs([part("api", 1, &["db"]), part("db", 1, &[])]).service("api", compose("api"), &[]).service(
                "db",
                compose("db"),
                &["api"],
            ),
            "service-cycle: policy `one` is not captured: these need each other in a circle: service.api -> service.db -> service.api",
        ),
        (
            lab().runs([api(), Container { shares: vec!["id-api".to_owned()], ..container("db") }]).services(&["api"]).runs_in("one", "db"),
            "stop-source: policy `one` is not captured: it is read in container `db`, which is quiet by its own `stop`",
        ),
    ];
    for (lab, expected) in table {
        assert_eq!(said(&refused(&lab)), [expected]);
    }
}

#[test]
fn a_pause_removes_nothing_and_what_is_not_there_is_no_danger() {
    let removed = Container { auto_remove: true, ..container("api") };
    let lab = lab().runs([removed]).services(&["api"]).paused("api");
    assert_eq!(said(&lab.plan()), [""; 0]);
    assert!(quiet(&lab.set, &lab.facts, &[name("api")], true).is_err(), "a restore stops it");
    let ended = Container { auto_remove: true, state: State::Exited, ..container("api") };
    let lab = self::lab().runs([ended]).services(&["api"]);
    assert_eq!(said(&lab.plan()), [""; 0]);
}

#[test]
fn a_circle_is_shown_with_the_places_that_the_manifest_has_of_it() {
    let lab = lab().runs([container("api"), container("db")]).service("api", one("api"), &["db"]).service("db", one("db"), &["api"]);
    let plan = refused(&lab);
    let labels: Vec<&str> = plan.findings[0].labels.iter().map(|l| l.text.as_str()).collect();
    assert_eq!(
        labels,
        [
            "its source stops services",
            "`service.api` needs `service.db` by `depends_on`",
            "`service.db` needs `service.api` by `depends_on`"
        ]
    );
}

#[test]
fn a_circle_that_a_policy_does_not_touch_is_none_of_its_business() {
    let lab = Lab::new(&[("one", &["web"])]).runs([container("web"), container("api"), container("db")]).services(&["web"]);
    let lab = lab.service("api", one("api"), &["db"]).service("db", one("db"), &["api"]);
    assert_eq!(addresses(&lab.plan()), ["stop:service.web", "capture:policy.one", "start:service.web"]);
}

#[test]
fn an_engine_that_is_away_is_said_once_with_every_policy_that_waits_for_it() {
    let mut lab = Lab::new(&[("one", &["api"]), ("three", &[]), ("two", &["maint"]), ("volume", &[])]);
    lab = lab.services(&["api"]).service("maint", commands(None), &[]).reads_volume("volume", "data");
    lab.facts.runtime = RuntimeFacts::Unreachable("the Docker engine at unix:///e.sock cannot be reached: it is off".to_owned());
    lab.facts.sources.insert(name("volume"), SourceFacts::Unusable("volume `data` could not be looked at".to_owned()));
    let plan = lab.plan();
    assert_eq!(said(&plan), ["engine-unreachable: the Docker engine at unix:///e.sock cannot be reached: it is off"]);
    let labels: Vec<&str> = plan.findings[0].labels.iter().map(|l| l.text.as_str()).collect();
    assert_eq!(labels, ["policy `one` is not captured", "policy `volume` is not captured"]);
    // commands of this host need no engine
    assert_eq!(addresses(&plan), ["capture:policy.three", "stop:service.maint", "capture:policy.two", "start:service.maint"]);
    assert_eq!(quiet(&lab.set, &lab.facts, &[], true), Ok(Vec::new()));
    let error = quiet(&lab.set, &lab.facts, &[name("maint"), name("api")], true).unwrap_err();
    assert_eq!(error.iter().map(|f| f.code.as_str()).collect::<Vec<_>>(), ["engine-unreachable"]);
}

#[test]
fn what_is_owed_is_woken_without_an_engine_where_it_needs_none() {
    let lab = Lab::new(&[("one", &[])]).service("maint", commands(None), &[]).owed(&["service.maint"], &[]);
    for (engineless, steps) in [(true, 1), (false, 0)] {
        let mut lab = lab.clone();
        lab.facts.runtime = RuntimeFacts::Unreachable("it is off".to_owned());
        lab.facts.owed[0].engineless = engineless;
        let plan = lab.plan();
        assert_eq!(plan.steps.iter().filter(|s| s.work.kind() == "recover").count(), steps, "{:?}", addresses(&plan));
        // a pair of commands in a container has no container of its own to name
        assert_eq!(said(&plan).iter().any(|said| said.contains("may not be awake (service.maint)")), !engineless);
    }
}

#[test]
fn nothing_is_deleted_of_what_cannot_be_captured() {
    let mut lab = lab().services(&["api"]);
    lab.set.guard.max_delete_fraction = 1.0;
    for policy in ["one", "two"] {
        *lab.artifacts(policy) = (1..9).map(|day| artifact(day, 1, u8::try_from(day).unwrap())).collect();
    }
    let deletes = |plan: &Plan, of: &str| plan.steps.iter().filter(|s| s.work.deletes() && s.address.contains(of)).count();
    let plan = lab.plan();
    assert_eq!((deletes(&plan, "policy.one/"), deletes(&plan, "policy.two/")), (0, 6));
    assert_eq!(plan.findings.len(), 1, "said once: {:#?}", plan.findings);
    // where nothing is due, nobody has said it yet
    lab.artifacts("one").push(artifact(0, 1, 99));
    let plan = lab.plan();
    assert_eq!(deletes(&plan, "policy.one/"), 0);
    assert_eq!(
        said(&plan),
        [
            "service-missing: 6 artifacts of policy `one` on store `local` not deleted: service `api` needs container `api`, which does not exist"
        ]
    );
}
