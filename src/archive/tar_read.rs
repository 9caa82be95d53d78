//! Reads tar: ours, and what GNU tar and others write.
//!
//! v7, ustar, PAX (with GNU's sparse formats 0.0, 0.1 and 1.0), GNU's long names and links, old-GNU sparse files. Everything is
//! checked as it comes: checksums, numbers, maps, the end of the archive. Refused with a reason: unknown types, multi-volume
//! members, extended headers and maps beyond a limit. An archive without its two empty blocks at the end is cut off.
//!
//! Allocation follows what was really read, never what a header promises.

use super::entry::{Kind, SparseMap, Time};
use super::error::{Damage, ReadError, Refusal};
use super::frames_in::Bytes;
use super::header::{BLOCK, padding};
use super::sparse::MAX_SEGMENTS;
use super::tar_pax::{Pax, octal};

/// Longest extended header; attributes make them long.
const PAX_MOST: u64 = 64 << 20;
/// Longest name in GNU's own form.
const NAME_MOST: u64 = 1 << 20;

/// A member as its headers describe it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Member {
    /// As written, but for a slash at its end.
    pub path: Vec<u8>,
    pub kind: Option<Kind>,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub mtime: Time,
    pub link: Vec<u8>,
    pub device: (u32, u32),
    /// Of a file: its size, holes included.
    pub size: u64,
    /// Bytes of data that are still to be taken.
    pub data: u64,
    /// The map of a sparse file.
    pub sparse: Option<SparseMap>,
    /// The map as it stood before the data (sparse format 1.0); part of the digest.
    pub lead: Vec<u8>,
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub acl_access: Option<Vec<u8>>,
    pub acl_default: Option<Vec<u8>>,
    /// Where its first header block is.
    pub offset: u64,
}

/// Walks an archive.
pub(super) struct TarReader<'a> {
    bytes: &'a mut Bytes,
    /// Where `bytes` begins in the archive.
    base: u64,
    data: u64,
    padding: u64,
    global: Pax,
}

impl<'a> TarReader<'a> {
    pub(super) fn new(bytes: &'a mut Bytes, base: u64) -> Self {
        Self { bytes, base, data: 0, padding: 0, global: Pax::default() }
    }

    pub(super) fn position(&self) -> u64 {
        self.base + self.bytes.position()
    }

    fn bad(&self, reason: &'static str) -> ReadError {
        Damage::Header { offset: self.position().saturating_sub(BLOCK as u64), reason }.into()
    }

    /// The next member; what is left of the one before is passed over. `None` at the end of the archive.
    pub(super) fn next(&mut self) -> Result<Option<Member>, ReadError> {
        self.finish_member()?;
        let offset = self.position();
        let mut pax = Pax::default();
        let (mut long_name, mut long_link) = (None, None);
        loop {
            let mut header = [0; BLOCK];
            if !self.bytes.read_exact(&mut header, "inside a header")? {
                return Err(Damage::Truncated("the end of the archive is missing").into());
            }
            if header == [0; BLOCK] {
                if self.position() != offset + BLOCK as u64 {
                    return Err(self.bad("an extended header belongs to no member"));
                }
                if !self.bytes.read_exact(&mut header, "inside the end of the archive")? || header != [0; BLOCK] {
                    return Err(Damage::Truncated("only half of the end of the archive is there").into());
                }
                return Ok(None);
            }
            self.check(&header)?;
            let size = self.number(&header[124..136], "size")?;
            match header[156] {
                b'x' | b'X' => pax.parse(&self.collect(size, PAX_MOST)?).map_err(|why| self.bad(why))?,
                b'g' => {
                    let text = self.collect(size, PAX_MOST)?;
                    self.global.parse(&text).map_err(|why| self.bad(why))?;
                }
                b'L' => long_name = Some(self.collect_name(size)?),
                b'K' => long_link = Some(self.collect_name(size)?),
                _ => {
                    let pax = if self.global.is_empty() { pax } else { pax.over(&self.global) };
                    return self.member(&header, size, offset, pax, long_name, long_link).map(Some);
                }
            }
        }
    }

