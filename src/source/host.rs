//! The sources of a host: trees of files, volumes of its engine, and commands.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use chrono::DateTime;

use super::command_run::Runner;
use super::mongodb::{self, Declared};
use super::port::{Back, Captured, Fed, Fingerprint, Output, Probe, Shape, SourceError, Sources, Watch};
use super::secret::{Secret, resolve};
use super::{command, files, volume};
use crate::archive::fingerprint;
use crate::archive::{PackPlan, Progress, Root, StreamOptions, TarTree, WalkPlan, pack, pack_streams};
use crate::model::id::{Instant, Name};
use crate::model::{CommandSource, MongodbSource, Source, SourceKind, VolumeSource};
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
    /// A folder for files without names, where restores keep what has to wait.
    pub scratch: PathBuf,
}

impl HostSources {
    fn secrets(&self, name: &Name, source: &CommandSource) -> Result<BTreeMap<String, Secret>, SourceError> {
        let resolve = |(key, secret)| match resolve(secret, &*self.variable) {
            Ok(value) => Ok((String::clone(key), value)),
            Err(source) => Err(SourceError::Secret { name: name.to_string(), source }),
        };
        source.env.iter().map(resolve).collect()
    }

    fn mongodb<'a>(&'a self, name: &'a Name, source: &'a MongodbSource) -> Declared<'a> {
        Declared { name, source, variable: &*self.variable }
    }

    /// The engine and its volumes; its containers too if they are needed.
    fn seen(&self, name: &Name, source: &VolumeSource) -> Result<Picture, SourceError> {
        let seen = if source.api {
            self.runtime.picture()
        } else {
            let bare = |engine| Ok(Picture { engine, containers: Vec::new(), volumes: self.runtime.volumes()? });
            self.runtime.engine().and_then(bare)
        };
        seen.map_err(|error| SourceError::Unusable(format!("source `{name}`: {error}")))
    }

    fn tree(
        &self,
        name: &Name,
        walk: &WalkPlan,
        strict: bool,
        output: &mut Output<'_>,
        watch: &Watch<'_>,
    ) -> Result<Captured, SourceError> {
        let plan = PackPlan { threads: self.threads, strict, ..PackPlan::new(walk.clone()) };
        let progress = |seen: Progress| (watch.progress)(seen.bytes, seen.entries);
        let packed = pack(&plan, output.payload, output.index, &progress, watch.cancel);
        let packed = packed.map_err(|source| SourceError::Archive { name: name.to_string(), source })?;
        let warnings: Vec<String> = packed.warnings.iter().map(|w| format!("source `{name}`: {w}")).collect();
        let after = fingerprint(walk).map_err(|source| SourceError::Archive { name: name.to_string(), source })?;
        let fingerprint = if packed.warnings.is_empty() { known(&after) } else { None };
        Ok(Captured { entries: packed.entries, bytes: packed.bytes, fingerprint, warnings, ..Captured::default() })
    }

    fn volumes(
        &self,
        name: &Name,
        source: &VolumeSource,
        strict: bool,
        output: &mut Output<'_>,
        watch: &Watch<'_>,
    ) -> Result<Captured, SourceError> {
        let seen = self.seen(name, source)?;
        if source.api {
            return self.through_engine(name, source, &seen, output, watch);
        }
        let empty = volume::mountpoints(name, source, &seen).map_err(SourceError::Unusable)?;
        let walk = volume::walk_plan(name, source, &seen).map_err(SourceError::Unusable)?;
        let mut captured = self.tree(name, &walk, strict, output, watch)?;
        captured.warnings.extend(empty);
        Ok(captured)
    }

    /// Volumes as the engine streams them. It gives no way to see that they changed meanwhile.
    fn through_engine(
        &self,
        name: &Name,
        source: &VolumeSource,
        seen: &Picture,
        output: &mut Output<'_>,
        watch: &Watch<'_>,
    ) -> Result<Captured, SourceError> {
        let readers = volume::readers(name, source, seen).map_err(SourceError::Unusable)?;
        let tree = |reader: &'_ volume::Reader| {
            let (runtime, label, reader) = (&self.runtime, OsString::from(&reader.label), reader.clone());
            let open = move || runtime.read_archive(&reader.container, &reader.path).map_err(std::io::Error::other);
            TarTree { label, open: Box::new(open) }
        };
        let trees: Vec<TarTree<'_>> = readers.iter().map(tree).collect();
        let options = StreamOptions { threads: self.threads, ..StreamOptions::default() };
        let progress = |seen: Progress| (watch.progress)(seen.bytes, seen.entries);
        let out: (&mut (dyn Write + Send), &mut (dyn Write + Send)) = (output.payload, output.index);
        let packed = pack_streams(&trees, &files::without_restores(&source.exclude), options, out, &progress, watch.cancel);
        let packed = packed.map_err(|source| SourceError::Archive { name: name.to_string(), source })?;
        // nothing but the roots
        let empty = packed.entries == readers.len() as u64;
        let warnings = empty.then(|| format!("source `{name}`: there is nothing in its volumes")).into_iter().collect();
        Ok(Captured { entries: packed.entries, bytes: packed.bytes, warnings, reduced: true, ..Captured::default() })
    }
}

