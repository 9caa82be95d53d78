//! What can go wrong, as values.
//!
//! A member's name is raw bytes everywhere; it becomes text only here, escaped, so that a name with a newline or a terminal
//! sequence in it cannot forge a message. Errors end the work; warnings are about members that are missing or poorer than they
//! were, and the work went on.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::sealed::UnsealError;

/// The name of an archive member: raw bytes, shown escaped.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MemberName(Vec<u8>);

impl MemberName {
    /// A name from its raw bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for MemberName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                if c.is_control() { write!(f, "{}", c.escape_default())? } else { write!(f, "{c}")? }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for MemberName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

impl From<&[u8]> for MemberName {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

/// What is poorer than it was, in an archive or in a restored tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The member.
    pub path: MemberName,
    /// What is wrong with it.
    pub kind: WarningKind,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.kind)
    }
}

/// The kinds of [`Warning`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WarningKind {
    /// The file was written to, truncated or replaced while it was read; what was stored is a mixture.
    #[error("changed while it was read")]
    Changed,
    /// It was listed and gone when it was opened; it is not in the archive.
    #[error("vanished before it was read")]
    Vanished,
    /// A socket: no archive can hold one, and its owner makes a new one.
    #[error("is a socket, which is not stored")]
    Socket,
    /// Only root may give files away.
    #[error("owner {uid}:{gid} was not restored, only root may do that")]
    Owner {
        /// The owner that the archive names.
        uid: u32,
        /// The group that the archive names.
        gid: u32,
    },
    /// Only root may make device nodes.
    #[error("is a device node, which only root may make")]
    Device,
    /// The file system refused an extended attribute.
    #[error("extended attribute `{name}` was not restored: {reason}")]
    Xattr {
        /// The attribute, escaped.
        name: String,
        /// The system's words.
        reason: String,
    },
    /// An access control list could not be read or set.
    #[error("access control list was not restored: {reason}")]
    Acl {
        /// Why.
        reason: String,
    },
}

