//! The code under test: the runtime that speaks to the same engine.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use lucid_policy::runtime::{Docker, Exec, Runtime, RuntimeError, Streams, Surroundings};

use super::Engine;

/// What is known of a place where `DOCKER_HOST` is all that is set.
pub(crate) fn surroundings(host: &str) -> Surroundings {
    let host = host.to_owned();
    Surroundings { variable: Arc::new(move |name| (name == "DOCKER_HOST").then(|| host.clone())), home: None }
}

impl Engine {
    /// The runtime of this engine.
    pub(crate) fn runtime(&self) -> Docker {
        Docker::new(surroundings(&self.client.host))
    }
}

/// How a command in a container ended, and what it wrote.
pub(crate) struct Wrote {
    pub(crate) code: i64,
    pub(crate) out: Vec<u8>,
    pub(crate) err: Vec<u8>,
}

/// Runs a command in a container with these bytes to read.
pub(crate) fn exec(runtime: &Docker, container: &str, argv: &[&str], stdin: Option<&[u8]>) -> Result<Wrote, RuntimeError> {
    let argv: Vec<String> = argv.iter().map(|&arg| arg.to_owned()).collect();
    let (mut out, mut err, mut stdin) = (Vec::new(), Vec::new(), stdin);
    let stdin = stdin.as_mut().map(|bytes| bytes as _);
    let streams = Streams { stdin, stdout: &mut out, stderr: &mut err };
    let code = runtime.exec(&Exec { container, user: None, argv: &argv, env: &[] }, streams, &AtomicBool::new(false))?;
    Ok(Wrote { code, out, err })
}
