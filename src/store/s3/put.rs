//! Small objects, written once.
//!
//! A write that gets no clear answer is read back: the same bytes are as good as our own write, others mean that the name is taken.

use aws_sdk_s3::operation::put_object::PutObjectOutput;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{ChecksumAlgorithm, ObjectLockMode, ServerSideEncryption, StorageClass};
use bytes::Bytes;

use super::bucket::{LockMode, Sse};
use super::client::{Setup, Wire};
use super::failure::Failure;
use super::seen::Seen;
use crate::model::id::Instant;
use crate::store::error::StoreError;
use crate::store::layout::Area;
use crate::store::port::Created;

/// How often a write is begun again that another one crossed.
const CROSSINGS: usize = 5;

/// What a write demands of what is there.
#[derive(Debug, Clone, Copy)]
pub(super) enum Condition<'a> {
    /// Nothing is there.
    Absent,
    /// What is there has this tag.
    Tag(&'a str),
    /// Nothing.
    Any,
}

/// What an object is written with.
#[derive(Clone)]
pub(super) struct Dress {
    pub(super) storage_class: Option<StorageClass>,
    pub(super) sse: Option<ServerSideEncryption>,
    pub(super) sse_key: Option<String>,
    pub(super) lock: Option<ObjectLockMode>,
    pub(super) until: Option<DateTime>,
}

impl Dress {
    /// The same, locked until then.
    pub(super) fn locked(self, mode: LockMode, until: Instant) -> Self {
        Self { lock: Some(lock_mode(mode)), until: Some(date_time(until)), ..self }
    }
}

impl Setup {
    /// What the object of that key is written with.
    pub(super) fn dress(&self, key: &str) -> Dress {
        let area = area(key);
        let lock = self.bucket.object_lock.as_ref().filter(|_| is_locked(area));
        let (sse, sse_key) = match &self.bucket.sse {
            None => (None, None),
            Some(Sse::S3) => (Some(ServerSideEncryption::Aes256), None),
            Some(Sse::Kms(key)) => (Some(ServerSideEncryption::AwsKms), key.clone()),
        };
        Dress {
            storage_class: self.bucket.storage_class.as_deref().filter(|_| area == Some(Area::Data)).map(StorageClass::from),
            sse,
            sse_key,
            lock: lock.map(|lock| lock_mode(lock.mode)),
            until: lock.map(|lock| date_time((lock.until)((self.clock)()))),
        }
    }

    /// The checksum that goes with a body: always with a lock, which the protocol takes no other way.
    pub(super) fn algorithm(&self, dress: &Dress) -> Option<ChecksumAlgorithm> {
        (self.bucket.checksums || dress.lock.is_some()).then_some(ChecksumAlgorithm::Crc32)
    }
}

/// The area of a key.
pub(super) fn area(key: &str) -> Option<Area> {
    let (area, _) = key.split_once('/')?.1.split_once('/')?;
    Area::from_name(area)
}

/// What a restore needs is locked; what changes, expires or is told anew is not.
fn is_locked(area: Option<Area>) -> bool {
    matches!(area, Some(Area::Data | Area::Catalog | Area::Manifests | Area::Sets))
}

pub(super) fn lock_mode(mode: LockMode) -> ObjectLockMode {
    match mode {
        LockMode::Governance => ObjectLockMode::Governance,
        LockMode::Compliance => ObjectLockMode::Compliance,
    }
}

pub(super) fn date_time(at: Instant) -> DateTime {
    DateTime::from_secs_and_nanos(at.timestamp(), at.timestamp_subsec_nanos())
}

pub(super) fn instant(at: &DateTime) -> Instant {
    // a time that no calendar holds counts as young: nothing is swept for it
    Instant::from_timestamp(at.secs(), at.subsec_nanos()).unwrap_or(Instant::MAX_UTC)
}

impl Wire {
    /// One PUT.
    pub(super) async fn put(
        &self,
        key: &str,
        bytes: Bytes,
        dress: Dress,
        when: Condition<'_>,
        seen: &Seen,
    ) -> Result<PutObjectOutput, Failure> {
        let algorithm = self.algorithm(&dress);
        let limits = self.limits(bytes.len() as u64);
        let mut put = self.client.put_object().bucket(&self.bucket.name).key(self.whole(key));
        put = match when {
            Condition::Absent => put.if_none_match("*"),
            Condition::Tag(tag) => put.if_match(tag),
            Condition::Any => put,
        };
        let put = put
            .set_checksum_algorithm(algorithm)
            .set_storage_class(dress.storage_class)
            .set_server_side_encryption(dress.sse)
            .set_ssekms_key_id(dress.sse_key)
            .set_object_lock_mode(dress.lock)
            .set_object_lock_retain_until_date(dress.until)
            .body(ByteStream::from(bytes));
        let custom = put.customize().interceptor(seen.clone());
        let custom = custom.config_override(aws_sdk_s3::Config::builder().timeout_config(limits));
        custom.send().await.map_err(Failure::from)
    }

    /// Writes an object if its name is free. What is there with the same bytes counts as written when it may have been us.
    pub(super) async fn create(&self, key: &str, bytes: Bytes) -> Result<Created, StoreError> {
        self.create_in(key, bytes, &self.dress(key)).await
    }

    /// The same with what it is to be written with.
    pub(super) async fn create_in(&self, key: &str, bytes: Bytes, dress: &Dress) -> Result<Created, StoreError> {
        let condition = if self.bucket.conditional { Condition::Absent } else { Condition::Any };
        if !self.bucket.conditional && self.look(key).await?.is_some() {
            return Ok(Created::Taken);
        }
        for _ in 0..CROSSINGS {
            let seen = Seen::default();
            let Err(failure) = self.put(key, bytes.clone(), dress.clone(), condition, &seen).await else { return Ok(Created::New) };
            if failure.is_condition() && !seen.repeated() {
                return Ok(Created::Taken);
            }
            let crossed = failure.is_condition() || failure.is_conflict();
            if self.bucket.conditional && failure.is_unknown() {
                return Err(self.unusable("it does not know writes on condition (`If-None-Match`)", SINGLE_WRITER));
            }
            if !crossed && !failure.is_unclear() {
                return Err(failure.about(self, "write", key));
            }
            match self.get(key).await {
                Ok(found) if found == bytes => return Ok(Created::New),
                Ok(_) => return Ok(Created::Taken),
                Err(error) if error.is_not_found() && crossed => {}
                Err(_) => return Err(failure.about(self, "write", key)),
            }
        }
        let busy = std::io::Error::other("other writes of the same name come between; run it again");
        Err(StoreError::of(&self.place, "write", key, busy))
    }
}

pub(super) const SINGLE_WRITER: &str = "write `coordination = \"single-writer\"` if only this host ever writes there, or take a \
                                        service that knows them; `doctor` shows what it knows";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_restore_needs_is_locked_and_nothing_else() {
        let locked = |key| is_locked(area(key));
        assert!(["i/data/s/x/files", "i/catalog/s/x.json", "i/manifests/x", "i/sets/s/x"].into_iter().all(locked));
        let free =
            ["lucid.json", "data/x", "i/data", "i/lock/s", "i/owner/1.json", "i/checks/s/x/y", "i/holds/s/x/y", "i/runs/x", "i/other/x"];
        assert!(!free.into_iter().any(locked));
    }
}
