//! `restore`: an artifact back, aside or in place; and what becomes of the old state.

use std::path::PathBuf;

use crate::cli::Global;
use crate::cli::ask::confirmed;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::identities::IdentityArgs;
use crate::cli::run::{Live, runtime};
use crate::cli::screen::{Format, Screen};
use crate::cli::select;
use crate::cli::session::{Access, Session};
use crate::execute::Ports;
use crate::execute::restore::{Ask, Planned, RestoreError, To, Which, commit, perform, plan, rollback_around};
use crate::report::{restore_text, restored_text};
use crate::source::Back;

/// Put an artifact back, aside or in place.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without --to it goes back to where it came from: staged beside it, checked, exchanged, and the old state kept.\n\nExamples:\n    lucid-policy restore config --to /tmp/look --yes\n    lucid-policy restore config --at \"2026-11-22 18:00\"\n    lucid-policy restore config --path etc/nginx/nginx.conf --to /tmp/look --yes\n    lucid-policy restore config --identity key.txt --to /tmp/look --yes\n    lucid-policy restore mongodb-full --collection shop.orders --as orders-before --yes\n    lucid-policy restore --commit mfrggzdfmztwq2lk\n    lucid-policy restore --rollback mfrggzdfmztwq2lk"
)]
pub struct Args {
    /// The policy whose artifact is restored
    #[arg(required_unless_present_any = ["commit", "rollback"])]
    policy: Option<String>,
    /// This artifact: its id, or an unambiguous beginning of it [default: the newest]
    #[arg(long, value_name = "ID", conflicts_with = "at")]
    id: Option<String>,
    /// The newest artifact at or before this time
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Into this folder, which must be empty or absent
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// Only this path and what is below it: as `show --files` lists it, or as it is on the disk
    #[arg(long, value_name = "PATH")]
    path: Option<PathBuf>,
    /// Only this database of a server
    #[arg(long, value_name = "DATABASE", group = "part", conflicts_with_all = ["to", "path", "collection"])]
    database: Option<String>,
    /// Only this collection of a server
    #[arg(long, value_name = "DATABASE.COLLECTION", group = "part", conflicts_with_all = ["to", "path"])]
    collection: Option<String>,
    /// Under this name, beside what is there: a database's, or a collection's in its database
    #[arg(long = "as", value_name = "NAME", requires = "part")]
    aside: Option<String>,
    /// Drop what the server holds of it, after a capture of what it holds now
    #[arg(long, conflicts_with_all = ["to", "path", "aside"])]
    replace: bool,
    /// With --replace: drop it without that capture
    #[arg(long, requires = "replace")]
    no_safety: bool,
    #[command(flatten)]
    identity: IdentityArgs,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Keep what that restore put in place, and remove the old state
    #[arg(long, value_name = "RUN", conflicts_with_all = ["policy", "id", "at", "to", "path", "part", "replace", "rollback"])]
    commit: Option<String>,
    /// Put back the old state that that restore kept, and remove what it restored
    #[arg(long, value_name = "RUN", conflicts_with_all = ["policy", "id", "at", "to", "path", "part", "replace"])]
    rollback: Option<String>,
}

impl From<RestoreError> for Failure {
    fn from(error: RestoreError) -> Self {
        let error = match error {
            RestoreError::State(state) => return state.into(),
            other => other,
        };
        let exit = if error.is_damage() {
            Exit::Damaged
        } else if matches!(error, RestoreError::Locked { .. }) {
            Exit::Locked
        } else if error.is_refusal() {
            Exit::Refused
        } else {
            Exit::StepFailed
        };
        Self::new(exit, crate::execute::chain(&error), error.help().unwrap_or_default())
    }
}

impl Args {
    /// What of a server is restored.
    fn only(&self) -> Option<String> {
        self.database.clone().or_else(|| self.collection.clone())
    }

    pub(super) fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        let format = global.format()?;
        let session = Session::open(global, screen, Access::Read)?;
        if let Some(run) = self.commit.as_ref().or(self.rollback.as_ref()) {
            return self.settle(&session, screen, format, run);
        }
        super::recover::first(&session, screen)?;
        let which = match (&self.id, &self.at) {
            (Some(id), _) => Which::Id(id.clone()),
            (None, Some(at)) => Which::At(select::time(at, session.set.zone)?),
            (None, None) => Which::Newest,
        };
        let to = self.to.clone().map_or(To::InPlace, To::Folder);
        let base = std::env::current_dir().map_err(|e| Failure::unexpected(format!("the working folder cannot be found: {e}")))?;
        let back = Back { only: self.only(), aside: self.aside.clone(), replace: self.replace };
        let ask = Ask { which, to, path: self.path.clone(), back, base };
        let identities = self.identity.read(screen)?;
        let policy = self.policy.as_deref().unwrap_or_default();
        let policy = policy.strip_prefix("policy.").unwrap_or(policy);
        let runtime = runtime()?;
        let live = Live::new(*screen, format);
        let signals = runtime.block_on(async { live.watch() })?;
        let ports = Ports { identities, ..session.ports(live.report(), &signals) };
        let facts = if ask.to == To::InPlace { session.facts()? } else { session.catalogue()? };
        let plan = plan(&session.set, &facts, &ports, policy, &ask)?;
        if format == Format::Text && (!screen.quiet || screen.interactive) {
            screen.out(&restore_text(&plan));
        }
        if !(self.yes || screen.interactive && confirmed(screen, "\nRestore this?")) {
            let help = if screen.interactive { "nothing was changed" } else { "run it again with --yes; nothing was changed" };
            return Err(Failure::new(Exit::Refused, "the restore was not confirmed", help));
        }
        if matches!(plan.target, Planned::Server { .. }) && self.replace && !self.no_safety {
            super::safety::capture(global, screen, format, &plan.choice.policy)?;
        }
        let restored = perform(&session.set, &ports, &plan);
        live.finish();
        let restored = match restored {
            Ok(restored) => restored,
            Err(RestoreError::Interrupted) => return Ok(signals.exit().unwrap_or(Exit::Interrupted)),
            Err(error) => return Err(error.into()),
        };
        match format {
            Format::Json => screen.json(&serde_json::json!({ "format_version": "1.0", "plan": plan, "restored": restored })),
            Format::Text => screen.note(&restored_text(&restored, &plan)),
        }
        Ok(Exit::Good)
    }

    /// A signal before everything is quiet breaks a roll-back off, with everything awake; after that it is gone through with.
    fn settle(&self, session: &Session, screen: &Screen, format: Format, run: &str) -> Result<Exit, Failure> {
        let runtime = runtime()?;
        let live = Live::new(*screen, format);
        let signals = runtime.block_on(async { live.watch() })?;
        let ports = session.ports(live.report(), &signals);
        let settled =
            if self.commit.is_some() { commit(&ports, run) } else { rollback_around(&session.set, &session.facts()?, &ports, run) };
        live.finish();
        settled.map_err(|error| {
            let interrupted = signals.exit().filter(|_| matches!(error, RestoreError::Changed(_)));
            let failure = Failure::from(error);
            Failure { exit: interrupted.unwrap_or(failure.exit), ..failure }
        })?;
        if self.commit.is_some() {
            screen.note(&format!("committed: what restore {run} put in place stays, the old state is removed"));
        } else {
            screen.note(&format!("rolled back: the old state stands again, what restore {run} put in place is removed"));
        }
        Ok(Exit::Good)
    }
}
