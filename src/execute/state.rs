//! What this host remembers between runs: the stores it has seen, what it was writing, who holds a policy, restores under way.
//!
//! | file | content |
//! |---|---|
//! | `host` | this host's identity, where the system has none |
//! | `stores.json` | uuid by `<instance>/<store>` |
//! | `commits.json` | keys of what was written within a day to stores that may list it late |
//! | `flights/<run>.json` | ids that a run is writing; what is left of a run that ended is swept |
//! | `flights/<run>.alive` | held with `flock` for as long as that run lives |
//! | `locks/<instance>/<series>` | held with `flock` by the run that works on the series |
//! | `restores/<run>.json` | the journal of a restore |
//! | `restores/<run>.alive` | held with `flock` while that restore is worked on |
//! | `locks/restore` | held with `flock` while a restore begins |
//! | `quiet/<engine>/<run>-<window>.json` | the journal of a window: what must be woken again |
//! | `quiet/<engine>/<run>-<window>.alive` | held with `flock` while that window is open |
//! | `locks/containers/<engine>/<id>` | held with `flock` by the run that quiets the container |
//!
//! Losing all of it loses no backup: a store must be accepted again, and orphans are swept a day later.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::model::id::Name;

/// A failed operation on the local state.
#[derive(Debug, thiserror::Error)]
#[error("local state: cannot {operation} `{}`", path.display())]
pub struct StateError {
    /// What was tried.
    pub operation: &'static str,
    /// The file.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// Begins the note of a run's temporary objects, wherever they are; what follows is the tag in their names.
pub const TEMPORARY: &str = "temporary:";

/// What a run is writing, or was when it ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flight {
    /// `<store>/<series>/<id>` of each artifact on its way, and the tag of all temporary objects.
    pub writing: BTreeSet<String>,
}

/// The folder of the local state.
#[derive(Debug)]
pub struct LocalState {
    root: PathBuf,
    /// One writer at a time for the small files.
    pub(super) writing: Mutex<()>,
    /// Says to others that this process's run is alive.
    alive: Mutex<Option<File>>,
}

/// A policy's series, held by this process until dropped.
#[derive(Debug)]
pub struct Held {
    file: File,
}

impl Drop for Held {
    fn drop(&mut self) {
        // Not left to the closing of the file: a child that another thread is just starting has a copy of it until it executes.
        drop(self.file.unlock());
    }
}

