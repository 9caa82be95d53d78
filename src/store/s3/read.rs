//! Reading objects, whole and in pieces.
//!
//! The SDK tries again until an answer begins; what is lost of its body is asked for here, from where it broke off and of the same
//! object: one that changed meanwhile is an error, never a mixture.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::time::Duration;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use bytes::Bytes;

use super::client::Wire;
use super::failure::Failure;
use super::put::instant;
use super::seen::Seen;
use crate::model::id::Instant;
use crate::store::error::StoreError;
use crate::store::port::Object;

/// Pieces that are read ahead, of all readers together.
pub(super) const AHEAD: usize = 4;
const SMALL: u64 = 64 << 20;

/// A stretch of an object.
pub(super) struct Piece {
    pub(super) frames: Vec<Bytes>,
    /// Bytes of the whole object.
    pub(super) total: u64,
    /// What the object is told apart by from a later one of its name.
    pub(super) tag: Option<String>,
    /// When it was written.
    pub(super) modified: Option<Instant>,
    /// The service's clock.
    pub(super) date: Option<Instant>,
}

impl Piece {
    /// Its bytes in one.
    pub(super) fn into_bytes(mut self) -> Bytes {
        if self.frames.len() == 1 { self.frames.pop().unwrap_or_default() } else { self.frames.concat().into() }
    }
}

impl Wire {
    /// A small object, whole.
    pub(super) async fn get(&self, key: &str) -> Result<Bytes, StoreError> {
        let piece = self.piece(key, 0, SMALL, None).await?;
        let (tag, total) = (piece.tag.clone(), piece.total);
        let mut bytes = piece.into_bytes();
        while (bytes.len() as u64) < total {
            let next = self.piece(key, bytes.len() as u64, SMALL, tag.as_deref()).await?;
            bytes = [bytes, next.into_bytes()].concat().into();
        }
        Ok(bytes)
    }

    /// Up to `length` bytes at `offset`, of the object with that tag; none at its end.
    pub(super) async fn piece(&self, key: &str, offset: u64, length: u64, tag: Option<&str>) -> Result<Piece, StoreError> {
        let mut piece = Piece { frames: Vec::new(), total: 0, tag: tag.map(str::to_owned), modified: None, date: None };
        let (mut at, end) = (offset, offset.saturating_add(length));
        let mut lost = io::Error::other("nothing came");
        for attempt in 0..self.patience.attempts {
            if attempt > 0 {
                tokio::time::sleep(self.pause(attempt)).await;
            }
            let seen = Seen::default();
            let output = match self.ask(key, at, end, piece.tag.as_deref(), &seen).await {
                Ok(output) => output,
                Err(failure) if failure.is_range() && at == offset => return self.past_the_end(key, piece).await,
                Err(failure) if failure.is_condition() => return Err(self.changed(key)),
                Err(failure) => return Err(failure.about(self, "read", key)),
            };
            if piece.tag.is_some() && output.e_tag() != piece.tag.as_deref() {
                return Err(self.changed(key));
            }
            piece.total = total(&output, at).ok_or_else(|| self.nonsense(key, "the answer is of another range than was asked"))?;
            piece.tag = output.e_tag().map(str::to_owned);
            piece.modified = output.last_modified().map(instant);
            piece.date = seen.date();
            let wanted = end.min(piece.total);
            let mut body = output.body;
            lost = loop {
                match body.next().await {
                    Some(Ok(frame)) => {
                        at += frame.len() as u64;
                        piece.frames.push(frame);
                    }
                    Some(Err(error)) => break io::Error::new(io::ErrorKind::ConnectionAborted, format!("its body broke off: {error}")),
                    None if at == wanted => return Ok(piece),
                    None => break io::Error::new(io::ErrorKind::UnexpectedEof, "its body ended too early"),
                }
            };
            if at > wanted {
                return Err(self.nonsense(key, "more came than was asked for"));
            }
            if at == wanted {
                return Ok(piece);
            }
        }
        Err(StoreError::of(&self.place, "read", key, lost))
    }

