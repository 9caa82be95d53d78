//! Documents: what was written, where, in how many files. No defaults, no references.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::tables;
use crate::finding::{Lines, Span};

/// What tables are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Noun {
    /// A place that holds artifacts.
    Store,
    /// What is protected.
    Source,
    /// What can be quieted and woken.
    Service,
    /// When.
    Schedule,
    /// How long.
    Retention,
    /// All of that together.
    Policy,
    /// The level of a lint.
    Lint,
}

impl Noun {
    /// Every noun.
    pub const ALL: [Self; 7] = [Self::Store, Self::Source, Self::Service, Self::Schedule, Self::Retention, Self::Policy, Self::Lint];

    /// The word, as in keys and addresses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Source => "source",
            Self::Service => "service",
            Self::Schedule => "schedule",
            Self::Retention => "retention",
            Self::Policy => "policy",
            Self::Lint => "lint",
        }
    }
}

impl fmt::Display for Noun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Where a key and its value stand, in bytes.
pub(super) type Place = (Range<usize>, Range<usize>);

/// One file: its text, and where every key and value stands by dotted path (`policy.config.stores[1]`).
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The text.
    pub lines: Lines,
    pub(super) places: HashMap<String, Place>,
}

impl Page {
    /// Where the key at that path stands.
    pub fn key(&self, path: &str) -> Option<Span> {
        self.places.get(path).map(|(key, _)| self.lines.span(key.clone()))
    }

    /// Where the value at that path stands.
    pub fn value(&self, path: &str) -> Option<Span> {
        self.places.get(path).map(|(_, value)| self.lines.span(value.clone()))
    }
}

/// One table with a name, or one setting of the root.
#[derive(Debug, Clone, PartialEq)]
pub struct Entity<T> {
    /// Its name; the key itself for settings of the root.
    pub name: String,
    /// Its dotted path.
    pub path: String,
    /// The file it stands in.
    pub page: Arc<Page>,
    /// What was written, as far as it could be read; `None`: declared, but nothing more is known.
    pub written: Option<T>,
    /// Nothing of the table was dropped as unreadable or unknown.
    pub whole: bool,
}

impl<T> Entity<T> {
    /// Where the name stands.
    pub fn head(&self) -> Span {
        self.page.key(&self.path).unwrap_or_else(|| self.page.lines.span(0..0))
    }

    /// Where a key of this table stands; its name if the key was not written.
    pub fn key(&self, key: &str) -> Span {
        self.page.key(&format!("{}.{key}", self.path)).unwrap_or_else(|| self.head())
    }

    /// Where the value of a key of this table stands; its name if the key was not written.
    pub fn value(&self, key: &str) -> Span {
        self.page.value(&format!("{}.{key}", self.path)).unwrap_or_else(|| self.head())
    }

    /// Where the value of a setting of the root stands.
    pub fn whole_value(&self) -> Span {
        self.page.value(&self.path).unwrap_or_else(|| self.head())
    }
}

/// A store's table, by kind.
#[derive(Debug, Clone, PartialEq)]
pub enum StoreTable {
    /// `[store.directory.NAME]`
    Directory(tables::DirectoryStore),
    /// `[store.s3.NAME]`
    S3(tables::S3Store),
}

/// A source's table, by kind.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceTable {
    /// `[source.files.NAME]`
    Files(tables::FilesSource),
    /// `[source.volume.NAME]`
    Volume(tables::VolumeSource),
    /// `[source.mongodb.NAME]`
    Mongodb(tables::MongodbSource),
    /// `[source.command.NAME]`
    Command(tables::CommandSource),
}

/// A service's table, by kind.
#[derive(Debug, Clone, PartialEq)]
pub enum ServiceTable {
    /// `[service.container.NAME]`
    Container(tables::ContainerService),
    /// `[service.compose.NAME]`
    Compose(tables::ComposeService),
    /// `[service.command.NAME]`
    Command(tables::CommandService),
}

/// Everything that was written, in all files, in file order. Two tables of one name both stand here.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Documents {
    /// The files.
    pub pages: Vec<Arc<Page>>,
    /// A file could not be parsed as a whole, so that what is not declared may only be unreadable.
    pub torn: bool,
    /// `version`
    pub version: Option<Entity<i64>>,
    /// `name`
    pub name: Option<Entity<String>>,
    /// `timezone`
    pub timezone: Option<Entity<String>>,
    /// `[encryption]`
    pub encryption: Vec<Entity<tables::Encryption>>,
    /// `[run]`, once per file that has one
    pub run: Vec<Entity<tables::Run>>,
    /// `[guard]`, once per file that has one
    pub guard: Vec<Entity<tables::Guard>>,
    /// `[lint.CODE]`
    pub lints: Vec<Entity<tables::Lint>>,
    /// `[store.KIND.NAME]`
    pub stores: Vec<Entity<StoreTable>>,
    /// `[source.KIND.NAME]`
    pub sources: Vec<Entity<SourceTable>>,
    /// `[service.KIND.NAME]`
    pub services: Vec<Entity<ServiceTable>>,
    /// `[schedule] NAME`
    pub schedules: Vec<Entity<tables::Schedule>>,
    /// `[retention] NAME`
    pub retentions: Vec<Entity<tables::Retention>>,
    /// `[policy.NAME]`
    pub policies: Vec<Entity<tables::Policy>>,
}
