//! The engine of a test: names of its own on it, and a clean end.

use std::env;
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use super::docker::{Client, said};
use super::{Container, Project, Volume};

/// An image of busybox, and of `idle`, which ends at once when it is told to.
pub(crate) const IMAGE: &str = "lucid-test:1";

static MADE: AtomicU32 = AtomicU32::new(0);

/// A test's part of an engine: nothing that it names is named by another test.
#[must_use]
pub(crate) struct Engine {
    pub(crate) client: Client,
    prefix: String,
    /// Where an engine that nobody else uses keeps what it has.
    own: Option<TempDir>,
}

impl Engine {
    /// The engine that all tests share.
    #[track_caller]
    pub(crate) fn new() -> Self {
        let host = env::var("DOCKER_HOST").expect("DOCKER_HOST: run `bash tests/run`, or `export DOCKER_HOST=$(bash tests/engine start)`");
        Self::at(host, None)
    }

    /// An engine of this test alone, which may be killed. Its containers reach each other, and this host does not reach them.
    #[track_caller]
    pub(crate) fn own() -> Self {
        // Named so that `tests/run` finds it where this process was killed.
        let folder = tempfile::Builder::new().prefix(&format!("{}-own-", run())).tempdir().unwrap();
        let host = own_engine("start", &folder);
        Self::at(host, Some(folder))
    }

    fn at(host: String, own: Option<TempDir>) -> Self {
        let prefix = format!("{}-{}-{}-", run(), process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        Self { client: Client { host }, prefix, own }
    }

    /// Kills this test's own engine without a word of warning.
    #[track_caller]
    pub(crate) fn kill(&self) {
        let run = std::fs::read_to_string(self.folder().path().join("near")).unwrap();
        let pid = std::fs::read_to_string(format!("{run}/docker.pid")).unwrap();
        assert!(Command::new("kill").args(["-KILL", pid.trim()]).status().unwrap().success());
    }

    /// Starts this test's own engine again, at the same place and with what it had.
    #[track_caller]
    pub(crate) fn start(&self) {
        assert_eq!(own_engine("start", self.folder()), self.client.host);
    }

    fn folder(&self) -> &TempDir {
        self.own.as_ref().expect("this engine is shared: take `Engine::own`")
    }

    /// What something is named on the engine that this test calls `name`.
    pub(crate) fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Runs a container that idles, with options of `docker run`.
    #[track_caller]
    pub(crate) fn run(&self, name: &str, options: &[&str]) -> Container {
        self.run_command(name, options, &["idle"])
    }

    /// Runs a container with a command.
    #[track_caller]
    pub(crate) fn run_command(&self, name: &str, options: &[&str], command: &[&str]) -> Container {
        let name = self.name(name);
        let args = [&["run", "--detach", "--name", &name], options, &[IMAGE], command].concat();
        Container { client: self.client.clone(), id: self.client.tell(&args), name }
    }

    /// A container by its whole name, whoever made it.
    #[track_caller]
    pub(crate) fn container(&self, name: &str) -> Container {
        let id = self.client.tell(&["inspect", "--type", "container", "--format", "{{.Id}}", name]);
        Container { client: self.client.clone(), id, name: name.to_owned() }
    }

    /// Makes a volume.
    #[track_caller]
    pub(crate) fn volume(&self, name: &str) -> Volume {
        Volume::of(&self.client, &self.client.tell(&["volume", "create", &self.name(name)]))
    }

    /// Brings up a compose file with today's compose.
    #[track_caller]
    pub(crate) fn compose(&self, yaml: &str) -> Project {
        Project::up(&self.client, self.name("p"), yaml, Project::today())
    }

    /// Brings up a compose file with the compose of old, 1.29.
    #[track_caller]
    pub(crate) fn compose_v1(&self, yaml: &str) -> Project {
        Project::up(&self.client, self.name("p"), yaml, "docker-compose".into())
    }

    fn clear(&self) {
        let filter = format!("name=^/?{}", self.prefix);
        for (list, remove) in [
            (&["ps", "--all", "--quiet", "--filter"][..], &["rm", "--force", "--volumes"][..]),
            (&["volume", "ls", "--quiet", "--filter"], &["volume", "rm", "--force"]),
            (&["network", "ls", "--quiet", "--filter"], &["network", "rm"]),
        ] {
            let found = self.client.list(&[list, &[&filter]].concat());
            let found: Vec<&str> = found.iter().map(String::as_str).collect();
            if !found.is_empty() {
                let _ = self.client.ask(&[remove, &found].concat());
            }
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        match &self.own {
            Some(folder) => drop(own_engine("stop", folder)),
            None => self.clear(),
        }
    }
}

/// What everything of this run of `tests/run` is named after.
fn run() -> String {
    env::var("LUCID_TEST_RUN").unwrap_or_else(|_| "lt".to_owned())
}

#[track_caller]
fn own_engine(verb: &str, folder: &TempDir) -> String {
    let mut script = Command::new("bash");
    script.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/engine")).arg(verb).arg(folder.path());
    // two engines would take the bridge from each other
    script.env("ALONE", "1");
    said(verb, &script.output().unwrap())
}
