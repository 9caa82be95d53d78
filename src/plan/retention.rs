//! Which artifacts of one series in one store stay, and why. Pure; nothing here deletes.
//!
//! Rules are OR-ed and may share an artifact. A rule of N keeps the newest artifact of each of the first N non-empty buckets, newest
//! bucket first; `keep_within` counts from the newest artifact, not from the clock, so that an idle host expires nothing. Floors
//! (newest complete, newest verified, `min_count`, `min_age`, holds) cannot be configured away. Artifacts that are not listed
//! complete, and artifacts from the future, take no place in any rule: adding one changes no other verdict.

use std::collections::HashMap;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::bucket::{Bucket, Unit};
use crate::model::id::{ArtifactId, Instant, Random};
use crate::model::{Period, Retention, Zone};

/// How far ahead of the facts an artifact may be before it is from the future.
pub const FUTURE_TOLERANCE: TimeDelta = TimeDelta::minutes(5);

/// What retention needs to know of an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// Its identity.
    pub id: ArtifactId,
    /// When its content was true.
    pub instant: Instant,
    /// The artifact it cannot be restored without.
    pub need: Option<Random>,
    /// The set it belongs to.
    pub set: Option<Random>,
    /// Whether it counts: listed complete, not known damaged, its need usable.
    pub complete: bool,
    /// Whether a check of its stored bytes or deeper has passed.
    pub verified: bool,
    /// Whether it is pinned.
    pub held: bool,
}

/// The rules as they are applied: nothing is read from anywhere else.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// None keeps everything.
    pub retention: Option<&'a Retention>,
    /// The zone of the buckets.
    pub zone: Zone,
    /// The time of the plan.
    pub now: Instant,
    /// The time of the facts, against which the future is judged.
    pub seen: Instant,
}

/// Why an artifact stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "kebab-case")]
pub enum Keep {
    /// No retention is declared.
    NoRetention,
    /// It is dated after the facts.
    Future,
    /// A rule with buckets took it.
    Bucket {
        /// The rule.
        unit: Unit,
        /// Its place, 1 for the newest bucket.
        ordinal: u32,
        /// The bucket as people write it.
        bucket: String,
    },
    /// Among the newest N.
    Last {
        /// Its place, 1 for the newest.
        ordinal: u32,
    },
    /// Young enough, counted from the newest.
    Within,
    /// The oldest one, while the coarsest rule has free places.
    OldestUntilFull,
    /// The newest complete one.
    Newest,
    /// The newest one that passed a check.
    NewestVerified,
    /// Among the `min_count` newest.
    MinCount,
    /// Younger than `min_age`.
    MinAge,
    /// Pinned.
    Hold,
    /// Something that stays cannot be restored without it.
    NeededBy {
        /// What needs it.
        id: ArtifactId,
    },
    /// A member of the same set stays.
    Set {
        /// The member that stays for a reason of its own.
        id: ArtifactId,
    },
    /// What it needs is not listed: nothing of its chain is deleted.
    Frozen,
    /// It is not complete, but its place in the rules is not over.
    Damaged,
    /// Another store's rules keep it, and that store lacks it.
    AwaitingCopy {
        /// The store that lacks it.
        store: String,
    },
    /// No rule keeps it, and its store does not give it up.
    Locked {
        /// Until then.
        until: Instant,
    },
}

/// Why one rule did not keep an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "miss", rename_all = "kebab-case")]
pub enum Miss {
    /// A newer artifact stands for the same bucket.
    Superseded {
        /// The rule.
        unit: Unit,
        /// The artifact that took the place.
        by: ArtifactId,
    },
    /// Its bucket is further back than the rule reaches.
    Beyond {
        /// The rule.
        unit: Unit,
        /// The bucket's place.
        ordinal: u32,
        /// How many the rule keeps.
        of: u32,
    },
    /// Not among the newest N.
    Last {
        /// Its place.
        ordinal: u32,
        /// How many the rule keeps.
        of: u32,
    },
    /// Older than `keep_within` from the newest.
    Within {
        /// The oldest instant that the rule keeps.
        since: Instant,
    },
}

/// The verdicts over one series in one store, in the order of the items given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdicts {
    /// For each item the first reason to keep it, or none.
    pub keep: Vec<Option<Keep>>,
    /// Item numbers from newest to oldest, those that count only.
    ranked: Vec<usize>,
    places: Vec<Places>,
    since: Option<Instant>,
}

/// One rule's buckets: for each ranked item its bucket's place and winner.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Places {
    unit: Unit,
    of: u32,
    by_rank: Vec<(u32, usize)>,
}

