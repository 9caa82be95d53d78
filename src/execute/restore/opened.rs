//! A stored copy, opened: its records read and judged, its index checked, its bytes unpacked.
//!
//! Refused: records that do not belong to the choice, payload that is encrypted or in another system, and codecs that this version does
//! not know. The SHA-256 of an object is checked before its content is believed, except for ranges of a payload, whose members
//! have digests in the index.

use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::choice::{Choice, StoredCopy};
use super::error::RestoreError;
use crate::archive::{Index, Outcome, Progress, ReadError, Target, UnpackOptions, decompress, unpack, unpack_path, verify_stream};
use crate::execute::ports::Ports;
use crate::execute::verify::Stored;
use crate::store::ReadStore;
use crate::store::record::Record;
use crate::store::segments::{SegmentError, SegmentReader, SegmentsAt};

/// What of an archive is unpacked.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part<'a> {
    /// Every member.
    All,
    /// One label, by reading everything.
    Label(&'a [u8]),
    /// One path and what is below it, by reading what holds it.
    Path(&'a [u8]),
}

/// Who looks on.
pub(super) struct Watch<'a> {
    pub(super) threads: Option<usize>,
    pub(super) progress: &'a (dyn Fn(u64, u64) + Sync),
    pub(super) cancel: &'a AtomicBool,
}

impl Watch<'_> {
    fn options(&self) -> UnpackOptions {
        let options = UnpackOptions::default();
        UnpackOptions { threads: self.threads.unwrap_or(options.threads), ..options }
    }
}

/// A copy that can be read.
pub(super) struct Opened<'a> {
    store: &'a dyn ReadStore,
    folder: String,
    /// The artifact's own record.
    pub(super) record: Record,
    /// The record of who owns the bytes.
    pub(super) owner: Record,
    /// The index's stored bytes were read against their digest; once is enough.
    index_checked: AtomicBool,
}

impl<'a> Opened<'a> {
    pub(super) fn open(ports: &'a Ports, choice: &Choice, copy: &StoredCopy) -> Result<Self, RestoreError> {
        let Some(store) = ports.stores.get(&copy.store) else {
            return Err(RestoreError::Changed(format!("store `{}` cannot be used", copy.store)));
        };
        let store: &dyn ReadStore = store.as_ref();
        let wrong = |key: &str, why: &dyn std::fmt::Display| RestoreError::Record(format!("{}: record `{key}`: {why}", store.place()));
        let read = |key: &str| Record::read(&store.get(key)?).map_err(|error| wrong(key, &error));
        let record = read(&copy.record)?;
        if record.id != choice.id || record.series != choice.series {
            return Err(wrong(&copy.record, &format!("it is the record of `{}` in series `{}`", record.id, record.series)));
        }
        let owner = if copy.payload_record == copy.record { record.clone() } else { read(&copy.payload_record)? };
        if record.payload_of.as_ref().map_or(record.id, |owner| owner.id) != owner.id {
            return Err(wrong(&copy.record, &format!("its bytes are not those of `{}`", owner.id)));
        }
        let opened = Self { store, folder: copy.payload.clone(), record, owner, index_checked: AtomicBool::new(false) };
        opened.readable(copy)?;
        Ok(opened)
    }

