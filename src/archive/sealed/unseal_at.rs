//! Decrypts at any place: a sealed payload costs hardly more reads than a plain one.
//!
//! Blocks are of 64 KiB and each is authenticated with its number, so that none can be moved or repeated; that the stream ends where it
//! was made to end is checked when it is opened. What lies below may be far away: it is read in pieces as large as what is asked for, and
//! the header and the end, which every reader of an index wants first, in one piece each.

use std::io::{self, BufRead, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use age::stream::StreamReader;

use super::header::{Bounded, UnsealError, above, open};
use super::identity::Identities;
use crate::archive::error::Damage;
use crate::archive::read_at::{ReadAt, read_exact_at};

/// Plain bytes of a block.
const BLOCK: u64 = 64 << 10;
/// Stored bytes of a block.
const STORED_BLOCK: u64 = BLOCK + 16;
/// Read whole at once if it is not larger.
const SMALL: u64 = 256 << 10;
/// Read at once at most; larger than any frame of ours.
const MOST: u64 = 9 << 20;

/// What was sealed, at any place.
pub struct UnsealedAt<S: ReadAt> {
    open: Mutex<Open<S>>,
    length: u64,
}

struct Open<S: ReadAt> {
    reader: StreamReader<Bounded<Pieces<S>>>,
    /// Where the blocks begin.
    start: u64,
    wanted: Arc<AtomicU64>,
    /// After an error the crate's reader does not know where it is.
    broken: bool,
}

impl<S: ReadAt> UnsealedAt<S> {
    /// Reads the header and the end. Runs a plugin where an identity is one's.
    pub fn open(sealed: S, identities: &Identities) -> Result<Self, UnsealError> {
        let wanted = Arc::new(AtomicU64::new(0));
        let stored = sealed.len();
        let pieces = Pieces { source: sealed, position: 0, from: 0, piece: Vec::new(), wanted: Arc::clone(&wanted) };
        let mut reader = open(pieces, identities)?;
        let length = reader.seek(SeekFrom::End(0)).map_err(|error| match above(error) {
            error if error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Damage>) => UnsealError::Header,
            error => UnsealError::Io(error),
        })?;
        let blocks = length.div_ceil(BLOCK).max(1);
        let start = stored - (length + blocks * (STORED_BLOCK - BLOCK));
        Ok(Self { open: Mutex::new(Open { reader, start, wanted, broken: false }), length })
    }
}

impl<S: ReadAt> ReadAt for UnsealedAt<S> {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let mut open = self.open.lock().map_err(|_| io::Error::other("another reader ended badly"))?;
        if open.broken {
            return Err(io::Error::other("an earlier read failed"));
        }
        let last = (offset + most as u64).div_ceil(BLOCK);
        open.wanted.store(open.start + last * STORED_BLOCK, Ordering::Relaxed);
        let read = open.reader.seek(SeekFrom::Start(offset)).and_then(|_| open.reader.read_exact(&mut buffer[..most]));
        open.broken = read.is_err();
        read.map(|()| most).map_err(above)
    }
}

/// What lies below as the crate's reader takes it, a piece of it in memory.
struct Pieces<S> {
    source: S,
    position: u64,
    /// Where the piece begins.
    from: u64,
    piece: Vec<u8>,
    /// How far the reader above will want to read.
    wanted: Arc<AtomicU64>,
}

impl<S: ReadAt> Pieces<S> {
    fn here(&self) -> &[u8] {
        let at = self.position.checked_sub(self.from).and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| self.piece.get(at..)).unwrap_or_default()
    }

    fn fetch(&mut self) -> io::Result<()> {
        let total = self.source.len();
        let (from, to) = if total <= SMALL {
            (0, total)
        } else if self.position + STORED_BLOCK >= total {
            // The last block is wanted alone first, and its neighbour right after it.
            (total - 2 * STORED_BLOCK, total)
        } else {
            let wanted = self.wanted.load(Ordering::Relaxed).max(self.position + STORED_BLOCK);
            (self.position, wanted.min(self.position + MOST).min(total))
        };
        let mut piece = std::mem::take(&mut self.piece);
        piece.resize(usize::try_from(to - from).unwrap_or(usize::MAX), 0);
        read_exact_at(&self.source, from, &mut piece)?;
        (self.from, self.piece) = (from, piece);
        Ok(())
    }
}

impl<S: ReadAt> BufRead for Pieces<S> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.here().is_empty() && self.position < self.source.len() {
            self.fetch()?;
        }
        Ok(self.here())
    }

    fn consume(&mut self, count: usize) {
        self.position += count as u64;
    }
}

impl<S: ReadAt> Read for Pieces<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let here = self.fill_buf()?;
        let count = here.len().min(buffer.len());
        buffer[..count].copy_from_slice(&here[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl<S: ReadAt> Seek for Pieces<S> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.source.len().checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
