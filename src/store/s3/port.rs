//! The two faces of the store, and the register, each call handed to the file that does it.

use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;

use super::client::S3;
use super::parts;
use super::stream::Stream;
use super::upload::Parts;
use crate::model::id::Instant;
use crate::store::doctor::Promise;
use crate::store::error::StoreError;
use crate::store::port::{Created, Object, Reach, ReadStore, Register, Removed, Survey, Swap, Upload, WriteStore, check_key, check_stored};

impl S3 {
    fn checked<'k>(&self, key: &'k str) -> Result<&'k str, StoreError> {
        check_key(&self.setup.place, key)
    }
}

impl ReadStore for S3 {
    fn place(&self) -> String {
        self.setup.place.clone()
    }

    fn survey(&self, prefix: &str, reach: Reach) -> Result<Survey, StoreError> {
        let wire = self.wire()?;
        wire.wait(wire.survey(prefix, reach))
    }

    fn pieces(&self, prefix: &str, take: &mut dyn FnMut(Vec<Object>)) -> Result<Survey, StoreError> {
        let wire = self.wire()?;
        wire.wait(wire.pieces(prefix, take))
    }

    fn get(&self, key: &str) -> Result<Vec<u8>, StoreError> {
        let (key, wire) = (self.checked(key)?, self.wire()?);
        wire.wait(wire.get(key)).map(Vec::from)
    }

    fn open(&self, key: &str, offset: u64) -> Result<Box<dyn Read + Send>, StoreError> {
        Ok(Box::new(Stream::open(self.wire()?, self.checked(key)?, offset)?))
    }

    fn read_at(&self, key: &str, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        let (key, wire) = (self.checked(key)?, self.wire()?);
        if buffer.is_empty() {
            return Ok(0);
        }
        let piece = wire.wait(wire.piece(key, offset, buffer.len() as u64, None))?;
        let mut done = 0;
        for frame in &piece.frames {
            buffer[done..done + frame.len()].copy_from_slice(frame);
            done += frame.len();
        }
        Ok(done)
    }

    fn look(&self, key: &str) -> Result<Option<Object>, StoreError> {
        let (key, wire) = (self.checked(key)?, self.wire()?);
        wire.wait(wire.look(key))
    }

    fn retained(&self, key: &str) -> Result<Option<Instant>, StoreError> {
        let (key, wire) = (self.checked(key)?, self.wire()?);
        wire.wait(wire.retained(key, None))
    }

    fn clock(&self) -> Result<Option<Instant>, StoreError> {
        let wire = self.wire()?;
        wire.wait(wire.date())
    }

    fn largest(&self) -> u64 {
        parts::largest(self.setup.bucket.max_parts)
    }

    fn free(&self) -> Result<Option<u64>, StoreError> {
        Ok(None)
    }
}

impl WriteStore for S3 {
    /// The same bytes under the name count as written where the answer to an earlier try may have been lost.
    fn create(&self, key: &str, bytes: &[u8]) -> Result<Created, StoreError> {
        let (key, wire) = (self.checked(key)?, self.wire()?);
        wire.wait(wire.lockable())?;
        wire.wait(wire.create(key, Bytes::copy_from_slice(bytes)))
    }

    fn create_locked(&self, key: &str, bytes: &[u8], until: Instant) -> Result<Option<Created>, StoreError> {
        let Some(lock) = &self.setup.bucket.object_lock else { return Ok(None) };
        let (key, wire) = (self.checked(key)?, self.wire()?);
        wire.wait(wire.lockable())?;
        let dress = wire.dress(key).locked(lock.mode, until);
        wire.wait(wire.create_in(key, Bytes::copy_from_slice(bytes), &dress)).map(Some)
    }

    /// A commit that got no clear answer and finds the name taken says so: by the digest the caller knows whose bytes they are.
    fn upload(&self, key: &str) -> Result<Box<dyn Upload>, StoreError> {
        let (key, wire) = (self.checked(key)?, self.wire()?);
        wire.wait(wire.lockable())?;
        Ok(Box::new(Parts::new(wire, key)))
    }

    fn delete(&self, key: &str) -> Result<Removed, StoreError> {
        let (key, wire) = (check_stored(&self.setup.place, key)?, self.wire()?);
        wire.wait(wire.remove(key))
    }

    fn delete_all(&self, keys: &[String]) -> Vec<Result<Removed, StoreError>> {
        if keys.iter().any(|key| check_stored(&self.setup.place, key).is_err()) {
            return keys.iter().map(|key| self.delete(key)).collect();
        }
        match self.wire() {
            Ok(wire) => wire.wait(wire.remove_all(keys)),
            // each error is made anew
            Err(_) => keys.iter().map(|key| self.delete(key)).collect(),
        }
    }

    fn extend(&self, key: &str, until: Instant) -> Result<(), StoreError> {
        let (key, wire) = (self.checked(key)?, self.wire()?);
        wire.wait(wire.extend(key, until))
    }

    fn traits(&self, folder: &str) -> Vec<Promise> {
        match self.wire() {
            Ok(wire) => wire.wait(async { [wire.part_limits(folder).await, wire.traits().await].concat() }),
            Err(error) => vec![Promise::unknown("bucket", error.to_string())],
        }
    }

    fn swapper(&self) -> Option<Arc<dyn Swap>> {
        self.setup.bucket.conditional.then(|| Arc::new(self.clone()) as Arc<dyn Swap>)
    }
}

impl Swap for S3 {
    fn load(&self, key: &str) -> Result<Option<Register>, StoreError> {
        let (key, wire) = (self.checked(key)?, self.wire()?);
        wire.wait(wire.load(key))
    }

    fn swap(&self, key: &str, expected: Option<&str>, bytes: &[u8]) -> Result<Option<String>, StoreError> {
        let (key, wire) = (self.checked(key)?, self.wire()?);
        wire.wait(wire.lockable())?;
        wire.wait(wire.swap(key, expected, bytes))
    }
}
