//! The verb on the command line.

use super::{
    adopt, apply, claim, completions, doctor, explain, graph, hold, init, inventory, list, plan, recover, restore, schema, show, status,
    store, unlock, validate, verify,
};
use crate::cli::Global;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::screen::Screen;

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Write a commented manifest to start from
    Init(init::Args),
    /// Read the manifest and say everything that is wrong with it
    Validate(validate::Args),
    /// Show what apply would do, and why; changes nothing
    Plan(plan::Args),
    /// Do what the plan says
    Apply(apply::Args),
    /// Finish or undo what a killed run left behind
    Recover(recover::Args),
    /// Say where every policy stands, and whether it is late
    Status(status::Args),
    /// List artifacts, and why each is kept
    List(list::Args),
    /// Show one artifact in full
    Show(show::Args),
    /// Check artifacts: presence, stored bytes, structure
    Verify(verify::Args),
    /// Put an artifact back, aside or in place
    Restore(restore::Args),
    /// Pin an artifact, so that retention leaves it
    Hold(hold::HoldArgs),
    /// Take a pin away
    Release(hold::ReleaseArgs),
    /// Make an artifact of a backup that something else took
    Adopt(adopt::Args),
    /// Look after stores
    Store(store::Args),
    /// Write what the stores hold to a file, for `plan --inventory` elsewhere
    Inventory(inventory::Args),
    /// Take over an instance whose host is gone
    Claim(claim::Args),
    /// End the leases of a run that is gone
    Unlock(unlock::Args),
    /// Try out what a store promises
    Doctor(doctor::Args),
    /// Draw the graph of policies and what they need
    Graph(graph::Args),
    /// Explain a finding's code
    Explain(explain::Args),
    /// Print the manifest's JSON schema
    Schema(schema::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
}

impl Command {
    pub(in crate::cli) fn run(self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        match self {
            Self::Init(args) => args.run(global, screen),
            Self::Validate(args) => args.run(global, screen),
            Self::Plan(args) => args.run(global, screen),
            Self::Apply(args) => args.run(global, screen),
            Self::Recover(args) => args.run(global, screen),
            Self::Restore(args) => args.run(global, screen),
            Self::Status(args) => args.run(global, screen),
            Self::List(args) => args.run(global, screen),
            Self::Show(args) => args.run(global, screen),
            Self::Verify(args) => args.run(global, screen),
            Self::Hold(args) => args.run(global, screen),
            Self::Release(args) => args.run(global, screen),
            Self::Adopt(args) => args.run(global, screen),
            Self::Store(args) => args.run(global, screen),
            Self::Inventory(args) => args.run(global, screen),
            Self::Claim(args) => args.run(global, screen),
            Self::Unlock(args) => args.run(global, screen),
            Self::Doctor(args) => args.run(global, screen),
            Self::Graph(args) => args.run(global, screen),
            Self::Explain(args) => args.run(global, screen),
            Self::Schema(args) => args.run(screen),
            Self::Completions(args) => args.run(screen),
        }
    }
}
