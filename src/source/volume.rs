//! Volumes of a container engine: which of its volumes a source means, and where each is read.
//!
//! A volume is found by the name that compose gave it, or by the engine's; none is ever made. It is read at its mountpoint, with all
//! that a tree of files has. Refused there, with `access = "api"` as the way out: a distant engine, other drivers than `local`, and
//! volumes whose files are only there while a container runs.
//!
//! An empty volume is captured, with a warning: applications make volumes that they fill later, and the engine has said that it
//! is there. Refused is one that is bound to a folder which is empty: as with a tree of files, that means a disk that is not mounted.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::files::without_restores;
use super::port::Probe;
use crate::archive::{Root, WalkPlan};
use crate::finding::nearest;
use crate::model::{Name, VolumeSource};
use crate::runtime::seen::{Container, Mount, Picture, State, Volume};

/// The way out where a mountpoint cannot be read.
const BY_API: &str = "set `access = \"api\"` to read it through the engine";

/// The mountpoints of a source's volumes, by label.
pub fn volume_roots(name: &Name, source: &VolumeSource, seen: &Picture) -> Result<Vec<Root>, String> {
    let root = |label: &String| {
        let volume = find(name, source, label, seen)?;
        Ok(Root { label: OsString::from(label), path: place(name, volume, seen)? })
    };
    source.volumes.iter().map(root).collect()
}

/// Where the engine keeps a source's volumes, by label: of those that are read through it, that is only good to know.
pub(super) fn labels(name: &Name, source: &VolumeSource, seen: &Picture) -> Result<Vec<Root>, String> {
    if !source.api {
        return volume_roots(name, source, seen);
    }
    let root = |label: &String| {
        let volume = find(name, source, label, seen)?;
        Ok(Root { label: OsString::from(label), path: volume.mountpoint.clone() })
    };
    source.volumes.iter().map(root).collect()
}

/// What is read at the mountpoints, as the archive layer takes it.
pub(super) fn walk_plan(name: &Name, source: &VolumeSource, seen: &Picture) -> Result<WalkPlan, String> {
    Ok(WalkPlan { roots: volume_roots(name, source, seen)?, exclude: without_restores(&source.exclude), one_file_system: false })
}

/// Whether a source can be captured.
pub(super) fn probe(name: &Name, source: &VolumeSource, seen: Option<&Picture>) -> Probe {
    let Some(seen) = seen else {
        return Probe::Unusable(format!("source `{name}`: its volumes cannot be looked for, since the container engine did not answer"));
    };
    let looked = if source.api { readers(name, source, seen).map(drop) } else { mountpoints(name, source, seen).map(drop) };
    match looked {
        Ok(()) => Probe::Ready,
        Err(message) => Probe::Unusable(message),
    }
}

/// Looks at the mountpoints; gives a warning for each that is empty and the engine's own.
pub(super) fn mountpoints(name: &Name, source: &VolumeSource, seen: &Picture) -> Result<Vec<String>, String> {
    let mut warnings = Vec::new();
    for label in &source.volumes {
        let volume = find(name, source, label, seen)?;
        let folder = place(name, volume, seen)?;
        let path = folder.display();
        match fs::read_dir(&folder).map(|mut entries| entries.next().is_some()) {
            Ok(true) => {}
            Ok(false) if is_bound(volume) => {
                return Err(format!("source `{name}`: volume `{label}` is bound to `{path}`, which is empty: is something not mounted?"));
            }
            Ok(false) => warnings.push(format!("source `{name}`: volume `{label}` is empty")),
            Err(error) => return Err(format!("source `{name}`: volume `{label}` cannot be read at `{path}`: {error}")),
        }
    }
    Ok(warnings)
}

/// A volume, and the container through which it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reader {
    /// Its label.
    pub label: String,
    /// The container's id.
    pub container: String,
    /// Where the volume is in it.
    pub path: String,
}

