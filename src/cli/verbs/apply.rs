//! `apply`: the plan, done.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::roles::Roles;
use crate::cli::Global;
use crate::cli::ask::confirmed;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::run::{Live, runtime};
use crate::cli::screen::{Format, Screen};
use crate::cli::select;
use crate::cli::session::{Access, Session};
use crate::cli::signals::Signals;
use crate::execute::{self, Ending, Event, Observe, Order, Outcome};
use crate::finding::{Finding, Severity};
use crate::model::id::Name;
use crate::plan::{Handle, Plan, Request, Role, Step, Work};
use crate::report::outcome_text;

/// Do what the plan says.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n    lucid-policy apply\n    lucid-policy apply --now --only policy.config --yes\n    lucid-policy plan --out plan.json && lucid-policy apply --plan plan.json\n    lucid-policy apply --no-delete            # on the host\n    lucid-policy apply --only-delete --yes    # elsewhere, with credentials that may delete"
)]
pub struct Args {
    /// Work on these policies only
    #[arg(long, value_name = "policy.NAME")]
    only: Vec<String>,
    /// Capture what is selected now, whatever its schedule says
    #[arg(long)]
    now: bool,
    #[command(flatten)]
    roles: Roles,
    /// Do not ask, even where something is deleted or stopped
    #[arg(short, long)]
    yes: bool,
    /// Delete nothing and stop nothing that this saved plan does not name; refused if the manifest has changed since
    #[arg(long, value_name = "FILE", conflicts_with_all = ["only", "now"])]
    plan: Option<PathBuf>,
}

/// What is read of a saved plan.
#[derive(Debug, Deserialize)]
struct Saved {
    format_version: String,
    instance: Name,
    manifest_sha256: String,
    only: Vec<Name>,
    steps: Vec<Step>,
}

impl Args {
    pub(super) fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        let format = global.format()?;
        let mut session = Session::open(global, screen, self.roles.access(Access::Write))?;
        session.catalog_only = self.roles.catalog_only();
        let role = self.roles.role();
        let settled = role == Role::Janitor || super::recover::first(&session, screen)?;
        let saved = self.plan.as_deref().map(|path| saved(&session, path)).transpose()?;
        let only = match &saved {
            Some(saved) => saved.only.iter().cloned().collect(),
            None => select::only(&session.set, &self.only)?,
        };
        // A capture that the saved plan asks for by hand is asked for again.
        let now = self.now || saved.as_ref().is_some_and(|s| s.steps.iter().any(|s| s.reason == crate::plan::Reason::Requested {}));
        let request = Request { only, now, role };
        let mut facts = session.facts()?;
        let now = facts.at;
        let plan = session.decide(&mut facts, now, &request);
        if let Some(saved) = &saved {
            fresh(&plan, saved)?;
        }
        if format == Format::Text && (!screen.quiet || screen.interactive) {
            super::plan::show(screen, &session.set, &session.texts, &plan);
        } else if format == Format::Text {
            say_errors(screen, &session, &plan.findings);
        }
        if plan.is_empty() {
            execute::forget_swept(&session.ports(Arc::new(|_| ()), &Signals::default()), &session.set.instance, &facts)?;
        }
        // A stream of events is one also where there is nothing to do.
        if plan.is_empty() && format == Format::Text {
            let good = if settled { Exit::Good } else { Exit::StepFailed };
            return Ok(if plan.refused() { Exit::Refused } else { good });
        }
        let shown: BTreeSet<String> = plan.steps.iter().flat_map(Step::approvals).collect();
        // Somebody looks on who has approved nothing but what is shown, be it nothing.
        let watched = screen.interactive && !self.yes && saved.is_none();
        if watched && !shown.is_empty() && !confirmed(screen, question(&plan)) {
            return Err(Failure::new(Exit::Refused, "the plan was not confirmed", "nothing was done"));
        }
        let approved = (watched || saved.is_some()).then_some(shown);
        let exit = perform(session, screen, format, plan, request, approved)?;
        Ok(if exit == Exit::Good && !settled { Exit::StepFailed } else { exit })
    }
}

