//! What stands in the way of a plan, as findings: one sentence that names the object, one that says what to do.

use std::cmp::Reverse;

use super::deletes::SKEW;
use super::refusal::Refusal;
use super::view::{Seen, View};
use super::{Request, Role};
use crate::facts::{Facts, Listing, Owner, StoreFacts, Trouble};
use crate::finding::world as code;
use crate::finding::{Code, Finding, Severity, bytes as size, count};
use crate::model::id::{ArtifactId, Instant, Name};
use crate::model::{Period, Policy, PolicySet, StoreKind};

/// Why nothing of a series is deleted.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Guard {
    Paused,
    Source(String),
    Services(Refusal),
    IncompleteListing,
    PayloadUnlisted,
    ClockSkew { ahead: i64 },
    WriterUnread(String),
    OtherRules { id: ArtifactId, rules: Option<String>, own: String },
    Unreadable { count: usize, example: String },
    SiblingsUnseen,
    ClockBehind { id: ArtifactId, instant: Instant },
    Fraction { going: usize, listed: usize, limit: f64 },
    Stale { newest: Instant, rpo: Period },
}

/// Stores that are used by what was selected and cannot serve.
pub(super) fn stores(set: &PolicySet, facts: &Facts, request: &Request) -> Vec<Finding> {
    let used: std::collections::BTreeSet<&Name> = request.selected(set).flat_map(|p| &p.stores).collect();
    let mut findings = Vec::new();
    for name in used {
        let span = set.stores.get(name).map(|s| s.span.clone());
        let folder = set.stores.get(name).is_some_and(|s| matches!(s.kind, StoreKind::Directory { .. }));
        let finding = match facts.stores.get(name) {
            // a folder of the host that captures; a janitor need not see it
            Some(StoreFacts::Unusable(_) | StoreFacts::New) if request.role == Role::Janitor && folder => {
                Finding::new(code::STORE_UNSEEN, format!("store `{name}` is not to be seen from this host, and nothing is deleted there"))
            }
            Some(StoreFacts::Unusable(trouble)) => store_trouble(name, trouble),
            Some(StoreFacts::New) if request.role == Role::Janitor => {
                Finding::new(code::STORE_AWAY, format!("store `{name}` is not there, and a host that only deletes makes none"))
                    .help("check where the manifest says that it is; a store that is new is made by the host that captures")
            }
            Some(StoreFacts::Ready(listing)) if request.role == Role::Janitor && writer_elsewhere(set, facts, name, listing).is_some() => {
                let host = listing.owner.as_ref().map_or("", |owner| owner.hostname.as_str());
                let message = format!("store `{name}` has a single writer, host `{host}`: nothing is deleted or swept from here");
                Finding::new(code::OTHER_HOST, message)
                    .help(format!("run it on `{host}`, or leave `coordination` out if the store can do with several"))
            }
            Some(StoreFacts::Ready(listing)) if !listing.complete => {
                Finding::new(code::INCOMPLETE_LISTING, format!("store `{name}` could not be listed completely"))
                    .help("make everything in the store readable for this user, then run it again")
            }
            Some(StoreFacts::Ready(listing)) if listing.clock_ahead.is_some_and(|ahead| ahead.abs() > SKEW) => {
                let skew = skew(listing.clock_ahead.unwrap_or(0));
                let mut finding = Finding::new(code::CLOCK_SKEW, format!("store `{name}`: {skew}; nothing is swept or deleted there"))
                    .help("set the clock of this host right, or have that of the store set right; captures go on meanwhile");
                finding.severity = Severity::Warning;
                finding
            }
            Some(StoreFacts::Ready(listing)) if !listing.payload_listed => {
                let message =
                    format!("the payload on store `{name}` was not listed: what is missing there is not seen, and nothing is deleted");
                Finding::new(code::PAYLOAD_UNLISTED, message).help("leave `--catalog-only` out to see all of it")
            }
            _ => continue,
        };
        findings.push(finding.maybe_at(span, "this store"));
    }
    findings
}

