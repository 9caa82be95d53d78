//! The laws of retention, over random series, zones and rules.

use std::collections::BTreeSet;

use chrono::{Datelike, Days, NaiveDate, TimeDelta, TimeZone, Utc};
use proptest::prelude::*;

use crate::model::id::{ArtifactId, Capture, Instant, Random};
use crate::model::{Period, Retention, Zone};
use crate::plan::retention::{FUTURE_TOLERANCE, Item, Keep, Miss, Rules, judge};
use crate::plan::{Bucket, Unit};

fn id(start: Instant, number: usize) -> ArtifactId {
    let mut bytes = [0_u8; 10];
    bytes[2..].copy_from_slice(&(number as u64).to_be_bytes());
    ArtifactId::new(start, Capture::Full, Random::new(bytes))
}

fn item(at: Instant, number: usize) -> Item {
    Item { id: id(at, number), instant: at, need: None, set: None, complete: true, verified: false, held: false }
}

fn zones() -> impl Strategy<Value = Zone> {
    prop::sample::select(vec!["Etc/UTC", "Europe/Berlin", "America/Sao_Paulo", "Pacific/Apia", "Australia/Lord_Howe", "Asia/Kolkata"])
        .prop_map(|name| name.parse().unwrap())
}

fn hours(count: i64) -> Period {
    format!("{count}h").parse().unwrap()
}

fn retentions() -> impl Strategy<Value = Retention> {
    let count = || prop_oneof![3 => Just(0_u32), 4 => 1_u32..8];
    (prop::option::of(1_i64..900), count(), count(), count(), count(), count(), count(), (1_u32..4, 1_i64..72, any::<bool>())).prop_map(
        |(within, last, hourly, daily, weekly, monthly, yearly, (min_count, min_age, keep_oldest_until_full))| Retention {
            within: within.map(hours),
            last,
            hourly,
            daily,
            weekly,
            monthly,
            quarterly: monthly / 2,
            yearly,
            min_count,
            min_age: hours(min_age),
            keep_oldest_until_full,
        },
    )
}

/// Instants near the edges of weeks, years, leap days and clock changes, and anywhere.
fn instants() -> impl Strategy<Value = Instant> {
    let near = |y, m, d| {
        let day = Utc.with_ymd_and_hms(y, m, d, 0, 0, 0).unwrap();
        (-4320_i64..4320).prop_map(move |minutes| day + TimeDelta::minutes(minutes))
    };
    prop_oneof![
        near(2025, 12, 29),
        near(2026, 1, 4),
        near(2024, 2, 29),
        near(2026, 3, 29),
        near(2026, 10, 25),
        near(2011, 12, 30),
        (1_700_000_000_i64..1_790_000_000).prop_map(|s| Utc.timestamp_opt(s, 0).unwrap()),
    ]
}

fn series() -> impl Strategy<Value = Vec<Item>> {
    prop::collection::vec((instants(), any::<[bool; 2]>(), 0_u8..10), 0..60).prop_map(|made| {
        let mut items: Vec<Item> = made
            .into_iter()
            .enumerate()
            .map(|(number, (at, [verified, held], dice))| Item {
                verified,
                held: held && dice == 0,
                complete: dice != 1,
                ..item(at, number)
            })
            .collect();
        for number in 1..items.len() {
            // Some need an older complete one, as an unchanged tree needs the owner of its bytes.
            if number % 4 == 0 && items[number - 1].need.is_none() {
                items[number].need = Some(items[number - 1].id.random());
            }
        }
        items
    })
}

fn rules(retention: &Retention, zone: Zone, now: Instant) -> Rules<'_> {
    Rules { retention: Some(retention), zone, now, seen: now }
}

fn kept(items: &[Item], rules: &Rules<'_>) -> BTreeSet<ArtifactId> {
    let verdicts = judge(items, rules);
    items.iter().zip(&verdicts.keep).filter(|(_, k)| k.is_some()).map(|(i, _)| i.id).collect()
}

