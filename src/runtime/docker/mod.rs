//! Docker's Engine API.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::port::{Call, Ended, Exec, Runtime, RuntimeError, Streams};
use super::seen::{Container, Engine, Picture, Volume};

/// What decides where the engine is, read once by whoever starts the program.
#[derive(Clone)]
pub struct Surroundings {
    /// Looks up a variable of the environment.
    pub variable: Arc<dyn Fn(&str) -> Option<String> + Send + Sync>,
    /// The user's home, where Docker's own client keeps its contexts.
    pub home: Option<PathBuf>,
}

/// An engine behind Docker's API.
pub struct Docker {
    _surroundings: Surroundings,
}

impl Docker {
    /// The engine that Docker's own client would speak to. Nothing is sent before something is asked.
    pub fn new(surroundings: Surroundings) -> Self {
        Self { _surroundings: surroundings }
    }

    /// The engine at an endpoint.
    pub fn at(_endpoint: &str, surroundings: Surroundings) -> Self {
        Self { _surroundings: surroundings }
    }

    fn nowhere<T>(&self) -> Result<T, RuntimeError> {
        Err(RuntimeError::Unreachable { endpoint: "nowhere".to_owned(), message: "not built yet".to_owned() })
    }
}

impl Runtime for Docker {
    fn engine(&self) -> Result<Engine, RuntimeError> {
        self.nowhere()
    }
    fn picture(&self) -> Result<Picture, RuntimeError> {
        self.nowhere()
    }
    fn volumes(&self) -> Result<Vec<Volume>, RuntimeError> {
        self.nowhere()
    }
    fn container(&self, _id: &str) -> Result<Option<Container>, RuntimeError> {
        self.nowhere()
    }
    fn stop(&self, _id: &str, _grace: Option<Duration>) -> Result<(), RuntimeError> {
        self.nowhere()
    }
    fn start(&self, _id: &str) -> Result<(), RuntimeError> {
        self.nowhere()
    }
    fn pause(&self, _id: &str) -> Result<(), RuntimeError> {
        self.nowhere()
    }
    fn unpause(&self, _id: &str) -> Result<(), RuntimeError> {
        self.nowhere()
    }
    fn exec(&self, _exec: &Exec<'_>, _streams: Streams<'_>, _cancel: &AtomicBool) -> Result<i64, RuntimeError> {
        self.nowhere()
    }
    fn call(&self, _call: &Call, _limit: Duration) -> Result<Ended, RuntimeError> {
        self.nowhere()
    }
    fn read_archive(&self, _container: &str, _path: &str) -> Result<Box<dyn Read + Send>, RuntimeError> {
        self.nowhere()
    }
}
