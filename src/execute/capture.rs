//! Captures: an artifact of what a source holds now, or of an unchanged tree one that names the owner of its bytes.

use super::error::{StepError, chain};
use super::event::Done;
use super::making::{Job, Written, read_record};
use super::run::Run;
use super::window::Doubt;
use crate::facts::{Listing, StoreFacts};
use crate::model::id::{Instant, Name, to_millis};
use crate::model::{Policy, Source, SourceKind};
use crate::source::{Fingerprint, Output, Watch};
use crate::store::documents::FormatVersion;
use crate::store::layout;
use crate::store::record::{ArtifactRef, Consistency, Counts, Fidelity, LogRange, Record};

/// An entry that changed this shortly before the capture could change again within the same tick of the clock and hide it.
const CLOCK_GRAIN: chrono::TimeDelta = chrono::TimeDelta::seconds(2);

/// How often a capture is tried that something passing disturbed.
const TRIES: usize = 3;

pub(super) fn perform(run: &Run, address: &str, policy: &Policy, store_name: &Name, slot: Option<Instant>) -> Result<Done, StepError> {
    run.stop_if_cancelled()?;
    // Nothing is read for nothing: what is in doubt now will be in doubt at the end.
    doubts(run, policy, &run.set.sources[&policy.source])?;
    for _ in 1..TRIES {
        match once(run, address, policy, store_name, slot) {
            Err(StepError::Source(error)) if error.is_passing() && !run.ports.cancelled() => {
                run.warn(address, format!("{}; it is captured again", chain(&error)));
            }
            ended => return ended,
        }
    }
    once(run, address, policy, store_name, slot)
}

fn once(run: &Run, address: &str, policy: &Policy, store_name: &Name, slot: Option<Instant>) -> Result<Done, StepError> {
    let job = Job::begin(run, address, policy, store_name, slot)?;
    let source = job.source;
    let before = run.ports.sources.fingerprint(source)?;
    if let Some(fingerprint) = &before
        && let Some(owner) = job.owner_of(fingerprint)?
    {
        return job.point_at(&owner);
    }
    let read = |output: Output<'_>, watch: &Watch<'_>| Ok(run.ports.sources.capture(source, policy.strict, output, watch)?);
    let last = || doubts(run, policy, source);
    let commit = |written, doubts: Vec<Doubt>| job.commit(written, &doubts, before.as_ref());
    job.make(before.as_ref().map(|f| f.bytes), read, last, commit)
}

