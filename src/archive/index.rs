//! The index format. **[format]**
//!
//! An index says of every member what it is, its digest and where it lies in the payload, so that a listing needs no payload and
//! one path costs a few range reads. Entries stand by their raw path bytes, without slashes at the end. So do the members of an
//! archive, but for one that was packed from a stream of another's making, which keeps that stream's order: offsets then do not
//! ascend. All fixed numbers are little endian; `varint` is LEB128 (seven bits a byte, lowest first, the top bit says that more
//! come).
//!
//! ```text
//! start     u32 0x184D2A50, u32 16           a skippable frame: every zstd passes over it
//!           8 bytes "LPINDEX\n", u16 major, u16 minor, u32 0
//! frames    zstd frames with content size and checksum, each of whole records, 1 MiB or a little more when decompressed
//! footer    u32 0x184D2A50, u32 length of what follows
//!           u64 entries, u64 bytes of all files, u64 bytes of the tar stream, u64 frames of the payload
//!           u32 number of frames here, then per frame:
//!             u64 offset of the zstd frame in this file, u32 its length, u32 decompressed length, u32 records
//!             u32 length of the first path, the first path
//!           32 bytes BLAKE3 of the footer so far, from "u64 entries"
//! tail      (the last 16 bytes of the footer's skippable frame)
//!           u32 length of the footer frame including its 8 bytes of head and this tail
//!           u16 major, u16 minor, 8 bytes "LPINDEX\n"
//! ```
//!
//! A record:
//!
//! ```text
//! varint  length of the record after this number
//! varint  bytes shared with the path before (0 in the first record of a frame), varint length of the rest, the rest
//! u8      type: 0 file, 1 hard link, 2 symlink, 3 character device, 4 block device, 5 folder, 6 fifo
//! u8      flags: 1 a digest follows, 2 stored as a sparse file, 4 a link target follows, 8 an origin follows
//! varint  mode, varint uid, varint gid, varint size (of the file, holes included; 0 if it is none)
//! varint  seconds of mtime, zigzag (0, -1, 1, -2 ... are 0, 1, 2, 3 ...), varint nanoseconds
//! varint  number of the payload's frame, varint offset in the tar stream of the member's first header block
//! varint  bytes from there to the next member: headers, data, padding
//! [32]    BLAKE3 of the member's data as it stands in the tar stream, padding excluded. For a sparse file that is its map and its
//!         data segments, so holes cost nothing and a moved hole shows.
//! [varint length, target]   of a hard link (a member's path) or a symlink
//! [varint length, origin]   the artifact that holds the bytes; absent means the one that this index belongs to
//! ```
//!
//! Within a major version, records may grow at their end and the footer before its BLAKE3: readers pass over what they do not know.
//! A newer major version is refused.

use super::entry::{Kind, Time};
use super::error::Damage;

/// Versions of this format.
pub const INDEX_MAJOR: u16 = 1;
/// Grows when fields are added that old readers may ignore.
pub const INDEX_MINOR: u16 = 0;

pub(super) const MAGIC: &[u8; 8] = b"LPINDEX\n";
pub(super) const SKIPPABLE: u32 = 0x184D_2A50;
pub(super) const START_LEN: usize = 24;
pub(super) const TAIL_LEN: usize = 16;
/// A frame is closed when it has reached this.
pub(super) const FRAME_BYTES: usize = 1 << 20;
/// Most that a frame may have: one record more, whose paths and targets the system bounds.
pub(super) const FRAME_MOST: usize = 16 << 20;

const HAS_DIGEST: u8 = 1;
const IS_SPARSE: u8 = 2;
const HAS_LINK: u8 = 4;
const HAS_ORIGIN: u8 = 8;

/// What the index says of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexEntry {
    /// The whole name, raw bytes.
    pub path: Vec<u8>,
    /// Its type.
    pub kind: Kind,
    /// Permissions, set-id and sticky bits.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Of a file: its size, holes included.
    pub size: u64,
    /// Last change of the content.
    pub mtime: Time,
    /// The payload's frame in which it starts.
    pub frame: u64,
    /// Where its first header block is in the tar stream.
    pub offset: u64,
    /// Bytes from there to the next member.
    pub length: u64,
    /// BLAKE3 of its data as it stands in the tar stream; files only.
    pub digest: Option<[u8; 32]>,
    /// Whether it is stored as a sparse file.
    pub sparse: bool,
    /// The target of a link, else empty.
    pub link: Vec<u8>,
    /// The artifact that holds the bytes; empty: this one.
    pub origin: Vec<u8>,
}

