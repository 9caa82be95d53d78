//! Where a restore goes: labels to today's paths, paths to members, and what must not be replaced.
//!
//! Refused in place: `/`, what holds or is in a store or the local state, what has other file systems mounted in it, a file that is
//! a mount point, symlinks to nothing, roots inside each other. To a folder: one that is not empty, or is a mount point.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::choice::Choice;
use super::disk;
use super::error::RestoreError;
use super::opened::Opened;
use super::plan::{How, MemberPath, Planned, PlannedRoot, size, source_of};
use crate::archive::Kind;
use crate::execute::ports::Ports;
use crate::model::id::{Name, Random};
use crate::model::{CommandSource, FilesSource, PolicySet, SourceKind, StoreKind, VolumeSource};
use crate::runtime::seen::Picture;
use crate::source::{Back, SourceError, volume_roots};

const ASIDE: &str = "restore to a folder with `--to`";

/// Where each label was when it was captured.
fn recorded(opened: &Opened<'_>) -> BTreeMap<OsString, PathBuf> {
    opened.record.labels.iter().map(|(label, path)| (OsString::from(label), PathBuf::from(path))).collect()
}

/// Where each label is today: as the manifest and the engine say, else where it was.
fn origins(set: &PolicySet, ports: &Ports, choice: &Choice, opened: &Opened<'_>) -> Result<BTreeMap<OsString, PathBuf>, RestoreError> {
    let mut origins = recorded(opened);
    let source = set.policies.get(&choice.policy).and_then(|policy| set.sources.get(&policy.source));
    let today = match source.map(|source| (&source.name, &source.kind)) {
        Some((name, SourceKind::Files(files))) => match crate::source::roots(name, files) {
            Ok(roots) => roots.into_iter().map(|root| (root.label, root.path)).collect(),
            Err(_) => written(files),
        },
        Some((name, SourceKind::Volume(volume))) if of_volumes(opened) => mountpoints(ports, name, volume, opened)?,
        // the paths may be those of another host
        None if opened.record.fidelity.is_some() => {
            let message = format!("artifact `{}` was read through a container engine, and no source says where it belongs", choice.id);
            return Err(RestoreError::refused(message, ASIDE));
        }
        _ => Vec::new(),
    };
    for (label, path) in today {
        if let Some(origin) = origins.get_mut(&label) {
            *origin = path;
        }
    }
    Ok(origins)
}

/// Whether the labels are volumes.
fn of_volumes(opened: &Opened<'_>) -> bool {
    opened.record.source.kind == "volume"
}

/// Where the artifact's volumes are now: one that was made again may be elsewhere, and none is made here.
fn mountpoints(ports: &Ports, name: &Name, source: &VolumeSource, opened: &Opened<'_>) -> Result<Vec<(OsString, PathBuf)>, RestoreError> {
    if source.api {
        return Err(RestoreError::refused(
            format!("source `{name}` reads its volumes through the engine, which cannot put them back in place"),
            ASIDE,
        ));
    }
    let seen = ports.runtime.engine().and_then(|engine| Ok(Picture { engine, containers: Vec::new(), volumes: ports.runtime.volumes()? }));
    let help = format!("start the engine, or {ASIDE}");
    let seen = seen.map_err(|error| RestoreError::refused(format!("source `{name}`: {error}"), help))?;
    let labels = VolumeSource { volumes: opened.record.labels.keys().cloned().collect(), ..source.clone() };
    let help = format!("create the volume, for example with `docker compose up --no-start`, or {ASIDE}");
    let roots = volume_roots(name, &labels, &seen).map_err(|message| RestoreError::refused(message, help))?;
    Ok(roots.into_iter().map(|root| (root.label, root.path)).collect())
}

/// The paths of a source as they are written, without a look at the disk: of one that is lost nothing else is known.
fn written(files: &FilesSource) -> Vec<(OsString, PathBuf)> {
    let label = |number: usize, path: &Path| match &files.labels {
        Some(labels) => labels.get(number).map(OsString::from),
        None => path.file_name().map(OsString::from),
    };
    let plain = files.paths.iter().enumerate().filter(|(_, path)| !path.to_string_lossy().contains(['*', '?', '[']));
    plain.filter_map(|(number, path)| Some((label(number, path)?, path.clone()))).collect()
}

