//! The laws of a whole plan, over random manifests and facts: two policies, two stores, artifacts with needs, damage, holds,
//! generations and wrong clocks, orphans, leftovers, stores that are new, away or listed in part.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::TimeDelta;
use proptest::prelude::*;

use crate::facts::{
    Artifact, Check, CheckResult, Facts, Generation, Hold, Leftover, Listing, Orphan, Payload, Series, SourceFacts, StoreFacts, Trouble,
};
use crate::model::id::{ArtifactId, Capture, Instant, Name, Random};
use crate::model::{PolicySet, read};
use crate::plan::oracle::begins;
use crate::plan::{FUTURE_TOLERANCE, Item, Plan, Request, Role, Rules, Step, Work, decide, evolve, judge, removals};

const STORES: [&str; 2] = ["local", "offsite"];
const SERIES: [&str; 2] = ["dumps", "trees"];

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn now() -> Instant {
    "2026-11-23T09:00:00Z".parse().unwrap()
}

fn retentions() -> impl Strategy<Value = String> {
    let count = || prop_oneof![2 => Just(0_u32), 3 => 1_u32..6];
    (count(), count(), count(), prop::option::of(2_u32..200), 1_u32..4, 1_u32..48, any::<bool>()).prop_map(
        |(last, daily, weekly, within, min_count, min_age, oldest)| {
            let mut keys = vec![format!("min_count = {min_count}, min_age = \"{min_age}h\", keep_oldest_until_full = {oldest}")];
            let rules = [("keep_last", last), ("keep_daily", daily), ("keep_weekly", weekly)];
            keys.extend(rules.into_iter().filter(|(_, n)| *n > 0).map(|(key, n)| format!("{key} = {n}")));
            keys.extend(within.or((last + daily + weekly == 0).then_some(60)).map(|hours| format!("keep_within = \"{hours}h\"")));
            format!("{{ {} }}", keys.join(", "))
        },
    )
}

fn sets() -> impl Strategy<Value = PolicySet> {
    let policy = (
        prop::sample::select(vec!["0 * * * *", "0 2 * * *", "30 1 * * 0"]),
        prop::sample::select(vec!["\"local\", \"offsite\"", "\"local\", \"offsite\"", "\"offsite\", \"local\"", "\"local\""]),
        prop_oneof![8 => Just(""), 1 => Just("state = \"paused\"\n"), 1 => Just("state = \"retired\"\n"), 1 => Just("rpo = \"30h\"\n")],
    );
    let backfill = || prop::sample::select(vec!["all", "all", "newest", "none"]);
    let whole = (prop::sample::select(vec!["0.5", "1.0"]), any::<bool>(), [backfill(), backfill()]);
    (prop::collection::vec(retentions(), 4), prop::collection::vec(policy, 2), whole).prop_map(
        |(rules, policies, (fraction, tight, backfill))| {
            let mut text = format!(
                "version = 1\nname = \"lucid\"\ntimezone = \"Etc/UTC\"\n[guard]\nmax_delete_fraction = {fraction}\n\
                 [store.directory.local]\npath = \"/a\"\nbackfill = \"{}\"\n{}[store.directory.offsite]\npath = \"/b\"\nbackfill = \"{}\"\n\
                 [source.files.tree]\npaths = [\"/srv\"]\n[source.command.dump]\ncommand = [\"dump\"]\n[retention]\n",
                backfill[0],
                if tight { "min_free = \"1KiB\"\n" } else { "" },
                backfill[1],
            );
            for (n, rule) in rules.iter().enumerate() {
                text.push_str(&format!("r{n} = {rule}\n"));
            }
            text.push_str("[schedule]\n");
            for (series, (cron, ..)) in SERIES.iter().zip(&policies) {
                text.push_str(&format!("{series} = {{ cron = \"{cron}\" }}\n"));
            }
            for (n, (series, (_, stores, more))) in SERIES.iter().zip(&policies).enumerate() {
                let (source, at) = (if n == 0 { "dump" } else { "tree" }, stores.split('"').nth(1).unwrap());
                text.push_str(&format!(
                    "[policy.{series}]\nsource = \"{source}\"\nschedule = \"{series}\"\nstores = [{stores}]\nretention = \"r{n}\"\n\
                     retention_at = {{ {at} = \"r{}\" }}\n{more}",
                    n + 2
                ));
            }
            let loaded = read(&[("lucid-policy.toml".to_owned(), text.clone())], Path::new("/etc/lucid"));
            loaded.set.unwrap_or_else(|| panic!("{text}\n{:#?}", loaded.findings))
        },
    )
}

