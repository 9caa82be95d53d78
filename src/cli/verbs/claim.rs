//! `claim`: this host takes over an instance whose host is gone.

use crate::cli::Global;
use crate::cli::ask::confirmed;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::screen::Screen;
use crate::cli::session::{Access, Session};
use crate::store::documents::{FormatVersion, OwnerRecord, read, write};
use crate::store::{Created, layout};

/// Take over an instance whose host is gone.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n    lucid-policy claim --yes")]
pub struct Args {
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

impl Args {
    pub(super) fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        let session = Session::open(global, screen, Access::Write)?;
        let question = format!(
            "Host `{}` becomes the one that captures and copies `{}`; the other must never run again.",
            session.host.name, session.set.instance
        );
        if !(self.yes || screen.interactive && confirmed(screen, &question)) {
            return Err(Failure::new(Exit::Refused, "nothing was claimed", "run it again with --yes if the other host is gone for good"));
        }
        let instance = &session.set.instance;
        for (name, store) in session.usable_stores() {
            let mut newest: Option<(u32, String)> = None;
            for object in store.list(&layout::Area::Owner.folder(instance))? {
                if let Some(layout::Place::Owner(n)) = layout::parse(instance, &object.key)
                    && newest.as_ref().is_none_or(|(most, _)| n > *most)
                {
                    newest = Some((n, object.key));
                }
            }
            let Some((n, key)) = newest else {
                screen.note(&format!("store `{name}` belongs to nobody yet"));
                continue;
            };
            let owner: OwnerRecord =
                read(&store.get(&key)?).map_err(|e| Failure::new(Exit::Damaged, format!("store `{name}`: `{key}`: {e}"), ""))?;
            if owner.host == session.host.id {
                screen.note(&format!("store `{name}` is this host's already"));
                continue;
            }
            let record = OwnerRecord {
                format_version: FormatVersion::CURRENT,
                host: session.host.id.clone(),
                hostname: session.host.name.clone(),
                at: session.now(),
            };
            if store.create(&layout::owner(instance, n + 1), &write(&record))? == Created::Taken {
                return Err(Failure::new(
                    Exit::Refused,
                    format!("store `{name}` was claimed by another host at the same time"),
                    "find out which host it is to be",
                ));
            }
            screen.note(&format!("store `{name}`: taken over from host `{}`", owner.hostname));
        }
        Ok(Exit::Good)
    }
}
