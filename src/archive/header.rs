//! Tar headers as we write them: POSIX 2001 (PAX).
//!
//! A member is one ustar block, and before it a PAX header only for what does not fit: nanoseconds, long names, large or
//! negative numbers, attributes, ACLs, sparse maps (GNU format 1.0). Owners are numbers, their names stay empty. Numbers that do not
//! fit their field stand in the PAX header and, for readers that know no PAX, in GNU's base-256 form in the field itself.

use super::entry::{Kind, Meta, SparseMap, Time};
use super::xattr::Attributes;

/// Tar's unit.
pub(super) const BLOCK: usize = 512;
/// An archive ends with two empty blocks.
pub(super) const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// Longest name of a member. Deeper trees exist, but a reader that took any depth could be kept busy for ever.
pub(super) const PATH_MOST: usize = 32 * 1024;

/// What a header is made of.
pub(super) struct HeaderParts<'a> {
    pub path: &'a [u8],
    pub kind: Kind,
    pub meta: &'a Meta,
    /// Bytes of data that follow the header.
    pub size: u64,
    /// Target of a link.
    pub link: &'a [u8],
    pub attributes: &'a Attributes,
    /// Set for a sparse file; `size` then counts the map and the data.
    pub sparse: Option<&'a SparseMap>,
}

/// Appends all header blocks of a member.
pub(super) fn encode(parts: &HeaderParts<'_>, out: &mut Vec<u8>) {
    let mut records = Vec::new();
    let meta = parts.meta;
    let mut header = [0u8; BLOCK];
    let is_dir = parts.kind == Kind::Directory;
    let sparse_name = parts.sparse.map(|_| sparse_name(parts.path));
    if let (Some(map), Some(_)) = (parts.sparse, &sparse_name) {
        record(&mut records, b"GNU.sparse.major", b"1");
        record(&mut records, b"GNU.sparse.minor", b"0");
        record(&mut records, b"GNU.sparse.name", parts.path);
        record(&mut records, b"GNU.sparse.realsize", map.size.to_string().as_bytes());
    }
    let path = sparse_name.as_deref().unwrap_or(parts.path);
    if !put_name(&mut header, path, is_dir) {
        // With `GNU.sparse.name` there, the name of the block itself is nobody's.
        if parts.sparse.is_none() {
            let mut long = path.to_vec();
            if is_dir {
                long.push(b'/');
            }
            record(&mut records, b"path", &long);
        }
        let cut = if path.len() > 100 { &path[..100] } else { path };
        header[..cut.len()].copy_from_slice(cut);
    }
    number(&mut header[100..108], u64::from(meta.mode));
    if !number(&mut header[108..116], u64::from(meta.uid)) {
        record(&mut records, b"uid", meta.uid.to_string().as_bytes());
    }
    if !number(&mut header[116..124], u64::from(meta.gid)) {
        record(&mut records, b"gid", meta.gid.to_string().as_bytes());
    }
    if !number(&mut header[124..136], parts.size) {
        record(&mut records, b"size", parts.size.to_string().as_bytes());
    }
    let seconds = u64::try_from(meta.mtime.seconds).ok();
    let fits = number(&mut header[136..148], seconds.filter(|&s| s < 1 << 33).unwrap_or_default());
    if !fits || meta.mtime.nanos != 0 || seconds.is_none_or(|s| s >= 1 << 33) {
        record(&mut records, b"mtime", time(meta.mtime).as_bytes());
    }
    header[156] = b'0' + parts.kind as u8;
    if parts.link.len() <= 100 {
        header[157..157 + parts.link.len()].copy_from_slice(parts.link);
    } else {
        header[157..257].copy_from_slice(&parts.link[..100]);
        record(&mut records, b"linkpath", parts.link);
    }
    if parts.kind.is_device() {
        number(&mut header[329..337], u64::from(rustix::fs::major(meta.rdev)));
        number(&mut header[337..345], u64::from(rustix::fs::minor(meta.rdev)));
    }
    attributes(parts.attributes, &mut records);
    if !records.is_empty() {
        let mut pax = [0u8; BLOCK];
        pax[..13].copy_from_slice(b"PaxHeaders/at");
        number(&mut pax[100..108], 0o644);
        number(&mut pax[108..116], 0);
        number(&mut pax[116..124], 0);
        number(&mut pax[124..136], records.len() as u64);
        number(&mut pax[136..148], 0);
        pax[156] = b'x';
        finish(&mut pax);
        out.extend_from_slice(&pax);
        out.extend_from_slice(&records);
        pad(out);
    }
    finish(&mut header);
    out.extend_from_slice(&header);
}

/// The data that leads a sparse member, padded to blocks.
pub(super) fn sparse_map(map: &SparseMap) -> Vec<u8> {
    let mut text = format!("{}\n", map.segments.len()).into_bytes();
    for (offset, length) in &map.segments {
        text.extend_from_slice(format!("{offset}\n{length}\n").as_bytes());
    }
    pad(&mut text);
    text
}

/// Zeros up to the next block.
pub(super) fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(BLOCK), 0);
}

