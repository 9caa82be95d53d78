//! Whether an archive is what was packed.
//!
//! Every frame is decompressed, every header read, every digest compared, the seek table held against the frames; index and
//! archive must name exactly the same members, in the same places. The first difference ends it, with the member or the frame named.

use std::io::Read;
use std::ops::Range;
use std::sync::atomic::AtomicBool;

use super::entry::Kind;
use super::error::{Damage, ReadError, Refusal};
use super::frames_in::{Seen, Source, with_bytes};
use super::header::END;
use super::index::IndexEntry;
use super::index_read::{Entries, Index};
use super::read_at::ReadAt;
use super::seek_table::SeekTable;
use super::tar_read::{Member, TarReader};

/// What a verified archive holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Verified {
    /// Members.
    pub entries: u64,
    /// Bytes of files, holes included.
    pub bytes: u64,
    /// Bytes of the tar stream that were read.
    pub tar_bytes: u64,
    /// Frames that were decompressed.
    pub frames: u64,
}

/// Checks a whole payload; without an index, its structure and checksums only.
pub fn verify(
    payload: &mut (dyn Read + Send),
    index: Option<&Index<'_>>,
    threads: usize,
    cancel: &AtomicBool,
) -> Result<Verified, ReadError> {
    let (mut verified, seen) = with_bytes(Source::Stream(payload), threads, cancel, |bytes| {
        let mut tar = TarReader::new(bytes, 0);
        let mut expected = index.map(Expected::new);
        let mut sums = Verified::default();
        let mut last: Option<Vec<u8>> = None;
        while let Some(member) = tar.next()? {
            let entry = expected.as_mut().map(|expected| expected.entry(&member)).transpose()?;
            // without an index nothing else shows that a name stands twice
            if entry.is_none() && last.as_ref().is_some_and(|last| *last >= member.path) {
                return Err(ReadError::Refused { path: member.path.as_slice().into(), why: Refusal::Duplicate });
            }
            check(&mut tar, &member, entry.as_ref())?;
            sums.entries += 1;
            sums.bytes = sums.bytes.saturating_add(member.size);
            last = Some(member.path);
        }
        if let Some(expected) = expected {
            expected.finish(tar.position())?;
        }
        sums.tar_bytes = tar.position();
        if tar.rest()? > 0 {
            return Err(Damage::Trailing("the end of the archive").into());
        }
        Ok(sums)
    })?;
    check_table(&seen)?;
    verified.frames = seen.frames.len() as u64;
    if let Some(totals) = index.map(Index::totals) {
        let same = totals.entries == verified.entries && totals.tar_bytes == verified.tar_bytes && totals.payload_frames == verified.frames;
        if !same {
            return Err(Damage::Index("its totals are not those of the archive").into());
        }
    }
    Ok(verified)
}

/// Checks one path and what is below it; only its frames are read.
pub fn verify_path(
    payload: &dyn ReadAt,
    index: &Index<'_>,
    path: &[u8],
    threads: usize,
    cancel: &AtomicBool,
) -> Result<Verified, ReadError> {
    let table = SeekTable::read(payload)?;
    let mut sums = Verified::default();
    let mut expected = Expected::from(index, path);
    for part in parts(index.range(path), path)? {
        sums.frames += part.frames(&table)?.len() as u64;
        part.read(payload, &table, threads, cancel, |tar| {
            let member = tar.next()?.ok_or(Damage::Truncated("members are missing"))?;
            let entry = expected.entry(&member)?;
            check(tar, &member, Some(&entry))?;
            sums.entries += 1;
            sums.bytes = sums.bytes.saturating_add(member.size);
            sums.tar_bytes += entry.length;
            Ok(())
        })?;
    }
    Ok(sums)
}

/// Finds the entry of each member that comes. As a rule it is the next one; archives that were packed from streams are in another
/// order than their index. No member can come twice: each entry has a place of its own, and so has each member.
pub(super) struct Expected<'a> {
    index: &'a Index<'a>,
    entries: Entries<'a>,
    found: u64,
}

impl<'a> Expected<'a> {
    pub(super) fn new(index: &'a Index<'a>) -> Self {
        Self { index, entries: index.iter(), found: 0 }
    }

    /// Begins at a path.
    pub(super) fn from(index: &'a Index<'a>, path: &[u8]) -> Self {
        Self { entries: index.from(path), ..Self::new(index) }
    }

    pub(super) fn entry(&mut self, member: &Member) -> Result<IndexEntry, ReadError> {
        let extra = || Damage::Extra { path: member.path.as_slice().into() }.into();
        self.found += 1;
        match self.entries.next().transpose()? {
            Some(entry) if entry.path == member.path => return Ok(entry),
            // the index has it in the very place of this member
            Some(entry) if entry.offset == member.offset && entry.path < member.path => {
                return Err(Damage::Missing { path: entry.path.as_slice().into() }.into());
            }
            Some(entry) if entry.offset == member.offset => return Err(extra()),
            _ => self.entries = self.index.from(&member.path),
        }
        self.entries.next().transpose()?.filter(|entry| entry.path == member.path).ok_or_else(extra)
    }

