//! A world for windows: one store, policies that are due, and containers.

use std::path::{Path, PathBuf};

use chrono::TimeDelta;

use crate::facts::{
    Artifact, Compose, Condition, Container, Dependency, Engine, Facts, Generation, Listing, Mount, Owed, Payload, Picture, RuntimeFacts,
    Series, SourceFacts, State, StoreFacts, Volume,
};
use crate::finding::Lines;
use crate::model::id::{ArtifactId, Capture, Instant, Name, Random};
use crate::model::{CommandSource, Mode, PolicySet, READY_TIMEOUT, Ready, Service, ServiceKind, SourceKind, VolumeSource, read};
use crate::plan::{Handle, Plan, Quiet, Request, Step, Work, decide};

/// A manifest and facts, to be changed at will.
#[derive(Debug, Clone)]
pub(super) struct Lab {
    pub(super) set: PolicySet,
    pub(super) facts: Facts,
}

pub(super) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// Half an hour after the slot of all policies.
pub(super) fn now() -> Instant {
    "2026-11-23T02:30:00Z".parse().unwrap()
}

pub(super) fn slot() -> Instant {
    now() - TimeDelta::minutes(30)
}

/// An artifact whose capture took so many seconds, made so many days ago.
pub(super) fn artifact(days: i64, seconds: i64, number: u8) -> Artifact {
    let start = slot() - TimeDelta::days(days);
    Artifact {
        id: ArtifactId::new(start, Capture::Full, Random::new([number; 10])),
        instant: start + TimeDelta::seconds(seconds),
        slot: Some(start),
        need: None,
        set: None,
        generations: vec![Generation { n: 1, bytes: 10, largest: 0, payload: Payload::Complete, readable: false, check: None }],
        holds: Vec::new(),
        locked_until: None,
    }
}

/// A running container.
pub(super) fn container(name: &str) -> Container {
    Container {
        id: format!("id-{name}"),
        name: name.to_owned(),
        state: State::Running,
        started_at: "2026-11-01T00:00:00Z".to_owned(),
        exit_code: None,
        health: None,
        compose: None,
        swarm: None,
        auto_remove: false,
        restart_policy: "no".to_owned(),
        stop_timeout: None,
        shares: Vec::new(),
        volumes_from: Vec::new(),
        mounts: Vec::new(),
        addresses: Vec::new(),
        ports: Vec::new(),
        own: false,
    }
}

/// Container `<service>-<number>` of project `shop`, with the services that its label names.
pub(super) fn part(service: &str, number: u32, needs: &[&str]) -> Container {
    let need = |need: &&str| Dependency { service: (*need).to_owned(), condition: Condition::Started };
    let compose = Compose {
        project: "shop".to_owned(),
        service: service.to_owned(),
        number,
        one_off: false,
        depends_on: needs.iter().map(need).collect(),
    };
    Container { compose: Some(compose), ..container(&format!("{service}-{number}")) }
}

pub(super) fn bind(source: &str, writable: bool) -> Mount {
    Mount { volume: None, source: PathBuf::from(source), destination: PathBuf::from("/data"), writable }
}

pub(super) fn mounted(volume: &str, writable: bool) -> Mount {
    Mount { volume: Some(volume.to_owned()), ..bind(&format!("/engine/volumes/{volume}/_data"), writable) }
}

pub(super) fn volume(name: &str) -> Volume {
    Volume {
        name: format!("shop_{name}"),
        driver: "local".to_owned(),
        mountpoint: PathBuf::from(format!("/engine/volumes/shop_{name}/_data")),
        options: std::collections::BTreeMap::new(),
        compose: Some(("shop".to_owned(), name.to_owned())),
    }
}

pub(super) fn compose(service: &str) -> ServiceKind {
    ServiceKind::Compose { project: "shop".to_owned(), service: service.to_owned() }
}

pub(super) fn one(container: &str) -> ServiceKind {
    ServiceKind::Container { container: container.to_owned() }
}

pub(super) fn commands(container: Option<&str>) -> ServiceKind {
    ServiceKind::Command {
        quiesce: vec!["quiesce".to_owned()],
        resume: vec!["resume".to_owned()],
        container: container.map(str::to_owned),
        user: None,
    }
}

impl Lab {
    /// Policies by name with the services that their sources stop. Each has an artifact of yesterday, which took 10 s, and reads the
    /// folder of its name in `/srv`.
    pub(super) fn new(policies: &[(&str, &[&str])]) -> Self {
        let mut text = "version = 1\nname = \"lucid\"\ntimezone = \"Etc/UTC\"\n[store.directory.local]\npath = \"/a\"\n\
            [schedule]\nnightly = { cron = \"0 2 * * *\" }\n[retention]\nfew = { keep_last = 3 }\n"
            .to_owned();
        for (policy, _) in policies {
            text.push_str(&format!(
                "[source.files.{policy}]\npaths = [\"/srv/{policy}\"]\n[policy.{policy}]\nsource = \"{policy}\"\nschedule = \"nightly\"\n\
                 retention = \"few\"\nstores = [\"local\"]\ncatch_up_within = \"1h\"\n"
            ));
        }
        let loaded = read(&[("m.toml".to_owned(), text.clone())], Path::new("/m"));
        let mut set = loaded.set.unwrap_or_else(|| panic!("{text}\n{:#?}", loaded.findings));
        let mut listing = Listing::empty("local".to_owned());
        let mut sources = std::collections::BTreeMap::new();
        for (policy, stop) in policies {
            let source = set.sources.get_mut(*policy).unwrap();
            source.stop = stop.iter().map(|s| name(s)).collect();
            source.restore_stop.clone_from(&source.stop);
            sources.insert(name(policy), SourceFacts::Ready);
            listing
                .series
                .insert(name(policy), Series { artifacts: vec![artifact(1, 10, policy.as_bytes()[0])], ..Series::default() }.into());
        }
        let facts = Facts {
            at: now(),
            host: "host-1".to_owned(),
            stores: [(name("local"), StoreFacts::Ready(Box::new(listing)))].into(),
            sources,
            runtime: RuntimeFacts::NotNeeded,
            owed: Vec::new(),
        };
        Self { set, facts }.runs([])
    }

