//! A bucket of a test's own, and hands that reach into it behind the program's back.

use std::future::Future;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{BucketVersioningStatus, ObjectLockMode, VersioningConfiguration};
use tokio::runtime::Runtime;

use super::server;

static MADE: AtomicU32 = AtomicU32::new(0);

/// A bucket. It goes with the server.
#[must_use]
pub(crate) struct Bucket {
    pub(crate) name: String,
    client: Client,
    runtime: Runtime,
}

/// A version of an object, or the mark that it was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) key: String,
    pub(crate) id: String,
    pub(crate) marker: bool,
}

impl Bucket {
    /// A plain one.
    #[track_caller]
    pub(crate) fn new() -> Self {
        Self::made(false)
    }

    /// One that keeps what is deleted.
    #[track_caller]
    pub(crate) fn versioned() -> Self {
        let bucket = Self::made(false);
        let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
        bucket.wait(bucket.client.put_bucket_versioning().bucket(&bucket.name).versioning_configuration(enabled).send()).unwrap();
        bucket
    }

    /// One whose objects can be locked, which is versioned by that.
    #[track_caller]
    pub(crate) fn lockable() -> Self {
        Self::made(true)
    }

    /// The same one, reached another way.
    pub(crate) fn through(self, endpoint: &str) -> Self {
        let client = client(endpoint);
        Self { client, ..self }
    }

    #[track_caller]
    fn made(lockable: bool) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let name = format!("test-{}-{}", process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let bucket = Self { name, client: client(&server().http), runtime };
        bucket.wait(bucket.client.create_bucket().bucket(&bucket.name).object_lock_enabled_for_bucket(lockable).send()).unwrap();
        bucket
    }

    fn wait<T>(&self, asked: impl Future<Output = T>) -> T {
        self.runtime.block_on(asked)
    }

    /// Every object below a prefix and its size, by key.
    #[track_caller]
    pub(crate) fn objects(&self, prefix: &str) -> Vec<(String, i64)> {
        self.wait(async {
            let mut pages = self.client.list_objects_v2().bucket(&self.name).prefix(prefix).into_paginator().send();
            let mut found = Vec::new();
            while let Some(page) = pages.next().await {
                let page = page.unwrap();
                found.extend(page.contents().iter().map(|o| (o.key().unwrap().to_owned(), o.size().unwrap())));
            }
            found
        })
    }

    /// Every key below a prefix, sorted.
    #[track_caller]
    pub(crate) fn keys(&self, prefix: &str) -> Vec<String> {
        self.objects(prefix).into_iter().map(|(key, _)| key).collect()
    }

    /// The one key below a prefix.
    #[track_caller]
    pub(crate) fn only(&self, prefix: &str) -> String {
        let mut keys = self.keys(prefix);
        assert_eq!(keys.len(), 1, "{keys:?}");
        keys.remove(0)
    }

    /// An object's bytes.
    #[track_caller]
    pub(crate) fn get(&self, key: &str) -> Vec<u8> {
        self.wait(async {
            let got = self.client.get_object().bucket(&self.name).key(key).send().await.unwrap();
            got.body.collect().await.unwrap().to_vec()
        })
    }

    /// Writes an object, over what is there.
    #[track_caller]
    pub(crate) fn put(&self, key: &str, bytes: impl Into<Vec<u8>>) {
        let bytes: Vec<u8> = bytes.into();
        self.wait(self.client.put_object().bucket(&self.name).key(key).body(bytes.into()).send()).unwrap();
    }

    /// Writes an object unless its name is taken: whether it was free.
    pub(crate) fn creates(&self, key: &str, text: &str) -> bool {
        let body = text.as_bytes().to_vec().into();
        self.wait(self.client.put_object().bucket(&self.name).key(key).if_none_match("*").body(body).send()).is_ok()
    }

