//! One invocation: the manifest, the stores it names, the local state, who we are and what time it is.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::Utc;

use super::Global;
use super::claimant::claimant;
use super::exit::Exit;
use super::failure::Failure;
use super::screen::{Format, Screen};
use super::signals::Signals;
use crate::execute::{EngineAt, Entropy, Host, LocalState, Ports, Report, TEMPORARY, asks, informed, judge_recipients, window};
use crate::facts::{Facts, RuntimeFacts, StoreFacts, Trouble};
use crate::finding::{Finding, has_errors, sort};
use crate::model::id::{Instant, Name, Random};
use crate::model::{Loaded, PolicySet, S3Store, Store, StoreKind, read};
use crate::observe::{Eyes, collect};
use crate::plan::{Plan, Request, decide};
use crate::runtime::{Docker, Runtime, Surroundings};
use crate::source::{HostSources, Sources};
use crate::store::{Directory, ReadStore, S3, StoreError, WriteStore};
use crate::{graph, lint};

/// Long enough to see that a process ends right after its start, short enough for nobody to wait for.
const SETTLE: Duration = Duration::from_millis(500);

/// Tried in this order where no `-f` is given.
const DEFAULTS: [&str; 2] = ["lucid-policy.toml", "policies"];

/// What is wanted of the stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Nothing is changed, and another host's instance may be looked at.
    Read,
    /// Nothing is changed, and everything is judged as for this instance's own host.
    Judge,
    /// As this instance's own host.
    Write,
    /// Nothing is changed, and only the stores are looked at, whichever host owns the instance.
    Any,
    /// As `Any`, and what may go is removed.
    Remove,
}

/// One invocation.
pub(super) struct Session {
    pub(super) set: Arc<PolicySet>,
    pub(super) texts: Vec<(String, String)>,
    pub(super) state: Arc<LocalState>,
    pub(super) host: Host,
    pub(super) sources: Arc<dyn Sources>,
    pub(super) runtime: Arc<dyn Runtime>,
    /// Whether payload is left out where stores are listed.
    pub(super) catalog_only: bool,
    access: Access,
    temp_tag: String,
    buckets: Mutex<BTreeMap<Name, Arc<S3>>>,
}

/// A manifest as it was read, with every finding about it.
pub(super) fn load(global: &Global) -> Result<(Loaded, Vec<Finding>), Failure> {
    let path = match &global.file {
        Some(path) => path.clone(),
        None => DEFAULTS.iter().map(PathBuf::from).find(|p| p.exists()).ok_or_else(|| {
            Failure::usage(
                "there is no lucid-policy.toml and no policies/ here",
                "name the manifest with -f, or make one with `lucid-policy init`",
            )
        })?,
    };
    let (texts, base) = texts(&path)?;
    let loaded = read(&texts, &base);
    let mut findings = loaded.findings.clone();
    findings.extend(graph::cycles(&loaded));
    findings.extend(lint::judge(&loaded));
    findings.extend(judge_recipients(&loaded));
    sort(&mut findings);
    Ok((loaded, findings))
}

fn texts(path: &Path) -> Result<(Vec<(String, String)>, PathBuf), Failure> {
    let cannot = |path: &Path, error: &std::io::Error| {
        let help = if error.kind() == std::io::ErrorKind::NotFound {
            "name a file or folder that is there with -f, or make one with `lucid-policy init`"
        } else {
            "make it readable for the user that runs lucid-policy, or name another one with -f"
        };
        Failure::usage(format!("the manifest `{}` cannot be read: {error}", path.display()), help)
    };
    let whole = fs::canonicalize(path).map_err(|e| cannot(path, &e))?;
    let one = |path: &Path| -> Result<(String, String), Failure> {
        let bytes = fs::read(path).map_err(|e| cannot(path, &e))?;
        let text = String::from_utf8(bytes)
            .map_err(|_| Failure::new(Exit::InvalidManifest, format!("`{}` is not UTF-8 text", path.display()), "save it as UTF-8"))?;
        Ok((path.to_string_lossy().into_owned(), text))
    };
    if !whole.is_dir() {
        let base = whole.parent().unwrap_or(Path::new("/")).to_owned();
        return Ok((vec![one(path)?], base));
    }
    let entries = fs::read_dir(path).map_err(|e| cannot(path, &e))?;
    let mut files: Vec<PathBuf> =
        entries.filter_map(|e| Some(e.ok()?.path())).filter(|p| p.extension().is_some_and(|e| e == "toml")).collect();
    files.sort();
    if files.is_empty() {
        return Err(Failure::usage(
            format!("there is no *.toml in `{}`", path.display()),
            "name the manifest with -f, or make one with `lucid-policy init`",
        ));
    }
    Ok((files.iter().map(|p| one(p)).collect::<Result<_, _>>()?, whole))
}

