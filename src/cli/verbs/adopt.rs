//! `adopt`: a backup that something else made becomes an artifact.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::archive::{Fit, Surveyed, SurveyedDump};
use crate::cli::Global;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::run::{Live, runtime};
use crate::cli::screen::{Format, Screen};
use crate::cli::select;
use crate::cli::session::{Access, Session};
use crate::cli::signals::Signals;
use crate::execute::{AdoptError, Adopted, Adoption, Checked, Content, Event, Observe, Report, StepError, StepOutcome, StepResult, chain};
use crate::finding::to_json;
use crate::model::id::{Instant, to_millis};
use crate::report::{bytes, count, instant};

/// Make an artifact of a backup that something else took.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "For trees and volumes FILE is a .tar, .tar.gz or .tar.zst, told by what is in it. Its members lie below the source's labels, or below the paths where the source is, or, if it has one root, relative to that, as `tar -C ROOT -czf FILE .` makes them. For MongoDB FILE is an archive of mongodump (`mongodump --archive=FILE`), plain or with gzip or zstd around it. For commands FILE is what the command would have written, and is taken byte for byte: what is compressed stays so.\n\nFILE is read whole and checked before anything is written; it stays where it is. The artifact satisfies no slot, and counts for retention by the time of its content. Nothing is asked and nothing is deleted; the next apply copies it to the policy's other stores.\n\nExamples:\n    lucid-policy adopt config /old/config-2026-11-20.tar.gz\n    lucid-policy adopt config config.tar.zst --taken-at 2026-11-20T02:00:00Z"
)]
pub struct Args {
    /// The policy whose artifact it becomes
    policy: String,
    /// The backup
    // `file` is the manifest's
    #[arg(value_name = "FILE")]
    backup: PathBuf,
    /// When its content was true, as 2026-11-20T02:00:00+01:00 [default: when the file was last modified]
    #[arg(long, value_name = "TIME")]
    taken_at: Option<String>,
}

impl Args {
    pub(super) fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        let format = global.format()?;
        let session = Session::open(global, screen, Access::Write)?;
        let policy = select::policy(&session.set, &self.policy)?;
        let (file, modified) = opened(&self.backup)?;
        let taken = to_millis(self.taken(modified, session.now())?);
        let name = self.backup.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let adoption = Adoption { set: Arc::clone(&session.set), policy, file, name, taken };
        let live = Live::new(*screen, format);
        // one object is printed at the end, and no events before it
        let report: Report = if format == Format::Text { live.report() } else { Arc::new(|_| ()) };
        let (said, watching) = (*screen, live.clone());
        let announce = move |event: Event| match (format, &event) {
            (Format::Text, _) => watching.report()(event),
            (Format::Json, Event::Interrupted { signal }) => said.say(&format!("{signal}: ending; nothing of it is listed")),
            (Format::Json, _) => {}
        };
        let runtime = runtime()?;
        let signals = runtime.block_on(async { Signals::watch(announce) })?;
        let ports = session.ports(Arc::clone(&report), &signals);
        let texts = session.texts.clone();
        let session = Arc::new(session);
        let observe: Observe = Arc::new(move || session.look_at_stores());
        let done = adoption.check(&ports).and_then(|checked| {
            if format == Format::Text && !screen.quiet {
                screen.out(&self.intent(&adoption, &checked));
                checked.warnings.iter().for_each(|warning| screen.say(&format!("warning: {warning}")));
            }
            Ok((adoption.store(&checked, &ports, &observe)?, checked))
        });
        live.finish();
        let (adopted, checked) = match done {
            Ok(done) => done,
            Err(AdoptError::Step(StepError::Interrupted)) => return Ok(signals.exit().unwrap_or(Exit::Interrupted)),
            Err(AdoptError::Guarded(findings)) if !findings.is_empty() => {
                match format {
                    Format::Json => screen.out(&to_json(&findings)),
                    Format::Text => screen.say(screen.findings(&findings, &texts).trim_end()),
                }
                return Err(Failure::new(Exit::Refused, "", ""));
            }
            Err(error) => return Err(failure(&error)),
        };
        match format {
            Format::Json => screen.json(&told(&adoption, &checked, &adopted)),
            Format::Text => {
                let address = format!("adopt:policy.{}", adoption.policy);
                let result = StepResult::Done(adopted.done.clone());
                report(Event::StepEnded(StepOutcome { address, kind: "adopt".to_owned(), result, millis: adopted.millis }));
                if !screen.quiet {
                    screen.out(&outcome(&adopted));
                }
            }
        }
        Ok(Exit::Good)
    }

    /// When the content was true. What was not yet is refused: it would count as newer than all that comes.
    fn taken(&self, modified: Instant, now: Instant) -> Result<Instant, Failure> {
        let help = "write when the backup was taken, with its offset, as --taken-at 2026-11-20T02:00:00+01:00";
        let (taken, what) = match &self.taken_at {
            Some(text) => {
                let taken = DateTime::parse_from_rfc3339(text);
                (taken.map_err(|e| Failure::usage(format!("`{text}` is not a time: {e}"), help))?.with_timezone(&Utc), "--taken-at")
            }
            None => (modified, "the modification time of the file"),
        };
        if taken >= now {
            return Err(Failure::usage(format!("{what} is {}, which is in the future", instant(taken)), help));
        }
        Ok(taken)
    }

    /// What is about to be done.
    fn intent(&self, adoption: &Adoption, checked: &Checked) -> String {
        let size = bytes(checked.bytes);
        let what = match &checked.content {
            Content::Tree(tree) => format!("a tar archive ({}, {size})", tree.wrapping.as_str()),
            Content::Dump(dump) => format!("an archive of mongodump ({}, {size})", dump.wrapping.as_str()),
            Content::Stream => format!("a stream ({size})"),
        };
        let mut text =
            format!("`{}` is {what}, and is to become an artifact of policy.{}\n", adoption.name.escape_debug(), adoption.policy);
        match &checked.content {
            Content::Tree(tree) => text.push_str(&format!("    members     {}\n", members(tree))),
            Content::Dump(dump) => text.push_str(&format!("    holds       {}\n", documents(dump))),
            Content::Stream => {}
        }
        let why = if self.taken_at.is_some() { "" } else { ", when the file was last modified; --taken-at says otherwise" };
        text + &format!("    content of  {}{why}\n    sha256      {}\n", instant(adoption.taken), checked.sha256)
    }
}

