//! `status`: where every policy stands.

use std::sync::Arc;

use crate::cli::Global;
use crate::cli::claimant::claimant;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::screen::{Format, Screen};
use crate::cli::session::{Access, Session};
use crate::cli::signals::Signals;
use crate::execute::chain;
use crate::execute::restore::pending;
use crate::execute::window::open;
use crate::facts::{Facts, StoreFacts};
use crate::model::id::Name;
use crate::plan::{Request, decide};
use crate::report::{LeaseStatus, status_of, status_text};
use crate::store::lease::{Standing, standing};

/// Say where every policy stands, and whether it is late.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n    lucid-policy status\n    lucid-policy status --check || alert")]
pub struct Args {
    /// End with 3 if an interrupted run has left services quiet, else with 7 if a policy is late, else with 8 if an artifact is known to be damaged, else with 9 if a store was not seen
    #[arg(long)]
    check: bool,
    /// Leave the payload out of the listing: quick on a store with many objects; objects that are missing are not seen
    #[arg(long)]
    catalog_only: bool,
}

impl Args {
    pub(super) fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        let format = global.format()?;
        let mut session = Session::open(global, screen, Access::Read)?;
        session.catalog_only = self.catalog_only;
        let facts = session.facts()?;
        let waiting = pending(&session.ports(Arc::new(|_| ()), &Signals::default()))?;
        let leases = leases(&session, &facts, screen);
        let status = status_of(&session.set, &facts, facts.at, waiting, open(&session.state)?, leases);
        match format {
            Format::Json => screen.json(&status),
            Format::Text => {
                screen.out(&status_text(&status, &session.set));
                let findings = decide(&session.set, &facts, facts.at, &Request::default()).findings;
                let findings = screen.findings(&findings, &session.texts);
                if !findings.is_empty() {
                    screen.out(&format!("\n{findings}"));
                }
            }
        }
        let unseen = facts.stores.values().any(|s| matches!(s, StoreFacts::Unusable(_)));
        let damaged = status.policies.iter().flat_map(|p| &p.stores).any(|s| s.damaged > 0);
        let owed = !status.owed.is_empty();
        let checks = [(owed, Exit::StepFailed), (status.late, Exit::Late), (damaged, Exit::Damaged), (unseen, Exit::NotChecked)];
        let worst = checks.into_iter().find(|(wrong, _)| self.check && *wrong);
        Ok(worst.map_or(Exit::Good, |(_, exit)| exit))
    }
}

/// Every lease that nobody has released. Where a store did not answer, that is said as of the store.
fn leases(session: &Session, facts: &Facts, screen: &Screen) -> Vec<LeaseStatus> {
    let mut leases = Vec::new();
    let us = claimant(&session.host);
    for (name, store) in session.usable_stores().iter().filter(|(name, _)| facts.stores.get(*name).is_some_and(|s| s.listing().is_some())) {
        match standing(store.as_ref(), &session.set.instance, &us, facts.at) {
            Ok(found) => leases.extend(found.into_iter().map(|(series, lease)| shown(name, series, lease.ok()))),
            Err(error) => screen.say(&format!("warning: the leases of store `{name}` were not read: {}", chain(&error))),
        }
    }
    leases
}

fn shown(store: &Name, series: Name, found: Option<Standing>) -> LeaseStatus {
    let (store, until) = (store.clone(), found.as_ref().and_then(|found| found.until));
    let Some(Standing { lease, over, gone, .. }) = found else {
        return LeaseStatus { store, series, state: "unreadable", run: None, host: None, since: None, until };
    };
    let state = match (over, gone) {
        (_, true) => "gone",
        (true, false) => "over",
        (false, false) => "held",
    };
    LeaseStatus { store, series, state, run: Some(lease.run), host: Some(lease.holder.hostname), since: Some(lease.since), until }
}
