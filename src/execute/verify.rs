//! Checks artifacts, and leaves a note of what was found beside them.
//!
//! Level 0 looks at presence and sizes, level 1 reads the stored bytes against their SHA-256, level 2 opens the payload: every frame,
//! every header, every digest. What could not be looked at is `unrun`, never a pass. Of what is encrypted only the holder of an identity
//! sees more than the stored bytes: without one that fits a check ends there, and says so.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::error::{StepError, chain};
use super::ports::Ports;
use super::run::{Run, key_of, payload_listed};
use super::sealing::{is_sealed, listed, plain, plain_at, plain_codec};
use crate::archive::Identities;
use crate::archive::Index;
use crate::archive::ReadAt;
use crate::archive::ReadError;
use crate::archive::UnsealError;
use crate::archive::verify;
use crate::archive::{verify_dump, verify_stream};
use crate::facts::Facts;
use crate::model::PolicySet;
use crate::model::id::{ArtifactId, Name, to_millis};
use crate::store::documents::{CheckRecord, FormatVersion};
use crate::store::key::CatalogKey;
use crate::store::layout::{CheckKey, Verdict};
use crate::store::record::Record;
use crate::store::segments::{SegmentReader, SegmentsAt};
use crate::store::{ReadStore, WriteStore, layout};

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// How deep it went.
    pub level: u8,
    /// The verdict.
    pub verdict: Verdict,
    /// Sentences that name the object.
    pub findings: Vec<String>,
}

/// Checks artifacts of one listing.
pub struct Checker(Run);

impl Checker {
    /// A checker of what these facts list.
    pub fn new(set: Arc<PolicySet>, ports: Ports, facts: Facts) -> Self {
        let id = ports.random();
        Self(Run { set, ports, id, facts, window: None, held: Arc::default(), floors: std::sync::Mutex::default() })
    }

    /// Checks one generation of an artifact down to `level`. Reads only.
    pub fn check(&self, store: &Name, series: &Name, id: ArtifactId, generation: u32, level: u8) -> Found {
        let unrun = |finding: String| Found { level: 0, verdict: Verdict::Unrun, findings: vec![finding] };
        let key = self.0.listed(store, series, id).and_then(|a| key_of(a, generation));
        match (self.0.store(store), key) {
            (Ok(opened), Some(key)) => {
                let threads = self.0.set.run.threads.unwrap_or_else(crate::archive::default_threads);
                let eyes = Eyes { level, threads, identities: &self.0.ports.identities, cancel: &self.0.ports.cancel };
                check(opened.as_ref(), &self.0.set.instance, series, &key, &eyes)
            }
            (Err(error), _) => unrun(chain(&error)),
            (Ok(_), None) => unrun(format!("`{id}` is not listed on store `{store}`")),
        }
    }

    /// Leaves the note of a check beside the artifact.
    pub fn note(&self, store: &Name, series: &Name, id: ArtifactId, generation: u32, found: &Found) -> Result<(), StepError> {
        note(&self.0, self.0.store(store)?.as_ref(), series, id, generation, found)
    }
}

/// How deep a check goes, and with what.
pub(super) struct Eyes<'a> {
    pub(super) level: u8,
    pub(super) threads: usize,
    pub(super) identities: &'a Identities,
    pub(super) cancel: &'a AtomicBool,
}

