//! A container, as Docker's own client sees it.

use super::Client;
use crate::shared::until;

/// A container of a test.
#[derive(Debug, Clone)]
#[must_use]
pub(crate) struct Container {
    pub(super) client: Client,
    /// Its id, whole.
    pub(crate) id: String,
    /// Its name on the engine, whole.
    pub(crate) name: String,
}

impl Container {
    /// A field of it, as a template: `{{.State.Status}}`.
    #[track_caller]
    pub(crate) fn field(&self, template: &str) -> String {
        self.client.tell(&["inspect", "--type", "container", "--format", template, &self.id])
    }

    /// `running`, `exited` and so on; `gone` where it is not there any more.
    pub(crate) fn state(&self) -> String {
        let output = self.client.ask(&["inspect", "--type", "container", "--format", "{{.State.Status}}", &self.id]);
        if output.status.success() { String::from_utf8_lossy(&output.stdout).trim().to_owned() } else { "gone".to_owned() }
    }

    /// When it was last started. It changes with every start.
    #[track_caller]
    pub(crate) fn started_at(&self) -> String {
        // What the client shows of a time by itself is not what the engine wrote.
        self.field("{{json .State.StartedAt}}").trim_matches('"').to_owned()
    }

    #[track_caller]
    pub(crate) fn exit_code(&self) -> i64 {
        self.field("{{.State.ExitCode}}").parse().unwrap()
    }

    /// What its health check says.
    #[track_caller]
    pub(crate) fn health(&self) -> String {
        self.field("{{.State.Health.Status}}")
    }

    /// Waits until it is in this state.
    #[track_caller]
    pub(crate) fn until(&self, state: &str) {
        until(&format!("{} is {state}", self.name), || self.state() == state);
    }

    /// Runs a command in it to a good end and gives what it said.
    #[track_caller]
    pub(crate) fn exec(&self, command: &[&str]) -> String {
        self.client.tell(&[&["exec", &self.id], command].concat())
    }

    /// A verb of Docker's client on it: `stop`, `start`, `pause`, `kill`.
    #[track_caller]
    pub(crate) fn tell(&self, verb: &str) {
        self.client.tell(&[verb, &self.id]);
    }

    /// Removes it, running or not.
    #[track_caller]
    pub(crate) fn remove(&self) {
        self.client.tell(&["rm", "--force", "--volumes", &self.id]);
    }
}
