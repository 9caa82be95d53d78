//! Reads an index: one path, a subtree, or all of it.
//!
//! Opening costs one read at the end (two if the footer is long), a look-up one frame. An index of a newer major version, one
//! whose footer does not match its digest, and one whose paths do not ascend are refused.

use super::error::{Damage, ReadError};
use super::frames_in::one_frame;
use super::index::{FRAME_MOST, INDEX_MAJOR, IndexEntry, IndexFrame, MAGIC, SKIPPABLE, START_LEN, TAIL_LEN, Totals, decode_footer};
use super::read_at::{ReadAt, read_exact_at};

/// Read at once at the end of the file.
const TAIL_READ: u64 = 32 * 1024;

/// An open index.
pub struct Index<'a> {
    source: &'a dyn ReadAt,
    frames: Vec<IndexFrame>,
    totals: Totals,
}

impl<'a> Index<'a> {
    /// Reads the footer.
    pub fn open(source: &'a dyn ReadAt) -> Result<Self, ReadError> {
        let bad = |why| ReadError::Damaged(Damage::Index(why));
        let total = source.len();
        let have = total.min(TAIL_READ);
        let read = |offset: u64, length: u64| {
            let mut bytes = vec![0; usize::try_from(length).map_err(|_| bad("too large"))?];
            read_exact_at(source, offset, &mut bytes).map_err(ReadError::of)?;
            Ok::<_, ReadError>(bytes)
        };
        let end = read(total - have, have)?;
        let Some((rest, tail)) = end.split_last_chunk::<TAIL_LEN>() else { return Err(bad("too short")) };
        if tail[8..] != *MAGIC {
            return Err(bad("this is not an index, or its end is missing"));
        }
        let found = u16::from_le_bytes([tail[4], tail[5]]);
        if found > INDEX_MAJOR {
            return Err(ReadError::NewerFormat { what: "index", found, known: INDEX_MAJOR });
        }
        let length = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
        if length + START_LEN as u64 > total || length < 8 + TAIL_LEN as u64 {
            return Err(bad("the footer's length is wrong"));
        }
        let (totals, frames) = if length <= have {
            let start = end.len() - usize::try_from(length).unwrap_or(end.len());
            decode_footer(&rest[start + 8..]).map_err(ReadError::Damaged)?
        } else {
            let footer = read(total - length, length)?;
            decode_footer(&footer[8..footer.len() - TAIL_LEN]).map_err(ReadError::Damaged)?
        };
        let mut at = START_LEN as u64;
        for frame in &frames {
            if frame.offset != at || frame.decompressed as usize > FRAME_MOST || frame.records == 0 {
                return Err(bad("the footer's frames are not in one piece"));
            }
            at += u64::from(frame.compressed);
        }
        if at + length != total {
            return Err(bad("the frames and the footer are not all of it"));
        }
        Ok(Self { source, frames, totals })
    }

    /// Sums over the archive.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// How many entries there are, whatever the sums say.
    pub(super) fn records(&self) -> u64 {
        self.frames.iter().map(|frame| u64::from(frame.records)).sum()
    }

    /// The entry of a path, which is written without a slash at its end.
    pub fn lookup(&self, path: &[u8]) -> Result<Option<IndexEntry>, ReadError> {
        let mut entries = self.from(path);
        Ok(entries.next().transpose()?.filter(|entry| entry.path == path))
    }

    /// The entry of `path` and everything below it, in order; of an empty path: all of them.
    pub fn range(&self, path: &[u8]) -> impl Iterator<Item = Result<IndexEntry, ReadError>> + use<'_, 'a> {
        let path = path.strip_suffix(b"/").unwrap_or(path).to_vec();
        let below = if path.is_empty() { Vec::new() } else { [path.as_slice(), b"/"].concat() };
        let first = self.lookup(&path).transpose();
        let rest = self.from(&below).take_while(move |entry| entry.as_ref().map_or(true, |entry| entry.path.starts_with(&below)));
        first.into_iter().chain(rest)
    }

    /// All entries, one frame in memory at a time.
    pub fn iter(&self) -> Entries<'_> {
        Entries { source: self.source, frames: &self.frames, next: 0, bytes: Vec::new(), at: 0, previous: Vec::new(), from: None, left: 0 }
    }

    /// All entries whose path is not before `path`.
    pub(super) fn from(&self, path: &[u8]) -> Entries<'_> {
        let next = self.frames.partition_point(|frame| frame.first.as_slice() <= path).saturating_sub(1);
        Entries { next, from: Some(path.to_vec()), ..self.iter() }
    }
}

impl<'a> IntoIterator for &'a Index<'_> {
    type Item = Result<IndexEntry, ReadError>;
    type IntoIter = Entries<'a>;

    fn into_iter(self) -> Entries<'a> {
        self.iter()
    }
}

/// Entries of an index, in order; ends after its first error.
pub struct Entries<'a> {
    source: &'a dyn ReadAt,
    frames: &'a [IndexFrame],
    next: usize,
    bytes: Vec<u8>,
    at: usize,
    previous: Vec<u8>,
    from: Option<Vec<u8>>,
    left: u32,
}

