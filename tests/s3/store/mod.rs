//! What every store does, on a real server: the suite that the library's own tests run over memory, folders and a server in the process,
//! compiled once more. So nothing of it is in the program.

#[path = "../../../src/store/conformance.rs"]
mod conformance;
mod lease;

use std::sync::Arc;

use chrono::Utc;
use lucid_policy::store::s3::{Credentials, S3};
pub(crate) use lucid_policy::store::*;

use crate::support::{Bucket, server};

/// A store in a bucket, below a prefix.
fn store(bucket: &Bucket, endpoint: &str, conditional: bool) -> S3 {
    let keys = &server().keys;
    let bucket = s3::Bucket {
        name: bucket.name.clone(),
        prefix: "deep/prefix/".to_owned(),
        region: Some("us-east-1".to_owned()),
        endpoint: Some(endpoint.to_owned()),
        path_style: true,
        ca_file: None,
        credentials: Credentials::Key { id: keys.key.clone(), secret: keys.secret.clone() },
        storage_class: None,
        sse: None,
        object_lock: None,
        max_parts: 10_000,
        checksums: true,
        conditional,
    };
    S3::open(bucket, Arc::new(Utc::now)).unwrap()
}

#[test]
fn a_bucket_is_a_store() {
    conformance::all(|| store(&Bucket::new(), &server().http, true));
}

#[test]
fn a_bucket_with_versions_is_a_store() {
    conformance::all(|| store(&Bucket::versioned(), &server().http, true));
}
