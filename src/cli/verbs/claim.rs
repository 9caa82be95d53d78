//! `claim`: this host takes over an instance whose host is gone. A store that is away belongs to somebody nobody can name: it is said, and
//! left alone.

use crate::cli::Global;
use crate::cli::ask::confirmed;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::screen::Screen;
use crate::cli::session::{Access, Session};
use crate::facts::{StoreFacts, Trouble};
use crate::model::id::Name;
use crate::plan::store_trouble;
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
        let mut session = Session::open(global, screen, Access::Write)?;
        session.catalog_only = true;
        let question = format!(
            "Host `{}` becomes the one that captures and copies `{}`; the other must never run again.",
            session.host.name, session.set.instance
        );
        if !(self.yes || screen.interactive && confirmed(screen, &question)) {
            return Err(Failure::new(Exit::Refused, "nothing was claimed", "run it again with --yes if the other host is gone for good"));
        }
        let seen = session.catalogue()?.stores;
        let (mut worst, mut there) = (Exit::Good, false);
        for (name, store) in session.stores() {
            match seen.get(&name) {
                Some(StoreFacts::New) => {
                    screen.note(&format!("store `{name}` is not there, and nothing is known of it: there is nothing to claim"));
                    continue;
                }
                Some(StoreFacts::Unusable(trouble)) if is_absent(trouble) => {
                    let finding = store_trouble(&name, trouble);
                    screen.say(&format!("warning: {}; it was not claimed", finding.message));
                    finding.help.iter().for_each(|help| screen.say(&format!("  help: {help}")));
                    (worst, there) = (Exit::Refused, true);
                    continue;
                }
                _ => there = true,
            }
            match store.map_err(Failure::from).and_then(|store| take_over(&session, &name, store.as_ref())) {
                Ok(said) => screen.note(&said),
                Err(failure) if matches!(failure.exit, Exit::Damaged) => return Err(failure),
                Err(failure) => {
                    screen.say(&format!("warning: store `{name}` was not claimed: {}", failure.message));
                    if !failure.help.is_empty() {
                        screen.say(&format!("  help: {}", failure.help));
                    }
                    worst = if worst == Exit::Refused { worst } else { Exit::NotChecked };
                }
            }
        }
        if !there {
            let message = "nothing was claimed: no store of the manifest is there";
            return Err(Failure::new(Exit::Refused, message, "mount the store that the other host wrote to, or bring it back"));
        }
        Ok(worst)
    }
}

/// Whether what is at the place is not the store, so that whose it is cannot be told.
fn is_absent(trouble: &Trouble) -> bool {
    match trouble {
        Trouble::Away { .. } | Trouble::Replaced { .. } | Trouble::Twin { .. } | Trouble::TooNew { .. } => true,
        Trouble::OwnedElsewhere { .. } | Trouble::Unusable { .. } => false,
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
