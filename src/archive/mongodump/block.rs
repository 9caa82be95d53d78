//! What blocks are made of: the header of a namespace's block, and the word before everything.

use bson::raw::{RawDocument, RawDocumentBuf, cstr};

use super::document::{DOCUMENT_LEAST, DOCUMENT_MOST};
use super::error::Damage;

/// The first bytes of an archive.
pub(super) const MAGIC: [u8; 4] = [0x6d, 0xe2, 0x99, 0x81];
/// The end of a block.
pub(super) const TERMINATOR: [u8; 4] = [0xff; 4];

/// What the next four bytes announce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    /// A document of so many bytes, these four included.
    Document(usize),
    /// The end of the block.
    End,
}

impl Piece {
    pub(super) fn of(word: [u8; 4]) -> Result<Self, Damage> {
        if word == TERMINATOR {
            return Ok(Self::End);
        }
        let number = u32::from_le_bytes(word);
        match usize::try_from(number) {
            Ok(length) if (DOCUMENT_LEAST..=DOCUMENT_MOST).contains(&length) => Ok(Self::Document(length)),
            _ => Err(Damage::Length(number)),
        }
    }
}

/// The header of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub db: String,
    pub collection: String,
    /// Whether the namespace ends here.
    pub end: bool,
    /// Of all documents of the namespace, if it ends here; otherwise 0.
    pub crc: u64,
}

impl Header {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut document = RawDocumentBuf::new();
        document.append(cstr!("db"), self.db.as_str());
        document.append(cstr!("collection"), self.collection.as_str());
        document.append(cstr!("EOF"), self.end);
        document.append(cstr!("CRC"), self.crc.cast_signed());
        document.into_bytes()
    }

    /// The header in a checked document. It has these fields in this order and no others: a reader that took the second of two
    /// equal names would see another archive than one that takes the first.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        let foreign = Damage::Header("is not as mongodump writes it");
        let header = RawDocument::from_bytes(bytes).ok().and_then(Self::of).ok_or(foreign.clone())?;
        if header.encode() != bytes {
            return Err(foreign);
        }
        if !header.end && header.crc != 0 {
            return Err(Damage::Header("has a checksum before the end"));
        }
        Ok(header)
    }

    fn of(document: &RawDocument) -> Option<Self> {
        Some(Self {
            db: document.get_str("db").ok()?.to_owned(),
            collection: document.get_str("collection").ok()?.to_owned(),
            end: document.get_bool("EOF").ok()?,
            crc: document.get_i64("CRC").ok()?.cast_unsigned(),
        })
    }
}
