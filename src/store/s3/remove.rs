//! Removing objects, all their versions, many at once.
//!
//! A bucket that keeps versions gets each version of the key removed by its id, the one that is visible last, so that no older one
//! comes to light when this is cut. Where versions may not be removed, the object is hidden. Where it cannot be known whether
//! there are versions, a plain delete tells by its answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use aws_sdk_s3::types::{BucketVersioningStatus, Delete, EncodingType, ObjectIdentifier};
use futures_util::stream::{self, StreamExt};

use super::client::Wire;
use super::failure::Failure;
use super::leftover;
use super::page::decoded;
use crate::store::error::StoreError;
use crate::store::port::Removed;

/// Keys of one request; no service takes more.
const BATCH: usize = 1000;
/// Requests with many keys at once.
const BATCHES: usize = 4;
/// Requests with one key at once.
const SINGLES: usize = 16;

/// What is known of the bucket's versions, as it is remembered.
const ASK: u8 = 0;
const NONE: u8 = 1;
const KEPT: u8 = 2;
const UNKNOWN: u8 = 3;

/// One version of an object, or one mark that it was deleted.
struct Version {
    id: String,
    marker: bool,
    latest: bool,
}

impl Wire {
    /// Removes an object, or aborts the upload of that name.
    pub(super) async fn remove(&self, key: &str) -> Result<Removed, StoreError> {
        if let Some((object, id)) = leftover::read(key) {
            return self.abort(&object, &id).await.map(|()| Removed::Gone);
        }
        if self.versions().await? == KEPT { self.remove_versions(key).await } else { self.plain(key).await }
    }

    /// Removes objects, in batches where the service takes them; what became of each, in their order.
    pub(super) async fn remove_all(&self, keys: &[String]) -> Vec<Result<Removed, StoreError>> {
        let mut outcomes: BTreeMap<usize, Result<Removed, StoreError>> = BTreeMap::new();
        let mut batched: Vec<(usize, Option<String>)> = Vec::new();
        let mut singles: Vec<usize> = Vec::new();
        let plain = keys.len() > 1 && matches!(self.versions().await, Ok(NONE | UNKNOWN));
        let kept = keys.len() > 1 && self.setup.versions.load(Ordering::Relaxed) == KEPT;
        let objects = keys.iter().enumerate().filter(|(_, key)| leftover::read(key).is_none());
        if plain {
            batched = objects.map(|(n, _)| (n, None)).collect();
        } else if kept {
            let listed = objects.map(|(n, key)| async move { (n, self.versions_of(key).await) });
            let listed: Vec<_> = stream::iter(listed).buffer_unordered(SINGLES).collect().await;
            for (n, versions) in listed {
                match versions {
                    Ok(mut versions) if versions.len() <= 1 => match versions.pop() {
                        Some(version) => batched.push((n, Some(version.id))),
                        None => {
                            outcomes.insert(n, Ok(Removed::Gone));
                        }
                    },
                    _ => singles.push(n),
                }
            }
        }
        let decided: BTreeSet<usize> =
            batched.iter().map(|(n, _)| *n).chain(singles.iter().copied()).chain(outcomes.keys().copied()).collect();
        singles.extend((0..keys.len()).filter(|n| !decided.contains(n)));
        let batches = batched.chunks(BATCH).map(|batch| async move { (batch, self.batch(keys, batch).await) });
        let answers: Vec<_> = stream::iter(batches).buffer_unordered(BATCHES).collect().await;
        for (batch, answer) in answers {
            match answer {
                Ok(mut removed) => {
                    for (n, _) in batch {
                        match removed.remove(keys[*n].as_str()) {
                            Some(removed) => _ = outcomes.insert(*n, Ok(removed)),
                            // refused alone, or not spoken of: asked for alone, the answer has a reason
                            None => singles.push(*n),
                        }
                    }
                }
                // a service that knows no batches, or that dislikes how they are secured
                Err(failure) if failure.is_request() || failure.is_unknown() || failure.is_denied() => {
                    singles.extend(batch.iter().map(|(n, _)| *n));
                }
                Err(failure) => {
                    for (n, _) in batch {
                        outcomes.insert(*n, Err(failure.clone().about(self, "delete", &keys[*n])));
                    }
                }
            }
        }
        let alone = singles.into_iter().map(|n| async move { (n, self.remove(&keys[n]).await) });
        outcomes.extend(stream::iter(alone).buffer_unordered(SINGLES).collect::<Vec<_>>().await);
        outcomes.into_values().collect()
    }

