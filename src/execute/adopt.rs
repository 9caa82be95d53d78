//! Adopts a backup that something else made: an artifact like those of captures, of a file's content and of another time.
//!
//! [`Adoption::check`] reads the file whole and touches nothing; [`Adoption::store`] then makes the artifact in the way of all others
//! (`making`), under the policy's locks and leases. It deletes nothing, and copies nothing: the other stores lack it until the next
//! apply.
//!
//! The id begins at the time of the adoption, as it does for every artifact: it says when the bytes were made, so that two adoptions
//! never meet, and that an artifact ends after it starts. When the content was true is its instant, which retention, `rpo` and
//! restores to a time go by. Its slot is none: it satisfies no schedule.
//!
//! Refused: what [`Adoption::check`] refuses, a file that changes meanwhile, and one that the series has already with the same
//! instant.

use std::collections::BTreeSet;
use std::fs::File;
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::apply::{Observe, remember};
use super::checked::{Checked, Content};
use super::error::{StepError, chain};
use super::event::{Done, Event, StepOutcome, StepResult};
use super::hashed::Hashed;
use super::holding::{Asked, Asking, Holding};
use super::making::{Job, Written, read_record};
use super::outcome::Outcome;
use super::ports::Ports;
use super::run::{Run, key_of};
use super::state::{StateError, TEMPORARY};
use super::traces::write_run;
use crate::archive::{PackError, Progress, Roots, StreamOptions, Surveyed};
use crate::archive::{compress, default_threads, pack_dump, pack_foreign};
use crate::facts::{Facts, StoreFacts};
use crate::finding::Finding;
use crate::model::id::{ArtifactId, Capture, Instant, Name, Random, to_millis};
use crate::model::{Policy, PolicySet};
use crate::plan::{Request, lets_go, room_for};
use crate::source::{Captured, Output, Watch};
use crate::store::Sha256Sum;
use crate::store::record::{Consistency, Counts, Fidelity, Record};

/// What is to be adopted.
pub struct Adoption {
    /// The policies.
    pub set: Arc<PolicySet>,
    /// Whose artifact it becomes.
    pub policy: Name,
    /// The open file.
    pub file: File,
    /// Its name, without its folder.
    pub name: String,
    /// When its content was true.
    pub taken: Instant,
}

/// What was made.
#[derive(Debug)]
pub struct Adopted {
    /// The artifact.
    pub id: ArtifactId,
    /// Where it is.
    pub store: Name,
    /// The policy's other stores.
    pub missing: Vec<Name>,
    /// How the step ended.
    pub done: Done,
    /// How long it took.
    pub millis: u64,
    /// What to know about it: sentences.
    pub warnings: Vec<String>,
}