    /// What the engine shows.
    pub(super) fn runs(mut self, containers: impl IntoIterator<Item = Container>) -> Self {
        let engine = Engine {
            id: "e".to_owned(),
            version: "0".to_owned(),
            api: "1.41".to_owned(),
            endpoint: "unix:///engine.sock".to_owned(),
            local: true,
        };
        let picture = Picture { engine, containers: containers.into_iter().collect(), volumes: Vec::new() };
        self.facts.runtime = RuntimeFacts::Seen(Box::new(picture));
        self
    }

    /// Changes what the engine shows.
    pub(super) fn seen(mut self, change: impl FnOnce(&mut Picture)) -> Self {
        let RuntimeFacts::Seen(picture) = &mut self.facts.runtime else { unreachable!() };
        change(picture);
        self
    }

    /// Declares a service.
    pub(super) fn service(mut self, named: &str, kind: ServiceKind, needs: &[&str]) -> Self {
        let span = Lines::new("m.toml", &format!("service.{named}")).span(0..8 + named.len());
        let service = Service {
            name: name(named),
            kind,
            depends_on: needs.iter().map(|n| name(n)).collect(),
            mode: Mode::Stop,
            stop_timeout: None,
            ready: Ready::Default,
            ready_timeout: READY_TIMEOUT,
            span: span.clone(),
            depends_span: span,
        };
        self.set.services.insert(service.name.clone(), service);
        self
    }

    /// Declares services of containers of their own names.
    pub(super) fn services(self, names: &[&str]) -> Self {
        names.iter().fold(self, |lab, named| lab.service(named, one(named), &[]))
    }

    pub(super) fn paused(mut self, named: &str) -> Self {
        self.set.services.get_mut(named).unwrap().mode = Mode::Pause;
        self
    }

    /// Lets a policy read a volume of project `shop`.
    pub(super) fn reads_volume(mut self, policy: &str, volume: &str) -> Self {
        let source = VolumeSource { volumes: vec![volume.to_owned()], project: Some("shop".to_owned()), exclude: Vec::new(), api: false };
        self.set.sources.get_mut(policy).unwrap().kind = SourceKind::Volume(source);
        self
    }

    /// Lets a policy read the output of a command in a container.
    pub(super) fn runs_in(mut self, policy: &str, container: &str) -> Self {
        let source = CommandSource {
            command: vec!["dump".to_owned()],
            check_command: None,
            restore_command: None,
            env: std::collections::BTreeMap::new(),
            file: "output".to_owned(),
            container: Some(container.to_owned()),
            user: None,
        };
        self.set.sources.get_mut(policy).unwrap().kind = SourceKind::Command(source);
        self
    }

    /// Says that a run has quieted these containers.
    pub(super) fn owed(mut self, services: &[&str], containers: &[&str]) -> Self {
        let texts = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        let owed = Owed {
            run: Random::new([7; 10]),
            at: slot(),
            services: texts(services),
            containers: texts(containers),
            engineless: false,
            alive: false,
        };
        self.facts.owed.push(owed);
        self
    }

    pub(super) fn artifacts(&mut self, series: &str) -> &mut Vec<Artifact> {
        let Some(StoreFacts::Ready(listing)) = self.facts.stores.get_mut("local") else { unreachable!() };
        &mut listing.series.get_mut(series).unwrap().artifacts
    }

    pub(super) fn plan(&self) -> Plan {
        decide(&self.set, &self.facts, now(), &Request::default())
    }
}

/// The steps' addresses, without the slot of captures.
pub(super) fn addresses(plan: &Plan) -> Vec<&str> {
    plan.steps.iter().map(|s| s.address.split_once('@').map_or(s.address.as_str(), |(before, _)| before)).collect()
}

/// The findings' codes with their messages.
pub(super) fn said(plan: &Plan) -> Vec<String> {
    plan.findings.iter().map(|f| format!("{}: {}", f.code, f.message)).collect()
}

pub(super) fn stop<'a>(plan: &'a Plan, node: &str) -> (&'a Step, &'a Quiet) {
    let step = plan.step(&format!("stop:{node}")).unwrap();
    let Work::Stop { service, .. } = &step.work else { unreachable!() };
    (step, service)
}

/// The names of the containers of a stop.
pub(super) fn containers(quiet: &Quiet) -> Vec<&str> {
    match &quiet.handle {
        Handle::Containers(subjects) => subjects.iter().map(|s| s.name.as_str()).collect(),
        Handle::Command { .. } => Vec::new(),
    }
}
