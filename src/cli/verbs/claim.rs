//! `claim`: this host takes over an instance whose host is gone.

use crate::cli::Global;
use crate::cli::ask::confirmed;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::screen::Screen;
use crate::cli::session::{Access, Session};
use crate::model::id::Name;
use crate::store::documents::{FormatVersion, OwnerRecord, read, write};
use crate::store::{Created, WriteStore, layout};

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
        let mut worst = Exit::Good;
        for (name, store) in session.stores() {
            match store.map_err(Failure::from).and_then(|store| take_over(&session, &name, store.as_ref())) {
                Ok(said) => screen.note(&said),
                Err(failure) if matches!(failure.exit, Exit::Damaged) => return Err(failure),
                Err(failure) => {
                    screen.say(&format!("warning: store `{name}` was not claimed: {}", failure.message));
                    if !failure.help.is_empty() {
                        screen.say(&format!("  help: {}", failure.help));
                    }
                    worst = Exit::NotChecked;
                }
            }
        }
        Ok(worst)
    }
}

/// Takes over one store. What has become of it, as a sentence.
fn take_over(session: &Session, name: &Name, store: &dyn WriteStore) -> Result<String, Failure> {
    let instance = &session.set.instance;
    let mut newest: Option<(u32, String)> = None;
    for object in store.list(&layout::Area::Owner.folder(instance))? {
        if let Some(layout::Place::Owner(n)) = layout::parse(instance, &object.key)
            && newest.as_ref().is_none_or(|(most, _)| n > *most)
        {
            newest = Some((n, object.key));
        }
    }
    let Some((n, key)) = newest else { return Ok(format!("store `{name}` belongs to nobody yet")) };
    let owner: OwnerRecord =
        read(&store.get(&key)?).map_err(|e| Failure::new(Exit::Damaged, format!("store `{name}`: `{key}`: {e}"), ""))?;
    if owner.host == session.host.id {
        return Ok(format!("store `{name}` is this host's already"));
    }
    let record = OwnerRecord {
        format_version: FormatVersion::CURRENT,
        host: session.host.id.clone(),
        hostname: session.host.name.clone(),
        at: session.now(),
    };
    if store.create(&layout::owner(instance, n + 1), &write(&record))? == Created::Taken {
        return Err(Failure::new(Exit::Refused, "another host claimed it at the same time", "find out which host it is to be"));
    }
    Ok(format!("store `{name}`: taken over from host `{}`", owner.hostname))
}
