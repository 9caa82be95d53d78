//! What a run holds from before its first stop to its end: each policy's series on this host, and its leases on the stores.
//!
//! Nothing waits. A policy that another run holds, or whose leases cannot be asked for, is left out of the run and said. A lease can be
//! lost on the way: whatever is changed on the strength of it is preceded by [`Holding::check`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::error::{StepError, chain};
use super::ports::Ports;
use super::state::{Held, StateError};
use crate::facts::{Facts, StoreFacts};
use crate::finding::{Finding, world as code};
use crate::model::id::{Name, Random};
use crate::model::{Policy, PolicySet};
use crate::plan::Request;
use crate::store::lease::{self, Claim};
use crate::store::{Lease, Locked, StoreError, layout};

/// Leases by store and series.
type Leases = BTreeMap<(Name, Name), Box<dyn Lease>>;

/// Everything held for the length of a run; released when dropped, which may ask the stores.
#[derive(Default)]
pub(super) struct Holding {
    local: Vec<Held>,
    leases: Leases,
}

/// What asking came to.
#[derive(Default)]
pub(super) struct Asked {
    pub(super) holding: Holding,
    /// The policies that are ours now.
    pub(super) free: BTreeSet<Name>,
    /// Those that another run holds, and its words.
    pub(super) locked: Vec<(Name, String)>,
    /// Those that no store would give, and why.
    pub(super) refused: Vec<(Name, Finding)>,
    /// What is to be known of leases that were had: by policy.
    pub(super) said: Vec<(Name, String)>,
}

/// Who asks, for what.
pub(super) struct Asking {
    pub(super) set: Arc<PolicySet>,
    pub(super) ports: Ports,
    pub(super) run: Random,
    pub(super) facts: Facts,
    pub(super) request: Request,
    /// What for, in a word that its lease has.
    pub(super) purpose: &'static str,
}

enum Refused {
    Locked(String),
    Store(Name, StoreError),
}

impl Asking {
    /// Takes what the plan works on, as far as it is free.
    pub(super) fn take(&self) -> Result<Asked, StateError> {
        let (set, request) = (&self.set, &self.request);
        let mut asked = Asked::default();
        for policy in request.selected(set) {
            let host = &self.ports.host;
            let since = self.ports.now().format("%F %T UTC");
            let holder = format!("run {} of host {} (pid {}) since {since}", self.run, host.name, host.pid);
            let held = match self.ports.state.hold(&set.instance, &policy.series, &holder)? {
                Ok(held) => held,
                Err(other) => {
                    asked.locked.push((policy.name.clone(), other));
                    continue;
                }
            };
            match self.leases(policy, &mut asked.said) {
                Ok(leases) => {
                    asked.holding.local.push(held);
                    asked.holding.leases.extend(leases);
                    asked.free.insert(policy.name.clone());
                }
                Err(Refused::Locked(other)) => asked.locked.push((policy.name.clone(), other)),
                Err(Refused::Store(store, error)) => asked.refused.push((policy.name.clone(), self.finding(policy, &store, error))),
            }
        }
        Ok(asked)
    }

    /// The leases of one policy's series, all of them or none.
    fn leases(&self, policy: &Policy, said: &mut Vec<(Name, String)>) -> Result<Leases, Refused> {
        let mut leases = Leases::new();
        for name in &policy.stores {
            let listed = self.facts.stores.get(name).and_then(StoreFacts::listing).is_some();
            if !listed || self.set.stores.get(name).is_none_or(|store| !store.lease) {
                continue;
            }
            let Some(store) = self.ports.stores.get(name) else { continue };
            let claim = Claim {
                claimant: self.ports.claimant.clone(),
                run: self.run,
                nonce: self.ports.random(),
                purpose: self.purpose.to_owned(),
                at: self.ports.now(),
                ttl: lease::TTL,
            };
            let locked = store.lock(&layout::lock(&self.set.instance, &policy.series), &claim);
            match locked.map_err(|error| Refused::Store(name.clone(), error))? {
                Locked::By(other) => return Err(Refused::Locked(format!("{other}; its lease is on store `{name}`"))),
                Locked::Held { lease, said: over } => {
                    said.extend(over.map(|over| (policy.name.clone(), format!("store `{name}`: {over}"))));
                    leases.insert((name.clone(), policy.series.clone()), lease);
                }
            }
        }
        Ok(leases)
    }

    fn finding(&self, policy: &Policy, store: &Name, error: StoreError) -> Finding {
        let message = format!("policy `{}` gets no lease on store `{store}`: {}", policy.name, chain(&error));
        let mut finding = Finding::new(code::STORE_UNUSABLE, message);
        if let Some(store) = self.set.stores.get(store) {
            finding = finding.at(store.span.clone(), "this store");
        }
        match error {
            StoreError::Unusable { help, .. } => finding.help(help),
            _ => finding,
        }
    }
}

impl Drop for Holding {
    /// Side by side: a store that does not answer is waited for once, whatever the number of its leases.
    fn drop(&mut self) {
        let leases = std::mem::take(&mut self.leases);
        std::thread::scope(|scope| {
            for lease in leases.into_values() {
                // where there is no thread, it is dropped here
                let _ = std::thread::Builder::new().spawn_scoped(scope, move || drop(lease));
            }
        });
    }
}

impl Holding {
    #[cfg(test)]
    pub(super) fn of(leases: Leases) -> Self {
        Self { local: Vec::new(), leases }
    }

    /// That the lease of a series on a store is still ours, with time for one batch of changes. A store that is declared to have a single
    /// writer has none.
    pub(super) fn check(&self, set: &PolicySet, store: &Name, series: &Name) -> Result<(), StepError> {
        match self.leases.get(&(store.clone(), series.clone())) {
            Some(lease) => Ok(lease.check()?),
            None if set.stores.get(store).is_some_and(|store| store.lease) => {
                let why = "it could not be used when the run began, or belongs to no policy of the run";
                Err(StepError::Changed(format!("store `{store}`: this run has no lease of series `{series}` there: {why}")))
            }
            None => Ok(()),
        }
    }

    /// The same for what belongs to no series: every lease on the store.
    pub(super) fn check_all(&self, store: &Name) -> Result<(), StepError> {
        let mut there = self.leases.iter().filter(|((name, _), _)| name == store);
        Ok(there.try_for_each(|(_, lease)| lease.check())?)
    }
}
