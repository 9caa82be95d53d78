//! The laws of windows, over random engines and manifests: containers in any state that share, mount and need each other in any way,
//! services that cover some of them, and policies that stop some services.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::lab::*;
use crate::facts::{Compose, Condition, Container, Dependency, RuntimeFacts, State};
use crate::finding::has_errors;
use crate::model::Mode;
use crate::plan::running::Running;
use crate::plan::{Handle, Plan, Quiet, Work, decide, evolve, quiet};

const CONTAINERS: usize = 8;
const POLICIES: [&str; 3] = ["ape", "bat", "cat"];
const SERVICES: [&str; 5] = ["aa", "bb", "cc", "dd", "ee"];

fn named(number: usize) -> String {
    format!("c{number}")
}

/// State, whether it is one of two replicas, and whom it shares with, mounts from and needs by its label.
type Made = (u8, bool, Option<usize>, Option<usize>, Vec<usize>, u8);

fn made(number: usize, (state, replica, shares, from, needs, odd): Made) -> Container {
    let state = match state {
        0 => State::Exited,
        1 => State::Paused,
        2 => State::Restarting,
        _ => State::Running,
    };
    // Two containers in a row can be one service.
    let service = if replica { number / 2 * 2 } else { number };
    let others = |of: Option<usize>| of.filter(|other| *other != number).map(|n| format!("id-{}", named(n))).into_iter().collect();
    let need = |n: &usize| Dependency { service: format!("s{n}"), condition: Condition::Started };
    let compose = Compose {
        project: "shop".to_owned(),
        service: format!("s{service}"),
        number: u32::try_from(number).unwrap(),
        one_off: odd == 0,
        depends_on: needs.iter().filter(|n| **n < service).map(need).collect(),
    };
    Container {
        state,
        shares: others(shares),
        volumes_from: others(from),
        auto_remove: odd == 1,
        own: odd == 2,
        compose: Some(compose),
        ..container(&named(number))
    }
}

fn labs() -> impl Strategy<Value = Lab> {
    let some = || prop::option::weighted(0.25, 0..CONTAINERS);
    let container = (0_u8..9, prop::bool::weighted(0.3), some(), some(), prop::collection::vec(0..CONTAINERS, 0..2), 0_u8..60);
    let service = (0_u8..5, 0..CONTAINERS, prop::collection::vec(0..SERVICES.len(), 0..2), any::<bool>());
    let stops = prop::collection::vec(prop::collection::vec(0..SERVICES.len(), 0..3), POLICIES.len());
    let owed = prop::collection::btree_set(0..CONTAINERS, 0..3);
    (prop::collection::vec(container, CONTAINERS), prop::collection::vec(service, SERVICES.len()), stops, owed).prop_map(
        |(containers, services, stops, owed)| {
            let stops: Vec<Vec<&str>> = stops.iter().map(|s| s.iter().map(|n| SERVICES[*n]).collect()).collect();
            let policies: Vec<(&str, &[&str])> = POLICIES.iter().copied().zip(stops.iter().map(Vec::as_slice)).collect();
            let mut lab = Lab::new(&policies).runs(containers.into_iter().enumerate().map(|(n, c)| made(n, c)));
            for (n, (kind, of, needs, pauses)) in services.into_iter().enumerate() {
                // needs go down mostly, so that circles are rare
                let needs: Vec<&str> = needs.into_iter().filter(|m| *m < n || of == 0).map(|m| SERVICES[m]).collect();
                let kind = match kind {
                    0 => commands(None),
                    1 => commands(Some(&named(of))),
                    2 => compose(&format!("s{of}")),
                    _ => one(&named(of)),
                };
                lab = lab.service(SERVICES[n], kind, &needs);
                if pauses {
                    lab = lab.paused(SERVICES[n]);
                }
            }
            if !owed.is_empty() {
                let ids: Vec<String> = owed.iter().map(|n| format!("id-{}", named(*n))).collect();
                lab = lab.owed(&[], &ids.iter().map(String::as_str).collect::<Vec<_>>());
            }
            lab
        },
    )
}

fn picture(lab: &Lab) -> &[Container] {
    &lab.facts.runtime.picture().unwrap().containers
}