/// The other host that owns what a store without leases holds: nothing but its own locks keeps two runs apart.
pub(super) fn writer_elsewhere<'a>(set: &PolicySet, facts: &Facts, store: &Name, listing: &'a Listing) -> Option<&'a Owner> {
    let single = set.stores.get(store).is_some_and(|store| !store.lease);
    listing.owner.as_ref().filter(|owner| single && owner.host != facts.host)
}

/// How a store's clock stands to this host's, as a sentence.
fn skew(ahead: i64) -> String {
    let way = if ahead < 0 { "behind" } else { "ahead of" };
    format!("its clock is {} s {way} this host's", ahead.unsigned_abs())
}

/// Why a store cannot be used.
pub fn store_trouble(name: &Name, trouble: &Trouble) -> Finding {
    match trouble {
        Trouble::Away { known } => Finding::new(code::STORE_AWAY, format!("store `{name}` is known (uuid {known}) and is not there"))
            .help(format!("mount it or bring it back; for a new empty store run `lucid-policy store accept {name}`")),
        Trouble::Replaced { known, found } => {
            Finding::new(code::STORE_REPLACED, format!("store `{name}` was {known} and is now another store, {found}"))
                .help(format!("mount the right one; to take this one run `lucid-policy store accept {name}`"))
        }
        Trouble::Twin { other, uuid } => {
            Finding::new(code::STORE_TWIN, format!("stores `{name}` and `{other}` are one place (uuid {uuid})"))
                .help("give them different places, or remove one of them")
        }
        Trouble::TooNew { object, version } => Finding::new(
            code::STORE_TOO_NEW,
            format!("store `{name}`: `{object}` has format version {version}, newer than this program's 1"),
        )
        .help("use a newer version of lucid-policy"),
        Trouble::OwnedElsewhere { owner } => Finding::new(
            code::OTHER_HOST,
            format!(
                "store `{name}`: the instance belongs to host `{}` ({}) since {}",
                owner.hostname,
                owner.host,
                owner.at.format("%F %T UTC")
            ),
        )
        .help("use another `name` if this is another system; if that host is gone for good, run `lucid-policy claim`"),
        Trouble::Unusable { message, help } => Finding::new(code::STORE_UNUSABLE, format!("store `{name}`: {message}")).help(help.clone()),
    }
}

/// Series that no policy names, damaged artifacts without a good copy, foreign objects.
pub(super) fn series(set: &PolicySet, facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, listing) in facts.stores.iter().filter_map(|(n, s)| Some((n, s.listing()?))) {
        let span = set.stores.get(name).map(|s| s.span.clone());
        for (series, found) in &listing.series {
            if !found.artifacts.is_empty() && !set.policies.values().any(|p| p.series == *series && p.stores.contains(name)) {
                let number = found.artifacts.len();
                let message =
                    format!("store `{name}` holds {} of series `{series}`, which no policy writes there", count(number, "artifact"));
                findings.push(Finding::new(code::ORPHAN_SERIES, message).maybe_at(span.clone(), "kept, never deleted"));
            }
        }
        if let Some(example) = listing.foreign.first() {
            let message = format!(
                "store `{name}` holds {} that this program did not write, such as `{example}`",
                count(listing.foreign.len(), "object")
            );
            findings.push(Finding::new(code::FOREIGN, message).maybe_at(span, "never touched"));
        }
    }
    for policy in set.policies.values() {
        let view = View::new(set, policy, facts, facts.at);
        findings.extend(view.refusals().map(|(store, number)| {
            let message =
                format!("store `{store}` takes no copy of {} of policy `{}`: not encrypted", count(number, "artifact"), policy.name);
            Finding::new(code::READABLE_STAYS, message).maybe_at(policy.store_span(store).cloned(), "this store has `require_encryption`")
        }));
        for seen in &view.seen {
            findings.extend(too_large(set, policy, seen, &view.outgrown(seen)));
            let bad = seen.artifacts().iter().filter(|a| !seen.usable(a) && !view.usable_somewhere(a.id));
            findings.extend(bad.map(|artifact| {
                Finding::new(
                    code::DAMAGED,
                    format!(
                        "`{}` of policy `{}` is damaged on store `{}`, and no good copy is known",
                        artifact.id, policy.name, seen.store
                    ),
                )
                .maybe_at(Some(policy.spans.table.clone()), "this policy")
                .help(format!("run `lucid-policy verify {}` to see which object it is", artifact.id))
            }));
        }
    }
    findings
}