/// What one store has of one artifact: nothing in three of ten cases.
type Copy = (u8, u8, bool);

fn series_of(number: usize, made: &[(i64, u8, u8, [Copy; 2])]) -> [Series; 2] {
    let mut both = [Series::default(), Series::default()];
    let mut owner: Option<Random> = None;
    for (place, (age, kind, slot, copies)) in made.iter().enumerate() {
        // whole hours, so that two of one instant are not rare
        let start = now() - TimeDelta::hours(*age / 60) + if *kind == 9 { TimeDelta::days(40) } else { TimeDelta::zero() };
        let mut random = [u8::try_from(number).unwrap(); 10];
        random[9] = u8::try_from(place).unwrap();
        let id = ArtifactId::new(start, Capture::Full, Random::new(random));
        let need = if number == 1 && *kind < 4 { owner } else { None };
        for (series, (what, check, held)) in both.iter_mut().zip(copies) {
            let locked_until = (*check == 8).then(|| now() + TimeDelta::hours(i64::from(*slot) - 20));
            let result = [CheckResult::Pass, CheckResult::Fail, CheckResult::Unrun];
            let check = result.get(usize::from(*check)).map(|result| Check { at: now(), level: 1, result: *result });
            let generation = |n, payload, check| Generation {
                n,
                bytes: if need.is_some() { 0 } else { 500 },
                largest: 0,
                payload,
                readable: false,
                check,
            };
            let whole = |damaged: bool| if damaged && need.is_none() { Payload::Damaged } else { Payload::Complete };
            let generations = match what {
                0..3 => {
                    if *what == 0 {
                        series.orphans.push(orphan(number, id, *held));
                    }
                    continue;
                }
                3 => vec![generation(1, whole(true), None), generation(2, Payload::Complete, check)],
                4 => vec![generation(1, whole(true), None)],
                _ => vec![generation(1, Payload::Complete, check)],
            };
            let holds = if *held && *what > 7 { vec![Hold { name: "audit".to_owned() }] } else { Vec::new() };
            let slot = (*slot > 0).then(|| start - TimeDelta::minutes(i64::from(*slot)));
            series.artifacts.push(Artifact {
                id,
                instant: start + TimeDelta::minutes(1),
                slot,
                need,
                set: None,
                generations,
                holds,
                locked_until,
            });
        }
        if need.is_none() {
            owner = Some(id.random());
        }
    }
    both
}

fn orphan(number: usize, id: ArtifactId, abandoned: bool) -> Orphan {
    let keys = vec![format!("lucid/data/{}/{id}/output", SERIES[number])];
    let youngest = now() - TimeDelta::hours(if abandoned { 1 } else { 20 + id.start().timestamp() % 9 });
    Orphan { id: id.to_string(), generation: 1, keys, bytes: 7, youngest, abandoned, locked_until: None }
}

fn worlds() -> impl Strategy<Value = Facts> {
    let copy = || (0_u8..12, 0_u8..9, prop::bool::weighted(0.2));
    let artifact = || (0_i64..30_000, 0_u8..10, 0_u8..60, [copy(), copy()]);
    let series = || prop::collection::vec(artifact(), 0..24);
    let stores = prop::collection::vec(0_u8..24, 2);
    (series(), series(), stores, any::<bool>(), 0_u64..4000).prop_map(|(dumps, mut trees, stores, unusable, free)| {
        // an owner is older than what points at it
        trees.sort_by_key(|made| std::cmp::Reverse(made.0));
        let (dumps, trees) = (series_of(0, &dumps), series_of(1, &trees));
        let both = dumps.into_iter().zip(trees).zip(STORES).zip(stores);
        let stores = both.map(|(((dumps, trees), store), kind)| {
            let leftover =
                Leftover { key: "lucid/.lucid-tmp-1".to_owned(), bytes: 1, modified: now(), abandoned: kind % 2 == 0, locked_until: None };
            let listing = Listing {
                created: Some(now() - TimeDelta::hours(i64::from(kind) * 90)),
                payload_listed: kind != 3,
                clock_ahead: (kind == 4).then_some(400),
                complete: kind != 2,
                free: Some(free),
                series: [(name("dumps"), dumps.into()), (name("trees"), trees.into())].into(),
                leftovers: vec![leftover],
                ..Listing::empty(store.to_owned())
            };
            let facts = match kind {
                0 => StoreFacts::New,
                1 => StoreFacts::Unusable(Trouble::Away { known: "u".to_owned() }),
                _ => StoreFacts::Ready(Box::new(listing)),
            };
            (name(store), facts)
        });
        let tree = if unusable { SourceFacts::Unusable("it is gone".to_owned()) } else { SourceFacts::Ready };
        let sources = [(name("tree"), tree), (name("dump"), SourceFacts::NotChecked)].into();
        Facts {
            at: now(),
            host: "host-1".to_owned(),
            stores: stores.collect(),
            sources,
            runtime: crate::facts::RuntimeFacts::NotNeeded,
            owed: Vec::new(),
        }
    })
}