/// Does what a plan says, and says what came of it.
pub(super) fn perform(
    session: Session,
    screen: &Screen,
    format: Format,
    plan: Plan,
    request: Request,
    approved: Option<BTreeSet<String>>,
) -> Result<Exit, Failure> {
    if let Some(nice) = session.set.run.nice {
        // A host that refuses to be nicer backs up all the same.
        let _ = rustix::process::nice(nice);
    }
    let runtime = runtime()?;
    let screen = *screen;
    let live = Live::new(screen, format);
    let report = live.report();
    let watching = live.clone();
    let shown = plan.findings.clone();
    let (outcome, signals) = runtime.block_on(async move {
        let signals = watching.watch()?;
        let ports = session.ports(Arc::clone(&report), &signals);
        let order = Order { set: Arc::clone(&session.set), plan, request, approved };
        let session = Arc::new(session);
        let observe: Observe = {
            let session = Arc::clone(&session);
            Arc::new(move || session.look())
        };
        let outcome = execute::apply(order, ports, observe).await?;
        let exit = exit_of(&outcome, &signals);
        if format == Format::Text {
            let new: Vec<Finding> = outcome.findings.iter().filter(|f| !shown.contains(f)).cloned().collect();
            if screen.quiet {
                say_errors(&screen, &session, &new);
            } else if !new.is_empty() {
                screen.say(screen.findings(&new, &session.texts).trim_end());
            }
        } else {
            outcome.findings.iter().for_each(|finding| report(Event::Finding(finding.clone())));
        }
        report(Event::RunEnded { run: outcome.run.to_string(), at: outcome.end, exit: exit as u8 });
        Ok::<_, Failure>((outcome, signals))
    })?;
    live.finish();
    let exit = exit_of(&outcome, &signals);
    if format == Format::Text && (!screen.quiet || exit != Exit::Good) {
        screen.say(&outcome_text(&outcome));
    }
    Ok(exit)
}

/// What `--quiet` leaves of findings.
fn say_errors(screen: &Screen, session: &Session, findings: &[Finding]) {
    let errors: Vec<Finding> = findings.iter().filter(|f| f.severity == Severity::Error).cloned().collect();
    if !errors.is_empty() {
        screen.say(screen.findings(&errors, &session.texts).trim_end());
    }
}

fn exit_of(outcome: &Outcome, signals: &Signals) -> Exit {
    match outcome.ending() {
        Ending::Interrupted => signals.exit().unwrap_or(Exit::Interrupted),
        Ending::Failed => Exit::StepFailed,
        Ending::Refused => Exit::Refused,
        Ending::Locked => Exit::Locked,
        Ending::Good => Exit::Good,
    }
}

fn saved(session: &Session, path: &Path) -> Result<Saved, Failure> {
    let shown = path.display();
    let bytes =
        std::fs::read(path).map_err(|e| Failure::usage(format!("`{shown}` cannot be read: {e}"), "name a plan that `plan --out` saved"))?;
    let value: serde_json::Value = serde_json::from_slice(&bytes)
        .map_err(|e| Failure::usage(format!("`{shown}` is not a plan: {e}"), "name a plan that `plan --out` saved"))?;
    let major = value.get("format_version").and_then(|v| v.as_str()).and_then(|v| v.split('.').next()).unwrap_or_default();
    if major != "1" {
        return Err(Failure::new(
            Exit::Stale,
            format!("`{shown}` has a format version that this program does not read"),
            "make a new plan",
        ));
    }
    let saved: Saved = serde_json::from_value(value)
        .map_err(|e| Failure::usage(format!("`{shown}` is not a plan: {e}"), "name a plan that `plan --out` saved"))?;
    if saved.instance != session.set.instance || saved.manifest_sha256 != session.set.manifest_sha256 {
        let message = format!("`{shown}` (format {}) was made from another manifest than the one that is here now", saved.format_version);
        return Err(Failure::new(Exit::Stale, message, "make a new plan, and have it reviewed"));
    }
    Ok(saved)
}

/// What is asked before a plan is done that takes something away.
fn question(plan: &Plan) -> &'static str {
    let stops = plan.steps.iter().any(|s| s.work.kind() == "stop");
    match (stops, plan.steps.iter().any(|s| s.work.deletes())) {
        (true, true) => "\nThis stops and deletes what is listed above.",
        (true, false) => "\nThis stops what is listed above, and starts it again.",
        (false, _) => "\nThis deletes what is listed above.",
    }
}

/// Refuses a plan that would now delete or stop more than the saved one named.
fn fresh(plan: &Plan, saved: &Saved) -> Result<(), Failure> {
    let named: BTreeSet<String> = saved.steps.iter().flat_map(Step::approvals).collect();
    let unnamed = |step: &&Step| step.approvals().iter().any(|what| !named.contains(what));
    let more: Vec<String> = plan.steps.iter().filter(unnamed).map(|step| shown(step, &named)).collect();
    if more.is_empty() {
        return Ok(());
    }
    let message =
        format!("the saved plan is stale: by now these would be done too, and it does not name them:\n    {}", more.join("\n    "));
    Err(Failure::new(Exit::Stale, message, "make a new plan, and have it reviewed"))
}

/// A step by its address; of a stop also the containers that were not named: one that was made anew has the same name as before.
fn shown(step: &Step, named: &BTreeSet<String>) -> String {
    let Work::Stop { service, .. } = &step.work else { return step.address.clone() };
    let Handle::Containers(subjects) = &service.handle else { return step.address.clone() };
    let new = subjects.iter().filter(|subject| !named.contains(&format!("stop:{}", subject.id)));
    let new: Vec<String> = new.map(|subject| format!("container `{}` ({:.12})", subject.name, subject.id)).collect();
    format!("{}: {}", step.address, new.join(", "))
}
