//! Objects by key, created once and never changed. **[format]**
//!
//! A store knows keys, bytes and times; what they mean is said by `layout`, `key`, `record` and `documents`. It refuses to
//! overwrite: a create that finds its name taken says so and leaves what is there. It never touches what this program did not
//! write.
//!
//! - [`layout`] names every object, [`key`] packs what a plan needs into a record's name, [`record`] is the record itself,
//!   [`documents`] are the small objects beside it; together they are enough to write another reader.
//! - [`Directory`] keeps objects as files, [`s3`] in a bucket, [`Memory`] in a map; [`faults`] wraps any and dies where a test says.
//! - [`segments`] cuts a stream into objects with digests and puts it together again.
//! - [`lease`] keeps two runs out of one series, by compare-and-swap.
//! - [`doctor`] tries out what a store promises.
//! - `conformance` is what every store must do; a new one is a new caller of it.

mod digest;
mod directory;
mod error;
mod memory;
mod port;

#[cfg(test)]
mod conformance;

pub mod doctor;
pub mod documents;
pub mod faults;
pub mod key;
pub mod layout;
pub mod lease;
pub mod record;
pub mod s3;
pub mod segments;

pub use digest::{Hasher, Sha256Sum};
pub use directory::Directory;
pub use error::StoreError;
pub use memory::Memory;
pub use port::{Created, Lease, Locked, Object, Reach, ReadStore, Register, Removed, Survey, Swap, Upload, WriteStore};
pub use s3::S3;
