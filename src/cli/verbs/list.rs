//! `list`: what there is, and why each is kept.

use serde_json::json;

use super::artifacts::{rows, unseen};
use crate::cli::Global;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::screen::{Format, Screen};
use crate::cli::select;
use crate::cli::session::{Access, Session};
use crate::report::list_text;

/// List artifacts, and why each is kept.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n    lucid-policy list\n    lucid-policy list config --store local")]
pub struct Args {
    /// Only this policy's
    policy: Option<String>,
    /// Only those on this store
    #[arg(long, value_name = "NAME")]
    store: Option<String>,
}

impl Args {
    pub(super) fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        let format = global.format()?;
        let session = Session::open(global, screen, Access::Read)?;
        let policy = self.policy.as_deref().map(|text| select::policy(&session.set, text)).transpose()?;
        let store = self.store.as_deref().map(|text| select::store(&session.set, text)).transpose()?;
        let mut facts = session.catalogue()?;
        let mut rows = rows(&session, &mut facts);
        rows.retain(|r| policy.is_none() || r.policy == policy);
        rows.retain(|r| store.as_ref().is_none_or(|s| r.store == *s));
        let unseen = unseen(&facts);
        for line in &unseen {
            screen.say(&format!("warning: {line}"));
        }
        match format {
            Format::Json => screen.json(&json!({ "format_version": "1.0", "artifacts": rows })),
            Format::Text => screen.out(&list_text(&rows)),
        }
        Ok(if unseen.is_empty() { Exit::Good } else { Exit::NotChecked })
    }
}
