//! An object as a stream: the next pieces are on their way while one is read.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;

use super::client::Wire;
use super::read::Piece;
use crate::store::error::StoreError;

/// Bytes of a piece.
const PIECE: u64 = 6 << 20;
/// Pieces of one reader that may be on their way or wait to be read.
const WINDOW: usize = 4;

/// Reads an object from an offset to its end.
pub(super) struct Stream {
    wire: Arc<Wire>,
    key: String,
    tag: Option<String>,
    total: u64,
    /// Where the first piece begins that was not asked for yet.
    next: u64,
    ahead: VecDeque<Coming>,
    frames: VecDeque<Bytes>,
    /// What may be on its way; grows as the reader comes back for more, so that a look at the beginning costs one piece.
    window: usize,
    broken: bool,
}

struct Coming {
    piece: JoinHandle<Result<Piece, StoreError>>,
    /// The first one has none: every reader goes on, whatever the others hold.
    _room: Option<OwnedSemaphorePermit>,
}

impl Stream {
    /// Reads the first piece, so that what is not there is said here.
    pub(super) fn open(wire: Arc<Wire>, key: &str, offset: u64) -> Result<Self, StoreError> {
        let first = wire.wait(wire.piece(key, offset, PIECE, None))?;
        let next = offset.saturating_add(PIECE);
        Ok(Self {
            wire,
            key: key.to_owned(),
            tag: first.tag,
            total: first.total,
            next,
            ahead: VecDeque::new(),
            frames: first.frames.into(),
            window: 1,
            broken: false,
        })
    }

    fn ask_ahead(&mut self) {
        while self.next < self.total && self.ahead.len() < self.window {
            let room = if self.ahead.is_empty() {
                None
            } else {
                match Arc::clone(&self.wire.ahead).try_acquire_owned() {
                    Ok(room) => Some(room),
                    Err(_) => break,
                }
            };
            let (wire, key, tag, at) = (Arc::clone(&self.wire), self.key.clone(), self.tag.clone(), self.next);
            let piece = self.wire.runtime().spawn(async move { wire.piece(&key, at, PIECE, tag.as_deref()).await });
            self.ahead.push_back(Coming { piece, _room: room });
            self.next += PIECE;
        }
    }

    fn advance(&mut self) -> Result<bool, StoreError> {
        self.ask_ahead();
        let Some(coming) = self.ahead.pop_front() else { return Ok(false) };
        let piece = self.wire.wait(coming.piece);
        let lost = |_| StoreError::of(&self.wire.place, "read", &self.key, io::Error::other("the thread that reads was lost"));
        self.frames = piece.map_err(lost)??.frames.into();
        self.window = (self.window * 2).min(WINDOW);
        self.ask_ahead();
        Ok(true)
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.broken {
            return Err(io::Error::other("an earlier read failed"));
        }
        loop {
            if let Some(frame) = self.frames.front_mut() {
                let n = frame.len().min(buffer.len());
                frame.copy_to_slice(&mut buffer[..n]);
                if frame.is_empty() {
                    self.frames.pop_front();
                }
                if n > 0 || buffer.is_empty() {
                    return Ok(n);
                }
                continue;
            }
            match self.advance() {
                Ok(true) => {}
                Ok(false) => return Ok(0),
                Err(error) => {
                    self.broken = true;
                    return Err(error.into());
                }
            }
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.ahead.iter().for_each(|coming| coming.piece.abort());
    }
}
