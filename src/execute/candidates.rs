//! What a plan must know of what it would remove, asked of nothing else: until when a store has promised to keep it, and for a
//! janitor under which rules the newest artifact was made.
//!
//! Each is a request of its own, so that a plan is made without them first, and made again with the answers for what it would
//! remove, until nothing is left that was not asked for. What is asked for together is asked side by side. What cannot be asked
//! stays unknown: then its removal is refused by the store, or by whoever removes it.
//!
//! A run plans three times, and keeps the answers in between: a record is never changed, and a date by object only moves away, except
//! that somebody with the right to do so lifts it (`governance`). So an old answer is wrong in two ways at most. A date that was lifted
//! keeps its artifact until the next run. A promise that came after the answer is met by the removal itself: a store refuses what it has
//! promised, whatever a plan says, and where the manifest has a lock every object is asked for again before the first goes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::run::key_of;
use crate::facts::{Artifact, Facts, Series, StoreFacts, Writer};
use crate::model::id::{ArtifactId, Instant, Name};
use crate::model::{PolicySet, StoreKind};
use crate::plan::{Candidate, Plan, Role, Work};
use crate::store::record::Record;
use crate::store::{StoreError, WriteStore, layout};

/// Questions on their way at once: an answer is a wait for a network and nothing else.
const AT_ONCE: usize = 16;

type Stores = BTreeMap<Name, Arc<dyn WriteStore>>;

/// The plan that `decide` makes once the facts hold what it must know of what it would remove.
pub fn informed(set: &PolicySet, stores: &Stores, facts: &mut Facts, role: Role, decide: impl Fn(&Facts) -> Plan) -> Plan {
    Answers::default().inform(set, stores, facts, role, decide)
}

/// What one run was told. An error is no answer.
#[derive(Default)]
pub(super) struct Answers {
    /// By store and object.
    dates: Mutex<BTreeMap<(Name, String), Option<Instant>>>,
    /// The first object of a payload, by store and folder.
    firsts: Mutex<BTreeMap<(Name, String), Option<String>>>,
    /// By store and record.
    writers: Mutex<BTreeMap<(Name, String), Writer>>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Question {
    /// Under which rules the newest artifact of a series was made.
    Writer { store: Name, series: Name },
    /// Until when an artifact stays.
    Artifact { store: Name, series: Name, id: ArtifactId },
    /// Until when an object stays that nothing refers to.
    Left { store: Name, key: String },
}

enum Answer {
    Writer(Option<Writer>),
    Until(Option<Instant>),
}

impl Answers {
    /// See [`informed`].
    pub(super) fn inform(&self, set: &PolicySet, stores: &Stores, facts: &mut Facts, role: Role, decide: impl Fn(&Facts) -> Plan) -> Plan {
        let mut asked: BTreeSet<Question> = BTreeSet::new();
        loop {
            let plan = decide(facts);
            let mut new = questions(set, &plan, role);
            new.retain(|question| stores.contains_key(question.store()) && asked.insert(question.clone()));
            let seen = &*facts;
            let answers = side_by_side(&new, |question| self.ask(set, &stores[question.store()], seen, question));
            let mut more = false;
            let mut left = BTreeMap::new();
            for (question, answer) in new.iter().zip(answers) {
                match (question, answer) {
                    (Question::Left { store, key }, Answer::Until(until)) => {
                        left.entry(store).or_insert_with(BTreeMap::new).extend(until.map(|until| (key.as_str(), until)));
                    }
                    (question, answer) => more |= tell(facts, question, answer),
                }
            }
            for (store, dates) in left {
                more |= tell_of_left(facts, store, &dates);
            }
            if !more {
                return plan;
            }
        }
    }

    fn ask(&self, set: &PolicySet, store: &Arc<dyn WriteStore>, facts: &Facts, question: &Question) -> Answer {
        let store = store.as_ref();
        match question {
            Question::Writer { store: name, series } => Answer::Writer(self.writer(set, store, facts, name, series)),
            Question::Artifact { store: name, series, id } => Answer::Until(self.artifact(set, store, facts, (name, series, *id))),
            Question::Left { store: name, key } => Answer::Until(self.date(store, name, key)),
        }
    }

    /// Its records and the first object of its payload: all of it was written within one run.
    fn artifact(
        &self,
        set: &PolicySet,
        store: &dyn WriteStore,
        facts: &Facts,
        (name, series, id): (&Name, &Name, ArtifactId),
    ) -> Option<Instant> {
        let artifact = listed(facts, name, series)?.artifacts.iter().find(|a| a.id == id)?;
        let records = artifact.generations.iter().filter_map(|g| Some(layout::record(&set.instance, series, &key_of(artifact, g.n)?)));
        let mut keys: Vec<String> = records.collect();
        if artifact.bytes() > 0 {
            let folder = layout::payload_folder(&set.instance, series, &id, 1);
            let first = || Some(store.list(&folder).ok()?.into_iter().next().map(|object| object.key));
            keys.extend(known(&self.firsts, name, &folder, first).flatten());
        }
        keys.iter().filter_map(|key| self.date(store, name, key)).max()
    }

    fn date(&self, store: &dyn WriteStore, name: &Name, key: &str) -> Option<Instant> {
        known(&self.dates, name, key, || kept_until(store, key).ok()).flatten()
    }