/// The member that a path names: `<label>/x/y` itself, or a path of the source.
pub(super) fn member(
    set: &PolicySet,
    ports: &Ports,
    choice: &Choice,
    opened: &Opened<'_>,
    path: &Path,
    base: &Path,
) -> Result<PathBuf, RestoreError> {
    // a path can be found in an artifact without knowing where it belongs
    let origins = origins(set, ports, choice, opened).unwrap_or_else(|_| recorded(opened));
    let unknown = || RestoreError::NoSuchPath {
        path: path.display().to_string(),
        id: choice.id,
        labels: origins.iter().map(|(label, origin)| format!("`{}` (of `{}`)", label.display(), origin.display())).collect(),
    };
    if !opened.is_tree() {
        return Err(RestoreError::refused(
            format!("artifact `{}` is the output of a command, which has no paths", choice.id),
            "leave `--path` out",
        ));
    }
    let mut wanted = Vec::new();
    if path.is_relative() {
        wanted.extend(tidy(path));
    }
    let real = tidy(&base.join(path)).unwrap_or_default();
    for (label, origin) in &origins {
        let resolved = fs::canonicalize(origin).ok();
        for origin in [Some(origin), resolved.as_ref()].into_iter().flatten() {
            if let Ok(rest) = real.strip_prefix(origin) {
                let member = Path::new(label);
                wanted.push(if rest.as_os_str().is_empty() { member.to_owned() } else { member.join(rest) });
            }
        }
    }
    // The innermost root first, where one lies in another.
    opened.with_index(|index| {
        let Some(index) = index else { return wanted.first().cloned().ok_or_else(unknown) };
        for member in &wanted {
            let found = index.lookup(member.as_os_str().as_bytes()).map_err(|error| opened.failed(error, Path::new("")))?;
            if found.is_some() {
                return Ok(member.clone());
            }
        }
        Err(unknown())
    })
}

/// Without `.` and trailing slashes; none for a path that has `..` left.
fn tidy(path: &Path) -> Option<PathBuf> {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                if !out.pop() {
                    return None;
                }
            }
            other => out.push(other),
        }
    }
    Some(out)
}

/// A folder that takes members as they are.
pub(super) fn folder(set: &PolicySet, ports: &Ports, path: &Path, run: Random) -> Result<Planned, RestoreError> {
    let (path, _) = resolve(path)?;
    let shown = path.display();
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(RestoreError::refused("`/` cannot be the folder of a restore", "name a folder that is absent or empty"));
    };
    if disk::mounts()?.contains(&path) {
        let help = format!("name a folder in it, for example `{}`", path.join("restored").display());
        return Err(RestoreError::refused(format!("`{shown}` is a mount point, which cannot be put in place at once"), help));
    }
    for (place, what) in forbidden(set, ports) {
        if path.starts_with(&place) {
            return Err(RestoreError::refused(format!("`{shown}` is in {what}"), "name a folder elsewhere"));
        }
    }
    let staging = parent.join(format!(".{}.lucid-restore-{run}", name.to_string_lossy()));
    let exists = is_free(&path)?;
    Ok(Planned::Folder { path, exists, staging })
}

/// Whether the folder is there and empty; an error if it is anything but that or absent.
pub(super) fn is_free(path: &Path) -> Result<bool, RestoreError> {
    let Some(seen) = disk::look(path)? else { return Ok(false) };
    let help = "name a folder that is absent or empty";
    if !seen.is_dir() {
        return Err(RestoreError::refused(format!("`{}` is there and is no folder", path.display()), help));
    }
    if fs::read_dir(path).map_err(RestoreError::io("list", path))?.next().is_some() {
        return Err(RestoreError::refused(format!("`{}` is not empty", path.display()), help));
    }
    Ok(true)
}