/// What a store's limit keeps it from taking, by the one with the largest object.
fn too_large(set: &PolicySet, policy: &Policy, seen: &Seen<'_>, outgrown: &[(ArtifactId, u64)]) -> Option<Finding> {
    let (store, largest) = (seen.store, seen.listing.largest?);
    let (id, bytes) = outgrown.iter().max_by_key(|(id, bytes)| (*bytes, Reverse(*id)))?;
    let message = format!(
        "store `{store}` takes no copy of {} of policy `{}`, such as `{id}`: it has a segment of {}, and an object there has {} at most",
        count(outgrown.len(), "artifact"),
        policy.name,
        size(*bytes),
        size(largest)
    );
    let finding = Finding::new(code::SEGMENT_TOO_LARGE, message).maybe_at(set.stores.get(store).map(|s| s.span.clone()), "this store");
    Some(finding.help(format!(
        "raise `max_parts` of `{store}` if the service takes more; what is captured from now on is cut to fit, `lucid-policy apply --now --only \
         policy.{}` does so at once",
        policy.name
    )))
}

pub(super) fn too_late(policy: &Policy, slot: Instant, limit: &Period) -> Finding {
    Finding::new(code::TOO_LATE, format!("policy `{}` missed its slot of {} by more than {limit}", policy.name, slot.format("%F %T UTC")))
        .maybe_at(Some(policy.spans.table.clone()), "waits for its next slot")
        .help(format!("run `lucid-policy apply --now --only policy.{}` to make it up now", policy.name))
}

pub(super) fn incomplete_listing(policy: &Policy, store: &Name) -> Finding {
    Finding::new(
        code::INCOMPLETE_LISTING,
        format!("policy `{}` is not captured: store `{store}` could not be listed completely", policy.name),
    )
    .maybe_at(policy.store_span(store).cloned(), "the first store that answers")
    .help("make everything in the store readable for this user, then run it again")
}

pub(super) fn no_usable_store(policy: &Policy) -> Finding {
    let stores = policy.stores.iter().map(|s| format!("`{s}`")).collect::<Vec<_>>().join(", ");
    Finding::new(code::NO_USABLE_STORE, format!("policy `{}` is not captured: no store of it can be used ({stores})", policy.name))
        .maybe_at(Some(policy.spans.table.clone()), "this policy")
        .help("mend one of its stores; the findings about them say how")
}

pub(super) fn source_unusable(policy: &Policy, message: &str) -> Finding {
    Finding::new(code::SOURCE_UNUSABLE, format!("policy `{}` is not captured: {message}", policy.name))
        .maybe_at(Some(policy.spans.source.clone()), "its source")
        .help("bring the source back, or change the manifest; nothing was deleted")
}

pub(super) fn no_room(set: &PolicySet, policy: &Policy, store: &Name, short: u64) -> Finding {
    no_room_for(set, &format!("policy `{}` is not captured", policy.name), store, short)
}

/// The same for what is not made: a sentence.
pub(super) fn no_room_for(set: &PolicySet, what: &str, store: &Name, short: u64) -> Finding {
    Finding::new(code::NO_ROOM, format!("{what}: store `{store}` would have {short} bytes less than its `min_free`"))
        .maybe_at(set.stores.get(store).map(|s| s.span.clone()), "this store")
        .help("free space there, lower `min_free`, or keep less")
}