pub(super) fn check(store: &dyn WriteStore, instance: &Name, series: &Name, key: &CatalogKey, eyes: &Eyes<'_>) -> Found {
    let level = eyes.level;
    let name = layout::record(instance, series, key);
    let fail = |level, finding: String| Found { level, verdict: Verdict::Fail, findings: vec![finding] };
    let unrun = |level, finding: String| Found { level, verdict: Verdict::Unrun, findings: vec![finding] };
    let record = match store.get(&name) {
        Ok(bytes) => match Record::read(&bytes).and_then(|r| r.matches(key).map(|()| r)) {
            Ok(record) => record,
            Err(error) => {
                return match StepError::record(&store.place(), &name, &error) {
                    StepError::TooNew(message) => unrun(0, message),
                    other => fail(0, chain(&other)),
                };
            }
        },
        Err(error) if error.is_not_found() => return fail(0, error.to_string()),
        Err(error) => return unrun(0, chain(&error)),
    };
    let folder = layout::payload_folder(instance, series, &key.id, key.generation);
    match payload_listed(store, &folder, record.objects()) {
        Err(StepError::Damaged(message)) => return fail(0, message),
        Err(error) => return unrun(0, chain(&error)),
        Ok(()) => {}
    }
    if level == 0 || record.payload_of.is_some() {
        // it has no bytes of its own: nothing deeper was looked at
        let owner = record.payload_of.iter().filter(|_| level > 0);
        let findings = owner.map(|owner| format!("its bytes are those of `{}`: only a check of that one reads them", owner.id)).collect();
        return Found { level: 0, verdict: Verdict::Pass, findings };
    }
    let bytes = SegmentReader::new(store, &folder, &record.segments).finish();
    let index = bytes.and_then(|()| SegmentReader::new(store, &folder, record.index.as_slice()).finish());
    match index {
        Err(crate::store::segments::SegmentError::Store(error)) => return unrun(1, chain(&error)),
        Err(error) => return fail(1, error.to_string()),
        Ok(()) => {}
    }
    if level == 1 {
        return Found { level: 1, verdict: Verdict::Pass, findings: Vec::new() };
    }
    if is_sealed(&record) && eyes.identities.is_empty() {
        let seen = format!("encrypted to {}: without an identity only the stored bytes were checked", listed(&record.recipients));
        return Found { level: 1, verdict: Verdict::Pass, findings: vec![seen] };
    }
    match structure(store, &folder, &record, eyes) {
        Ok(()) => Found { level: 2, verdict: Verdict::Pass, findings: Vec::new() },
        Err(ReadError::Cancelled) => unrun(2, "interrupted".to_owned()),
        Err(ReadError::Sealed(UnsealError::Io(error))) => unrun(2, format!("{}: cannot read `{folder}`: {error}", store.place())),
        // No worse than without an identity: the stored bytes have passed.
        Err(ReadError::Sealed(error)) if !error.is_damage() => {
            let seen = format!("encrypted to {}, and {error}: only the stored bytes were checked", listed(&record.recipients));
            Found { level: 1, verdict: Verdict::Pass, findings: vec![seen] }
        }
        Err(error) => fail(2, format!("{}: `{folder}`: {}", store.place(), chain(&error))),
    }
}

fn structure(store: &dyn ReadStore, folder: &str, record: &Record, eyes: &Eyes<'_>) -> Result<(), ReadError> {
    let mut stored = SegmentReader::new(store, folder, &record.segments);
    plain(record, eyes.identities, &mut stored, |payload| content(store, folder, record, eyes, payload))
}

fn content(
    store: &dyn ReadStore,
    folder: &str,
    record: &Record,
    &Eyes { threads, identities, cancel, .. }: &Eyes<'_>,
    payload: &mut (dyn Read + Send),
) -> Result<(), ReadError> {
    match plain_codec(record).first() {
        Some(&"tar") => {}
        Some(&"mongodump") => return verify_dump(payload, threads, cancel).map(|_| ()),
        _ => return verify_stream(payload, None, threads, cancel).map(|_| ()),
    }
    let Some(index) = &record.index else { return verify(payload, None, threads, cancel).map(|_| ()) };
    let stored = Stored(SegmentsAt::new(store, folder, std::slice::from_ref(index)));
    let stored = plain_at(record, identities, stored)?;
    let index = Index::open(&*stored)?;
    verify(payload, Some(&index), threads, cancel).map(|_| ())
}

/// Stored segments as the archive layer reads them at random.
pub(super) struct Stored<'a>(pub(super) SegmentsAt<'a>);

impl ReadAt for Stored<'_> {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        Ok(self.0.read_at(offset, buffer)?)
    }
}

/// Leaves the note of a check.
pub(super) fn note(
    run: &Run,
    store: &dyn WriteStore,
    series: &Name,
    id: ArtifactId,
    generation: u32,
    found: &Found,
) -> Result<(), StepError> {
    let at = to_millis(run.ports.now());
    let key = CheckKey { at, generation, level: found.level, verdict: found.verdict };
    let record = CheckRecord {
        format_version: FormatVersion::CURRENT,
        series: series.clone(),
        id,
        generation,
        level: found.level,
        result: found.verdict,
        start: at,
        end: at,
        run: run.id,
        findings: found.findings.clone(),
    };
    store.create(&layout::check(&run.set.instance, series, &id, &key), &crate::store::documents::write(&record))?;
    Ok(())
}
