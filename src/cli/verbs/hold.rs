//! `hold` and `release`: pins that retention respects, on every store that has the artifact.

use crate::cli::Global;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::screen::Screen;
use crate::cli::select;
use crate::cli::session::{Access, Session};
use crate::facts::{Facts, StoreFacts};
use crate::model::id::{ArtifactId, Name};
use crate::store::documents::{FormatVersion, HoldRecord, write};
use crate::store::layout;

/// Pin an artifact, so that retention leaves it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n    lucid-policy hold mfrggzdfmztwq2lk --name before-upgrade --reason \"state before 3.0\"")]
pub struct HoldArgs {
    /// The artifact's id, or an unambiguous beginning or end of it
    id: String,
    /// The pin's name
    #[arg(long, default_value = "manual")]
    name: String,
    /// Why, for those who find it later
    #[arg(long, default_value = "")]
    reason: String,
}

/// Take a pin away.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n    lucid-policy release mfrggzdfmztwq2lk --name before-upgrade")]
pub struct ReleaseArgs {
    /// The artifact's id, or an unambiguous beginning or end of it
    id: String,
    /// The pin's name
    #[arg(long, default_value = "manual")]
    name: String,
}

fn pin(text: &str) -> Result<Name, Failure> {
    text.parse().map_err(|e| Failure::usage(format!("{e}"), "use a-z, 0-9 and -"))
}

/// The stores that list the artifact.
fn having(facts: &Facts, series: &Name, id: ArtifactId) -> Vec<Name> {
    let lists =
        |facts: &StoreFacts| facts.listing().and_then(|l| l.series.get(series)).is_some_and(|s| s.artifacts.iter().any(|a| a.id == id));
    facts.stores.iter().filter(|(_, s)| lists(s)).map(|(name, _)| name.clone()).collect()
}

/// A store that could not be asked may hold another copy: the operator must know.
fn warn_unseen(screen: &Screen, facts: &Facts, what: &str) -> Exit {
    let unseen: Vec<&Name> = facts.stores.iter().filter(|(_, s)| matches!(s, StoreFacts::Unusable(_))).map(|(n, _)| n).collect();
    for name in &unseen {
        screen.say(&format!("warning: store `{name}` could not be reached and was not {what}"));
    }
    if unseen.is_empty() { Exit::Good } else { Exit::NotChecked }
}

impl HoldArgs {
    pub(super) fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        let session = Session::open(global, screen, Access::Write)?;
        let name = pin(&self.name)?;
        let facts = session.catalogue()?;
        let (series, id) = select::artifact(&facts, &self.id)?;
        let record = HoldRecord {
            format_version: FormatVersion::CURRENT,
            name: name.clone(),
            reason: self.reason.clone(),
            created: session.now(),
            by: session.host.name.clone(),
        };
        let stores = session.usable_stores();
        for place in having(&facts, &series, id) {
            if let Some(store) = stores.get(&place) {
                store.create(&layout::hold(&session.set.instance, &series, &id, &name), &write(&record))?;
                screen.note(&format!("held: {id} on {place} as `{name}`"));
            }
        }
        Ok(warn_unseen(screen, &facts, "pinned"))
    }
}

impl ReleaseArgs {
    pub(super) fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        let session = Session::open(global, screen, Access::Write)?;
        let name = pin(&self.name)?;
        let facts = session.catalogue()?;
        let (series, id) = select::artifact(&facts, &self.id)?;
        let stores = session.usable_stores();
        let mut released = false;
        for place in having(&facts, &series, id) {
            let Some(store) = stores.get(&place) else { continue };
            let key = layout::hold(&session.set.instance, &series, &id, &name);
            if store.list(&layout::holds_folder(&session.set.instance, &series, &id))?.iter().any(|o| o.key == key) {
                store.delete(&key)?;
                released = true;
                screen.note(&format!("released: {id} on {place} from `{name}`"));
            }
        }
        if !released {
            return Err(Failure::usage(format!("{id} is not held as `{name}`"), "`lucid-policy show ID` names its pins"));
        }
        Ok(warn_unseen(screen, &facts, "released"))
    }
}
