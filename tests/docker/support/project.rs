//! A compose project.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::docker::said;
use super::{Client, Container, Volume};

/// A compose project of a test, which is up.
#[must_use]
pub(crate) struct Project {
    client: Client,
    /// Its name on the engine, whole.
    pub(crate) name: String,
    folder: TempDir,
    compose: PathBuf,
}

impl Project {
    /// The compose that `tests/setup` has built.
    pub(super) fn today() -> PathBuf {
        concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/docker-compose").into()
    }

    #[track_caller]
    pub(super) fn up(client: &Client, name: String, yaml: &str, compose: PathBuf) -> Self {
        let project = Self { client: client.clone(), name, folder: tempfile::tempdir().unwrap(), compose };
        fs::write(project.folder.path().join("compose.yaml"), yaml).unwrap();
        project.tell(&["up", "--detach"]);
        project
    }

    /// A compose command on it: `stop`, `start`, `up --detach`.
    #[track_caller]
    pub(crate) fn tell(&self, args: &[&str]) -> String {
        let mut command = Command::new(&self.compose);
        command.env("DOCKER_HOST", &self.client.host).current_dir(self.folder.path());
        command.args(["--project-name", &self.name, "--file", "compose.yaml"]).args(args);
        said(&args.join(" "), &command.output().unwrap())
    }

    /// The one container of a service.
    #[track_caller]
    pub(crate) fn service(&self, service: &str) -> Container {
        let mut found = self.services(service);
        assert_eq!(found.len(), 1, "service {service} has {} containers", found.len());
        found.remove(0)
    }

    /// The containers of a service, running or not.
    #[track_caller]
    pub(crate) fn services(&self, service: &str) -> Vec<Container> {
        let labels = [format!("label=com.docker.compose.project={}", self.name), format!("label=com.docker.compose.service={service}")];
        let format = "{{.ID}} {{.Names}}";
        let args = ["ps", "--all", "--no-trunc", "--format", format, "--filter", &labels[0], "--filter", &labels[1]];
        let lines = self.client.tell(&args);
        let found = lines.lines().filter_map(|line| line.split_once(' '));
        found.map(|(id, name)| Container { client: self.client.clone(), id: id.to_owned(), name: name.to_owned() }).collect()
    }

    /// A volume by the name it has in the compose file.
    #[track_caller]
    pub(crate) fn volume(&self, name: &str) -> Volume {
        Volume::of(&self.client, &format!("{}_{name}", self.name))
    }
}