/// The places of an artifact's labels, or of the selected member.
pub(super) fn roots(
    set: &PolicySet,
    ports: &Ports,
    choice: &Choice,
    opened: &Opened<'_>,
    selected: Option<&Path>,
    run: Random,
    notes: &mut Vec<String>,
) -> Result<Planned, RestoreError> {
    let origins = origins(set, ports, choice, opened)?;
    let mounts = disk::mounts()?;
    let guarded = forbidden(set, ports);
    let mut roots: Vec<PlannedRoot> = Vec::new();
    for (label, origin) in &origins {
        let member = match selected {
            None => PathBuf::from(label),
            Some(path) if path.starts_with(label) => path.to_owned(),
            Some(_) => continue,
        };
        let kind = kind_of(opened, &member)?;
        let path = place_of(origin, label, &member, notes)?;
        let exists = disk::look(&path)?.is_some();
        let mount = mounts.contains(&path);
        refuse_unfit(&path, mount, kind, &mounts, &guarded)?;
        // a container that mounts a volume holds on to its folder, also while it is stopped by freezing
        let held = of_volumes(opened) && exists && member == Path::new(label);
        let how = if mount {
            How::Children
        } else if held {
            How::Volume
        } else if exists {
            How::Exchange
        } else {
            How::Move
        };
        // beside a volume, where its containers do not see it
        let beside = if mount { &path } else { path.parent().unwrap_or(Path::new("/")) };
        let mut staging = beside.join(format!(".lucid-restore-{run}-{}", label.display()));
        // One folder for all that is on one file system: then one reading of the payload fills it.
        let on = disk::mount_of(&staging, &mounts);
        if !mount && let Some(other) = roots.iter().find(|r| r.how != How::Children && disk::mount_of(&r.staging, &mounts) == on) {
            staging.clone_from(&other.staging);
        }
        roots.push(PlannedRoot { bytes: size(opened, Some(&member))?.0, member: MemberPath(member), path, exists, how, staging });
    }
    if roots.is_empty() {
        return Err(RestoreError::refused(format!("artifact `{}` does not say where it was", choice.id), ASIDE));
    }
    for (n, one) in roots.iter().enumerate() {
        if let Some(other) = roots[n + 1..].iter().find(|other| one.path.starts_with(&other.path) || other.path.starts_with(&one.path)) {
            let message = format!("`{}` and `{}` are inside each other", one.path.display(), other.path.display());
            return Err(RestoreError::refused(message, "restore one of them with `--path`, or all of it to a folder with `--to`"));
        }
    }
    Ok(Planned::InPlace { roots })
}

/// The type of a member, which must be there.
fn kind_of(opened: &Opened<'_>, member: &Path) -> Result<Option<Kind>, RestoreError> {
    opened.with_index(|index| {
        let Some(index) = index else { return Ok(None) };
        let found = index.lookup(member.as_os_str().as_bytes()).map_err(|error| opened.failed(error, Path::new("")))?;
        let missing = || RestoreError::refused(format!("`{}` is not in the artifact under that name", member.display()), ASIDE);
        found.map(|entry| Some(entry.kind)).ok_or_else(missing)
    })
}

/// Where a member belongs, symlinks resolved. Below the root there must not be any on the way.
fn place_of(origin: &Path, label: &OsString, member: &Path, notes: &mut Vec<String>) -> Result<PathBuf, RestoreError> {
    let (root, linked) = resolve(origin)?;
    if linked {
        notes.push(format!("`{}` is, or is reached by, a symlink: `{}` is what is replaced", origin.display(), root.display()));
    }
    let rest = member.strip_prefix(label).unwrap_or(Path::new(""));
    if rest.as_os_str().is_empty() {
        return Ok(root);
    }
    let path = root.join(rest);
    for folder in path.ancestors().skip(1).take_while(|folder| folder.starts_with(&root)) {
        if disk::look(folder)?.is_some_and(|seen| !seen.is_dir()) {
            return Err(RestoreError::refused(format!("`{}` is in the way: it is no folder", folder.display()), ASIDE));
        }
    }
    Ok(path)
}

