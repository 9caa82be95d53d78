//! A capture of what a restore is about to drop, so that there is a way back.

use std::collections::BTreeSet;

use crate::cli::Global;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::screen::{Format, Screen};
use crate::cli::session::{Access, Session};
use crate::model::id::Name;
use crate::plan::{Request, Role, Work};

const HELP: &str = "nothing was changed; with --no-safety what the server holds is dropped without a copy of it";

/// Captures a policy now. Copies and deletes nothing beyond what such a capture brings along.
pub(super) fn capture(global: &Global, screen: &Screen, format: Format, policy: &Name) -> Result<(), Failure> {
    let session = Session::open(global, screen, Access::Write)?;
    let request = Request { only: BTreeSet::from([policy.clone()]), now: true, role: Role::Writer };
    let mut facts = session.facts()?;
    let now = facts.at;
    let mut plan = session.decide(&mut facts, now, &request);
    plan.steps.retain(|step| !matches!(step.work, Work::Copy { .. }));
    if !plan.steps.iter().any(|step| matches!(step.work, Work::Capture { .. })) {
        screen.say(screen.findings(&plan.findings, &session.texts).trim_end());
        return Err(Failure::new(Exit::Refused, format!("what is there now cannot be captured by policy `{policy}`"), HELP));
    }
    screen.note(&format!("what is there now is captured first, by policy `{policy}`"));
    // the restore's own answer is the only one on standard output
    let screen = if format == Format::Json { screen.hushed() } else { *screen };
    match super::apply::perform(session, &screen, Format::Text, plan, request, None)? {
        Exit::Good => Ok(()),
        exit => Err(Failure::new(exit, format!("what is there now was not captured by policy `{policy}`"), HELP)),
    }
}
