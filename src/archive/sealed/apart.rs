//! Sealing with what comes behind it on a thread of its own: while one block is encrypted, those before it are hashed and written.
//!
//! Memory: [`PIECES`] pieces of [`PIECE`] bytes are under way at most. An error of the writer behind comes out as it was, at the next
//! write or at the end.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, ScopedJoinHandle};

use super::recipient::Recipient;
use super::seal::{Seal, SealError};

/// Bytes that change threads at once.
const PIECE: usize = 512 << 10;
/// Pieces between the threads.
const PIECES: usize = 4;

/// Runs `work` with a writer whose bytes arrive at `out` encrypted, in order and whole; returns what it returned.
pub fn seal_apart<T, E: From<SealError>>(
    recipients: &[Recipient],
    out: &mut (dyn Write + Send),
    work: impl FnOnce(&mut (dyn Write + Send)) -> Result<T, E>,
) -> Result<T, E> {
    thread::scope(|scope| {
        let (full, pieces) = sync_channel::<Vec<u8>>(PIECES);
        let (give, spare) = channel();
        let behind = scope.spawn(move || write_all(&pieces, out, &give));
        let front = Front { piece: Vec::with_capacity(PIECE), full: Some(full), spare, behind: Some(behind) };
        let mut seal = Seal::new(recipients, front)?;
        let value = work(&mut seal)?;
        let front = seal.finish().map_err(SealError::Io)?;
        front.finish().map_err(SealError::Io)?;
        Ok(value)
    })
}

fn write_all(pieces: &Receiver<Vec<u8>>, out: &mut (dyn Write + Send), give: &Sender<Vec<u8>>) -> io::Result<()> {
    while let Ok(piece) = pieces.recv() {
        out.write_all(&piece)?;
        // Nobody may be waiting for a spare one; then it is freed.
        let _ = give.send(piece);
    }
    Ok(())
}

/// Collects what was encrypted and hands it over.
struct Front<'scope> {
    piece: Vec<u8>,
    full: Option<SyncSender<Vec<u8>>>,
    spare: Receiver<Vec<u8>>,
    behind: Option<ScopedJoinHandle<'scope, io::Result<()>>>,
}

impl Front<'_> {
    fn hand_over(&mut self) -> io::Result<()> {
        let mut next = self.spare.try_recv().unwrap_or_else(|_| Vec::with_capacity(PIECE));
        next.clear();
        let piece = std::mem::replace(&mut self.piece, next);
        let sent = self.full.as_ref().is_some_and(|full| full.send(piece).is_ok());
        if sent { Ok(()) } else { self.join().and(Err(io::Error::other("an earlier write failed"))) }
    }

    /// What became of the writer behind.
    fn join(&mut self) -> io::Result<()> {
        self.full = None;
        match self.behind.take().map(ScopedJoinHandle::join) {
            None => Ok(()),
            Some(Ok(written)) => written,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
        }
    }

    fn finish(mut self) -> io::Result<()> {
        self.hand_over()?;
        self.join()
    }
}

impl Write for Front<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = (PIECE - self.piece.len()).min(buffer.len());
        self.piece.extend_from_slice(&buffer[..count]);
        if self.piece.len() == PIECE {
            self.hand_over()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
