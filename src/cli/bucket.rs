//! A bucket of the manifest as the store layer takes it.

use std::sync::Arc;

use crate::model::{Checksums, LockMode, S3Store, Sse, Store};
use crate::store::s3;

/// The bucket of a store.
pub(super) fn of(store: &Store, bucket: &S3Store) -> s3::Bucket {
    s3::Bucket {
        name: bucket.bucket.clone(),
        prefix: bucket.prefix.clone(),
        region: bucket.region.clone(),
        endpoint: bucket.endpoint.clone(),
        path_style: bucket.path_style,
        ca_file: bucket.ca_file.clone(),
        credentials: s3::Credentials::Chain { profile: bucket.profile.clone() },
        storage_class: bucket.storage_class.clone(),
        sse: bucket.sse.map(|sse| match sse {
            Sse::S3 => s3::Sse::S3,
            Sse::Kms => s3::Sse::Kms(bucket.sse_key.clone()),
        }),
        object_lock: bucket.object_lock.map(|lock| s3::ObjectLock {
            mode: match lock.mode {
                LockMode::Governance => s3::LockMode::Governance,
                LockMode::Compliance => s3::LockMode::Compliance,
            },
            until: Arc::new(move |now| lock.period.after(now)),
        }),
        max_parts: bucket.max_parts,
        checksums: bucket.checksums == Checksums::Auto,
        conditional: store.lease,
    }
}
