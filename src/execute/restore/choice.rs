//! Which artifact is restored, and from where. Pure.
//!
//! Over all stores of the policy that answered: the newest artifact that is whole, with the owner of its bytes, at or before the time
//! that was asked for. The policy's order of stores decides who is read first; the other whole copies are kept for the case that the
//! first turns out to be damaged. Refused: what nobody has whole, and an id that is not one artifact.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::RestoreError;
use crate::execute::run::key_of;
use crate::facts::{Artifact, Facts, StoreFacts};
use crate::finding::nearest;
use crate::model::id::{ArtifactId, Instant, Name};
use crate::model::{Policy, PolicySet};
use crate::store::layout;

/// How many ids a message names.
const NAMED: usize = 3;

/// Which artifact is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Which {
    /// The newest that is whole.
    #[default]
    Newest,
    /// This one: an id, the beginning of one, or the beginning of its random part.
    Id(String),
    /// The newest at or before this time.
    At(Instant),
}

/// The artifact to restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The policy.
    pub policy: Name,
    /// Its series.
    pub series: Name,
    /// The artifact.
    pub id: ArtifactId,
    /// When its content was true.
    pub instant: Instant,
    /// The instant of the schedule that it satisfies.
    pub slot: Option<Instant>,
    /// The artifact that owns its bytes, where that is another one.
    pub need: Option<ArtifactId>,
    /// The store that is read first.
    pub store: Name,
    /// The generation that is read there.
    pub generation: u32,
    /// Bytes of the payload as they are stored.
    pub bytes: u64,
    /// Whether that store's copy has passed a check of its stored bytes.
    pub verified: bool,
    /// Every whole copy, the first one first.
    pub copies: Vec<StoredCopy>,
}

/// Where one whole copy is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredCopy {
    /// The store.
    pub store: Name,
    /// The key of the artifact's record.
    pub record: String,
    /// The key of the record of whoever owns the bytes; the same for an artifact of its own.
    pub payload_record: String,
    /// The folder of the payload, ending in `/`.
    pub payload: String,
}

/// One artifact in one store, with the owner of its bytes.
struct Candidate<'a> {
    store: &'a Name,
    artifact: &'a Artifact,
    /// None if this store cannot restore it.
    owner: Option<&'a Artifact>,
}

/// Chooses an artifact of a policy.
pub fn choose(set: &PolicySet, facts: &Facts, policy: &str, which: &Which) -> Result<Choice, RestoreError> {
    let found = policy.parse::<Name>().ok().and_then(|name| set.policies.get(&name));
    let Some(policy) = found else {
        let near = nearest(policy, set.policies.keys().map(Name::as_str)).and_then(|name| name.parse().ok());
        return Err(RestoreError::NoPolicy { name: policy.to_owned(), near });
    };
    let candidates = candidates(policy, facts);
    let id = match which {
        Which::Newest => newest(policy, facts, &candidates, None)?,
        Which::At(at) => newest(policy, facts, &candidates, Some(*at))?,
        Which::Id(text) => by_id(policy, facts, &candidates, text)?,
    };
    let whole = candidates.iter().filter(|c| c.artifact.id == id).filter_map(|c| Some((c.store, c.artifact, c.owner?)));
    let mut first = None;
    let mut copies = Vec::new();
    for (store, artifact, owner) in whole {
        let Some(copy) = copy(set, policy, store, artifact, owner) else { continue };
        first.get_or_insert((store, artifact, owner));
        copies.push(copy);
    }
    let Some((store, artifact, owner)) = first else { return Err(not_whole(id, &candidates)) };
    let usable = owner.usable_generation();
    Ok(Choice {
        policy: policy.name.clone(),
        series: policy.series.clone(),
        id,
        instant: artifact.instant,
        slot: artifact.slot,
        need: (owner.id != id).then_some(owner.id),
        store: store.clone(),
        generation: usable.map_or(1, |g| g.n),
        bytes: usable.map_or(0, |g| g.bytes),
        verified: owner.verified(),
        copies,
    })
}

fn candidates<'a>(policy: &'a Policy, facts: &'a Facts) -> Vec<Candidate<'a>> {
    let mut candidates = Vec::new();
    for store in &policy.stores {
        let listing = facts.stores.get(store).and_then(StoreFacts::listing);
        let Some(series) = listing.and_then(|l| l.series.get(&policy.series)) else { continue };
        let by_random: BTreeMap<_, _> = series.artifacts.iter().map(|a| (a.id.random(), a)).collect();
        for artifact in &series.artifacts {
            let owner = match artifact.need {
                None => Some(artifact),
                Some(need) => by_random.get(&need).copied(),
            };
            let owner = owner.filter(|owner| owner.listed_complete() && artifact.listed_complete());
            candidates.push(Candidate { store, artifact, owner });
        }
    }
    candidates
}

