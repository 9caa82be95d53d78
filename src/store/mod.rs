//! Objects by key, created once and never changed. **[format]**
//!
//! A store knows keys, bytes and times; what they mean is said by `layout`, `key` and `record`. It refuses to overwrite:
//! a create that finds its name taken says so and leaves what is there. It never touches what this program did not write.

mod error;
mod port;

pub use error::StoreError;
pub use port::{Created, Lease, Locked, Object, ReadStore, Upload, WriteStore};