/// A container for each volume that mounts it; one that rests rather than one that writes.
pub(super) fn readers(name: &Name, source: &VolumeSource, seen: &Picture) -> Result<Vec<Reader>, String> {
    let reader = |label: &String| {
        let volume = find(name, source, label, seen)?;
        let mounted = |container: &&Container| container.state != State::Removing && container.state != State::Dead;
        let ways = seen.containers.iter().filter(mounted).flat_map(|container| {
            let own = |mount: &&Mount| mount.volume.as_deref() == Some(&volume.name) && is_alone(container, mount);
            let mounts = container.mounts.iter().filter(own);
            mounts.map(move |mount| (container, mount))
        });
        let (container, mount) = ways.min_by_key(|(container, _)| (container.state.works(), &container.name)).ok_or_else(|| {
            let why = "no container mounts it, or only with something else mounted in it";
            format!("source `{name}`: the engine gives no way to read volume `{}`: {why}", volume.name)
        })?;
        let path = mount.destination.to_str().ok_or_else(|| {
            format!("source `{name}`: volume `{}` is mounted in `{}` under a name that is no text", volume.name, container.name)
        })?;
        Ok(Reader { label: label.clone(), container: container.id.clone(), path: path.to_owned() })
    };
    source.volumes.iter().map(reader).collect()
}

/// Whether nothing else is mounted in a mount: the engine would hand that out with it.
fn is_alone(container: &Container, mount: &Mount) -> bool {
    let below = |other: &&Mount| other.destination != mount.destination && other.destination.starts_with(&mount.destination);
    !container.mounts.iter().any(|other| below(&other))
}

/// The volume that a name means.
fn find<'a>(name: &Name, source: &VolumeSource, wanted: &str, seen: &'a Picture) -> Result<&'a Volume, String> {
    let Some(project) = &source.project else {
        let found = seen.volumes.iter().find(|volume| volume.name == wanted);
        return found.ok_or_else(|| {
            let known = seen.volumes.iter().map(|volume| volume.name.as_str());
            format!("source `{name}`: there is no volume `{wanted}`{}", perhaps(wanted, known))
        });
    };
    let own = |volume: &&Volume| volume.compose.as_ref().is_some_and(|(of, key)| of == project && key == wanted);
    // old composes wrote no labels, so that what has some is somebody else's
    let engines = format!("{project}_{wanted}");
    let old = |volume: &&Volume| volume.compose.is_none() && volume.name == engines;
    let found = seen.volumes.iter().find(own).or_else(|| seen.volumes.iter().find(old));
    found.ok_or_else(|| {
        let prefix = format!("{project}_");
        let known = seen.volumes.iter().filter_map(|volume| match &volume.compose {
            Some((of, key)) => (of == project).then_some(key.as_str()),
            None => volume.name.strip_prefix(&prefix),
        });
        format!("source `{name}`: there is no volume `{wanted}` in the compose project `{project}`{}", perhaps(wanted, known))
    })
}

fn perhaps<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> String {
    nearest(wanted, known).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

/// Where a volume's files are on this host while no container runs.
fn place(name: &Name, volume: &Volume, seen: &Picture) -> Result<PathBuf, String> {
    let refused = |why: &str| Err(format!("source `{name}`: volume `{}` {why}; {BY_API}", volume.name));
    if !seen.engine.local {
        let why = format!("is on the host of the engine at `{}`, which is not known to be this one", seen.engine.endpoint);
        return refused(&why).map_err(|message| format!("{message}, or run this program on that host"));
    }
    if volume.driver != "local" {
        return refused(&format!("has the driver `{}`, and only `local` keeps files on this host", volume.driver));
    }
    match (is_bound(volume), option(volume, "device"), option(volume, "type")) {
        // the engine binds the folder to the mountpoint for as long as a container runs
        (true, Some(device), _) if Path::new(device).is_absolute() => Ok(PathBuf::from(device)),
        (true, ..) => refused("is bound to a device that is no path"),
        (false, None, None) => Ok(volume.mountpoint.clone()),
        (false, _, kind) => {
            let kind = kind.map(|kind| format!(" of type `{kind}`")).unwrap_or_default();
            refused(&format!("is a mount{kind}, which is there only while a container runs"))
        }
    }
}

fn option<'a>(volume: &'a Volume, key: &str) -> Option<&'a str> {
    volume.options.get(key).map(String::as_str).filter(|value| !value.is_empty())
}

