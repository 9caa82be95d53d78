//! One container with one volume, and a world that backs the volume up while the container is quiet. Cheaper than a stack.

use std::fs;
use std::process::Child;

use super::stack::rest;
use super::{Container, Engine, Volume};
use crate::shared::{World, until};

/// A container `web` that runs, its volume, its engine, and a world with a manifest for it.
#[must_use]
pub(crate) struct Site {
    pub(crate) web: Container,
    pub(crate) volume: Volume,
    pub(crate) world: World,
    pub(crate) engine: Engine,
    /// Its last start, at the beginning.
    pub(crate) started_at: String,
}

impl Site {
    /// One that ends when it is told to.
    #[track_caller]
    pub(crate) fn new() -> Self {
        Self::with(&[], &["idle"])
    }

    /// One with options of `docker run`, and a command.
    #[track_caller]
    pub(crate) fn with(options: &[&str], command: &[&str]) -> Self {
        Self::on(Engine::new(), options, command)
    }

    /// One on an engine.
    #[track_caller]
    pub(crate) fn on(engine: Engine, options: &[&str], command: &[&str]) -> Self {
        let volume = engine.volume("data");
        volume.write("kept", "what is to be kept\n");
        let mount = format!("{}:/data", volume.name);
        let web = engine.run_command("web", &[&["--volume", &mount], options].concat(), command);
        let world = World::new(&manifest(&web.name, &volume.name)).on(&engine.client.host);
        let started_at = web.started_at();
        Self { web, volume, world, engine, started_at }
    }

    /// Adds tables to the manifest.
    #[track_caller]
    pub(crate) fn add(&self, tables: &str) {
        let path = self.world.path("lucid-policy.toml");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, format!("{text}{tables}")).unwrap();
    }

    /// Adds keys to the table of the service.
    #[track_caller]
    pub(crate) fn service(&self, keys: &str) {
        self.world.edit("[service.container.web]\n", &format!("[service.container.web]\n{keys}\n"));
    }

    /// Adds keys to the table of the policy.
    #[track_caller]
    pub(crate) fn policy(&self, keys: &str) {
        self.world.edit("[policy.web]\n", &format!("[policy.web]\n{keys}\n"));
    }

    /// Captures what comes through a pipe instead of the volume: while nobody writes to it, everything stays quiet.
    #[track_caller]
    pub(crate) fn slow(&self) {
        self.world.edit(
            &format!("[source.volume.web]\nvolumes = [\"{}\"]\n", self.volume.name),
            "[source.command.web]\ncommand = [\"sh\", \"-c\", \"touch begun; cat pipe\"]\n",
        );
        self.world.pipe();
    }

    /// Starts a run, and waits until its capture waits.
    #[track_caller]
    pub(crate) fn waiting(&self, words: &[&str]) -> Child {
        let child = self.world.start(words);
        until("the capture has begun", || self.world.path("begun").exists());
        child
    }

    /// The container was not touched.
    #[track_caller]
    pub(crate) fn untouched(&self) {
        assert_eq!(self.web.started_at(), self.started_at, "the container was started anew");
        self.nothing_owed();
    }

    /// The container was stopped and started, and nothing is owed.
    #[track_caller]
    pub(crate) fn awake(&self) {
        assert_eq!(self.web.state(), "running");
        assert_ne!(self.web.started_at(), self.started_at, "the container was not stopped");
        self.nothing_owed();
    }

    #[track_caller]
    fn nothing_owed(&self) {
        assert_eq!(self.world.files("state/quiet"), Vec::<String>::new(), "journals are left");
    }

    /// Nothing is listed, and nothing else is left of a capture.
    #[track_caller]
    pub(crate) fn nothing_made(&self) {
        assert_eq!(self.world.files("backups/demo/catalog"), Vec::<String>::new());
        assert_eq!(self.world.files("backups/demo/data"), Vec::<String>::new());
        let _ = self.world.run("list").good().says(&["No artifacts."]);
    }

    /// The newest record of the policy.
    #[track_caller]
    pub(crate) fn record(&self) -> serde_json::Value {
        record(&self.world, "web")
    }
}

/// The newest record of a series.
#[track_caller]
pub(crate) fn record(world: &World, series: &str) -> serde_json::Value {
    let path = world.records("backups", series).pop().expect("something is listed");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// A manifest for a container and a volume.
pub(crate) fn manifest(container: &str, volume: &str) -> String {
    format!(
        "{}[service.container.web]\ncontainer = \"{container}\"\n[source.volume.web]\nvolumes = [\"{volume}\"]\nstop = [\"web\"]\n\
         [policy.web]\nsource = \"web\"\nretention = \"month\"\nschedule = \"hourly\"\nstores = [\"local\"]\n",
        rest()
    )
}