    /// Whether all members came; `end` is where the last one ended.
    pub(super) fn finish(self, end: u64) -> Result<(), ReadError> {
        if self.found == self.index.records() {
            return Ok(());
        }
        for entry in self.index {
            let entry = entry?;
            if entry.offset.saturating_add(entry.length) > end.saturating_sub(END.len() as u64) {
                return Err(Damage::Missing { path: entry.path.as_slice().into() }.into());
            }
        }
        Err(Damage::Index("its totals are not those of the archive").into())
    }
}

/// Members that lie together in the tar stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub start: u64,
    pub end: u64,
    pub entries: u64,
}

impl Part {
    /// The frames that hold it.
    pub(super) fn frames(&self, table: &SeekTable) -> Result<Range<usize>, ReadError> {
        let bad = || ReadError::Damaged(Damage::SeekTable("it does not reach as far as the index says"));
        let first = table.frame_of(self.start).ok_or_else(bad)?;
        let last = table.frame_of(self.end.saturating_sub(1)).ok_or_else(bad)?;
        Ok(first..last + 1)
    }

    /// Reads its frames and calls `member` once for each of its members.
    pub(super) fn read(
        &self,
        payload: &dyn ReadAt,
        table: &SeekTable,
        threads: usize,
        cancel: &AtomicBool,
        mut member: impl FnMut(&mut TarReader<'_>) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let range = self.frames(table)?;
        let start = table.start(range.start).1;
        let ((), _) = with_bytes(Source::Frames { payload, table, range }, threads, cancel, |bytes| {
            bytes.skip(self.start - start, "before a member")?;
            let mut tar = TarReader::new(bytes, start);
            (0..self.entries).try_for_each(|_| member(&mut tar))
        })?;
        Ok(())
    }
}

/// Where a path and what is below it lie, in the order of the archive.
pub(super) fn parts(entries: impl Iterator<Item = Result<IndexEntry, ReadError>>, path: &[u8]) -> Result<Vec<Part>, ReadError> {
    let mut places: Vec<(u64, u64)> = Vec::new();
    for entry in entries {
        let entry = entry?;
        if !entry.origin.is_empty() {
            let why = Refusal::Elsewhere(entry.origin.as_slice().into());
            return Err(ReadError::Refused { path: entry.path.as_slice().into(), why });
        }
        let end = entry.offset.checked_add(entry.length).ok_or(Damage::Index("a number is out of range"))?;
        places.push((entry.offset, end));
    }
    places.sort_unstable();
    let mut parts: Vec<Part> = Vec::new();
    for (start, end) in places {
        match parts.last_mut() {
            Some(last) if last.end == start => {
                last.end = end;
                last.entries += 1;
            }
            Some(last) if last.end > start => return Err(Damage::Index("two members lie in one place").into()),
            _ => parts.push(Part { start, end, entries: 1 }),
        }
    }
    if parts.is_empty() { Err(ReadError::NotFound { path: path.into() }) } else { Ok(parts) }
}

/// Reads a member's data and compares everything with the index.
fn check(tar: &mut TarReader<'_>, member: &Member, entry: Option<&IndexEntry>) -> Result<(), ReadError> {
    let Some(entry) = entry else { return tar.finish_member() };
    compare(member, entry)?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(&member.lead);
    tar.data(&mut |piece| {
        hasher.update(piece);
        Ok(())
    })?;
    if entry.digest.is_some_and(|digest| hasher.finalize() != digest) {
        return Err(Damage::Digest { path: member.path.as_slice().into() }.into());
    }
    tar.finish_member()?;
    if tar.position() - member.offset != entry.length {
        return Err(Damage::Differs { path: member.path.as_slice().into(), what: "length" }.into());
    }
    Ok(())
}

/// Compares a member's headers with its entry.
pub(super) fn compare(member: &Member, entry: &IndexEntry) -> Result<(), Damage> {
    let same = [
        (member.kind == Some(entry.kind), "type"),
        (member.mode == entry.mode, "mode"),
        ((member.uid, member.gid) == (entry.uid, entry.gid), "owner"),
        (member.mtime == entry.mtime, "time"),
        (member.size == entry.size, "size"),
        (member.link == entry.link, "link target"),
        (member.sparse.is_some() == entry.sparse, "map"),
        (member.offset == entry.offset, "place"),
        ((entry.kind == Kind::File) == entry.digest.is_some(), "digest"),
    ];
    match same.iter().find(|(same, _)| !same) {
        Some((_, what)) => Err(Damage::Differs { path: member.path.as_slice().into(), what }),
        None => Ok(()),
    }
}

pub(super) fn check_table(seen: &Seen) -> Result<(), ReadError> {
    let bad = |why| Err(Damage::SeekTable(why).into());
    if seen.plain {
        return Err(Damage::Foreign.into());
    }
    if seen.unsized_frames {
        return bad("a frame does not say its size");
    }
    let Some(table) = &seen.table else { return bad("missing at the end") };
    let parsed = SeekTable::parse(table)?;
    if parsed.frames() != seen.frames {
        return bad("it speaks of other frames");
    }
    // A skippable frame between them would be passed over by a sequential reader, and break every other one.
    if parsed.stored_bytes() + table.len() as u64 == seen.stored_bytes { Ok(()) } else { bad("there is something between the frames") }
}
