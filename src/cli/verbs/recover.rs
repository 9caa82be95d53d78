//! `recover`: what a killed run left behind is finished or undone.

use std::sync::Arc;

use serde_json::json;

use crate::cli::Global;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::screen::{Format, Screen};
use crate::cli::session::{Access, Session};
use crate::execute::restore::{Recovered, What, pending, recover};
use crate::report::{pending_text, recovered_text};

/// Finish or undo what a killed run left behind.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "What a killed capture left in a store is swept by the next apply; restores are finished or undone here.\n\nExample:\n    lucid-policy recover"
)]
pub struct Args {}

/// Settles what killed restores left, before anything else is done; says so where there was something.
pub(super) fn first(session: &Session, screen: &Screen) -> Result<(), Failure> {
    let ports = session.ports(Arc::new(|_| ()), Arc::default());
    let text = recovered_text(&recover(&ports)?);
    if !text.is_empty() {
        screen.say(text.trim_end());
    }
    Ok(())
}

impl Args {
    pub(super) fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        let format = global.format()?;
        let session = Session::open(global, screen, Access::Read)?;
        let ports = session.ports(Arc::new(|_| ()), Arc::default());
        let recovered = recover(&ports)?;
        let waiting = pending(&ports)?;
        match format {
            Format::Json => screen.json(&json!({ "format_version": "1.0", "recovered": recovered, "pending": waiting })),
            Format::Text => {
                if recovered.is_empty() && waiting.is_empty() {
                    screen.out("There is nothing to recover.\n");
                }
                screen.out(&recovered_text(&recovered));
                screen.out(&pending_text(&waiting));
            }
        }
        let stuck = |r: &Recovered| matches!(r.what, What::Stuck(_));
        Ok(if recovered.iter().any(stuck) { Exit::StepFailed } else { Exit::Good })
    }
}
