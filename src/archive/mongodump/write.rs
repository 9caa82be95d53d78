//! Writes an archive, block by block, and refuses what would make one that nobody can read.

use std::io::{self, Write};

use super::block::{Header, MAGIC, Piece, TERMINATOR};
use super::error::{Damage, Refused, shown};
use super::ledger::{Ledger, Tally};
use super::prelude::Prelude;

/// Writes an archive.
///
/// What it refuses is an [`io::Error`] around [`Refused`], and the archive can go on. After an error of the output nothing can.
pub struct Writer<W> {
    out: W,
    ledger: Ledger,
    /// Set while bytes are on their way: a block may be there by half.
    broken: bool,
}

impl<W: Write> Writer<W> {
    /// Begins an archive with its prelude.
    pub fn new(mut out: W, prelude: &Prelude) -> io::Result<Self> {
        let ledger = Ledger::new(&prelude.namespaces)?;
        let block = prelude.encode()?;
        out.write_all(&MAGIC)?;
        out.write_all(&block)?;
        Ok(Self { out, ledger, broken: false })
    }

    /// Writes one block of any number of whole documents, one after the other as they are on the wire.
    ///
    /// Their lengths are checked, what is inside of them is not.
    pub fn write(&mut self, db: &str, collection: &str, documents: &[u8]) -> io::Result<()> {
        let refused = |why| Refused { namespace: shown(db, collection), why };
        let place = self.ledger.find(db, collection).map_err(refused)?;
        let count = count(documents).map_err(refused)?;
        let header = header(db, collection, None);
        self.send(&[&header, documents, &TERMINATOR])?;
        self.ledger.open(place, collection);
        self.ledger.add(place, count, documents);
        Ok(())
    }

    /// Ends a namespace; one that had no block gets an empty one, as an empty collection has.
    pub fn close(&mut self, db: &str, collection: &str) -> io::Result<Tally> {
        let place = self.ledger.find(db, collection).map_err(|why| Refused { namespace: shown(db, collection), why })?;
        if self.ledger.open(place, collection) {
            self.send(&[&header(db, collection, None), &TERMINATOR])?;
        }
        let tally = self.ledger.tally(place).clone();
        self.send(&[&header(db, collection, Some(tally.crc)), &TERMINATOR])?;
        self.ledger.close(place);
        Ok(tally)
    }

    /// What was written of every namespace so far, in the order of the prelude.
    pub fn tallies(&self) -> impl Iterator<Item = &Tally> {
        self.ledger.tallies()
    }

    /// Ends the archive and flushes the output; refused while a namespace of the prelude is not closed.
    pub fn finish(mut self) -> io::Result<W> {
        self.ledger.all_closed()?;
        self.send(&[])?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn send(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        if self.broken {
            return Err(io::Error::other("the archive is incomplete: writing to it failed before"));
        }
        self.broken = true;
        for part in parts {
            self.out.write_all(part)?;
        }
        self.broken = false;
        Ok(())
    }
}

fn header(db: &str, collection: &str, end: Option<u64>) -> Vec<u8> {
    Header { db: db.to_owned(), collection: collection.to_owned(), end: end.is_some(), crc: end.unwrap_or_default() }.encode()
}

/// How many documents these bytes are.
fn count(mut documents: &[u8]) -> Result<u64, Damage> {
    let cut = Damage::Document("the bytes end inside of it");
    let mut count = 0;
    while !documents.is_empty() {
        let Some(word) = documents.first_chunk() else { return Err(cut) };
        let Piece::Document(length) = Piece::of(*word)? else { return Err(Damage::Length(u32::MAX)) };
        let Some((document, rest)) = documents.split_at_checked(length) else { return Err(cut) };
        if document.last() != Some(&0) {
            return Err(Damage::Document("it has no end"));
        }
        documents = rest;
        count += 1;
    }
    Ok(count)
}
