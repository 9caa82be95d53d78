//! PAX records, and the numbers of tar.
//!
//! A record is `<length> <key>=<value>\n`; values are raw bytes. Keys that say nothing about what is restored are passed over. A record
//! that does not keep its own length is refused, as is a number that is none.

use super::entry::Time;
use super::sparse::MAX_SEGMENTS;

/// What extended headers said of a member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pax {
    pub path: Option<Vec<u8>>,
    pub link: Option<Vec<u8>>,
    pub size: Option<u64>,
    pub uid: Option<u64>,
    pub gid: Option<u64>,
    pub mtime: Option<Time>,
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub acl_access: Option<Vec<u8>>,
    pub acl_default: Option<Vec<u8>>,
    pub sparse_major: Option<u64>,
    pub sparse_name: Option<Vec<u8>>,
    pub sparse_size: Option<u64>,
    pub sparse_map: Option<Vec<(u64, u64)>>,
    pending: Option<u64>,
}

impl Pax {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// This one's records where it has them, else the global ones.
    pub(super) fn over(self, global: &Self) -> Self {
        let global = global.clone();
        Self {
            path: self.path.or(global.path),
            link: self.link.or(global.link),
            size: self.size.or(global.size),
            uid: self.uid.or(global.uid),
            gid: self.gid.or(global.gid),
            mtime: self.mtime.or(global.mtime),
            ..self
        }
    }

    pub(super) fn parse(&mut self, mut text: &[u8]) -> Result<(), &'static str> {
        let bad = "an extended header's record is broken";
        while !text.is_empty() {
            let space = text.iter().take(20).position(|&b| b == b' ').ok_or(bad)?;
            let length = decimal(&text[..space]).and_then(|n| usize::try_from(n).ok()).ok_or(bad)?;
            if length <= space + 1 || length > text.len() || text[length - 1] != b'\n' {
                return Err(bad);
            }
            let record = &text[space + 1..length - 1];
            let equals = record.iter().position(|&b| b == b'=').ok_or(bad)?;
            self.record(&record[..equals], &record[equals + 1..])?;
            text = &text[length..];
        }
        Ok(())
    }

    fn record(&mut self, key: &[u8], value: &[u8]) -> Result<(), &'static str> {
        let number = || decimal(value).ok_or("a number of an extended header is none");
        let bytes = || (!value.is_empty()).then(|| value.to_vec());
        match key {
            b"path" => self.path = bytes(),
            b"linkpath" => self.link = bytes(),
            b"size" => self.size = Some(number()?),
            b"uid" => self.uid = Some(number()?),
            b"gid" => self.gid = Some(number()?),
            b"mtime" => self.mtime = Some(time(value).ok_or("a time of an extended header is none")?),
            b"SCHILY.acl.access" => self.acl_access = bytes(),
            b"SCHILY.acl.default" => self.acl_default = bytes(),
            b"GNU.sparse.major" => self.sparse_major = Some(number()?),
            b"GNU.sparse.name" => self.sparse_name = bytes(),
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => {
                self.sparse_size = Some(number()?);
            }
            b"GNU.sparse.numblocks" => self.sparse_map = Some(self.sparse_map.take().unwrap_or_default()),
            b"GNU.sparse.offset" => self.pending = Some(number()?),
            b"GNU.sparse.numbytes" => {
                let offset = self.pending.take().ok_or("a sparse map has a length without an offset")?;
                self.segment(offset, number()?)?;
            }
            b"GNU.sparse.map" => {
                let numbers: Option<Vec<u64>> = value.split(|&b| b == b',').map(decimal).collect();
                let numbers = numbers.filter(|n| n.len() % 2 == 0).ok_or("a sparse map is no list of numbers")?;
                for pair in numbers.chunks_exact(2) {
                    self.segment(pair[0], pair[1])?;
                }
            }
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    self.xattrs.push((unescape(name), value.to_vec()));
                }
            }
        }
        Ok(())
    }

    fn segment(&mut self, offset: u64, length: u64) -> Result<(), &'static str> {
        let map = self.sparse_map.get_or_insert_default();
        map.push((offset, length));
        if map.len() > MAX_SEGMENTS { Err("the map of a sparse file is too long") } else { Ok(()) }
    }
}

