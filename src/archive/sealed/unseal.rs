//! A reader that decrypts in order.
//!
//! Nothing is handed out that was not authenticated, and the end is an end only if it was written as one: a cut anywhere, also between two
//! blocks, is damage and not a shorter stream.

use std::io::{self, BufReader, Read};

use age::stream::StreamReader;

use super::header::{Bounded, UnsealError, above, open};
use super::identity::Identities;

/// Read at a time from below.
const PIECE: usize = 256 << 10;

/// What was sealed, in order.
pub struct Unsealed<R: Read>(StreamReader<Bounded<BufReader<R>>>);

impl<R: Read> Unsealed<R> {
    /// Reads the header. Runs a plugin where an identity is one's.
    pub fn open(sealed: R, identities: &Identities) -> Result<Self, UnsealError> {
        open(BufReader::with_capacity(PIECE, sealed), identities).map(Self)
    }
}

impl<R: Read> Read for Unsealed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(above)
    }
}
