//! `plan`: what `apply` would do, and why.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::roles::Roles;
use crate::cli::Global;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::screen::{Format, Screen};
use crate::cli::select;
use crate::cli::session::{Access, Session, manifest};
use crate::model::PolicySet;
use crate::model::id::Instant;
use crate::plan::{Plan, Request, decide};
use crate::report::{instant_in, plan_text};

/// Show what apply would do, and why; changes nothing.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "With --inventory nothing is asked but that file and the manifest: no network, no engine, no local state, and no command is\nrun, so that it is safe on a pull request from a fork. Sources are not checked, and no stop is shown. It knows stores by their\nnames in the manifest: that one has got another path or bucket since is not seen.\n\nExamples:\n    lucid-policy plan\n    lucid-policy plan --detailed-exitcode --format json\n    lucid-policy plan --as-of 2027-01-01 --only policy.config\n    lucid-policy plan --inventory inventory.json"
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
    #[command(flatten)]
    roles: Roles,
    /// Plan offline, from what `inventory` wrote, as of when it did
    #[arg(long, value_name = "FILE", conflicts_with_all = ["catalog_only", "only_delete"])]
    inventory: Option<PathBuf>,
    /// Save the plan as JSON, for `apply --plan`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// End with 2 if there are changes
    #[arg(long)]
    detailed_exitcode: bool,
}

/// A plan, and what it was made from.
struct Made {
    set: Arc<PolicySet>,
    texts: Vec<(String, String)>,
    plan: Plan,
}

impl Args {
    pub(super) fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        let format = global.format()?;
        let Made { set, texts, plan } = match &self.inventory {
            Some(path) => self.offline(global, screen, path)?,
            None => self.online(global, screen)?,
        };
        if let Some(path) = &self.out {
            let bytes = serde_json::to_vec_pretty(&plan).map_err(|e| Failure::unexpected(format!("the plan is no JSON: {e}")))?;
            std::fs::write(path, bytes)
                .map_err(|e| Failure::usage(format!("`{}` cannot be written: {e}", path.display()), "name another file"))?;
        }
        match format {
            Format::Json => screen.json(&plan),
            Format::Text => show(screen, &set, &texts, &plan),
        }
        Ok(match (plan.refused(), self.detailed_exitcode && !plan.is_empty()) {
            (true, _) => Exit::Refused,
            (false, true) => Exit::Changes,
            (false, false) => Exit::Good,
        })
    }

    fn online(&self, global: &Global, screen: &Screen) -> Result<Made, Failure> {
        let mut session = Session::open(global, screen, self.roles.access(Access::Judge))?;
        session.catalog_only = self.roles.catalog_only();
        let request = self.request(&session.set)?;
        let mut facts = session.facts()?;
        let now = self.instant(&session.set, facts.at)?;
        let plan = session.decide(&mut facts, now, &request);
        Ok(Made { set: session.set, texts: session.texts, plan })
    }

    /// From a file: nothing else is looked at.
    fn offline(&self, global: &Global, screen: &Screen, path: &Path) -> Result<Made, Failure> {
        let (set, texts) = manifest(global, screen)?;
        let request = self.request(&set)?;
        let facts = super::inventory::read(path, &set)?.facts(set.stores.keys(), set.sources.keys());
        let plan = decide(&set, &facts, self.instant(&set, facts.at)?, &request);
        Ok(Made { set: Arc::new(set), texts, plan })
    }

    fn request(&self, set: &PolicySet) -> Result<Request, Failure> {
        Ok(Request { only: select::only(set, &self.only)?, now: self.now, role: self.roles.role() })
    }

    fn instant(&self, set: &PolicySet, otherwise: Instant) -> Result<Instant, Failure> {
        self.as_of.as_ref().map_or(Ok(otherwise), |text| select::time(text, set.zone))
    }
}

/// The plan and its findings for people.
pub(super) fn show(screen: &Screen, set: &PolicySet, texts: &[(String, String)], plan: &Plan) {
    screen.out(&plan_text(plan, &next_runs(set, plan.as_of)));
    let findings = screen.findings(&plan.findings, texts);
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
