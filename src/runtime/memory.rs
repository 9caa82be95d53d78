//! An engine in memory, for the properties of the layers above. It has the rules that matter to them: a start changes `started_at`, a
//! paused container can be stopped, a container with `auto_remove` is gone once it is stopped.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::port::{Call, Ended, Exec, Runtime, RuntimeError, Streams};
use super::seen::{Container, Engine, Picture, State, Volume};

/// An engine in memory.
pub struct Memory {
    inner: Mutex<Inner>,
}

struct Inner {
    picture: Picture,
    starts: u64,
    calls: Vec<Call>,
    /// The operations that are still answered; then the engine is away.
    left: usize,
    /// What commands in containers do.
    program: Option<Program>,
    /// What is at paths in containers, as tar streams.
    archives: BTreeMap<(String, String), Vec<u8>>,
}

/// What a command in a container does: reads and writes, and ends with a code.
type Program = Arc<dyn Fn(&Exec<'_>, Streams<'_>, &AtomicBool) -> Result<i64, RuntimeError> + Send + Sync>;

/// A container that runs, and has nothing special.
pub fn running(name: &str) -> Container {
    Container {
        id: format!("id-{name}"),
        name: name.to_owned(),
        state: State::Running,
        started_at: "0".to_owned(),
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

impl Memory {
    /// An engine with these containers.
    pub fn new(containers: Vec<Container>) -> Self {
        let engine =
            Engine { id: "memory".to_owned(), version: "0".to_owned(), api: "1.41".to_owned(), endpoint: "memory".to_owned(), local: true };
        let picture = Picture { engine, containers, volumes: Vec::new() };
        Self {
            inner: Mutex::new(Inner { picture, starts: 0, calls: Vec::new(), left: usize::MAX, program: None, archives: BTreeMap::new() }),
        }
    }

    /// Answers so many calls that change something, and then none.
    pub fn answer(&self, calls: usize) {
        self.inner().left = calls;
    }

    /// Lets commands in containers do this; without, they end with 0 and say nothing.
    pub fn program(&self, program: impl Fn(&Exec<'_>, Streams<'_>, &AtomicBool) -> Result<i64, RuntimeError> + Send + Sync + 'static) {
        self.inner().program = Some(Arc::new(program));
    }

    /// Puts a tar stream to a path in a container.
    pub fn archive(&self, container: &str, path: &str, tar: Vec<u8>) {
        self.inner().archives.insert((container.to_owned(), path.to_owned()), tar);
    }

    /// The commands that were run.
    pub fn calls(&self) -> Vec<Call> {
        self.inner().calls.clone()
    }

    /// Changes what is there, as somebody else would.
    pub fn change(&self, change: impl FnOnce(&mut Picture)) {
        change(&mut self.inner().picture);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn act(&self, id: &str, act: impl FnOnce(&mut Container, &str)) -> Result<(), RuntimeError> {
        let mut inner = self.inner();
        if inner.left == 0 {
            return Err(RuntimeError::Unreachable { endpoint: "memory".to_owned(), message: "it is away".to_owned() });
        }
        inner.left -= 1;
        inner.starts += 1;
        let start = inner.starts.to_string();
        let found = inner.picture.containers.iter_mut().find(|c| c.id == id || c.name == id);
        let container = found.ok_or_else(|| RuntimeError::Gone(id.to_owned()))?;
        act(container, &start);
        let gone = container.auto_remove && container.state == State::Exited;
        if gone {
            inner.picture.containers.retain(|c| c.id != id && c.name != id);
        }
        Ok(())
    }
}

impl Runtime for Memory {
    fn engine(&self) -> Result<Engine, RuntimeError> {
        self.picture().map(|picture| picture.engine)
    }

    fn picture(&self) -> Result<Picture, RuntimeError> {
        let inner = self.inner();
        if inner.left == 0 {
            return Err(RuntimeError::Unreachable { endpoint: "memory".to_owned(), message: "it is away".to_owned() });
        }
        Ok(inner.picture.clone())
    }

    fn volumes(&self) -> Result<Vec<Volume>, RuntimeError> {
        self.picture().map(|picture| picture.volumes)
    }

    fn container(&self, id: &str) -> Result<Option<Container>, RuntimeError> {
        Ok(self.picture()?.containers.into_iter().find(|c| c.id == id || c.name == id))
    }

    fn stop(&self, id: &str, _grace: Option<Duration>) -> Result<(), RuntimeError> {
        self.act(id, |container, _| {
            if container.state != State::Created {
                container.state = State::Exited;
                container.exit_code = Some(0);
            }
        })
    }

    fn start(&self, id: &str) -> Result<(), RuntimeError> {
        self.act(id, |container, start| {
            if !container.state.works() {
                container.state = State::Running;
                container.started_at = start.to_owned();
                container.exit_code = None;
            }
        })
    }

    fn pause(&self, id: &str) -> Result<(), RuntimeError> {
        self.act(id, |container, _| {
            if container.state == State::Running {
                container.state = State::Paused;
            }
        })
    }

    fn unpause(&self, id: &str) -> Result<(), RuntimeError> {
        self.act(id, |container, _| {
            if container.state == State::Paused {
                container.state = State::Running;
            }
        })
    }

    fn exec(&self, exec: &Exec<'_>, streams: Streams<'_>, cancel: &AtomicBool) -> Result<i64, RuntimeError> {
        let container = self.container(exec.container)?.ok_or_else(|| RuntimeError::Gone(exec.container.to_owned()))?;
        if container.state != State::Running {
            let what = format!("run a command in container {}", container.name);
            return Err(RuntimeError::Refused { what, message: format!("it is {}", container.state.as_str()) });
        }
        let program = self.inner().program.clone();
        program.map_or(Ok(0), |program| program(exec, streams, cancel))
    }

    fn call(&self, call: &Call, _: Duration) -> Result<Ended, RuntimeError> {
        self.picture()?;
        self.inner().calls.push(call.clone());
        Ok(Ended { code: 0, said: String::new() })
    }

    fn read_archive(&self, container: &str, path: &str) -> Result<Box<dyn Read + Send>, RuntimeError> {
        let tar = self.inner().archives.get(&(container.to_owned(), path.to_owned())).cloned();
        tar.map(|tar| Box::new(Cursor::new(tar)) as Box<dyn Read + Send>).ok_or_else(|| RuntimeError::Gone(container.to_owned()))
    }
}
