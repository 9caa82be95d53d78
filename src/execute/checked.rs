//! A file that is to be adopted, read whole and judged by the source that it is to be of. Changes nothing.

use std::io::{self, Read};

use super::adopt::{AdoptError, Adoption};
use super::error::{StepError, chain};
use super::hashed::Hashed;
use super::ports::Ports;
use crate::archive::{ForeignError, ReadError, Roots, Surveyed, SurveyedDump, Wrapping, survey, survey_dump};
use crate::model::{Source, SourceKind};
use crate::source::Probe;
use crate::store::Sha256Sum;

/// Bytes that tell what a file is.
const MAGIC: usize = 32;

const REPACK: &str = "nothing was adopted; unpack it, and pack it again from the root of the source, as `tar -C ROOT -czf FILE .`";

/// A file that was read whole.
#[derive(Debug)]
pub struct Checked {
    /// The digest of the file as it is.
    pub sha256: Sha256Sum,
    /// Its size.
    pub bytes: u64,
    /// How it begins.
    pub wrapping: Wrapping,
    /// What is in it.
    pub content: Content,
    /// What to know about it: sentences.
    pub warnings: Vec<String>,
}

/// What a file is taken for.
#[derive(Debug)]
pub enum Content {
    /// A stream, taken as it is.
    Stream,
    /// A tar archive.
    Tree(Surveyed),
    /// An archive of mongodump.
    Dump(SurveyedDump),
}

impl Adoption {
    /// Reads the file to its end and changes nothing.
    pub fn check(&self, ports: &Ports) -> Result<Checked, AdoptError> {
        let source = &self.set.sources[&self.of().source];
        let mut start = Vec::new();
        let failed = |error: io::Error| self.refused(format!("it cannot be read: {error}"), "make it readable for this user");
        Hashed::new(&self.file).and_then(|read| read.take(MAGIC as u64).read_to_end(&mut start)).map_err(failed)?;
        let wrapping = Wrapping::of(&start);
        let mut read = Hashed::new(&self.file).map_err(failed)?;
        let mut warnings = Vec::new();
        let content = match &source.kind {
            SourceKind::Command(command) => {
                if start.is_empty() {
                    return Err(self.refused("it is empty", "nothing was adopted"));
                }
                if wrapping != Wrapping::Plain {
                    let (how, file) = (wrapping.as_str(), &command.file);
                    warnings.push(format!("it is compressed with {how} and taken as it is: a restore gives these very bytes as `{file}`"));
                }
                Content::Stream
            }
            SourceKind::Mongodb(_) => {
                let found = survey_dump(&mut read, self.threads(), &ports.cancel).map_err(|error| self.foreign(error))?;
                if found.oplog.is_none() {
                    warnings.push("it has no oplog: what was written while it was taken is in it by halves".to_owned());
                }
                Content::Dump(found)
            }
            SourceKind::Files(_) | SourceKind::Volume(_) => Content::Tree(self.tree(source, &mut read, ports, &mut warnings)?),
        };
        let (sha256, bytes) = read.finish(&ports.cancel).map_err(|error| match error {
            _ if ports.cancelled() => StepError::Interrupted.into(),
            error => failed(error),
        })?;
        Ok(Checked { sha256, bytes, wrapping, content, warnings })
    }

    fn tree(&self, source: &Source, read: &mut Hashed, ports: &Ports, warnings: &mut Vec<String>) -> Result<Surveyed, AdoptError> {
        let labels = ports.sources.shape(source).labels;
        if labels.is_empty() {
            let why = match ports.sources.probe(source, ports.runtime.picture().ok().as_ref()) {
                Probe::Unusable(why) => why,
                Probe::Ready | Probe::NotChecked => format!("source `{}` has no roots", source.name),
            };
            let help = "the members of an archive are told by where the source is: make it readable, then adopt again";
            return Err(self.refused(why, help));
        }
        let found = survey(read, &Roots::new(&labels), self.threads(), &ports.cancel).map_err(|error| self.foreign(error))?;
        let without: Vec<String> = labels.keys().filter(|l| !found.labels.contains(*l)).map(|label| format!("`{label}`")).collect();
        if !without.is_empty() {
            warnings.push(format!("it holds nothing of {}, which source `{}` has too", without.join(", "), source.name));
        }
        Ok(found)
    }

    fn foreign(&self, error: ForeignError) -> AdoptError {
        match error {
            ForeignError::Read(ReadError::Cancelled) => StepError::Interrupted.into(),
            ForeignError::Read(ReadError::Damaged(damage)) => AdoptError::Damaged { name: self.name.clone(), why: damage.to_string() },
            ForeignError::NoArchive(_) => self.refused(chain(&error), "name a .tar, .tar.gz or .tar.zst; unpack what is in another form"),
            ForeignError::NoDump(_) => self.refused(chain(&error), "name what `mongodump --archive=FILE` wrote, with `--gzip` or without"),
            ForeignError::Dump(_) | ForeignError::Empty(_) => self.refused(chain(&error), "nothing was adopted"),
            ForeignError::Read(_) | ForeignError::Misfit(_) => self.refused(chain(&error), REPACK),
        }
    }
}
