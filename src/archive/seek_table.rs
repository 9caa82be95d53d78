//! The zstd seekable format: where each frame starts, in a skippable frame at the end. **[format]**
//!
//! Byte for byte as in zstd's `contrib/seekable_format`: all numbers little endian.
//!
//! ```text
//! u32 0x184D2A5E          a skippable frame: every zstd passes over it
//! u32 size                of what follows
//! per frame: u32 compressed, u32 decompressed, u32 checksum (low half of the XXH64 of the decompressed bytes)
//! u32 number of frames
//! u8  descriptor          0x80: checksums are there
//! u32 0x8F92EAB1
//! ```
//!
//! The checksum is the one that stands at the end of each frame already, so no second pass is needed. A table that does not
//! add up with the stored length is refused.

use super::error::{Damage, ReadError};
use super::read_at::{ReadAt, read_exact_at};

/// First word of the skippable frame.
pub(super) const SKIPPABLE: u32 = 0x184D_2A5E;
/// Last word of the table.
const FOOTER_MAGIC: u32 = 0x8F92_EAB1;
const FOOTER_LEN: usize = 9;
const WITH_CHECKSUMS: u8 = 0x80;
/// Frames that a table may list, by the specification.
const MAX_FRAMES: u32 = 0x0800_0000;

/// One frame of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameSize {
    /// Stored bytes.
    pub compressed: u32,
    /// Bytes after decompression.
    pub decompressed: u32,
    /// Low half of the XXH64 of the decompressed bytes, if the table has checksums.
    pub checksum: Option<u32>,
}

/// Where the frames of a payload are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SeekTable {
    frames: Vec<FrameSize>,
    /// Stored and decompressed start of every frame, and the end as the last one.
    starts: Vec<(u64, u64)>,
}

impl SeekTable {
    pub(super) fn new(frames: Vec<FrameSize>) -> Self {
        let mut starts = Vec::with_capacity(frames.len() + 1);
        let mut at = (0, 0);
        starts.push(at);
        for frame in &frames {
            at = (at.0 + u64::from(frame.compressed), at.1 + u64::from(frame.decompressed));
            starts.push(at);
        }
        Self { frames, starts }
    }

    /// The table of a payload: one small read at its end, and a second one if it is long.
    pub fn read(source: &dyn ReadAt) -> Result<Self, ReadError> {
        let bad = |why| ReadError::Damaged(Damage::SeekTable(why));
        let total = source.len();
        let mut tail = vec![0; 16 * 1024];
        let have = total.min(tail.len() as u64);
        tail.truncate(usize::try_from(have).unwrap_or_default());
        read_exact_at(source, total - have, &mut tail).map_err(ReadError::of)?;
        if tail.len() < FOOTER_LEN + 8 {
            return Err(bad("missing"));
        }
        let footer = &tail[tail.len() - FOOTER_LEN..];
        if word(footer, 5) != FOOTER_MAGIC {
            return Err(bad("missing"));
        }
        let count = word(footer, 0);
        let entry = if footer[4] & WITH_CHECKSUMS == 0 { 8 } else { 12 };
        if count > MAX_FRAMES {
            return Err(bad("too many frames"));
        }
        let whole = 8 + u64::from(count) * entry + FOOTER_LEN as u64;
        if whole > total {
            return Err(bad("larger than the payload"));
        }
        let bytes = if whole <= have {
            tail.split_off(usize::try_from(have - whole).unwrap_or_default())
        } else {
            let mut bytes = vec![0; usize::try_from(whole).map_err(|_| bad("too large"))?];
            read_exact_at(source, total - whole, &mut bytes).map_err(ReadError::of)?;
            bytes
        };
        let table = Self::parse(&bytes).map_err(ReadError::Damaged)?;
        if table.stored_bytes() + whole != total {
            return Err(bad("does not add up to the payload's length"));
        }
        Ok(table)
    }

