//! What every new artifact goes through, wherever its content comes from: payload first, its record last.
//!
//! Up to the record nothing is listed, and what was written is noted in the local state so that a run that dies is swept by the
//! next. Once the record's write was sent, this run removes nothing of the artifact, whatever the answer was.

use std::cell::Cell;
use std::io::Write;

use super::error::StepError;
use super::event::Done;
use super::run::{Run, payload_listed};
use super::sealing::Sealing;
use crate::model::id::{ArtifactId, Capture, Instant, Name, to_millis};
use crate::model::{Policy, Source};
use crate::source::{Captured, Output, Shape, Watch};
use crate::store::documents::FormatVersion;
use crate::store::key::CatalogKey;
use crate::store::record::{Consistency, Counts, Record, Segment, ServiceState, SourceRef, Tool};
use crate::store::segments::SegmentWriter;
use crate::store::{Created, StoreError, WriteStore, layout};

/// An artifact on its way into a store.
pub(super) struct Job<'a> {
    pub(super) run: &'a Run,
    pub(super) address: &'a str,
    pub(super) policy: &'a Policy,
    pub(super) source: &'a Source,
    pub(super) store: &'a dyn WriteStore,
    pub(super) store_name: &'a Name,
    pub(super) sealing: Sealing,
    pub(super) shape: Shape,
    pub(super) id: ArtifactId,
    slot: Option<Instant>,
    /// A write below the source's own errors failed for the store's sake.
    store_failed: Cell<bool>,
}

impl<'a> Job<'a> {
    /// Begins an artifact of a policy: the store is this host's, and has the manifest.
    pub(super) fn begin(
        run: &'a Run,
        address: &'a str,
        policy: &'a Policy,
        store_name: &'a Name,
        slot: Option<Instant>,
    ) -> Result<Self, StepError> {
        let sealing = Sealing::to(&policy.recipients)?;
        sealing.check()?;
        let store = run.store(store_name)?.as_ref();
        let source = &run.set.sources[&policy.source];
        run.claim(store)?;
        super::manifest::keep(run, store_name, store)?;
        let start = to_millis(run.ports.now());
        let id = ArtifactId::new(start, Capture::Full, run.ports.random());
        let shape = sealing.shape(run.ports.sources.shape(source));
        Ok(Self { run, address, policy, source, store, store_name, sealing, shape, id, slot, store_failed: Cell::default() })
    }

    /// Makes the artifact: `read` writes its payload, `last` is asked when that is stored whole, and `commit` writes the record.
    pub(super) fn make<T>(
        &self,
        expected: Option<u64>,
        read: impl FnOnce(Output<'_>, &Watch<'_>) -> Result<Captured, StepError>,
        last: impl FnOnce() -> Result<T, StepError>,
        commit: impl FnOnce(Written, T) -> Result<Done, StepError>,
    ) -> Result<Done, StepError> {
        let state = &self.run.ports.state;
        let flight = format!("{}/{}/{}", self.store_name, self.policy.series, self.id);
        let run_id = self.run.id.to_string();
        state.take_off(&run_id, &flight)?;
        let (written, word) = match self.write(expected, read).and_then(|written| Ok((written, last()?))) {
            Ok(written) => written,
            // Services may wait for this end, and a store that failed has been waited for: what is there stays in flight, and is swept.
            Err(_) if self.run.ports.cancelled() => return Err(StepError::Interrupted),
            Err(error) if self.store_failed(&error) => return Err(error),
            Err(error) => {
                self.clean();
                state.land(&run_id, &flight)?;
                return Err(error);
            }
        };
        let done = commit(written, word)?;
        state.land(&run_id, &flight)?;
        Ok(done)
    }

    fn write(
        &self,
        expected: Option<u64>,
        read: impl FnOnce(Output<'_>, &Watch<'_>) -> Result<Captured, StepError>,
    ) -> Result<Written, StepError> {
        let folder = layout::payload_folder(&self.run.set.instance, &self.policy.series, &self.id, 1);
        let limit = self.segment_size();
        let mut payload = SegmentWriter::new(self.store, &folder, &self.shape.payload, limit).heeding(&self.run.ports.cancel);
        let index = |name| SegmentWriter::new(self.store, &folder, name, u64::MAX).heeding(&self.run.ports.cancel);
        let mut index = self.shape.index.as_deref().map(index);
        let progress = self.run.ports.progress(self.address, expected);
        let watch = Watch { progress: &progress, cancel: &self.run.ports.cancel };
        let index_into = index.as_mut().map(|index| index as &mut (dyn Write + Send));
        let captured = self.sealing.around(&mut payload, index_into, |payload, index| read(Output { payload, index }, &watch));
        self.store_failed.set(payload.store_failed() || index.as_ref().is_some_and(SegmentWriter::store_failed));
        let captured = captured?;
        self.run.stop_if_cancelled()?;
        let segments = payload.finish()?;
        let index = index.map(SegmentWriter::finish).transpose()?.and_then(|mut made| made.pop());
        payload_listed(self.store, &folder, segments.iter().chain(&index))?;
        Ok(Written { segments, index, captured })
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

    /// The record of it, but for what its payload says.
    pub(super) fn record(&self, end: Instant) -> Record {
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

    /// Writes its record.
    pub(super) fn create(&self, record: &Record) -> Result<(), StepError> {
        create_record(self.run, self.store_name, record, 1)
    }
}

/// What was written of an artifact, before its record.
pub(super) struct Written {
    pub(super) segments: Vec<Segment>,
    pub(super) index: Option<Segment>,
    pub(super) captured: Captured,
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