/// The same facts, their artifacts in another order.
fn turned(facts: &Facts) -> Facts {
    let mut facts = facts.clone();
    for store in facts.stores.values_mut() {
        let StoreFacts::Ready(listing) = store else { continue };
        for series in listing.series.values_mut() {
            series.artifacts.reverse();
            let middle = series.artifacts.len() / 3;
            series.artifacts.rotate_left(middle);
        }
    }
    facts
}

fn series<'a>(facts: &'a Facts, store: &Name, series: &Name) -> Option<&'a Series> {
    facts.stores.get(store)?.listing()?.series.get(series).map(|series| &**series)
}

fn usable(series: &Series, artifact: &Artifact) -> bool {
    let owner = |need| series.artifacts.iter().find(|a| a.id.random() == need);
    artifact.listed_complete() && artifact.need.is_none_or(|need| owner(need).is_some_and(Artifact::listed_complete))
}

fn deletes(plan: &Plan) -> impl Iterator<Item = (&Step, &Name, &ArtifactId, &Name)> {
    plan.steps.iter().filter_map(|step| match &step.work {
        Work::Delete { series, id, store, .. } => Some((step, series, id, store)),
        _ => None,
    })
}

fn roles() -> impl Strategy<Value = Request> {
    prop::sample::select(vec![Role::Whole, Role::Whole, Role::Writer, Role::Janitor])
        .prop_map(|role| Request { role, ..Request::default() })
}