impl IndexEntry {
    /// Appends the record.
    pub(super) fn encode(&self, previous: &[u8], scratch: &mut Vec<u8>, out: &mut Vec<u8>) {
        scratch.clear();
        let shared = self.path.iter().zip(previous).take_while(|(a, b)| a == b).count();
        varint(scratch, shared as u64);
        sized(scratch, &self.path[shared..]);
        let mut flags = 0;
        for (is, flag) in [
            (self.digest.is_some(), HAS_DIGEST),
            (self.sparse, IS_SPARSE),
            (!self.link.is_empty(), HAS_LINK),
            (!self.origin.is_empty(), HAS_ORIGIN),
        ] {
            flags |= if is { flag } else { 0 };
        }
        scratch.extend_from_slice(&[self.kind as u8, flags]);
        let zigzag = (self.mtime.seconds << 1) ^ (self.mtime.seconds >> 63);
        for number in [u64::from(self.mode), u64::from(self.uid), u64::from(self.gid), self.size, zigzag.cast_unsigned()] {
            varint(scratch, number);
        }
        for number in [u64::from(self.mtime.nanos), self.frame, self.offset, self.length] {
            varint(scratch, number);
        }
        if let Some(digest) = &self.digest {
            scratch.extend_from_slice(digest);
        }
        for (bytes, flag) in [(&self.link, HAS_LINK), (&self.origin, HAS_ORIGIN)] {
            if flags & flag != 0 {
                sized(scratch, bytes);
            }
        }
        varint(out, scratch.len() as u64);
        out.extend_from_slice(scratch);
    }

    /// Takes one record off `input`; `previous` is the path before it.
    pub(super) fn decode(input: &mut &[u8], previous: &[u8]) -> Result<Self, Damage> {
        let mut record = Fields(Fields(input).take_sized(input)?);
        let shared = record.length()?;
        let rest = record.sized()?;
        let start = previous.get(..shared).ok_or(Damage::Index("a path shares more than there is"))?;
        let path = [start, rest].concat();
        let kind = Kind::from_number(record.byte()?).ok_or(Damage::Index("unknown type of member"))?;
        let flags = record.byte()?;
        let mode = record.small()?;
        let uid = record.small()?;
        let gid = record.small()?;
        let size = record.varint()?;
        let zigzag = record.varint()?;
        let seconds = (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed();
        let nanos = record.small()?;
        if nanos >= 1_000_000_000 || mode > 0o7777 {
            return Err(Damage::Index("a number is out of range"));
        }
        let (frame, offset, length) = (record.varint()?, record.varint()?, record.varint()?);
        let digest = match flags & HAS_DIGEST {
            0 => None,
            _ => Some(record.bytes(32)?.try_into().map_err(|_| Damage::Index("short digest"))?),
        };
        let link = if flags & HAS_LINK == 0 { Vec::new() } else { record.sized()?.to_vec() };
        let origin = if flags & HAS_ORIGIN == 0 { Vec::new() } else { record.sized()?.to_vec() };
        let mtime = Time { seconds, nanos };
        let sparse = flags & IS_SPARSE != 0;
        Ok(Self { path, kind, mode, uid, gid, size, mtime, frame, offset, length, digest, sparse, link, origin })
    }
}

/// What the footer says of a frame of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IndexFrame {
    pub offset: u64,
    pub compressed: u32,
    pub decompressed: u32,
    pub records: u32,
    pub first: Vec<u8>,
}

/// Sums over an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Members.
    pub entries: u64,
    /// Bytes of all files, holes included.
    pub bytes: u64,
    /// Bytes of the tar stream.
    pub tar_bytes: u64,
    /// Frames of the payload.
    pub payload_frames: u64,
}

/// The footer's frame, head and tail included.
pub(super) fn encode_footer(totals: &Totals, frames: &[IndexFrame]) -> Vec<u8> {
    let mut body = Vec::new();
    for number in [totals.entries, totals.bytes, totals.tar_bytes, totals.payload_frames] {
        body.extend_from_slice(&number.to_le_bytes());
    }
    body.extend_from_slice(&short(frames.len()).to_le_bytes());
    for frame in frames {
        body.extend_from_slice(&frame.offset.to_le_bytes());
        for number in [frame.compressed, frame.decompressed, frame.records, short(frame.first.len())] {
            body.extend_from_slice(&number.to_le_bytes());
        }
        body.extend_from_slice(&frame.first);
    }
    body.extend_from_slice(blake3::hash(&body).as_bytes());
    let length = body.len() + TAIL_LEN;
    let mut out = Vec::with_capacity(8 + length);
    out.extend_from_slice(&SKIPPABLE.to_le_bytes());
    out.extend_from_slice(&short(length).to_le_bytes());
    out.extend_from_slice(&body);
    out.extend_from_slice(&short(8 + length).to_le_bytes());
    out.extend_from_slice(&INDEX_MAJOR.to_le_bytes());
    out.extend_from_slice(&INDEX_MINOR.to_le_bytes());
    out.extend_from_slice(MAGIC);
    out
}

