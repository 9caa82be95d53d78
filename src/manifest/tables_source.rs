//! Tables of what is protected: `[source.KIND.NAME]`, and references to secrets.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::tables::{FilledText, NameText, VolumeText};

/// What is protected, by kind.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sources {
    /// Files and folders of this host, as `[source.files.NAME]`.
    #[schemars(extend("x-tombi-additional-key-label" = "source_name"))]
    pub files: Option<BTreeMap<NameText, FilesSource>>,
    /// Volumes of the container engine, as `[source.volume.NAME]`.
    #[schemars(extend("x-tombi-additional-key-label" = "source_name"))]
    pub volume: Option<BTreeMap<NameText, VolumeSource>>,
    /// Output of commands, as `[source.command.NAME]`.
    #[schemars(extend("x-tombi-additional-key-label" = "source_name"))]
    pub command: Option<BTreeMap<NameText, CommandSource>>,
    /// MongoDB servers and replica sets, as `[source.mongodb.NAME]`.
    #[schemars(extend("x-tombi-additional-key-label" = "source_name"))]
    pub mongodb: Option<BTreeMap<NameText, MongodbSource>>,
}

/// Files and folders of this host.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-taplo" = { "initKeys": ["paths"] }))]
pub struct FilesSource {
    /// Files and folders, patterns allowed. Relative paths count from the manifest's folder.
    #[schemars(length(min = 1))]
    pub paths: Vec<FilledText>,
    /// What to leave out. A pattern without a slash matches any component, one with a slash counts from the path's root; a folder
    /// that matches is left out with all that is in it.
    pub exclude: Option<Vec<FilledText>>,
    /// One label for each path: the path's name inside the archive. Its last component unless set.
    pub labels: Option<Vec<FilledText>>,
    /// Every path must be a mount point: an unmounted disk is then an error and not an empty source.
    #[schemars(extend("default" = false))]
    pub mount: Option<bool>,
    /// Do not descend into other file systems.
    #[schemars(extend("default" = false))]
    pub one_file_system: Option<bool>,
    /// Services that are quiet while the source is read, by name.
    #[schemars(extend("uniqueItems" = true))]
    pub stop: Option<Vec<NameText>>,
    /// Services that are quiet while the source is put back; `stop` unless set.
    #[schemars(extend("uniqueItems" = true))]
    pub restore_stop: Option<Vec<NameText>>,
}

/// Volumes of the container engine.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-taplo" = { "initKeys": ["volumes"] }))]
pub struct VolumeSource {
    /// Their names: compose's own within `project`, else the engine's. Each is its name inside the archive. None is ever made.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub volumes: Vec<VolumeText>,
    /// The compose project that the volumes belong to.
    pub project: Option<FilledText>,
    /// What to leave out. A pattern without a slash matches any component, one with a slash counts from the volume's root; a folder
    /// that matches is left out with all that is in it.
    pub exclude: Option<Vec<FilledText>>,
    /// How the volumes are read.
    #[schemars(extend("default" = "mountpoint"))]
    pub access: Option<Access>,
    /// Services that are quiet while the volumes are read, by name.
    #[schemars(extend("uniqueItems" = true))]
    pub stop: Option<Vec<NameText>>,
    /// Services that are quiet while the volumes are put back; `stop` unless set.
    #[schemars(extend("uniqueItems" = true))]
    pub restore_stop: Option<Vec<NameText>>,
}

/// How volumes are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Where the engine keeps them on this host. Nothing is lost, and a volume that did not change costs nothing.
    Mountpoint,
    /// Through the engine and a container that mounts them. Works with any driver and with a distant engine; attributes, ACLs and
    /// parts of a second are lost, and they cannot be put back in place.
    Api,
}

