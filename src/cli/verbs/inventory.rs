//! `inventory`: what the stores hold, as a file that `plan --inventory` reads elsewhere.

use std::path::{Path, PathBuf};

use super::artifacts::unseen;
use crate::cli::Global;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::screen::Screen;
use crate::cli::session::{Access, Session};
use crate::facts::{Inventory, StoreFacts};
use crate::model::PolicySet;
use crate::plan::Request;
use crate::report::count;

/// Write what the stores hold to a file, for `plan --inventory` elsewhere.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The file has what a listing shows: keys, sizes, times, pins and checks. It has no secrets, nothing of sources, services or\nthe environment, and of hosts only their names.\n\nExamples:\n    lucid-policy inventory --out inventory.json\n    lucid-policy inventory --out - | ssh ci 'cat > inventory.json'"
)]
pub struct Args {
    /// Where to; `-` is standard output
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl Args {
    pub(super) fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        let session = Session::open(global, screen, Access::Any)?;
        let mut facts = session.catalogue()?;
        // with the dates of what would be deleted, so that a plan from it is the plan that would be made here
        let now = facts.at;
        drop(session.decide(&mut facts, now, &Request::default()));
        let unseen = unseen(&facts);
        for line in &unseen {
            screen.say(&format!("warning: {line}"));
        }
        let bytes = Inventory::of(&session.set.instance, &facts, &session.host.name).write();
        if self.out == Path::new("-") {
            screen.out(&String::from_utf8_lossy(&bytes));
        } else {
            std::fs::write(&self.out, bytes)
                .map_err(|e| Failure::usage(format!("`{}` cannot be written: {e}", self.out.display()), "name another file"))?;
            let listings = facts.stores.values().filter_map(StoreFacts::listing);
            let artifacts = listings.flat_map(|l| l.series.values()).map(|s| s.artifacts.len()).sum();
            let (stores, artifacts) = (count(facts.stores.len(), "store"), count(artifacts, "artifact"));
            screen.note(&format!("`{}`: {stores} with {artifacts}", self.out.display()));
        }
        Ok(if unseen.is_empty() { Exit::Good } else { Exit::NotChecked })
    }
}

/// Reads an inventory of this manifest's instance.
pub(super) fn read(path: &Path, set: &PolicySet) -> Result<Inventory, Failure> {
    let shown = path.display();
    let help = "name a file that `lucid-policy inventory --out` has written";
    let bytes = std::fs::read(path).map_err(|e| Failure::usage(format!("`{shown}` cannot be read: {e}"), help))?;
    let inventory = Inventory::read(&bytes).map_err(|e| Failure::usage(format!("`{shown}`: {e}"), help))?;
    if inventory.instance != set.instance {
        let message = format!("`{shown}` is of instance `{}`, and the manifest is of `{}`", inventory.instance, set.instance);
        return Err(Failure::usage(message, help));
    }
    Ok(inventory)
}