/// Judges every item.
pub fn judge(items: &[Item], rules: &Rules<'_>) -> Verdicts {
    let mut verdicts = judge_complete(items, rules);
    if let Some(retention) = rules.retention {
        for (number, item) in items.iter().enumerate().filter(|(_, i)| !i.complete) {
            if verdicts.keep[number].is_none() && verdicts.would_keep(items, item, retention, rules) {
                verdicts.keep[number] = Some(Keep::Damaged);
            }
        }
    }
    close(items, &mut verdicts.keep);
    verdicts
}

fn judge_complete(items: &[Item], rules: &Rules<'_>) -> Verdicts {
    let mut keep: Vec<Option<Keep>> = vec![None; items.len()];
    let horizon = rules.seen + FUTURE_TOLERANCE;
    let mut ranked: Vec<usize> = Vec::with_capacity(items.len());
    for (number, item) in items.iter().enumerate() {
        if item.held {
            keep[number] = Some(Keep::Hold);
        }
        if item.instant > horizon {
            keep[number].get_or_insert(Keep::Future);
        } else if item.complete {
            ranked.push(number);
        }
    }
    ranked.sort_unstable_by_key(|n| std::cmp::Reverse((items[*n].instant, items[*n].id)));
    let Some(retention) = rules.retention else {
        for kept in &mut keep {
            kept.get_or_insert(Keep::NoRetention);
        }
        return Verdicts { keep, ranked, places: Vec::new(), since: None };
    };
    let mut mark = |number: usize, why: Keep| {
        keep[number].get_or_insert(why);
    };
    let mut places = Vec::new();
    for (unit, of) in Unit::table(retention) {
        let by_rank = place(items, &ranked, unit, rules.zone);
        for (rank, (ordinal, winner)) in by_rank.iter().enumerate() {
            if *ordinal > of {
                break;
            }
            if *winner == ranked[rank] {
                let bucket = Bucket::of(items[*winner].instant, unit, rules.zone).to_string();
                mark(*winner, Keep::Bucket { unit, ordinal: *ordinal, bucket });
            }
        }
        places.push(Places { unit, of, by_rank });
    }
    for (number, ordinal) in ranked.iter().zip(1..=retention.last) {
        mark(*number, Keep::Last { ordinal });
    }
    let since = retention.within.as_ref().zip(ranked.first()).map(|(within, newest)| within.before(items[*newest].instant));
    if let Some(since) = since {
        for number in ranked.iter().take_while(|n| items[**n].instant > since) {
            mark(*number, Keep::Within);
        }
    }
    if retention.keep_oldest_until_full
        && let (Some(coarsest), Some(oldest)) = (places.last(), ranked.last())
        && coarsest.by_rank.last().is_some_and(|(ordinal, _)| *ordinal < coarsest.of)
    {
        mark(*oldest, Keep::OldestUntilFull);
    }
    floors(items, &ranked, retention, rules.now, mark);
    Verdicts { keep, ranked, places, since }
}

fn floors(items: &[Item], ranked: &[usize], retention: &Retention, now: Instant, mut mark: impl FnMut(usize, Keep)) {
    if let Some(newest) = ranked.first() {
        mark(*newest, Keep::Newest);
    }
    if let Some(verified) = ranked.iter().find(|n| items[**n].verified) {
        mark(*verified, Keep::NewestVerified);
    }
    for number in ranked.iter().take(retention.min_count as usize) {
        mark(*number, Keep::MinCount);
    }
    let young = retention.min_age.before(now);
    for number in ranked.iter().take_while(|n| items[**n].instant > young) {
        mark(*number, Keep::MinAge);
    }
}

/// For each ranked item its bucket's place, counted from 1 at the newest, and the item that stands for the bucket.
fn place(items: &[Item], ranked: &[usize], unit: Unit, zone: Zone) -> Vec<(u32, usize)> {
    let mut places = Vec::with_capacity(ranked.len());
    let mut current: Option<(Bucket, u32, usize)> = None;
    for number in ranked {
        let bucket = Bucket::of(items[*number].instant, unit, zone);
        let entry = match current {
            Some((held, ordinal, winner)) if held == bucket => (held, ordinal, winner),
            Some((_, ordinal, _)) => (bucket, ordinal + 1, *number),
            None => (bucket, 1, *number),
        };
        places.push((entry.1, entry.2));
        current = Some(entry);
    }
    places
}