/// Whether its files are those of a folder elsewhere.
fn is_bound(volume: &Volume) -> bool {
    option(volume, "o").is_some_and(|flags| flags.split(',').any(|flag| flag == "bind" || flag == "rbind"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::runtime::running;
    use crate::runtime::seen::Engine;

    fn volume(name: &str, compose: Option<&str>) -> Volume {
        Volume {
            name: name.to_owned(),
            driver: "local".to_owned(),
            mountpoint: Path::new("/volumes").join(name),
            options: BTreeMap::new(),
            compose: compose.map(|key| ("lucid".to_owned(), key.to_owned())),
        }
    }

    fn seen(volumes: Vec<Volume>) -> Picture {
        let engine =
            Engine { id: "e".to_owned(), version: "0".to_owned(), api: "1.41".to_owned(), endpoint: "tcp://far".to_owned(), local: true };
        Picture { engine, containers: Vec::new(), volumes }
    }

    fn source(project: Option<&str>, volumes: &[&str]) -> VolumeSource {
        let volumes = volumes.iter().map(|name| (*name).to_owned()).collect();
        VolumeSource { volumes, project: project.map(str::to_owned), exclude: Vec::new(), api: false }
    }

    fn roots(project: Option<&str>, wanted: &str, seen: &Picture) -> Result<String, String> {
        let roots = volume_roots(&"s".parse().unwrap(), &source(project, &[wanted]), seen)?;
        assert_eq!(roots[0].label, wanted);
        Ok(roots[0].path.display().to_string())
    }

    #[test]
    fn names_are_composes_own_within_a_project_and_the_engines_without() {
        let foreign = Volume { compose: Some(("other".to_owned(), "theirs".to_owned())), ..volume("lucid_theirs", None) };
        let seen = seen(vec![volume("renamed", Some("data")), volume("lucid_old", None), volume("lucid_data", None), foreign]);
        let table = [
            (Some("lucid"), "data", Ok("/volumes/renamed")),
            (Some("lucid"), "old", Ok("/volumes/lucid_old")),
            (None, "lucid_data", Ok("/volumes/lucid_data")),
            (None, "data", Err("source `s`: there is no volume `data`")),
            (None, "lucid_dato", Err("source `s`: there is no volume `lucid_dato`; did you mean `lucid_data`?")),
            (Some("lucid"), "date", Err("source `s`: there is no volume `date` in the compose project `lucid`; did you mean `data`?")),
            (Some("lucid"), "odl", Err("source `s`: there is no volume `odl` in the compose project `lucid`; did you mean `old`?")),
            (Some("other"), "theirs", Ok("/volumes/lucid_theirs")),
            (Some("lucid"), "theirs", Err("source `s`: there is no volume `theirs` in the compose project `lucid`")),
            (Some("other"), "data", Err("source `s`: there is no volume `data` in the compose project `other`")),
        ];
        for (project, wanted, expected) in table {
            assert_eq!(roots(project, wanted, &seen), expected.map(str::to_owned).map_err(str::to_owned), "{project:?} {wanted}");
        }
    }

    #[test]
    fn only_what_lies_on_this_host_has_a_mountpoint() {
        let with = |options: &[(&str, &str)]| Volume {
            options: options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            ..volume("v", None)
        };
        let table = [
            (with(&[]), "/volumes/v"),
            (with(&[("o", "size=1g")]), "/volumes/v"),
            (with(&[("type", "none"), ("o", "rw,bind"), ("device", "/srv/v")]), "/srv/v"),
            (
                with(&[("type", "nfs"), ("o", "addr=far"), ("device", ":/v")]),
                "is a mount of type `nfs`, which is there only while a container runs",
            ),
            (with(&[("type", "tmpfs"), ("device", "tmpfs")]), "is a mount of type `tmpfs`, which is there only while a container runs"),
            (with(&[("o", "bind")]), "is bound to a device that is no path"),
            (Volume { driver: "rexray".to_owned(), ..with(&[]) }, "has the driver `rexray`, and only `local` keeps files on this host"),
        ];
        for (volume, expected) in table {
            let found = roots(None, "v", &seen(vec![volume]));
            let refused = format!("source `s`: volume `v` {expected}; {BY_API}");
            let expected = if expected.starts_with('/') { Ok(expected.to_owned()) } else { Err(refused) };
            assert_eq!(found, expected);
        }
        let mut far = seen(vec![with(&[])]);
        far.engine.local = false;
        let why = "is on the host of the engine at `tcp://far`, which is not known to be this one";
        let refused = format!("source `s`: volume `v` {why}; {BY_API}, or run this program on that host");
        assert_eq!(roots(None, "v", &far), Err(refused));
    }

    #[test]
    fn an_empty_volume_is_ready_with_a_warning_and_one_that_is_bound_or_lost_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: PathBuf| seen(vec![Volume { mountpoint: path, ..volume("v", None) }]);
        let (name, source) = ("s".parse().unwrap(), source(None, &["v"]));
        let empty = at(dir.path().to_owned());
        assert_eq!(mountpoints(&name, &source, &empty), Ok(vec!["source `s`: volume `v` is empty".to_owned()]));
        assert_eq!(probe(&name, &source, Some(&empty)), Probe::Ready);
        let shown = dir.path().display().to_string();
        let options = [("o", "bind"), ("device", &shown)].map(|(key, value)| (key.to_owned(), value.to_owned()));
        let bound = seen(vec![Volume { options: options.into(), ..volume("v", None) }]);
        let refused = format!("source `s`: volume `v` is bound to `{shown}`, which is empty: is something not mounted?");
        assert_eq!(mountpoints(&name, &source, &bound), Err(refused.clone()));
        assert_eq!(probe(&name, &source, Some(&bound)), Probe::Unusable(refused));
        fs::write(dir.path().join("f"), "x").unwrap();
        assert_eq!(mountpoints(&name, &source, &empty), Ok(Vec::new()));
        assert_eq!(mountpoints(&name, &source, &bound), Ok(Vec::new()));
        assert!(matches!(probe(&name, &source, Some(&at(dir.path().join("none")))), Probe::Unusable(_)));
        assert!(matches!(probe(&name, &source, None), Probe::Unusable(why) if why.contains("did not answer")));
    }

    #[test]
    fn a_volume_is_read_through_a_container_that_rests() {
        let container = |name: &str, state, volume: &str, at: &str| {
            let mount = Mount { volume: Some(volume.to_owned()), source: PathBuf::new(), destination: PathBuf::from(at), writable: true };
            Container { state, mounts: vec![mount], ..running(name) }
        };
        let (name, source) = ("s".parse().unwrap(), VolumeSource { api: true, ..source(None, &["v"]) });
        let mut seen = seen(vec![volume("v", None)]);
        seen.containers = vec![container("other", State::Exited, "w", "/w"), container("dead", State::Dead, "v", "/d")];
        assert!(readers(&name, &source, &seen).unwrap_err().contains("no way to read volume `v`"));
        let mut nested = container("nested", State::Exited, "v", "/n");
        nested.mounts.push(Mount { volume: None, source: PathBuf::new(), destination: PathBuf::from("/n/cache"), writable: true });
        seen.containers.push(nested);
        assert!(readers(&name, &source, &seen).is_err(), "what is mounted in it would be taken for its own");
        seen.containers.push(container("busy", State::Running, "v", "/b"));
        let reader = |name: &str, path: &str| Reader { label: "v".to_owned(), container: format!("id-{name}"), path: path.to_owned() };
        assert_eq!(readers(&name, &source, &seen), Ok(vec![reader("busy", "/b")]));
        seen.containers.push(container("still", State::Exited, "v", "/s"));
        assert_eq!(readers(&name, &source, &seen), Ok(vec![reader("still", "/s")]));
    }
}