fn newest(policy: &Policy, facts: &Facts, candidates: &[Candidate<'_>], at: Option<Instant>) -> Result<ArtifactId, RestoreError> {
    let whole = || candidates.iter().filter(|c| c.owner.is_some()).map(|c| (c.artifact.instant, c.artifact.id));
    let fits = whole().filter(|(instant, _)| at.is_none_or(|at| *instant <= at)).max();
    match (fits, at, whole().min()) {
        (Some((_, id)), _, _) => Ok(id),
        (None, Some(at), Some((instant, oldest))) => Err(RestoreError::NothingBefore { policy: policy.name.clone(), at, oldest, instant }),
        _ => Err(nothing(policy, facts, candidates)),
    }
}

fn by_id(policy: &Policy, facts: &Facts, candidates: &[Candidate<'_>], text: &str) -> Result<ArtifactId, RestoreError> {
    if candidates.is_empty() {
        return Err(nothing(policy, facts, candidates));
    }
    let mut ids: Vec<ArtifactId> = candidates.iter().map(|c| c.artifact.id).collect();
    ids.sort_unstable();
    ids.dedup();
    let begins = |id: &ArtifactId| id.to_string().starts_with(text) || id.random().as_str().starts_with(text);
    let mut matches: Vec<ArtifactId> = ids.iter().copied().filter(|id| !text.is_empty() && begins(id)).collect();
    match matches.len() {
        1 => Ok(matches.remove(0)),
        0 => Err(RestoreError::NoSuchId { policy: policy.name.clone(), id: text.to_owned(), near: near(text, &ids) }),
        _ => {
            matches.truncate(NAMED);
            Err(RestoreError::Ambiguous { policy: policy.name.clone(), id: text.to_owned(), matches })
        }
    }
}

/// Ids whose text begins most like the given one, then the newest.
fn near(text: &str, ids: &[ArtifactId]) -> Vec<ArtifactId> {
    let shared = |a: &str| a.bytes().zip(text.bytes()).take_while(|(a, b)| a == b).count();
    let mut scored: Vec<(usize, ArtifactId)> =
        ids.iter().map(|id| (shared(&id.to_string()).max(shared(id.random().as_str())), *id)).collect();
    scored.sort_unstable_by(|a, b| b.cmp(a));
    scored.into_iter().take(NAMED).map(|(_, id)| id).collect()
}

fn copy(set: &PolicySet, policy: &Policy, store: &Name, artifact: &Artifact, owner: &Artifact) -> Option<StoredCopy> {
    let key = |artifact: &Artifact| key_of(artifact, artifact.usable_generation()?.n);
    let (own, payload) = (key(artifact)?, key(owner)?);
    Some(StoredCopy {
        store: store.clone(),
        record: layout::record(&set.instance, &policy.series, &own),
        payload_record: layout::record(&set.instance, &policy.series, &payload),
        payload: layout::payload_folder(&set.instance, &policy.series, &owner.id, payload.generation),
    })
}

fn not_whole(id: ArtifactId, candidates: &[Candidate<'_>]) -> RestoreError {
    let listed = candidates.iter().filter(|c| c.artifact.id == id);
    let stores = listed.map(|c| {
        let why = match c.artifact.need {
            Some(need) if c.artifact.listed_complete() => format!("lacks the artifact `{need}` that owns its bytes"),
            _ => "has it damaged or incomplete".to_owned(),
        };
        format!("store `{}` {why}", c.store)
    });
    RestoreError::NotWhole { id, stores: stores.collect() }
}

fn nothing(policy: &Policy, facts: &Facts, candidates: &[Candidate<'_>]) -> RestoreError {
    let stores = policy.stores.iter().map(|name| {
        let why = match facts.stores.get(name) {
            None | Some(StoreFacts::New) => "is not made yet",
            Some(StoreFacts::Unusable(_)) => "cannot be used",
            Some(StoreFacts::Ready(_)) if candidates.iter().any(|c| c.store == name) => "has only artifacts that are damaged or incomplete",
            Some(StoreFacts::Ready(_)) => "has none of it",
        };
        format!("store `{name}` {why}")
    });
    RestoreError::Nothing { policy: policy.name.clone(), stores: stores.collect() }
}