/// The manifest; one with errors ends here, with all of them on the screen.
pub(super) fn manifest(global: &Global, screen: &Screen) -> Result<(PolicySet, Vec<(String, String)>), Failure> {
    let (loaded, findings) = load(global)?;
    if has_errors(&findings) {
        if global.format().is_ok_and(|f| f == Format::Json) {
            screen.out(&crate::finding::to_json(&findings));
        } else {
            screen.say(screen.findings(&findings, &loaded.texts).trim_end());
        }
        return Err(Failure::new(Exit::InvalidManifest, "", ""));
    }
    let set = loaded.set.ok_or_else(|| Failure::unexpected("the manifest has no errors and no meaning"))?;
    Ok((set, loaded.texts))
}

impl Session {
    /// Reads the manifest, and what this host remembers.
    pub(super) fn open(global: &Global, screen: &Screen, access: Access) -> Result<Self, Failure> {
        let (set, texts) = manifest(global, screen)?;
        let state = Arc::new(LocalState::new(state_folder(global)?));
        let host = host(&state, access)?;
        let threads = set.run.threads.unwrap_or_else(crate::archive::default_threads);
        let runtime: Arc<dyn Runtime> = Arc::new(Docker::new(surroundings()));
        let (variable, scratch) = (surroundings().variable, state.root().to_owned());
        let sources = Arc::new(HostSources { threads, variable, runtime: Arc::clone(&runtime), scratch });
        let temp_tag = Random::new(random()?).to_string();
        let buckets = Mutex::default();
        Ok(Self { set: Arc::new(set), texts, state, host, sources, runtime, catalog_only: false, access, temp_tag, buckets })
    }

    /// The time.
    pub(super) fn now(&self) -> Instant {
        now()
    }

    /// Every store of the manifest, opened afresh.
    pub(super) fn stores(&self) -> BTreeMap<Name, Result<Arc<dyn WriteStore>, StoreError>> {
        self.set
            .stores
            .iter()
            .map(|(name, store)| {
                let opened = match (&store.kind, self.access) {
                    (StoreKind::Directory { path, mount }, Access::Read | Access::Any) => {
                        Directory::open_for_reading(path, *mount, &self.temp_tag)
                    }
                    (StoreKind::Directory { path, mount }, _) => Directory::open(path, *mount, &self.temp_tag),
                    (StoreKind::S3(bucket), _) => return (name.clone(), self.bucket(store, bucket)),
                };
                (name.clone(), opened.map(|s| Arc::new(s) as Arc<dyn WriteStore>))
            })
            .collect()
    }

    /// A bucket. It keeps its connection from one picture of the world to the next.
    fn bucket(&self, store: &Store, bucket: &S3Store) -> Result<Arc<dyn WriteStore>, StoreError> {
        let mut open = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = open.get(&store.name) {
            return Ok(Arc::clone(known) as Arc<dyn WriteStore>);
        }
        let fresh = Arc::new(S3::open(super::bucket::of(store, bucket), Arc::new(now))?);
        open.insert(store.name.clone(), Arc::clone(&fresh));
        Ok(fresh)
    }

    /// The stores that can be used.
    pub(super) fn usable_stores(&self) -> BTreeMap<Name, Arc<dyn WriteStore>> {
        self.stores().into_iter().filter_map(|(name, store)| Some((name, store.ok()?))).collect()
    }

    /// A picture of the world now.
    pub(super) fn facts(&self) -> Result<Facts, Failure> {
        if matches!(self.access, Access::Any | Access::Remove) {
            return self.catalogue();
        }
        self.see(Some(Arc::clone(&self.runtime)), Some(Arc::clone(&self.sources)))
    }

    /// A picture of the stores now. Asks no source and no engine: what is stored can be looked at while one hangs.
    pub(super) fn catalogue(&self) -> Result<Facts, Failure> {
        self.see(None, None)
    }

    /// The plan over these facts, once they hold what it must know of what it would remove.
    pub(super) fn decide(&self, facts: &mut Facts, now: Instant, request: &Request) -> Plan {
        let set = &self.set;
        // stores are opened for what is asked of them, and not for nothing
        let stores = if asks(set, request.role) { self.usable_stores() } else { BTreeMap::new() };
        informed(set, &stores, facts, request.role, |facts| decide(set, facts, now, request))
    }

    fn see(&self, runtime: Option<Arc<dyn Runtime>>, sources: Option<Arc<dyn Sources>>) -> Result<Facts, Failure> {
        let abandoned = self.state.abandoned()?;
        let eyes = Eyes {
            stores: self.stores().into_iter().map(|(name, store)| (name, store.map(|s| s as Arc<dyn ReadStore>))).collect(),
            sources,
            runtime,
            owed: window::owed(&self.state)?,
            known: self.state.stores()?,
            dead_tags: abandoned.iter().filter_map(|what| what.strip_prefix(TEMPORARY).map(str::to_owned)).collect(),
            abandoned,
            host: self.host.id.clone(),
            own: self.own()?,
            any_owner: matches!(self.access, Access::Read | Access::Any | Access::Remove),
            catalog_only: self.catalog_only,
        };
        Ok(collect(&self.set, &eyes, self.now()))
    }

