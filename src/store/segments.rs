//! A stream as objects of bounded size, and back. **[format]**
//!
//! The first segment has the stream's own name, the others `.002`, `.003` and so on after it; readers concatenate them. An empty
//! stream is one empty segment. Each is committed when it ends, with the SHA-256 of its bytes as they are stored, so that an
//! interrupted copy can go on with the next one.
//!
//! A name that is taken is fine if the same bytes are there, and otherwise refused: then the caller writes the next generation.
//! The reader refuses what is missing, shorter, longer or different, before it hands out the last byte of that segment.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::digest::{Hasher, Sha256Sum};
use super::error::StoreError;
use super::port::{Created, ReadStore, Upload, WriteStore};
use super::record::Segment;

/// What is wrong with a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// There is no such object.
    Missing,
    /// It ends too early.
    Short,
    /// It goes on after its end.
    Long,
    /// Its bytes are others.
    Digest,
}

impl Damage {
    fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "is missing",
            Self::Short => "is shorter than its record says",
            Self::Long => "is longer than its record says",
            Self::Digest => "does not have the SHA-256 that its record says",
        }
    }
}

/// Why a stream could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// Other bytes are there under the name: the next generation is the place to write.
    #[error("{place}: `{key}` is taken by other bytes")]
    Taken {
        /// The store, for people.
        place: String,
        /// The object.
        key: String,
    },
    /// An object is not what its record says.
    #[error("{place}: `{key}` {}", damage.as_str())]
    Damaged {
        /// The store, for people.
        place: String,
        /// The object.
        key: String,
        /// In what way.
        damage: Damage,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SegmentError {
    /// The error that went through [`io::Write`] or [`io::Read`] as it was.
    pub fn of(error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(own) => own,
            Err(error) => Self::Store(StoreError::of("", "stream", "", error)),
        }
    }

    /// Whether the store was at fault, and not by being full.
    pub fn is_of_store(&self) -> bool {
        matches!(self, Self::Store(error) if !matches!(error, StoreError::Full { .. }))
    }
}

impl From<SegmentError> for io::Error {
    fn from(error: SegmentError) -> Self {
        match error {
            SegmentError::Store(error) if !matches!(error, StoreError::Full { .. }) => Self::other(SegmentError::Store(error)),
            SegmentError::Store(_) => Self::new(io::ErrorKind::StorageFull, error),
            SegmentError::Taken { .. } => Self::new(io::ErrorKind::AlreadyExists, error),
            SegmentError::Damaged { .. } => Self::new(io::ErrorKind::InvalidData, error),
        }
    }
}

/// Writes a stream into a folder of a store. Dropped before [`SegmentWriter::finish`], it leaves the segments that were complete,
/// and no record names them.
pub struct SegmentWriter<'a> {
    store: &'a dyn WriteStore,
    folder: String,
    file: String,
    limit: u64,
    current: Option<Current>,
    done: Vec<Segment>,
    cancel: Option<Arc<AtomicBool>>,
    /// The digest of the one segment there will be.
    known: Option<Sha256Sum>,
    broken: bool,
    failed: bool,
}

struct Current {
    upload: Box<dyn Upload>,
    name: String,
    /// None where the digest is known.
    hasher: Option<Hasher>,
    bytes: u64,
}

impl<'a> SegmentWriter<'a> {
    /// A stream named `file` in `folder` (ending in `/`), in segments of `limit` bytes at most.
    pub fn new(store: &'a dyn WriteStore, folder: &str, file: &str, limit: u64) -> Self {
        let (folder, file) = (folder.to_owned(), file.to_owned());
        let limit = limit.max(1);
        Self { store, folder, file, limit, current: None, done: Vec::new(), cancel: None, known: None, broken: false, failed: false }
    }

    /// A segment that is known already, from a [`SegmentReader`] that checks every byte before it gives out the last: it is not hashed
    /// a second time.
    pub fn of(store: &'a dyn WriteStore, folder: &str, segment: &Segment) -> Self {
        Self { known: Some(segment.sha256), ..Self::new(store, folder, &segment.name, u64::MAX) }
    }

    /// The same, which does not go on waiting for the store once the flag is raised.
    #[must_use]
    pub fn heeding(self, cancel: &Arc<AtomicBool>) -> Self {
        Self { cancel: Some(Arc::clone(cancel)), ..self }
    }

