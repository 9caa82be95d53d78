//! What both readers have in common: how much is read before a header must have ended, and whose errors are whose.

use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use age::{DecryptError, Decryptor};

use super::identity::Identities;
use super::seal::one_line;
use crate::archive::error::Damage;

/// The longest header that is read: more than our most recipients need. Parsing one is quadratic, and anybody may have written it.
const LONGEST_HEADER: u64 = 64 << 10;
/// How every age file begins.
const MAGIC: &[u8] = b"age-encryption.org/";

/// Why sealed bytes cannot be opened. Errors of their content come later, while they are read.
#[derive(Debug, thiserror::Error)]
pub enum UnsealError {
    /// No identity fits.
    #[error("none of the given identities opens it")]
    NoIdentity,
    /// It is something else.
    #[error("this is no age file")]
    Foreign,
    /// A later version of the format.
    #[error("this is an age file of a version that this program does not know")]
    Newer,
    /// Cut off, altered, or never good.
    #[error("the header of the age file is damaged")]
    Header,
    /// Encrypted by hand.
    #[error("this is encrypted with a passphrase; decrypt it with `age -d` first")]
    Passphrase,
    /// A plugin is missing or failed.
    #[error("{0}")]
    Plugin(String),
    /// The stored bytes could not be read.
    #[error("cannot read: {0}")]
    Io(#[source] io::Error),
}

impl UnsealError {
    /// Whether it is about the stored bytes and not about who wants to read them.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Foreign | Self::Header)
    }

    /// What to do where it is not damage, in the imperative.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Plugin(_) => {
                "put the program of the plugin into PATH and what it asks for within reach, or name another identity with `--identity`"
            }
            _ => "name the file of a secret key that belongs to one of them with `--identity`",
        }
    }
}

/// An error of what is below, to be told from those of the decryption above.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Below(io::Error);

pub(super) fn below(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), Below(error))
}

/// What the reader above means: the error from below as it was, or damage.
pub(super) fn above(error: io::Error) -> io::Error {
    let early = error.kind() == io::ErrorKind::UnexpectedEof;
    if let Ok(Below(own)) = error.downcast::<Below>() {
        return own;
    }
    let why = if early { "it ends early" } else { "a block is not what was written, or is not its last one" };
    io::Error::new(io::ErrorKind::InvalidData, Damage::Sealed(why))
}

/// A reader that ends a header that does not end.
pub(super) struct Bounded<R> {
    pub(super) inner: R,
    left: Arc<AtomicU64>,
}

impl<R> Bounded<R> {
    fn spend(&self, count: usize) {
        let left = self.left.load(Ordering::Relaxed);
        if left != u64::MAX {
            self.left.store(left.saturating_sub(count as u64), Ordering::Relaxed);
        }
    }

    fn allowed(&self) -> usize {
        usize::try_from(self.left.load(Ordering::Relaxed)).unwrap_or(usize::MAX)
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(self.allowed());
        let read = self.inner.read(&mut buffer[..most]).map_err(below)?;
        self.spend(read);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Bounded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let most = self.allowed();
        let filled = self.inner.fill_buf().map_err(below)?;
        Ok(&filled[..filled.len().min(most)])
    }

    fn consume(&mut self, count: usize) {
        self.spend(count);
        self.inner.consume(count);
    }
}

impl<R: io::Seek> io::Seek for Bounded<R> {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.inner.seek(to).map_err(below)
    }
}

/// Reads the header and finds the identity that opens it.
pub(super) fn open<R: BufRead>(mut inner: R, identities: &Identities) -> Result<age::stream::StreamReader<Bounded<R>>, UnsealError> {
    let start = inner.fill_buf().map_err(UnsealError::Io)?;
    // A buffer may be shorter than the word; then the parser judges alone.
    let known = start.len().min(MAGIC.len());
    if start.is_empty() || start[..known] != MAGIC[..known] {
        return Err(UnsealError::Foreign);
    }
    let left = Arc::new(AtomicU64::new(LONGEST_HEADER));
    let decryptor = Decryptor::new_buffered(Bounded { inner, left: Arc::clone(&left) }).map_err(wrong)?;
    if decryptor.is_scrypt() {
        return Err(UnsealError::Passphrase);
    }
    left.store(u64::MAX, Ordering::Relaxed);
    decryptor.decrypt(identities.each()).map_err(wrong)
}

fn wrong(error: DecryptError) -> UnsealError {
    match error {
        DecryptError::NoMatchingKeys => UnsealError::NoIdentity,
        DecryptError::UnknownFormat => UnsealError::Newer,
        DecryptError::Io(error) => match error.downcast::<Below>() {
            Ok(Below(own)) => UnsealError::Io(own),
            Err(_) => UnsealError::Header,
        },
        DecryptError::Plugin(_) | DecryptError::PluginResolve(_) => UnsealError::Plugin(one_line(&error.to_string())),
        _ => UnsealError::Header,
    }
}
