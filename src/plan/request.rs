//! What a plan is asked for.

use std::collections::BTreeSet;

use crate::model::id::Name;
use crate::model::{Policy, PolicySet};

/// What the operator asked of the plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// Restricts the plan to these policies; empty for all.
    pub only: BTreeSet<Name>,
    /// Makes what is selected due, whatever its slots say.
    pub now: bool,
    /// What the host may do.
    pub role: Role,
}

impl Request {
    /// Whether it asks for that policy.
    pub fn asks(&self, policy: &Name) -> bool {
        self.only.is_empty() || self.only.contains(policy)
    }

    /// The policies that it asks for.
    pub fn selected<'a>(&'a self, set: &'a PolicySet) -> impl Iterator<Item = &'a Policy> {
        set.policies.values().filter(|policy| self.asks(&policy.name))
    }
}

/// What a host may do in the stores.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    #[default]
    Whole,
    /// It captures and copies; what would be removed is named and left to a janitor.
    Writer,
    /// It removes and does nothing else: it asks no source and no engine, and any host may own the instance.
    Janitor,
}