    /// The segments that are complete.
    pub fn done(&self) -> &[Segment] {
        &self.done
    }

    /// Ends the stream.
    pub fn finish(mut self) -> Result<Vec<Segment>, SegmentError> {
        if self.broken {
            return Err(self.gone_wrong().into());
        }
        if self.current.is_none() && self.done.is_empty() {
            self.current = Some(self.begin()?);
        }
        self.close()?;
        Ok(self.done)
    }

    /// Whether the store was at fault, and not by being full: it may not answer soon.
    pub fn store_failed(&self) -> bool {
        self.failed
    }

    fn gone_wrong(&self) -> StoreError {
        StoreError::of(&self.store.place(), "write", &self.file, io::Error::other("an earlier write failed"))
    }

    fn begin(&self) -> Result<Current, StoreError> {
        let name = match self.done.len() + 1 {
            1 => self.file.clone(),
            n => format!("{}.{n:03}", self.file),
        };
        let mut upload = self.store.upload(&format!("{}{name}", self.folder))?;
        if let Some(cancel) = &self.cancel {
            upload.heed(cancel);
        }
        Ok(Current { upload, name, hasher: self.known.is_none().then(Hasher::new), bytes: 0 })
    }

    fn close(&mut self) -> Result<(), SegmentError> {
        let Some(Current { upload, name, hasher, bytes }) = self.current.take() else { return Ok(()) };
        let Some(sha256) = hasher.map(Hasher::finish).or(self.known) else { return Err(self.gone_wrong().into()) };
        let key = format!("{}{name}", self.folder);
        if upload.commit()? == Created::Taken && digest(self.store, &key)? != sha256 {
            return Err(SegmentError::Taken { place: self.store.place(), key });
        }
        self.done.push(Segment { name, bytes, sha256 });
        Ok(())
    }

    fn part(&mut self, buffer: &[u8]) -> Result<usize, SegmentError> {
        if self.current.as_ref().is_some_and(|current| current.bytes == self.limit) {
            self.close()?;
        }
        if self.current.is_none() {
            self.current = Some(self.begin()?);
        }
        let Some(current) = &mut self.current else { return Ok(0) };
        let room = usize::try_from(self.limit - current.bytes).unwrap_or(usize::MAX).min(buffer.len());
        let key = format!("{}{}", self.folder, current.name);
        let n = loop {
            match current.upload.write(&buffer[..room]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(StoreError::of(&self.store.place(), "write", &key, error).into()),
                Ok(n) => break n,
            }
        };
        if let Some(hasher) = &mut current.hasher {
            hasher.update(&buffer[..n]);
        }
        current.bytes += n as u64;
        Ok(n)
    }
}

