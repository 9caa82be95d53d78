//! Trees and streams as archives, and back.
//!
//! A tree becomes a **payload**, a PAX tar in independent zstd frames with a seek table, which `zstd -d | tar x` reads without us, and an
//! **index** of every member's kind, digest and place, so that one path costs a few range reads. A stream becomes a payload alone.
//!
//! ```text
//! walk -> pack -> frames_out -> payload          payload -> frames_in -> tar_read -> unpack
//!            `--> index_write -> index             index -> index_read --^      `--> verify
//! ```
//!
//! - [`fingerprint()`] looks at a tree without reading files: it decides whether anything changed.
//! - [`pack()`] writes both, [`verify()`] and [`verify_path()`] hold them against each other, [`unpack()`] and [`unpack_path()`] restore.
//! - [`pack_streams()`] packs an engine's tar streams; [`survey()`] and [`pack_foreign()`] archives that other programs made.
//! - [`compress()`], [`decompress()`] and [`verify_stream()`] do the same for a plain stream; [`pack_texts()`] for a few named bytes.
//! - [`Seal`], [`Unsealed`] and [`UnsealedAt`] encrypt and decrypt around these; [`mongodump`] is the format of MongoDB's own tools.
//!
//! Everything here is blocking code on plain threads with bounded channels. Memory depends on the number of threads, not on the tree.
//! The layer knows no other layer: the caller puts checksums of stored bytes and uploads around. What is on disk is described byte by
//! byte in [`mod@index`] and [`seek_table`], and stored examples are read by tests.
//!
//! Hostile input is expected: anybody may have made an archive. Nothing is allocated on a header's word, nothing is written
//! outside of the target or through a link, and what is refused is refused before it is written.

mod acl;
mod entry;
mod error;
mod exclude;
mod fingerprint;
mod foreign;
mod frames_in;
mod frames_out;
mod header;
pub mod index;
mod index_read;
mod index_write;
pub mod mongodump;
mod pack;
mod pack_read;
mod pack_stream;
mod pack_walk;
mod pack_write;
mod read_at;
mod sealed;
pub mod seek_table;
mod sparse;
mod stream;
mod tar_pax;
mod tar_read;
mod texts;
mod unpack;
mod unpack_file;
mod unpack_meta;
mod unpack_run;
mod unpack_tree;
mod verify;
mod walk;
mod xattr;

pub use entry::{Kind, SparseMap, Time};
pub use error::{Damage, MemberName, PackError, ReadError, Refusal, Warning, WarningKind};
pub use fingerprint::{Fingerprint, fingerprint};
pub use foreign::{Fit, ForeignError, Misfit, Roots, Surveyed, SurveyedDump, Wrapping, pack_dump, pack_foreign, survey, survey_dump};
pub use frames_out::{DEFAULT_LEVEL, FRAME_BYTES};
pub use index::{IndexEntry, Totals};
pub use index_read::{Entries, Index, is_index};
pub use pack::{PackPlan, Packed, Progress, default_threads, pack};
pub use pack_stream::{OpenStream, TarTree, pack_streams};
pub use read_at::ReadAt;
pub use sealed::{Identities, IdentityError, Recipient, RecipientError, Seal, SealError, UnsealError, Unsealed, UnsealedAt, Voice};
pub use sealed::{seal_apart, sealable, sealable_text};
pub use seek_table::{FrameSize, SeekTable};
pub use stream::{StreamOptions, Streamed, compress, compress_from, decompress, verify_dump, verify_stream};
pub use texts::{Text, pack_texts, unpack_texts};
pub use unpack::{Outcome, Symlinks, Target, UnpackOptions, unpack, unpack_path};
pub use verify::{Verified, verify, verify_path};
pub use walk::{Root, WalkPlan};

#[cfg(test)]
mod tests;
