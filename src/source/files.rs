//! Trees of files: which roots a source has today, and whether they look right.
//!
//! A path without pattern must be there; a pattern must match something. Roots that are all empty are taken for a disk that is not
//! mounted, not for a tree that is empty.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::port::Probe;
use crate::archive::{Root, WalkPlan};
use crate::model::{FilesSource, Name};

/// The roots of a source, by label.
pub fn roots(name: &Name, source: &FilesSource) -> Result<Vec<Root>, String> {
    let mut by_label: BTreeMap<OsString, PathBuf> = BTreeMap::new();
    for (number, path) in source.paths.iter().enumerate() {
        let declared = source.labels.as_ref().and_then(|labels| labels.get(number));
        let found = expand(path).map_err(|message| format!("source `{name}`: {message}"))?;
        if found.len() > 1 && declared.is_some() {
            return Err(format!("source `{name}`: `{}` matches {} paths, and one label cannot name them all", path.display(), found.len()));
        }
        for root in found {
            let label = match declared {
                Some(label) => OsString::from(label),
                None => last_component(&root)
                    .ok_or_else(|| format!("source `{name}`: `{}` has no last component; give it a label", root.display()))?,
            };
            if let Some(other) = by_label.insert(label.clone(), root.clone()) {
                let (one, two, label) = (other.display(), root.display(), label.display());
                return Err(format!("source `{name}`: `{one}` and `{two}` would both be called `{label}`; give `labels`"));
            }
        }
    }
    Ok(by_label.into_iter().map(|(label, path)| Root { label, path }).collect())
}

/// Folders in which a restore stages, and keeps the old state until it is committed.
const OF_A_RESTORE: [&str; 2] = [".lucid-restore-*", ".*.lucid-restore-*"];

/// What is read, as the archive layer takes it.
pub(super) fn walk_plan(name: &Name, source: &FilesSource) -> Result<WalkPlan, String> {
    Ok(WalkPlan { roots: roots(name, source)?, exclude: without_restores(&source.exclude), one_file_system: source.one_file_system })
}

/// Patterns, and those of what a restore keeps beside a source.
pub(super) fn without_restores(exclude: &[String]) -> Vec<String> {
    exclude.iter().cloned().chain(OF_A_RESTORE.map(str::to_owned)).collect()
}

/// Whether a source can be captured.
pub(super) fn probe(name: &Name, source: &FilesSource) -> Probe {
    let roots = match roots(name, source) {
        Ok(roots) => roots,
        Err(message) => return Probe::Unusable(message),
    };
    let mut something = false;
    for root in &roots {
        let shown = root.path.display();
        let metadata = match fs::metadata(&root.path) {
            Ok(metadata) => metadata,
            Err(error) => return Probe::Unusable(format!("source `{name}`: `{shown}` cannot be looked at: {error}")),
        };
        if source.mount && !is_mount(&root.path, &metadata) {
            return Probe::Unusable(format!("source `{name}`: `{shown}` is not a mount point, and `mount = true` says that it must be"));
        }
        if metadata.is_dir() {
            match fs::read_dir(&root.path) {
                Ok(mut entries) => something |= entries.next().is_some(),
                Err(error) => return Probe::Unusable(format!("source `{name}`: `{shown}` cannot be listed: {error}")),
            }
        } else {
            something = true;
        }
    }
    if something {
        Probe::Ready
    } else {
        let shown: Vec<String> = roots.iter().map(|r| format!("`{}`", r.path.display())).collect();
        Probe::Unusable(format!("source `{name}`: {} is empty: is something not mounted?", shown.join(", ")))
    }
}

fn expand(path: &Path) -> Result<Vec<PathBuf>, String> {
    let shown = path.display();
    let text = path.to_str().unwrap_or_default();
    if !text.contains(['*', '?', '[']) || fs::symlink_metadata(path).is_ok() {
        return match fs::metadata(path) {
            Ok(_) => Ok(vec![path.to_owned()]),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(format!("`{shown}` does not exist")),
            Err(error) => Err(format!("`{shown}` cannot be looked at: {error}")),
        };
    }
    let matches = glob::glob(text).map_err(|error| format!("`{shown}` is not a pattern: {error}"))?;
    let found: Vec<PathBuf> = matches.collect::<Result<_, _>>().map_err(|error| format!("`{shown}` cannot be listed: {error}"))?;
    if found.is_empty() { Err(format!("`{shown}` matches nothing")) } else { Ok(found) }
}

fn last_component(path: &Path) -> Option<OsString> {
    match path.file_name() {
        Some(name) => Some(name.to_owned()),
        None => path.canonicalize().ok()?.file_name().map(OsString::from),
    }
}

fn is_mount(path: &Path, metadata: &fs::Metadata) -> bool {
    let parent = path.canonicalize().ok().and_then(|p| p.parent().map(Path::to_owned));
    parent.is_none_or(|parent| fs::metadata(parent).is_ok_and(|parent| parent.dev() != metadata.dev()))
}
