//! `validate`: everything that can be known of a manifest without looking at the world.

use crate::cli::Global;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::screen::{Format, Screen};
use crate::cli::session::load;
use crate::finding::{has_errors, summary, to_json};
use crate::report::count;

/// Read the manifest and say everything that is wrong with it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n    lucid-policy -f policies/ validate")]
pub struct Args {}

impl Args {
    pub(super) fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        let format = global.format()?;
        let (loaded, findings) = load(global)?;
        let exit = if has_errors(&findings) { Exit::InvalidManifest } else { Exit::Good };
        match format {
            Format::Json => screen.out(&to_json(&findings)),
            Format::Text => {
                screen.out(&screen.findings(&findings, &loaded.texts));
                if let (Exit::Good, Some(set)) = (exit, &loaded.set) {
                    let findings = if findings.is_empty() { String::new() } else { format!(", {}", summary(&findings)) };
                    let (policies, stores) = (count(set.policies.len(), "policy"), count(set.stores.len(), "store"));
                    screen.out(&format!("Valid: {} with {policies} and {stores}{findings}.\n", set.instance));
                }
            }
        }
        Ok(exit)
    }
}
