//! Captures that were shown and are not in the plan that is made again under the locks. One whose slot somebody else has satisfied is
//! dropped without a word; one that something new stands in the way of has failed, and must not look as if it had never been due.

use std::collections::BTreeSet;

use super::apply::Order;
use super::event::StepResult;
use crate::facts::Facts;
use crate::finding::{Finding, Severity, world as code};
use crate::model::id::{Instant, Name};
use crate::plan::{Plan, Request, Step, Work, decide};

/// Each shown capture of `request` that something new keeps out of `plan`, and how it ends.
pub(super) fn lost(order: &Order, plan: &Plan, facts: &Facts, now: Instant, request: &Request) -> Vec<(Step, StepResult)> {
    let mut lost = Vec::new();
    for step in order.plan.steps.iter().filter(|step| matches!(step.work, Work::Capture { .. })) {
        let Some(policy) = step.work.policy().filter(|policy| request.asks(policy) && !captures(plan, policy)) else { continue };
        // What is new may be in the way of others: alone, a policy whose slot is satisfied has no capture and nothing new.
        let alone = decide(&order.set, facts, now, &Request { only: BTreeSet::from([policy.clone()]), ..request.clone() });
        let own = news(order, &alone);
        let why = if own.is_some() || !captures(&alone, policy) { own } else { news(order, plan) };
        lost.extend(why.map(|finding| (step.clone(), result(finding, request))));
    }
    lost
}

/// A guard that is still there at the end of the run refuses it: that is no failure of the step. What was asked for by hand is not due
/// any more at the end, so that nothing else would say it.
fn result(finding: &Finding, request: &Request) -> StepResult {
    let message = finding.message.clone();
    if finding.code == code::NO_ROOM && !request.now { StepResult::Skipped { message } } else { StepResult::Failed { message } }
}

fn captures(plan: &Plan, policy: &Name) -> bool {
    plan.steps.iter().any(|step| matches!(step.work, Work::Capture { .. }) && step.work.policy() == Some(policy))
}

/// The first error that the shown plan did not have.
fn news<'a>(order: &Order, plan: &'a Plan) -> Option<&'a Finding> {
    plan.findings.iter().find(|finding| finding.severity == Severity::Error && !order.plan.findings.contains(finding))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::facts::{RuntimeFacts, SourceFacts, StoreFacts};
    use crate::model::read;

    const TEXT: &str = "version = 1\nname = \"demo\"\ntimezone = \"Etc/UTC\"\n[store.directory.local]\npath = \"backups\"\n\
        [schedule]\nnightly = { cron = \"0 2 * * *\" }\n\
        [source.files.one]\npaths = [\"one\"]\n[policy.one]\nsource = \"one\"\nschedule = \"nightly\"\nstores = [\"local\"]\n\
        [source.files.two]\npaths = [\"two\"]\n[policy.two]\nsource = \"two\"\nschedule = \"nightly\"\nstores = [\"local\"]\n";

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    /// The order for what was shown, with everything well, and the facts of that.
    fn order(sources: &[(&str, SourceFacts)]) -> (Order, Facts) {
        let loaded = read(&[("lucid-policy.toml".to_owned(), TEXT.to_owned())], Path::new("/"));
        let set = Arc::new(loaded.set.unwrap_or_else(|| panic!("{:#?}", loaded.findings)));
        let facts = Facts {
            at: "2026-11-23T12:00:00Z".parse().unwrap(),
            host: "host".to_owned(),
            stores: BTreeMap::from([(name("local"), StoreFacts::New)]),
            sources: sources.iter().map(|(source, facts)| (name(source), facts.clone())).collect(),
            runtime: RuntimeFacts::NotNeeded,
            owed: Vec::new(),
        };
        let request = Request::default();
        let plan = decide(&set, &facts, facts.at, &request);
        (Order { set, plan, request, approved: None }, facts)
    }

    fn found(order: &Order, facts: &Facts, request: &Request) -> Vec<(String, String)> {
        let plan = decide(&order.set, facts, facts.at, request);
        lost(order, &plan, facts, facts.at, request)
            .into_iter()
            .map(|(step, result)| match result {
                StepResult::Failed { message } => (step.address, message),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn a_capture_that_something_new_stands_in_the_way_of_is_lost() {
        let (order, mut facts) = order(&[("one", SourceFacts::Ready), ("two", SourceFacts::Ready)]);
        assert_eq!(found(&order, &facts, &order.request), []);
        facts.sources.insert(name("one"), SourceFacts::Unusable("`one` is not there".to_owned()));
        let lost = found(&order, &facts, &order.request);
        assert_eq!(lost.len(), 1, "{lost:?}");
        assert!(lost[0].0.starts_with("capture:policy.one@") && lost[0].1.contains("`one` is not there"), "{lost:?}");
        // What another run holds is not lost here.
        assert_eq!(found(&order, &facts, &Request { only: BTreeSet::from([name("two")]), ..Request::default() }), []);
    }

    #[test]
    fn what_was_shown_to_be_in_the_way_is_not_new() {
        let gone = SourceFacts::Unusable("`one` is not there".to_owned());
        let (order, facts) = order(&[("one", gone), ("two", SourceFacts::Ready)]);
        assert_eq!(found(&order, &facts, &order.request), []);
    }

    #[test]
    fn a_capture_that_is_not_due_any_more_is_dropped_whatever_is_new_elsewhere() {
        let (mut order, mut facts) = order(&[("one", SourceFacts::Ready), ("two", SourceFacts::Ready)]);
        facts.sources.insert(name("two"), SourceFacts::Unusable("`two` is not there".to_owned()));
        // As if somebody else had made it: nothing is due of it, and nothing is wrong with it.
        let set = Arc::make_mut(&mut order.set);
        set.policies.get_mut(&name("one")).unwrap().state = crate::model::PolicyState::Paused;
        let lost = found(&order, &facts, &order.request);
        assert_eq!(lost.len(), 1, "{lost:?}");
        assert!(lost[0].0.starts_with("capture:policy.two@"), "{lost:?}");
    }
}
