//! Promises that an object stays: Object Lock.

use std::sync::atomic::Ordering;

use aws_sdk_s3::types::{ObjectLockLegalHoldStatus, ObjectLockRetention, ObjectLockRetentionMode};

use super::bucket::LockMode;
use super::client::Wire;
use super::failure::Failure;
use super::put::{date_time, instant};
use crate::model::id::Instant;
use crate::store::error::StoreError;

const NO_LOCK: &str = "turn Object Lock on for the bucket, which some services allow at its making only, or remove `object_lock`";

impl Wire {
    /// Until when an object, or one version of it, cannot be removed.
    pub(super) async fn retained(&self, key: &str, version: Option<&str>) -> Result<Option<Instant>, StoreError> {
        match self.promise(key, version).await {
            Ok(promise) => Ok(promise.map(|(_, until)| until)),
            Err(failure) if failure.is_missing() => Ok(None),
            // without a lock in the manifest it is a question only, and a role may lack the right to ask it
            Err(failure) if failure.is_denied() && self.bucket.object_lock.is_none() => Ok(None),
            Err(failure) => Err(failure.about(self, "ask for the lock of", key)),
        }
    }

    /// That the bucket can lock what the manifest wants locked. Asked once, before anything is written; a role that may not ask goes on.
    pub(super) async fn lockable(&self) -> Result<(), StoreError> {
        if self.bucket.object_lock.is_none() || self.setup.lockable.load(Ordering::Relaxed) {
            return Ok(());
        }
        match self.object_lock().await {
            Ok(Some(_)) => {}
            Err(failure) if failure.is_denied() => {}
            Err(failure) if !failure.is_no_lock() => return Err(failure.about(self, "ask for the Object Lock of", &self.bucket.name)),
            _ => return Err(self.unusable("the bucket has no Object Lock, and `object_lock` asks for it", NO_LOCK)),
        }
        self.setup.lockable.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Promises that an object stays until then, where the manifest has a lock; a later promise stands.
    pub(super) async fn extend(&self, key: &str, until: Instant) -> Result<(), StoreError> {
        let Some(lock) = &self.bucket.object_lock else { return self.look(key).await.map(|_| ()) };
        let promise = self.promise(key, None).await.map_err(|failure| failure.about(self, "ask for the lock of", key))?;
        if promise.as_ref().is_some_and(|(_, promised)| *promised >= until) {
            return Ok(());
        }
        // a mode is never weakened, which the service would refuse as well
        let mode = match (promise, lock.mode) {
            (Some((ObjectLockRetentionMode::Compliance, _)), _) | (_, LockMode::Compliance) => ObjectLockRetentionMode::Compliance,
            _ => ObjectLockRetentionMode::Governance,
        };
        let retention = ObjectLockRetention::builder().mode(mode).retain_until_date(date_time(until)).build();
        let put = self.client.put_object_retention().bucket(&self.bucket.name).key(self.whole(key)).retention(retention);
        let put = if self.bucket.checksums { put.checksum_algorithm(aws_sdk_s3::types::ChecksumAlgorithm::Crc32) } else { put };
        put.send().await.map(|_| ()).map_err(|error| Failure::from(error).about(self, "extend the lock of", key))
    }

    /// Whether it is certain that no lock keeps a version: what cannot be asked for may be there.
    pub(super) async fn is_free(&self, key: &str, version: &str) -> bool {
        let hold = self.client.get_object_legal_hold().bucket(&self.bucket.name).key(self.whole(key)).version_id(version);
        let held = match hold.send().await.map_err(Failure::from) {
            Ok(found) => found.legal_hold().and_then(|hold| hold.status()) == Some(&ObjectLockLegalHoldStatus::On),
            Err(failure) => !failure.is_no_lock() && !failure.is_missing(),
        };
        let promised = match self.promise(key, Some(version)).await {
            Ok(promise) => promise.is_some_and(|(_, until)| until > (self.clock)()),
            Err(failure) => !failure.is_missing(),
        };
        !held && !promised
    }

    async fn promise(&self, key: &str, version: Option<&str>) -> Result<Option<(ObjectLockRetentionMode, Instant)>, Failure> {
        let ask = self.client.get_object_retention().bucket(&self.bucket.name).key(self.whole(key));
        match ask.set_version_id(version.map(str::to_owned)).send().await.map_err(Failure::from) {
            Ok(found) => Ok(found.retention().and_then(|found| {
                let until = found.retain_until_date().map(instant)?;
                Some((found.mode().cloned().unwrap_or(ObjectLockRetentionMode::Governance), until))
            })),
            Err(failure) if failure.is_no_lock() => Ok(None),
            // versitygw names this document otherwise than the protocol does
            Err(failure) if failure.is_unreadable() => match self.promise_beside(key, version).await? {
                Some(promise) => Ok(Some(promise)),
                None => Err(failure),
            },
            Err(failure) => Err(failure),
        }
    }

    /// The same from the headers of the object, which say nothing to whoever lacks the right to ask.
    async fn promise_beside(&self, key: &str, version: Option<&str>) -> Result<Option<(ObjectLockRetentionMode, Instant)>, Failure> {
        let head = self.client.head_object().bucket(&self.bucket.name).key(self.whole(key)).set_version_id(version.map(str::to_owned));
        let found = head.send().await.map_err(Failure::from)?;
        Ok(found.object_lock_retain_until_date().map(|until| {
            let mode = found.object_lock_mode().map_or("GOVERNANCE", |mode| mode.as_str());
            (ObjectLockRetentionMode::from(mode), instant(until))
        }))
    }
}