fn now() -> Instant {
    Utc.with_ymd_and_hms(2026, 11, 23, 9, 0, 0).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_the_items_changes_no_verdict(items in series(), retention in retentions(), zone in zones(), seed in any::<usize>()) {
        let rules = rules(&retention, zone, now());
        let mut shuffled = items.clone();
        let length = shuffled.len().max(1);
        for number in 0..shuffled.len() {
            shuffled.swap(number, seed.wrapping_mul(number + 7) % length);
        }
        prop_assert_eq!(kept(&items, &rules), kept(&shuffled, &rules));
    }

    #[test]
    fn what_is_kept_is_kept_again(items in series(), retention in retentions(), zone in zones()) {
        let rules = rules(&retention, zone, now());
        let first = kept(&items, &rules);
        let left: Vec<Item> = items.into_iter().filter(|i| first.contains(&i.id)).collect();
        prop_assert_eq!(kept(&left, &rules), first);
    }

    #[test]
    fn more_generous_rules_keep_more(items in series(), retention in retentions(), zone in zones(), more in 1_u32..5) {
        let retention = Retention { keep_oldest_until_full: false, ..retention };
        let generous = Retention {
            last: retention.last + more,
            daily: retention.daily + more,
            weekly: retention.weekly + more,
            min_count: retention.min_count + more,
            min_age: hours(24 * 30),
            within: Some(hours(2000)),
            ..retention.clone()
        };
        let (few, many) = (kept(&items, &rules(&retention, zone, now())), kept(&items, &rules(&generous, zone, now())));
        prop_assert!(few.is_subset(&many), "{:?}", few.difference(&many).collect::<Vec<_>>());
    }

    #[test]
    fn floors_hold_under_every_rule(items in series(), retention in retentions(), zone in zones()) {
        let kept = kept(&items, &rules(&retention, zone, now()));
        let mut counting: Vec<&Item> = items.iter().filter(|i| i.complete && i.instant <= now() + FUTURE_TOLERANCE).collect();
        counting.sort_by_key(|i| std::cmp::Reverse((i.instant, i.id)));
        for floor in counting.iter().take(retention.min_count as usize).chain(counting.iter().find(|i| i.verified)) {
            prop_assert!(kept.contains(&floor.id));
        }
        for young in counting.iter().filter(|i| i.instant > retention.min_age.before(now())) {
            prop_assert!(kept.contains(&young.id));
        }
        for item in items.iter().filter(|i| i.held) {
            prop_assert!(kept.contains(&item.id));
        }
        for item in items.iter().filter(|i| kept.contains(&i.id)) {
            if let Some(need) = item.need {
                prop_assert!(items.iter().any(|i| i.id.random() == need && kept.contains(&i.id)));
            }
        }
    }

    #[test]
    fn damaged_and_future_items_change_no_other_verdict(items in series(), retention in retentions(), zone in zones(), extra in instants(), ahead in 1_i64..100_000) {
        let rules = rules(&retention, zone, now());
        let before = kept(&items, &rules);
        for stranger in [Item { complete: false, ..item(extra, 9_000) }, item(now() + TimeDelta::minutes(5 + ahead), 9_001)] {
            let mut more = items.clone();
            more.push(stranger);
            let mut after = kept(&more, &rules);
            after.remove(&stranger.id);
            prop_assert_eq!(&after, &before);
        }
    }

    #[test]
    fn a_rule_keeps_at_most_its_count_and_the_newest_of_each_bucket(items in series(), count in 1_u32..9, zone in zones()) {
        for unit in [Unit::Hourly, Unit::Daily, Unit::Weekly, Unit::Monthly, Unit::Quarterly, Unit::Yearly] {
            let mut retention = Retention { min_count: 1, min_age: hours(1), ..Retention::FLOORS };
            *match unit {
                Unit::Hourly => &mut retention.hourly,
                Unit::Daily => &mut retention.daily,
                Unit::Weekly => &mut retention.weekly,
                Unit::Monthly => &mut retention.monthly,
                Unit::Quarterly => &mut retention.quarterly,
                Unit::Yearly => &mut retention.yearly,
            } = count;
            let verdicts = judge(&items, &rules(&retention, zone, now()));
            let taken: Vec<&Item> = items.iter().zip(&verdicts.keep).filter(|(_, k)| matches!(k, Some(Keep::Bucket { .. }))).map(|(i, _)| i).collect();
            prop_assert!(taken.len() <= count as usize);
            for one in &taken {
                let same = |i: &&Item| i.complete && i.instant <= now() && Bucket::of(i.instant, unit, zone) == Bucket::of(one.instant, unit, zone);
                prop_assert!(items.iter().filter(same).all(|i| (i.instant, i.id) <= (one.instant, one.id)));
            }
        }
    }

    #[test]
    fn buckets_agree_with_arithmetic_of_another_kind(a in instants(), b in instants(), zone in zones()) {
        let (one, two) = (zone.civil(a).date(), zone.civil(b).date());
        let monday = |d: NaiveDate| d - Days::new(u64::from(d.weekday().num_days_from_monday()));
        let same = |unit| Bucket::of(a, unit, zone) == Bucket::of(b, unit, zone);
        prop_assert_eq!(same(Unit::Weekly), monday(one) == monday(two));
        prop_assert_eq!(same(Unit::Daily), one.num_days_from_ce() == two.num_days_from_ce());
        prop_assert_eq!(same(Unit::Monthly), one.format("%Y%m").to_string() == two.format("%Y%m").to_string());
        prop_assert_eq!(same(Unit::Yearly), one.format("%Y").to_string() == two.format("%Y").to_string());
        let quarter = |d: NaiveDate| (d.year(), d.month().div_ceil(3));
        prop_assert_eq!(same(Unit::Quarterly), quarter(one) == quarter(two));
    }

    #[test]
    fn expiring_after_every_backup_comes_to_the_same_as_expiring_once(gaps in prop::collection::vec(1_i64..50, 1..80), daily in 0_u32..6, weekly in 0_u32..4, last in 1_u32..4, within in prop::option::of(1_i64..400), zone in zones()) {
        let retention = Retention { daily, weekly, last, within: within.map(hours), min_count: 1, min_age: hours(1), ..Retention::FLOORS };
        let mut at = now() - TimeDelta::days(200);
        let (mut all, mut online): (Vec<Item>, Vec<Item>) = (Vec::new(), Vec::new());
        for (number, gap) in gaps.into_iter().enumerate() {
            at += TimeDelta::hours(gap);
            all.push(item(at, number));
            online.push(item(at, number));
            let left = kept(&online, &rules(&retention, zone, at));
            online.retain(|i| left.contains(&i.id));
        }
        let once = kept(&all, &rules(&retention, zone, at));
        prop_assert_eq!(online.into_iter().map(|i| i.id).collect::<BTreeSet<_>>(), once);
    }
}

