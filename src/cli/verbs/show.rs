//! `show`: one artifact in full, and the files in it.

use std::fmt::Write as _;

use serde_json::json;

use super::artifacts::rows;
use crate::archive::Index;
use crate::archive::MemberName;
use crate::archive::ReadError;
use crate::cli::Global;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::identities::IdentityArgs;
use crate::cli::screen::{Format, Screen};
use crate::cli::select;
use crate::cli::session::{Access, Session};
use crate::execute::{Reading, StepError};
use crate::report::show_text;

/// Show one artifact in full.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n    lucid-policy show 20261123T020000123Z-full-mfrggzdfmztwq2lk\n    lucid-policy show mfrggzdfmztwq2lk --files\n    lucid-policy show mfrggzdfmztwq2lk --files --path etc/nginx"
)]
pub struct Args {
    /// Its id, or an unambiguous beginning or end of it
    id: String,
    /// List the files in it
    #[arg(long)]
    files: bool,
    #[command(flatten)]
    identity: IdentityArgs,
    /// With --files: only this path and what is below it
    #[arg(long, value_name = "PATH", requires = "files")]
    path: Option<String>,
}

impl Args {
    pub(super) fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        let format = global.format()?;
        let session = Session::open(global, screen, Access::Read)?;
        let mut facts = session.catalogue()?;
        let (series, id) = select::artifact(&facts, &self.id)?;
        let reading = Reading::open(&session.set.instance, &session.usable_stores(), &facts, &series, id);
        let reading = reading.map_err(|e| match e {
            StepError::Damaged(_) => Failure::new(Exit::Damaged, crate::execute::chain(&e), "`lucid-policy verify` says more"),
            other => Failure::new(Exit::NotChecked, crate::execute::chain(&other), ""),
        })?;
        if self.files {
            return self.list(screen, format, &reading);
        }
        let mut rows = rows(&session, &mut facts);
        rows.retain(|r| r.series == series && r.id == id);
        match format {
            Format::Json => screen.json(&json!({ "format_version": "1.0", "record": reading.record, "stores": rows })),
            Format::Text => screen.out(&show_text(&reading.record, &rows)),
        }
        Ok(Exit::Good)
    }

    fn list(&self, screen: &Screen, format: Format, reading: &Reading) -> Result<Exit, Failure> {
        let damaged = |e: &dyn std::error::Error| Failure::new(Exit::Damaged, crate::execute::chain(e), "`lucid-policy verify` says more");
        let identities = self.identity.read(screen)?;
        let Some(stored) = reading.index(&identities) else {
            return Err(Failure::usage(format!("`{}` has no files: its payload is one stream", reading.record.id), "restore it with --to"));
        };
        let stored = stored.map_err(|error| match &error {
            ReadError::Sealed(error) if !error.is_damage() => {
                let why = if identities.is_empty() { "no identity is given".to_owned() } else { error.to_string() };
                let to = reading.recipients().join("`, `");
                let message = format!("the list of files in `{}` is encrypted to `{to}`, and {why}", reading.record.id);
                Failure::new(Exit::Refused, message, error.help())
            }
            _ => damaged(&error),
        })?;
        let index = Index::open(&*stored).map_err(|e| damaged(&e))?;
        let path = self.path.as_deref().map(|p| p.trim_matches('/').as_bytes());
        let entries: Box<dyn Iterator<Item = _>> = match path {
            Some(path) => Box::new(index.range(path)),
            None => Box::new(index.iter()),
        };
        let mut found = false;
        let mut listed = Vec::new();
        let mut text = String::new();
        for entry in entries {
            let entry = entry.map_err(|e| damaged(&e))?;
            found = true;
            let name = MemberName::new(entry.path.clone());
            let kind = format!("{:?}", entry.kind).to_lowercase();
            match format {
                Format::Json => listed.push(json!({
                    "path": name.to_string(), "kind": kind, "size": entry.size, "mode": format!("{:04o}", entry.mode & 0o7777),
                    "mtime": entry.mtime.seconds,
                })),
                Format::Text => {
                    let at = chrono::DateTime::from_timestamp(entry.mtime.seconds, 0).map(crate::report::instant).unwrap_or_default();
                    // Writing to a String cannot fail.
                    let _ = writeln!(text, "{:04o} {kind:<9} {:>12} {at} {name}", entry.mode & 0o7777, entry.size);
                    if text.len() > 1 << 16 {
                        screen.out(&text);
                        text.clear();
                    }
                }
            }
        }
        screen.out(&text);
        if !found {
            let path = self.path.as_deref().unwrap_or_default();
            return Err(Failure::usage(
                format!("`{path}` is not in `{}`", reading.record.id),
                "`show --files` without --path lists everything",
            ));
        }
        if format == Format::Json {
            screen.json(&json!({ "format_version": "1.0", "id": reading.record.id, "files": listed }));
        }
        Ok(Exit::Good)
    }
}
