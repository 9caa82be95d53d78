//! The archive format of mongodump, version 0.1: written and read as a stream, checked without a server. **[format]**
//!
//! ```text
//! 6d e2 99 81                                 the magic number
//! block = header, any number of bodies, ff ff ff ff; header and bodies are BSON documents
//! first block                                 the prelude: versions, then one body for each namespace
//! further blocks                              header { db, collection, EOF, CRC }
//!   EOF false, CRC 0                          bodies are documents of that namespace; namespaces interleave
//!   EOF true                                  no bodies; the namespace is closed, CRC is that of all its documents, in order
//! ```
//!
//! The checksum is CRC-64/XZ. Every namespace of the prelude has at least one block and is closed once: a view and an empty collection
//! by a block without documents. A time series `X` is in the prelude under its own name and holds its data in `system.buckets.X`, or
//! in `X` on servers from 8.3 on. The oplog is the namespace with an empty database and the collection `oplog`. The users and roles of
//! a database are `$admin.system.users`, `.roles` and `.version` in it, and stand in the prelude like everything else.
//!
//! The archive has no end mark and its prelude no checksum. So what is cut off is known only by a namespace that was never closed, which
//! is why one that the prelude does not name is refused, and a damaged prelude is known only by the digest of the stored bytes.
//!
//! Refused: gzip around the archive, other versions, lengths beyond what a server makes, documents that are no BSON, headers that are
//! not as mongodump writes them, data after a namespace's end, checksums that differ, an end that is too early. An error names the byte
//! and, where there is one, the namespace. Text inside documents need not be UTF-8: a server stores what its clients send.
//!
//! | file | job |
//! |---|---|
//! | `prelude` | the first block as plain values |
//! | `block` | the headers of the others, and what ends them |
//! | `document` | whether bytes are a BSON document |
//! | `ledger` | which namespaces there are, what was counted, what is open |
//! | `write`, `read` | the stream |

mod block;
mod document;
mod error;
mod ledger;
mod prelude;
mod read;
mod write;

pub use document::{DOCUMENT_MOST, check_document};
pub use error::{ArchiveError, Damage, Refused};
pub use ledger::Tally;
pub use prelude::{Kind, Namespace, Prelude};
pub use read::{Item, Reader, Verified, verify};
pub use write::Writer;

#[cfg(test)]
mod tests;
