//! `doctor`: tries out what a store promises, and says what the manifest must declare.

use std::sync::Arc;

use crate::cli::Global;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::screen::{Format, Screen};
use crate::cli::select;
use crate::cli::session::{Access, Session};
use crate::cli::signals::Signals;
use crate::execute::chain;
use crate::report::{self, Examined, examined_text};
use crate::store::doctor::{Needs, Standing, Visit};
use crate::store::lease::{Claim, TTL};

/// Try out what a store promises.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Writes about 60 MiB into a folder of its own in the store, and removes it again. Where the store has `object_lock`, one small object stays locked for two minutes; the first visit after that removes it. Ends with 0 if the store keeps all that the manifest relies on, with 4 if it does not, with 9 if that could not be found out.\n\nExamples:\n    lucid-policy doctor offsite\n    lucid-policy doctor offsite --no-delete"
)]
pub struct Args {
    /// The store's name in the manifest
    store: String,
    /// Judge it for a host that deletes nothing: that it may not is no fault then, and what cannot be removed after the visit stays
    #[arg(long)]
    no_delete: bool,
}

impl Args {
    pub(super) fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        let format = global.format()?;
        let session = Session::open(global, screen, Access::Write)?;
        let name = select::store(&session.set, &self.store)?;
        let store = match session.stores().remove(&name) {
            Some(Ok(store)) => store,
            Some(Err(error)) => {
                let message = format!("store `{name}` could not be tried: {}", chain(&error));
                let help = if let crate::store::StoreError::Unusable { help, .. } = error { help } else { String::new() };
                return Err(Failure::new(Exit::NotChecked, message, help));
            }
            None => return Err(Failure::unexpected(format!("store `{name}` is gone from the manifest"))),
        };
        let declared = &session.set.stores[&name];
        let ports = session.ports(Arc::new(|_| ()), &Signals::default());
        let run = ports.random();
        let visit = Visit {
            store: store.as_ref(),
            random: run,
            needs: Needs { lease: declared.lease, delete: !self.no_delete, min_free: declared.min_free },
            now: &|| ports.now(),
            claim: &|| Claim {
                claimant: ports.claimant.clone(),
                run,
                nonce: ports.random(),
                purpose: "doctor".to_owned(),
                at: ports.now(),
                ttl: TTL,
            },
            size: &report::bytes,
        };
        let examined = Examined { format_version: "1.0", store: name, place: store.place(), promises: visit.examine() };
        match format {
            Format::Json => screen.json(&examined),
            Format::Text => screen.out(&examined_text(&examined)),
        }
        Ok(match () {
            () if examined.has(Standing::Broken) => Exit::Refused,
            () if examined.has(Standing::Unknown) => Exit::NotChecked,
            () => Exit::Good,
        })
    }
}
