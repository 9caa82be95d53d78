//! What the layers above ask of a runtime. Calls block; each is bounded in time.
//!
//! A call's error says what the engine answered, not what became of the container: a stop that timed out here may still succeed there.
//! Whoever needs to know looks at the container again.

use std::fmt;
use std::io::{Read, Write};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::seen::{Container, Engine, Picture, Volume};

/// Inspects, quiets and wakes what runs.
pub trait Runtime: Send + Sync {
    /// The engine itself.
    fn engine(&self) -> Result<Engine, RuntimeError>;

    /// The engine, every container and every volume.
    fn picture(&self) -> Result<Picture, RuntimeError>;

    /// Every volume, by name.
    fn volumes(&self) -> Result<Vec<Volume>, RuntimeError>;

    /// One container by id or name; none if it is not there.
    fn container(&self, id: &str) -> Result<Option<Container>, RuntimeError>;

    /// Asks a container to end, and kills it after `grace`, or after its own grace period.
    fn stop(&self, id: &str, grace: Option<Duration>) -> Result<(), RuntimeError>;

    /// Starts a container that does not run.
    fn start(&self, id: &str) -> Result<(), RuntimeError>;

    /// Freezes a container.
    fn pause(&self, id: &str) -> Result<(), RuntimeError>;

    /// Thaws a container.
    fn unpause(&self, id: &str) -> Result<(), RuntimeError>;

    /// Runs a command in a container with its streams connected, to its end. Gives its exit code, before which nothing that it wrote is
    /// worth anything. Once cancelled, it is killed where it can be: a command in a container of another host goes on.
    fn exec(&self, exec: &Exec<'_>, streams: Streams<'_>, cancel: &AtomicBool) -> Result<i64, RuntimeError>;

    /// Runs a short command, on this host or in a container, and ends it after `limit`.
    fn call(&self, call: &Call, limit: Duration) -> Result<Ended, RuntimeError>;

    /// What is at a path in a container, as a tar stream whose first member is the path's last component.
    fn read_archive(&self, container: &str, path: &str) -> Result<Box<dyn Read + Send>, RuntimeError>;
}

/// A command in a container.
#[derive(Clone, Copy)]
pub struct Exec<'a> {
    /// The container, by name or id.
    pub container: &'a str,
    /// The user, as `USER[:GROUP]`; none: the container's own.
    pub user: Option<&'a str>,
    /// Program and arguments.
    pub argv: &'a [String],
    /// Added to its environment. Never shown.
    pub env: &'a [(String, String)],
}

/// Without the environment's values, which are secrets.
impl fmt::Debug for Exec<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.env.iter().map(|(name, _)| name.as_str()).collect();
        let mut shown = f.debug_struct("Exec");
        shown.field("container", &self.container).field("user", &self.user).field("argv", &self.argv).field("env", &names).finish()
    }
}

/// What a command reads and writes.
pub struct Streams<'a> {
    /// Its standard input; none: empty. A read of it that blocks is waited for, even where the command has ended.
    pub stdin: Option<&'a mut (dyn Read + Send)>,
    /// Its standard output.
    pub stdout: &'a mut (dyn Write + Send),
    /// Its standard error.
    pub stderr: &'a mut (dyn Write + Send),
}

/// A short command without streams.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Call {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// The container it runs in; none: this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The user in that container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// How a short command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code; 128 and the signal's number where a signal ended it.
    pub code: i64,
    /// The end of what it said, both streams.
    pub said: String,
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuntimeError {
    /// The engine does not answer.
    #[error("the Docker engine at {endpoint} cannot be reached: {message}")]
    Unreachable {
        /// Where it was looked for.
        endpoint: String,
        /// Why.
        message: String,
    },
    /// There is no such container.
    #[error("there is no container `{0}`")]
    Gone(String),
    /// The engine, or the host, said no.
    #[error("{what}: {message}")]
    Refused {
        /// What was asked: `stop container NAME`.
        what: String,
        /// The answer.
        message: String,
    },
    /// No answer came in time. What was asked may still happen.
    #[error("{what}: no answer within {seconds} s")]
    TimedOut {
        /// What was asked.
        what: String,
        /// How long was waited.
        seconds: u64,
    },
    /// Somebody asked to stop.
    #[error("interrupted")]
    Interrupted,
}