    /// What this host has just written where it may be listed late.
    fn own(&self) -> Result<BTreeMap<Name, Vec<String>>, Failure> {
        let late = self.set.stores.values().filter(|store| matches!(store.kind, StoreKind::S3(_)));
        late.map(|store| Ok((store.name.clone(), self.state.commits(&self.set.instance, &store.name, self.now())?))).collect()
    }

    /// A picture of the world now; if even the local state cannot be read, one in which nothing can be used.
    pub(super) fn look(&self) -> Facts {
        self.facts().unwrap_or_else(|failure| self.blind(failure))
    }

    /// The same of the stores only.
    pub(super) fn look_at_stores(&self) -> Facts {
        self.catalogue().unwrap_or_else(|failure| self.blind(failure))
    }

    fn blind(&self, failure: Failure) -> Facts {
        let trouble = Trouble::Unusable { message: failure.message, help: failure.help };
        let stores = self.set.stores.keys().map(|name| (name.clone(), StoreFacts::Unusable(trouble.clone()))).collect();
        Facts {
            at: now(),
            host: self.host.id.clone(),
            stores,
            sources: BTreeMap::new(),
            runtime: RuntimeFacts::NotNeeded,
            owed: Vec::new(),
        }
    }

    /// What the executor acts on, and what these signals reach.
    pub(super) fn ports(&self, report: Report, signals: &Signals) -> Ports {
        Ports {
            stores: self.usable_stores(),
            sources: Arc::clone(&self.sources),
            runtime: Arc::clone(&self.runtime),
            settle: SETTLE,
            identities: Arc::default(),
            engine_at: engine_at(),
            clock: Arc::new(now),
            entropy: entropy(),
            state: Arc::clone(&self.state),
            host: self.host.clone(),
            claimant: claimant(&self.host),
            report,
            temp_tag: self.temp_tag.clone(),
            cancel: Arc::clone(&signals.cancel),
            windows: Arc::clone(&signals.windows),
        }
    }
}

/// What recovery acts on, which needs no manifest and so has no stores.
pub(super) fn bare_ports(global: &Global) -> Result<Ports, Failure> {
    let state = Arc::new(LocalState::new(state_folder(global)?));
    let runtime: Arc<dyn Runtime> = Arc::new(Docker::new(surroundings()));
    let host = host(&state, Access::Judge)?;
    Ok(Ports {
        stores: BTreeMap::new(),
        sources: Arc::new(HostSources {
            threads: 1,
            variable: surroundings().variable,
            runtime: Arc::clone(&runtime),
            scratch: state.root().to_owned(),
        }),
        runtime,
        settle: SETTLE,
        identities: Arc::default(),
        engine_at: engine_at(),
        clock: Arc::new(now),
        entropy: entropy(),
        claimant: claimant(&host),
        host,
        state,
        report: Arc::new(|_| ()),
        temp_tag: Random::new(random()?).to_string(),
        cancel: Arc::default(),
        windows: Arc::default(),
    })
}

/// The first draw has succeeded when the session was opened; the system's generator does not fail later.
fn entropy() -> Entropy {
    Arc::new(|| random().unwrap_or_else(|_| std::process::abort()))
}

/// The time.
pub(super) fn now() -> Instant {
    Utc::now()
}

/// Ten random bytes.
pub(super) fn random() -> Result<[u8; 10], Failure> {
    let mut bytes = [0; 10];
    getrandom::fill(&mut bytes).map_err(|e| Failure::unexpected(format!("the system gives no random bytes: {e}")))?;
    Ok(bytes)
}

fn state_folder(global: &Global) -> Result<PathBuf, Failure> {
    if let Some(folder) = &global.state_dir {
        return std::path::absolute(folder).map_err(|e| Failure::unexpected(format!("the working folder cannot be found: {e}")));
    }
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib/lucid-policy"));
    }
    let xdg = std::env::var_os("XDG_STATE_HOME").filter(|v| !v.is_empty()).map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/state"));
    xdg.or(home)
        .map(|f| f.join("lucid-policy"))
        .ok_or_else(|| Failure::usage("there is no HOME to remember things in", "name a folder with --state-dir"))
}

/// The system's identity, else one that the local state remembers. Looking never writes: then a host without either is nobody yet.
fn host(state: &LocalState, access: Access) -> Result<Host, Failure> {
    let system = fs::read_to_string("/etc/machine-id").ok().map(|id| id.trim().to_owned()).filter(|id| id.len() == 32);
    let id = match (system, access) {
        (Some(id), _) => id,
        (None, Access::Write | Access::Remove) => state.host(Random::new(random()?).as_str())?,
        (None, Access::Read | Access::Judge | Access::Any) => state.known_host()?.unwrap_or_default(),
    };
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Ok(Host { id, name, pid: std::process::id() })
}

/// What of this process's environment decides where an engine is.
fn surroundings() -> Surroundings {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    Surroundings { variable: Arc::new(|name: &str| std::env::var(name).ok()), home }
}

fn engine_at() -> EngineAt {
    Arc::new(|endpoint: &str| Arc::new(Docker::at(endpoint, surroundings())) as Arc<dyn Runtime>)
}
