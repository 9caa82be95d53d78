//! A bucket as a manifest describes it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::model::id::Instant;

/// A bucket, and how to speak to it.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// Stands before every key; empty, or ends in `/`.
    pub prefix: String,
    /// Its region; `None`: what the environment or the profile says.
    pub region: Option<String>,
    /// Where the service is, without a slash at its end; `None`: AWS, or what the environment says.
    pub endpoint: Option<String>,
    /// The bucket is named in the path.
    pub path_style: bool,
    /// Certificates in PEM to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Who we are there.
    pub credentials: Credentials,
    /// The storage class of payload.
    pub storage_class: Option<String>,
    /// Encryption by the service.
    pub sse: Option<Sse>,
    /// How long what is written cannot be deleted.
    pub object_lock: Option<ObjectLock>,
    /// The most parts of one object, at least 1.
    pub max_parts: u16,
    /// A checksum goes with every object and part; without, only where the protocol demands it.
    pub checksums: bool,
    /// The service judges conditions of writes. Without, a look comes before a write, and nothing but one writer is safe.
    pub conditional: bool,
}

impl Bucket {
    /// The bucket as messages name it.
    pub(super) fn place(&self) -> String {
        format!("s3://{}/{}", self.name, self.prefix).trim_end_matches('/').to_owned()
    }

    /// Where the service is, for people.
    pub(super) fn service(&self) -> &str {
        self.endpoint.as_deref().unwrap_or("the service")
    }

    /// Whether bytes go over the wire as they are.
    pub(super) fn plain(&self) -> bool {
        self.endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("http://"))
    }
}

/// Who we are to the service.
#[derive(Clone)]
pub enum Credentials {
    /// What every AWS tool would use: environment, profile, process, single sign-on, web identity, instance.
    Chain {
        /// The profile that decides; `None`: the environment's, or the default one.
        profile: Option<String>,
    },
    /// A key that is at hand.
    Key {
        /// Its id.
        id: String,
        /// Its secret; shown nowhere.
        secret: String,
    },
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chain { profile } => f.debug_struct("Chain").field("profile", profile).finish(),
            Self::Key { .. } => f.write_str("Key"),
        }
    }
}

/// Encryption by the service at rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sse {
    /// With the service's keys.
    S3,
    /// With a key of the key management service; `None`: the account's own.
    Kms(Option<String>),
}

/// How long what is written cannot be deleted, and who can lift it.
#[derive(Clone)]
pub struct ObjectLock {
    /// Who can lift it.
    pub mode: LockMode,
    /// Until when what is written at an instant is locked.
    pub until: Arc<dyn Fn(Instant) -> Instant + Send + Sync>,
}

impl fmt::Debug for ObjectLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectLock").field("mode", &self.mode).finish_non_exhaustive()
    }
}

/// Who can lift a lock before its date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockMode {
    /// Whoever has a permission of its own.
    Governance,
    /// Nobody.
    Compliance,
}
