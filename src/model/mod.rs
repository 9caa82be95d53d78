//! Documents to resolved, typed policies.
//!
//! [`read()`] takes texts and gives back everything at once: the set, if nothing is wrong with it, and all findings of all phases up to
//! the references. Defaults are filled in here and nowhere above, so that no layer has to know what an absent key means. Lints are the
//! next layer's.
//!
//! This is the only place that knows cron lines and zones; above, a schedule answers with instants.

mod crontab;
mod databases;
pub mod id;

mod names;
mod places;
mod policies;
mod read;
mod recipients;
mod rules;
pub mod schedule;
mod services;
mod set;
mod sources;
mod stores;
mod zone;

pub use databases::{MongodbPlace, MongodbSource, MongodbTls};
pub use id::{ArtifactId, Capture, IdError, Instant, Name, Random};
pub use read::{LintLevel, Loaded, Need, read};
pub use recipients::RecipientList;
pub use schedule::{Schedule, ScheduleError};
pub use services::{CATCH_UP_WITHIN, Mode, READY_TIMEOUT, Ready, Service, ServiceKind};
pub use set::{
    CommandSource, FilesSource, Guard, Named, Policy, PolicySet, PolicySpans, PolicyState, Retention, Run, SecretRef, Source, SourceKind,
    VolumeSource,
};
pub use stores::{ObjectLock, S3Store, Store, StoreKind};
pub use zone::{Shown, Zone, ZoneError};

pub use crate::manifest::tables::{Backfill, Checksums, Level, LockMode, Sse};
pub use crate::manifest::{Noun, Period};
