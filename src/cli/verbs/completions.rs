//! `completions`: scripts that shells read.

use clap::CommandFactory;

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::screen::Screen;

/// Print a completion script for a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n    lucid-policy completions bash > /etc/bash_completion.d/lucid-policy")]
pub struct Args {
    /// The shell
    shell: clap_complete::Shell,
}

impl Args {
    #[expect(clippy::unnecessary_wraps, reason = "every verb runs alike")]
    pub(super) fn run(&self, screen: &Screen) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut crate::cli::Args::command(), "lucid-policy", &mut script);
        screen.out(&String::from_utf8_lossy(&script));
        Ok(Exit::Good)
    }
}