/// Bytes from the end of `size` data bytes to the next block.
pub(super) fn padding(size: u64) -> u64 {
    (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64
}

fn attributes(attributes: &Attributes, records: &mut Vec<u8>) {
    if let Some(acl) = &attributes.acl_access {
        record(records, b"SCHILY.acl.access", acl);
    }
    if let Some(acl) = &attributes.acl_default {
        record(records, b"SCHILY.acl.default", acl);
    }
    for (name, value) in &attributes.xattrs {
        let mut key = b"SCHILY.xattr.".to_vec();
        // As GNU tar does: `=` would end the key.
        for &byte in name {
            match byte {
                b'=' => key.extend_from_slice(b"%3D"),
                b'%' => key.extend_from_slice(b"%25"),
                _ => key.push(byte),
            }
        }
        record(records, &key, value);
    }
}

/// `<length> <key>=<value>\n`, where the length counts itself.
fn record(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length = rest + length.to_string().len();
    }
    out.extend_from_slice(length.to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

/// Puts a name into the ustar fields, if it fits.
fn put_name(header: &mut [u8; BLOCK], path: &[u8], is_dir: bool) -> bool {
    let slash = usize::from(is_dir);
    let length = path.len() + slash;
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    if length <= 100 {
        put(0, path);
        put(path.len(), &b"/"[..slash]);
        return true;
    }
    // The shortest rest that fits: its slash lies in the first 156 bytes.
    let Some(cut) = (length - 101..path.len().min(156)).find(|&at| path[at] == b'/') else { return false };
    if cut == 0 || cut + 1 == path.len() {
        return false;
    }
    put(345, &path[..cut]);
    put(0, &path[cut + 1..]);
    put(path.len() - cut - 1, &b"/"[..slash]);
    true
}

/// GNU tar's name for the block of a sparse member: `dir/GNUSparseFile.0/name`.
fn sparse_name(path: &[u8]) -> Vec<u8> {
    let at = path.iter().rposition(|&b| b == b'/').map_or(0, |at| at + 1);
    [&path[..at], b"GNUSparseFile.0/", &path[at..]].concat()
}

/// Octal with a NUL at the end if it fits, else base-256; says whether it was octal.
fn number(field: &mut [u8], value: u64) -> bool {
    let digits = field.len() - 1;
    if digits * 3 >= 64 || value >> (digits * 3) == 0 {
        let text = format!("{value:0digits$o}");
        field[..digits].copy_from_slice(text.as_bytes());
        field[digits] = 0;
        return true;
    }
    field.fill(0);
    field[0] = 0x80;
    let bytes = value.to_be_bytes();
    let count = bytes.len().min(field.len() - 1);
    let at = field.len() - count;
    field[at..].copy_from_slice(&bytes[8 - count..]);
    false
}

/// Decimal seconds, as far as the nanoseconds need digits.
fn time(time: Time) -> String {
    let (sign, seconds, nanos) = match (time.seconds, time.nanos) {
        (s, 0) if s < 0 => ("-", s.unsigned_abs(), 0),
        (s, n) if s < 0 => ("-", s.unsigned_abs() - 1, 1_000_000_000 - n),
        (s, n) => ("", s.unsigned_abs(), n),
    };
    if nanos == 0 {
        return format!("{sign}{seconds}");
    }
    let fraction = format!("{nanos:09}");
    format!("{sign}{seconds}.{}", fraction.trim_end_matches('0'))
}

/// Magic and checksum.
fn finish(header: &mut [u8; BLOCK]) {
    header[257..265].copy_from_slice(b"ustar\x0000");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|&b| u32::from(b)).sum();
    header[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
    header[154] = 0;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_records_length_counts_itself() {
        let of = |value: usize| {
            let mut out = Vec::new();
            record(&mut out, b"k", &vec![b'x'; value]);
            let text = String::from_utf8(out.clone()).unwrap();
            (text.split(' ').next().unwrap().parse::<usize>().unwrap(), out.len())
        };
        for value in [0, 1, 4, 5, 6, 92, 93, 94, 95, 990, 991, 992, 993] {
            let (said, is) = of(value);
            assert_eq!(said, is, "{value}");
        }
    }

    #[test]
    fn times_before_1970_count_backwards() {
        let of = |seconds, nanos| time(Time { seconds, nanos });
        assert_eq!([of(1, 500_000_000), of(-1, 500_000_000), of(-2, 750_000_000), of(-2, 0)], ["1.5", "-0.5", "-1.25", "-2"]);
    }

    #[test]
    fn numbers_that_do_not_fit_are_in_base_256() {
        let mut field = [0; 12];
        assert!(number(&mut field, (1 << 33) - 1) && field == *b"77777777777\0");
        assert!(!number(&mut field, 1 << 33) && field == [0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]);
        let mut field = [0; 8];
        assert!(!number(&mut field, u64::from(u32::MAX)) && field == [0x80, 0, 0, 0, 255, 255, 255, 255]);
    }

    #[test]
    fn long_names_are_split_at_a_slash_if_both_parts_fit() {
        let split = |path: &[u8], dir| {
            let mut header = [0; BLOCK];
            put_name(&mut header, path, dir).then(|| (header[345..500].to_vec(), header[..100].to_vec()))
        };
        let path = [vec![b'a'; 120], b"/".to_vec(), vec![b'b'; 99]].concat();
        let (prefix, name) = split(&path, true).unwrap();
        assert_eq!((&prefix[..120], &name[..]), (&path[..120], &[&path[121..], b"/"].concat()[..]));
        assert!(split(&[b'a'; 101], false).is_none());
        assert!(split(&[vec![b'a'; 156], b"/b".to_vec()].concat(), false).is_none());
        assert!(split(&[vec![b'a'; 155], b"/b".to_vec()].concat(), false).is_some());
    }
}