/// Why packing ended without an archive.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The caller asked for it.
    #[error("cancelled")]
    Cancelled,
    /// Something of the tree could not be read.
    #[error("cannot read {path:?}: {source}")]
    Source {
        /// What could not be read.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The plan is strict and files changed while they were read.
    #[error("{} {} while being read, the first is {}", paths.len(), if paths.len() == 1 { "file changed" } else { "files changed" }, first(paths))]
    Changed {
        /// All of them.
        paths: Vec<MemberName>,
    },
    /// The payload could not be written.
    #[error("cannot write the payload: {0}")]
    Payload(#[source] io::Error),
    /// The index could not be written.
    #[error("cannot write the index: {0}")]
    Index(#[source] io::Error),
    /// The input of a stream could not be read.
    #[error("cannot read the stream: {0}")]
    Input(#[source] io::Error),
    /// A tar stream that is packed again is cut off, broken, or holds what no archive should.
    #[error("cannot read the tar stream of `{label}`: {source}")]
    Stream {
        /// Its label.
        label: MemberName,
        /// What is wrong with it.
        source: Box<ReadError>,
    },
    /// An exclude pattern is not a pattern.
    #[error("`{pattern}` is not a pattern: {reason}")]
    Pattern {
        /// As given.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A label is not one path component, or a name is no relative path, or it stands twice.
    #[error("`{label}` cannot be a member: {reason}")]
    Label {
        /// As given.
        label: MemberName,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The compressor refused; never expected.
    #[error("cannot compress: {0}")]
    Compress(&'static str),
    /// A thread of the pipeline died; never expected.
    #[error("a thread of the pipeline ended early")]
    Pipeline,
}

fn first(paths: &[MemberName]) -> String {
    paths.first().map(ToString::to_string).unwrap_or_default()
}

/// Why reading, verifying or unpacking ended.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The caller asked for it.
    #[error("cancelled")]
    Cancelled,
    /// The stored bytes could not be read.
    #[error("cannot read the archive: {0}")]
    Io(#[source] io::Error),
    /// The stored bytes are not what was written.
    #[error("damaged: {0}")]
    Damaged(#[from] Damage),
    /// Written by a newer program.
    #[error("the {what} has format {found}, this program reads up to {known}")]
    NewerFormat {
        /// What has it.
        what: &'static str,
        /// The major version found.
        found: u16,
        /// The newest major version known here.
        known: u16,
    },
    /// A member that no archive should hold; nothing of it was written.
    #[error("refused member `{path}`: {why}")]
    Refused {
        /// The member.
        path: MemberName,
        /// Why.
        why: Refusal,
    },
    /// The target could not be written.
    #[error("cannot write `{path}`: {source}")]
    Write {
        /// The member.
        path: MemberName,
        /// The system's words.
        source: io::Error,
    },
    /// The path that was asked for is not in the archive.
    #[error("`{path}` is not in the archive")]
    NotFound {
        /// What was asked for.
        path: MemberName,
    },
    /// What is stored is encrypted and cannot be opened.
    #[error("cannot decrypt: {0}")]
    Sealed(#[source] UnsealError),
    /// A thread of the pipeline died; never expected.
    #[error("a thread of the pipeline ended early")]
    Pipeline,
}

impl ReadError {
    /// An error of a reader below, which may be the word of the decryption on what was stored.
    pub(super) fn of(error: io::Error) -> Self {
        match error.downcast::<Damage>() {
            Ok(damage) => damage.into(),
            Err(error) => Self::Io(error),
        }
    }
}

impl From<UnsealError> for ReadError {
    fn from(error: UnsealError) -> Self {
        match error {
            UnsealError::Io(error) => Self::of(error),
            error => Self::Sealed(error),
        }
    }
}

/// What is damaged, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// What the stream holds is not of the form that it was written in.
    #[error("{0}")]
    Inside(String),
    /// A compressed frame does not decompress to what it announces.
    #[error("frame {number} (at stored byte {offset}): {reason}")]
    Frame {
        /// Counted from 0.
        number: u64,
        /// Of its first stored byte.
        offset: u64,
        /// The decoder's words.
        reason: String,
    },
    /// Neither zstd nor tar.
    #[error("this is neither a zstd nor a tar stream")]
    Foreign,
    /// The stream ends where more has to come.
    #[error("ends early, {0}")]
    Truncated(&'static str),
    /// The tar structure is broken.
    #[error("tar header at byte {offset}: {reason}")]
    Header {
        /// In the decompressed archive.
        offset: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// A member's content is not what was packed.
    #[error("content of `{path}` does not match its digest")]
    Digest {
        /// The member.
        path: MemberName,
    },
    /// What the index says of a member differs from the archive.
    #[error("`{path}` differs from the index in its {what}")]
    Differs {
        /// The member.
        path: MemberName,
        /// The field.
        what: &'static str,
    },
    /// In the index, not in the archive.
    #[error("`{path}` is in the index and missing in the archive")]
    Missing {
        /// The member.
        path: MemberName,
    },
    /// In the archive, not in the index.
    #[error("`{path}` is in the archive and not in the index")]
    Extra {
        /// The member.
        path: MemberName,
    },
    /// Bytes after the end.
    #[error("there are bytes after {0}")]
    Trailing(&'static str),
    /// The seek table is broken or speaks of other frames.
    #[error("seek table: {0}")]
    SeekTable(&'static str),
    /// The index is broken.
    #[error("index: {0}")]
    Index(&'static str),
    /// The age file is not what was written.
    #[error("age file: {0}")]
    Sealed(&'static str),
    /// What gzip has compressed does not decompress.
    #[error("gzip stream: {0}")]
    Gzip(String),
    /// The whole stream's digest or length differs.
    #[error("the stream's {0} differs")]
    Stream(&'static str),
}

/// Why a member is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The name starts at the root of the file system.
    #[error("its name is absolute")]
    Absolute,
    /// The name has a `..` in it.
    #[error("its name contains `..`")]
    Dots,
    /// The name is empty, or not one that a file can have.
    #[error("its name is not one that a file can have")]
    Name,
    /// Something of that name was there before.
    #[error("its name stands twice in the archive, or exists in the target")]
    Duplicate,
    /// A parent is a symlink, or no folder.
    #[error("it would be written through something that is not a folder")]
    Through,
    /// The hard link's target leaves the root.
    #[error("it is a hard link to `{0}`, which leaves the root")]
    LinkLeaves(MemberName),
    /// The hard link's target was not extracted before.
    #[error("it is a hard link to `{0}`, which was not extracted before it")]
    LinkMissing(MemberName),
    /// The symlink's target leaves the root, and the caller asked to refuse that.
    #[error("it is a symlink to `{0}`, which leaves the root")]
    SymlinkLeaves(MemberName),
    /// A type of member that is not restored.
    #[error("its type `{0}` is not known")]
    Type(char),
    /// Only regular files are accepted where it stands.
    #[error("it is no regular file")]
    NoFile,
    /// A limit that guards memory.
    #[error("its {0} is larger than this program accepts")]
    TooLarge(&'static str),
    /// The member's bytes are in another artifact, which was not supplied.
    #[error("its bytes are in another artifact, `{0}`")]
    Elsewhere(MemberName),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_escaped() {
        assert_eq!(MemberName::new(*b"a\nb\x1b[0m\xff\xc3\xa4").to_string(), "a\\nb\\u{1b}[0m\\xffä");
    }

    #[test]
    fn a_single_changed_file_is_named() {
        let error = PackError::Changed { paths: vec![MemberName::new(*b"x/y")] };
        assert_eq!(error.to_string(), "1 file changed while being read, the first is x/y");
    }
}