    fn readable(&self, copy: &StoredCopy) -> Result<(), RestoreError> {
        let wrong = |why: String| RestoreError::Record(format!("{}: record `{}`: {why}", self.store.place(), copy.payload_record));
        if !self.owner.recipients.is_empty() {
            return Err(wrong("its payload is encrypted, and this version cannot decrypt".to_owned()));
        }
        if let Some(external) = &self.owner.external {
            return Err(wrong(format!("its bytes are in the {} repository `{}`", external.kind, external.repository)));
        }
        match self.owner.codec.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["tar", "zstd"] | ["zstd"] => Ok(()),
            _ => Err(wrong(format!("this version cannot read the codec `{}`", self.owner.codec.join(", ")))),
        }
    }

    /// Whether it is a tree, and not one stream.
    pub(super) fn is_tree(&self) -> bool {
        self.owner.codec.first().is_some_and(|codec| codec == "tar")
    }

    /// The name of a stream's file.
    pub(super) fn file_name(&self) -> &str {
        let stored = self.owner.segments.first().map_or("payload", |segment| segment.name.as_str());
        stored.strip_suffix(".zst").unwrap_or(stored)
    }

    /// Opens the index, if there is one, after a check of its stored bytes.
    pub(super) fn with_index<T>(&self, work: impl FnOnce(Option<&Index<'_>>) -> Result<T, RestoreError>) -> Result<T, RestoreError> {
        let Some(object) = &self.owner.index else { return work(None) };
        let object = std::slice::from_ref(object);
        if !self.index_checked.load(Ordering::Relaxed) {
            SegmentReader::new(self.store, &self.folder, object).finish()?;
            self.index_checked.store(true, Ordering::Relaxed);
        }
        let stored = Stored(SegmentsAt::new(self.store, &self.folder, object));
        let index = Index::open(&stored).map_err(|error| self.failed(error, Path::new("")))?;
        work(Some(&index))
    }

    /// Unpacks into an existing, empty folder; every digest is checked on the way.
    pub(super) fn unpack(&self, folder: &Path, part: Part<'_>, watch: &Watch<'_>) -> Result<Outcome, RestoreError> {
        let progress = |seen: Progress| (watch.progress)(seen.bytes, seen.entries);
        let select = match part {
            Part::All => None,
            Part::Label(path) | Part::Path(path) => Some(path),
        };
        let target = Target { folder, select, options: watch.options(), progress: &progress, cancel: watch.cancel };
        self.with_index(|index| {
            if let (Part::Path(_), Some(index)) = (part, index) {
                let payload = Stored(SegmentsAt::new(self.store, &self.folder, &self.owner.segments));
                return unpack_path(&payload, index, &target).map_err(|error| self.failed(error, folder));
            }
            let mut payload = SegmentReader::new(self.store, &self.folder, &self.owner.segments);
            let outcome = unpack(&mut payload, index, &target).map_err(|error| self.failed(error, folder))?;
            // The verdict over the last object, whatever the archive's own end was.
            payload.finish()?;
            Ok(outcome)
        })
    }

    /// Writes a stream out.
    pub(super) fn decompress(&self, out: &mut dyn Write, path: &Path, watch: &Watch<'_>) -> Result<u64, RestoreError> {
        let mut counted = Counted { out, written: 0, progress: watch.progress };
        let mut payload = SegmentReader::new(self.store, &self.folder, &self.owner.segments);
        let streamed = decompress(&mut payload, &mut counted, watch.options().threads, watch.cancel);
        let streamed = streamed.map_err(|error| self.failed(error, path))?;
        payload.finish()?;
        Ok(streamed.bytes)
    }

    /// Reads a stream for its verdict only.
    pub(super) fn verify_stream(&self, watch: &Watch<'_>) -> Result<u64, RestoreError> {
        let mut payload = SegmentReader::new(self.store, &self.folder, &self.owner.segments);
        let streamed = verify_stream(&mut payload, None, watch.options().threads, watch.cancel);
        let streamed = streamed.map_err(|error| self.failed(error, Path::new("")))?;
        payload.finish()?;
        Ok(streamed.bytes)
    }

    /// What an error of the archive layer means here.
    pub(super) fn failed(&self, error: ReadError, folder: &Path) -> RestoreError {
        match error {
            ReadError::Cancelled => RestoreError::Interrupted,
            ReadError::Write { path, source } if is_full(&source) => {
                RestoreError::Full { path: folder.to_owned(), member: path.to_string() }
            }
            ReadError::Io(source) if source.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<SegmentError>) => {
                SegmentError::of(source).into()
            }
            source => RestoreError::Payload { object: format!("{}: `{}`", self.store.place(), self.folder), source },
        }
    }
}

pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

struct Counted<'a> {
    out: &'a mut dyn Write,
    written: u64,
    progress: &'a (dyn Fn(u64, u64) + Sync),
}

impl Write for Counted<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.out.write(buffer)?;
        self.written += written as u64;
        (self.progress)(self.written, 0);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
