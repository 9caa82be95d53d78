//! A stored copy, opened: its records read and judged, its index checked, its bytes unpacked.
//!
//! Refused: records that do not belong to the choice, payload that no identity here opens or that is in another system, and codecs that
//! this version does not know. The SHA-256 of an object is checked before its content is believed, except for ranges of a payload, whose members
//! have digests in the index.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

use super::choice::{Choice, StoredCopy};
use super::error::RestoreError;
use crate::archive::{
    Identities, Index, Outcome, Progress, ReadAt, ReadError, Target, UnpackOptions, UnsealError, decompress, unpack, unpack_path,
    verify_dump, verify_stream,
};
use crate::execute::ports::Ports;
use crate::execute::sealing::{is_sealed, plain, plain_at, plain_codec};
use crate::execute::verify::Stored;
use crate::store::layout;
use crate::store::record::{Record, Segment};
use crate::store::segments::{SegmentError, SegmentReader, SegmentsAt};
use crate::store::{ReadStore, StoreError};

/// More than the header of any payload has. Bytes.
const MOST_HEADER: u64 = 64 << 10;

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
    identities: &'a Identities,
    /// The index, once its stored bytes were read against their digest and it was opened: a plugin is asked once.
    index: OnceLock<Box<dyn ReadAt + 'a>>,
}

impl<'a> Opened<'a> {
    pub(super) fn open(ports: &'a Ports, choice: &Choice, copy: &StoredCopy) -> Result<Self, RestoreError> {
        let Some(store) = ports.stores.get(&copy.store) else {
            let message = format!("store `{}` cannot be used", copy.store);
            return Err(StoreError::Unusable { message, help: String::new() }.into());
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
        let (folder, identities) = (copy.payload.clone(), &*ports.identities);
        let opened = Self { store, folder, record, owner, identities, index: OnceLock::new() };
        opened.readable(copy)?;
        Ok(opened)
    }

    fn readable(&self, copy: &StoredCopy) -> Result<(), RestoreError> {
        let wrong = |why: String| RestoreError::Record(format!("{}: record `{}`: {why}", self.store.place(), copy.payload_record));
        if let Some(external) = &self.owner.external {
            return Err(wrong(format!("its bytes are in the {} repository `{}`", external.kind, external.repository)));
        }
        match plain_codec(&self.owner)[..] {
            ["tar" | "mongodump", "zstd"] | ["zstd"] => {}
            _ => return Err(wrong(format!("this version cannot read the codec `{}`", self.owner.codec.join(", ")))),
        }
        if is_sealed(&self.owner) && self.identities.is_empty() {
            return Err(self.sealed("no identity is given".to_owned(), UnsealError::NoIdentity.help()));
        }
        // Where there is no index to be opened first, the payload itself shows whether an identity fits.
        if is_sealed(&self.owner) && self.owner.index.is_none() {
            self.payload_at(Path::new(""))?;
        }
        Ok(())
    }

    fn sealed(&self, why: String, help: &'static str) -> RestoreError {
        RestoreError::Sealed { id: self.record.id, recipients: self.owner.recipients.clone(), why, help }
    }

    /// What an error of reading the payload means. A header with a flipped bit looks like one that is for others: before an identity
    /// is blamed, the stored bytes that hold the header are read against their digests.
    fn payload_failed(&self, error: ReadError, path: &Path) -> RestoreError {
        if let ReadError::Sealed(UnsealError::NoIdentity | UnsealError::Newer | UnsealError::Passphrase) = error {
            let mut before = 0;
            let holds_header = |segment: &&Segment| {
                let holds = before < MOST_HEADER;
                before += segment.bytes;
                holds
            };
            let first: Vec<Segment> = self.owner.segments.iter().take_while(holds_header).cloned().collect();
            if let Err(damage) = SegmentReader::new(self.store, &self.folder, &first).finish() {
                return damage.into();
            }
        }
        self.failed(error, path)
    }

    /// The payload at any place.
    fn payload_at(&self, path: &Path) -> Result<Box<dyn ReadAt + 'a>, RestoreError> {
        let stored = Stored(SegmentsAt::new(self.store, &self.folder, &self.owner.segments));
        plain_at(&self.owner, self.identities, stored).map_err(|error| self.payload_failed(error, path))
    }

