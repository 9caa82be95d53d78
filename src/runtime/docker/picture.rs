//! What an engine shows of itself, as the values of [`seen`](crate::runtime::seen).
//!
//! The list of containers has no start time, no health and no flags, so each is inspected, some at a time. One that goes away in
//! between is left out.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use bollard::models::{
    ContainerInspectResponse, ContainerStateStatusEnum, HealthStatusEnum, HostConfig, MountPoint, NetworkSettings, RestartPolicyNameEnum,
    SystemInfo,
};
use bollard::query_parameters::{InspectContainerOptions, ListContainersOptionsBuilder, ListVolumesOptions};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::client::{ANSWER, Line};
use super::compose;
use super::context::digest;
use crate::runtime::RuntimeError;
use crate::runtime::seen::{Container, Engine, Health, Mount, Picture, State, Volume};

/// How many containers are inspected at a time.
const ABREAST: usize = 16;
/// Seconds that stand for a grace period without an end: a day.
const ENDLESS: u64 = 86_400;
/// The label of a swarm service's tasks.
const SWARM: &str = "com.docker.swarm.service.name";

impl Line {
    /// The engine.
    pub(super) fn engine(&self) -> Result<Engine, RuntimeError> {
        let info = self.ask(self.general("ask the Docker engine for its identity"), |client| async move { client.info().await })?;
        Ok(self.described(info))
    }

    /// The engine, its containers and its volumes.
    pub(super) fn picture(&self) -> Result<Picture, RuntimeError> {
        self.handle.block_on(async {
            let (info, listed, volumes) = tokio::try_join!(
                self.answer(self.general("ask the Docker engine for its identity"), |client| async move { client.info().await }),
                self.answer(self.general("list the containers"), |client| async move {
                    client.list_containers(Some(ListContainersOptionsBuilder::new().all(true).build())).await
                }),
                self.listed_volumes(),
            )?;
            let ids = listed.into_iter().filter_map(|container| container.id);
            let found: Vec<Option<ContainerInspectResponse>> =
                stream::iter(ids).map(|id| self.inspected(id)).buffer_unordered(ABREAST).try_collect().await?;
            let found: Vec<_> = found.into_iter().flatten().collect();
            let names: HashMap<String, String> = found.iter().map(|seen| (name(seen), seen.id.clone().unwrap_or_default())).collect();
            let resolve = |other: &str| names.get(other).cloned().unwrap_or_else(|| whole(other, names.values()));
            let mut containers: Vec<Container> = found.iter().map(|seen| self.container(seen, &resolve)).collect();
            containers.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(Picture { engine: self.described(info), containers, volumes })
        })
    }

    /// The volumes.
    pub(super) fn volumes(&self) -> Result<Vec<Volume>, RuntimeError> {
        self.handle.block_on(self.listed_volumes())
    }

    /// One container, by name or id.
    pub(super) fn one(&self, id: &str) -> Result<Option<Container>, RuntimeError> {
        self.handle.block_on(async {
            let Some(seen) = self.inspected(id.to_owned()).await? else { return Ok(None) };
            let mut names = HashMap::new();
            for other in others(&seen) {
                let found = self.inspected(other.clone()).await?.and_then(|seen| seen.id);
                names.insert(other, found);
            }
            let resolve = |other: &str| names.get(other).cloned().flatten().unwrap_or_else(|| other.to_owned());
            Ok(Some(self.container(&seen, &resolve)))
        })
    }

