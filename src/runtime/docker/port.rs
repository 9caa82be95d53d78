//! The calls of the port.

use std::io::Read;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::client::Docker;
use crate::runtime::process;
use crate::runtime::seen::{Container, Engine, Picture, Volume};
use crate::runtime::{Call, Ended, Exec, Runtime, RuntimeError, Streams};

impl Runtime for Docker {
    fn engine(&self) -> Result<Engine, RuntimeError> {
        self.line()?.engine()
    }

    fn picture(&self) -> Result<Picture, RuntimeError> {
        self.line()?.picture()
    }

    fn volumes(&self) -> Result<Vec<Volume>, RuntimeError> {
        self.line()?.volumes()
    }

    fn container(&self, id: &str) -> Result<Option<Container>, RuntimeError> {
        self.line()?.one(id)
    }

    fn stop(&self, id: &str, grace: Option<Duration>) -> Result<(), RuntimeError> {
        self.line()?.stop(id, grace)
    }

    fn start(&self, id: &str) -> Result<(), RuntimeError> {
        self.line()?.start(id)
    }

    fn pause(&self, id: &str) -> Result<(), RuntimeError> {
        self.line()?.pause(id)
    }

    fn unpause(&self, id: &str) -> Result<(), RuntimeError> {
        self.line()?.unpause(id)
    }

    fn exec(&self, exec: &Exec<'_>, streams: Streams<'_>, cancel: &AtomicBool) -> Result<i64, RuntimeError> {
        self.line()?.exec(exec, streams, cancel)
    }

    fn call(&self, call: &Call, limit: Duration) -> Result<Ended, RuntimeError> {
        match &call.container {
            Some(container) => self.line()?.call(container, call, limit),
            None => process::call(&call.argv, limit),
        }
    }

    fn read_archive(&self, container: &str, path: &str) -> Result<Box<dyn Read + Send>, RuntimeError> {
        self.line()?.read_archive(container, path)
    }
}
