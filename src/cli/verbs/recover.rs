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
use crate::execute::{Ports, StateError};
use crate::report::{awoken_text, pending_text, recovered_text};

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
}

impl Settled {
    /// First the files, then the services that read them.
    fn now(ports: &Ports) -> Result<Self, Failure> {
        let restores = restore::recover(ports).map_err(|error: RestoreError| Failure::from(error))?;
        let windows = window::recover(ports).map_err(|error: StateError| Failure::from(error))?;
        Ok(Self { restores, windows })
    }

    fn text(&self) -> String {
        recovered_text(&self.restores) + &awoken_text(&self.windows)
    }

    /// Whether something could not be settled.
    fn stuck(&self) -> bool {
        self.restores.iter().any(|r| matches!(r.what, What::Stuck(_))) || self.windows.iter().any(|w| !w.stuck.is_empty())
    }
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
        let settled = Settled::now(&ports)?;
        let waiting = pending(&ports)?;
        match format {
            Format::Json => screen.json(&json!({
                "format_version": "1.0", "recovered": settled.restores, "awoken": settled.windows, "pending": waiting
            })),
            Format::Text => {
                let text = settled.text();
                if text.is_empty() && waiting.is_empty() {
                    screen.out("There is nothing to recover.\n");
                }
                screen.out(&text);
                screen.out(&pending_text(&waiting));
            }
        }
        Ok(if settled.stuck() { Exit::StepFailed } else { Exit::Good })
    }
}
