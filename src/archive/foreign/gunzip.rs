//! What gzip has compressed, as the stream it was made of.
//!
//! All members of a file are read, as `cat a.gz b.gz` makes them. Damage: a file that ends inside a member, a checksum or length that is
//! not the stream's, and bytes behind the last member that begin no other.

use std::io::{self, BufReader, ErrorKind, Read};

use flate2::bufread::MultiGzDecoder;

use crate::archive::error::Damage;

/// How such a file begins.
pub(super) const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Stored bytes taken at a time.
const PIECE: usize = 256 * 1024;

/// A decompressor.
pub(super) struct Gunzip<R: Read>(MultiGzDecoder<BufReader<Told<R>>>);

impl<R: Read> Gunzip<R> {
    pub(super) fn new(stored: R) -> Self {
        Self(MultiGzDecoder::new(BufReader::with_capacity(PIECE, Told { inner: stored, failed: false })))
    }
}

impl<R: Read> Read for Gunzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer);
        let failed = self.0.get_ref().get_ref().failed;
        // what the disk says stays the disk's word; all else is about the bytes
        read.map_err(|error| match error.kind() {
            _ if failed => error,
            ErrorKind::Interrupted => error,
            ErrorKind::UnexpectedEof => io::Error::other(Damage::Truncated("inside the gzip stream")),
            _ => io::Error::other(Damage::Gzip(error.to_string())),
        })
    }
}

/// A reader that remembers whether it failed.
struct Told<R> {
    inner: R,
    failed: bool,
}

impl<R: Read> Read for Told<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer);
        self.failed = read.as_ref().is_err_and(|error| error.kind() != ErrorKind::Interrupted);
        read
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn read(stored: &[u8]) -> Result<Vec<u8>, Damage> {
        let mut plain = Vec::new();
        match Gunzip::new(stored).read_to_end(&mut plain) {
            Ok(_) => Ok(plain),
            Err(error) => Err(error.downcast().expect("it is about the bytes")),
        }
    }

    #[test]
    fn every_member_is_read() {
        assert_eq!(read(&[gzip(b"one, "), gzip(b""), gzip(b"two")].concat()), Ok(b"one, two".to_vec()));
    }

    #[test]
    fn every_cut_and_what_follows_is_damage() {
        let whole = [gzip(b"some text"), gzip(&[7; 5000])].concat();
        let first = gzip(b"some text").len();
        for cut in (1..whole.len()).filter(|cut| *cut != first) {
            assert!(read(&whole[..cut]).is_err(), "{cut}");
        }
        assert!(matches!(read(&whole[..whole.len() - 1]), Err(Damage::Truncated(_))));
        for tail in [&b"x"[..], b"garbage behind it", &[0; 512]] {
            assert!(read(&[&whole, tail].concat()).is_err());
        }
    }

    #[test]
    fn a_flipped_bit_is_damage_or_is_in_what_is_no_content() {
        let plain: Vec<u8> = (0..2000u32).flat_map(u32::to_le_bytes).collect();
        let whole = gzip(&plain);
        for at in 0..whole.len() {
            let mut bad = whole.clone();
            bad[at] ^= 4;
            assert!(read(&bad).map_or(true, |got| got == plain), "{at}");
        }
        assert!(matches!(
            read(&{
                let mut bad = whole.clone();
                let at = bad.len() - 6;
                bad[at] ^= 1;
                bad
            }),
            Err(Damage::Gzip(_))
        ));
    }

    #[test]
    fn a_disk_that_fails_is_no_damage() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::from(ErrorKind::PermissionDenied))
            }
        }
        let error = Gunzip::new(Broken).read(&mut [0; 9]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    }
}