/// Why nothing was adopted. Nothing of it is listed.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// It is not what it should be.
    #[error("`{name}` cannot be adopted: {why}")]
    Refused {
        /// The file.
        name: String,
        /// What is wrong with it.
        why: String,
        /// What to do.
        help: &'static str,
    },
    /// Its bytes are broken.
    #[error("`{name}` is damaged: {why}")]
    Damaged {
        /// The file.
        name: String,
        /// Where.
        why: String,
    },
    /// It was adopted before.
    #[error("`{name}` is already there, as `{id}` on store `{store}`")]
    Known {
        /// The file.
        name: String,
        /// The artifact.
        id: ArtifactId,
        /// Where.
        store: Name,
    },
    /// Another run works on the series.
    #[error("policy `{policy}` is held by {holder}")]
    Locked {
        /// The policy.
        policy: Name,
        /// The holder's words.
        holder: String,
    },
    /// No store takes it.
    #[error("no store takes it")]
    Guarded(Vec<Finding>),
    /// The artifact could not be made.
    #[error(transparent)]
    Step(#[from] StepError),
    /// The local state refused.
    #[error(transparent)]
    State(#[from] StateError),
}

impl Adoption {
    pub(super) fn of(&self) -> &Policy {
        &self.set.policies[&self.policy]
    }

    pub(super) fn threads(&self) -> usize {
        self.set.run.threads.unwrap_or_else(default_threads)
    }

    pub(super) fn refused(&self, why: impl Into<String>, help: &'static str) -> AdoptError {
        AdoptError::Refused { name: self.name.clone(), why: why.into(), help }
    }

    /// Makes the artifact of a file that was checked.
    pub fn store(&self, checked: &Checked, ports: &Ports, observe: &Observe) -> Result<Adopted, AdoptError> {
        let run = ports.random();
        let run_id = run.to_string();
        let temporary = format!("{TEMPORARY}{}", ports.temp_tag);
        let facts = observe();
        self.place(checked, run, ports, &facts)?;
        ports.state.take_off(&run_id, &temporary)?;
        let adopted = self.perform(checked, run, ports, observe);
        ports.state.land(&run_id, &temporary)?;
        ports.state.end_run(&run_id)?;
        adopted
    }

    /// The store that takes it, and that no store has it.
    fn place(&self, checked: &Checked, run: Random, ports: &Ports, facts: &Facts) -> Result<Name, AdoptError> {
        let store = room_for(&self.set, facts, self.of(), checked.bytes).map_err(AdoptError::Guarded)?;
        let run = self.run(run, ports, facts.clone(), Arc::default());
        match self.known(checked, &run)? {
            Some((id, store)) => Err(AdoptError::Known { name: self.name.clone(), id, store }),
            None => Ok(store),
        }
    }

    fn run(&self, id: Random, ports: &Ports, facts: Facts, held: Arc<Holding>) -> Run {
        Run { set: Arc::clone(&self.set), ports: ports.clone(), id, facts, window: None, held, floors: Mutex::default() }
    }

    /// The artifact that this file became before. Only what satisfies no slot and is of the same instant can be it.
    fn known(&self, checked: &Checked, run: &Run) -> Result<Option<(ArtifactId, Name)>, StepError> {
        let policy = self.of();
        for name in &policy.stores {
            let Some(listing) = run.facts.stores.get(name).and_then(StoreFacts::listing) else { continue };
            let Some(series) = listing.series.get(&policy.series) else { continue };
            for artifact in series.artifacts.iter().filter(|a| a.slot.is_none() && a.need.is_none() && a.instant == to_millis(self.taken)) {
                let Some(key) = artifact.usable_generation().and_then(|g| key_of(artifact, g.n)) else { continue };
                match read_record(run, run.store(name)?.as_ref(), &policy.series, &key) {
                    Ok(record) if is_of(&record, checked.sha256) => return Ok(Some((artifact.id, name.clone()))),
                    // what cannot be read is not known to be it
                    Ok(_) | Err(StepError::Damaged(_) | StepError::TooNew(_)) => {}
                    Err(StepError::Store(error)) if error.is_not_found() => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(None)
    }

    fn perform(&self, checked: &Checked, run: Random, ports: &Ports, observe: &Observe) -> Result<Adopted, AdoptError> {
        let start = ports.now();
        let mut facts = observe();
        let store = self.place(checked, run, ports, &facts)?;
        if matches!(facts.stores.get(&store), Some(StoreFacts::New)) {
            super::init::perform(&self.run(run, ports, facts, Arc::default()), &store)?;
            facts = observe();
        }
        let request = Request { only: BTreeSet::from([self.policy.clone()]), ..Request::default() };
        let (set, asked) = (Arc::clone(&self.set), facts.clone());
        let asking = Asking { set, ports: ports.clone(), run, facts: asked, request: request.clone(), purpose: "adopt" };
        let Asked { holding, locked, refused, said, .. } = asking.take()?;
        if let Some((policy, holder)) = locked.into_iter().next() {
            return Err(AdoptError::Locked { policy, holder });
        }
        if !refused.is_empty() {
            return Err(AdoptError::Guarded(refused.into_iter().map(|(_, finding)| finding).collect()));
        }
        let held = Arc::new(holding);
        // another run may have made things up to the moment at which it gave back what is ours now
        let facts = observe();
        let store = self.place(checked, run, ports, &facts)?;
        remember(&self.set, ports, &facts, &request)?;
        let mut warnings: Vec<String> = said.into_iter().map(|(_, said)| said).collect();
        let about = (ArtifactId::new(to_millis(start), Capture::Full, ports.random()), to_millis(self.taken));
        if lets_go(&self.set, &facts, self.of(), &store, about) {
            warnings
                .push(format!("retention lets it go from store `{store}` at the next apply: use `hold` to keep it, or keep for longer"));
        }
        let address = format!("adopt:policy.{}", self.policy);
        for message in &warnings {
            ports.say(Event::StepWarning { address: address.clone(), message: message.clone() });
        }
        ports.say(Event::StepStarted { address: address.clone() });
        let run = self.run(run, ports, facts, held);
        let made = self.make(checked, &run, &address, &store, checked.warnings.len() + warnings.len());
        let end = ports.now();
        let result = match &made {
            Ok(done) => StepResult::Done(done.clone()),
            Err(error) => StepResult::Failed { message: chain(error) },
        };
        let millis = u64::try_from((end - start).num_milliseconds()).unwrap_or(0);
        let step = StepOutcome { address, kind: "adopt".to_owned(), result, millis };
        let (steps, interrupted) = (vec![step], ports.cancelled());
        let outcome = Outcome { run: run.id, start, end, steps, findings: Vec::new(), locked: Vec::new(), interrupted };
        write_run(&self.set, ports, &run.facts, &outcome);
        let done = made?;
        let id = done.id.unwrap_or(about.0);
        let missing = self.of().stores.iter().filter(|name| **name != store).cloned().collect();
        Ok(Adopted { id, store, missing, done, millis, warnings })
    }

    fn make(&self, checked: &Checked, run: &Run, address: &str, store: &Name, warnings: usize) -> Result<Done, StepError> {
        run.stop_if_cancelled()?;
        let policy = self.of();
        let mut job = Job::begin(run, address, policy, store, None)?;
        if matches!(checked.content, Content::Dump(_)) {
            // nobody counted while it was taken
            job.shape.index = None;
        }
        let roots = Roots::new(&job.shape.labels);
        let read = |output: Output<'_>, watch: &Watch<'_>| self.write(checked, &roots, run, output, watch);
        let commit = |written: Written, ()| {
            let Written { segments, index, captured } = written;
            let labels = job.shape.labels.iter();
            let labels = labels.filter(|(label, _)| matches!(&checked.content, Content::Tree(tree) if tree.labels.contains(*label)));
            let origin = json!({
                "tool": "adopt", "file": self.name, "sha256": checked.sha256.to_string(), "bytes": checked.bytes,
            });
            let record = Record {
                instant: to_millis(self.taken),
                segments,
                index,
                counts: Counts { entries: captured.entries, bytes: captured.bytes },
                consistency: Consistency::Crash,
                fidelity: captured.reduced.then_some(Fidelity::Reduced),
                labels: labels.map(|(label, path)| (label.clone(), path.clone())).collect(),
                // nobody knows what was quiet then, or what was left out
                services: Vec::new(),
                excludes: Vec::new(),
                warnings: warnings as u64,
                origin: Some(origin),
                ..job.record(to_millis(run.ports.now()))
            };
            job.create(&record)?;
            Ok(Done {
                id: Some(job.id),
                bytes: record.bytes(),
                source_bytes: Some(captured.bytes),
                entries: Some(captured.entries),
                warnings: warnings as u64,
                ..Done::default()
            })
        };
        job.make(None, read, || Ok(()), commit)
    }

    /// Writes the payload, and sees that it came from the very bytes that were checked.
    fn write(&self, checked: &Checked, roots: &Roots, run: &Run, output: Output<'_>, watch: &Watch<'_>) -> Result<Captured, StepError> {
        let failed = |source| match source {
            PackError::Cancelled => StepError::Interrupted,
            source => StepError::Adopt { name: self.name.clone(), source },
        };
        let mut read = Hashed::new(&self.file).map_err(PackError::Input).map_err(failed)?;
        let options = StreamOptions { threads: self.threads(), ..StreamOptions::default() };
        let Output { payload, index } = output;
        let progress = |bytes: u64| (watch.progress)(bytes, 0);
        let captured = match &checked.content {
            Content::Tree(Surveyed { fit, reduced, .. }) => {
                let progress = |seen: Progress| (watch.progress)(seen.bytes, seen.entries);
                let packed = pack_foreign(&mut read, (&self.name, roots, fit), options, (payload, index), &progress, watch.cancel);
                let packed = packed.map_err(failed)?;
                Captured { entries: packed.entries, bytes: packed.bytes, reduced: *reduced, ..Captured::default() }
            }
            Content::Dump(dump) => {
                let packed = pack_dump(&mut read, payload, options, &progress, watch.cancel).map_err(failed)?;
                Captured { entries: dump.documents, bytes: packed.bytes, ..Captured::default() }
            }
            Content::Stream => {
                let streamed = compress(&mut read, payload, options, &progress, watch.cancel).map_err(failed)?;
                Captured { entries: 1, bytes: streamed.bytes, ..Captured::default() }
            }
        };
        let (sha256, _) = read.finish(&run.ports.cancel).map_err(PackError::Input).map_err(failed)?;
        if sha256 != checked.sha256 {
            return Err(StepError::Changed(format!("`{}` has changed while it was read", self.name)));
        }
        Ok(captured)
    }
}

/// Whether a record says that its artifact was a file with this digest.
fn is_of(record: &Record, sha256: Sha256Sum) -> bool {
    let said = record.origin.as_ref().and_then(|origin| origin.get("sha256")?.as_str());
    said == Some(&sha256.to_string())
}
