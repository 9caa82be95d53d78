//! A host in a temporary folder: sources, two stores, a local state, a clock that only moves when it is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta};

use super::super::fault::Fault;
use super::super::perform::perform_until;
use super::super::*;
use crate::execute::{Event, Host, LocalState, Order, Outcome, Ports, apply};
use crate::facts::Facts;
use crate::model::id::{ArtifactId, Instant};
use crate::model::{PolicySet, read};
use crate::observe::{Eyes, collect};
use crate::plan::{Request, decide};
use crate::runtime::{Memory, Runtime};
use crate::source::{Back, HostSources};
use crate::store::lease::{Claimant, Process};
use crate::store::{Directory, WriteStore};

pub(super) struct World {
    pub(super) dir: tempfile::TempDir,
    pub(super) set: Arc<PolicySet>,
    pub(super) ports: Ports,
    /// What stands behind the ports' runtime.
    pub(super) engine: Arc<Memory>,
    clock: Arc<AtomicI64>,
    pub(super) events: Arc<Mutex<Vec<Event>>>,
}

/// Years after anything that a test writes, so that no tree is too young to be known unchanged.
const START: i64 = 1_900_000_000_000;

impl World {
    /// A policy `files` of `data` and `conf.txt`, a policy `dump` of a command, and stores `one` and `two`.
    pub(super) fn new() -> Self {
        Self::with("paths = [\"data\", \"conf.txt\"]\nexclude = [\"*.tmp\"]", "")
    }

    pub(super) fn with(source: &str, more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let text = format!(
            "version = 1\nname = \"demo\"\ntimezone = \"Etc/UTC\"\n\
             [store.directory.one]\npath = \"one\"\n[store.directory.two]\npath = \"two\"\n\
             [schedule]\nnightly = {{ cron = \"0 2 * * *\" }}\n[retention]\nall = {{ keep_last = 100 }}\n\
             [source.files.tree]\n{source}\n\
             [source.command.dump]\ncommand = [\"cat\", \"{path}/database\"]\nrestore_command = [\"cp\", \"/dev/stdin\", \"{path}/database\"]\nfile = \"dump.sql\"\n\
             [policy.files]\nsource = \"tree\"\nschedule = \"nightly\"\nretention = \"all\"\nstores = [\"one\", \"two\"]\n\
             [policy.dump]\nsource = \"dump\"\nschedule = \"nightly\"\nretention = \"all\"\nstores = [\"one\"]\n{more}",
            path = dir.path().display()
        );
        let loaded = read(&[("lucid-policy.toml".to_owned(), text)], dir.path());
        let set = Arc::new(loaded.set.unwrap_or_else(|| panic!("{:#?}", loaded.findings)));
        for folder in ["one", "two", "data/sub/deep", "data/empty"] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        let (clock, number, events) = (Arc::new(AtomicI64::new(START)), Arc::new(AtomicU64::new(1)), Arc::new(Mutex::new(Vec::new())));
        let stores = ["one", "two"].map(|name| {
            let store: Arc<dyn WriteStore> = Arc::new(Directory::open(&dir.path().join(name), false, "test").unwrap());
            (name.parse().unwrap(), store)
        });
        let engine = Arc::new(Memory::new(Vec::new()));
        let ports = Ports {
            runtime: Arc::clone(&engine) as Arc<dyn Runtime>,
            settle: std::time::Duration::ZERO,
            identities: Arc::default(),
            engine_at: {
                let engine = Arc::clone(&engine);
                Arc::new(move |_| Arc::clone(&engine) as Arc<dyn Runtime>)
            },
            stores: BTreeMap::from(stores),
            sources: Arc::new(HostSources {
                threads: 1,
                variable: Arc::new(|_| None),
                runtime: Arc::clone(&engine) as Arc<dyn Runtime>,
                scratch: std::env::temp_dir(),
            }),
            clock: {
                let clock = Arc::clone(&clock);
                Arc::new(move || DateTime::from_timestamp_millis(clock.fetch_add(1, Ordering::Relaxed)).unwrap())
            },
            entropy: Arc::new(move || {
                let mut bytes = [0; 10];
                bytes[..8].copy_from_slice(&number.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
                bytes
            }),
            state: Arc::new(LocalState::new(dir.path().join("state"))),
            host: Host { id: "host-1".to_owned(), name: "host".to_owned(), pid: 1 },
            claimant: Claimant {
                process: Process::default(),
                uptime: Arc::new(|| std::time::Duration::ZERO),
                alive: Arc::new(|_, _| true),
            },
            report: {
                let events = Arc::clone(&events);
                Arc::new(move |event| events.lock().unwrap().push(event))
            },
            temp_tag: "test".to_owned(),
            cancel: Arc::new(AtomicBool::new(false)),
            windows: Arc::default(),
        };
        let world = Self { dir, set, ports, engine, clock, events };
        world.write("data/a.txt", "a");
        world.write("data/sub/b.txt", "b");
        world.write("data/sub/deep/c.txt", "c");
        world.write("conf.txt", "conf");
        world.write("database", "insert 1;\n");
        fs::set_permissions(world.path("data/sub"), fs::Permissions::from_mode(0o750)).unwrap();
        std::os::unix::fs::symlink("../a.txt", world.path("data/sub/link")).unwrap();
        fs::hard_link(world.path("data/a.txt"), world.path("data/sub/hard")).unwrap();
        world
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), text).unwrap();
    }

    pub(super) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    pub(super) fn now(&self) -> Instant {
        DateTime::from_timestamp_millis(self.clock.load(Ordering::Relaxed)).unwrap()
    }

    pub(super) fn wait(&self, delta: TimeDelta) {
        self.clock.fetch_add(delta.num_milliseconds(), Ordering::Relaxed);
    }

    pub(super) fn facts(&self) -> Facts {
        facts(&self.set, &self.ports)
    }

    /// Captures everything, copies included.
    pub(super) fn capture(&self) -> Outcome {
        let outcome = self.attempt();
        assert!(outcome.steps.iter().all(|s| matches!(s.result, crate::execute::StepResult::Done(_))), "{outcome:#?}");
        outcome
    }

    /// Tries to.
    pub(super) fn attempt(&self) -> Outcome {
        self.wait(TimeDelta::minutes(1));
        let request = Request { now: true, ..Request::default() };
        let plan = decide(&self.set, &self.facts(), self.now(), &request);
        let (set, ports) = (Arc::clone(&self.set), self.ports.clone());
        let observe = Arc::new(move || facts(&set, &ports));
        let order = Order { set: Arc::clone(&self.set), plan, request, approved: None };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(apply(order, self.ports.clone(), observe)).unwrap()
    }

    /// The newest artifact of a policy.
    pub(super) fn newest(&self, policy: &str) -> ArtifactId {
        choose(&self.set, &self.facts(), policy, &Which::Newest).unwrap().id
    }

    pub(super) fn ask(&self, to: To) -> Ask {
        Ask { which: Which::Newest, to, path: None, back: Back::default(), base: self.dir.path().to_owned() }
    }

    pub(super) fn plan(&self, policy: &str, ask: &Ask) -> Result<RestorePlan, RestoreError> {
        plan(&self.set, &self.facts(), &self.ports, policy, ask)
    }

    pub(super) fn restore(&self, policy: &str, ask: &Ask) -> Result<Restored, RestoreError> {
        perform(&self.set, &self.ports, &self.plan(policy, ask)?)
    }

    /// Restores, and is killed after so many steps.
    pub(super) fn restore_until(&self, policy: &str, ask: &Ask, steps: usize) -> Result<Restored, RestoreError> {
        perform_until(&self.set, &self.ports, &self.plan(policy, ask)?, &Fault::after(steps))
    }

    /// What a tree is: a line for each entry, with content, mode, owner and time.
    pub(super) fn tree(&self, path: &str) -> Vec<String> {
        let mut lines = Vec::new();
        describe(&self.path(path), Path::new(""), &mut lines);
        lines
    }

    /// Everything outside of the stores and the local state whose name says that a restore left it.
    pub(super) fn leftovers(&self) -> Vec<String> {
        let lines = self.tree("");
        lines.into_iter().filter(|line| line.contains("lucid-restore") && !line.starts_with("state")).collect()
    }

    pub(super) fn journals(&self) -> Vec<String> {
        self.ports.state.names("restores").unwrap()
    }

    /// Flips one byte in the middle of the payload of every artifact of a policy in a store.
    pub(super) fn flip(&self, store: &str, series: &str, file: &str) {
        for id in fs::read_dir(self.path(&format!("{store}/demo/data/{series}"))).unwrap() {
            let path = id.unwrap().path().join(file);
            let mut bytes = fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(&path, bytes).unwrap();
        }
    }
}