fn number(n: u64, noun: &str) -> String {
    count(usize::try_from(n).unwrap_or(usize::MAX), noun)
}

fn documents(dump: &SurveyedDump) -> String {
    let oplog = dump.oplog.map_or_else(|| "no oplog".to_owned(), |entries| number(entries, "entry") + " of the oplog");
    let documents = number(dump.documents, "document");
    format!("{documents} in {}, {oplog}, of MongoDB {}", number(dump.namespaces, "collection"), dump.server_version.escape_debug())
}

fn members(tree: &Surveyed) -> String {
    let labels: Vec<String> = tree.labels.iter().map(|label| format!("`{label}`")).collect();
    let labels = labels.join(", ");
    let how = match &tree.fit {
        Fit::Labels => format!("below {labels} as they are"),
        Fit::Origins => format!("at the paths of the source, put below {labels}"),
        Fit::Relative(_) => format!("relative to the root of the source, put below {labels}"),
    };
    let above = if tree.above == 0 { String::new() } else { format!("; {} above the roots left out", number(tree.above, "folder")) };
    format!("{}, {how}{above}", tree.members)
}

fn opened(path: &Path) -> Result<(File, Instant), Failure> {
    let help = "name a backup that is there and that this user may read";
    let cannot = |error: std::io::Error| Failure::usage(format!("`{}` cannot be read: {error}", path.display()), help);
    // a pipe would wait at the opening for somebody who writes
    if !fs::metadata(path).map_err(cannot)?.is_file() {
        return Err(Failure::usage(format!("`{}` is no regular file", path.display()), help));
    }
    let file = File::open(path).map_err(cannot)?;
    let modified = file.metadata().and_then(|metadata| metadata.modified()).map_err(cannot)?;
    Ok((file, modified.into()))
}

fn outcome(adopted: &Adopted) -> String {
    let mut text = format!("Adopted: {} on {}.\n", adopted.id, adopted.store);
    if !adopted.missing.is_empty() {
        let missing: Vec<String> = adopted.missing.iter().map(ToString::to_string).collect();
        text.push_str(&format!("The next apply copies it to {}, as far as retention keeps it there.\n", missing.join(", ")));
    }
    text
}

fn told(adoption: &Adoption, checked: &Checked, adopted: &Adopted) -> serde_json::Value {
    let warnings: Vec<&String> = checked.warnings.iter().chain(&adopted.warnings).collect();
    json!({
        "format_version": "1.0", "policy": adoption.policy, "series": adoption.set.policies[&adoption.policy].series,
        "id": adopted.id, "store": adopted.store, "instant": adoption.taken, "bytes": adopted.done.bytes,
        "source_bytes": adopted.done.source_bytes, "entries": adopted.done.entries, "file": adoption.name,
        "sha256": checked.sha256.to_string(), "file_bytes": checked.bytes, "missing_on": adopted.missing, "warnings": warnings,
    })
}

fn failure(error: &AdoptError) -> Failure {
    let message = chain(error);
    match error {
        AdoptError::Refused { help, .. } => Failure::new(Exit::Refused, message, *help),
        AdoptError::Damaged { .. } => Failure::new(Exit::Damaged, message, "nothing was adopted; take another backup"),
        AdoptError::Known { .. } => {
            Failure::new(Exit::Refused, message, "`lucid-policy show ID` shows it; with another --taken-at it is another one")
        }
        AdoptError::Locked { .. } => Failure::new(Exit::Locked, message, "run it again when that one has ended"),
        AdoptError::Guarded(_) => Failure::new(Exit::Refused, "no store of the policy can take it", "`lucid-policy plan` says why"),
        AdoptError::Step(_) => Failure::new(Exit::StepFailed, message, "nothing of it is listed; what was written is swept"),
        AdoptError::State(_) => {
            Failure::new(Exit::Unexpected, message, "make the state folder writable, or name another one with --state-dir")
        }
    }
}
