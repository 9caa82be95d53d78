//! What the operator names on the command line, as values: policies, artifacts, times.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};

use super::failure::Failure;
use crate::facts::{Facts, StoreFacts};
use crate::finding::nearest;
use crate::model::id::{ArtifactId, Instant, Name};
use crate::model::{PolicySet, Zone};

/// A policy by name, written with or without `policy.` before it.
pub(super) fn policy(set: &PolicySet, text: &str) -> Result<Name, Failure> {
    let short = text.strip_prefix("policy.").unwrap_or(text);
    if let Some(name) = set.policies.keys().find(|n| n.as_str() == short) {
        return Ok(name.clone());
    }
    // A slip in `policy.` itself must not hide what was meant behind it.
    let bare = short.rsplit('.').next().unwrap_or(short);
    let all = || set.policies.keys().map(Name::as_str);
    let help = nearest(bare, all()).map_or_else(|| format!("policies are {}", quoted(all())), |near| format!("did you mean `{near}`?"));
    Err(Failure::usage(format!("there is no policy `{short}`"), help))
}

fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")
}

/// A store by name.
pub(super) fn store(set: &PolicySet, text: &str) -> Result<Name, Failure> {
    let short = text.strip_prefix("store.").unwrap_or(text);
    if let Some(name) = set.stores.keys().find(|n| n.as_str() == short) {
        return Ok(name.clone());
    }
    let all = || set.stores.keys().map(Name::as_str);
    let help = nearest(short, all()).map_or_else(|| format!("stores are {}", quoted(all())), |near| format!("did you mean `{near}`?"));
    Err(Failure::usage(format!("there is no store `{short}`"), help))
}

/// Policies of `--only`.
pub(super) fn only(set: &PolicySet, texts: &[String]) -> Result<BTreeSet<Name>, Failure> {
    texts.iter().map(|text| policy(set, text)).collect()
}

/// One artifact of any series, by its id or an unambiguous beginning or end of it.
pub(super) fn artifact(facts: &Facts, text: &str) -> Result<(Name, ArtifactId), Failure> {
    let mut found: BTreeSet<(Name, ArtifactId)> = BTreeSet::new();
    let mut all = 0;
    for listing in facts.stores.values().filter_map(StoreFacts::listing) {
        for (series, held) in &listing.series {
            for artifact in &held.artifacts {
                let id = artifact.id.to_string();
                all += 1;
                if !text.is_empty() && (id.starts_with(text) || id.ends_with(text)) {
                    found.insert((series.clone(), artifact.id));
                }
            }
        }
    }
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => {
            let help =
                if all == 0 { "there is none yet; `lucid-policy apply` makes one" } else { "`lucid-policy list` shows what there is" };
            Err(Failure::usage(format!("there is no artifact `{text}`"), help))
        }
        (Some((_, one)), Some((_, two))) => {
            Err(Failure::usage(format!("`{text}` stands for more than one artifact, such as {one} and {two}"), "write more of it"))
        }
    }
}

/// A time as operators write it: RFC 3339, or a date with or without a time, in the manifest's zone.
pub(super) fn time(text: &str, zone: Zone) -> Result<Instant, Failure> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.with_timezone(&Utc));
    }
    let civil = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(|day| day.and_time(NaiveTime::MIN)));
    match civil {
        Some(civil) => Ok(zone.earliest(civil)),
        None => Err(Failure::usage(
            format!("`{text}` is not a time"),
            format!("write 2026-11-23T02:00:00Z, or \"2026-11-23 02:00\" in the manifest's zone ({zone})"),
        )),
    }
}
