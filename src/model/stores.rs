//! Stores: places and limits, and that no two share one.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::id::{Instant, Name};
use super::read::Resolver;
use crate::finding::{Finding, Span, manifest as code};
use crate::manifest::tables::{Backfill, Checksums, Coordination, FilledText, LockMode, SizeText, Sse};
use crate::manifest::{Entity, Period, StoreTable, tables};

/// Bytes of a segment unless set: 16 GiB.
const SEGMENT_SIZE: u64 = 16 << 30;
/// The smallest segment: below it a payload would fall into a crowd of objects.
const SMALLEST_SEGMENT: u64 = 1 << 20;
/// The longest prefix of a bucket's keys, in bytes: what is behind it needs the rest of S3's 1,024.
const LONGEST_PREFIX: usize = 512;
/// The most parts of an object unless set, as S3 has it.
const MAX_PARTS: u16 = 10_000;

/// A place that holds artifacts.
#[derive(Debug, Clone, PartialEq)]
pub struct Store {
    /// Its name.
    pub name: Name,
    /// What it is.
    pub kind: StoreKind,
    /// Bytes that a capture must leave free.
    pub min_free: Option<u64>,
    /// Payloads are cut into objects of at most this many bytes.
    pub segment_size: u64,
    /// Runs take a lease in the store; without, only one host ever writes there.
    pub lease: bool,
    /// What is not encrypted is refused.
    pub require_encryption: bool,
    /// What of the past is copied there when it is new to a policy.
    pub backfill: Backfill,
    /// Where it is declared.
    pub span: Span,
}

/// What a store is.
#[derive(Debug, Clone, PartialEq)]
pub enum StoreKind {
    /// A folder.
    Directory {
        /// The folder, joined to the manifest's.
        path: PathBuf,
        /// It must be a mount point.
        mount: bool,
    },
    /// A bucket.
    S3(S3Store),
}

/// A bucket, and how to speak to it.
#[derive(Debug, Clone, PartialEq)]
pub struct S3Store {
    /// Its name.
    pub bucket: String,
    /// Its region; `None`: what the environment or the profile says.
    pub region: Option<String>,
    /// Stands before every key; empty, or ends in `/`.
    pub prefix: String,
    /// Where the service is; `None`: AWS, or what the environment says.
    pub endpoint: Option<String>,
    /// The bucket is named in the path.
    pub path_style: bool,
    /// Certificates to trust besides the system's, joined to the manifest's folder.
    pub ca_file: Option<PathBuf>,
    /// The profile that credentials come from.
    pub profile: Option<String>,
    /// The storage class of payloads.
    pub storage_class: Option<String>,
    /// Encryption by the service.
    pub sse: Option<Sse>,
    /// The key of `sse = "kms"`.
    pub sse_key: Option<String>,
    /// How long what is written cannot be deleted.
    pub object_lock: Option<ObjectLock>,
    /// The most parts of one object.
    pub max_parts: u16,
    /// What secures the bytes on the wire.
    pub checksums: Checksums,
}

/// How long what is written cannot be deleted, and who can lift it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ObjectLock {
    /// Who can lift it.
    pub mode: LockMode,
    /// How long, from the writing on.
    pub period: Period,
}

impl Store {
    /// Until when what is written now cannot be deleted.
    pub fn locked_until(&self, now: Instant) -> Option<Instant> {
        match &self.kind {
            StoreKind::Directory { .. } => None,
            StoreKind::S3(store) => store.object_lock.map(|lock| lock.period.after(now)),
        }
    }
}

/// What two stores must not share.
#[derive(PartialEq)]
enum Place {
    Folder(PathBuf),
    /// Endpoint, bucket and prefix.
    Keys(Option<String>, String, String),
}

impl Place {
    fn of(kind: &StoreKind) -> Self {
        match kind {
            StoreKind::Directory { path, .. } => Self::Folder(path.clone()),
            StoreKind::S3(store) => Self::Keys(store.endpoint.clone(), store.bucket.clone(), store.prefix.clone()),
        }
    }

