//! Who has a place mounted: who writes it while it is captured, and who would go on with the old files once it is put back.
//!
//! The container that this program runs in does not count: it mounts what it backs up.

use std::path::{Component, Path, PathBuf};

use glob::Pattern;

use super::window::{Handle, Quiet};
use crate::facts::{Container, Facts, Mount, Owed, Picture, State, Volume};
use crate::model::{FilesSource, Source, SourceKind, VolumeSource};

/// Containers, running or paused, that mount any of these paths of the engine's host, a folder above or a folder below, or a volume
/// whose files are there, and are not among what is quiet; what is owed is taken for running. By name.
pub fn mounters(picture: &Picture, owed: &[Owed], paths: &[PathBuf], quiet: &[Quiet]) -> Vec<String> {
    let mut places: Vec<Place> = paths.iter().map(|path| Place::Path(literal(path))).collect();
    // What is bound to the mountpoint of a volume shows as the mountpoint, wherever its files are.
    places.extend(picture.volumes.iter().filter(|volume| lies_at(volume, paths)).map(|volume| Place::Volume(volume.name.clone())));
    let holds = |c: &&Container| works(owed, c) || c.state == State::Paused;
    let mut names: Vec<String> = awake(picture, quiet)
        .filter(holds)
        .filter(|c| c.mounts.iter().any(|mount| places.iter().any(|place| place.is_in(mount))))
        .map(|c| c.name.clone())
        .collect();
    names.sort();
    names
}

/// Whether a volume's files are at one of these paths, above it or below it.
fn lies_at(volume: &Volume, paths: &[PathBuf]) -> bool {
    roots(volume).any(|root| paths.iter().any(|path| path.starts_with(&root) || root.starts_with(path)))
}

/// Running containers that can write what a source reads, and are not among what is quiet: the container, and what it writes.
pub(super) fn writers(facts: &Facts, source: &Source, quiet: &[Quiet]) -> Vec<(String, String)> {
    let Some(picture) = facts.runtime.picture() else { return Vec::new() };
    writing(picture, source, quiet, |c| works(&facts.owed, c))
}

/// The same, as of a picture that was taken while everything was to be quiet.
pub fn writers_now(picture: &Picture, source: &Source, quiet: &[Quiet]) -> Vec<(String, String)> {
    writing(picture, source, quiet, |c| c.state.works())
}

fn writing(picture: &Picture, source: &Source, quiet: &[Quiet], works: impl Fn(&Container) -> bool) -> Vec<(String, String)> {
    let places: Vec<(String, Place)> = match &source.kind {
        SourceKind::Files(files) if picture.engine.local => files_places(files),
        // Paths of this host mean nothing to an engine elsewhere; a command reads what nobody knows, and a server is asked.
        SourceKind::Files(_) | SourceKind::Command(_) | SourceKind::Mongodb(_) => Vec::new(),
        SourceKind::Volume(volume) => volume_places(picture, volume),
    };
    let mut found: Vec<(String, String)> = Vec::new();
    for container in awake(picture, quiet).filter(|c| works(c)) {
        for mount in container.mounts.iter().filter(|mount| mount.writable) {
            found.extend(places.iter().filter(|(_, place)| place.is_in(mount)).map(|(what, _)| (container.name.clone(), what.clone())));
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Whether it works, once interrupted runs are recovered.
fn works(owed: &[Owed], container: &Container) -> bool {
    container.state.works() || owed.iter().any(|owed| owed.containers.contains(&container.id))
}

/// Containers that stay as they are, this program's own left out.
fn awake<'a>(picture: &'a Picture, quiet: &'a [Quiet]) -> impl Iterator<Item = &'a Container> {
    let is_quiet = |id: &str| {
        quiet.iter().any(|q| match &q.handle {
            Handle::Containers(subjects) => subjects.iter().any(|s| s.id == id),
            Handle::Command { .. } => false,
        })
    };
    picture.containers.iter().filter(move |c| !c.own && !is_quiet(&c.id))
}

/// Something that can be mounted.
enum Place {
    /// A volume's name.
    Volume(String),
    /// A path of the engine's host, one pattern a component.
    Path(Vec<Pattern>),
}

impl Place {
    fn is_in(&self, mount: &Mount) -> bool {
        match self {
            Self::Volume(name) => mount.volume.as_ref() == Some(name),
            // One lies in the other if they agree as far as the shorter one goes. What is in memory only has no source.
            Self::Path(patterns) => {
                mount.source.is_absolute() && patterns.iter().zip(components(&mount.source)).all(|(pattern, name)| pattern.matches(&name))
            }
        }
    }
}

fn files_places(files: &FilesSource) -> Vec<(String, Place)> {
    files.paths.iter().map(|path| (format!("`{}`", path.display()), Place::Path(patterns(path)))).collect()
}

fn volume_places(picture: &Picture, source: &VolumeSource) -> Vec<(String, Place)> {
    let mut places = Vec::new();
    for name in &source.volumes {
        let Some(volume) = meant(picture, source.project.as_deref(), name) else { continue };
        places.extend(places_of(volume).into_iter().map(|place| (format!("volume `{name}`"), place)));
    }
    places
}

/// The volume that a manifest names.
fn meant<'a>(picture: &'a Picture, project: Option<&str>, name: &str) -> Option<&'a Volume> {
    let by_name = |wanted: &str, own: bool| picture.volumes.iter().find(|v| v.name == wanted && (own || v.compose.is_none()));
    let Some(project) = project else { return by_name(name, true) };
    let is_it = |v: &&Volume| v.compose.as_ref().is_some_and(|(p, n)| p == project && n == name);
    // old composes wrote no labels, so that what has some is somebody else's
    picture.volumes.iter().find(is_it).or_else(|| by_name(&format!("{project}_{name}"), false))
}

/// A volume under its name and where it is on the engine's host, for those who mount that.
fn places_of(volume: &Volume) -> Vec<Place> {
    let named = Place::Volume(volume.name.clone());
    [named].into_iter().chain(roots(volume).map(|root| Place::Path(literal(&root)))).collect()
}

/// Where a volume's files are on the engine's host. A driver that keeps its volumes elsewhere gives no mountpoint.
fn roots(volume: &Volume) -> impl Iterator<Item = PathBuf> {
    let device = volume.options.get("device").map(PathBuf::from).filter(|device| !device.starts_with("/dev"));
    [Some(volume.mountpoint.clone()), device].into_iter().flatten().filter(|root| root.is_absolute())
}

fn components(path: &Path) -> impl Iterator<Item = String> {
    path.components().filter_map(|c| match c {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        _ => None,
    })
}

fn literal(path: &Path) -> Vec<Pattern> {
    components(path).map(|name| one(&Pattern::escape(&name))).collect()
}

fn patterns(path: &Path) -> Vec<Pattern> {
    // below `**` anything may match
    components(path).take_while(|name| name != "**").map(|name| one(&name)).collect()
}

/// What is no pattern is taken for anything: rather one warning too many.
fn one(text: &str) -> Pattern {
    Pattern::new(text).or_else(|_| Pattern::new("*")).unwrap_or_default()
}
