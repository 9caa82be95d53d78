//! `schema`: the manifest's JSON schema, the same bytes as the committed file.

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::screen::Screen;

/// Print the manifest's JSON schema.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n    lucid-policy schema > lucid-policy.v1.json")]
pub struct Args {}

impl Args {
    #[expect(clippy::unnecessary_wraps, reason = "every verb runs alike")]
    pub(super) fn run(&self, screen: &Screen) -> Result<Exit, Failure> {
        screen.out(&crate::manifest::schema());
        Ok(Exit::Good)
    }
}