/// The laws of what goes, against the facts from which it was decided.
fn nothing_needed_goes(set: &PolicySet, facts: &Facts, plan: &Plan) -> Result<(), TestCaseError> {
    let mut left = facts.clone();
    for (step, of, id, store) in deletes(plan) {
        let listed = series(facts, store, of).unwrap();
        let gone = listed.artifacts.iter().find(|a| a.id == *id).unwrap();
        prop_assert!(gone.holds.is_empty(), "{} is held", step.address);
        prop_assert!(gone.locked_until.is_none_or(|until| until <= plan.as_of), "{} is locked", step.address);
        let seen = facts.stores[store].listing().unwrap();
        prop_assert!(seen.payload_listed && seen.clock_ahead.is_none(), "{store} is not seen well enough for {}", step.address);
        let counts = |a: &&Artifact| usable(listed, a) && a.instant <= facts.at + FUTURE_TOLERANCE;
        let newest = listed.artifacts.iter().filter(counts).max_by_key(|a| (a.instant, a.id));
        prop_assert!(newest.is_none_or(|newest| newest.id != *id), "{} is the newest complete one", step.address);
        let Some(StoreFacts::Ready(listing)) = left.stores.get_mut(store) else { unreachable!() };
        let rest = listing.series.get_mut(of).unwrap();
        rest.artifacts.retain(|a| a.id != *id);
        // every prefix is a state that a kill can leave
        let child = rest.artifacts.iter().find(|a| a.need == Some(id.random()));
        prop_assert!(child.is_none(), "{} goes before what needs it", step.address);
    }
    for policy in set.policies.values() {
        for store in &policy.stores {
            let Some(listing) = facts.stores.get(store).and_then(StoreFacts::listing) else { continue };
            let here: BTreeMap<ArtifactId, &Artifact> =
                listing.series.get(&policy.series).into_iter().flat_map(|s| &s.artifacts).map(|a| (a.id, a)).collect();
            let mut all = here.clone();
            let mut whole = BTreeSet::new();
            for listed in policy.stores.iter().filter_map(|other| series(facts, other, &policy.series)) {
                for artifact in listed.artifacts.iter().filter(|a| usable(listed, a)) {
                    all.entry(artifact.id).or_insert(artifact);
                    whole.insert(artifact.id);
                }
            }
            let begins = begins(set, store, (facts.at, listing.created), &here, &all);
            let items: Vec<Item> = all
                .values()
                .filter(|a| here.contains_key(&a.id) || begins.is_none_or(|begins| a.instant >= begins))
                .map(|a| Item {
                    id: a.id,
                    instant: a.instant,
                    need: a.need,
                    set: None,
                    complete: whole.contains(&a.id),
                    verified: here.get(&a.id).is_some_and(|a| a.verified()),
                    held: here.get(&a.id).is_some_and(|a| !a.holds.is_empty()),
                })
                .collect();
            let retention = policy.retention_for(store).map(|r| &r.value);
            let verdicts = judge(&items, &Rules { retention, zone: set.zone, now: plan.as_of, seen: facts.at });
            for (number, item) in items.iter().enumerate().filter(|(_, i)| i.complete) {
                // its record here and its bytes there are enough: the bytes are copied before anything goes
                let whole = |random| {
                    let listed = policy.stores.iter().filter_map(|s| series(&left, s, &policy.series)).flat_map(|s| &s.artifacts);
                    listed.filter(|a| a.id.random() == random).any(Artifact::listed_complete)
                };
                let there = whole(item.id.random()) && item.need.is_none_or(whole);
                prop_assert!(there || !verdicts.kept(number), "{} is kept by {store} and whole nowhere any more", item.id);
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_is_the_same_every_time_and_in_every_order(set in sets(), facts in worlds()) {
        let plan = decide(&set, &facts, now(), &Request::default());
        prop_assert_eq!(&plan, &decide(&set, &facts, now(), &Request::default()));
        prop_assert_eq!(&plan, &decide(&set, &turned(&facts), now(), &Request::default()));
    }

    #[test]
    fn after_a_plan_there_is_nothing_left_to_plan(set in sets(), facts in worlds(), request in roles()) {
        let plan = decide(&set, &facts, now(), &request);
        let after = decide(&set, &evolve(&plan, &facts), now(), &request);
        prop_assert!(after.steps.is_empty(), "{:#?}\nafter\n{:#?}", after.steps, plan.steps.iter().map(|s| &s.address).collect::<Vec<_>>());
    }

    #[test]
    fn what_goes_now_is_nothing_that_is_needed_held_or_awaited(set in sets(), facts in worlds(), request in roles()) {
        let plan = removals(&set, &facts, now(), &request);
        nothing_needed_goes(&set, &facts, &plan)?;
        prop_assert!(request.role != Role::Writer || plan.steps.is_empty());
        let only = plan.steps.iter().all(|s| matches!(s.work, Work::Delete { .. } | Work::Sweep { .. }));
        prop_assert!(only);
    }

    #[test]
    fn what_a_whole_plan_deletes_is_right_once_the_rest_is_done(set in sets(), facts in worlds()) {
        let plan = decide(&set, &facts, now(), &Request::default());
        let (first, last): (Vec<Step>, Vec<Step>) = plan.steps.iter().cloned().partition(|s| !s.work.deletes());
        // deletes that make room come before the captures that need it, and stand on their own
        let early: BTreeSet<&String> = first.iter().filter(|s| matches!(s.work, Work::Capture { .. })).flat_map(|s| &s.after).collect();
        let (early, late): (Vec<Step>, Vec<Step>) = last.into_iter().partition(|s| early.contains(&s.address));
        nothing_needed_goes(&set, &facts, &Plan { steps: early.clone(), ..plan.clone() })?;
        let made = evolve(&Plan { steps: early.into_iter().chain(first).collect(), ..plan.clone() }, &facts);
        nothing_needed_goes(&set, &made, &Plan { steps: late, ..plan.clone() })?;
    }

    #[test]
    fn steps_have_their_own_addresses_and_wait_for_earlier_ones_only(set in sets(), facts in worlds(), now_asked in any::<bool>()) {
        let plan = decide(&set, &facts, now(), &Request { now: now_asked, ..Request::default() });
        let mut earlier: BTreeSet<&str> = BTreeSet::new();
        for step in &plan.steps {
            for before in &step.after {
                prop_assert!(earlier.contains(before.as_str()), "{} waits for {before}", step.address);
            }
            prop_assert!(earlier.insert(&step.address), "{} is there twice", step.address);
        }
    }
}