impl Sources for HostSources {
    fn probe(&self, source: &Source, engine: Option<&Picture>) -> Probe {
        match &source.kind {
            SourceKind::Files(files) => files::probe(&source.name, files),
            SourceKind::Volume(volume) => volume::probe(&source.name, volume, engine),
            SourceKind::Command(command) => command::probe(&source.name, command, engine),
            SourceKind::Mongodb(mongodb) => self.mongodb(&source.name, mongodb).probe(mongodb::Need::Full, engine),
        }
    }

    fn shape(&self, source: &Source) -> Shape {
        let tree = |roots: Vec<Root>, excludes: &[String]| Shape {
            payload: TREE.to_owned(),
            index: Some(format!("{TREE}.index")),
            codec: vec!["tar".to_owned(), "zstd".to_owned()],
            labels: roots.iter().map(|r| (r.label.to_string_lossy().into_owned(), r.path.to_string_lossy().into_owned())).collect(),
            excludes: excludes.to_vec(),
        };
        match &source.kind {
            SourceKind::Files(files) => tree(files::roots(&source.name, files).unwrap_or_default(), &files.exclude),
            SourceKind::Volume(volume) => {
                let seen = self.seen(&source.name, volume).ok();
                let roots = seen.and_then(|seen| volume::labels(&source.name, volume, &seen).ok());
                tree(roots.unwrap_or_default(), &volume.exclude)
            }
            SourceKind::Command(command) => Shape {
                payload: format!("{}.zst", command.file),
                index: None,
                codec: vec!["zstd".to_owned()],
                labels: BTreeMap::new(),
                excludes: Vec::new(),
            },
            SourceKind::Mongodb(_) => mongodb::shape(),
        }
    }

    fn fingerprint(&self, source: &Source) -> Result<Option<Fingerprint>, SourceError> {
        let walk = match &source.kind {
            SourceKind::Files(files) => files::walk_plan(&source.name, files),
            SourceKind::Volume(volume) if !volume.api => volume::walk_plan(&source.name, volume, &self.seen(&source.name, volume)?),
            SourceKind::Volume(_) | SourceKind::Command(_) | SourceKind::Mongodb(_) => return Ok(None),
        };
        let walk = walk.map_err(SourceError::Unusable)?;
        let seen = fingerprint(&walk).map_err(|e| SourceError::Archive { name: source.name.to_string(), source: e })?;
        Ok(known(&seen))
    }

    fn capture(&self, source: &Source, strict: bool, mut output: Output<'_>, watch: &Watch<'_>) -> Result<Captured, SourceError> {
        match &source.kind {
            SourceKind::Files(files) => {
                if let Probe::Unusable(message) = files::probe(&source.name, files) {
                    return Err(SourceError::Unusable(message));
                }
                let walk = files::walk_plan(&source.name, files).map_err(SourceError::Unusable)?;
                self.tree(&source.name, &walk, strict, &mut output, watch)
            }
            SourceKind::Volume(volume) => self.volumes(&source.name, volume, strict, &mut output, watch),
            SourceKind::Mongodb(mongodb) => {
                mongodb::capture(self.mongodb(&source.name, mongodb), &*self.runtime, self.threads, output, watch)
            }
            SourceKind::Command(command) => {
                let env = self.secrets(&source.name, command)?;
                let run = Runner { name: &source.name, source: command, env: &env, runtime: &*self.runtime };
                command::capture(run, self.threads, output.payload, watch)
            }
        }
    }

    fn takes(&self, source: &Source, back: &Back) -> Result<Vec<String>, SourceError> {
        match &source.kind {
            SourceKind::Mongodb(mongodb) => mongodb::takes(self.mongodb(&source.name, mongodb), &*self.runtime, back),
            SourceKind::Command(_) if *back == Back::default() => Ok(Vec::new()),
            SourceKind::Command(_) | SourceKind::Files(_) | SourceKind::Volume(_) => Err(SourceError::Unusable(format!(
                "source `{}` is no server: it takes no `--database`, `--collection` or `--replace`",
                source.name
            ))),
        }
    }

    fn feed(&self, source: &Source, back: &Back, payload: &mut (dyn Read + Send), watch: &Watch<'_>) -> Result<Fed, SourceError> {
        match &source.kind {
            SourceKind::Mongodb(mongodb) => {
                mongodb::feed(self.mongodb(&source.name, mongodb), &*self.runtime, back, &self.scratch, payload, watch)
            }
            SourceKind::Command(command) => {
                let env = self.secrets(&source.name, command)?;
                let run = Runner { name: &source.name, source: command, env: &env, runtime: &*self.runtime };
                command::feed(run, payload, watch.cancel).map(|()| Fed::default())
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
