//! `verify`: every artifact, or some, checked down to a level; what is found is noted beside them.

use std::sync::Arc;

use serde_json::json;

use crate::cli::Global;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::identities::IdentityArgs;
use crate::cli::run::runtime;
use crate::cli::screen::{Format, Screen};
use crate::cli::select;
use crate::cli::session::{Access, Session};
use crate::cli::signals::Signals;
use crate::execute::{Checker, Event, Found, Ports};
use crate::facts::StoreFacts;
use crate::model::id::{ArtifactId, Name};
use crate::store::layout::Verdict;

/// Check artifacts: presence, stored bytes, structure.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Levels: 0 presence and sizes, 1 the SHA-256 of the stored bytes, 2 every frame, header and digest inside.\nWhat is encrypted is checked below level 1 only with an --identity that opens it.\n\nExamples:\n    lucid-policy verify\n    lucid-policy verify config --newest\n    lucid-policy verify 20261123T020000123Z-full-mfrggzdfmztwq2lk --level 1"
)]
pub struct Args {
    /// A policy, or an artifact's id; all of them without it
    what: Option<String>,
    /// How deep
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=2))]
    level: u8,
    /// Only the newest artifact of each policy on each store
    #[arg(long)]
    newest: bool,
    #[command(flatten)]
    identity: IdentityArgs,
    /// Leave no notes in the stores
    #[arg(long)]
    no_notes: bool,
}

struct Target {
    store: Name,
    series: Name,
    id: ArtifactId,
    generation: u32,
}

impl Args {
    pub(super) fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        let format = global.format()?;
        let session = Session::open(global, screen, Access::Read)?;
        let identities = self.identity.read(screen)?;
        let named = !identities.is_empty();
        let facts = session.catalogue()?;
        let targets = self.targets(&session, &facts)?;
        let unseen: Vec<Name> = facts.stores.iter().filter(|(_, s)| matches!(s, StoreFacts::Unusable(_))).map(|(n, _)| n.clone()).collect();
        let runtime = runtime()?;
        let said = *screen;
        let announce = move |event| {
            if let Event::Interrupted { signal } = event {
                said.say(&format!("{signal}: ending after this artifact"));
            }
        };
        let signals = runtime.block_on(async { Signals::watch(announce) })?;
        let ports = Ports { identities, ..session.ports(Arc::new(|_| ()), &signals) };
        let checker = Checker::new(Arc::clone(&session.set), ports, facts);
        let mut worst = if unseen.is_empty() { Exit::Good } else { Exit::NotChecked };
        let mut results = Vec::new();
        for target in &targets {
            if let Some(exit) = signals.exit() {
                return Ok(exit);
            }
            let found = checker.check(&target.store, &target.series, target.id, target.generation, self.level);
            if !self.no_notes
                && found.verdict != Verdict::Unrun
                && let Err(error) = checker.note(&target.store, &target.series, target.id, target.generation, &found)
            {
                screen.say(&format!("warning: what was found could not be noted: {}", crate::execute::chain(&error)));
            }
            worst = match (found.verdict, worst) {
                (Verdict::Fail, _) | (_, Exit::Damaged) => Exit::Damaged,
                (Verdict::Unrun, _) | (_, Exit::NotChecked) => Exit::NotChecked,
                // an identity was named to see more, and opens nothing
                (Verdict::Pass, _) if named && found.level < self.level => Exit::NotChecked,
                (Verdict::Pass, _) => Exit::Good,
            };
            match format {
                Format::Json => results.push(json!({
                    "store": target.store, "series": target.series, "id": target.id, "generation": target.generation,
                    "level": found.level, "result": found.verdict, "findings": found.findings,
                })),
                Format::Text => show(screen, target, &found),
            }
        }
        for name in &unseen {
            screen.say(&format!("not checked: store `{name}` could not be read; `lucid-policy plan` says why"));
        }
        match format {
            Format::Json => screen.json(&json!({ "format_version": "1.0", "checks": results })),
            Format::Text if targets.is_empty() => screen.out("There is nothing to verify.\n"),
            Format::Text => {}
        }
        Ok(worst)
    }

    fn targets(&self, session: &Session, facts: &crate::facts::Facts) -> Result<Vec<Target>, Failure> {
        let mut series: Option<(Name, Option<ArtifactId>)> = None;
        if let Some(what) = &self.what {
            series = Some(match select::policy(&session.set, what) {
                Ok(policy) => (session.set.policies[&policy].series.clone(), None),
                Err(no_policy) => match select::artifact(facts, what) {
                    Ok((series, id)) => (series, Some(id)),
                    Err(_) => return Err(no_policy),
                },
            });
        }
        let mut targets = Vec::new();
        for (store, listing) in facts.stores.iter().filter_map(|(n, s)| Some((n, s.listing()?))) {
            for (name, held) in &listing.series {
                if series.as_ref().is_some_and(|(wanted, _)| wanted != name) {
                    continue;
                }
                let wanted = series.as_ref().and_then(|(_, id)| *id);
                let mut artifacts: Vec<_> = held.artifacts.iter().filter(|a| wanted.is_none_or(|id| a.id == id)).collect();
                artifacts.sort_by_key(|a| (a.instant, a.id));
                if self.newest {
                    // The newest may be a note that nothing changed: its bytes are its owner's.
                    let newest = artifacts.last().copied();
                    let need = newest.and_then(|a| a.need);
                    artifacts.retain(|a| Some(a.id) == newest.map(|n| n.id) || Some(a.id.random()) == need);
                }
                for artifact in artifacts {
                    let newest_only = artifact.generations.last().map(|g| g.n);
                    targets.extend(newest_only.map(|generation| Target {
                        store: store.clone(),
                        series: name.clone(),
                        id: artifact.id,
                        generation,
                    }));
                }
            }
        }
        Ok(targets)
    }
}

fn show(screen: &Screen, target: &Target, found: &Found) {
    let word = match found.verdict {
        Verdict::Pass => "good",
        Verdict::Fail => "DAMAGED",
        Verdict::Unrun => "not checked",
    };
    let line = format!("{word} (level {}): {} on {}", found.level, target.id, target.store);
    if found.verdict != Verdict::Pass || !screen.quiet {
        screen.out(&format!("{line}\n"));
    }
    for finding in &found.findings {
        screen.out(&format!("    {finding}\n"));
    }
}
