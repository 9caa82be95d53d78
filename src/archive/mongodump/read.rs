//! Reads an archive as a stream, one document at a time, and checks all that can be checked.
//!
//! Memory: the prelude, which is limited, and the largest document so far. Nothing is allocated on a length's word.

use std::io::{self, BufReader, Read};

use super::block::{Header, MAGIC, Piece};
use super::document::check_document;
use super::error::{ArchiveError, Damage, shown};
use super::ledger::{Ledger, Tally};
use super::prelude::{Namespace, Prelude};

/// Most bytes of a prelude, counting what an entry costs beside its bytes: a quarter of a million collections.
const PRELUDE_MOST: usize = 256 << 20;
const ENTRY_COST: usize = 512;
/// Bytes that are read ahead, and the least that is allocated for a document.
const AHEAD: usize = 64 << 10;
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// What comes next in an archive.
#[derive(Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A block begins: the documents up to the next one are of this namespace. There may be none.
    Block {
        /// Its place in the prelude.
        place: usize,
        /// The database.
        db: &'a str,
        /// The collection; of a time series usually that of its buckets.
        collection: &'a str,
    },
    /// A document, whole and valid.
    Document(&'a [u8]),
    /// A namespace ended, and its checksum is right.
    Closed {
        /// Its place in the prelude.
        place: usize,
        /// What was in it.
        tally: &'a Tally,
    },
}

enum Step {
    Block(usize),
    Document(usize),
    Closed(usize),
    End,
}

/// Reads an archive.
pub struct Reader<R> {
    input: BufReader<R>,
    /// Bytes that were read.
    at: u64,
    /// As long as the largest document so far.
    buffer: Vec<u8>,
    prelude: Prelude,
    ledger: Ledger,
    /// The namespace of the open block.
    block: Option<usize>,
    failed: bool,
}

impl<R: Read> Reader<R> {
    /// Reads the magic number and the prelude.
    pub fn open(input: R) -> Result<Self, ArchiveError> {
        let empty =
            Prelude { concurrent_collections: 0, server_version: String::new(), tool_version: String::new(), namespaces: Vec::new() };
        let mut reader = Self {
            input: BufReader::with_capacity(AHEAD, input),
            at: 0,
            buffer: vec![0; AHEAD],
            prelude: empty,
            ledger: Ledger::default(),
            block: None,
            failed: false,
        };
        let mut magic = [0; 4];
        let have = reader.fill(&mut magic)?;
        if magic.starts_with(&GZIP) {
            return Err(ArchiveError::Gzip);
        }
        if !MAGIC.starts_with(&magic[..have]) {
            return Err(ArchiveError::Foreign);
        }
        if have < MAGIC.len() {
            return Err(damaged(reader.at, Damage::Truncated("inside its first four bytes")));
        }
        reader.read_prelude()?;
        Ok(reader)
    }

    /// What the first block says.
    pub fn prelude(&self) -> &Prelude {
        &self.prelude
    }

    /// What was read of every namespace so far, in the order of the prelude.
    pub fn tallies(&self) -> impl Iterator<Item = &Tally> {
        self.ledger.tallies()
    }

    /// How many bytes of the archive were read.
    pub fn position(&self) -> u64 {
        self.at
    }

