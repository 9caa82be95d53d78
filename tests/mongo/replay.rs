//! Entries of the oplog into real servers.
