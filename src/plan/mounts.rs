//! Who has a place mounted: who writes it while it is captured, and who would go on with the old files once it is put back.
//!
//! The container that this program runs in does not count: it mounts what it backs up.

use std::path::{Component, Path, PathBuf};

use glob::Pattern;

use super::window::{Handle, Quiet};
use crate::facts::{Container, Facts, Mount, Picture, State, Volume};
use crate::model::{FilesSource, Source, SourceKind, VolumeSource};

/// Containers, running or paused, that mount any of these volumes, or any of these paths of the engine's host, a folder above or a
/// folder below, and are not among what is quiet. By name.
pub fn mounters(facts: &Facts, paths: &[PathBuf], volumes: &[String], quiet: &[Quiet]) -> Vec<String> {
    let Some(picture) = facts.runtime.picture() else { return Vec::new() };
    let mut places: Vec<Place> = paths.iter().map(|path| Place::Path(literal(path))).collect();
    for name in volumes {
        places.extend(places_of(picture, name));
    }
    let holds = |c: &&Container| works(facts, c) || c.state == State::Paused;
    let mut names: Vec<String> = awake(picture, quiet)
        .filter(holds)
        .filter(|c| c.mounts.iter().any(|mount| places.iter().any(|place| place.is_in(mount))))
        .map(|c| c.name.clone())
        .collect();
    names.sort();
    names
}

/// Running containers that can write what a source reads, and are not among what is quiet: the container, and what it writes.
pub(super) fn writers(facts: &Facts, source: &Source, quiet: &[Quiet]) -> Vec<(String, String)> {
    let Some(picture) = facts.runtime.picture() else { return Vec::new() };
    writing(picture, source, quiet, |c| works(facts, c))
}

/// The same, as of a picture that was taken while everything was to be quiet.
pub fn writers_now(picture: &Picture, source: &Source, quiet: &[Quiet]) -> Vec<(String, String)> {
    writing(picture, source, quiet, |c| c.state.works())
}

fn writing(picture: &Picture, source: &Source, quiet: &[Quiet], works: impl Fn(&Container) -> bool) -> Vec<(String, String)> {
    let places: Vec<(String, Place)> = match &source.kind {
        SourceKind::Files(files) if picture.engine.local => files_places(files),
        // Paths of this host mean nothing to an engine elsewhere; a command reads what nobody knows.
        SourceKind::Files(_) | SourceKind::Command(_) => Vec::new(),
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
fn works(facts: &Facts, container: &Container) -> bool {
    container.state.works() || facts.owed.iter().any(|owed| owed.containers.contains(&container.id))
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
        let volume = engine_name(picture, source.project.as_deref(), name);
        places.extend(places_of(picture, &volume).into_iter().map(|place| (format!("volume `{name}`"), place)));
    }
    places
}

/// The engine's name of a volume that a manifest names.
fn engine_name(picture: &Picture, project: Option<&str>, name: &str) -> String {
    let Some(project) = project else { return name.to_owned() };
    let is_it = |v: &&Volume| v.compose.as_ref().is_some_and(|(p, n)| p == project && n == name);
    picture.volumes.iter().find(is_it).map_or_else(|| format!("{project}_{name}"), |v| v.name.clone())
}

/// A volume under its name and where it is on the engine's host, for those who mount that.
fn places_of(picture: &Picture, name: &str) -> Vec<Place> {
    let mut places = vec![Place::Volume(name.to_owned())];
    for volume in picture.volumes.iter().filter(|v| v.name == name) {
        let device = volume.options.get("device").map(PathBuf::from).filter(|d| d.is_absolute() && !d.starts_with("/dev"));
        let roots = [Some(volume.mountpoint.clone()), device].into_iter().flatten();
        // a driver that keeps its volumes elsewhere gives no mountpoint
        places.extend(roots.filter(|root| root.is_absolute()).map(|root| Place::Path(literal(&root))));
    }
    places
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
