//! Encryption as the executor needs it: around a capture and a manifest on the way out, around what a record names on the way back.
//!
//! On the way out only public keys are known. On the way back [`plain`] and [`plain_at`] give the content of what is stored, encrypted or not, so
//! that whoever reads an archive need not know; refused is only what nobody here has an identity for.

use std::io::{self, Read, Write};

use super::error::StepError;
use crate::archive::{Identities, ReadAt, ReadError, Recipient, Seal, SealError, Unsealed, UnsealedAt, seal_apart, sealable};
use crate::source::Shape;
use crate::store::layout;
use crate::store::record::Record;
use crate::store::segments::SegmentError;

/// The word for it in a codec.
const CODEC: &str = "age";

/// To whom something is encrypted; to nobody: it is not.
pub(super) struct Sealing(Vec<Recipient>);

impl Sealing {
    /// The recipients of a policy or a manifest.
    pub(super) fn to(recipients: &[String]) -> Result<Self, StepError> {
        let read = recipients.iter().map(|text| text.parse::<Recipient>());
        let read: Result<Vec<_>, _> = read.collect();
        read.map(Self).map_err(|error| StepError::Seal(SealError::Plugin(format!("a recipient of the manifest is not usable: {error}"))))
    }

    /// Whether anything is encrypted.
    pub(super) fn is_on(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether it could be done now.
    pub(super) fn check(&self) -> Result<(), StepError> {
        if self.is_on() { Ok(sealable(&self.0)?) } else { Ok(()) }
    }

    /// What stands for them in records: sorted, each once.
    pub(super) fn fingerprints(&self) -> Vec<String> {
        let mut all: Vec<String> = self.0.iter().map(Recipient::fingerprint).collect();
        all.sort();
        all.dedup();
        all
    }

    /// How a payload is named and built with it.
    pub(super) fn shape(&self, plain: Shape) -> Shape {
        if !self.is_on() {
            return plain;
        }
        let named = |name: String| name + layout::ENCRYPTED;
        let codec = plain.codec.into_iter().chain([CODEC.to_owned()]).collect();
        Shape { payload: named(plain.payload), index: plain.index.map(named), codec, ..plain }
    }

    /// Runs `work` with writers of plain bytes. Sealing the payload and storing it are two threads.
    pub(super) fn around<T>(
        &self,
        payload: &mut (dyn Write + Send),
        index: Option<&mut (dyn Write + Send)>,
        work: impl FnOnce(&mut (dyn Write + Send), &mut (dyn Write + Send)) -> Result<T, StepError>,
    ) -> Result<T, StepError> {
        let mut nowhere = io::sink();
        match index {
            None if self.is_on() => seal_apart(&self.0, payload, |payload| work(payload, &mut nowhere)),
            None => work(payload, &mut nowhere),
            Some(index) if self.is_on() => {
                let mut index = Seal::new(&self.0, index)?;
                let done = seal_apart(&self.0, payload, |payload| work(payload, &mut index))?;
                index.finish().map_err(SealError::Io)?;
                Ok(done)
            }
            Some(index) => work(payload, index),
        }
    }

    /// A few bytes at once.
    pub(super) fn whole(&self, plain: Vec<u8>) -> Result<Vec<u8>, StepError> {
        if !self.is_on() {
            return Ok(plain);
        }
        let mut seal = Seal::new(&self.0, Vec::new())?;
        seal.write_all(&plain).map_err(SealError::Io)?;
        Ok(seal.finish().map_err(SealError::Io)?)
    }
}

impl From<SealError> for StepError {
    fn from(error: SealError) -> Self {
        match error {
            // What is sealed goes into segments, and theirs is the word on it.
            SealError::Io(error) => SegmentError::of(error).into(),
            error => Self::Seal(error),
        }
    }
}

/// Whether the objects of a record are encrypted.
pub(super) fn is_sealed(record: &Record) -> bool {
    record.codec.last().is_some_and(|last| last == CODEC)
}

/// The codec of a record without the encryption.
pub(super) fn plain_codec(record: &Record) -> Vec<&str> {
    record.codec.iter().map(String::as_str).filter(|one| *one != CODEC).collect()
}

/// Runs `work` over what a record's objects hold, in order.
pub(super) fn plain<T>(
    record: &Record,
    identities: &Identities,
    stored: &mut (dyn Read + Send),
    work: impl FnOnce(&mut (dyn Read + Send)) -> Result<T, ReadError>,
) -> Result<T, ReadError> {
    if is_sealed(record) { work(&mut Unsealed::open(stored, identities)?) } else { work(stored) }
}

/// What a record's objects hold, at any place.
pub(super) fn plain_at<'a>(record: &Record, identities: &Identities, stored: impl ReadAt + 'a) -> Result<Box<dyn ReadAt + 'a>, ReadError> {
    Ok(if is_sealed(record) { Box::new(UnsealedAt::open(stored, identities)?) } else { Box::new(stored) })
}

/// Fingerprints as a sentence has them.
pub(super) fn listed(fingerprints: &[String]) -> String {
    match fingerprints {
        [] => "unknown recipients".to_owned(),
        all => all.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>().join(", "),
    }
}
