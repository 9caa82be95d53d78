//! The sources of a host: trees of files, and commands that run on it.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use chrono::DateTime;

use super::port::{Captured, Fingerprint, Output, Probe, Shape, SourceError, Sources, Watch};
use super::secret::{Secret, resolve};
use super::{command, files};
use crate::archive::fingerprint;
use crate::archive::{PackPlan, Progress, pack};
use crate::model::id::{Instant, Name};
use crate::model::{CommandSource, FilesSource, Source, SourceKind};
use crate::runtime::Runtime;
use crate::runtime::seen::Picture;

/// Looks up a variable of this program's environment.
pub(super) type Variable = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The file name of a tree's payload.
const TREE: &str = "files.tar.zst";

/// The sources of this host.
pub struct HostSources {
    /// Threads that compress.
    pub threads: usize,
    /// The environment, for secrets.
    pub variable: Variable,
    /// The engine, for volumes and for commands in containers.
    pub runtime: Arc<dyn Runtime>,
}

impl HostSources {
    fn secrets(&self, name: &Name, source: &CommandSource) -> Result<BTreeMap<String, Secret>, SourceError> {
        let resolve = |(key, secret)| match resolve(secret, &*self.variable) {
            Ok(value) => Ok((String::clone(key), value)),
            Err(source) => Err(SourceError::Secret { name: name.to_string(), source }),
        };
        source.env.iter().map(resolve).collect()
    }

    fn tree(
        &self,
        name: &Name,
        source: &FilesSource,
        strict: bool,
        output: &mut Output<'_>,
        watch: &Watch<'_>,
    ) -> Result<Captured, SourceError> {
        let walk = files::walk_plan(name, source).map_err(SourceError::Unusable)?;
        let plan = PackPlan { threads: self.threads, strict, ..PackPlan::new(walk.clone()) };
        let progress = |seen: Progress| (watch.progress)(seen.bytes, seen.entries);
        let packed = pack(&plan, output.payload, output.index, &progress, watch.cancel);
        let packed = packed.map_err(|source| SourceError::Archive { name: name.to_string(), source })?;
        let warnings: Vec<String> = packed.warnings.iter().map(|w| format!("source `{name}`: {w}")).collect();
        let after = fingerprint(&walk).map_err(|source| SourceError::Archive { name: name.to_string(), source })?;
        let fingerprint = if packed.warnings.is_empty() { known(&after) } else { None };
        Ok(Captured { entries: packed.entries, bytes: packed.bytes, fingerprint, warnings })
    }
}

impl Sources for HostSources {
    fn probe(&self, source: &Source, _engine: Option<&Picture>) -> Probe {
        match &source.kind {
            SourceKind::Files(files) => files::probe(&source.name, files),
            SourceKind::Volume(_) | SourceKind::Command(_) => Probe::NotChecked,
        }
    }

    fn shape(&self, source: &Source) -> Shape {
        match &source.kind {
            SourceKind::Files(files) => {
                let roots = files::roots(&source.name, files).unwrap_or_default();
                let labels =
                    roots.iter().map(|r| (r.label.to_string_lossy().into_owned(), r.path.to_string_lossy().into_owned())).collect();
                Shape {
                    payload: TREE.to_owned(),
                    index: Some(format!("{TREE}.index")),
                    codec: vec!["tar".to_owned(), "zstd".to_owned()],
                    labels,
                    excludes: files.exclude.clone(),
                }
            }
            SourceKind::Volume(volume) => Shape {
                payload: TREE.to_owned(),
                index: Some(format!("{TREE}.index")),
                codec: vec!["tar".to_owned(), "zstd".to_owned()],
                labels: BTreeMap::new(),
                excludes: volume.exclude.clone(),
            },
            SourceKind::Command(command) => Shape {
                payload: format!("{}.zst", command.file),
                index: None,
                codec: vec!["zstd".to_owned()],
                labels: BTreeMap::new(),
                excludes: Vec::new(),
            },
        }
    }

    fn fingerprint(&self, source: &Source) -> Result<Option<Fingerprint>, SourceError> {
        let SourceKind::Files(files) = &source.kind else { return Ok(None) };
        let walk = files::walk_plan(&source.name, files).map_err(SourceError::Unusable)?;
        let seen = fingerprint(&walk).map_err(|e| SourceError::Archive { name: source.name.to_string(), source: e })?;
        Ok(known(&seen))
    }

    fn capture(&self, source: &Source, strict: bool, mut output: Output<'_>, watch: &Watch<'_>) -> Result<Captured, SourceError> {
        match &source.kind {
            SourceKind::Files(files) => {
                if let Probe::Unusable(message) = files::probe(&source.name, files) {
                    return Err(SourceError::Unusable(message));
                }
                self.tree(&source.name, files, strict, &mut output, watch)
            }
            SourceKind::Volume(_) => Err(SourceError::Unusable(format!("source `{}` is a volume", source.name))),
            SourceKind::Command(argv) => {
                let env = self.secrets(&source.name, argv)?;
                command::capture(&source.name, argv, &env, self.threads, output.payload, watch)
            }
        }
    }

    fn feed(&self, source: &Source, payload: &mut (dyn Read + Send), cancel: &AtomicBool) -> Result<(), SourceError> {
        match &source.kind {
            SourceKind::Command(argv) => {
                let env = self.secrets(&source.name, argv)?;
                command::feed(&source.name, argv, &env, payload, cancel)
            }
            SourceKind::Files(_) | SourceKind::Volume(_) => {
                Err(SourceError::Unusable(format!("source `{}` is a tree of files and takes no stream", source.name)))
            }
        }
    }
}

/// A fingerprint as records hold it; none if the tree was not quiet, or its newest change is no time.
fn known(seen: &crate::archive::Fingerprint) -> Option<Fingerprint> {
    let newest_change: Instant = DateTime::from_timestamp(seen.newest_change.seconds, seen.newest_change.nanos)?;
    let mut text = String::from("blake3:");
    for byte in seen.digest {
        use std::fmt::Write;
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Some(Fingerprint { text, entries: seen.entries, bytes: seen.bytes, newest_change })
}