fn facts(set: &PolicySet, ports: &Ports) -> Facts {
    let eyes = Eyes {
        runtime: Some(Arc::clone(&ports.runtime)),
        owed: Vec::new(),
        stores: ports
            .stores
            .iter()
            .map(|(name, store)| (name.clone(), Ok(Arc::clone(store) as Arc<dyn crate::store::ReadStore>)))
            .collect(),
        sources: Some(Arc::clone(&ports.sources)),
        known: ports.state.stores().unwrap(),
        abandoned: BTreeSet::new(),
        dead_tags: BTreeSet::new(),
        host: ports.host.id.clone(),
        own: std::collections::BTreeMap::new(),
        any_owner: false,
        catalog_only: false,
    };
    collect(set, &eyes, ports.now())
}

fn describe(root: &Path, below: &Path, lines: &mut Vec<String>) {
    let path = root.join(below);
    let seen = fs::symlink_metadata(&path).unwrap();
    let content = if seen.is_symlink() {
        format!("-> {}", fs::read_link(&path).unwrap().display())
    } else if seen.is_file() {
        String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned()
    } else {
        String::new()
    };
    let time = if below.as_os_str().is_empty() { 0 } else { seen.mtime_nsec() };
    lines.push(format!("{} {:o} {}:{} {} {content}", below.display(), seen.mode(), seen.uid(), seen.gid(), time));
    if seen.is_dir() {
        let mut names: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        for name in names {
            describe(root, &below.join(name), lines);
        }
    }
}
