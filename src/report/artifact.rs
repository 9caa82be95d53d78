//! Artifacts for people: lists, and one in full.

use serde::Serialize;

use super::human::instant;
use crate::finding::{bytes, count};
use crate::model::id::{ArtifactId, Instant, Name};
use crate::plan::Keep;
use crate::store::record::{Fidelity, Record};

/// One artifact in one store.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ArtifactRow {
    /// Its series.
    pub series: Name,
    /// The policy that writes the series there; none for an orphan.
    pub policy: Option<Name>,
    /// The store.
    pub store: Name,
    /// Its identity.
    pub id: ArtifactId,
    /// When its content was true.
    pub instant: Instant,
    /// The instant of the schedule that it satisfies.
    pub slot: Option<Instant>,
    /// Its bytes there, all generations.
    pub bytes: u64,
    /// Whether it can be restored from there.
    pub usable: bool,
    /// Whether a check of its bytes or deeper has passed.
    pub verified: bool,
    /// Names of the pins on it.
    pub holds: Vec<String>,
    /// The random part of what it needs.
    pub needs: Option<String>,
    /// Why it stays; none if retention lets it go, or nothing judges it.
    pub kept: Option<Keep>,
}

/// A list, newest first within each series and store.
pub fn list_text(rows: &[ArtifactRow]) -> String {
    if rows.is_empty() {
        return "No artifacts.\n".to_owned();
    }
    let mut out = String::new();
    let mut place = None;
    for row in rows {
        let here = (&row.series, &row.store);
        if place != Some(here) {
            let orphan = if row.policy.is_none() { "  (no policy writes it here: never deleted)" } else { "" };
            out.push_str(&format!("{}{} on {}{orphan}\n", if place.is_some() { "\n" } else { "" }, row.series, row.store));
            place = Some(here);
        }
        let state = match (row.usable, row.verified, row.needs.is_some()) {
            (false, _, _) => "DAMAGED",
            (true, true, _) => "verified",
            (true, false, true) => "unchanged",
            (true, false, false) => "complete",
        };
        let why = row.kept.as_ref().map_or_else(|| if row.policy.is_some() { "expired".to_owned() } else { String::new() }, keep_text);
        out.push_str(&format!("  {}  {}  {:>10}  {state:<9}  {why}\n", row.id, instant(row.instant), bytes(row.bytes)));
    }
    out
}

fn keep_text(keep: &Keep) -> String {
    match keep {
        Keep::NoRetention => "kept: no retention".to_owned(),
        Keep::Future => "kept: dated in the future".to_owned(),
        Keep::Bucket { unit, ordinal, bucket } => format!("kept: {} {ordinal} ({bucket})", unit.as_str()),
        Keep::Last { ordinal } => format!("kept: last {ordinal}"),
        Keep::Within => "kept: within".to_owned(),
        Keep::OldestUntilFull => "kept: oldest until full".to_owned(),
        Keep::Newest => "kept: newest".to_owned(),
        Keep::NewestVerified => "kept: newest verified".to_owned(),
        Keep::MinCount => "kept: min_count".to_owned(),
        Keep::MinAge => "kept: min_age".to_owned(),
        Keep::Hold => "kept: held".to_owned(),
        Keep::NeededBy { id } => format!("kept: needed by {id}"),
        Keep::Set { id } => format!("kept: in a set with {id}"),
        Keep::Frozen => "kept: what it needs is missing".to_owned(),
        Keep::Damaged => "kept: damaged, not yet expired".to_owned(),
        Keep::Locked { until } => format!("locked until {}", instant(*until)),
        Keep::AwaitingCopy { store } => format!("kept: {store} waits for a copy"),
    }
}

/// One artifact in full: its record, and how it is on each store.
pub fn show_text(record: &Record, rows: &[ArtifactRow]) -> String {
    let mut out = format!("{}\n\n", record.id);
    let mut line = |key: &str, value: String| out.push_str(&format!("  {key:<12} {value}\n"));
    line("policy", record.policy.to_string());
    line("series", record.series.to_string());
    let version = record.source_version.as_ref().map_or_else(String::new, |version| format!(", version {version}"));
    line("source", format!("{} {}{version}", record.source.kind, record.source.name));
    line("slot", record.slot.map_or_else(|| "none".to_owned(), instant));
    line("content of", instant(record.instant));
    line("taken", format!("{} to {}", instant(record.start), instant(record.end)));
    line(
        "holds",
        format!("{}, {}", count(usize::try_from(record.counts.entries).unwrap_or(usize::MAX), "entry"), bytes(record.counts.bytes)),
    );
    match &record.payload_of {
        Some(owner) => line("bytes", format!("unchanged: those of {}", owner.id)),
        None => line("bytes", format!("{} in {}", bytes(record.bytes()), count(record.objects().count(), "object"))),
    }
    line("codec", record.codec.join(", "));
    for recipient in &record.recipients {
        line("readable by", recipient.clone());
    }
    line("consistency", format!("{:?}", record.consistency).to_lowercase());
    if let Some(Fidelity::Reduced) = record.fidelity {
        line("fidelity", "reduced: without most attributes, ACLs and parts of a second".to_owned());
    }
    line("warnings", record.warnings.to_string());
    line("made by", format!("{} {} in run {}", record.tool.name, record.tool.version, record.run));
    if let Some(origin) = &record.origin {
        let said = |key: &str| origin.get(key).and_then(serde_json::Value::as_str).unwrap_or("unknown");
        line("adopted", format!("{}  sha256 {}", said("file").escape_debug(), said("sha256")));
    }
    for (label, origin) in &record.labels {
        line("label", format!("{label} = {origin}"));
    }
    for object in record.objects() {
        line("object", format!("{}  {} B  sha256 {}", object.name, object.bytes, object.sha256));
    }
    out.push('\n');
    for row in rows {
        let state = if row.usable { if row.verified { "verified" } else { "complete" } } else { "DAMAGED" };
        let holds = if row.holds.is_empty() { String::new() } else { format!(", held by {}", row.holds.join(", ")) };
        let why = row.kept.as_ref().map_or_else(|| ", retention lets it go".to_owned(), |k| format!(", {}", keep_text(k)));
        out.push_str(&format!("  on {}: {state}{holds}{}\n", row.store, if row.policy.is_some() { why } else { String::new() }));
    }
    out
}
