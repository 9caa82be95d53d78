//! Writes an index while the archive is being written.
//!
//! One frame of records is in memory, and one small record per finished frame. Entries must come in strictly ascending order of
//! their paths; that is the packer's order.

use std::io::Write;

use super::error::PackError;
use super::frames_out::Compressor;
use super::index::{FRAME_BYTES, INDEX_MAJOR, INDEX_MINOR, IndexEntry, IndexFrame, MAGIC, SKIPPABLE, Totals, encode_footer};

/// Frames of an index are small, and read one at a time: a better ratio is cheap.
const LEVEL: i32 = 6;

/// An index being written.
pub(super) struct IndexWriter<'a> {
    out: &'a mut (dyn Write + Send),
    compressor: Compressor,
    frame: Vec<u8>,
    compressed: Vec<u8>,
    scratch: Vec<u8>,
    first: Vec<u8>,
    previous: Vec<u8>,
    records: u32,
    written: u64,
    frames: Vec<IndexFrame>,
    totals: Totals,
}

impl<'a> IndexWriter<'a> {
    pub(super) fn new(out: &'a mut (dyn Write + Send)) -> Result<Self, PackError> {
        let mut start = Vec::new();
        start.extend_from_slice(&SKIPPABLE.to_le_bytes());
        start.extend_from_slice(&16u32.to_le_bytes());
        start.extend_from_slice(MAGIC);
        start.extend_from_slice(&INDEX_MAJOR.to_le_bytes());
        start.extend_from_slice(&INDEX_MINOR.to_le_bytes());
        start.extend_from_slice(&[0; 4]);
        out.write_all(&start).map_err(PackError::Index)?;
        Ok(Self {
            out,
            compressor: Compressor::new(LEVEL).map_err(PackError::Compress)?,
            frame: Vec::new(),
            compressed: Vec::new(),
            scratch: Vec::new(),
            first: Vec::new(),
            previous: Vec::new(),
            records: 0,
            written: start.len() as u64,
            frames: Vec::new(),
            totals: Totals::default(),
        })
    }

    pub(super) fn add(&mut self, entry: &IndexEntry) -> Result<(), PackError> {
        if self.records == 0 {
            self.first.clone_from(&entry.path);
            self.previous.clear();
        }
        entry.encode(&self.previous, &mut self.scratch, &mut self.frame);
        self.previous.clone_from(&entry.path);
        self.records += 1;
        self.totals.entries += 1;
        self.totals.bytes += entry.size;
        if self.frame.len() >= FRAME_BYTES { self.flush() } else { Ok(()) }
    }

    /// Ends the index; returns its totals and length.
    pub(super) fn finish(mut self, tar_bytes: u64, payload_frames: u64) -> Result<(Totals, u64), PackError> {
        self.flush()?;
        self.totals.tar_bytes = tar_bytes;
        self.totals.payload_frames = payload_frames;
        let footer = encode_footer(&self.totals, &self.frames);
        self.out.write_all(&footer).map_err(PackError::Index)?;
        Ok((self.totals, self.written + footer.len() as u64))
    }

    fn flush(&mut self) -> Result<(), PackError> {
        if self.records == 0 {
            return Ok(());
        }
        let bytes = self.compressor.frame(&self.frame, std::mem::take(&mut self.compressed))?;
        self.out.write_all(&bytes).map_err(PackError::Index)?;
        let size = |n: usize| u32::try_from(n).map_err(|_| PackError::Compress("a frame is too large"));
        self.frames.push(IndexFrame {
            offset: self.written,
            compressed: size(bytes.len())?,
            decompressed: size(self.frame.len())?,
            records: self.records,
            first: std::mem::take(&mut self.first),
        });
        self.written += bytes.len() as u64;
        self.compressed = bytes;
        self.frame.clear();
        self.records = 0;
        Ok(())
    }
}
