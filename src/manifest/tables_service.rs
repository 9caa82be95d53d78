//! Tables of what can be quieted and woken: `[service.KIND.NAME]`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::tables::{DurationText, FilledText, NameText};

/// What can be quieted and woken, by kind.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Services {
    /// Single containers, as `[service.container.NAME]`.
    #[schemars(extend("x-tombi-additional-key-label" = "service_name"))]
    pub container: Option<BTreeMap<NameText, ContainerService>>,
    /// Services of a compose project, as `[service.compose.NAME]`.
    #[schemars(extend("x-tombi-additional-key-label" = "service_name"))]
    pub compose: Option<BTreeMap<NameText, ComposeService>>,
    /// Pairs of commands, as `[service.command.NAME]`.
    #[schemars(extend("x-tombi-additional-key-label" = "service_name"))]
    pub command: Option<BTreeMap<NameText, CommandService>>,
}

/// One container.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContainerService {
    /// The container's name; this table's name unless set.
    pub container: Option<FilledText>,
    /// Services that this one needs, by name, beside those that compose already says: it is quiet before them and awake after them.
    #[schemars(extend("uniqueItems" = true))]
    pub depends_on: Option<Vec<NameText>>,
    /// How it is quieted.
    #[schemars(extend("default" = "stop"))]
    pub mode: Option<Mode>,
    /// How long its processes have to end before they are killed, at most a day; the container's own grace period unless set.
    pub stop_timeout: Option<DurationText>,
    /// When it counts as awake; unless set, when its health check says so, or where it has none, when it runs.
    pub ready: Option<Ready>,
    /// The TCP port of the container that must take connections. Only with `ready = "port"`.
    #[schemars(range(min = 1, max = 65535))]
    pub ready_port: Option<i64>,
    /// Program and arguments that must end with 0 in the container. Only with `ready = "command"`.
    #[schemars(length(min = 1))]
    pub ready_command: Option<Vec<String>>,
    /// How long it may take to be awake, at most a day.
    #[schemars(extend("default" = "2min"))]
    pub ready_timeout: Option<DurationText>,
}

/// All containers of a service of a compose project.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-taplo" = { "initKeys": ["project"] }))]
pub struct ComposeService {
    /// The project.
    pub project: FilledText,
    /// The service's name in the project; this table's name unless set.
    pub service: Option<FilledText>,
    /// Services that this one needs, by name, beside those that compose already says: it is quiet before them and awake after them.
    #[schemars(extend("uniqueItems" = true))]
    pub depends_on: Option<Vec<NameText>>,
    /// How it is quieted.
    #[schemars(extend("default" = "stop"))]
    pub mode: Option<Mode>,
    /// How long its processes have to end before they are killed, at most a day; the container's own grace period unless set.
    pub stop_timeout: Option<DurationText>,
    /// When it counts as awake; unless set, when its health check says so, or where it has none, when it runs.
    pub ready: Option<Ready>,
    /// The TCP port of the container that must take connections. Only with `ready = "port"`.
    #[schemars(range(min = 1, max = 65535))]
    pub ready_port: Option<i64>,
    /// Program and arguments that must end with 0 in the container. Only with `ready = "command"`.
    #[schemars(length(min = 1))]
    pub ready_command: Option<Vec<String>>,
    /// How long it may take to be awake, at most a day.
    #[schemars(extend("default" = "2min"))]
    pub ready_timeout: Option<DurationText>,
}

/// A pair of commands: one that quiets something, one that wakes it.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-taplo" = { "initKeys": ["quiesce", "resume"] }))]
pub struct CommandService {
    /// Program and arguments that quiet it; no shell. It is quiet when they end with 0.
    #[schemars(length(min = 1))]
    pub quiesce: Vec<String>,
    /// Program and arguments that wake it. They run after every `quiesce`, also one that failed, and may run more than once.
    #[schemars(length(min = 1))]
    pub resume: Vec<String>,
    /// Run the commands in this container, by name; on this host unless set.
    pub container: Option<FilledText>,
    /// Run the commands as this user of the container, as `USER` or `USER:GROUP`. Needs `container`.
    pub user: Option<FilledText>,
    /// Services that this one needs, by name, beside those that compose already says: it is quiet before them and awake after them.
    #[schemars(extend("uniqueItems" = true))]
    pub depends_on: Option<Vec<NameText>>,
    /// How long each of its commands may run, at most a day.
    pub stop_timeout: Option<DurationText>,
    /// When it counts as awake; unless set, when `resume` has ended with 0. `healthy` and `port` need `container`.
    pub ready: Option<Ready>,
    /// The TCP port of the container that must take connections. Only with `ready = "port"`.
    #[schemars(range(min = 1, max = 65535))]
    pub ready_port: Option<i64>,
    /// Program and arguments that must end with 0 where the commands run. Only with `ready = "command"`.
    #[schemars(length(min = 1))]
    pub ready_command: Option<Vec<String>>,
    /// How long it may take to be awake, at most a day.
    #[schemars(extend("default" = "2min"))]
    pub ready_timeout: Option<DurationText>,
}

/// How a container is quieted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Its processes are asked to end, as `docker stop` does.
    Stop,
    /// Its processes freeze where they are: for what reads their files, as after a power cut.
    Pause,
}

/// When a service counts as awake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ready {
    /// It runs.
    Started,
    /// Its health check says so.
    Healthy,
    /// `ready_port` takes connections.
    Port,
    /// `ready_command` ends with 0.
    Command,
}