impl LocalState {
    /// The state in a folder; nothing is made before something is written.
    pub fn new(root: PathBuf) -> Self {
        Self { root, writing: Mutex::new(()), alive: Mutex::new(None) }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The uuids of the stores that were seen, by `<instance>/<store>`.
    pub fn stores(&self) -> Result<BTreeMap<String, String>, StateError> {
        Ok(self.read_json(Path::new("stores.json"))?.unwrap_or_default())
    }

    /// Remembers a store.
    pub fn remember_store(&self, instance: &Name, store: &Name, uuid: &str) -> Result<(), StateError> {
        let _one = self.writing.lock();
        let mut stores = self.stores()?;
        let known = stores.insert(format!("{instance}/{store}"), uuid.to_owned());
        if known.as_deref() == Some(uuid) { Ok(()) } else { self.write_json(Path::new("stores.json"), &stores) }
    }

    /// Forgets a store, so that what is there next is taken.
    pub fn forget_store(&self, instance: &Name, store: &Name) -> Result<(), StateError> {
        let _one = self.writing.lock();
        let mut stores = self.stores()?;
        stores.remove(&format!("{instance}/{store}"));
        self.write_json(Path::new("stores.json"), &stores)
    }

    /// This host's own identity, made from `fresh` the first time.
    pub fn host(&self, fresh: &str) -> Result<String, StateError> {
        let path = Path::new("host");
        if let Some(host) = self.known_host()? {
            return Ok(host);
        }
        self.write(path, format!("{fresh}\n").as_bytes())?;
        Ok(fresh.to_owned())
    }

    /// This host's own identity, if it was made.
    pub fn known_host(&self) -> Result<Option<String>, StateError> {
        Ok(self.read(Path::new("host"))?.map(|host| String::from_utf8_lossy(&host).trim().to_owned()))
    }

    /// Notes durably that a run writes an artifact, before it does.
    pub fn take_off(&self, run: &str, what: &str) -> Result<(), StateError> {
        self.change_flight(run, |flight| flight.writing.insert(what.to_owned()))
    }

    /// Notes that an artifact has arrived.
    pub fn land(&self, run: &str, what: &str) -> Result<(), StateError> {
        self.change_flight(run, |flight| flight.writing.remove(what))
    }

    fn change_flight(&self, run: &str, change: impl FnOnce(&mut Flight) -> bool) -> Result<(), StateError> {
        let _one = self.writing.lock();
        self.stay_alive(run)?;
        let path = PathBuf::from(format!("flights/{run}.json"));
        let mut flight: Flight = self.read_json(&path)?.unwrap_or_default();
        change(&mut flight);
        if flight.writing.is_empty() { self.remove(&path) } else { self.write_json(&path, &flight) }
    }

    fn stay_alive(&self, run: &str) -> Result<(), StateError> {
        let Ok(mut alive) = self.alive.lock() else { return Ok(()) };
        if alive.is_none() {
            let path = self.root.join(format!("flights/{run}.alive"));
            let opened = make_folder(&self.root.join("flights")).and_then(|()| locked(&path));
            *alive = Some(opened.map_err(|source| StateError { operation: "lock", path, source })?);
        }
        Ok(())
    }

    /// Ends a run's claim to be alive; what it did not finish is abandoned from here on.
    pub fn end_run(&self, run: &str) -> Result<(), StateError> {
        if let Ok(mut alive) = self.alive.lock() {
            alive.take();
        }
        self.remove(&PathBuf::from(format!("flights/{run}.alive")))
    }

    /// What runs that have ended were writing, as their flights say. A run that is alive is left out.
    pub fn abandoned(&self) -> Result<BTreeSet<String>, StateError> {
        let mut found = BTreeSet::new();
        for run in self.names("flights")? {
            let alive = self.root.join(format!("flights/{run}.alive"));
            if File::open(&alive).is_ok_and(|file| file.try_lock_shared().is_err()) {
                continue;
            }
            let flight: Option<Flight> = self.read_json(&PathBuf::from(format!("flights/{run}.json")))?;
            found.extend(flight.unwrap_or_default().writing);
        }
        Ok(found)
    }

    /// Forgets what runs that have ended were writing, once it was swept.
    pub fn forget_abandoned(&self, swept: &BTreeSet<String>) -> Result<(), StateError> {
        for run in self.names("flights")? {
            let alive = PathBuf::from(format!("flights/{run}.alive"));
            if File::open(self.root.join(&alive)).is_ok_and(|file| file.try_lock_shared().is_err()) {
                continue;
            }
            let path = PathBuf::from(format!("flights/{run}.json"));
            let mut flight: Flight = self.read_json(&path)?.unwrap_or_default();
            flight.writing.retain(|what| !swept.contains(what));
            if flight.writing.is_empty() {
                self.remove(&path)?;
                self.remove(&alive)?;
            } else {
                self.write_json(&path, &flight)?;
            }
        }
        self.clear("flights")
    }

    /// Removes what processes left in a folder of the state that were killed between two writes there: a claim to be alive that nothing
    /// stands beside, a file half written. Whoever writes `NAME.json` there holds `NAME.alive` first.
    pub fn clear(&self, folder: &str) -> Result<(), StateError> {
        let path = self.root.join(folder);
        for file in fs::read_dir(&path).into_iter().flatten().filter_map(|e| e.ok()?.file_name().into_string().ok()) {
            let name = file.strip_suffix(".alive").or_else(|| file.strip_prefix('.')?.strip_suffix(".json.new"));
            let Some(name) = name.filter(|name| !name.starts_with('.')) else { continue };
            let is_used = || path.join(format!("{name}.json")).exists();
            if is_used() {
                continue;
            }
            // Held while they go, so that a process that is just beginning sees that it has to begin again.
            let alive = File::open(path.join(format!("{name}.alive")));
            if alive.as_ref().is_ok_and(|alive| alive.try_lock().is_err()) || is_used() {
                continue;
            }
            self.remove(&Path::new(folder).join(format!(".{name}.json.new")))?;
            self.remove(&Path::new(folder).join(format!("{name}.alive")))?;
        }
        Ok(())
    }

    /// Takes a series for this process, or says who has it.
    pub fn hold(&self, instance: &Name, series: &Name, holder: &str) -> Result<Result<Held, String>, StateError> {
        self.hold_file(Path::new(&format!("locks/{instance}/{series}")), holder)
    }

    /// Takes a file of the state for this process, or says who has it.
    pub fn hold_file(&self, path: &Path, holder: &str) -> Result<Result<Held, String>, StateError> {
        let path = self.root.join(path);
        let error = |operation| move |source, path: &Path| StateError { operation, path: path.to_owned(), source };
        make_folder(path.parent().unwrap_or(&self.root)).map_err(|e| error("make the folder of")(e, &path))?;
        loop {
            let opened = File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
            let mut file = opened.map_err(|e| error("open")(e, &path))?;
            match file.try_lock() {
                // Its last holder may have removed it since it was opened: a lock that nobody else can find is none.
                Ok(()) if !is_at(&file, &path) => {}
                Ok(()) => {
                    let note = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(holder.as_bytes()));
                    note.map_err(|e| error("write")(e, &path))?;
                    return Ok(Ok(Held { file }));
                }
                Err(fs::TryLockError::WouldBlock) => {
                    let mut other = String::new();
                    file.read_to_string(&mut other).map_err(|e| error("read")(e, &path))?;
                    return Ok(Err(other));
                }
                Err(fs::TryLockError::Error(e)) => return Err(error("lock")(e, &path)),
            }
        }
    }