/// Keeps what kept artifacts need, the sets they belong to, and chains whose root is not listed; to the fixpoint.
fn close(items: &[Item], keep: &mut [Option<Keep>]) {
    if items.iter().all(|i| i.need.is_none() && i.set.is_none()) {
        return;
    }
    let by_random: HashMap<Random, usize> = items.iter().enumerate().map(|(n, i)| (i.id.random(), n)).collect();
    for (number, item) in items.iter().enumerate() {
        if item.need.is_some_and(|need| !by_random.contains_key(&need)) {
            keep[number].get_or_insert(Keep::Frozen);
        }
    }
    let mut members: HashMap<Random, Vec<usize>> = HashMap::new();
    for (number, item) in items.iter().enumerate() {
        if let Some(set) = item.set {
            members.entry(set).or_default().push(number);
        }
    }
    let mut open: Vec<usize> = (0..items.len()).filter(|n| keep[*n].is_some()).collect();
    while let Some(number) = open.pop() {
        let item = &items[number];
        if let Some(needed) = item.need.and_then(|need| by_random.get(&need).copied())
            && keep[needed].is_none()
        {
            keep[needed] = Some(Keep::NeededBy { id: item.id });
            open.push(needed);
        }
        for member in item.set.and_then(|set| members.get(&set)).into_iter().flatten() {
            if keep[*member].is_none() {
                keep[*member] = Some(Keep::Set { id: item.id });
                open.push(*member);
            }
        }
    }
}

/// Kept artifacts, newest first.
#[derive(Debug, Clone)]
pub struct Survivors(Vec<(Instant, ArtifactId)>);

impl Survivors {
    /// The nearest older and the nearest newer one.
    pub fn around(&self, at: Instant) -> (Option<ArtifactId>, Option<ArtifactId>) {
        let split = self.0.partition_point(|(instant, _)| *instant > at);
        (self.0.get(split).map(|(_, id)| *id), split.checked_sub(1).map(|n| self.0[n].1))
    }
}

impl Verdicts {
    /// Keeps artifacts for a reason that lies outside their series, with all they need.
    pub fn pin(&mut self, items: &[Item], pins: impl IntoIterator<Item = (usize, Keep)>) {
        for (number, why) in pins {
            self.keep[number].get_or_insert(why);
        }
        close(items, &mut self.keep);
    }

    /// Whether an artifact that is not complete would be kept if it alone were whole: damage hastens no end, and moves nobody.
    fn would_keep(&self, items: &[Item], item: &Item, retention: &Retention, rules: &Rules<'_>) -> bool {
        let newer = self.ranked.partition_point(|n| (items[*n].instant, items[*n].id) > (item.instant, item.id));
        let place = u32::try_from(newer).unwrap_or(u32::MAX);
        let in_bucket = |places: &Places| {
            let Some(before) = newer.checked_sub(1) else { return true };
            let bucket = |at| Bucket::of(at, places.unit, rules.zone);
            bucket(items[self.ranked[before]].instant) != bucket(item.instant) && places.by_rank[before].0 < places.of
        };
        let free = |places: &Places| places.by_rank.last().is_some_and(|(ordinal, _)| *ordinal < places.of);
        let oldest = retention.keep_oldest_until_full && newer == self.ranked.len();
        newer == 0
            || oldest && self.places.last().is_some_and(free)
            || place < retention.last.max(retention.min_count)
            || item.instant > retention.min_age.before(rules.now)
            || self.since.is_some_and(|since| item.instant > since)
            || self.places.iter().any(in_bucket)
    }

    /// Whether an artifact stays.
    pub fn kept(&self, number: usize) -> bool {
        self.keep[number].is_some()
    }

    /// Why each rule let the artifact go, rule by rule; empty for one that took no place in any.
    pub fn misses(&self, items: &[Item], retention: &Retention, number: usize) -> Vec<Miss> {
        let order = |n: usize| std::cmp::Reverse((items[n].instant, items[n].id));
        let Ok(rank) = self.ranked.binary_search_by_key(&order(number), |n| order(*n)) else {
            return Vec::new();
        };
        let mut misses: Vec<Miss> = self
            .places
            .iter()
            .map(|places| {
                let (ordinal, winner) = places.by_rank[rank];
                if winner == number || ordinal > places.of {
                    Miss::Beyond { unit: places.unit, ordinal, of: places.of }
                } else {
                    Miss::Superseded { unit: places.unit, by: items[winner].id }
                }
            })
            .collect();
        if retention.last > 0 {
            misses.push(Miss::Last { ordinal: u32::try_from(rank + 1).unwrap_or(u32::MAX), of: retention.last });
        }
        misses.extend(self.since.map(|since| Miss::Within { since }));
        misses
    }

    /// The kept artifacts, which still cover a deleted one's time.
    pub fn survivors(&self, items: &[Item]) -> Survivors {
        Survivors(self.ranked.iter().filter(|n| self.keep[**n].is_some()).map(|n| (items[*n].instant, items[*n].id)).collect())
    }

    /// The next instant at which a verdict changes by time alone.
    pub fn changes_at(&self, items: &[Item], min_age: &Period, now: Instant) -> Option<Instant> {
        let only_young = |n: &&usize| self.keep[**n] == Some(Keep::MinAge);
        self.ranked.iter().filter(only_young).map(|n| min_age.after(items[*n].instant)).filter(|at| *at > now).min()
    }
}
