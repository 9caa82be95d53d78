//! `init`: a commented manifest that validates as it stands.

use std::io::Write;
use std::path::PathBuf;

use crate::cli::Global;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::screen::Screen;

/// What is written.
const TEMPLATE: &str = include_str!("init.toml");

/// Write a commented manifest to start from.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n    lucid-policy init\n    lucid-policy -f policies/config.toml init")]
pub struct Args {}

impl Args {
    pub(super) fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        let path = global.file.clone().unwrap_or_else(|| PathBuf::from("lucid-policy.toml"));
        let shown = path.display();
        let written = std::fs::File::create_new(&path).and_then(|mut file| file.write_all(TEMPLATE.as_bytes()));
        written.map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                Failure::new(Exit::Refused, format!("`{shown}` is there already, and is left alone"), "name another file with -f")
            }
            _ => Failure::usage(format!("`{shown}` cannot be written: {error}"), "name another file with -f"),
        })?;
        screen.note(&format!("wrote {shown}; edit it, then run `lucid-policy validate` and `lucid-policy plan`"));
        Ok(Exit::Good)
    }
}