/// Whether it works once what is owed is woken.
fn works(lab: &Lab, container: &Container) -> bool {
    container.state.works() || lab.facts.owed.iter().any(|o| o.containers.contains(&container.id))
}

fn ids(quiet: &Quiet) -> Vec<&str> {
    match &quiet.handle {
        Handle::Containers(subjects) => subjects.iter().map(|s| s.id.as_str()).collect(),
        Handle::Command { .. } => Vec::new(),
    }
}

/// Whether a node needs another, however far away.
fn needs(lab: &Lab, from: &str, to: &str) -> bool {
    let running = Running::new(&lab.set, &lab.facts);
    let mut open = vec![from.to_owned()];
    let mut seen: BTreeSet<String> = BTreeSet::new();
    while let Some(node) = open.pop() {
        for edge in running.graph.edges().filter(|e| e.from == node) {
            if seen.insert(edge.to.clone()) {
                open.push(edge.to.clone());
            }
        }
    }
    seen.contains(to)
}

/// The stops of each window, in the order of the plan.
fn windows(plan: &Plan) -> BTreeMap<&str, Vec<&Quiet>> {
    let mut windows: BTreeMap<&str, Vec<&Quiet>> = BTreeMap::new();
    for step in &plan.steps {
        if let Work::Stop { window, service } = &step.work {
            windows.entry(window).or_default().push(service);
        }
    }
    windows
}

fn turned(lab: &Lab, by: usize) -> crate::facts::Facts {
    let mut facts = lab.facts.clone();
    let RuntimeFacts::Seen(picture) = &mut facts.runtime else { unreachable!() };
    picture.containers.rotate_left(by % CONTAINERS);
    if by.is_multiple_of(2) {
        picture.containers.reverse();
    }
    for container in &mut picture.containers {
        if let Some(compose) = &mut container.compose {
            compose.depends_on.reverse();
        }
    }
    facts
}

