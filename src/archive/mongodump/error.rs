//! What can be wrong with an archive, as values.
//!
//! Names come out of the archive and are shown escaped, so that none can forge a message.

use std::io;

use super::super::error::MemberName;

/// Why an archive could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The bytes could not be read.
    #[error("cannot read the archive at byte {offset}: {source}")]
    Io {
        /// Where reading stopped.
        offset: u64,
        /// The system's words, or a decoder's.
        source: io::Error,
    },
    /// A gzip stream, as `mongodump --gzip` writes it.
    #[error("this is a gzip stream: decompress it, what is inside may be an archive")]
    Gzip,
    /// Something else.
    #[error("this is no archive of mongodump: it does not begin as one")]
    Foreign,
    /// A format that this program does not know.
    #[error("the archive has format version `{found}`, this program reads version `{known}`")]
    Version {
        /// The version found.
        found: MemberName,
        /// The one that is known.
        known: &'static str,
    },
    /// The bytes are not what was written.
    #[error("the archive is damaged at byte {offset}{}: {damage}", inside(namespace.as_ref()))]
    Damaged {
        /// Where: the start of what is wrong, or the end of what is cut off.
        offset: u64,
        /// Whose data it is, where that is known.
        namespace: Option<MemberName>,
        /// What is wrong.
        damage: Damage,
    },
    /// Reading went on after one of the others.
    #[error("the archive could not be read any further before")]
    Over,
}

fn inside(namespace: Option<&MemberName>) -> String {
    namespace.map(|name| format!(" in `{name}`")).unwrap_or_default()
}

/// What is wrong with the bytes of an archive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The input ends where more has to come.
    #[error("it ends {0}")]
    Truncated(&'static str),
    /// A word that is neither a length nor the end of a block.
    #[error("{0} is neither the length of a document nor the end of a block")]
    Length(u32),
    /// A document that is none.
    #[error("a document is not valid BSON: {0}")]
    Document(&'static str),
    /// The end of a block where one has to begin.
    #[error("a block ends that did not begin")]
    Headless,
    /// The prelude says what it cannot say.
    #[error("the prelude {0}")]
    Prelude(&'static str),
    /// A block's header says what it cannot say.
    #[error("the header of a block {0}")]
    Header(&'static str),
    /// A namespace that the prelude does not name.
    #[error("the namespace is not in the prelude")]
    Unlisted,
    /// A namespace that the prelude names more than once.
    #[error("the namespace stands twice in the prelude")]
    Twice,
    /// A time series with data under its own name and in its buckets.
    #[error("the time series has data under another name too")]
    TwoNames,
    /// More blocks of a namespace after its end.
    #[error("the namespace goes on after its end")]
    Closed,
    /// The documents are not those that were written.
    #[error("the checksum of its documents is {counted:016x} and should be {stored:016x}")]
    Checksum {
        /// As the archive has it.
        stored: u64,
        /// Over what was read.
        counted: u64,
    },
    /// Namespaces without an end.
    #[error("the namespace has no end{}", also(*others))]
    Unclosed {
        /// How many more there are.
        others: usize,
    },
}

fn also(others: usize) -> String {
    match others {
        0 => String::new(),
        1 => ", nor has 1 other".to_owned(),
        more => format!(", nor have {more} others"),
    }
}

/// What [`Writer`](super::Writer) does not write, as it would make an archive that cannot be read; nothing of it was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot write `{namespace}` to the archive: {why}")]
pub struct Refused {
    /// What it was about.
    pub namespace: MemberName,
    /// What would be wrong with the archive.
    pub why: Damage,
}

impl From<Refused> for io::Error {
    fn from(refused: Refused) -> Self {
        Self::new(io::ErrorKind::InvalidInput, refused)
    }
}

/// A namespace as messages show it. A name that no server accepts is cut, as it may be megabytes long.
pub(super) fn shown(db: &str, collection: &str) -> MemberName {
    let mut name = if db.is_empty() { collection.to_owned() } else { format!("{db}.{collection}") };
    if name.len() > NAME_MOST {
        name.truncate(name.floor_char_boundary(NAME_MOST));
        name.push_str("...");
    }
    MemberName::new(name)
}

/// Longest name of a database with its collection, in bytes; servers stop at 255.
pub(super) const NAME_MOST: usize = 1024;