impl Write for SegmentWriter<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.broken {
            return Err(SegmentError::from(self.gone_wrong()).into());
        }
        self.part(buffer).map_err(|error| {
            self.broken = true;
            self.failed = error.is_of_store();
            error.into()
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The SHA-256 of an object as it is stored.
pub fn digest(store: &(impl ReadStore + ?Sized), key: &str) -> Result<Sha256Sum, StoreError> {
    let mut reader = store.open(key, 0)?;
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(n) => hasher.update(&buffer[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(StoreError::of(&store.place(), "read", key, error)),
        }
    }
}

/// Reads a stream from its beginning to its end, and believes nothing.
pub struct SegmentReader<'a> {
    store: &'a dyn ReadStore,
    folder: String,
    segments: Vec<Segment>,
    /// Segments that were opened.
    opened: usize,
    current: Option<Reading>,
    broken: Option<(String, Damage)>,
}

struct Reading {
    reader: Box<dyn Read + Send>,
    hasher: Hasher,
    left: u64,
}

impl<'a> SegmentReader<'a> {
    /// The stream of these segments in `folder` (ending in `/`).
    pub fn new(store: &'a dyn ReadStore, folder: &str, segments: &[Segment]) -> Self {
        Self { store, folder: folder.to_owned(), segments: segments.to_vec(), opened: 0, current: None, broken: None }
    }

    /// Reads what is left, for those who need the verdict and not the bytes.
    pub fn finish(mut self) -> Result<(), SegmentError> {
        let mut buffer = vec![0; 256 * 1024];
        while self.part(&mut buffer)? > 0 {}
        Ok(())
    }

    fn part(&mut self, buffer: &mut [u8]) -> Result<usize, SegmentError> {
        if let Some((key, damage)) = self.broken.clone() {
            return Err(SegmentError::Damaged { place: self.store.place(), key, damage });
        }
        loop {
            let Some(reading) = &mut self.current else {
                let Some(next) = self.segments.get(self.opened) else { return Ok(0) };
                let (key, left) = (format!("{}{}", self.folder, next.name), next.bytes);
                self.opened += 1;
                match self.store.open(&key, 0) {
                    Ok(reader) => self.current = Some(Reading { reader, hasher: Hasher::new(), left }),
                    Err(error) if error.is_not_found() => return Err(self.damaged(Damage::Missing)),
                    Err(error) => {
                        // the same segment again at the next call
                        self.opened -= 1;
                        return Err(error.into());
                    }
                }
                continue;
            };
            if reading.left == 0 {
                self.close()?;
                continue;
            }
            let room = usize::try_from(reading.left).unwrap_or(usize::MAX).min(buffer.len());
            let outcome = retried(&mut *reading.reader, &mut buffer[..room]);
            let n = outcome.map_err(|error| StoreError::of(&self.store.place(), "read", &self.key(), error))?;
            let Some(reading) = self.current.as_mut().filter(|_| n > 0) else { return Err(self.damaged(Damage::Short)) };
            reading.hasher.update(&buffer[..n]);
            reading.left -= n as u64;
            if reading.left == 0 {
                self.close()?;
            }
            return Ok(n);
        }
    }

    /// The verdict over the segment that ends here.
    fn close(&mut self) -> Result<(), SegmentError> {
        let Some(mut reading) = self.current.take() else { return Ok(()) };
        let more = retried(&mut *reading.reader, &mut [0]);
        if more.map_err(|error| StoreError::of(&self.store.place(), "read", &self.key(), error))? > 0 {
            return Err(self.damaged(Damage::Long));
        }
        if reading.hasher.finish() == self.segments[self.opened - 1].sha256 { Ok(()) } else { Err(self.damaged(Damage::Digest)) }
    }

    fn key(&self) -> String {
        format!("{}{}", self.folder, self.segments[self.opened - 1].name)
    }

    fn damaged(&mut self, damage: Damage) -> SegmentError {
        let key = self.key();
        self.broken = Some((key.clone(), damage));
        SegmentError::Damaged { place: self.store.place(), key, damage }
    }
}

fn retried(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

impl Read for SegmentReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() { Ok(0) } else { self.part(buffer).map_err(io::Error::from) }
    }
}

/// Reads anywhere in a stream. Digests are of whole segments, so only sizes are checked here.
pub struct SegmentsAt<'a> {
    store: &'a dyn ReadStore,
    /// Keys with the offsets where they end.
    ends: Vec<(String, u64)>,
}

impl<'a> SegmentsAt<'a> {
    /// The stream of these segments in `folder` (ending in `/`).
    pub fn new(store: &'a dyn ReadStore, folder: &str, segments: &[Segment]) -> Self {
        let mut end = 0_u64;
        let ends = segments.iter().map(|segment| {
            end = end.saturating_add(segment.bytes);
            (format!("{folder}{}", segment.name), end)
        });
        Self { store, ends: ends.collect() }
    }