    /// What the newest record of a series there says.
    fn writer(&self, set: &PolicySet, store: &dyn WriteStore, facts: &Facts, name: &Name, series: &Name) -> Option<Writer> {
        let newest = listed(facts, name, series)?.artifacts.iter().max_by_key(|a| (a.instant, a.id))?;
        let key = newest.generations.last().and_then(|g| key_of(newest, g.n))?;
        let place = layout::record(&set.instance, series, &key);
        let mut unread = None;
        let read = || {
            let bytes = store.get(&place).map_err(|error| super::error::chain(&error));
            let record = bytes.and_then(|bytes| Record::read(&bytes).map_err(|error| format!("record `{place}`: {error}")));
            record.map_err(|message| unread = Some(Writer::Unread { message })).ok().map(|record| Writer::Said {
                id: record.id,
                manifest_sha256: record.manifest_sha256.to_string(),
                rules: record.rules.map(|rules| rules.to_string()),
            })
        };
        known(&self.writers, name, &place, read).or(unread)
    }
}

impl Question {
    fn store(&self) -> &Name {
        match self {
            Self::Writer { store, .. } | Self::Artifact { store, .. } | Self::Left { store, .. } => store,
        }
    }
}

/// What a plan leaves open.
fn questions(set: &PolicySet, plan: &Plan, role: Role) -> Vec<Question> {
    let mut questions = Vec::new();
    for Candidate { store, series, id } in &plan.candidates {
        if role == Role::Janitor {
            questions.push(Question::Writer { store: store.clone(), series: series.clone() });
        }
        if may_promise(set, store) {
            questions.push(Question::Artifact { store: store.clone(), series: series.clone(), id: *id });
        }
    }
    for step in &plan.steps {
        let Work::Sweep { store, keys, .. } = &step.work else { continue };
        if may_promise(set, store) {
            questions.extend(keys.iter().map(|key| Question::Left { store: store.clone(), key: key.clone() }));
        }
    }
    questions
}

/// Puts an answer into the facts; false if it changes no plan.
fn tell(facts: &mut Facts, question: &Question, answer: Answer) -> bool {
    let Some(StoreFacts::Ready(listing)) = facts.stores.get_mut(question.store()) else { return false };
    match (question, answer) {
        (Question::Writer { series, .. }, Answer::Writer(Some(writer))) => {
            listing.series.get_mut(series).map(|found| found.writer = Some(writer)).is_some()
        }
        (Question::Artifact { series, id, .. }, Answer::Until(until)) => {
            let found: Option<&mut Artifact> = listing.series.get_mut(series).and_then(|series| {
                let at = series.artifacts.binary_search_by_key(id, |artifact| artifact.id).ok()?;
                series.artifacts.get_mut(at)
            });
            found.map(|artifact| artifact.locked_until = until).is_some() && until.is_some()
        }
        _ => false,
    }
}

/// Puts the dates of objects that nothing refers to into the facts, all in one go: there may be as many of them as there are objects.
fn tell_of_left(facts: &mut Facts, store: &Name, dates: &BTreeMap<&str, Instant>) -> bool {
    let Some(StoreFacts::Ready(listing)) = facts.stores.get_mut(store) else { return false };
    let date = |key: &String| dates.get(key.as_str()).copied();
    for series in listing.series.values_mut() {
        // a series is copied before it is changed
        if series.orphans.iter().any(|orphan| orphan.keys.iter().any(|key| date(key).is_some())) {
            for orphan in &mut series.orphans {
                orphan.locked_until = orphan.locked_until.max(orphan.keys.iter().filter_map(date).max());
            }
        }
    }
    for leftover in listing.leftovers.iter_mut().chain(&mut listing.expired_runs) {
        leftover.locked_until = date(&leftover.key).or(leftover.locked_until);
    }
    !dates.is_empty()
}

fn listed<'a>(facts: &'a Facts, store: &Name, series: &Name) -> Option<&'a Series> {
    facts.stores.get(store).and_then(StoreFacts::listing)?.series.get(series).map(|series| &**series)
}

/// What is known by that name, or what `ask` gives, which is known from then on.
fn known<T: Clone>(told: &Mutex<BTreeMap<(Name, String), T>>, store: &Name, key: &str, ask: impl FnOnce() -> Option<T>) -> Option<T> {
    fn locked<T>(told: &Mutex<T>) -> MutexGuard<'_, T> {
        told.lock().unwrap_or_else(PoisonError::into_inner)
    }
    let at = (store.clone(), key.to_owned());
    let before = locked(told).get(&at).cloned();
    before.or_else(|| {
        let answer = ask()?;
        locked(told).insert(at, answer.clone());
        Some(answer)
    })
}

/// The answers in the order of the questions.
fn side_by_side<Q: Sync, A: Send>(questions: &[Q], ask: impl Fn(&Q) -> A + Sync) -> Vec<A> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut answers = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(question) = questions.get(number) else { return answers };
            answers.push((number, ask(question)));
        }
    };
    let mut answers: Vec<(usize, A)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE.min(questions.len())).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    answers.sort_unstable_by_key(|(number, _)| *number);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// Whether there is anything to ask at all.
pub fn asks(set: &PolicySet, role: Role) -> bool {
    role == Role::Janitor || set.stores.keys().any(|store| may_promise(set, store))
}

/// Whether a store may keep something for a time, by the manifest as it is or as it was when that was made.
fn may_promise(set: &PolicySet, store: &Name) -> bool {
    set.stores.get(store).is_some_and(|store| matches!(store.kind, StoreKind::S3(_)))
}

/// Whether a store keeps what it is given for a time.
pub(super) fn promises(set: &PolicySet, store: &Name) -> bool {
    set.stores.get(store).is_some_and(|store| matches!(&store.kind, StoreKind::S3(s3) if s3.object_lock.is_some()))
}

/// Until when an object stays; one that is not there may go.
pub(super) fn kept_until(store: &dyn WriteStore, key: &str) -> Result<Option<Instant>, StoreError> {
    match store.retained(key) {
        Err(error) if error.is_not_found() => Ok(None),
        other => other,
    }
}