/// Nothing is to be deleted, so nothing is refused; but ages mean nothing, and retention will stop as soon as there is something.
pub(super) fn clock_behind(policy: &Policy, store: &Name, id: ArtifactId, instant: Instant) -> Finding {
    let at = instant.format("%F %T UTC");
    let message = format!("`{id}` of policy `{}` on store `{store}` is dated {at}, after now", policy.name);
    let mut finding = Finding::new(code::CLOCK_BEHIND, message)
        .maybe_at(policy.store_span(store).cloned(), "satisfies no slot until then")
        .help("set the clock of this host right; captures go on meanwhile");
    finding.severity = Severity::Warning;
    finding
}

pub(super) fn deletes_blocked(policy: &Policy, store: &Name, going: usize, guard: &Guard) -> Finding {
    let (code, why, help): (Code, String, &str) = match guard {
        Guard::Paused => {
            (code::DELETE_PAUSED, "the policy is paused".to_owned(), "set `state` to \"active\" or \"retired\" to let retention go on")
        }
        Guard::Source(message) => (code::SOURCE_UNUSABLE, message.clone(), "bring the source back, or change the manifest"),
        Guard::Services(refusal) => (refusal.code(), refusal.sentence(), refusal.help()),
        Guard::IncompleteListing => (
            code::INCOMPLETE_LISTING,
            "the store could not be listed completely".to_owned(),
            "make everything in the store readable for this user",
        ),
        Guard::Unreadable { count: number, example } => (
            code::UNREADABLE_RECORD,
            format!("{} in its catalogue cannot be read by this version, such as `{example}`", count(*number, "name")),
            "use the version of lucid-policy that wrote them, or move damaged names out of the catalogue",
        ),
        Guard::PayloadUnlisted => {
            (code::PAYLOAD_UNLISTED, "the payload there was not listed".to_owned(), "leave `--catalog-only` out to let retention go on")
        }
        Guard::ClockSkew { ahead } => (
            code::CLOCK_SKEW,
            skew(*ahead),
            "set the clock of this host right, or have that of the store set right; captures go on meanwhile",
        ),
        Guard::WriterUnread(message) => (
            code::OTHER_RULES,
            format!("under which rules it was made is not known: {message}"),
            "make the record readable; `lucid-policy verify` says what is damaged",
        ),
        Guard::OtherRules { id, rules: Some(rules), own } => (
            code::OTHER_RULES,
            format!("`{id}` was made under retention {rules:.12}, and this manifest's is {own:.12}"),
            "give this host the manifest that the other one captures with, then run it again",
        ),
        Guard::OtherRules { id, rules: None, .. } => (
            code::OTHER_RULES,
            format!("`{id}` was made from another manifest, and its record does not say under which retention"),
            "give this host the manifest that the other one captures with, then run it again",
        ),
        Guard::SiblingsUnseen => {
            (code::DELETE_SIBLINGS, "another store of the policy was not seen".to_owned(), "bring the other store back first")
        }
        Guard::ClockBehind { id, instant } => (
            code::CLOCK_BEHIND,
            format!("`{id}` is dated {}, after now", instant.format("%F %T UTC")),
            "set the clock of this host right; captures go on meanwhile",
        ),
        Guard::Fraction { going, listed, limit } => (
            code::DELETE_FRACTION,
            format!("{going} of {listed} is more than `max_delete_fraction` = {limit}"),
            "check the retention; if it is meant, raise `[guard] max_delete_fraction` for one run",
        ),
        Guard::Stale { newest, rpo } => (
            code::DELETE_WHILE_LATE,
            format!("its newest complete artifact is of {}, older than its rpo of {rpo}", newest.format("%F %T UTC")),
            "find out why no backup is made; old ones are deleted again once there is a new one",
        ),
    };
    let span = policy.retention_for(store).map(|r| r.span.clone());
    Finding::new(code, format!("{} of policy `{}` on store `{store}` not deleted: {why}", count(going, "artifact"), policy.name))
        .maybe_at(span.or_else(|| Some(policy.spans.table.clone())), "its retention lets them go")
        .help(help)
}
