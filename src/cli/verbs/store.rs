//! `store accept`: another store, or an empty place, under a known name is taken for good.

use crate::cli::Global;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::screen::Screen;
use crate::cli::select;
use crate::cli::session::{Access, Session};

/// Look after stores.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Sub,
}

#[derive(Debug, clap::Subcommand)]
enum Sub {
    /// Take what is at a store's place now, though another store was there before
    #[command(after_help = "Example:\n    lucid-policy store accept local")]
    Accept {
        /// The store's name in the manifest
        name: String,
    },
}

impl Args {
    pub(super) fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        let session = Session::open(global, screen, Access::Write)?;
        let Sub::Accept { name } = &self.command;
        let store = select::store(&session.set, name)?;
        session.state.forget_store(&session.set.instance, &store)?;
        screen.note(&format!("store `{store}` is forgotten: the next plan takes what is there, or makes a new one"));
        Ok(Exit::Good)
    }
}