    /// Bytes of the stream.
    pub fn len(&self) -> u64 {
        self.ends.last().map_or(0, |(_, end)| *end)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills the buffer from `offset`; less only at the end of the stream.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, SegmentError> {
        let mut done = 0;
        while done < buffer.len() {
            let at = offset.saturating_add(done as u64);
            let n = self.ends.partition_point(|(_, end)| *end <= at);
            let Some((key, end)) = self.ends.get(n) else { break };
            let start = n.checked_sub(1).map_or(0, |before| self.ends[before].1);
            let room = usize::try_from(end - at).unwrap_or(usize::MAX).min(buffer.len() - done);
            let damaged = |damage| SegmentError::Damaged { place: self.store.place(), key: key.clone(), damage };
            match self.store.read_at(key, at - start, &mut buffer[done..done + room]) {
                Ok(0) => return Err(damaged(Damage::Short)),
                Ok(n) => done += n,
                Err(error) if error.is_not_found() => return Err(damaged(Damage::Missing)),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::Memory;

    fn written(store: &Memory, bytes: &[u8], limit: u64) -> Vec<Segment> {
        let mut writer = SegmentWriter::new(store, "d/", "files", limit);
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    }

    fn read(store: &Memory, segments: &[Segment]) -> Result<Vec<u8>, SegmentError> {
        let mut bytes = Vec::new();
        SegmentReader::new(store, "d/", segments).read_to_end(&mut bytes).map_err(SegmentError::of)?;
        Ok(bytes)
    }

    proptest! {
        #[test]
        fn a_stream_comes_back_whole_and_in_parts(bytes in prop::collection::vec(any::<u8>(), 0..200), limit in 1_u64..80, from in 0_u64..220, room in 0_usize..90) {
            let store = Memory::new();
            let segments = written(&store, &bytes, limit);
            prop_assert_eq!(segments.len(), bytes.len().div_ceil(usize::try_from(limit).unwrap()).max(1));
            prop_assert_eq!(&read(&store, &segments).unwrap(), &bytes);
            for segment in &segments {
                prop_assert_eq!(segment.sha256, digest(&store, &format!("d/{}", segment.name)).unwrap());
            }
            let at = SegmentsAt::new(&store, "d/", &segments);
            prop_assert_eq!(at.len(), bytes.len() as u64);
            let mut buffer = vec![0; room];
            let n = at.read_at(from, &mut buffer).unwrap();
            let rest = bytes.get(usize::try_from(from).unwrap()..).unwrap_or_default();
            prop_assert_eq!(&buffer[..n], &rest[..rest.len().min(room)]);
        }

        #[test]
        fn any_damage_is_found_and_names_its_object(size in 1_usize..100, limit in 1_u64..50, which in any::<prop::sample::Index>(), how in 0..4) {
            let store = Memory::new();
            let segments = written(&store, &vec![7; size], limit);
            let key = format!("d/{}", segments[which.index(segments.len())].name);
            let expected = match how {
                0 => { store.corrupt(&key); Damage::Digest }
                1 => { store.truncate(&key); Damage::Short }
                2 => { store.delete(&key).unwrap(); Damage::Missing }
                _ => { store.put(&key, &[store.get(&key).unwrap(), vec![7]].concat()); Damage::Long }
            };
            let found = read(&store, &segments);
            prop_assert!(matches!(&found, Err(SegmentError::Damaged { key: at, damage, .. }) if *at == key && *damage == expected), "{:?}", found);
            prop_assert!(SegmentReader::new(&store, "d/", &segments).finish().is_err());
        }
    }

    #[test]
    fn segments_are_named_and_committed_as_they_end() {
        let store = Memory::new();
        let mut writer = SegmentWriter::new(&store, "d/", "files.tar", 4);
        writer.write_all(b"0123456789").unwrap();
        assert_eq!(store.keys(), ["d/files.tar", "d/files.tar.002"]);
        assert_eq!(writer.done().len(), 2);
        drop(writer);
        assert_eq!(store.keys(), ["d/files.tar", "d/files.tar.002"]);
        assert!(store.leftovers("").unwrap().is_empty());
        assert_eq!(written(&store, b"", 9)[0], Segment { name: "files".to_owned(), bytes: 0, sha256: Sha256Sum::of(b"") });
    }

    #[test]
    fn a_taken_name_is_fine_with_the_same_bytes_and_refused_with_others() {
        let store = Memory::new();
        let first = written(&store, b"0123456789", 4);
        assert_eq!(written(&store, b"0123456789", 4), first);
        let mut writer = SegmentWriter::new(&store, "d/", "files", 4);
        let error = writer.write_all(b"0123x56789").unwrap_err();
        assert!(matches!(SegmentError::of(error), SegmentError::Taken { key, .. } if key == "d/files.002"));
        assert!(writer.write_all(b"more").is_err());
        assert!(writer.finish().is_err());
    }

    #[test]
    fn the_last_byte_of_a_damaged_segment_is_never_handed_out() {
        let store = Memory::new();
        let segments = written(&store, b"0123456789", 5);
        store.corrupt("d/files");
        let mut reader = SegmentReader::new(&store, "d/", &segments);
        let mut buffer = [0; 4];
        assert_eq!(reader.read(&mut buffer).unwrap(), 4);
        assert!(reader.read(&mut buffer).is_err());
        assert!(reader.read(&mut buffer).is_err(), "and it stays refused");
    }
}