    /// The table from its skippable frame, header included.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Damage> {
        if bytes.len() < 8 + FOOTER_LEN || word(bytes, 0) != SKIPPABLE || word(bytes, 4) as usize != bytes.len() - 8 {
            return Err(Damage::SeekTable("not a seek table"));
        }
        let footer = &bytes[bytes.len() - FOOTER_LEN..];
        if word(footer, 5) != FOOTER_MAGIC {
            return Err(Damage::SeekTable("not a seek table"));
        }
        let checksums = footer[4] & WITH_CHECKSUMS != 0;
        if footer[4] & !WITH_CHECKSUMS & 0x7c != 0 {
            return Err(Damage::SeekTable("reserved bits are set"));
        }
        let entry = if checksums { 12 } else { 8 };
        let body = &bytes[8..bytes.len() - FOOTER_LEN];
        if body.len() as u64 != u64::from(word(footer, 0)) * entry as u64 {
            return Err(Damage::SeekTable("length and number of frames differ"));
        }
        let frames = body
            .chunks_exact(entry)
            .map(|e| FrameSize { compressed: word(e, 0), decompressed: word(e, 4), checksum: checksums.then(|| word(e, 8)) })
            .collect();
        Ok(Self::new(frames))
    }

    /// The table as the skippable frame that ends a payload.
    pub(super) fn encode(&self) -> Vec<u8> {
        let body = self.frames.len() * 12 + FOOTER_LEN;
        let mut out = Vec::with_capacity(8 + body);
        out.extend_from_slice(&SKIPPABLE.to_le_bytes());
        out.extend_from_slice(&u32::try_from(body).unwrap_or(u32::MAX).to_le_bytes());
        for frame in &self.frames {
            out.extend_from_slice(&frame.compressed.to_le_bytes());
            out.extend_from_slice(&frame.decompressed.to_le_bytes());
            out.extend_from_slice(&frame.checksum.unwrap_or_default().to_le_bytes());
        }
        out.extend_from_slice(&u32::try_from(self.frames.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.push(WITH_CHECKSUMS);
        out.extend_from_slice(&FOOTER_MAGIC.to_le_bytes());
        out
    }

    /// The frames, in order.
    pub fn frames(&self) -> &[FrameSize] {
        &self.frames
    }

    /// All stored bytes of the frames, without the table.
    pub fn stored_bytes(&self) -> u64 {
        self.starts.last().map_or(0, |start| start.0)
    }

    /// All bytes after decompression.
    pub fn decompressed_bytes(&self) -> u64 {
        self.starts.last().map_or(0, |start| start.1)
    }

    /// Where frame `number` starts: stored, decompressed.
    pub(super) fn start(&self, number: usize) -> (u64, u64) {
        self.starts.get(number).copied().unwrap_or_default()
    }

    /// The frame that holds decompressed byte `offset`.
    pub(super) fn frame_of(&self, offset: u64) -> Option<usize> {
        if offset >= self.decompressed_bytes() {
            return None;
        }
        Some(self.starts.partition_point(|start| start.1 <= offset) - 1)
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> SeekTable {
        SeekTable::new(vec![
            FrameSize { compressed: 10, decompressed: 100, checksum: Some(7) },
            FrameSize { compressed: 20, decompressed: 50, checksum: Some(8) },
        ])
    }

    #[test]
    fn the_table_is_what_the_specification_says() {
        let bytes = table().encode();
        assert_eq!(&bytes[..8], &[0x5e, 0x2a, 0x4d, 0x18, 33, 0, 0, 0]);
        assert_eq!(&bytes[8..20], &[10, 0, 0, 0, 100, 0, 0, 0, 7, 0, 0, 0]);
        assert_eq!(&bytes[32..], &[2, 0, 0, 0, 0x80, 0xb1, 0xea, 0x92, 0x8f]);
        assert_eq!(SeekTable::parse(&bytes).unwrap(), table());
    }

    #[test]
    fn a_byte_is_found_in_its_frame() {
        let table = table();
        assert_eq!([table.frame_of(0), table.frame_of(99), table.frame_of(100), table.frame_of(150)], [Some(0), Some(0), Some(1), None]);
    }

    #[test]
    fn a_table_that_does_not_add_up_is_refused() {
        let mut payload = vec![0; 30];
        payload.extend(table().encode());
        assert_eq!(SeekTable::read(&payload).unwrap(), table());
        payload.insert(0, 0);
        assert!(matches!(SeekTable::read(&payload), Err(ReadError::Damaged(Damage::SeekTable(_)))));
        assert!(matches!(SeekTable::read(&vec![0u8; 4]), Err(ReadError::Damaged(Damage::SeekTable(_)))));
    }
}
