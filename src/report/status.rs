//! Where every policy stands: its newest artifact on each store, how old it may be, when it runs next.

use chrono::TimeDelta;
use serde::Serialize;

use super::human::{instant, instant_in, span_of};
use super::restore::pending_text;
use super::window::quiet_text;
use crate::execute::restore::Pending;
use crate::execute::window::OpenWindow;
use crate::facts::{Facts, Owed, StoreFacts};
use crate::finding::{bytes, count};
use crate::model::id::{ArtifactId, Instant, Name, Random};
use crate::model::{Policy, PolicySet, PolicyState};

/// How many next runs are shown.
const NEXT_RUNS: usize = 3;

/// All policies.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// `major.minor`.
    pub format_version: &'static str,
    /// The manifest's name.
    pub instance: Name,
    /// When it was looked at.
    pub at: Instant,
    /// Whether any policy is late.
    pub late: bool,
    /// Each policy.
    pub policies: Vec<PolicyStatus>,
    /// Restores that wait for a commit or a roll-back, or were interrupted.
    pub restores: Vec<Pending>,
    /// What interrupted runs have quieted and not woken.
    pub owed: Vec<Owed>,
    /// What is quiet now, and will be woken.
    pub quiet: Vec<OpenWindow>,
    /// Leases that nobody has released, on the stores that answered.
    pub leases: Vec<LeaseStatus>,
}

/// One lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeaseStatus {
    /// The store.
    pub store: Name,
    /// The series.
    pub series: Name,
    /// `held`, `over` (its time has come), `gone` (its process has ended), or `unreadable`: then the rest is not known.
    pub state: &'static str,
    /// The run that has it, or had it last.
    pub run: Option<Random>,
    /// The name of that run's host.
    pub host: Option<String>,
    /// Since when.
    pub since: Option<Instant>,
    /// From when on others may take it unless it is renewed, by the store's time; none where it ends with the run's process.
    pub until: Option<Instant>,
}

/// One policy.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PolicyStatus {
    /// Its name.
    pub policy: Name,
    /// `active`, `paused` or `retired`.
    pub state: &'static str,
    /// Whether its objective is missed, or, without one, more than one slot.
    pub late: bool,
    /// Each of its stores.
    pub stores: Vec<StoreStatus>,
    /// Its next runs.
    pub next: Vec<Instant>,
}

/// One policy on one store.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoreStatus {
    /// The store.
    pub store: Name,
    /// Whether it answered.
    pub seen: bool,
    /// The newest artifact that can be restored.
    pub newest: Option<ArtifactId>,
    /// When its content was true.
    pub instant: Option<Instant>,
    /// Its age in seconds.
    pub age: Option<i64>,
    /// The oldest that it may be, in seconds.
    pub rpo: Option<u64>,
    /// Whether it is older than that, or there is none; false for a store that did not answer.
    pub late: bool,
    /// Artifacts there.
    pub artifacts: usize,
    /// Artifacts there that are damaged.
    pub damaged: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// Where every policy stands at an instant.
pub fn status_of(
    set: &PolicySet,
    facts: &Facts,
    now: Instant,
    restores: Vec<Pending>,
    quiet: Vec<OpenWindow>,
    leases: Vec<LeaseStatus>,
) -> Status {
    let policies: Vec<PolicyStatus> = set.policies.values().map(|p| policy_status(set, p, facts, now)).collect();
    Status {
        format_version: "1.0",
        instance: set.instance.clone(),
        at: now,
        late: policies.iter().any(|p| p.late),
        policies,
        restores,
        owed: facts.owed.iter().filter(|owed| !owed.alive).cloned().collect(),
        quiet,
        leases,
    }
}

fn policy_status(set: &PolicySet, policy: &Policy, facts: &Facts, now: Instant) -> PolicyStatus {
    let active = policy.state == PolicyState::Active;
    // Without an objective of its own a policy may miss one slot, not two.
    let grace = policy.schedule.as_ref().and_then(|s| {
        let newest = s.value.newest_at_or_before(now, set.zone)?;
        s.value.newest_at_or_before(newest - TimeDelta::seconds(1), set.zone)
    });
    let stores: Vec<StoreStatus> = policy.stores.iter().map(|store| store_status(policy, store, facts, now, active, grace)).collect();
    let next = if active {
        policy.schedule.as_ref().map(|s| s.value.after(now, set.zone).take(NEXT_RUNS).collect()).unwrap_or_default()
    } else {
        Vec::new()
    };
    let state = match policy.state {
        PolicyState::Active => "active",
        PolicyState::Paused => "paused",
        PolicyState::Retired => "retired",
    };
    PolicyStatus { policy: policy.name.clone(), state, late: stores.iter().any(|s| s.late), stores, next }
}

