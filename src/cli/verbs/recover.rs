//! `recover`: what a killed run left behind is finished or undone.

use std::sync::Arc;

use serde_json::json;

use crate::cli::Global;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::screen::{Format, Screen};
use crate::cli::session::{Session, bare_ports};
use crate::cli::signals::Signals;
use crate::execute::restore::{self, Recovered, RestoreError, What, pending};
use crate::execute::window::{self, Awoken};
use crate::execute::{Ports, chain};
use crate::report::{awoken_text, pending_text, quiet_text, recovered_text};

/// Finish or undo what a killed run left behind.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Restores are finished or undone, and services that were quiet are woken again. What a killed capture left in a store is swept by\nthe next apply. Needs no manifest: run it at boot.\n\nExample:\n    lucid-policy recover"
)]
pub struct Args {}

/// What killed runs left, settled.
struct Settled {
    restores: Vec<Recovered>,
    windows: Vec<Awoken>,
    /// Why not everything could be looked at.
    unseen: Vec<String>,
}

impl Settled {
    /// First the files, then the services that read them. Those of a restore that is stuck half-way stay quiet; all others are woken.
    fn now(ports: &Ports) -> Result<Self, Failure> {
        let (restores, unsettled, mut unseen) = match restore::recover(ports) {
            Ok(restores) => {
                let stuck = restores.iter().filter(|r| matches!(r.what, What::Stuck(_))).map(|r| r.run).collect();
                (restores, stuck, Vec::new())
            }
            Err(error) => (Vec::new(), restore::unseen(ports), vec![said(&error)]),
        };
        let recovery = window::recover(ports, &unsettled).map_err(|error| {
            let failure = Failure::from(error);
            let message = unseen.iter().fold(failure.message, |message, why| format!("{message}; {why}"));
            Failure { message, ..failure }
        })?;
        unseen.extend(recovery.unreadable);
        Ok(Self { restores, windows: recovery.windows, unseen })
    }

    fn text(&self) -> String {
        let unseen = self.unseen.iter().map(|why| format!("STUCK: {why}\n"));
        recovered_text(&self.restores) + &unseen.collect::<String>() + &awoken_text(&self.windows)
    }

    /// Whether something could not be settled.
    fn stuck(&self) -> bool {
        !self.unseen.is_empty()
            || self.restores.iter().any(|r| matches!(r.what, What::Stuck(_)))
            || self.windows.iter().any(|w| !w.stuck.is_empty())
    }
}

fn said(error: &RestoreError) -> String {
    let help = error.help().map_or_else(String::new, |help| format!("; {help}"));
    chain(error) + &help
}

/// Settles what killed runs left, before anything else is done, and says so where there was something. Whether it all could be.
pub(super) fn first(session: &Session, screen: &Screen) -> Result<bool, Failure> {
    let settled = Settled::now(&session.ports(Arc::new(|_| ()), &Signals::default()))?;
    let text = settled.text();
    if !text.is_empty() {
        screen.say(text.trim_end());
    }
    Ok(!settled.stuck())
}

impl Args {
    pub(super) fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        let format = global.format()?;
        let ports = bare_ports(global)?;
        let mut settled = Settled::now(&ports)?;
        let waiting = pending(&ports).unwrap_or_else(|error| {
            // One that recovery has met already is said once.
            if !settled.unseen.contains(&said(&error)) {
                settled.unseen.push(said(&error));
            }
            Vec::new()
        });
        let quiet = window::open(&ports.state)?;
        match format {
            Format::Json => screen.json(&json!({
                "format_version": "1.0", "recovered": settled.restores, "awoken": settled.windows, "pending": waiting,
                "stuck": settled.unseen, "quiet": quiet
            })),
            Format::Text => {
                let text = settled.text();
                if text.is_empty() && waiting.is_empty() {
                    screen.out(&format!("There is nothing to recover in {}.\n", ports.state.root().display()));
                }
                screen.out(&text);
                screen.out(&pending_text(&waiting));
                screen.out(&quiet_text(&quiet));
            }
        }
        Ok(if settled.stuck() { Exit::StepFailed } else { Exit::Good })
    }
}
