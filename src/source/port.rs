//! What the executor asks of sources.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};

use crate::model::Source;
use crate::model::id::Instant;
use crate::runtime::seen::Picture;

/// Reads sources and puts them back. Calls block.
pub trait Sources: Send + Sync {
    /// Looks at a source without running anything of it.
    /// `engine` is what was seen of the container engine, if it is needed and answered.
    fn probe(&self, source: &Source, engine: Option<&Picture>) -> Probe;

    /// How its payload is named and built.
    fn shape(&self, source: &Source) -> Shape;

    /// What two captures of an unchanged source have in common, where that is cheap to know.
    fn fingerprint(&self, source: &Source) -> Result<Option<Fingerprint>, SourceError>;

    /// Writes the source out. `strict` makes a change during the reading an error.
    fn capture(&self, source: &Source, strict: bool, output: Output<'_>, watch: &Watch<'_>) -> Result<Captured, SourceError>;

    /// Whether a stream can be put back as asked: looks, and changes nothing. Gives what to know about it: sentences.
    fn takes(&self, source: &Source, back: &Back) -> Result<Vec<String>, SourceError>;

    /// Puts a stream back: into a command's standard input, or into a server. `payload` is what the shape's codec began with.
    fn feed(&self, source: &Source, back: &Back, payload: &mut (dyn Read + Send), watch: &Watch<'_>) -> Result<Fed, SourceError>;
}

/// What a look at a source showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// It can be captured.
    Ready,
    /// It cannot: a sentence that names the object.
    Unusable(String),
    /// Only running it would tell.
    NotChecked,
}

/// How a source's payload is named and built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// The file name of the payload.
    pub payload: String,
    /// The file name of its index, where it has one.
    pub index: Option<String>,
    /// What is done to the plain stream, in order.
    pub codec: Vec<String>,
    /// The labels of its members and where each is.
    pub labels: BTreeMap<String, String>,
    /// The patterns that leave things out.
    pub excludes: Vec<String>,
}

/// What two captures of an unchanged tree have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// Compared as text.
    pub text: String,
    /// Entries in the tree.
    pub entries: u64,
    /// Bytes in its files.
    pub bytes: u64,
    /// The newest change of any entry: within the clock's grain of it, another change could hide.
    pub newest_change: Instant,
}

/// Where a capture is written.
pub struct Output<'a> {
    /// The payload.
    pub payload: &'a mut (dyn Write + Send),
    /// Its index; left empty by a source without one.
    pub index: &'a mut (dyn Write + Send),
}

/// Who looks on while a capture runs.
pub struct Watch<'a> {
    /// Told of bytes and entries read so far.
    pub progress: &'a (dyn Fn(u64, u64) + Sync),
    /// Raised when the capture must end.
    pub cancel: &'a AtomicBool,
}

/// What a capture saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captured {
    /// Entries read.
    pub entries: u64,
    /// Bytes read.
    pub bytes: u64,
    /// The fingerprint after the reading, if nothing was seen to change meanwhile.
    pub fingerprint: Option<Fingerprint>,
    /// What to know about it: sentences that name the object.
    pub warnings: Vec<String>,
    /// Metadata was lost on the way, as it is through an engine's API. Asked for by the manifest, so no warning.
    pub reduced: bool,
    /// The version of what was read, where it has one.
    pub version: Option<String>,
    /// The stretch of the source's own log that makes the content be of one instant.
    pub log: Option<Stretch>,
}

/// A stretch of a source's log, in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// The first position in it.
    pub from: String,
    /// The last position in it.
    pub to: String,
    /// When that was written, by the source's clock.
    pub instant: Instant,
}

/// How a stream is put back into a server. A command takes it as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Back {
    /// Only this database, or this collection as `DATABASE.COLLECTION`; none: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
    /// The name that the database or the collection gets instead of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aside: Option<String>,
    /// Data that are there may be replaced.
    pub replace: bool,
}

/// What was put back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fed {
    /// Entries, where they can be counted.
    pub entries: Option<u64>,
    /// What to know about it: sentences that name the object.
    pub warnings: Vec<String>,
}

impl SourceError {
    /// Whether the same may succeed right away.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Mongodb { why, .. } if why.is_passing())
    }
}

/// Why a source could not be read or put back.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It does not look right.
    #[error("{0}")]
    Unusable(String),
    /// The tree could not be read or written out.
    #[error("source `{name}` could not be captured")]
    Archive {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: crate::archive::PackError,
    },
    /// A command went wrong.
    #[error("source `{name}`: {message}")]
    Command {
        /// Its name.
        name: String,
        /// What happened, with the end of what the command said.
        message: String,
    },
    /// A secret could not be had.
    #[error("source `{name}`")]
    Secret {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: super::secret::SecretError,
    },
    /// A server of MongoDB cannot be used, or not any more.
    #[error("source `{name}`: {why}; {}", why.help())]
    Mongodb {
        /// Its name.
        name: String,
        /// Why.
        why: Box<super::mongodb::MongoError>,
    },
    /// Somebody asked to stop.
    #[error("interrupted")]
    Interrupted,
}