    /// Runs `work` over the payload in order.
    fn in_order<T>(&self, path: &Path, work: impl FnOnce(&mut (dyn Read + Send)) -> Result<T, ReadError>) -> Result<T, RestoreError> {
        let mut stored = SegmentReader::new(self.store, &self.folder, &self.owner.segments);
        let done = plain(&self.owner, self.identities, &mut stored, work).map_err(|error| self.payload_failed(error, path))?;
        // The verdict over the last object, whatever the archive's own end was.
        stored.finish()?;
        Ok(done)
    }

    /// Whether it is a tree, and not one stream.
    pub(super) fn is_tree(&self) -> bool {
        self.owner.codec.first().is_some_and(|codec| codec == "tar")
    }

    /// The name of a stream's file.
    pub(super) fn file_name(&self) -> &str {
        let stored = self.owner.segments.first().map_or("payload", |segment| segment.name.as_str());
        let plain = stored.strip_suffix(layout::ENCRYPTED).unwrap_or(stored);
        plain.strip_suffix(".zst").unwrap_or(plain)
    }

    /// Opens the index, if there is one, after a check of its stored bytes.
    pub(super) fn with_index<T>(&self, work: impl FnOnce(Option<&Index<'_>>) -> Result<T, RestoreError>) -> Result<T, RestoreError> {
        // what stands beside a dump is an inventory and no index of members
        let Some(object) = self.owner.index.as_ref().filter(|_| self.is_tree()) else { return work(None) };
        let object = std::slice::from_ref(object);
        let opened = match self.index.get() {
            Some(opened) => opened.as_ref(),
            None => self.index_of(object)?,
        };
        let index = Index::open(opened).map_err(|error| self.failed(error, Path::new("")))?;
        work(Some(&index))
    }

    fn index_of(&self, object: &[Segment]) -> Result<&dyn ReadAt, RestoreError> {
        SegmentReader::new(self.store, &self.folder, object).finish()?;
        let stored = Stored(SegmentsAt::new(self.store, &self.folder, object));
        let opened = plain_at(&self.owner, self.identities, stored).map_err(|error| self.failed(error, Path::new("")))?;
        Ok(self.index.get_or_init(|| opened).as_ref())
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
                let payload = self.payload_at(folder)?;
                return unpack_path(&*payload, index, &target).map_err(|error| self.failed(error, folder));
            }
            self.in_order(folder, |payload| unpack(payload, index, &target))
        })
    }

    /// Writes a stream out.
    pub(super) fn decompress(&self, out: &mut dyn Write, path: &Path, watch: &Watch<'_>) -> Result<u64, RestoreError> {
        let mut counted = Counted { out, written: 0, progress: watch.progress };
        let threads = watch.options().threads;
        let streamed = self.in_order(path, |payload| decompress(payload, &mut counted, threads, watch.cancel))?;
        Ok(streamed.bytes)
    }

    /// Reads a stream for its verdict only.
    pub(super) fn verify_stream(&self, watch: &Watch<'_>) -> Result<u64, RestoreError> {
        let threads = watch.options().threads;
        self.in_order(Path::new(""), |payload| match plain_codec(&self.owner).first() {
            Some(&"mongodump") => verify_dump(payload, threads, watch.cancel).map(|verified| verified.bytes),
            _ => verify_stream(payload, None, threads, watch.cancel).map(|streamed| streamed.bytes),
        })
    }

    /// What an error of the archive layer means here.
    pub(super) fn failed(&self, error: ReadError, folder: &Path) -> RestoreError {
        match error {
            ReadError::Cancelled => RestoreError::Interrupted,
            ReadError::Sealed(UnsealError::Io(source)) => self.failed(ReadError::Io(source), folder),
            ReadError::Sealed(error) if !error.is_damage() => self.sealed(error.to_string(), error.help()),
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
