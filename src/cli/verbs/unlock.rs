//! `unlock`: ends the leases of a run that is gone, and of no other.

use crate::cli::Global;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::screen::Screen;
use crate::cli::select;
use crate::cli::session::{Access, Session};
use crate::model::id::{Name, Random};
use crate::store::layout;
use crate::store::lease::{Unlocked, named, seen};

/// End the leases of a run that is gone.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A lease ends by itself: with its process on a directory, ten minutes after its last renewal in a bucket. This is for those who know that the run is dead and cannot wait. A run that is alive after all ends its work at its next look at the lease.\n\nExample:\n    lucid-policy unlock --run mfrggzdfmztwq2lk"
)]
pub struct Args {
    /// The run, as the refused `apply` names it
    #[arg(long, value_name = "ID")]
    run: String,
    /// Stores to look at [default: every store of the manifest]
    #[arg(value_name = "STORE")]
    stores: Vec<String>,
}

impl Args {
    pub(super) fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        let run: Random = self.run.parse().map_err(|e| Failure::usage(format!("{e}"), "`apply` names the run that it is waiting for"))?;
        let session = Session::open(global, screen, Access::Write)?;
        let instance = &session.set.instance;
        let only: Vec<Name> = self.stores.iter().map(|text| select::store(&session.set, text)).collect::<Result<_, _>>()?;
        let (mut released, mut alive, mut unseen) = (0, false, false);
        let mut others = Vec::new();
        for (name, store) in session.stores().into_iter().filter(|(name, _)| only.is_empty() || only.contains(name)) {
            let store = match store {
                Ok(store) => store,
                Err(error) => {
                    screen.say(&format!("warning: store `{name}` was not looked at: {}", crate::execute::chain(&error)));
                    unseen = true;
                    continue;
                }
            };
            for (series, lease) in seen(store.as_ref(), instance)? {
                let place = format!("series `{series}` on store `{name}`");
                let lease = match lease {
                    Ok(lease) if lease.run == run && lease.is_held() => lease,
                    Ok(lease) => {
                        others.extend(lease.is_held().then(|| format!("{place}: {}", named(&lease))));
                        continue;
                    }
                    Err(error) => {
                        others.push(format!("{place}: {error}"));
                        continue;
                    }
                };
                match store.unlock(&layout::lock(instance, &series), &run)? {
                    Unlocked::Released(lease) => {
                        released += 1;
                        screen.note(&format!("released: {place}, which was left by {}", named(&lease)));
                    }
                    Unlocked::Alive(lease) => {
                        alive = true;
                        screen.say(&format!("held: {place}, by {}: its process is alive on this host", named(&lease)));
                    }
                    // It was released, or taken over, while we looked.
                    Unlocked::Other(_) => screen.note(&format!("free: {place} is not held by {} any more", named(&lease))),
                }
            }
        }
        if alive {
            let message = format!("run {run} is alive and keeps its leases");
            return Err(Failure::new(Exit::Locked, message, "wait until it has ended, or end its process; its leases end with it"));
        }
        if unseen {
            return Ok(Exit::NotChecked);
        }
        if released > 0 {
            return Ok(Exit::Good);
        }
        let held = if others.is_empty() { "nobody holds any".to_owned() } else { format!("what is held:\n    {}", others.join("\n    ")) };
        Err(Failure::usage(format!("no lease names run {run}; {held}"), "name the run with --run as it is written there"))
    }
}