impl Job<'_> {
    /// The owner of the bytes of the newest artifact, if today's tree is still the same.
    fn owner_of(&self, today: &Fingerprint) -> Result<Option<Record>, StepError> {
        let listing = self.run.facts.stores.get(self.store_name).and_then(StoreFacts::listing);
        let Some(series) = listing.and_then(|l| l.series.get(&self.policy.series)) else { return Ok(None) };
        let usable = series.artifacts.iter().filter(|a| a.listed_complete());
        let Some(newest) = usable.max_by_key(|a| (a.instant, a.id)) else { return Ok(None) };
        let owner = match newest.need {
            None => newest,
            Some(need) => match series.artifacts.iter().find(|a| a.id.random() == need && a.listed_complete()) {
                Some(owner) => owner,
                None => return Ok(None),
            },
        };
        let Some(key) = owner.usable_generation().and_then(|g| super::run::key_of(owner, g.n)) else { return Ok(None) };
        let record = match read_record(self.run, self.store, &self.policy.series, &key) {
            Ok(record) => record,
            // what cannot own today's bytes is no reason to have none
            Err(error @ (StepError::Damaged(_) | StepError::TooNew(_))) => return Ok(self.no_owner(&error)),
            Err(StepError::Store(error)) if error.is_not_found() => return Ok(self.no_owner(&error.into())),
            Err(error) => return Err(error),
        };
        let same = record.fingerprint.as_deref() == Some(&today.text)
            && record.payload_of.is_none()
            && record.external.is_none()
            && record.format_version.major == FormatVersion::CURRENT.major
            && record.codec == self.shape.codec
            && record.recipients == self.sealing.fingerprints()
            && record.labels == self.shape.labels
            && record.excludes == self.shape.excludes
            && self.fits(&record)
            // where payload was not listed, nobody knows yet that it is whole
            && (listing.is_some_and(|l| l.payload_listed) || self.is_there(&record, key.generation)?);
        Ok(same.then_some(record))
    }

    /// Whether every store of the policy has it or can take it: what points at it can go nowhere else.
    fn fits(&self, owner: &Record) -> bool {
        let listings = self.policy.stores.iter().filter_map(|store| self.run.facts.stores.get(store)?.listing());
        let has = |listing: &Listing| {
            let series = listing.series.get(&self.policy.series);
            series.is_some_and(|series| series.artifacts.iter().any(|a| a.id == owner.id && a.listed_complete()))
        };
        listings.into_iter().all(|listing| listing.largest.is_none_or(|largest| owner.largest() <= largest) || has(listing))
    }

    fn no_owner(&self, error: &StepError) -> Option<Record> {
        self.run.warn(self.address, format!("all of it is captured: {}", super::error::chain(error)));
        None
    }

    /// Whether every object of a generation is there with its size.
    fn is_there(&self, record: &Record, generation: u32) -> Result<bool, StepError> {
        let folder = layout::payload_folder(&self.run.set.instance, &self.policy.series, &record.id, generation);
        for object in record.objects() {
            if self.store.look(&format!("{folder}{}", object.name))?.is_none_or(|found| found.bytes != object.bytes) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// An artifact whose bytes another one owns.
    fn point_at(&self, owner: &Record) -> Result<Done, StepError> {
        let owner_ref = ArtifactRef { series: self.policy.series.clone(), id: owner.id };
        let end = to_millis(self.run.ports.now());
        let record = Record {
            payload_of: Some(owner_ref),
            counts: owner.counts,
            consistency: owner.consistency,
            fingerprint: owner.fingerprint.clone(),
            ..self.record(end)
        };
        self.create(&record)?;
        Ok(Done {
            id: Some(self.id),
            bytes: 0,
            source_bytes: Some(owner.counts.bytes),
            entries: Some(owner.counts.entries),
            unchanged: true,
            ..Done::default()
        })
    }

    fn commit(&self, written: Written, doubts: &[Doubt], before: Option<&Fingerprint>) -> Result<Done, StepError> {
        let Written { segments, index, captured } = written;
        for warning in &captured.warnings {
            self.run.warn(self.address, warning.clone());
        }
        let warnings = captured.warnings.len() as u64;
        let same = before == captured.fingerprint.as_ref() && warnings == 0;
        // The same before and after, and nothing so young that a change could hide: the tree stood still, and is of one instant.
        let still = captured.fingerprint.filter(|f| before == Some(f) && f.newest_change + CLOCK_GRAIN < self.id.start());
        // Where the writers are quiet there is nothing that could hide.
        let quiet = self.run.window.is_some() && doubts.is_empty() && same;
        let logged = captured.log.is_some();
        let clean = quiet || still.is_some() || logged || matches!(self.source.kind, SourceKind::Command(_));
        // a source that has a log of its own is of one instant whoever writes
        let note = doubts.first().filter(|_| !logged).map(|doubt| format!("crash-consistent: {}", doubt.said));
        let end = to_millis(self.run.ports.now());
        let record = Record {
            segments,
            index,
            counts: Counts { entries: captured.entries, bytes: captured.bytes },
            consistency: if clean && note.is_none() { Consistency::Clean } else { Consistency::Crash },
            fidelity: captured.reduced.then_some(Fidelity::Reduced),
            fingerprint: still.map(|f| f.text),
            warnings,
            // by the source's clock, which may be ahead: what is of the future satisfies nothing
            instant: captured.log.as_ref().map_or(end, |log| log.instant.min(end)),
            continues: captured.log.map(|log| LogRange { from: log.from, to: log.to }),
            source_version: captured.version,
            ..self.record(end)
        };
        self.create(&record)?;
        Ok(Done {
            id: Some(self.id),
            bytes: record.bytes(),
            source_bytes: Some(captured.bytes),
            entries: Some(captured.entries),
            warnings,
            note,
            ..Done::default()
        })
    }
}

/// What keeps the content from being of one instant; under `strict`, what nobody wanted is an error.
fn doubts(run: &Run, policy: &Policy, source: &Source) -> Result<Vec<Doubt>, StepError> {
    let doubts = run.window.as_ref().map(|window| window.doubts(source)).unwrap_or_default();
    match doubts.iter().find(|doubt| policy.strict && !doubt.wanted) {
        Some(doubt) => Err(StepError::Changed(format!("{}, and policy `{}` is strict", doubt.said, policy.name))),
        None => Ok(doubts),
    }
}
