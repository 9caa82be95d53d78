//! Makes an artifact: payload first, its record last.
//!
//! Up to the record nothing is listed, and what was written is noted in the local state so that a run that dies is swept by the
//! next. Once the record's write was sent, this run removes nothing of the artifact, whatever the answer was.

use std::cell::Cell;
use std::io::Write;

use super::error::StepError;
use super::event::Done;
use super::run::{Run, payload_listed};
use super::sealing::Sealing;
use super::window::Doubt;
use crate::facts::{Listing, StoreFacts};
use crate::model::id::{ArtifactId, Capture, Instant, Name, to_millis};
use crate::model::{Policy, Source, SourceKind};
use crate::source::{Captured, Fingerprint, Output, Shape, Watch};
use crate::store::documents::FormatVersion;
use crate::store::key::CatalogKey;
use crate::store::record::{ArtifactRef, Consistency, Counts, Fidelity, Record, Segment, ServiceState, SourceRef, Tool};
use crate::store::segments::SegmentWriter;
use crate::store::{Created, StoreError, WriteStore, layout};

/// An entry that changed this shortly before the capture could change again within the same tick of the clock and hide it.
const CLOCK_GRAIN: chrono::TimeDelta = chrono::TimeDelta::seconds(2);

struct Job<'a> {
    run: &'a Run,
    address: &'a str,
    policy: &'a Policy,
    source: &'a Source,
    store: &'a dyn WriteStore,
    store_name: &'a Name,
    sealing: Sealing,
    shape: Shape,
    id: ArtifactId,
    slot: Option<Instant>,
    /// A write below the source's own errors failed for the store's sake.
    store_failed: Cell<bool>,
}

