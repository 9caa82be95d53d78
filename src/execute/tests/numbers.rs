//! Sources that are numbers: what they held when is known.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::{Arc, Mutex};

use super::world::locked;
use super::yard::Yard;
use crate::model::id::{Instant, Name};
use crate::model::{Source, SourceKind};
use crate::source::{Back, Captured, Fed, Fingerprint, Output, Probe, Shape, SourceError, Sources, Watch};

/// What one source holds, and how it behaves.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) version: u64,
    pub(super) changed: Instant,
    pub(super) unusable: bool,
    /// The next capture fails half-way.
    pub(super) fails: bool,
    /// The next capture sees it change under its hands.
    pub(super) moves: bool,
    /// The version that was last captured, or found unchanged.
    pub(super) last_read: u64,
}

/// Sources that are numbers: version `n` has its own bytes. With the engine on which their services run.
pub(super) struct Numbers(pub(super) Mutex<BTreeMap<Name, Held>>, pub(super) Arc<Yard>);

/// The bytes of one version of a source.
pub(super) fn payload(source: &str, version: u64) -> Vec<u8> {
    format!("{source} as of version {version}; ").repeat(1 + usize::try_from(version % 3).unwrap()).into_bytes()
}

impl Numbers {
    fn of<T>(&self, source: &Source, with: impl FnOnce(&mut Held) -> T) -> T {
        with(locked(&self.0).get_mut(&source.name).unwrap())
    }
}

impl Sources for Numbers {
    fn probe(&self, source: &Source, _: Option<&crate::runtime::seen::Picture>) -> Probe {
        let unusable = self.of(source, |held| held.unusable);
        if unusable { Probe::Unusable("it is not there".to_owned()) } else { Probe::Ready }
    }

    fn shape(&self, source: &Source) -> Shape {
        let tree = matches!(source.kind, SourceKind::Files(_));
        Shape {
            payload: if tree { "files.bin" } else { "output" }.to_owned(),
            index: tree.then(|| "files.bin.index".to_owned()),
            codec: vec!["none".to_owned()],
            labels: BTreeMap::new(),
            excludes: Vec::new(),
        }
    }

    fn fingerprint(&self, source: &Source) -> Result<Option<Fingerprint>, SourceError> {
        if !matches!(source.kind, SourceKind::Files(_)) {
            return Ok(None);
        }
        Ok(Some(self.of(source, |held| {
            held.last_read = held.version;
            Fingerprint { text: format!("v{}", held.version), entries: 1, bytes: 1, newest_change: held.changed }
        })))
    }

    fn capture(&self, source: &Source, _: bool, output: Output<'_>, _: &Watch<'_>) -> Result<Captured, SourceError> {
        let before = self.of(source, |held| std::mem::replace(held, Held { fails: false, last_read: held.version, ..held.clone() }));
        self.1.while_read(source);
        let bytes = payload(source.name.as_str(), before.version);
        let broken = |error: io::Error| SourceError::Command { name: source.name.to_string(), message: error.to_string() };
        if before.fails {
            output.payload.write_all(&bytes[..bytes.len() / 2]).map_err(broken)?;
            return Err(broken(io::Error::other("it failed half-way")));
        }
        output.payload.write_all(&bytes).map_err(broken)?;
        output.index.write_all(b"index").map_err(broken)?;
        if before.moves {
            self.of(source, |held| *held = Held { version: held.version + 1, moves: false, ..held.clone() });
        }
        let fingerprint = self.fingerprint(source)?.filter(|_| !before.moves);
        self.of(source, |held| held.last_read = before.version);
        Ok(Captured { entries: 1, bytes: bytes.len() as u64, fingerprint, ..Captured::default() })
    }

    fn takes(&self, _: &Source, _: &Back) -> Result<Vec<String>, SourceError> {
        Err(SourceError::Interrupted)
    }

    fn feed(&self, _: &Source, _: &Back, _: &mut (dyn Read + Send), _: &Watch<'_>) -> Result<Fed, SourceError> {
        Err(SourceError::Interrupted)
    }
}