    /// How long to wait before the next try: drawn at random, so that many hosts do not come back at once.
    fn pause(&self, attempt: u32) -> Duration {
        let longest = self.patience.backoff.saturating_mul(1 << attempt.min(6));
        let share = RandomState::new().hash_one(attempt) % 1000;
        longest.mul_f64(f64::from(u16::try_from(share).unwrap_or(1000)) / 1000.0)
    }

    async fn ask(&self, key: &str, at: u64, end: u64, tag: Option<&str>, seen: &Seen) -> Result<GetObjectOutput, Failure> {
        let get = self.client.get_object().bucket(&self.bucket.name).key(self.whole(key));
        let get = get.range(format!("bytes={at}-{}", end.saturating_sub(1).max(at))).set_if_match(tag.map(str::to_owned));
        get.customize().interceptor(seen.clone()).send().await.map_err(Failure::from)
    }

    /// A range that begins after the end says nothing of the object itself.
    async fn past_the_end(&self, key: &str, piece: Piece) -> Result<Piece, StoreError> {
        let seen = Seen::default();
        let head = self.client.head_object().bucket(&self.bucket.name).key(self.whole(key));
        match head.customize().interceptor(seen.clone()).send().await.map_err(Failure::from) {
            Ok(head) => Ok(Piece {
                total: head.content_length().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0),
                tag: head.e_tag().map(str::to_owned),
                modified: head.last_modified().map(instant),
                date: seen.date(),
                ..piece
            }),
            Err(failure) => Err(failure.about(self, "read", key)),
        }
    }

    fn changed(&self, key: &str) -> StoreError {
        self.nonsense(key, "it was replaced while it was read")
    }

    fn nonsense(&self, key: &str, what: &str) -> StoreError {
        StoreError::of(&self.place, "read", key, io::Error::new(io::ErrorKind::InvalidData, what))
    }

    /// One object as it is now.
    pub(super) async fn look(&self, key: &str) -> Result<Option<Object>, StoreError> {
        match self.client.head_object().bucket(&self.bucket.name).key(self.whole(key)).send().await.map_err(Failure::from) {
            Ok(head) => Ok(Some(Object {
                key: key.to_owned(),
                bytes: head.content_length().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0),
                modified: head.last_modified().map_or(Instant::MAX_UTC, instant),
            })),
            Err(failure) if failure.is_missing() => Ok(None),
            Err(failure) if failure.is_wordless() => {
                // the answer to HEAD has no body: the reason is in that to GET
                match self.ask(key, 0, 1, None, &Seen::default()).await {
                    Err(worded) if worded.is_missing() => Ok(None),
                    Err(worded) if !worded.is_range() => Err(worded.about(self, "look at", key)),
                    _ => Err(failure.about(self, "look at", key)),
                }
            }
            Err(failure) => Err(failure.about(self, "look at", key)),
        }
    }

    /// The service's clock, to the second.
    pub(super) async fn date(&self) -> Result<Option<Instant>, StoreError> {
        let seen = Seen::default();
        let list = self.client.list_objects_v2().bucket(&self.bucket.name).prefix(&self.bucket.prefix).max_keys(1);
        let asked = list.customize().interceptor(seen.clone()).send().await.map_err(Failure::from);
        asked.map_err(|failure| failure.about(self, "ask the time of", ""))?;
        Ok(seen.date())
    }
}

/// The size of the object that a range is of; none where it is not the range that was asked for.
fn total(output: &GetObjectOutput, at: u64) -> Option<u64> {
    let Some(range) = output.content_range() else {
        // the whole object, which is right where it was asked from its beginning
        return output.content_length().and_then(|bytes| u64::try_from(bytes).ok()).filter(|_| at == 0);
    };
    let (range, total) = range.strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    if first.parse::<u64>().ok()? == at { total.parse().ok() } else { None }
}
