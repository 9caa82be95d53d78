//! A store in a bucket, over the S3 protocol.
//!
//! What the protocol demands of a service is little: listings in the order of their keys, ranges, parts, and writes on condition.
//! A service without the last is one for a single writer, and the manifest says so. It refuses what it cannot tell for certain: a
//! listing that breaks off, an object that changes under a reader, a write without a clear answer that cannot be read back.
//!
//! | file | job |
//! |---|---|
//! | `bucket` | a bucket as the manifest has it |
//! | `client`, `trust` | the connection, its threads, its certificates |
//! | `failure`, `seen` | what refusals mean, and what answers carry beside their content |
//! | `port` | the calls of the ports, each handed to the file that does it |
//! | `survey`, `walk`, `page` | listings, side by side |
//! | `read`, `stream` | objects, whole, in pieces and as streams |
//! | `put`, `upload`, `parts` | objects written once, small ones and streams |
//! | `remove`, `leftover`, `retention` | what goes, what never ended, what may not go |
//! | `doctor`, `limits` | what the settings of the bucket mean for what lies in it; what it takes of an upload |
//! | `swap` | a register that many write and none overwrites unseen |

mod bucket;
mod client;
mod doctor;
mod failure;
mod leftover;
mod limits;
mod page;
mod parts;
mod port;
mod put;
mod read;
mod remove;
mod retention;
mod seen;
mod stream;
mod survey;
mod swap;
mod trust;
mod upload;
mod walk;

#[cfg(test)]
mod tests;

pub use bucket::{Bucket, Credentials, LockMode, ObjectLock, Sse};
pub use client::S3;