    /// What comes next; none at the end of an archive that is whole. After an error there is nothing but errors.
    pub fn next_item(&mut self) -> Result<Option<Item<'_>>, ArchiveError> {
        if self.failed {
            return Err(ArchiveError::Over);
        }
        self.failed = true;
        let step = self.step()?;
        self.failed = false;
        Ok(match step {
            Step::Block(place) => {
                let tally = self.ledger.tally(place);
                Some(Item::Block { place, db: &tally.db, collection: &tally.collection })
            }
            Step::Document(length) => Some(Item::Document(&self.buffer[..length])),
            Step::Closed(place) => Some(Item::Closed { place, tally: self.ledger.tally(place) }),
            Step::End => None,
        })
    }

    fn step(&mut self) -> Result<Step, ArchiveError> {
        if let Some(place) = self.block {
            let offset = self.at;
            match self.piece()? {
                Some(Piece::Document(length)) => {
                    check_document(&self.buffer[..length]).map_err(|why| self.damaged(offset, Damage::Document(why)))?;
                    self.ledger.add(place, 1, &self.buffer[..length]);
                    return Ok(Step::Document(length));
                }
                Some(Piece::End) => self.block = None,
                None => return Err(self.damaged(self.at, Damage::Truncated("inside a block"))),
            }
        }
        self.header()
    }

    /// The header of the next block, and the rest of the block if it ends a namespace.
    fn header(&mut self) -> Result<Step, ArchiveError> {
        let offset = self.at;
        let length = match self.piece()? {
            Some(Piece::Document(length)) => length,
            Some(Piece::End) => return Err(damaged(offset, Damage::Headless)),
            None => {
                self.ledger.all_closed().map_err(|open| ArchiveError::Damaged {
                    offset,
                    namespace: Some(open.namespace),
                    damage: open.why,
                })?;
                return Ok(Step::End);
            }
        };
        let bytes = &self.buffer[..length];
        check_document(bytes).map_err(|why| damaged(offset, Damage::Document(why)))?;
        let Header { db, collection, end, crc } = Header::decode(bytes).map_err(|damage| damaged(offset, damage))?;
        let bad = |damage| ArchiveError::Damaged { offset, namespace: Some(shown(&db, &collection)), damage };
        let place = self.ledger.find(&db, &collection).map_err(bad)?;
        self.ledger.open(place, &collection);
        self.block = Some(place);
        if !end {
            return Ok(Step::Block(place));
        }
        match self.piece()? {
            Some(Piece::End) => self.block = None,
            Some(Piece::Document(_)) => return Err(bad(Damage::Header("ends a namespace, and documents follow"))),
            None => return Err(self.damaged(self.at, Damage::Truncated("inside a block"))),
        }
        let counted = self.ledger.tally(place).crc;
        if crc != counted {
            return Err(bad(Damage::Checksum { stored: crc, counted }));
        }
        self.ledger.close(place);
        Ok(Step::Closed(place))
    }

    fn read_prelude(&mut self) -> Result<(), ArchiveError> {
        const INSIDE: Damage = Damage::Truncated("inside the prelude");
        let mut offset = self.at;
        let mut cost = 0;
        let mut header = true;
        loop {
            match self.piece()? {
                Some(Piece::Document(length)) => {
                    let bytes = &self.buffer[..length];
                    check_document(bytes).map_err(|why| damaged(offset, Damage::Document(why)))?;
                    cost += length + ENTRY_COST;
                    if cost > PRELUDE_MOST {
                        return Err(damaged(offset, Damage::Prelude("is longer than any server makes it necessary")));
                    }
                    if header {
                        self.prelude = Prelude::decode(bytes, offset)?;
                    } else {
                        let namespace = Namespace::decode(bytes).map_err(|damage| damaged(offset, damage))?;
                        self.prelude.namespaces.push(namespace);
                    }
                }
                Some(Piece::End) if header => return Err(damaged(offset, Damage::Headless)),
                Some(Piece::End) => break,
                None => return Err(damaged(self.at, INSIDE)),
            }
            header = false;
            offset = self.at;
        }
        self.ledger = Ledger::new(&self.prelude.namespaces).map_err(|refused| ArchiveError::Damaged {
            offset: self.at,
            namespace: Some(refused.namespace),
            damage: refused.why,
        })?;
        Ok(())
    }

    /// The next document, whole in the buffer, or the end of a block. None where the input ends before it.
    fn piece(&mut self) -> Result<Option<Piece>, ArchiveError> {
        let offset = self.at;
        let mut word = [0; 4];
        match self.fill(&mut word)? {
            0 => return Ok(None),
            4 => {}
            _ => return Err(self.damaged(self.at, Damage::Truncated("inside a length"))),
        }
        let piece = Piece::of(word).map_err(|damage| self.damaged(offset, damage))?;
        if let Piece::Document(length) = piece {
            self.buffer[..4].copy_from_slice(&word);
            let mut have = 4;
            while have < length {
                // at most twice of what was really there
                let next = length.min(self.buffer.len().max(2 * have));
                let mut buffer = std::mem::take(&mut self.buffer);
                if buffer.len() < next {
                    buffer.resize(next, 0);
                }
                let read = self.fill(&mut buffer[have..next]);
                self.buffer = buffer;
                if read? < next - have {
                    return Err(self.damaged(self.at, Damage::Truncated("inside a document")));
                }
                have = next;
            }
        }
        Ok(Some(piece))
    }

    /// Fills the buffer as far as the input goes.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, ArchiveError> {
        let mut have = 0;
        while have < buffer.len() {
            match self.input.read(&mut buffer[have..]) {
                Ok(0) => break,
                Ok(count) => {
                    have += count;
                    self.at += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(ArchiveError::Io { offset: self.at, source }),
            }
        }
        Ok(have)
    }

    /// Damage inside the open block, if there is one.
    fn damaged(&self, offset: u64, damage: Damage) -> ArchiveError {
        let name = |place| {
            let tally = self.ledger.tally(place);
            shown(&tally.db, &tally.collection)
        };
        ArchiveError::Damaged { offset, namespace: self.block.map(name), damage }
    }
}

fn damaged(offset: u64, damage: Damage) -> ArchiveError {
    ArchiveError::Damaged { offset, namespace: None, damage }
}

/// An archive that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// What its first block says.
    pub prelude: Prelude,
    /// What is in every namespace, in the same order.
    pub tallies: Vec<Tally>,
    /// Bytes of the archive.
    pub bytes: u64,
}

/// Reads an archive to its end and checks all of it.
pub fn verify(input: impl Read) -> Result<Verified, ArchiveError> {
    let mut reader = Reader::open(input)?;
    while reader.next_item()?.is_some() {}
    Ok(Verified { tallies: reader.ledger.tallies().cloned().collect(), bytes: reader.at, prelude: reader.prelude })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::mongodump::{Kind, Writer};

    #[test]
    fn the_word_of_a_length_allocates_nothing() {
        let namespaces = vec![Namespace { db: "d".into(), collection: "c".into(), metadata: String::new(), kind: Kind::Collection }];
        let prelude = Prelude { concurrent_collections: 1, server_version: String::new(), tool_version: String::new(), namespaces };
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes, &prelude).unwrap();
        writer.write("d", "c", &[]).unwrap();
        bytes.truncate(bytes.len() - 4);
        bytes.extend_from_slice(&(16_u32 << 20).to_le_bytes());
        bytes.extend(std::iter::repeat_n(1, 100_000));

        let mut reader = Reader::open(bytes.as_slice()).unwrap();
        assert!(matches!(reader.next_item(), Ok(Some(Item::Block { .. }))));
        let error = reader.next_item().unwrap_err().to_string();
        assert_eq!(error, format!("the archive is damaged at byte {} in `d.c`: it ends inside a document", bytes.len()));
        assert!(reader.buffer.len() <= 2 * 100_000, "{}", reader.buffer.len());
    }
}