    /// Writes an object that nobody can delete before so much time has passed.
    #[track_caller]
    pub(crate) fn put_locked(&self, key: &str, text: &str, time: Duration) {
        let until = DateTime::from(SystemTime::now() + time);
        let put = self.client.put_object().bucket(&self.name).key(key).object_lock_mode(ObjectLockMode::Compliance);
        self.wait(put.object_lock_retain_until_date(until).body(text.as_bytes().to_vec().into()).send()).unwrap();
    }

    /// Whether an object comes, whole.
    pub(crate) fn answers(&self, key: &str) -> bool {
        self.wait(async {
            let Ok(got) = self.client.get_object().bucket(&self.name).key(key).send().await else { return false };
            got.body.collect().await.is_ok()
        })
    }

    /// Changes one byte in the middle of an object.
    #[track_caller]
    pub(crate) fn alter(&self, key: &str) {
        let mut bytes = self.get(key);
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        self.put(key, bytes);
    }

    /// Leaves half of an object.
    #[track_caller]
    pub(crate) fn truncate(&self, key: &str) {
        let mut bytes = self.get(key);
        bytes.truncate(bytes.len() / 2);
        self.put(key, bytes);
    }

    /// Deletes an object.
    #[track_caller]
    pub(crate) fn delete(&self, key: &str) {
        self.wait(self.client.delete_object().bucket(&self.name).key(key).send()).unwrap();
    }

    /// Tries to delete one version of an object: whether the server has let that happen.
    pub(crate) fn deletes(&self, version: &Version) -> bool {
        self.wait(self.client.delete_object().bucket(&self.name).key(&version.key).version_id(&version.id).send()).is_ok()
    }

    /// Every version of what is or was below a prefix.
    #[track_caller]
    pub(crate) fn versions(&self, prefix: &str) -> Vec<Version> {
        let found = self.wait(self.client.list_object_versions().bucket(&self.name).prefix(prefix).send()).unwrap();
        assert_ne!(found.is_truncated(), Some(true), "more versions than a page has");
        let versions = found.versions().iter().map(|v| (v.key(), v.version_id(), false));
        let markers = found.delete_markers().iter().map(|m| (m.key(), m.version_id(), true));
        let own = |text: Option<&str>| text.unwrap().to_owned();
        versions.chain(markers).map(|(key, id, marker)| Version { key: own(key), id: own(id), marker }).collect()
    }

    /// The keys of uploads that have not ended.
    #[track_caller]
    pub(crate) fn uploads(&self) -> Vec<String> {
        let found = self.wait(self.client.list_multipart_uploads().bucket(&self.name).send()).unwrap();
        found.uploads().iter().map(|upload| upload.key().unwrap().to_owned()).collect()
    }

    /// How many parts there are of uploads that have not ended.
    #[track_caller]
    pub(crate) fn parts(&self) -> usize {
        self.wait(async {
            let found = self.client.list_multipart_uploads().bucket(&self.name).send().await.unwrap();
            let mut parts = 0;
            for upload in found.uploads() {
                let (key, id) = (upload.key().unwrap(), upload.upload_id().unwrap());
                // One that has just ended has none.
                let listed = self.client.list_parts().bucket(&self.name).key(key).upload_id(id).send().await;
                parts += listed.map_or(0, |listed| listed.parts().len());
            }
            parts
        })
    }

    /// Begins an upload that never ends.
    #[track_caller]
    pub(crate) fn begin_upload(&self, key: &str) {
        self.wait(self.client.create_multipart_upload().bucket(&self.name).key(key).send()).unwrap();
    }
}

/// One that tries once: a test wants to see what is wrong.
fn client(endpoint: &str) -> Client {
    let keys = &server().keys;
    let config = Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(&keys.key, &keys.secret, None, None, "test"))
        .endpoint_url(endpoint)
        .force_path_style(true)
        .retry_config(RetryConfig::disabled())
        .http_client(aws_smithy_http_client::Builder::new().build_http());
    Client::from_conf(config.build())
}
