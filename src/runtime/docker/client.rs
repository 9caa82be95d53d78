//! The connection: made when something is first asked, with a deadline on every call.
//!
//! Calls block. They come from threads of their own and from those of `spawn_blocking`, never from inside of an async task: tokio
//! panics there. Nothing is kept open between calls, so an engine that was started again is spoken to as if nothing had been.

use std::fs;
use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bollard::API_DEFAULT_VERSION;
use bollard::errors::Error;
use tokio::runtime::Handle;

use super::endpoint::{self, Disk, Endpoint, Way};
use super::failure::Asked;
use super::surroundings::Surroundings;
use crate::runtime::RuntimeError;

/// How long an engine may take to answer what costs it nothing.
pub(super) const ANSWER: Duration = Duration::from_mins(1);
/// The oldest API that is spoken, that of Docker 20.10.
const OLDEST: (u32, u32) = (1, 41);

/// An engine behind Docker's API.
pub struct Docker {
    surroundings: Surroundings,
    /// An endpoint that is known already, as it is shown.
    known: Option<String>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    runtime: Option<tokio::runtime::Runtime>,
    line: Option<Arc<Line>>,
}

/// An engine that has answered.
pub(super) struct Line {
    pub(super) endpoint: Endpoint,
    pub(super) client: bollard::Docker,
    pub(super) handle: Handle,
    /// The engine's version, and the API's that is spoken.
    pub(super) version: String,
    pub(super) api: String,
    /// Whether it is Podman, which speaks as Docker does.
    pub(super) podman: bool,
    /// The container that this program runs in.
    pub(super) own: Option<String>,
    /// Whether the engine's files and processes are this host's.
    pub(super) local: bool,
}

impl Docker {
    /// The engine that Docker's own client would speak to. Nothing is sent before something is asked.
    pub fn new(surroundings: Surroundings) -> Self {
        Self { surroundings, known: None, inner: Mutex::default() }
    }

    /// The engine at an endpoint, as [`Engine::endpoint`](crate::runtime::seen::Engine::endpoint) has named it.
    pub fn at(endpoint: &str, surroundings: Surroundings) -> Self {
        Self { surroundings, known: Some(endpoint.to_owned()), inner: Mutex::default() }
    }

    /// The engine, once it has answered; found anew where it has not.
    pub(super) fn line(&self) -> Result<Arc<Line>, RuntimeError> {
        let mut inner = self.inner();
        if let Some(line) = &inner.line {
            return Ok(Arc::clone(line));
        }
        let endpoint = match &self.known {
            Some(shown) => endpoint::known(shown, &self.surroundings, &Host)?,
            None => endpoint::resolve(&self.surroundings, &Host)?,
        };
        let handle = inner.handle(&endpoint)?;
        let line = Arc::new(Line::reach(endpoint, handle)?);
        inner.line = Some(Arc::clone(&line));
        Ok(line)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        if let Some(runtime) = self.inner().runtime.take() {
            // To wait for it is forbidden inside of another runtime's task, where this may be dropped.
            runtime.shutdown_background();
        }
    }
}

impl Inner {
    fn handle(&mut self, endpoint: &Endpoint) -> Result<Handle, RuntimeError> {
        if let Some(runtime) = &self.runtime {
            return Ok(runtime.handle().clone());
        }
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("docker").enable_all().build().map_err(|e| {
                RuntimeError::Unreachable { endpoint: endpoint.shown.clone(), message: format!("no thread can be started: {e}") }
            })?;
        let handle = runtime.handle().clone();
        self.runtime = Some(runtime);
        Ok(handle)
    }
}

impl Line {
    fn reach(endpoint: Endpoint, handle: Handle) -> Result<Self, RuntimeError> {
        let shown = endpoint.shown.clone();
        let asked = Asked { endpoint: &shown, what: "ask the Docker engine for its version", container: None, limit: ANSWER };
        // Constructing a client touches the runtime's clock.
        let entered = handle.enter();
        let client = connect(&endpoint.way).map_err(|e| asked.failed(&e))?;
        drop(entered);
        let (version, api, own) = (String::new(), String::new(), super::own::id());
        let mut line = Self { endpoint, client, handle, version, api, podman: false, own, local: false };
        let version = line.ask(asked, |client| async move { client.version().await })?;
        line.podman = version.components.iter().flatten().any(|part| part.name.starts_with("Podman"));
        line.version = version.version.unwrap_or_default();
        line.api = version.api_version.unwrap_or_default();
        if parts(&line.api).is_none_or(|api| api < OLDEST) {
            let (major, minor) = OLDEST;
            let found = if line.api.is_empty() { "no version".to_owned() } else { line.api.clone() };
            return Err(asked.unreachable(&format!(
                "it speaks API {found}, and {major}.{minor}, that of Docker 20.10, is the oldest that is spoken here"
            )));
        }
        line.local = line.is_here()?;
        Ok(line)
    }

    /// Waits for one answer, no longer than the call's limit.
    pub(super) fn ask<T, F>(&self, asked: Asked<'_>, call: impl FnOnce(bollard::Docker) -> F) -> Result<T, RuntimeError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        self.handle.block_on(self.answer(asked, call))
    }

    /// The same, for what is async already.
    pub(super) async fn answer<T, F>(&self, asked: Asked<'_>, call: impl FnOnce(bollard::Docker) -> F) -> Result<T, RuntimeError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        // bollard's own limit ends with the head of an answer, and is two minutes unless it is told otherwise.
        let client = self.client.clone().with_timeout(asked.limit + Duration::from_secs(1));
        match tokio::time::timeout(asked.limit, call(client)).await {
            Ok(answer) => answer.map_err(|error| asked.failed(&error)),
            Err(_) => Err(asked.timed_out()),
        }
    }

    /// A call about a container.
    pub(super) fn about<'a>(&'a self, what: &'a str, container: &'a str, limit: Duration) -> Asked<'a> {
        Asked { endpoint: &self.endpoint.shown, what, container: Some(container), limit }
    }

    /// A call about the engine.
    pub(super) fn general<'a>(&'a self, what: &'a str) -> Asked<'a> {
        Asked { endpoint: &self.endpoint.shown, what, container: None, limit: ANSWER }
    }
}

fn connect(way: &Way) -> Result<bollard::Docker, Error> {
    let seconds = ANSWER.as_secs();
    match way {
        Way::Unix(path) => bollard::Docker::connect_with_unix(&path.to_string_lossy(), seconds, API_DEFAULT_VERSION),
        Way::Tcp(address) => bollard::Docker::connect_with_http(address, seconds, API_DEFAULT_VERSION),
        Way::Tls(address, folder) => {
            // bollard takes the process's own and panics where there is none; one that is there already is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let file = |name: &str| folder.join(name);
            // A key that is missing would only be seen by the engine, which asks for it.
            for name in ["key.pem", "cert.pem"] {
                fs::File::open(file(name)).map_err(|_| Error::CertPathError { path: file(name) })?;
            }
            bollard::Docker::connect_with_ssl(address, &file("key.pem"), &file("cert.pem"), &file("ca.pem"), seconds, API_DEFAULT_VERSION)
        }
    }
}

fn parts(version: &str) -> Option<(u32, u32)> {
    let (major, minor) = version.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// This host's disk.
struct Host;

impl Disk for Host {
    fn exists(&self, path: &str) -> bool {
        Path::new(path).exists()
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        fs::read_to_string(path)
    }
}