#[test]
fn the_oldest_stays_only_while_the_coarsest_rule_has_free_places() {
    // Four weeks, then three of three: were that not full, the oldest of the third would be kept now and was not before.
    let at = |text: &str| text.parse::<Instant>().unwrap();
    let days = ["2026-10-29", "2026-11-02", "2026-11-04", "2026-11-11", "2026-11-18"].iter().enumerate();
    let items: Vec<Item> = days.map(|(n, day)| item(at(&format!("{day}T02:00:00Z")), n)).collect();
    let retention = Retention { weekly: 3, min_count: 1, min_age: hours(1), keep_oldest_until_full: true, ..Retention::FLOORS };
    let rules = |retention| Rules { retention: Some(retention), zone: "Etc/UTC".parse().unwrap(), now: now(), seen: now() };
    let numbers = |items: &[Item], retention| (0..items.len()).filter(|n| judge(items, &rules(retention)).kept(*n)).collect::<Vec<_>>();
    assert_eq!(numbers(&items, &retention), [2, 3, 4]);
    assert_eq!(numbers(&items[1..], &retention), [1, 2, 3]);
    let roomy = Retention { weekly: 5, ..retention.clone() };
    assert_eq!(numbers(&items, &roomy), [0, 2, 3, 4]);
    let mut damaged = items.clone();
    damaged[0].complete = false;
    assert!(numbers(&damaged, &roomy).contains(&0), "damage hastens no end");
}

#[test]
fn weeks_that_fooled_others_are_told_apart() {
    // One ISO week over two years, and two days of one calendar year 52 weeks apart.
    let at = |text: &str| text.parse::<Instant>().unwrap();
    let zone: Zone = "Etc/UTC".parse().unwrap();
    let week = |text: &str| Bucket::of(at(text), Unit::Weekly, zone);
    assert_eq!(week("2025-12-30T12:00:00Z"), week("2026-01-03T12:00:00Z"));
    assert_ne!(week("2025-01-01T12:00:00Z"), week("2025-12-30T12:00:00Z"));
}

#[test]
fn a_chain_whose_root_is_missing_is_frozen() {
    let base = now() - TimeDelta::days(100);
    let mut items: Vec<Item> = (0..6).map(|n| item(base + TimeDelta::days(n), n.try_into().unwrap())).collect();
    items[2].need = Some(Random::new([9; 10]));
    items[3].need = Some(items[2].id.random());
    let retention = Retention { last: 1, min_count: 1, ..Retention::FLOORS };
    let zone: Zone = "Etc/UTC".parse().unwrap();
    let verdicts = judge(&items, &rules(&retention, zone, now()));
    assert_eq!(verdicts.keep[2], Some(Keep::Frozen));
    assert_eq!((0..6).map(|n| verdicts.kept(n)).collect::<Vec<_>>(), [false, false, true, false, false, true]);
}

#[test]
fn a_delete_says_which_rule_let_it_go_and_what_still_covers_its_time() {
    let at = |text: &str| text.parse::<Instant>().unwrap();
    let zone: Zone = "Etc/UTC".parse().unwrap();
    let items: Vec<Item> = ["2026-11-01T02:00:00Z", "2026-11-02T02:00:00Z", "2026-11-02T14:00:00Z", "2026-11-20T02:00:00Z"]
        .iter()
        .enumerate()
        .map(|(n, t)| item(at(t), n))
        .collect();
    let retention = Retention { daily: 2, min_count: 1, ..Retention::FLOORS };
    let verdicts = judge(&items, &rules(&retention, zone, now()));
    assert_eq!(verdicts.misses(&items, &retention, 1), [Miss::Superseded { unit: Unit::Daily, by: items[2].id }]);
    assert_eq!(verdicts.misses(&items, &retention, 0), [Miss::Beyond { unit: Unit::Daily, ordinal: 3, of: 2 }]);
    assert_eq!(verdicts.survivors(&items).around(items[1].instant), (None, Some(items[2].id)));
}

#[test]
fn all_of_a_chain_may_be_missing_its_root() {
    // Every item of the chain needs one that is not there: nothing of it goes, whatever its age.
    let retention = Retention { last: 1, min_count: 1, ..Retention::FLOORS };
    let old = Item { need: Some(Random::new([7; 10])), ..item(now() - TimeDelta::days(900), 1) };
    let verdicts = judge(&[old, item(now(), 2)], &rules(&retention, "Etc/UTC".parse().unwrap(), now()));
    assert!(verdicts.kept(0));
}