impl Entries<'_> {
    fn load(&mut self) -> Result<bool, ReadError> {
        let Some(frame) = self.frames.get(self.next) else { return Ok(false) };
        let mut stored = vec![0; frame.compressed as usize];
        read_exact_at(self.source, frame.offset, &mut stored).map_err(ReadError::of)?;
        let damage = |error: std::io::Error| Damage::Frame {
            number: self.next as u64,
            offset: frame.offset,
            reason: format!("of the index: {error}"),
        };
        self.bytes = one_frame(&stored, frame.decompressed as usize).map_err(damage)?;
        self.at = 0;
        self.left = frame.records;
        self.next += 1;
        Ok(true)
    }

    fn step(&mut self) -> Result<Option<IndexEntry>, ReadError> {
        loop {
            let first = self.left == 0;
            if first {
                if self.at != self.bytes.len() {
                    return Err(Damage::Index("a frame has more than its records").into());
                }
                if !self.load()? {
                    return Ok(None);
                }
            }
            let mut input = &self.bytes[self.at..];
            let entry = IndexEntry::decode(&mut input, if first { b"" } else { &self.previous })?;
            self.at = self.bytes.len() - input.len();
            self.left -= 1;
            let announced = self.frames.get(self.next - 1).map(|frame| frame.first.as_slice());
            if (first && announced != Some(&entry.path)) || (!self.previous.is_empty() && self.previous >= entry.path) {
                return Err(Damage::Index("the paths are not in order").into());
            }
            self.previous.clone_from(&entry.path);
            if self.from.as_ref().is_none_or(|from| entry.path >= *from) {
                return Ok(Some(entry));
            }
        }
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<IndexEntry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            (self.next, self.left, self.at) = (self.frames.len(), 0, self.bytes.len());
        }
        step.transpose()
    }
}

/// Whether the bytes begin like an index; for messages.
pub fn is_index(start: &[u8]) -> bool {
    start.starts_with(&SKIPPABLE.to_le_bytes()) && start.get(8..16) == Some(MAGIC)
}

#[cfg(test)]
mod tests {
    use super::super::entry::{Kind, Time};
    use super::super::index_write::IndexWriter;
    use super::*;

    fn sample(count: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = IndexWriter::new(&mut out).unwrap();
        let mut paths: Vec<String> = (0..count).map(|n| format!("t/folder-{:03}/file-{n:07}", n / 1000)).collect();
        paths.sort();
        for path in paths {
            let digest = *blake3::hash(path.as_bytes()).as_bytes();
            let entry = IndexEntry {
                path: path.into_bytes(),
                kind: Kind::File,
                mode: 0o644,
                uid: 0,
                gid: 0,
                size: 1,
                mtime: Time::default(),
                frame: 0,
                offset: 0,
                length: 1024,
                digest: Some(digest),
                sparse: false,
                link: Vec::new(),
                origin: Vec::new(),
            };
            writer.add(&entry).unwrap();
        }
        writer.finish(5, 1).unwrap();
        out
    }

    #[test]
    fn look_ups_ranges_and_all_of_it_agree() {
        let bytes = sample(60_000);
        let index = Index::open(&bytes).unwrap();
        assert!(index.frames.len() > 2);
        assert_eq!(index.iter().count(), 60_000);
        assert_eq!(index.totals(), Totals { entries: 60_000, bytes: 60_000, tar_bytes: 5, payload_frames: 1 });
        for n in [0, 1, 999, 30_000, 59_999] {
            let path = format!("t/folder-{:03}/file-{n:07}", n / 1000).into_bytes();
            assert_eq!(index.lookup(&path).unwrap().unwrap().path, path);
        }
        assert!(index.lookup(b"a").unwrap().is_none() && index.lookup(b"z").unwrap().is_none());
        assert_eq!(index.range(b"t/folder-017").count(), 1000);
        assert_eq!(index.range(b"t/folder-01").count(), 0);
        assert_eq!(index.range(b"").count(), 60_000);
    }

    #[test]
    fn a_newer_major_version_is_refused_and_a_newer_minor_one_is_read() {
        let mut bytes = sample(3);
        let at = bytes.len() - 12;
        bytes[at + 2] = 9;
        assert_eq!(Index::open(&bytes).unwrap().iter().count(), 3);
        bytes[at] = 2;
        let error = Index::open(&bytes).err().unwrap();
        assert_eq!(error.to_string(), "the index has format 2, this program reads up to 1");
    }

    #[test]
    fn every_cut_and_every_flipped_byte_is_an_error_or_the_same_entries() {
        let bytes = sample(40);
        let all: Vec<_> = Index::open(&bytes).unwrap().iter().map(Result::unwrap).collect();
        for at in 0..bytes.len() {
            assert!(Index::open(&bytes[..at].to_vec()).is_err(), "cut at {at}");
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x41;
            if let Ok(index) = Index::open(&flipped) {
                let got: Result<Vec<_>, _> = index.iter().collect();
                assert!(got.is_err() || got.unwrap() == all, "flipped at {at}");
            }
        }
    }

    #[test]
    fn zstd_itself_reads_the_records() {
        assert!(!zstd::decode_all(sample(3).as_slice()).unwrap().is_empty());
    }
}
