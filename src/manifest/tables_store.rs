//! Tables of stores, as written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::tables::{DurationText, FilledText, NameText, SizeText};

/// Places that hold artifacts, by kind.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stores {
    /// Folders of a file system, as `[store.directory.NAME]`.
    #[schemars(extend("x-tombi-additional-key-label" = "store_name"))]
    pub directory: Option<BTreeMap<NameText, DirectoryStore>>,
    /// Buckets of S3 and of what speaks its protocol, as `[store.s3.NAME]`. Credentials never stand here: they come from the environment,
    /// the profile, a web identity or the instance, in the order of every AWS tool.
    #[schemars(extend("x-tombi-additional-key-label" = "store_name"))]
    pub s3: Option<BTreeMap<NameText, S3Store>>,
}

/// A folder that holds artifacts.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-taplo" = { "initKeys": ["path"] }))]
pub struct DirectoryStore {
    /// The folder. A relative path counts from the manifest's folder.
    #[schemars(extend("examples" = ["/srv/backups"]))]
    pub path: FilledText,
    /// The folder must be a mount point: an unmounted disk is then an error and not an empty store.
    #[schemars(extend("default" = false))]
    pub mount: Option<bool>,
    /// Bytes that a capture must leave free.
    pub min_free: Option<SizeText>,
    /// Refuse artifacts that are not encrypted.
    #[schemars(extend("default" = false))]
    pub require_encryption: Option<bool>,
    /// Payloads are cut into objects of at most this size.
    #[schemars(extend("default" = "16GiB"))]
    pub segment_size: Option<SizeText>,
    /// How runs on several hosts keep out of each other's way.
    #[schemars(extend("default" = "lease"))]
    pub coordination: Option<Coordination>,
    /// What of the past is copied to a store that is new to a policy.
    #[schemars(extend("default" = "all"))]
    pub backfill: Option<Backfill>,
}

/// A bucket that holds artifacts.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-taplo" = { "initKeys": ["bucket", "region"] }))]
pub struct S3Store {
    /// The bucket. It has to be there: this program makes none.
    #[schemars(extend("examples" = ["lucid-backups"]))]
    pub bucket: FilledText,
    /// The region; what the environment or the profile says unless set.
    #[schemars(extend("examples" = ["eu-central-1"]))]
    pub region: Option<FilledText>,
    /// Put before every key, without a slash at its ends; at most 512 bytes.
    #[schemars(extend("examples" = ["prod"]))]
    pub prefix: Option<FilledText>,
    /// Where the service is, as `https://HOST[:PORT]`, for what is not AWS.
    pub endpoint: Option<FilledText>,
    /// Name the bucket in the path instead of in the host's name, as most servers that are not AWS want it.
    #[schemars(extend("default" = false))]
    pub path_style: Option<bool>,
    /// A file of certificates in PEM to trust besides the system's. A relative path counts from the manifest's folder.
    pub ca_file: Option<FilledText>,
    /// The profile of the AWS configuration that credentials come from.
    pub profile: Option<FilledText>,
    /// The storage class of payloads. Records and leases always have the bucket's own.
    #[schemars(extend("examples" = ["STANDARD_IA"]))]
    pub storage_class: Option<FilledText>,
    /// Encryption by the service at rest.
    pub sse: Option<Sse>,
    /// The key of `sse = "kms"`; the account's own unless set.
    pub sse_key: Option<FilledText>,
    /// Artifacts cannot be deleted, by anybody, for some time: `{ mode = "compliance", for = "30d" }`. Needs a bucket with Object Lock.
    pub object_lock: Option<ObjectLock>,
    /// The most parts that one object may have; less only where a service allows less.
    #[schemars(range(min = 2, max = 10_000), extend("default" = 10_000))]
    pub max_parts: Option<i64>,
    /// What secures the bytes on the wire.
    #[schemars(extend("default" = "auto"))]
    pub checksums: Option<Checksums>,
    /// Refuse artifacts that are not encrypted.
    #[schemars(extend("default" = false))]
    pub require_encryption: Option<bool>,
    /// Payloads are cut into objects of at most this size.
    #[schemars(extend("default" = "16GiB"))]
    pub segment_size: Option<SizeText>,
    /// How runs on several hosts keep out of each other's way.
    #[schemars(extend("default" = "lease"))]
    pub coordination: Option<Coordination>,
    /// What of the past is copied to a store that is new to a policy.
    #[schemars(extend("default" = "all"))]
    pub backfill: Option<Backfill>,
}

/// Encryption by the service at rest. It is no substitute for recipients: the service can read everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sse {
    /// With the service's keys.
    S3,
    /// With a key of the key management service.
    Kms,
}

/// Artifacts cannot be deleted for some time.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectLock {
    /// Who can lift it.
    pub mode: LockMode,
    /// How long, from the writing on.
    pub r#for: DurationText,
}

/// Who can lift a lock before its date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LockMode {
    /// Whoever has a permission of its own.
    Governance,
    /// Nobody.
    Compliance,
}

/// What secures the bytes on the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Checksums {
    /// A checksum with every object and part.
    #[default]
    Auto,
    /// Only where the protocol demands it, for services that refuse the others.
    WhenRequired,
}

/// What of the past is copied to a store that is new to a policy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Backfill {
    /// Everything that the store's retention keeps.
    #[default]
    All,
    /// The newest artifact, and what comes after it.
    Newest,
    /// Only what is younger than the store.
    None,
}

/// How runs on several hosts keep out of each other's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Coordination {
    /// A lease in the store: a lock on a file, or an object that is changed by compare-and-swap.
    Lease,
    /// Nothing in the store: only this host ever writes there. For file systems whose locks do not hold, as some network shares, and
    /// for buckets without conditional writes.
    SingleWriter,
}