    /// The names of the JSON files in a folder of the state, without their ending.
    pub fn names(&self, folder: &str) -> Result<Vec<String>, StateError> {
        let path = self.root.join(folder);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(StateError { operation: "list", path, source }),
        };
        let mut names: Vec<String> = entries
            .filter_map(|e| Some(e.ok()?.file_name().to_str()?.strip_suffix(".json")?.to_owned()))
            .filter(|n| !n.starts_with('.'))
            .collect();
        names.sort();
        Ok(names)
    }

    /// The folders in a folder of the state.
    pub fn folders(&self, folder: &str) -> Result<Vec<String>, StateError> {
        let path = self.root.join(folder);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(StateError { operation: "list", path, source }),
        };
        let mut names: Vec<String> =
            entries.flatten().filter(|e| e.path().is_dir()).filter_map(|e| e.file_name().into_string().ok()).collect();
        names.sort();
        Ok(names)
    }

    /// Whether some process holds a file of the state. Only looks.
    pub fn is_held(&self, path: &Path) -> bool {
        File::open(self.root.join(path)).is_ok_and(|file| matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock)))
    }

    /// What the process says that holds a file of the state, if one does. Only looks.
    pub fn holder(&self, path: &Path) -> Option<String> {
        let said = || String::from_utf8_lossy(&self.read(path).ok().flatten().unwrap_or_default()).into_owned();
        self.is_held(path).then(said)
    }

    /// Reads a JSON file of the state; none if it is not there.
    pub fn read_json<T: for<'de> Deserialize<'de>>(&self, path: &Path) -> Result<Option<T>, StateError> {
        let Some(bytes) = self.read(path)? else { return Ok(None) };
        let parsed = serde_json::from_slice(&bytes);
        parsed.map(Some).map_err(|e| StateError { operation: "read", path: self.root.join(path), source: e.into() })
    }

    /// Writes a JSON file of the state durably.
    pub fn write_json<T: Serialize>(&self, path: &Path, value: &T) -> Result<(), StateError> {
        let bytes = serde_json::to_vec_pretty(value).map_err(|e| StateError {
            operation: "write",
            path: self.root.join(path),
            source: e.into(),
        })?;
        self.write(path, &bytes)
    }

    /// Removes a file of the state; one that is not there is removed.
    pub fn remove(&self, path: &Path) -> Result<(), StateError> {
        let path = self.root.join(path);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(StateError { operation: "remove", path, source }),
            _ => Ok(()),
        }
    }

    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, StateError> {
        let path = self.root.join(path);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StateError { operation: "read", path, source }),
        }
    }

    /// Replaces a file whole: a crash leaves the old one or the new one.
    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), StateError> {
        let path = self.root.join(path);
        let folder = path.parent().unwrap_or(&self.root);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let temporary = folder.join(format!(".{name}.new"));
        let written = make_folder(folder).and_then(|()| {
            let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&temporary, &path)?;
            File::open(folder)?.sync_all()
        });
        written.map_err(|source| StateError { operation: "write", path, source })
    }
}

/// Makes and locks a file; one that was tidied away between the two is made again.
fn locked(path: &Path) -> io::Result<File> {
    loop {
        let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        file.lock()?;
        if is_at(&file, path) {
            return Ok(file);
        }
    }
}

/// Whether `path` still names this very file.
fn is_at(file: &File, path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|there| file.metadata().is_ok_and(|own| there.ino() == own.ino()))
}

fn make_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}