pub(super) fn perform(run: &Run, address: &str, policy: &Policy, store_name: &Name, slot: Option<Instant>) -> Result<Done, StepError> {
    run.stop_if_cancelled()?;
    // Nothing is read for nothing: what is in doubt now will be in doubt at the end.
    doubts(run, policy, &run.set.sources[&policy.source])?;
    let sealing = Sealing::to(&policy.recipients)?;
    sealing.check()?;
    let store = run.store(store_name)?.as_ref();
    let source = &run.set.sources[&policy.source];
    run.claim(store)?;
    super::manifest::keep(run, store_name, store)?;
    let start = to_millis(run.ports.now());
    let id = ArtifactId::new(start, Capture::Full, run.ports.random());
    let shape = sealing.shape(run.ports.sources.shape(source));
    let job = Job { run, address, policy, source, store, store_name, sealing, shape, id, slot, store_failed: Cell::default() };
    let before = run.ports.sources.fingerprint(source)?;
    if let Some(fingerprint) = &before
        && let Some(owner) = job.owner_of(fingerprint)?
    {
        return job.point_at(&owner);
    }
    let flight = format!("{store_name}/{}/{id}", policy.series);
    let run_id = run.id.to_string();
    run.ports.state.take_off(&run_id, &flight)?;
    let written = match job.write(before.as_ref().map(|f| f.bytes)) {
        Ok(written) => written,
        // Services may wait for this end, and a store that failed has been waited for: what is there stays in flight, and is swept.
        Err(_) if run.ports.cancelled() => return Err(StepError::Interrupted),
        Err(error) if job.store_failed(&error) => return Err(error),
        Err(error) => {
            job.clean();
            run.ports.state.land(&run_id, &flight)?;
            return Err(error);
        }
    };
    let done = job.commit(written, before.as_ref())?;
    run.ports.state.land(&run_id, &flight)?;
    Ok(done)
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

    fn write(&self, expected: Option<u64>) -> Result<Written, StepError> {
        let folder = layout::payload_folder(&self.run.set.instance, &self.policy.series, &self.id, 1);
        let limit = self.segment_size();
        let mut payload = SegmentWriter::new(self.store, &folder, &self.shape.payload, limit).heeding(&self.run.ports.cancel);
        let index = |name| SegmentWriter::new(self.store, &folder, name, u64::MAX).heeding(&self.run.ports.cancel);
        let mut index = self.shape.index.as_deref().map(index);
        let progress = self.run.ports.progress(self.address, expected);
        let watch = Watch { progress: &progress, cancel: &self.run.ports.cancel };
        let index_into = index.as_mut().map(|index| index as &mut (dyn Write + Send));
        let captured = self.sealing.around(&mut payload, index_into, |payload, index| {
            let captured = self.run.ports.sources.capture(self.source, self.policy.strict, Output { payload, index }, &watch);
            Ok(captured?)
        });
        self.store_failed.set(payload.store_failed() || index.as_ref().is_some_and(SegmentWriter::store_failed));
        let captured = captured?;
        self.run.stop_if_cancelled()?;
        let segments = payload.finish()?;
        let index = index.map(SegmentWriter::finish).transpose()?.and_then(|mut made| made.pop());
        payload_listed(self.store, &folder, segments.iter().chain(&index))?;
        let doubts = doubts(self.run, self.policy, self.source)?;
        Ok(Written { segments, index, captured, doubts })
    }

    /// The smallest limit of the policy's stores, so that a copy is the same objects everywhere.
    fn segment_size(&self) -> u64 {
        let wished = self.policy.stores.iter().filter_map(|s| self.run.set.stores.get(s)).map(|s| s.segment_size);
        let largest = self.policy.stores.iter().filter_map(|s| self.run.ports.stores.get(s)).map(|s| s.largest());
        wished.chain(largest).min().unwrap_or(u64::MAX)
    }

    fn store_failed(&self, error: &StepError) -> bool {
        self.store_failed.get()
            || match error {
                StepError::Store(error) => !matches!(error, StoreError::Full { .. }),
                StepError::Segment(error) => error.is_of_store(),
                _ => false,
            }
    }

    /// Removes what was written before a record was. Best effort: what stays is swept later.
    fn clean(&self) {
        let folder = layout::payload_folder(&self.run.set.instance, &self.policy.series, &self.id, 1);
        for object in self.store.list(&folder).unwrap_or_default() {
            if let Err(error) = self.store.delete(&object.key) {
                self.run.warn(self.address, format!("a partial object stays until it is swept: {error}"));
            }
        }
        // Where nothing arrived, the folder that was made for it did: one that stays is no object and hurts nobody.
        drop(self.store.delete(&format!("{folder}-")));
    }

    fn commit(&self, written: Written, before: Option<&Fingerprint>) -> Result<Done, StepError> {
        let Written { segments, index, captured, doubts } = written;
        for warning in &captured.warnings {
            self.run.warn(self.address, warning.clone());
        }
        let warnings = captured.warnings.len() as u64;
        let same = before == captured.fingerprint.as_ref() && warnings == 0;
        // The same before and after, and nothing so young that a change could hide: the tree stood still, and is of one instant.
        let still = captured.fingerprint.filter(|f| before == Some(f) && f.newest_change + CLOCK_GRAIN < self.id.start());
        // Where the writers are quiet there is nothing that could hide.
        let quiet = self.run.window.is_some() && doubts.is_empty() && same;
        let clean = quiet || still.is_some() || matches!(self.source.kind, SourceKind::Command(_));
        let note = doubts.first().map(|doubt| format!("crash-consistent: {}", doubt.said));
        let record = Record {
            segments,
            index,
            counts: Counts { entries: captured.entries, bytes: captured.bytes },
            consistency: if clean && note.is_none() { Consistency::Clean } else { Consistency::Crash },
            fidelity: captured.reduced.then_some(Fidelity::Reduced),
            fingerprint: still.map(|f| f.text),
            warnings,
            ..self.record(to_millis(self.run.ports.now()))
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

    fn record(&self, end: Instant) -> Record {
        let kind = self.source.kind.as_str().to_owned();
        Record {
            format_version: FormatVersion::CURRENT,
            instance: self.run.set.instance.clone(),
            series: self.policy.series.clone(),
            policy: self.policy.name.clone(),
            source: SourceRef { kind, name: self.source.name.clone() },
            capture: Capture::Full,
            id: self.id,
            slot: self.slot,
            start: self.id.start(),
            end,
            instant: end,
            parent: None,
            continues: None,
            payload_of: None,
            run: self.run.id,
            set: None,
            segments: Vec::new(),
            index: None,
            codec: self.shape.codec.clone(),
            recipients: self.sealing.fingerprints(),
            tool: Tool { name: env!("CARGO_PKG_NAME").to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
            source_version: None,
            manifest_sha256: super::manifest::sum(&self.run.set),
            rules: self.policy.rules_sha256(self.run.set.zone).parse().ok(),
            counts: Counts::default(),
            services: services(self.run, self.source),
            consistency: Consistency::Crash,
            fidelity: None,
            fingerprint: None,
            labels: self.shape.labels.clone(),
            excludes: self.shape.excludes.clone(),
            warnings: 0,
            origin: None,
            external: None,
            signature: None,
        }
    }

    fn create(&self, record: &Record) -> Result<(), StepError> {
        create_record(self.run, self.store_name, record, 1)
    }
}

/// What was written of an artifact, before its record.
struct Written {
    segments: Vec<Segment>,
    index: Option<Segment>,
    captured: Captured,
    doubts: Vec<Doubt>,
}

/// What keeps the content from being of one instant; under `strict`, what nobody wanted is an error.
fn doubts(run: &Run, policy: &Policy, source: &Source) -> Result<Vec<Doubt>, StepError> {
    let doubts = run.window.as_ref().map(|window| window.doubts(source)).unwrap_or_default();
    match doubts.iter().find(|doubt| policy.strict && !doubt.wanted) {
        Some(doubt) => Err(StepError::Changed(format!("{}, and policy `{}` is strict", doubt.said, policy.name))),
        None => Ok(doubts),
    }
}

/// What each service of the window was, and those of the source that had nothing to quiet.
fn services(run: &Run, source: &Source) -> Vec<ServiceState> {
    let mut states = run.window.as_ref().map(|window| window.states()).unwrap_or_default();
    for name in &source.stop {
        if !states.iter().any(|state| state.name == name.as_str()) {
            states.push(ServiceState { name: name.to_string(), state: "not-running".to_owned() });
        }
    }
    states
}

/// Writes a record create-only; one that is there already must be the same bytes.
pub(super) fn create_record(run: &Run, store_name: &Name, record: &Record, generation: u32) -> Result<(), StepError> {
    let store = run.store(store_name)?.as_ref();
    super::promise::ancestors(run, store_name, record)?;
    let key = layout::record(&run.set.instance, &record.series, &record.catalog_key(generation));
    let bytes = record.write();
    // before it is there: whoever dies in between must not take its payload for nobody's while it is listed late
    run.remember(store_name, key.clone(), record, generation);
    // Last: what comes before may have waited for the store.
    run.entitled(store_name, &record.series)?;
    if store.create(&key, &bytes)? == Created::Taken && store.get(&key)? != bytes {
        return Err(StepError::Changed(format!("{}: another record stands at `{key}`", store.place())));
    }
    Ok(())
}

/// Reads the record of a listed generation.
pub(super) fn read_record(run: &Run, store: &dyn WriteStore, series: &Name, key: &CatalogKey) -> Result<Record, StepError> {
    let name = layout::record(&run.set.instance, series, key);
    let record = Record::read(&store.get(&name)?).and_then(|record| record.matches(key).map(|()| record));
    record.map_err(|e| StepError::record(&store.place(), &name, &e))
}
