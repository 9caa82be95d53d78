//! A file that is read from its beginning, and the digest of all that was.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::store::{Hasher, Sha256Sum};

/// A file, and the digest of what was read of it.
pub(super) struct Hashed<'a> {
    file: &'a File,
    hasher: Hasher,
    bytes: u64,
}

impl<'a> Hashed<'a> {
    /// The file from its beginning.
    pub(super) fn new(mut file: &'a File) -> io::Result<Self> {
        file.rewind()?;
        Ok(Self { file, hasher: Hasher::new(), bytes: 0 })
    }

    /// Reads what is left; gives the digest and the size of all of it.
    pub(super) fn finish(mut self, cancel: &AtomicBool) -> io::Result<(Sha256Sum, u64)> {
        let mut piece = vec![0; 1 << 20];
        while self.read(&mut piece)? > 0 {
            if cancel.load(Ordering::Relaxed) {
                return Err(io::Error::from(io::ErrorKind::Interrupted));
            }
        }
        Ok((self.hasher.finish(), self.bytes))
    }
}

impl Read for Hashed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}