    /// Hands out the data of the member that `next` gave.
    pub(super) fn data(&mut self, take: &mut dyn FnMut(&[u8]) -> Result<(), ReadError>) -> Result<(), ReadError> {
        let count = std::mem::take(&mut self.data);
        self.bytes.take(count, "inside a member's data", take)
    }

    /// Hands out some of the data.
    pub(super) fn some_data(&mut self, count: u64, take: &mut dyn FnMut(&[u8]) -> Result<(), ReadError>) -> Result<(), ReadError> {
        let count = count.min(self.data);
        self.data -= count;
        self.bytes.take(count, "inside a member's data", take)
    }

    /// Passes over what is left of the member, padding included.
    pub(super) fn finish_member(&mut self) -> Result<(), ReadError> {
        let rest = std::mem::take(&mut self.data);
        self.bytes.skip(rest, "inside a member's data")?;
        let padding = std::mem::take(&mut self.padding);
        self.bytes.skip(padding, "inside a member's padding")
    }

    /// Reads what follows the end of the archive; gives how many bytes that were. Only zeros may follow.
    pub(super) fn rest(&mut self) -> Result<u64, ReadError> {
        let mut count = 0;
        loop {
            let have = self.bytes.fill()?;
            if have.is_empty() {
                return Ok(count);
            }
            if have.iter().any(|&b| b != 0) {
                return Err(Damage::Trailing("the end of the archive").into());
            }
            let length = have.len();
            count += length as u64;
            self.bytes.consume(length);
        }
    }

    fn check(&self, header: &[u8; BLOCK]) -> Result<(), ReadError> {
        let said = octal(&header[148..156]).ok_or_else(|| self.bad("its checksum is no number"))?;
        let byte = |at: usize, b: u8| if (148..156).contains(&at) { b' ' } else { b };
        let sum: u64 = header.iter().enumerate().map(|(at, &b)| u64::from(byte(at, b))).sum();
        // Some old programs summed signed bytes.
        let signed: i64 = header.iter().enumerate().map(|(at, &b)| i64::from(byte(at, b).cast_signed())).sum();
        if said == sum || i64::try_from(said) == Ok(signed) { Ok(()) } else { Err(self.bad("its checksum is wrong")) }
    }

    fn number(&self, field: &[u8], what: &'static str) -> Result<u64, ReadError> {
        let number = if field[0] & 0x80 == 0 {
            octal(field)
        } else {
            let (head, tail) = field.split_at(field.len() - field.len().min(8));
            let clean = head.iter().enumerate().all(|(at, &b)| b == if at == 0 { 0x80 } else { 0 });
            let first = if head.is_empty() { tail[0] & 0x7f } else { tail[0] };
            clean_number(clean || head.is_empty(), first, tail)
        };
        number.ok_or_else(|| self.bad(what_is_no_number(what)))
    }

    /// Times may be negative in base 256.
    fn seconds(&self, field: &[u8]) -> Result<i64, ReadError> {
        if field[0] == 0xff {
            let tail: [u8; 8] = field[field.len() - 8..].try_into().map_err(|_| self.bad("its time is no number"))?;
            return Ok(i64::from_be_bytes(tail));
        }
        i64::try_from(self.number(field, "time")?).map_err(|_| self.bad("its time is no number"))
    }

    fn collect(&mut self, size: u64, most: u64) -> Result<Vec<u8>, ReadError> {
        if size > most {
            return Err(self.bad("an extended header is too large"));
        }
        let mut out = Vec::new();
        self.bytes.take(size, "inside an extended header", &mut |piece| {
            out.extend_from_slice(piece);
            Ok(())
        })?;
        self.bytes.skip(padding(size), "inside an extended header")?;
        Ok(out)
    }

