//! Copies an artifact from one store to another: payload with its digests checked on the way, then its holds, then its record, so that
//! there is no instant at which a copy of what is held could be deleted.
//!
//! The record is the same bytes on both sides. Payload that lies there already from a copy that was cut is compared, without being
//! sent again, and taken if it is the same; if it is not, the copy goes into the next generation. Bytes that are not what the record says are written
//! nowhere: the source's generation is marked damaged instead, so that the next plan reads from elsewhere.

use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};

use super::error::StepError;
use super::event::Done;
use super::run::{Run, key_of, payload_listed};
use crate::finding::bytes as size;
use crate::model::id::{ArtifactId, Name};
use crate::store::record::Record;
use crate::store::segments::{SegmentError, SegmentReader, SegmentWriter, digest};
use crate::store::{StoreError, WriteStore, layout};

/// Bytes that are read at most before the next look at the cancel flag.
const BLOCK: usize = 1 << 20;
/// Blocks between the reader and the writer.
const AHEAD: usize = 4;

pub(super) struct Job<'a> {
    pub(super) series: &'a Name,
    pub(super) id: ArtifactId,
    pub(super) from: &'a Name,
    pub(super) to: &'a Name,
    pub(super) generation: u32,
    pub(super) as_generation: u32,
}

pub(super) fn perform(run: &Run, address: &str, job: &Job<'_>) -> Result<Done, StepError> {
    run.stop_if_cancelled()?;
    let (from, to) = (run.store(job.from)?.as_ref(), run.store(job.to)?.as_ref());
    let listed = run.listed(job.from, job.series, job.id);
    let key = listed.and_then(|a| key_of(a, job.generation));
    let key = key.ok_or_else(|| StepError::Changed(format!("`{}` is not listed on store `{}` any more", job.id, job.from)))?;
    run.claim(to)?;
    super::manifest::keep(run, job.to, to)?;
    let record = super::making::read_record(run, from, job.series, &key)?;
    // a listing without payload does not show it
    if record.recipients.is_empty() && run.set.stores.get(job.to).is_some_and(|store| store.require_encryption) {
        return Err(StepError::Changed(format!("`{}` is not encrypted, and store `{}` has `require_encryption`", job.id, job.to)));
    }
    if let Some(object) = record.objects().find(|object| object.bytes > to.largest()) {
        let (id, name, bytes, to, largest) = (job.id, &object.name, size(object.bytes), job.to, size(to.largest()));
        let message = format!("`{name}` of `{id}` has {bytes}, and an object on store `{to}` has {largest} at most; raise `max_parts`");
        return Err(StepError::Changed(message));
    }
    let mut generation = job.as_generation;
    if record.payload_of.is_none() {
        let flight = format!("{}/{}/{}", job.to, job.series, job.id);
        let run_id = run.id.to_string();
        run.ports.state.take_off(&run_id, &flight)?;
        generation = payload(run, address, job, &record, from, to)?;
        holds(run, job, from, to)?;
        super::making::create_record(run, job.to, &record, generation)?;
        run.ports.state.land(&run_id, &flight)?;
    } else {
        holds(run, job, from, to)?;
        super::making::create_record(run, job.to, &record, generation)?;
    }
    Ok(Done { id: Some(job.id), bytes: record.bytes(), ..Done::default() })
}

/// Copies every object, into the first generation from the wished one on whose names are free or hold the same bytes.
fn payload(run: &Run, address: &str, job: &Job<'_>, record: &Record, from: &dyn WriteStore, to: &dyn WriteStore) -> Result<u32, StepError> {
    let source = layout::payload_folder(&run.set.instance, job.series, &job.id, job.generation);
    let progress = run.ports.progress(address, Some(record.bytes()));
    let mut generation = job.as_generation;
    loop {
        let target = layout::payload_folder(&run.set.instance, job.series, &job.id, generation);
        match objects(run, job, record, (from, &source), (to, &target), &progress) {
            Err(Stopped::Taken) => generation += 1,
            Err(Stopped::Failed(error)) => return Err(error),
            Ok(()) => {
                payload_listed(to, &target, record.objects())?;
                return Ok(generation);
            }
        }
    }
}

