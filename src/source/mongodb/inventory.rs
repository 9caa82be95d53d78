//! What is in a dump: the file beside the payload, JSON, encrypted as the payload is. **[format]**
//!
//! What was counted while the collections were read: a restore holds what it has written against it. Where something wrote meanwhile
//! the oplog in the archive says what, so that these are the counts of what was read, and not of an instant.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};

/// The version of the document.
pub const INVENTORY_VERSION: &str = "1.0";

/// What is in a dump.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// [`INVENTORY_VERSION`].
    pub format_version: String,
    /// The version of the server's program.
    pub server_version: String,
    /// The version whose features the data may use.
    pub feature_compatibility: String,
    /// The replica set, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replica_set: Option<String>,
    /// The member that was read, as the set knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// The oplog over the dump; without it the dump is of no instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oplog: Option<Span>,
    /// Whether only a selection was dumped.
    pub selected: bool,
    /// Everything that has a name.
    pub namespaces: Vec<Counted>,
}

/// A stretch of the oplog, both ends in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The first entry, as `SECONDS:ORDINAL`.
    pub from: String,
    /// The last entry.
    pub to: String,
    /// Entries.
    pub entries: u64,
}

/// A collection, and what was read of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// Its database.
    pub database: String,
    /// Its name.
    pub name: String,
    /// `collection`, `view`, `timeseries`.
    pub kind: String,
    /// Documents; of a time series its buckets.
    pub documents: u64,
    /// Their bytes.
    pub bytes: u64,
    /// CRC-64/XZ over them in their order in the archive, hexadecimal.
    pub crc: String,
}

impl Inventory {
    /// Documents of all collections.
    pub fn documents(&self) -> u64 {
        self.namespaces.iter().map(|counted| counted.documents).sum()
    }

    /// Writes it.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        out.write_all(b"\n")
    }
}