    fn collect_name(&mut self, size: u64) -> Result<Vec<u8>, ReadError> {
        let mut name = self.collect(size, NAME_MOST)?;
        name.truncate(name.iter().position(|&b| b == 0).unwrap_or(name.len()));
        Ok(name)
    }

    fn member(
        &mut self,
        header: &[u8; BLOCK],
        size: u64,
        offset: u64,
        mut pax: Pax,
        long_name: Option<Vec<u8>>,
        long_link: Option<Vec<u8>>,
    ) -> Result<Member, ReadError> {
        let flag = header[156];
        let mut path = pax.sparse_name.take().or(pax.path.take()).or(long_name).unwrap_or_else(|| name(header));
        let slash = path.len() > 1 && path.last() == Some(&b'/');
        while path.len() > 1 && path.last() == Some(&b'/') {
            path.pop();
        }
        let refuse = |why| ReadError::Refused { path: path.as_slice().into(), why };
        let kind = match flag {
            b'0' | b'\0' | b'7' | b'S' => {
                if slash && flag != b'S' {
                    Kind::Directory
                } else {
                    Kind::File
                }
            }
            b'1' => Kind::HardLink,
            b'2' => Kind::Symlink,
            b'3' => Kind::CharDevice,
            b'4' => Kind::BlockDevice,
            b'5' | b'D' => Kind::Directory,
            b'6' => Kind::Fifo,
            other => return Err(refuse(Refusal::Type(char::from(other)))),
        };
        let size = pax.size.unwrap_or(size);
        let small = |n: u64, what| u32::try_from(n).map_err(|_| refuse(Refusal::TooLarge(what)));
        let uid = pax.uid.map_or_else(|| self.number(&header[108..116], "owner"), Ok)?;
        let gid = pax.gid.map_or_else(|| self.number(&header[116..124], "group"), Ok)?;
        let mtime = match pax.mtime {
            Some(mtime) => mtime,
            None => Time { seconds: self.seconds(&header[136..148])?, nanos: 0 },
        };
        let device = if kind.is_device() {
            (small(self.number(&header[329..337], "device")?, "device")?, small(self.number(&header[337..345], "device")?, "device")?)
        } else {
            (0, 0)
        };
        // As GNU tar has it: a hard link has no data, whatever its size says.
        self.data = if kind == Kind::HardLink { 0 } else { size };
        let mode = u32::try_from(self.number(&header[100..108], "mode")? & 0o7777).unwrap_or(0);
        let mut member = Member {
            kind: Some(kind),
            mode,
            uid: small(uid, "owner")?,
            gid: small(gid, "group")?,
            mtime,
            link: pax.link.take().or(long_link).unwrap_or_else(|| until_nul(&header[157..257]).to_vec()),
            device,
            size: if kind == Kind::File { size } else { 0 },
            data: self.data,
            xattrs: std::mem::take(&mut pax.xattrs),
            acl_access: pax.acl_access.take(),
            acl_default: pax.acl_default.take(),
            offset,
            path,
            ..Member::default()
        };
        if !matches!(kind, Kind::HardLink | Kind::Symlink) {
            member.link.clear();
        }
        self.padding = 0;
        if kind == Kind::File {
            self.sparse(header, &pax, &mut member)?;
        }
        self.padding = padding(self.data + member.lead.len() as u64);
        member.data = self.data;
        Ok(member)
    }

    fn sparse(&mut self, header: &[u8; BLOCK], pax: &Pax, member: &mut Member) -> Result<(), ReadError> {
        let mut map = SparseMap::default();
        if header[156] == b'S' {
            map.size = self.number(&header[483..495], "size")?;
            self.old_gnu(header, &mut map)?;
        } else if pax.sparse_major == Some(1) {
            map.size = pax.sparse_size.ok_or_else(|| self.bad("a sparse file has no size"))?;
            self.map_1_0(&mut map, &mut member.lead)?;
        } else if let Some(segments) = &pax.sparse_map {
            map.size = pax.sparse_size.ok_or_else(|| self.bad("a sparse file has no size"))?;
            map.segments.clone_from(segments);
        } else {
            return Ok(());
        }
        if !map.is_sound() || map.data_bytes() != self.data {
            return Err(self.bad("the map of a sparse file is wrong"));
        }
        member.size = map.size;
        member.sparse = Some(map);
        Ok(())
    }

