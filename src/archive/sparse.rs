//! Where a file's data is.
//!
//! Asked from the file system with `SEEK_DATA` and `SEEK_HOLE`, and only of files that occupy less than their size. Segments are
//! rounded to tar blocks, because GNU tar reads each one from a block. A map is used only if it saves something, and never has
//! more than [`MAX_SEGMENTS`] segments: smaller holes are stored as zeros then.

use std::os::fd::BorrowedFd;

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

use super::entry::{Meta, SparseMap};
use super::header::BLOCK;

/// Bounds the memory of writers and readers of a map.
pub(super) const MAX_SEGMENTS: usize = 1 << 20;
/// A map costs a header and a block: less than this is no saving.
const WORTH: u64 = 16 * BLOCK as u64;

/// Whether it is worth asking.
pub(super) fn may_be_sparse(meta: &Meta) -> bool {
    meta.size.saturating_sub(meta.blocks.saturating_mul(512)) >= WORTH
}

/// The map, if it saves something; leaves the file at its start.
pub(super) fn map(fd: BorrowedFd<'_>, meta: &Meta) -> Result<Option<SparseMap>, Errno> {
    let size = meta.size;
    let block = BLOCK as u64;
    let mut segments: Vec<(u64, u64)> = Vec::new();
    let mut at = 0;
    let mut least_hole = block;
    while at < size {
        let start = match seek(fd, SeekFrom::Data(at)) {
            Ok(start) => start.min(size),
            Err(Errno::NXIO) => size,
            // This file system does not know.
            Err(Errno::INVAL | Errno::NOTSUP) => return Ok(None),
            Err(errno) => return Err(errno),
        };
        if start >= size {
            break;
        }
        let end = seek(fd, SeekFrom::Hole(start))?.min(size);
        let start = start - start % block;
        let end = end.next_multiple_of(block).min(size);
        match segments.last_mut() {
            Some(last) if start < last.0 + last.1 + least_hole => last.1 = end - last.0,
            _ => segments.push((start, end - start)),
        }
        at = end.max(at + 1);
        if segments.len() >= MAX_SEGMENTS {
            least_hole = least_hole.saturating_mul(8);
            merge(&mut segments, least_hole);
        }
    }
    seek(fd, SeekFrom::Start(0))?;
    if segments.last().is_none_or(|last| last.0 + last.1 < size) {
        segments.push((size, 0));
    }
    let map = SparseMap { segments, size };
    Ok((size - map.data_bytes() >= WORTH).then_some(map))
}

fn merge(segments: &mut Vec<(u64, u64)>, least_hole: u64) {
    let mut merged: Vec<(u64, u64)> = Vec::new();
    for &(start, length) in segments.iter() {
        match merged.last_mut() {
            Some(last) if start < last.0 + last.1 + least_hole => last.1 = start + length - last.0,
            _ => merged.push((start, length)),
        }
    }
    *segments = merged;
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsFd;
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn holes_are_found_and_a_file_without_holes_has_no_map() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::create_new(dir.path().join("a")).unwrap();
        file.set_len(1 << 20).unwrap();
        file.write_all_at(&[7; 4096], 256 * 1024).unwrap();
        let meta = Meta::of(&rustix::fs::fstat(&file).unwrap());
        assert!(may_be_sparse(&meta));
        let file = File::open(dir.path().join("a")).unwrap();
        let found = map(file.as_fd(), &meta).unwrap().unwrap();
        assert_eq!(found.segments, [(256 * 1024, 4096), (1 << 20, 0)]);
        std::fs::write(dir.path().join("b"), vec![1; 100_000]).unwrap();
        let file = File::open(dir.path().join("b")).unwrap();
        let meta = Meta::of(&rustix::fs::fstat(&file).unwrap());
        assert_eq!(map(file.as_fd(), &meta).unwrap(), None);
    }

    #[test]
    fn small_holes_are_merged_away() {
        let mut segments = vec![(0, 512), (1024, 512), (100_000, 512)];
        merge(&mut segments, 4096);
        assert_eq!(segments, [(0, 1536), (100_000, 512)]);
    }
}