    /// What the engine says of a container; none where it is not there.
    pub(super) async fn inspected(&self, id: String) -> Result<Option<ContainerInspectResponse>, RuntimeError> {
        if !is_name(&id) {
            return Ok(None);
        }
        let what = format!("inspect container {id}");
        let found = self
            .answer(self.about(&what, &id, ANSWER), |client| {
                let id = id.clone();
                async move { client.inspect_container(&id, None::<InspectContainerOptions>).await }
            })
            .await;
        match found {
            Ok(found) => Ok(Some(found)),
            Err(RuntimeError::Gone(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn listed_volumes(&self) -> Result<Vec<Volume>, RuntimeError> {
        let asked = self.general("list the volumes");
        let listed = self.answer(asked, |client| async move { client.list_volumes(None::<ListVolumesOptions>).await }).await?;
        let mut volumes: Vec<Volume> = listed.volumes.unwrap_or_default().into_iter().map(volume).collect();
        volumes.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(volumes)
    }

    fn described(&self, info: SystemInfo) -> Engine {
        Engine {
            id: self.identity(info),
            version: self.version.clone(),
            api: self.api.clone(),
            endpoint: self.endpoint.shown.clone(),
            local: self.local,
        }
    }

    /// Podman gives another identity with each answer; what it keeps its containers in, and on which host, stands for it.
    fn identity(&self, info: SystemInfo) -> String {
        match info.id.filter(|id| !id.is_empty() && !self.podman) {
            Some(id) => id,
            None => digest(&format!("{}\n{}", info.name.unwrap_or_default(), info.docker_root_dir.unwrap_or_default())),
        }
    }

    fn container(&self, seen: &ContainerInspectResponse, resolve: &dyn Fn(&str) -> String) -> Container {
        let id = seen.id.clone().unwrap_or_default();
        let state = seen.state.clone().unwrap_or_default();
        let does = state_of(state.status, state.running.unwrap_or(false));
        let config = seen.config.clone().unwrap_or_default();
        let labels = config.labels.unwrap_or_default();
        let host = seen.host_config.clone().unwrap_or_default();
        let network = seen.network_settings.clone().unwrap_or_default();
        Container {
            own: self.own.as_deref() == Some(id.as_str()),
            name: name(seen),
            state: does,
            started_at: state.started_at.unwrap_or_default(),
            exit_code: state.exit_code.filter(|_| matches!(does, State::Exited | State::Dead)),
            health: state.health.and_then(|health| health.status).and_then(health_of),
            compose: compose::container(&labels),
            swarm: labels.get(SWARM).cloned(),
            auto_remove: host.auto_remove.unwrap_or(false),
            restart_policy: restart_policy(&host),
            stop_timeout: config.stop_timeout.map(|seconds| u64::try_from(seconds).unwrap_or(ENDLESS)),
            shares: sorted(namespaces(&host).map(resolve)),
            volumes_from: sorted(volumes_from(&host).map(resolve)),
            mounts: mounts(seen.mounts.as_deref().unwrap_or_default()),
            addresses: addresses(&host, &network),
            ports: ports(&network),
            id,
        }
    }
}

/// Whether it can name a container, and is no part of an address with a meaning of its own.
pub(super) fn is_name(id: &str) -> bool {
    id.starts_with(|c: char| c.is_ascii_alphanumeric()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

fn name(seen: &ContainerInspectResponse) -> String {
    seen.name.as_deref().unwrap_or_default().trim_start_matches('/').to_owned()
}

/// The whole id of what is named by the start of one; else as it is.
fn whole<'a>(other: &str, mut ids: impl Iterator<Item = &'a String>) -> String {
    ids.find(|id| !other.is_empty() && id.starts_with(other)).cloned().unwrap_or_else(|| other.to_owned())
}

fn sorted(found: impl Iterator<Item = String>) -> Vec<String> {
    let mut found: Vec<String> = found.collect();
    found.sort();
    found.dedup();
    found
}

/// The containers that one needs to be there, as they are named in it.
fn others(seen: &ContainerInspectResponse) -> Vec<String> {
    let host = seen.host_config.clone().unwrap_or_default();
    namespaces(&host).chain(volumes_from(&host)).map(str::to_owned).collect()
}

fn namespaces(host: &HostConfig) -> impl Iterator<Item = &str> {
    let modes = [&host.network_mode, &host.ipc_mode, &host.pid_mode];
    modes.into_iter().flatten().filter_map(|mode| mode.strip_prefix("container:"))
}

/// `NAME` or `NAME:ro`.
fn volumes_from(host: &HostConfig) -> impl Iterator<Item = &str> {
    let entries = host.volumes_from.as_deref().unwrap_or_default().iter();
    entries.map(|entry| entry.split_once(':').map_or(entry.as_str(), |(container, _)| container))
}

/// A state that is not known is taken for one in which it may write.
fn state_of(status: Option<ContainerStateStatusEnum>, running: bool) -> State {
    match status {
        Some(ContainerStateStatusEnum::CREATED) => State::Created,
        Some(ContainerStateStatusEnum::PAUSED) => State::Paused,
        Some(ContainerStateStatusEnum::RESTARTING) => State::Restarting,
        Some(ContainerStateStatusEnum::REMOVING) => State::Removing,
        Some(ContainerStateStatusEnum::DEAD) => State::Dead,
        Some(ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::STOPPING) => State::Running,
        Some(ContainerStateStatusEnum::EMPTY) | None if running => State::Running,
        Some(ContainerStateStatusEnum::EXITED | ContainerStateStatusEnum::EMPTY) | None => State::Exited,
    }
}

fn health_of(status: HealthStatusEnum) -> Option<Health> {
    match status {
        HealthStatusEnum::STARTING => Some(Health::Starting),
        HealthStatusEnum::HEALTHY => Some(Health::Healthy),
        HealthStatusEnum::UNHEALTHY => Some(Health::Unhealthy),
        HealthStatusEnum::EMPTY | HealthStatusEnum::NONE => None,
    }
}

fn restart_policy(host: &HostConfig) -> String {
    match host.restart_policy.as_ref().and_then(|policy| policy.name) {
        None | Some(RestartPolicyNameEnum::EMPTY | RestartPolicyNameEnum::NO) => "no",
        Some(RestartPolicyNameEnum::ALWAYS) => "always",
        Some(RestartPolicyNameEnum::UNLESS_STOPPED) => "unless-stopped",
        Some(RestartPolicyNameEnum::ON_FAILURE) => "on-failure",
    }
    .to_owned()
}

/// Volumes and bind mounts; what is kept in memory only is nobody's to back up.
fn mounts(found: &[MountPoint]) -> Vec<Mount> {
    let kept = found.iter().filter(|mount| matches!(mount.typ.as_deref(), Some("volume" | "bind")));
    let mut mounts: Vec<Mount> = kept
        .map(|mount| Mount {
            volume: mount.name.clone().filter(|_| mount.typ.as_deref() == Some("volume")),
            source: mount.source.clone().unwrap_or_default().into(),
            destination: mount.destination.clone().unwrap_or_default().into(),
            writable: mount.rw.unwrap_or(true),
        })
        .collect();
    mounts.sort_by(|a, b| a.destination.cmp(&b.destination));
    mounts
}

/// One that lives in its host's network is reached as the host is.
fn addresses(host: &HostConfig, network: &NetworkSettings) -> Vec<IpAddr> {
    if host.network_mode.as_deref() == Some("host") {
        return vec![Ipv4Addr::LOCALHOST.into()];
    }
    let networks: BTreeMap<_, _> = network.networks.iter().flatten().collect();
    let written = networks.values().flat_map(|one| [&one.ip_address, &one.global_ipv6_address]);
    written.flatten().filter_map(|address| address.parse().ok()).collect()
}

/// The ports of TCP.
fn ports(network: &NetworkSettings) -> Vec<(u16, SocketAddr)> {
    let bound =
        network.ports.iter().flatten().filter_map(|(port, places)| Some((port.strip_suffix("/tcp")?.parse().ok()?, places.as_ref()?)));
    let mut ports: Vec<(u16, SocketAddr)> = bound
        .flat_map(|(port, places)| places.iter().map(move |place| (port, place)))
        .filter_map(|(port, place)| {
            let address = place.host_ip.as_deref().filter(|address| !address.is_empty()).unwrap_or("0.0.0.0");
            let published = place.host_port.as_deref()?.parse().ok()?;
            Some((port, SocketAddr::new(address.parse().ok()?, published)))
        })
        .collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

fn volume(seen: bollard::models::Volume) -> Volume {
    Volume {
        compose: compose::volume(&seen.labels),
        name: seen.name,
        driver: seen.driver,
        mountpoint: PathBuf::from(seen.mountpoint),
        options: seen.options.into_iter().collect(),
    }
}
