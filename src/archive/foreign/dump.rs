//! Archives of mongodump in files: plain, or with gzip or zstd around, told by what is in them.
//!
//! [`survey_dump()`] reads one to its end, writes nothing, and checks all that it says of itself; [`pack_dump()`] then makes a payload
//! of the archive, byte for byte as it was inside.

use std::io::{Read, Write};
use std::sync::atomic::AtomicBool;

use super::tree::ForeignError;
use super::wrapping::{Wrapping, opened, other};
use crate::archive::error::{Damage, PackError, ReadError};
use crate::archive::frames_in::{Source, with_bytes};
use crate::archive::mongodump::{self, ArchiveError};
use crate::archive::stream::{StreamOptions, Streamed, Unpacked, compress};

/// What a survey found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SurveyedDump {
    /// How it is compressed.
    pub wrapping: Wrapping,
    /// The version of the server that it is of, as it says.
    pub server_version: String,
    /// Collections, views and what else has a name.
    pub namespaces: u64,
    /// Documents, those of the oplog left out.
    pub documents: u64,
    /// Bytes of the archive.
    pub bytes: u64,
    /// Entries of the oplog over the dump; none: it was taken without.
    pub oplog: Option<u64>,
}

/// Reads a whole archive.
pub fn survey_dump(stored: &mut (dyn Read + Send), threads: usize, cancel: &AtomicBool) -> Result<SurveyedDump, ForeignError> {
    let (start, mut stream) = opened(stored).map_err(ReadError::of)?;
    if start.is_empty() {
        return Err(ForeignError::Empty("it has no bytes"));
    }
    let wrapping = Wrapping::of(&start);
    let (verified, _) = with_bytes(Source::Stream(&mut *stream), threads, cancel, |bytes| {
        let mut plain = Unpacked { bytes, failed: None };
        let verified = mongodump::verify(&mut plain);
        plain.failed.map_or(Ok(verified), Err)
    })?;
    let verified = match verified {
        Ok(verified) => verified,
        Err(ArchiveError::Foreign | ArchiveError::Gzip) => return Err(ForeignError::NoDump(other(&start))),
        Err(error @ ArchiveError::Version { .. }) => return Err(ForeignError::Dump(error)),
        Err(error) => return Err(ReadError::from(Damage::Inside(error.to_string())).into()),
    };
    let is_oplog = |tally: &&mongodump::Tally| tally.db.is_empty() && tally.collection == "oplog";
    let oplog = verified.tallies.iter().find(is_oplog).map(|tally| tally.documents);
    let documents = verified.tallies.iter().filter(|tally| !is_oplog(tally)).map(|tally| tally.documents).sum();
    let namespaces = verified.tallies.len() as u64 - u64::from(oplog.is_some());
    if namespaces == 0 {
        return Err(ForeignError::Empty("it has no collections"));
    }
    Ok(SurveyedDump { wrapping, server_version: verified.prelude.server_version, namespaces, documents, bytes: verified.bytes, oplog })
}

/// Packs what was surveyed, again from its beginning.
pub fn pack_dump(
    stored: &mut (dyn Read + Send),
    payload: &mut (dyn Write + Send),
    options: StreamOptions,
    progress: &(dyn Fn(u64) + Sync),
    cancel: &AtomicBool,
) -> Result<Streamed, PackError> {
    let (_, mut stream) = opened(stored).map_err(PackError::Input)?;
    let packed = with_bytes(Source::Stream(&mut *stream), options.threads, cancel, |bytes| {
        let mut plain = Unpacked { bytes, failed: None };
        let packed = compress(&mut plain, payload, options, progress, cancel);
        plain.failed.map_or(Ok(packed), Err)
    });
    match packed {
        Ok((packed, _)) => packed,
        Err(ReadError::Cancelled) => Err(PackError::Cancelled),
        Err(error) => Err(PackError::Input(std::io::Error::other(error))),
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::archive::decompress;
    use crate::archive::mongodump::{Kind, Namespace, Prelude, Writer};

    fn dump() -> Vec<u8> {
        let names = |db: &str, collection: &str| {
            let metadata = if db.is_empty() { String::new() } else { "{}".to_owned() };
            Namespace { db: db.into(), collection: collection.into(), metadata, kind: Kind::Collection }
        };
        let namespaces = vec![names("shop", "orders"), names("", "oplog")];
        let prelude = Prelude { concurrent_collections: 1, server_version: "6.0.5".into(), tool_version: "100".into(), namespaces };
        let mut writer = Writer::new(Vec::new(), &prelude).unwrap();
        let document = bson::serialize_to_vec(&bson::doc! { "_id": 1, "text": "x".repeat(100) }).unwrap();
        for _ in 0..20 {
            writer.write("shop", "orders", &document).unwrap();
        }
        writer.write("", "oplog", &document).unwrap();
        writer.close("shop", "orders").unwrap();
        writer.close("", "oplog").unwrap();
        writer.finish().unwrap()
    }

    fn gzipped(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    }

    #[test]
    fn every_wrapping_is_taken_off_and_the_archive_is_the_same() {
        let plain = dump();
        let zstd = zstd::encode_all(&plain[..], 3).unwrap();
        let quiet = AtomicBool::new(false);
        for (stored, wrapping) in [(plain.clone(), Wrapping::Plain), (gzipped(&plain), Wrapping::Gzip), (zstd, Wrapping::Zstd)] {
            let found = survey_dump(&mut &stored[..], 2, &quiet).unwrap();
            let bytes = plain.len() as u64;
            let server_version = "6.0.5".to_owned();
            assert_eq!(found, SurveyedDump { wrapping, server_version, namespaces: 1, documents: 20, bytes, oplog: Some(1) });
            let (mut payload, mut back) = (Vec::new(), Vec::new());
            pack_dump(&mut &stored[..], &mut payload, StreamOptions::default(), &|_| (), &quiet).unwrap();
            decompress(&mut &payload[..], &mut back, 1, &quiet).unwrap();
            assert_eq!(back, plain);
        }
    }

    #[test]
    fn what_is_cut_off_broken_or_something_else_is_refused() {
        let (plain, quiet) = (dump(), AtomicBool::new(false));
        let mut flipped = plain.clone();
        flipped[1_000] ^= 1;
        let said = |stored: &[u8]| survey_dump(&mut &stored[..], 1, &quiet).unwrap_err().to_string();
        for damaged in [&plain[..plain.len() - 4], &plain[..900], &flipped, &gzipped(&plain[..plain.len() - 40])] {
            assert!(said(damaged).starts_with("damaged: "), "{}", said(damaged));
        }
        assert_eq!(said(b""), "it is empty: it has no bytes");
        assert_eq!(said(b"PK\x03\x04 and so on"), "it is no archive of mongodump: it is a zip archive");
        assert_eq!(said(&gzipped(b"some text, long enough")), "it is no archive of mongodump");
    }
}