    /// One request for many keys: what became of those that it did.
    async fn batch<'k>(&self, keys: &'k [String], batch: &[(usize, Option<String>)]) -> Result<BTreeMap<&'k str, Removed>, Failure> {
        let objects = batch.iter().filter_map(|(n, version)| {
            let object = ObjectIdentifier::builder().key(self.whole(&keys[*n])).set_version_id(version.clone());
            object.build().ok()
        });
        let Ok(delete) = Delete::builder().set_objects(Some(objects.collect())).quiet(false).build() else {
            return Ok(BTreeMap::new());
        };
        let limits = aws_sdk_s3::Config::builder().timeout_config(self.limits(0));
        let delete = self.client.delete_objects().bucket(&self.bucket.name).delete(delete).customize().config_override(limits);
        let answer = delete.send().await.map_err(Failure::from)?;
        let done = answer.deleted().iter().filter_map(|deleted| Some((self.own(deleted.key()?)?, deleted)));
        let mut done: BTreeMap<String, Removed> = done
            .map(|(key, deleted)| {
                let hidden = deleted.delete_marker() == Some(true) && deleted.version_id().is_none();
                (key, if hidden { Removed::Hidden } else { Removed::Gone })
            })
            .collect();
        for refused in answer.errors() {
            if let Some(key) = refused.key().and_then(|key| self.own(key)) {
                done.remove(&key);
            }
        }
        Ok(batch.iter().filter_map(|(n, _)| Some((keys[*n].as_str(), done.remove(&keys[*n])?))).collect())
    }

    /// Whether the bucket keeps versions, asked once.
    async fn versions(&self) -> Result<u8, StoreError> {
        let known = self.setup.versions.load(Ordering::Relaxed);
        if known != ASK {
            return Ok(known);
        }
        let found = match self.client.get_bucket_versioning().bucket(&self.bucket.name).send().await.map_err(Failure::from) {
            Ok(found) => match found.status() {
                // a bucket that has stopped to keep them has those of before
                Some(BucketVersioningStatus::Enabled | BucketVersioningStatus::Suspended) => KEPT,
                _ => NONE,
            },
            Err(failure) if failure.is_denied() || failure.is_unknown() || failure.is_request() || failure.is_missing() => UNKNOWN,
            Err(failure) => return Err(failure.about(self, "ask for the versions of", "")),
        };
        self.setup.versions.store(found, Ordering::Relaxed);
        Ok(found)
    }

    /// A delete without a version.
    async fn plain(&self, key: &str) -> Result<Removed, StoreError> {
        match self.client.delete_object().bucket(&self.bucket.name).key(self.whole(key)).send().await.map_err(Failure::from) {
            Ok(deleted) if deleted.delete_marker() == Some(true) => Ok(Removed::Hidden),
            Ok(_) => Ok(Removed::Gone),
            Err(failure) if failure.is_missing() => Ok(Removed::Gone),
            Err(failure) => Err(self.refused(failure, key, None).await),
        }
    }

    async fn remove_versions(&self, key: &str) -> Result<Removed, StoreError> {
        let versions = match self.versions_of(key).await {
            Ok(versions) => versions,
            Err(failure) if failure.is_denied() || failure.is_unknown() => return self.plain(key).await,
            Err(failure) => return Err(failure.about(self, "list the versions of", key)),
        };
        let hidden = versions.iter().any(|version| version.latest && version.marker);
        for version in versions {
            let delete = self.client.delete_object().bucket(&self.bucket.name).key(self.whole(key)).version_id(&version.id);
            match delete.send().await.map_err(Failure::from) {
                Ok(_) => {}
                Err(failure) if failure.is_missing() => {}
                Err(failure) => {
                    let (denied, marker) = (failure.is_denied(), version.marker);
                    let error = self.refused(failure, key, Some(&version.id).filter(|_| !marker).map(String::as_str)).await;
                    if denied && !marker && !matches!(error, StoreError::Locked { .. }) && !self.is_free(key, &version.id).await {
                        return Err(StoreError::Locked { place: self.place.clone(), key: key.to_owned(), until: None });
                    }
                    let locked = matches!(error, StoreError::Locked { .. });
                    return if locked || !denied {
                        Err(error)
                    } else if hidden {
                        Ok(Removed::Hidden)
                    } else {
                        self.plain(key).await
                    };
                }
            }
        }
        Ok(Removed::Gone)
    }

    /// Every version of an object, in the order in which they may go.
    async fn versions_of(&self, key: &str) -> Result<Vec<Version>, Failure> {
        let whole = self.whole(key);
        let (mut found, mut markers) = (Vec::new(), Vec::new());
        let (mut from_key, mut from_version) = (None, None);
        loop {
            let list = self.client.list_object_versions().bucket(&self.bucket.name).prefix(&whole).encoding_type(EncodingType::Url);
            let list = list.set_key_marker(from_key.take()).set_version_id_marker(from_version.take());
            let page = list.send().await.map_err(Failure::from)?;
            let url = page.encoding_type() == Some(&EncodingType::Url);
            let ours = |listed: Option<&str>| listed.and_then(|listed| decoded(listed, url)).is_some_and(|listed| listed == whole);
            let of = |id: Option<&str>, latest, marker| Version { id: id.unwrap_or("null").to_owned(), marker, latest };
            found.extend(page.versions().iter().filter(|v| ours(v.key())).map(|v| of(v.version_id(), v.is_latest() == Some(true), false)));
            let marks = page.delete_markers().iter().filter(|m| ours(m.key()));
            markers.extend(marks.map(|m| of(m.version_id(), m.is_latest() == Some(true), true)));
            // longer keys with the same beginning come after all of this one's
            let same = page.next_key_marker().and_then(|next| decoded(next, url)).is_some_and(|next| next == whole);
            if page.is_truncated() != Some(true) || !same {
                break;
            }
            (from_key, from_version) = (page.next_key_marker().map(str::to_owned), page.next_version_id_marker().map(str::to_owned));
        }
        // listed from the newest on
        found.reverse();
        found.extend(markers);
        found.sort_by_key(|version| (version.latest, version.marker));
        Ok(found)
    }

    /// Why a delete was refused: a lock says it differently on every service, so the lock itself is asked.
    async fn refused(&self, failure: Failure, key: &str, version: Option<&str>) -> StoreError {
        if (failure.is_denied() || failure.is_request() || failure.is_conflict())
            && let Ok(Some(until)) = self.retained(key, version).await
            && until > (self.clock)()
        {
            return StoreError::Locked { place: self.place.clone(), key: key.to_owned(), until: Some(until) };
        }
        failure.about(self, "delete", key)
    }
}
