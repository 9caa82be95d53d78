//! Which namespaces an archive has, what was counted in each, and which are still open; the same for writing and for reading.

use std::collections::HashMap;

use crc::{CRC_64_XZ, Crc, Digest, Table};

use super::error::{Damage, Refused, shown};
use super::prelude::{Kind, Namespace};

/// Sixteen bytes at a time: the checksum would otherwise be slower than all else.
static CRC: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_XZ);
/// Where servers before 8.3 keep a time series.
const BUCKETS: &str = "system.buckets.";

/// What was counted in a namespace so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// The database; empty for the oplog.
    pub db: String,
    /// The collection under which its blocks stand: of a time series usually that of its buckets.
    pub collection: String,
    /// Documents.
    pub documents: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Their checksum, CRC-64/XZ over all of them in order; 0 if there is none.
    pub crc: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Open,
    Closed,
}

struct Entry {
    tally: Tally,
    digest: Digest<'static, u64, Table<16>>,
    state: State,
}

/// The namespaces of a prelude, each by its place there.
#[derive(Default)]
pub(super) struct Ledger {
    /// By database, then by collection.
    places: HashMap<String, HashMap<String, usize>>,
    entries: Vec<Entry>,
}

impl Ledger {
    pub(super) fn new(namespaces: &[Namespace]) -> Result<Self, Refused> {
        let mut places: HashMap<String, HashMap<String, usize>> = HashMap::new();
        for (place, namespace) in namespaces.iter().enumerate() {
            if places.entry(namespace.db.clone()).or_default().insert(namespace.collection.clone(), place).is_some() {
                return Err(Refused { namespace: shown(&namespace.db, &namespace.collection), why: Damage::Twice });
            }
        }
        // what the prelude names itself is never taken for the buckets of something else
        for (place, namespace) in namespaces.iter().enumerate().filter(|(_, namespace)| namespace.kind == Kind::TimeSeries) {
            let buckets = format!("{BUCKETS}{}", namespace.collection);
            places.entry(namespace.db.clone()).or_default().entry(buckets).or_insert(place);
        }
        let entry = |namespace: &Namespace| Entry {
            tally: Tally { db: namespace.db.clone(), collection: namespace.collection.clone(), documents: 0, bytes: 0, crc: 0 },
            digest: CRC.digest(),
            state: State::Waiting,
        };
        Ok(Self { places, entries: namespaces.iter().map(entry).collect() })
    }

    /// The place of a namespace that may have a block now. The ledger stays as it is.
    pub(super) fn find(&self, db: &str, collection: &str) -> Result<usize, Damage> {
        let place = *self.places.get(db).and_then(|inside| inside.get(collection)).ok_or(Damage::Unlisted)?;
        let entry = &self.entries[place];
        match entry.state {
            State::Waiting => Ok(place),
            _ if entry.tally.collection != collection => Err(Damage::TwoNames),
            State::Open => Ok(place),
            State::Closed => Err(Damage::Closed),
        }
    }

    /// Opens the namespace under this name; gives whether it was not open before.
    pub(super) fn open(&mut self, place: usize, collection: &str) -> bool {
        let entry = &mut self.entries[place];
        let first = entry.state == State::Waiting;
        if first {
            collection.clone_into(&mut entry.tally.collection);
            entry.state = State::Open;
        }
        first
    }

    /// Counts whole documents.
    pub(super) fn add(&mut self, place: usize, documents: u64, bytes: &[u8]) {
        let Entry { tally, digest, .. } = &mut self.entries[place];
        digest.update(bytes);
        tally.documents += documents;
        tally.bytes += bytes.len() as u64;
        tally.crc = digest.clone().finalize();
    }

    pub(super) fn close(&mut self, place: usize) {
        self.entries[place].state = State::Closed;
    }

    pub(super) fn tally(&self, place: usize) -> &Tally {
        &self.entries[place].tally
    }

    pub(super) fn tallies(&self) -> impl Iterator<Item = &Tally> {
        self.entries.iter().map(|entry| &entry.tally)
    }

    /// An error that names the first namespace that is not closed.
    pub(super) fn all_closed(&self) -> Result<(), Refused> {
        let mut open = self.entries.iter().filter(|entry| entry.state != State::Closed);
        let Some(Entry { tally, .. }) = open.next() else { return Ok(()) };
        Err(Refused { namespace: shown(&tally.db, &tally.collection), why: Damage::Unclosed { others: open.count() } })
    }
}