/// The output of a command.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-taplo" = { "initKeys": ["command"] }))]
pub struct CommandSource {
    /// Program and arguments; no shell. What it prints is the artifact.
    #[schemars(length(min = 1))]
    pub command: Vec<String>,
    /// Program and arguments that judge an artifact: it reads the payload on its standard input and exits with 0 if it is good.
    #[schemars(length(min = 1))]
    pub check_command: Option<Vec<String>>,
    /// Program and arguments that take the payload back on their standard input.
    #[schemars(length(min = 1))]
    pub restore_command: Option<Vec<String>>,
    /// Environment of the commands: `NAME = { env = "NAME" }`. Values are references to secrets, never literals.
    pub env: Option<BTreeMap<String, Secret>>,
    /// The payload's file name.
    #[schemars(extend("default" = "output"), regex(pattern = r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$"))]
    pub file: Option<String>,
    /// Run in this container, by name. All three commands then run there: `command`, `check_command` and `restore_command`.
    pub container: Option<FilledText>,
    /// Run as this user of the container, as `USER` or `USER:GROUP`; its own unless set. Needs `container`.
    pub user: Option<FilledText>,
    /// Services that are quiet while the command runs, by name.
    #[schemars(extend("uniqueItems" = true))]
    pub stop: Option<Vec<NameText>>,
    /// Services that are quiet while the payload is put back; `stop` unless set.
    #[schemars(extend("uniqueItems" = true))]
    pub restore_stop: Option<Vec<NameText>>,
}

/// One MongoDB server, or one replica set; 4.4 or later, no sharded cluster.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-taplo" = { "initKeys": ["container", "username", "password"] }))]
pub struct MongodbSource {
    /// The container that the server runs in, by name. Its address is looked up whenever it is needed.
    pub container: Option<FilledText>,
    /// The port that the server listens on in the container.
    #[schemars(extend("default" = 27017), range(min = 1, max = 65535))]
    pub port: Option<u16>,
    /// Where the server is instead, as `mongodb://HOST:PORT,.../?OPTION=VALUE`. No password stands in it.
    #[schemars(regex(pattern = r"^mongodb://"))]
    pub uri: Option<FilledText>,
    /// Who asks. It needs the roles `backup`, `restore`, `readWriteAnyDatabase`, `dbAdminAnyDatabase` and `clusterMonitor`.
    pub username: Option<FilledText>,
    /// Their password, as a reference to a secret.
    pub password: Option<Secret>,
    /// The database that knows the user.
    #[schemars(extend("default" = "admin"))]
    pub auth_database: Option<FilledText>,
    /// Encrypt the connection. Implied by `ca_file` and `certificate_file`.
    #[schemars(extend("default" = false))]
    pub tls: Option<bool>,
    /// Certificates of the authorities that may have signed the server's, in PEM; those that Mozilla trusts unless set.
    pub ca_file: Option<FilledText>,
    /// The client's own certificate and its key, in one PEM file.
    pub certificate_file: Option<FilledText>,
    /// Capture these databases only. What is captured then is no base for recovery to a point in time.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub databases: Option<Vec<FilledText>>,
    /// Capture these collections only, as `DATABASE.COLLECTION`; with `databases` both. No base for recovery to a point in time either.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub collections: Option<Vec<FilledText>>,
    /// Services that are quiet while the server is read, by name. None is needed for an artifact of one instant.
    #[schemars(extend("uniqueItems" = true))]
    pub stop: Option<Vec<NameText>>,
    /// Services that are quiet while the data are put back; `stop` unless set.
    #[schemars(extend("uniqueItems" = true))]
    pub restore_stop: Option<Vec<NameText>>,
}

/// Where a secret is: exactly one of `env`, `file`, `env_file` with `name`, `credential`, `command`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 2))]
pub struct Secret {
    /// An environment variable of this program.
    pub env: Option<FilledText>,
    /// A file whose content it is, without the last line end.
    pub file: Option<FilledText>,
    /// A file of `NAME=value` lines; needs `name`.
    pub env_file: Option<FilledText>,
    /// The name in `env_file`.
    pub name: Option<FilledText>,
    /// A credential that systemd handed over.
    pub credential: Option<FilledText>,
    /// Program and arguments that print it. Never run by `plan`.
    #[schemars(length(min = 1))]
    pub command: Option<Vec<String>>,
}