    /// The word for it, where one lies in the other.
    fn shared(&self, other: &Self) -> Option<&'static str> {
        match (self, other) {
            (Self::Folder(a), Self::Folder(b)) if a == b => Some("the same folder"),
            (Self::Folder(a), Self::Folder(b)) if a.starts_with(b) || b.starts_with(a) => Some("folders inside each other"),
            (Self::Keys(at, a, under), Self::Keys(also, b, below)) if at == also && a == b => match () {
                () if under == below => Some("the same bucket under the same prefix"),
                () if under.starts_with(below.as_str()) || below.starts_with(under.as_str()) => {
                    Some("one bucket under prefixes inside each other")
                }
                () => None,
            },
            _ => None,
        }
    }

    /// The key that says where it is.
    fn key(&self) -> &'static str {
        match self {
            Self::Folder(_) => "path",
            Self::Keys(..) => "bucket",
        }
    }
}

/// What every kind of store has.
struct Common<'a> {
    segment_size: Option<&'a SizeText>,
    coordination: Option<Coordination>,
    require_encryption: Option<bool>,
    backfill: Option<Backfill>,
}

impl Resolver<'_> {
    pub(super) fn stores(&mut self, entities: &[Entity<StoreTable>]) -> BTreeMap<Name, Store> {
        let mut stores = BTreeMap::new();
        let mut placed: Vec<(Place, &Entity<StoreTable>)> = Vec::new();
        for entity in entities {
            let (kind, common, min_free) = match &entity.written {
                None => continue,
                Some(StoreTable::Directory(table)) => {
                    let path = self.path(entity, "path", &table.path);
                    let common = Common {
                        segment_size: table.segment_size.as_ref(),
                        coordination: table.coordination,
                        require_encryption: table.require_encryption,
                        backfill: table.backfill,
                    };
                    let kind = path.map(|path| StoreKind::Directory { path, mount: table.mount.unwrap_or(false) });
                    (kind, common, self.size(entity, "min_free", table.min_free.as_ref()))
                }
                Some(StoreTable::S3(table)) => {
                    let common = Common {
                        segment_size: table.segment_size.as_ref(),
                        coordination: table.coordination,
                        require_encryption: table.require_encryption,
                        backfill: table.backfill,
                    };
                    (self.bucket(entity, table).map(StoreKind::S3), common, None)
                }
            };
            let segment_size = self.size(entity, "segment_size", common.segment_size);
            if segment_size.is_some_and(|size| size < SMALLEST_SEGMENT) {
                self.findings.push(
                    Finding::new(code::OUT_OF_RANGE, format!("`{}.segment_size` must be at least 1MiB", entity.path))
                        .at(entity.value("segment_size"), "too small"),
                );
            }
            let (Ok(name), Some(kind)) = (entity.name.parse::<Name>(), kind) else { continue };
            let place = Place::of(&kind);
            for (other, first) in &placed {
                if let Some(how) = place.shared(other) {
                    self.findings.push(
                        Finding::new(code::STORES_OVERLAP, format!("the stores `{name}` and `{}` are in {how}", first.name))
                            .at(entity.value(place.key()), format!("where `{name}` is"))
                            .at(first.value(place.key()), format!("where `{}` is", first.name))
                            .help("give each store a place of its own"),
                    );
                }
            }
            placed.push((place, entity));
            stores.entry(name.clone()).or_insert(Store {
                name,
                kind,
                min_free,
                segment_size: segment_size.unwrap_or(SEGMENT_SIZE),
                lease: common.coordination != Some(Coordination::SingleWriter),
                require_encryption: common.require_encryption.unwrap_or(false),
                backfill: common.backfill.unwrap_or_default(),
                span: entity.head(),
            });
        }
        stores
    }

    fn bucket(&mut self, entity: &Entity<StoreTable>, table: &tables::S3Store) -> Option<S3Store> {
        let mut text = |key: &str, written: &Option<FilledText>| written.as_ref().and_then(|text| self.filled(entity, key, text));
        let region = text("region", &table.region);
        let profile = text("profile", &table.profile);
        let storage_class = text("storage_class", &table.storage_class);
        let sse_key = text("sse_key", &table.sse_key);
        let endpoint = text("endpoint", &table.endpoint);
        let prefix = text("prefix", &table.prefix);
        let bucket = self.filled(entity, "bucket", &table.bucket);
        self.wrong(entity, "bucket", bucket.as_deref().and_then(wrong_bucket));
        self.wrong(entity, "prefix", prefix.as_deref().and_then(wrong_prefix));
        self.wrong(entity, "endpoint", endpoint.as_deref().and_then(wrong_endpoint));
        let alone = sse_key.is_some() && table.sse != Some(Sse::Kms);
        self.wrong(entity, "sse_key", alone.then_some("a key is only used with `sse = \"kms\"`"));
        let ca_file = table.ca_file.as_ref().and_then(|file| self.path(entity, "ca_file", file));
        let plain = endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("http://"));
        self.wrong(entity, "ca_file", (plain && ca_file.is_some()).then_some("an endpoint of `http://` shows no certificate"));
        let max_parts = self.within(entity, "max_parts", table.max_parts, 2..=i64::from(MAX_PARTS));
        let object_lock = table.object_lock.as_ref().and_then(|lock| {
            let period = self.period(entity, "object_lock.for", Some(&lock.r#for))?;
            Some(ObjectLock { mode: lock.mode, period })
        });
        Some(S3Store {
            bucket: bucket?,
            region,
            prefix: prefix.map(|prefix| format!("{prefix}/")).unwrap_or_default(),
            endpoint: endpoint.map(|endpoint| endpoint.trim_end_matches('/').to_owned()),
            path_style: table.path_style.unwrap_or(false),
            ca_file,
            profile,
            storage_class,
            sse: table.sse,
            sse_key,
            object_lock,
            max_parts: max_parts.and_then(|n| u16::try_from(n).ok()).unwrap_or(MAX_PARTS),
            checksums: table.checksums.unwrap_or_default(),
        })
    }

    /// A value that is wrong for a reason, if there is one.
    fn wrong(&mut self, entity: &Entity<StoreTable>, key: &str, reason: Option<&str>) {
        self.findings.extend(
            reason.map(|reason| {
                Finding::new(code::BAD_VALUE, format!("`{}.{key}` cannot be used", entity.path)).at(entity.value(key), reason)
            }),
        );
    }
}

