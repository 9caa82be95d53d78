//! Docker's own client, spoken to as a person would: an eye that is not the code under test.

use std::process::{Command, Output};

/// The client of one engine.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    /// Its `DOCKER_HOST`.
    pub(crate) host: String,
}

impl Client {
    /// A command of this client, ready to run.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.args(args).env("DOCKER_HOST", &self.host);
        command
    }

    /// Runs it, however it ends.
    pub(crate) fn ask(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs it to a good end and gives what it said.
    #[track_caller]
    pub(crate) fn tell(&self, args: &[&str]) -> String {
        said(&args.join(" "), &self.ask(args))
    }

    /// The ids that a listing command gives.
    pub(crate) fn list(&self, args: &[&str]) -> Vec<String> {
        String::from_utf8_lossy(&self.ask(args).stdout).split_whitespace().map(str::to_owned).collect()
    }
}

/// What a command said, which must have ended well.
#[track_caller]
pub(super) fn said(what: &str, output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`{what}` ended with {}:\n{error}", output.status);
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
