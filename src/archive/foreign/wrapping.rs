//! How a file is compressed, told by its first bytes, and the stream without that.

use std::io::{self, Read};

use super::gunzip::{GZIP, Gunzip};

/// How an archive is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrapping {
    /// Not at all, as far as can be told.
    Plain,
    /// With gzip.
    Gzip,
    /// With zstd.
    Zstd,
}

impl Wrapping {
    /// What a file that begins like this is.
    pub fn of(start: &[u8]) -> Self {
        if start.starts_with(&GZIP) {
            Self::Gzip
        } else if is_zstd(start) {
            Self::Zstd
        } else {
            Self::Plain
        }
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// Whether it begins with a frame, or with one that is skipped.
fn is_zstd(start: &[u8]) -> bool {
    start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) || matches!(start, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// Other programs' files, by their first bytes: what they are, for those who take them for what is read here.
const OTHERS: [(&[u8], &str); 6] = [
    (b"\xfd7zXZ\0", "xz has compressed it"),
    (b"BZh", "bzip2 has compressed it"),
    (b"\x04\x22\x4d\x18", "lz4 has compressed it"),
    (b"PK\x03\x04", "it is a zip archive"),
    (b"7z\xbc\xaf\x27\x1c", "it is a 7z archive"),
    (b"age-encryption.org/", "it is encrypted with age"),
];

/// What a file that begins like this is, where another program is known to write such.
pub(super) fn other(start: &[u8]) -> Option<&'static str> {
    OTHERS.iter().find(|(magic, _)| start.starts_with(magic)).map(|(_, what)| *what)
}

/// The first bytes of a stream, and the stream with them in front.
pub(super) fn opened<'a>(mut stored: &'a mut (dyn Read + Send)) -> io::Result<(Vec<u8>, Box<dyn Read + Send + 'a>)> {
    let mut start = Vec::new();
    (&mut stored).take(32).read_to_end(&mut start)?;
    let whole = io::Cursor::new(start.clone()).chain(stored);
    Ok(match Wrapping::of(&start) {
        Wrapping::Gzip => (start, Box::new(Gunzip::new(whole))),
        Wrapping::Plain | Wrapping::Zstd => (start, Box::new(whole)),
    })
}