/// What every service agrees on; the rest is the service's to say.
fn wrong_bucket(bucket: &str) -> Option<&'static str> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if (3..=63).contains(&bucket.len()) && bucket.bytes().all(good) {
        None
    } else {
        Some("a bucket's name has 3 to 63 letters, digits, dots and hyphens; a folder in it is its `prefix`")
    }
}

fn wrong_prefix(prefix: &str) -> Option<&'static str> {
    if prefix.len() > LONGEST_PREFIX {
        Some("longer than 512 bytes")
    } else if !prefix.bytes().all(|byte| byte.is_ascii_graphic()) {
        Some("a prefix is printable ASCII without spaces")
    } else if prefix.split('/').any(|part| matches!(part, "" | "." | "..")) {
        Some("a prefix has no slash at its ends and no empty, `.` or `..` part")
    } else {
        None
    }
}

fn wrong_endpoint(endpoint: &str) -> Option<&'static str> {
    let Some((scheme, rest)) = endpoint.split_once("://") else { return Some("an endpoint begins with `https://` or `http://`") };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    if !matches!(scheme, "http" | "https") {
        Some("an endpoint begins with `https://` or `http://`")
    } else if host.contains('@') {
        Some("credentials do not belong into a manifest")
    } else if host.is_empty() || host.contains(char::is_whitespace) {
        Some("an endpoint names a host")
    } else if !path.is_empty() || endpoint.contains(['?', '#']) {
        Some("an endpoint has no path; the bucket is named by `bucket`")
    } else {
        None
    }
}