fn store_status(policy: &Policy, store: &Name, facts: &Facts, now: Instant, active: bool, grace: Option<Instant>) -> StoreStatus {
    let found = facts.stores.get(store);
    let series = found.and_then(StoreFacts::listing).and_then(|l| l.series.get(&policy.series));
    let artifacts = series.map_or(&[][..], |s| &s.artifacts);
    let whole = |need| artifacts.iter().any(|a| a.id.random() == need && a.listed_complete());
    let usable = |a: &&crate::facts::Artifact| a.listed_complete() && a.need.is_none_or(whole);
    let newest = artifacts.iter().filter(usable).max_by_key(|a| (a.instant, a.id));
    let rpo = policy.rpo_for(store);
    let seen = found.is_some_and(|f| !matches!(f, StoreFacts::Unusable(_)));
    // What is on a store that did not answer may be as new as it should be.
    let late = active
        && seen
        && match (newest, rpo) {
            (None, _) => true,
            (Some(newest), Some(rpo)) => newest.instant < rpo.before(now),
            (Some(newest), None) => grace.is_some_and(|grace| newest.slot.unwrap_or(newest.instant) < grace && newest.instant < grace),
        };
    StoreStatus {
        store: store.clone(),
        seen,
        newest: newest.map(|a| a.id),
        instant: newest.map(|a| a.instant),
        age: newest.map(|a| (now - a.instant).num_seconds()),
        rpo: rpo.map(crate::model::Period::at_most_seconds),
        late,
        artifacts: artifacts.len(),
        damaged: artifacts.iter().filter(|a| !usable(a)).count(),
        bytes: artifacts.iter().map(crate::facts::Artifact::bytes).sum(),
    }
}

/// The status for people.
pub fn status_text(status: &Status, set: &PolicySet) -> String {
    let mut out = format!("{} at {}\n", status.instance, instant(status.at));
    for owed in &status.owed {
        out.push_str(&format!(
            "\nLEFT QUIET by run {} of {}: {}; run `lucid-policy recover`\n",
            owed.run,
            instant(owed.at),
            owed.services.join(", ")
        ));
    }
    if !status.quiet.is_empty() {
        out.push_str(&format!("\n{}", quiet_text(&status.quiet)));
    }
    for policy in &status.policies {
        let word = if policy.late {
            "LATE"
        } else if policy.state == "active" && policy.stores.iter().any(|store| !store.seen) {
            "not checked"
        } else if policy.state == "active" {
            "ok"
        } else {
            policy.state
        };
        out.push_str(&format!("\npolicy.{}  {word}\n", policy.policy));
        for store in &policy.stores {
            out.push_str(&format!("  {}: {}\n", store.store, store_line(store)));
        }
        if !policy.next.is_empty() {
            let next: Vec<String> = policy.next.iter().map(|at| instant_in(*at, set.zone)).collect();
            out.push_str(&format!("  next: {}\n", next.join(", ")));
        }
    }
    if !status.leases.is_empty() {
        out.push_str("\nleases\n");
        for lease in &status.leases {
            out.push_str(&format!("  {} on {}: {}\n", lease.series, lease.store, lease_line(lease)));
        }
    }
    if !status.restores.is_empty() {
        out.push_str(&format!("\n{}", pending_text(&status.restores)));
    }
    out
}

fn lease_line(lease: &LeaseStatus) -> String {
    let (Some(run), Some(host), Some(since)) = (lease.run, &lease.host, lease.since) else {
        return "UNREADABLE: this version does not know what it says".to_owned();
    };
    let end = match (lease.state, lease.until) {
        ("gone", _) => "OVER, its process is gone".to_owned(),
        ("over", Some(until)) => format!("OVER since {}", instant(until)),
        (_, Some(until)) => format!("until {} unless renewed", instant(until)),
        (_, None) => "until its process ends".to_owned(),
    };
    format!("run {run} of host {host} since {}, {end}", instant(since))
}

fn store_line(store: &StoreStatus) -> String {
    if !store.seen {
        return "NOT SEEN: the store did not answer".to_owned();
    }
    let (Some(newest), Some(age)) = (store.newest, store.age) else {
        return if store.artifacts == 0 {
            "nothing yet".to_owned()
        } else {
            format!("NOTHING USABLE among {}", count(store.artifacts, "artifact"))
        };
    };
    let objective = match (store.rpo, store.late) {
        (Some(rpo), late) => {
            let rpo = span_of(TimeDelta::seconds(i64::try_from(rpo).unwrap_or(i64::MAX)));
            format!(", {} rpo of {rpo}", if late { "PAST its" } else { "within its" })
        }
        (None, true) => ", MORE THAN ONE SLOT BEHIND".to_owned(),
        (None, false) => String::new(),
    };
    let damaged = if store.damaged > 0 { format!(", {} DAMAGED", store.damaged) } else { String::new() };
    format!(
        "newest {newest}, {} old{objective}; {}, {}{damaged}",
        span_of(TimeDelta::seconds(age)),
        count(store.artifacts, "artifact"),
        bytes(store.bytes)
    )
}