/// GNU tar writes `=` and `%` of a key as `%3D` and `%25`.
fn unescape(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((&byte, tail)) = rest.split_first() {
        let (byte, tail) = match (byte, tail) {
            (b'%', [b'3', b'D', tail @ ..]) => (b'=', tail),
            (b'%', [b'2', b'5', tail @ ..]) => (b'%', tail),
            _ => (byte, tail),
        };
        out.push(byte);
        rest = tail;
    }
    out
}

/// Digits and nothing else.
fn decimal(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    digits.then(|| text.iter().try_fold(0u64, |sum, &b| sum.checked_mul(10)?.checked_add(u64::from(b - b'0'))))?
}

/// Decimal seconds with a sign and a fraction, of which nine digits count.
fn time(text: &[u8]) -> Option<Time> {
    let (negative, text) = text.strip_prefix(b"-").map_or((false, text), |rest| (true, rest));
    let mut parts = text.splitn(2, |&b| b == b'.');
    let whole = i64::try_from(decimal(parts.next()?)?).ok()?;
    let fraction = parts.next().unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let nanos = (0..9).fold(0u32, |sum, at| sum * 10 + fraction.get(at).map_or(0, |&b| u32::from(b - b'0')));
    Some(match (negative, nanos) {
        (false, _) => Time { seconds: whole, nanos },
        (true, 0) => Time { seconds: -whole, nanos: 0 },
        (true, _) => Time { seconds: -whole - 1, nanos: 1_000_000_000 - nanos },
    })
}

/// Octal digits between spaces and NULs; nothing at all is 0.
pub(super) fn octal(field: &[u8]) -> Option<u64> {
    let start = field.iter().position(|&b| b != b' ').unwrap_or(field.len());
    let text = &field[start..];
    let end = text.iter().position(|&b| b == 0 || b == b' ').unwrap_or(text.len());
    if text[end..].iter().any(|&b| b != 0 && b != b' ') {
        return None;
    }
    text[..end]
        .iter()
        .try_fold(0u64, |sum, &b| if matches!(b, b'0'..=b'7') { sum.checked_mul(8)?.checked_add(u64::from(b - b'0')) } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &[u8]) -> Result<Pax, &'static str> {
        let mut pax = Pax::default();
        pax.parse(text).map(|()| pax)
    }

    #[test]
    fn values_may_hold_anything() {
        let pax = parse(b"15 path=a\n=b\xff\x00\n30 SCHILY.xattr.user.a%3Db=\0\n\n").unwrap();
        assert_eq!(pax.path.unwrap(), b"a\n=b\xff\x00");
        assert_eq!(pax.xattrs, [(b"user.a=b".to_vec(), b"\0\n".to_vec())]);
    }

    #[test]
    fn broken_records_are_refused() {
        for text in [
            &b"5 path=a\n"[..],
            b"99 path=a\n",
            b"path=a\n",
            b"0 a=b\n",
            b"9 nothing\n",
            b"10 size=1x\n",
            b"18446744073709551616 a=b\n",
            b"3 \n",
        ] {
            assert!(parse(text).is_err(), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn times_are_read_with_sign_and_fraction() {
        let of = |text: &str| time(text.as_bytes()).map(|t| (t.seconds, t.nanos));
        assert_eq!(of("1.5"), Some((1, 500_000_000)));
        assert_eq!(of("-1.25"), Some((-2, 750_000_000)));
        assert_eq!(of("-2"), Some((-2, 0)));
        assert_eq!(of("3.1234567899"), Some((3, 123_456_789)));
        assert_eq!([of(""), of("-"), of("1.x"), of("99999999999999999999")], [None; 4]);
    }

    #[test]
    fn octal_numbers_may_be_padded_and_nothing_else() {
        assert_eq!(
            [octal(b"  17 \0"), octal(b"\0\0"), octal(b"7777"), octal(b"18"), octal(b"1\x007")],
            [Some(15), Some(0), Some(4095), None, None]
        );
    }
}