/// The real path, and whether a symlink was on the way. What is not there yet is counted from the nearest folder that is.
fn resolve(path: &Path) -> Result<(PathBuf, bool), RestoreError> {
    let path = tidy(path).unwrap_or_else(|| path.to_owned());
    for there in path.ancestors() {
        match fs::canonicalize(there) {
            Ok(real) => {
                let rest = path.strip_prefix(there).unwrap_or(Path::new(""));
                let linked = real != there;
                return Ok((if rest.as_os_str().is_empty() { real } else { real.join(rest) }, linked));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                if disk::look(there)?.is_some() {
                    let message = format!("`{}` is a symlink to something that is not there", there.display());
                    return Err(RestoreError::refused(message, "remove it, or make what it points to"));
                }
            }
            Err(error) => return Err(RestoreError::io("resolve", there)(error)),
        }
    }
    Ok((path, false))
}

/// Places that hold what a restore or the next run needs.
fn forbidden(set: &PolicySet, ports: &Ports) -> Vec<(PathBuf, String)> {
    let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let stores = set.stores.values().filter_map(|store| match &store.kind {
        StoreKind::Directory { path, .. } => Some((real(path), format!("store `{}`", store.name))),
        StoreKind::S3(_) => None,
    });
    stores.chain([(real(ports.state.root()), "the local state".to_owned())]).collect()
}

fn refuse_unfit(
    path: &Path,
    mount: bool,
    kind: Option<Kind>,
    mounts: &[PathBuf],
    guarded: &[(PathBuf, String)],
) -> Result<(), RestoreError> {
    let shown = path.display();
    if path == Path::new("/") {
        return Err(RestoreError::refused("`/` cannot be replaced while the system runs", ASIDE));
    }
    for (place, what) in guarded {
        if place.starts_with(path) {
            return Err(RestoreError::refused(format!("`{shown}` cannot be replaced: {what} is in it, at `{}`", place.display()), ASIDE));
        }
        if path.starts_with(place) {
            return Err(RestoreError::refused(format!("`{shown}` cannot be replaced: it is in {what}"), ASIDE));
        }
    }
    if let Some(inner) = mounts.iter().find(|inner| inner.starts_with(path) && inner.as_path() != path) {
        let message = format!("`{shown}` cannot be replaced: another file system is mounted in it, at `{}`", inner.display());
        return Err(RestoreError::refused(message, "unmount it first, restore a part with `--path`, or restore to a folder with `--to`"));
    }
    let both_folders = path.is_dir() && kind.is_none_or(|kind| kind == Kind::Directory);
    if mount && !both_folders {
        return Err(RestoreError::refused(
            format!("`{shown}` is a mount point, and not a folder in both the artifact and the system"),
            ASIDE,
        ));
    }
    Ok(())
}

/// What takes a stream back: the command of a source, or the server that it is.
pub(super) fn stream(
    set: &PolicySet,
    ports: &Ports,
    choice: &Choice,
    back: &Back,
    notes: &mut Vec<String>,
) -> Result<Planned, RestoreError> {
    let nowhere = || RestoreError::refused(format!("policy `{}` has no source that takes it back", choice.policy), ASIDE);
    let source = source_of(set, choice).ok_or_else(nowhere)?;
    let name = &source.name;
    match &source.kind {
        SourceKind::Command(CommandSource { restore_command: Some(argv), container, .. }) => {
            notes.push(format!(
                "the restore command of source `{name}` cannot be rolled back: the payload is read and checked whole first, and then given to it"
            ));
            notes.extend(container.iter().map(|container| format!("it runs in container `{container}`, which must be running then")));
            ports.sources.takes(source, back)?;
            Ok(Planned::Command { argv: argv.clone() })
        }
        SourceKind::Command(_) => Err(RestoreError::refused(format!("policy `{}` has no `restore_command`", choice.policy), ASIDE)),
        SourceKind::Mongodb(mongodb) => {
            notes.extend(ports.sources.takes(source, back).map_err(|error| match error {
                SourceError::Mongodb { name, why } => RestoreError::refused(format!("source `{name}`: {why}"), why.help()),
                error => error.into(),
            })?);
            Ok(Planned::Server { source: name.clone(), place: mongodb.place.to_string(), back: back.clone() })
        }
        SourceKind::Files(_) | SourceKind::Volume(_) => Err(nowhere()),
    }
}