/// The footer from its body: without head and tail.
pub(super) fn decode_footer(body: &[u8]) -> Result<(Totals, Vec<IndexFrame>), Damage> {
    let Some((body, digest)) = body.split_last_chunk::<32>() else { return Err(Damage::Index("short footer")) };
    if blake3::hash(body) != *digest {
        return Err(Damage::Index("the footer does not match its digest"));
    }
    let mut fields = Fields(body);
    let totals = Totals { entries: fields.u64()?, bytes: fields.u64()?, tar_bytes: fields.u64()?, payload_frames: fields.u64()? };
    let count = fields.u32()?;
    let mut frames: Vec<IndexFrame> = Vec::new();
    for _ in 0..count {
        let (offset, compressed, decompressed, records) = (fields.u64()?, fields.u32()?, fields.u32()?, fields.u32()?);
        let length = fields.u32()? as usize;
        let first = fields.bytes(length)?.to_vec();
        if frames.last().is_some_and(|last| last.first >= first) {
            return Err(Damage::Index("the frames are not in order"));
        }
        frames.push(IndexFrame { offset, compressed, decompressed, records, first });
    }
    Ok((totals, frames))
}

fn short(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push((number & 0x7f) as u8);
}

fn sized(out: &mut Vec<u8>, bytes: &[u8]) {
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Takes a sized piece off the input that this was made of.
    fn take_sized(mut self, input: &mut &'a [u8]) -> Result<&'a [u8], Damage> {
        let piece = self.sized()?;
        *input = self.0;
        Ok(piece)
    }

    fn bytes(&mut self, count: usize) -> Result<&'a [u8], Damage> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or(Damage::Index("a record ends early"))?;
        self.0 = rest;
        Ok(bytes)
    }

    fn byte(&mut self) -> Result<u8, Damage> {
        Ok(self.bytes(1)?[0])
    }

    fn u32(&mut self) -> Result<u32, Damage> {
        Ok(self.bytes(4)?.try_into().map_or(0, u32::from_le_bytes))
    }

    fn u64(&mut self) -> Result<u64, Damage> {
        Ok(self.bytes(8)?.try_into().map_or(0, u64::from_le_bytes))
    }

    fn varint(&mut self) -> Result<u64, Damage> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Damage::Index("a number is too large"))
    }

    fn small(&mut self) -> Result<u32, Damage> {
        u32::try_from(self.varint()?).map_err(|_| Damage::Index("a number is out of range"))
    }

    fn length(&mut self) -> Result<usize, Damage> {
        usize::try_from(self.varint()?).map_err(|_| Damage::Index("a number is out of range"))
    }

    fn sized(&mut self) -> Result<&'a [u8], Damage> {
        let length = self.length()?;
        self.bytes(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> IndexEntry {
        IndexEntry {
            path: b"t/\xff".to_vec(),
            kind: Kind::File,
            mode: 0o4755,
            uid: u32::MAX,
            gid: 0,
            size: u64::MAX,
            mtime: Time { seconds: i64::MIN, nanos: 999_999_999 },
            frame: 3,
            offset: 1 << 40,
            length: 1024,
            digest: Some([7; 32]),
            sparse: true,
            link: b"x".to_vec(),
            origin: b"id".to_vec(),
        }
    }

    #[test]
    fn a_record_comes_back_and_growing_records_are_read() {
        let mut out = Vec::new();
        entry().encode(b"t/a", &mut Vec::new(), &mut out);
        let mut input = out.as_slice();
        assert_eq!(IndexEntry::decode(&mut input, b"t/a").unwrap(), entry());
        assert!(input.is_empty());
        out[0] += 2;
        out.extend(b"++");
        assert_eq!(IndexEntry::decode(&mut out.as_slice(), b"t/a").unwrap(), entry());
    }

    #[test]
    fn every_cut_of_a_record_is_damage() {
        let mut out = Vec::new();
        entry().encode(b"", &mut Vec::new(), &mut out);
        for cut in 0..out.len() {
            assert!(IndexEntry::decode(&mut &out[..cut], b"").is_err());
            let mut short = out[..cut].to_vec();
            if let Some(first) = short.first_mut() {
                *first = u8::try_from(cut - 1).unwrap().min(127);
                assert!(IndexEntry::decode(&mut short.as_slice(), b"").is_err());
            }
        }
    }

    #[test]
    fn numbers_of_more_than_64_bits_are_damage() {
        assert!(Fields(&[0xff; 9]).varint().is_err());
        assert!(Fields(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]).varint().is_err());
        assert_eq!(Fields(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]).varint().unwrap(), u64::MAX);
    }

    #[test]
    fn the_footer_comes_back_and_a_flipped_bit_shows() {
        let totals = Totals { entries: 1, bytes: 2, tar_bytes: 3, payload_frames: 4 };
        let frames = vec![IndexFrame { offset: 24, compressed: 5, decompressed: 6, records: 1, first: b"t".to_vec() }];
        let mut bytes = encode_footer(&totals, &frames);
        let end = bytes.len() - TAIL_LEN;
        assert_eq!(decode_footer(&bytes[8..end]).unwrap(), (totals, frames));
        bytes[20] ^= 1;
        assert!(decode_footer(&bytes[8..end]).is_err());
    }
}