enum Stopped {
    Taken,
    Failed(StepError),
}

impl From<SegmentError> for Stopped {
    fn from(error: SegmentError) -> Self {
        match error {
            SegmentError::Taken { .. } => Self::Taken,
            other => Self::Failed(other.into()),
        }
    }
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<StepError> for Stopped {
    fn from(error: StepError) -> Self {
        Self::Failed(error)
    }
}

fn objects(
    run: &Run,
    job: &Job<'_>,
    record: &Record,
    (from, source): (&dyn WriteStore, &str),
    (to, target): (&dyn WriteStore, &str),
    progress: &dyn Fn(u64, u64),
) -> Result<(), Stopped> {
    let mut copied = 0;
    let there = to.list(target)?;
    for object in record.objects() {
        let key = format!("{target}{}", object.name);
        if let Some(found) = there.iter().find(|found| found.key == key) {
            run.stop_if_cancelled()?;
            if found.bytes != object.bytes || digest(to, &key)? != object.sha256 {
                return Err(Stopped::Taken);
            }
            copied += object.bytes;
            progress(copied, 0);
            continue;
        }
        let reader = SegmentReader::new(from, source, std::slice::from_ref(object));
        let mut writer = SegmentWriter::of(to, target, object).heeding(&run.ports.cancel);
        std::thread::scope(|scope| {
            let (full, blocks) = sync_channel(AHEAD);
            let (back, empty) = channel();
            scope.spawn(move || read_ahead(reader, &full, &empty));
            for block in blocks {
                run.stop_if_cancelled()?;
                let (block, n) = block.map_err(|error| damaged(run, job, from, SegmentError::of(error)))?;
                writer.write_all(&block[..n]).map_err(SegmentError::of)?;
                copied += n as u64;
                progress(copied, 0);
                // a reader that has read all is gone
                drop(back.send(block));
            }
            Ok::<(), Stopped>(())
        })?;
        writer.finish()?;
    }
    Ok(())
}

/// A block, and how many bytes of it were read.
type Block = (Vec<u8>, usize);

/// Reads and checks on a thread of its own, so that neither store waits for the other. Ends early where nobody takes the blocks any more.
/// Blocks that come back are used again: clearing new ones would cost a tenth of what hashing costs.
fn read_ahead(mut reader: SegmentReader<'_>, full: &SyncSender<io::Result<Block>>, empty: &Receiver<Vec<u8>>) {
    loop {
        let mut block = empty.try_recv().unwrap_or_else(|_| vec![0; BLOCK]);
        let read = match reader.read(&mut block) {
            Ok(0) => return,
            read => read.map(|n| (block, n)),
        };
        let failed = read.is_err();
        if full.send(read).is_err() || failed {
            return;
        }
    }
}

/// Marks the source's generation damaged if its bytes are to blame.
fn damaged(run: &Run, job: &Job<'_>, from: &dyn WriteStore, error: SegmentError) -> StepError {
    if matches!(error, SegmentError::Damaged { .. }) {
        let found = super::verify::Found { level: 1, verdict: layout::Verdict::Fail, findings: vec![error.to_string()] };
        if let Err(unwritten) = super::verify::note(run, from, job.series, job.id, job.generation, &found) {
            return StepError::Damaged(format!("{error}; and this could not be noted: {unwritten}"));
        }
    }
    error.into()
}

fn holds(run: &Run, job: &Job<'_>, from: &dyn WriteStore, to: &dyn WriteStore) -> Result<(), StepError> {
    for hold in from.list(&layout::holds_folder(&run.set.instance, job.series, &job.id))? {
        to.create(&hold.key, &from.get(&hold.key)?)?;
    }
    Ok(())
}
