//! A register: a small object that is replaced only by whoever saw what it holds.

use bytes::Bytes;

use super::client::Wire;
use super::put::{Condition, SINGLE_WRITER};
use super::seen::Seen;
use crate::model::id::Instant;
use crate::store::error::StoreError;
use crate::store::port::Register;

impl Wire {
    /// What the register holds; none where there is none.
    pub(super) async fn load(&self, key: &str) -> Result<Option<Register>, StoreError> {
        let piece = match self.piece(key, 0, 1 << 20, None).await {
            Ok(piece) => piece,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error),
        };
        let lacks = |what| self.unusable(format!("`{key}` came without {what}, so no lease can be held there"), SINGLE_WRITER);
        let tag = piece.tag.clone().ok_or_else(|| lacks("a tag (`ETag`)"))?;
        let modified = piece.modified.ok_or_else(|| lacks("the time of its writing (`Last-Modified`)"))?;
        let now: Instant = piece.date.ok_or_else(|| lacks("the service's time (`Date`)"))?;
        Ok(Some(Register { bytes: piece.into_bytes().to_vec(), tag, modified, now }))
    }

    /// Writes the register if it still has that tag, or is not there; the new tag, or none if somebody else was first.
    pub(super) async fn swap(&self, key: &str, expected: Option<&str>, bytes: &[u8]) -> Result<Option<String>, StoreError> {
        if !self.bucket.conditional {
            return Err(self.unusable("it is declared to have no writes on condition, so there are no leases", SINGLE_WRITER));
        }
        let condition = expected.map_or(Condition::Absent, Condition::Tag);
        let seen = Seen::default();
        match self.put(key, Bytes::copy_from_slice(bytes), self.dress(key), condition, &seen).await {
            Ok(put) => match put.e_tag() {
                Some(tag) => Ok(Some(tag.to_owned())),
                None => Ok(self.load(key).await?.filter(|found| found.bytes == bytes).map(|found| found.tag)),
            },
            // of a second try: the first may have been done
            Err(failure) if failure.is_condition() && seen.repeated() => {
                Ok(self.load(key).await?.filter(|found| found.bytes == bytes).map(|found| found.tag))
            }
            Err(failure) if failure.is_condition() || failure.is_conflict() || failure.is_missing() => Ok(None),
            Err(failure) if failure.is_unknown() => Err(self.unusable("it does not know writes on condition (`If-Match`)", SINGLE_WRITER)),
            Err(failure) => Err(failure.about(self, "swap", key)),
        }
    }
}
