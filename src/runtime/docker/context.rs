//! The contexts that Docker's own client keeps: names for engines.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::endpoint::Disk;
use super::surroundings::Surroundings;
use crate::runtime::RuntimeError;

/// What a context says of its engine.
pub(super) struct Context {
    /// As a `DOCKER_HOST`.
    pub(super) host: String,
    /// The folder of its certificates, where it has any.
    pub(super) certificates: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Config {
    #[serde(rename = "currentContext")]
    current_context: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Meta {
    #[serde(default)]
    endpoints: Endpoints,
}

#[derive(Deserialize, Default)]
struct Endpoints {
    docker: Option<DockerEndpoint>,
}

#[derive(Deserialize)]
struct DockerEndpoint {
    #[serde(rename = "Host", default)]
    host: String,
    #[serde(rename = "SkipTLSVerify", default)]
    skip_tls_verify: bool,
}

/// The context that the client was told to use.
pub(super) fn current(around: &Surroundings, disk: &dyn Disk) -> Result<Option<String>, RuntimeError> {
    let Some(path) = around.config_folder().map(|folder| folder.join("config.json")) else { return Ok(None) };
    let text = match disk.read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return wrong("the one that Docker's client is set to", &path, &error.to_string()),
    };
    match serde_json::from_str::<Config>(&text) {
        Ok(config) => Ok(config.current_context.filter(|name| !name.is_empty())),
        Err(error) => wrong("the one that Docker's client is set to", &path, &error.to_string()),
    }
}

/// A context by its name.
pub(super) fn read(name: &str, around: &Surroundings, disk: &dyn Disk) -> Result<Context, RuntimeError> {
    let shown = format!("context `{name}`");
    let Some(contexts) = around.config_folder().map(|folder| folder.join("contexts")) else {
        return wrong(&shown, Path::new("contexts"), "there is no home, and no `DOCKER_CONFIG`");
    };
    let id = digest(name);
    let path = contexts.join("meta").join(&id).join("meta.json");
    let text = match disk.read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return wrong(&shown, &contexts, "there is no such context; `docker context ls` shows those that there are");
        }
        Err(error) => return wrong(&shown, &path, &error.to_string()),
    };
    let meta: Meta = match serde_json::from_str(&text) {
        Ok(meta) => meta,
        Err(error) => return wrong(&shown, &path, &error.to_string()),
    };
    let Some(docker) = meta.endpoints.docker.filter(|docker| !docker.host.is_empty()) else {
        return wrong(&shown, &path, "it names no Docker endpoint");
    };
    if docker.skip_tls_verify {
        return wrong(&shown, &path, "it says `SkipTLSVerify`, and an engine that proves nothing is not spoken to");
    }
    let certificates = contexts.join("tls").join(&id).join("docker");
    let certificates = disk.exists(&certificates.join("ca.pem").to_string_lossy()).then_some(certificates);
    Ok(Context { host: docker.host, certificates })
}

/// SHA-256 in hex: the folder that a context is filed under.
pub(super) fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing into a string does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn wrong<T>(shown: &str, path: &Path, message: &str) -> Result<T, RuntimeError> {
    Err(RuntimeError::Unreachable { endpoint: shown.to_owned(), message: format!("{}: {message}", path.display()) })
}
