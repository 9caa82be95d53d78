//! Runs at another time: the same library with the clock handed in, so that an artifact can be a month old within a test.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use lucid_policy::execute::{Host, LocalState, Order, Outcome, Ports, apply};
use lucid_policy::facts::Facts;
use lucid_policy::model::{PolicySet, StoreKind, read};
use lucid_policy::observe::{Eyes, collect};
use lucid_policy::plan::{Request, decide};
use lucid_policy::runtime::{Docker, Runtime, Surroundings};
use lucid_policy::source::{HostSources, Sources};
use lucid_policy::store::lease::{Claimant, Process};
use lucid_policy::store::{Directory, ReadStore, WriteStore};

use super::World;

fn entropy() -> [u8; 10] {
    let mut bytes = [0; 10];
    let draw = || RandomState::new().build_hasher().finish().to_le_bytes();
    bytes[..8].copy_from_slice(&draw());
    bytes[8..].copy_from_slice(&draw()[..2]);
    bytes
}

/// The host that the program itself takes for this one.
fn host(state: &LocalState) -> Host {
    let system = std::fs::read_to_string("/etc/machine-id").ok().map(|id| id.trim().to_owned()).filter(|id| id.len() == 32);
    let id = system.unwrap_or_else(|| state.host("aaaaaaaaaaaaaaaa").unwrap());
    Host { id, name: "host".to_owned(), pid: std::process::id() }
}

impl World {
    /// The quickstart with three artifacts that its retention lets go, and four that it keeps.
    pub(crate) fn with_expired() -> Self {
        let world = Self::with("keep_within = \"30d\", min_count = 3", "keep_within = \"5d\", min_count = 2");
        world.history([240, 216, 192]);
        world.edit("keep_within = \"5d\", min_count = 2", "keep_within = \"30d\", min_count = 2");
        world.history([72, 48, 24]);
        let _ = world.run("apply").good();
        world.edit("keep_within = \"30d\", min_count = 2", "keep_within = \"5d\", min_count = 2");
        world
    }

    /// The manifest as the program reads it.
    pub(crate) fn set(&self) -> PolicySet {
        let path = self.path("lucid-policy.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let folder = self.folder().canonicalize().unwrap();
        let loaded = read(&[("lucid-policy.toml".to_owned(), text)], &folder);
        loaded.set.expect("the manifest is good")
    }

    /// What `apply --now` would have done at another time.
    pub(crate) fn captured_at(&self, at: DateTime<Utc>) -> Outcome {
        let set = Arc::new(self.set());
        let state = Arc::new(LocalState::new(self.path("state")));
        let host = host(&state);
        let runtime: Arc<dyn Runtime> = Arc::new(Docker::new(Surroundings { variable: Arc::new(|_: &str| None), home: None }));
        let sources: Arc<dyn Sources> = Arc::new(HostSources {
            threads: 1,
            variable: Arc::new(|_: &str| None),
            runtime: Arc::clone(&runtime),
            scratch: std::env::temp_dir(),
        });
        let passed = Arc::new(AtomicI64::new(0));
        let clock: Arc<dyn Fn() -> DateTime<Utc> + Send + Sync> =
            Arc::new(move || at + TimeDelta::milliseconds(passed.fetch_add(1, Ordering::Relaxed)));
        let stores: Vec<_> = set
            .stores
            .iter()
            .map(|(name, store)| {
                let StoreKind::Directory { path, mount } = &store.kind else { panic!("the past is made in folders") };
                (name.clone(), Arc::new(Directory::open(path, *mount, "past").unwrap()))
            })
            .collect();
        let look = {
            let (set, state, sources, stores) = (Arc::clone(&set), Arc::clone(&state), Arc::clone(&sources), stores.clone());
            let (clock, id, runtime) = (Arc::clone(&clock), host.id.clone(), Arc::clone(&runtime));
            move || -> Facts {
                let eyes = Eyes {
                    runtime: Some(Arc::clone(&runtime)),
                    owed: Vec::new(),
                    stores: stores.iter().map(|(name, s)| (name.clone(), Ok(Arc::clone(s) as Arc<dyn ReadStore>))).collect(),
                    sources: Some(Arc::clone(&sources)),
                    known: state.stores().unwrap(),
                    abandoned: state.abandoned().unwrap(),
                    dead_tags: std::collections::BTreeSet::new(),
                    host: id.clone(),
                    own: std::collections::BTreeMap::new(),
                    any_owner: false,
                    catalog_only: false,
                };
                collect(&set, &eyes, clock())
            }
        };
        let request = Request { now: true, ..Request::default() };
        let plan = decide(&set, &look(), at, &request);
        let ports = Ports {
            settle: std::time::Duration::ZERO,
            identities: Arc::default(),
            engine_at: {
                let runtime = Arc::clone(&runtime);
                Arc::new(move |_| Arc::clone(&runtime))
            },
            runtime,
            stores: stores.iter().map(|(name, s)| (name.clone(), Arc::clone(s) as Arc<dyn WriteStore>)).collect(),
            sources,
            clock,
            entropy: Arc::new(entropy),
            state,
            host,
            claimant: Claimant {
                process: Process::default(),
                uptime: Arc::new(|| std::time::Duration::ZERO),
                alive: Arc::new(|_, _| true),
            },
            report: Arc::new(|_| ()),
            temp_tag: "past".to_owned(),
            cancel: Arc::new(AtomicBool::new(false)),
            windows: Arc::default(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let outcome = runtime.block_on(apply(Order { set, plan, request, approved: None }, ports, Arc::new(look))).unwrap();
        assert!(outcome.steps.iter().all(|s| matches!(s.result, lucid_policy::execute::StepResult::Done(_))), "{outcome:#?}");
        outcome
    }

    /// Captures of so many hours ago, oldest first, without retention in between.
    pub(crate) fn history(&self, hours: impl IntoIterator<Item = i64>) {
        let now = Utc::now();
        for ago in hours {
            self.file("data/a.txt", format!("as it was {ago} hours ago\n"));
            let _ = self.captured_at(now - TimeDelta::hours(ago));
        }
    }
}