/// The laws of one set of things that are quiet together.
fn is_closed_and_in_order(lab: &Lab, quiets: &[&Quiet], restoring: bool) -> Result<(), TestCaseError> {
    let all: Vec<&str> = quiets.iter().flat_map(|q| ids(q)).collect();
    let acts = |c: &Container| works(lab, c) || (restoring && c.state == State::Paused);
    for (place, quiet) in quiets.iter().enumerate() {
        for later in &quiets[place + 1..] {
            prop_assert!(!needs(lab, &later.address, &quiet.address), "{} goes before {}", quiet.address, later.address);
            prop_assert_eq!(quiet.needs.contains(&later.address), needs(lab, &quiet.address, &later.address));
        }
        prop_assert!(!matches!(&quiet.handle, Handle::Containers(subjects) if subjects.is_empty()));
        for container in ids(quiet).iter().filter_map(|id| picture(lab).iter().find(|c| c.id == **id)) {
            prop_assert!(acts(container), "{} does not work", container.name);
            prop_assert!(!container.own && (!container.auto_remove || quiet.mode == Mode::Pause), "{}", container.name);
            for other in picture(lab).iter().filter(|c| acts(c)) {
                let joined = other.volumes_from.contains(&container.id) || container.volumes_from.contains(&other.id);
                let lives_in = quiet.mode == Mode::Stop && other.shares.contains(&container.id);
                prop_assert!(!joined && !lives_in || all.contains(&other.id.as_str()), "{} without {}", container.name, other.name);
                let there = quiets.iter().find(|q| ids(q).contains(&other.id.as_str()));
                prop_assert!(!lives_in || there.is_some_and(|q| q.mode == Mode::Stop), "{} is frozen in a dead namespace", other.name);
            }
        }
    }
    let once: BTreeSet<&str> = all.iter().copied().collect();
    prop_assert_eq!(once.len(), all.len(), "a container is quieted once");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn windows_are_closed_ordered_and_apart(lab in labs()) {
        let plan = lab.plan();
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        for quiets in windows(&plan).values() {
            is_closed_and_in_order(&lab, quiets, false)?;
            for id in quiets.iter().flat_map(|q| ids(q)) {
                prop_assert!(seen.insert(id), "{id} is in two windows");
            }
        }
    }

    #[test]
    fn what_is_stopped_is_started_once_in_reverse_and_nothing_else_is(lab in labs()) {
        let plan = lab.plan();
        for (window, quiets) in windows(&plan) {
            let starts: Vec<&str> = plan.steps.iter().filter_map(|s| match &s.work {
                Work::Start { window: w, service, .. } if w == window => Some(service.as_str()),
                _ => None,
            }).collect();
            let stops: Vec<&str> = quiets.iter().rev().map(|q| q.address.as_str()).collect();
            prop_assert_eq!(starts, stops);
        }
        let of = |kind: &str| plan.steps.iter().filter(|s| s.work.kind() == kind).count();
        prop_assert_eq!(of("stop"), of("start"));
        let addresses: BTreeSet<&str> = plan.steps.iter().map(|s| s.address.as_str()).collect();
        prop_assert_eq!(addresses.len(), plan.steps.len());
    }

    #[test]
    fn captures_stand_between_all_stops_and_all_starts_of_their_window(lab in labs()) {
        let plan = lab.plan();
        let place = |address: &str| plan.steps.iter().position(|s| s.address == address);
        for (number, step) in plan.steps.iter().enumerate() {
            prop_assert!(step.after.iter().all(|before| place(before).is_some_and(|p| p < number)), "{step:#?}");
            let Work::Capture { window, policy, .. } = &step.work else { continue };
            let quiets = windows(&plan).remove(window.as_deref().unwrap_or_default()).unwrap_or_default();
            prop_assert_eq!(window.is_some(), !quiets.is_empty());
            for quiet in &quiets {
                let stop = format!("stop:{}", quiet.address);
                prop_assert!(step.after.contains(&stop));
                let start = plan.step(&format!("start:{}", quiet.address)).unwrap();
                prop_assert!(start.after.contains(&step.address));
            }
            // everything that works of what its source names is quiet
            let source = &lab.set.sources[&lab.set.policies[policy].source];
            let own = quiet(&lab.set, &lab.facts, &source.stop, false).unwrap();
            prop_assert!(own.iter().all(|q| quiets.iter().any(|other| other.address == q.address)));
        }
    }

    #[test]
    fn the_order_in_which_things_are_seen_changes_nothing(lab in labs(), by in 0..CONTAINERS) {
        let plan = lab.plan();
        let other = decide(&lab.set, &turned(&lab, by), now(), &crate::plan::Request::default());
        prop_assert_eq!(&plan, &other);
        prop_assert_eq!(&plan, &lab.plan());
    }

    #[test]
    fn after_windows_everything_is_as_before_and_nothing_is_left_to_do(lab in labs()) {
        let plan = lab.plan();
        let after = evolve(&plan, &lab.facts);
        for (before, after) in picture(&lab).iter().zip(&after.runtime.picture().unwrap().containers) {
            let owed = lab.facts.owed.iter().any(|o| o.containers.contains(&before.id));
            prop_assert_eq!(after.state, if owed { State::Running } else { before.state });
        }
        let again = decide(&lab.set, &after, now(), &crate::plan::Request::default());
        prop_assert!(again.steps.is_empty(), "{:#?}", again.steps);
        // what could not be captured is the only reason for a policy without a capture
        let captured: BTreeSet<_> = plan.steps.iter().filter(|s| s.work.kind() == "capture").filter_map(|s| s.work.policy()).collect();
        prop_assert_eq!(captured.len() < POLICIES.len(), has_errors(&plan.findings));
    }

    #[test]
    fn for_a_restore_everything_that_holds_the_old_is_stopped(lab in labs(), which in 0..POLICIES.len()) {
        let services = &lab.set.sources[POLICIES[which]].stop;
        let (Ok(restore), Ok(plain)) = (quiet(&lab.set, &lab.facts, services, true), quiet(&lab.set, &lab.facts, services, false)) else {
            return Ok(());
        };
        is_closed_and_in_order(&lab, &restore.iter().collect::<Vec<_>>(), true)?;
        prop_assert!(restore.iter().all(|q| q.mode == Mode::Stop));
        prop_assert!(plain.iter().all(|q| restore.iter().any(|other| other.address == q.address)));
    }
}
