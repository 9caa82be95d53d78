//! `plan`: what `apply` would do, and why.

use std::path::PathBuf;

use crate::cli::Global;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::screen::{Format, Screen};
use crate::cli::select;
use crate::cli::session::{Access, Session};
use crate::model::PolicySet;
use crate::model::id::Instant;
use crate::plan::{Plan, Request, decide};
use crate::report::{instant_in, plan_text};

/// Show what apply would do, and why; changes nothing.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n    lucid-policy plan\n    lucid-policy plan --detailed-exitcode --format json\n    lucid-policy plan --as-of 2027-01-01 --only policy.config"
)]
pub struct Args {
    /// Look at these policies only
    #[arg(long, value_name = "policy.NAME")]
    only: Vec<String>,
    /// Plan as if it were another time: RFC 3339, or a date and time in the manifest's zone
    #[arg(long, value_name = "TIME")]
    as_of: Option<String>,
    /// Plan what `apply --now` would do
    #[arg(long)]
    now: bool,
    /// Save the plan as JSON, for `apply --plan`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// End with 2 if there are changes
    #[arg(long)]
    detailed_exitcode: bool,
}

impl Args {
    pub(super) fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        let format = global.format()?;
        let session = Session::open(global, screen, Access::Judge)?;
        let request = Request { only: select::only(&session.set, &self.only)?, now: self.now };
        let facts = session.facts()?;
        let now = match &self.as_of {
            Some(text) => select::time(text, session.set.zone)?,
            None => facts.at,
        };
        let plan = decide(&session.set, &facts, now, &request);
        if let Some(path) = &self.out {
            let bytes = serde_json::to_vec_pretty(&plan).map_err(|e| Failure::unexpected(format!("the plan is no JSON: {e}")))?;
            std::fs::write(path, bytes)
                .map_err(|e| Failure::usage(format!("`{}` cannot be written: {e}", path.display()), "name another file"))?;
        }
        match format {
            Format::Json => screen.json(&plan),
            Format::Text => show(screen, &session, &plan),
        }
        Ok(match (plan.refused(), self.detailed_exitcode && !plan.is_empty()) {
            (true, _) => Exit::Refused,
            (false, true) => Exit::Changes,
            (false, false) => Exit::Good,
        })
    }
}

/// The plan and its findings for people.
pub(super) fn show(screen: &Screen, session: &Session, plan: &Plan) {
    screen.out(&plan_text(plan, &next_runs(&session.set, plan.as_of)));
    let findings = screen.findings(&plan.findings, &session.texts);
    if !findings.is_empty() {
        screen.out(&format!("\n{findings}"));
    }
}

/// What an empty plan waits for.
fn next_runs(set: &PolicySet, now: Instant) -> Vec<String> {
    let next = set
        .policies
        .values()
        .filter(|p| p.state.captures())
        .filter_map(|p| Some((p.schedule.as_ref()?.value.next_after(now, set.zone)?, &p.name)))
        .min();
    next.map(|(at, name)| format!("Next: policy.{name} on {}.", instant_in(at, set.zone))).into_iter().collect()
}