    fn old_gnu(&mut self, header: &[u8; BLOCK], map: &mut SparseMap) -> Result<(), ReadError> {
        let mut block = *header;
        let (mut entries, mut more) = (386..482, 482);
        loop {
            for entry in block[entries.clone()].chunks_exact(24) {
                if entry[0] == 0 {
                    break;
                }
                map.segments.push((self.number(&entry[..12], "map")?, self.number(&entry[12..], "map")?));
            }
            if block[more] == 0 {
                return Ok(());
            }
            if map.segments.len() > MAX_SEGMENTS {
                return Err(self.bad("the map of a sparse file is too long"));
            }
            (entries, more) = (0..504, 504);
            if !self.bytes.read_exact(&mut block, "inside a sparse map")? {
                return Err(Damage::Truncated("inside a sparse map").into());
            }
        }
    }

    fn map_1_0(&mut self, map: &mut SparseMap, lead: &mut Vec<u8>) -> Result<(), ReadError> {
        let (mut numbers, mut wanted, mut digits) = (Vec::new(), None, None);
        while wanted.is_none_or(|wanted| numbers.len() < wanted) {
            let mut block = [0; BLOCK];
            if self.data < BLOCK as u64 {
                return Err(self.bad("the map of a sparse file is longer than its data"));
            }
            if !self.bytes.read_exact(&mut block, "inside a sparse map")? {
                return Err(Damage::Truncated("inside a sparse map").into());
            }
            self.data -= BLOCK as u64;
            lead.extend_from_slice(&block);
            for byte in block {
                match byte {
                    b'0'..=b'9' => {
                        let number: u64 = digits.unwrap_or(0);
                        let next = number.checked_mul(10).and_then(|n| n.checked_add(u64::from(byte - b'0')));
                        digits = Some(next.ok_or_else(|| self.bad("a number in a sparse map is too large"))?);
                    }
                    b'\n' if digits.is_some() => {
                        let number = digits.take().unwrap_or(0);
                        match wanted {
                            None if number > MAX_SEGMENTS as u64 => return Err(self.bad("the map of a sparse file is too long")),
                            None => wanted = Some(2 * usize::try_from(number).unwrap_or(MAX_SEGMENTS)),
                            Some(_) => numbers.push(number),
                        }
                        if wanted == Some(numbers.len()) {
                            break;
                        }
                    }
                    _ => return Err(self.bad("the map of a sparse file is no list of numbers")),
                }
            }
        }
        map.segments = numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
        Ok(())
    }
}

fn clean_number(clean: bool, first: u8, tail: &[u8]) -> Option<u64> {
    clean.then(|| tail[1..].iter().fold(u64::from(first), |sum, &b| sum << 8 | u64::from(b)))
}

fn what_is_no_number(what: &'static str) -> &'static str {
    match what {
        "size" => "its size is no number",
        "owner" => "its owner is no number",
        "group" => "its group is no number",
        "device" => "its device is no number",
        "time" => "its time is no number",
        "mode" => "its mode is no number",
        _ => "its map has something that is no number",
    }
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|&b| b == 0).next().unwrap_or_default()
}

/// The name in the ustar fields. GNU's older form has other things in the place of the prefix.
fn name(header: &[u8; BLOCK]) -> Vec<u8> {
    let name = until_nul(&header[..100]);
    let prefix = until_nul(&header[345..500]);
    if header[257..263] == *b"ustar\0" && !prefix.is_empty() { [prefix, b"/", name].concat() } else { name.to_vec() }
}
