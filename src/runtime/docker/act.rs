//! Stops, starts, freezes and thaws.

use std::time::Duration;

use bollard::query_parameters::{StartContainerOptions, StopContainerOptionsBuilder};

use super::client::{ANSWER, Line};
use super::picture::is_name;
use crate::runtime::RuntimeError;
use crate::runtime::seen::State;

/// What a stop may take beyond the grace period: the kill, and what the engine does after it.
const MARGIN: Duration = Duration::from_mins(1);
/// What a start may take: mounts and networks, not the program's own work.
const START: Duration = Duration::from_mins(2);
/// What an engine grants where nothing is said. Seconds.
const GRACE: u64 = 10;

impl Line {
    /// Asks a container to end. One that has ended is no error.
    pub(super) fn stop(&self, id: &str, grace: Option<Duration>) -> Result<(), RuntimeError> {
        let granted = match grace {
            // What is less than a second would be none at all.
            Some(grace) => grace.as_secs() + u64::from(grace.subsec_nanos() > 0),
            None => self.one(id)?.ok_or_else(|| RuntimeError::Gone(id.to_owned()))?.stop_timeout.unwrap_or(GRACE),
        };
        let mut options = StopContainerOptionsBuilder::new();
        if grace.is_some() {
            options = options.t(i32::try_from(granted).unwrap_or(i32::MAX));
        }
        let options = options.build();
        self.act(
            "stop",
            id,
            Duration::from_secs(granted) + MARGIN,
            |client, id| async move { client.stop_container(&id, Some(options)).await },
        )
    }

    /// Starts a container. One that runs is no error.
    pub(super) fn start(&self, id: &str) -> Result<(), RuntimeError> {
        self.act("start", id, START, |client, id| async move { client.start_container(&id, None::<StartContainerOptions>).await })
    }

    /// Freezes a container. One that is frozen is no error.
    pub(super) fn pause(&self, id: &str) -> Result<(), RuntimeError> {
        let paused = self.act("pause", id, ANSWER, |client, id| async move { client.pause_container(&id).await });
        self.unless(paused, id, State::Paused)
    }

    /// Thaws a container. One that runs is no error.
    pub(super) fn unpause(&self, id: &str) -> Result<(), RuntimeError> {
        let thawed = self.act("unpause", id, ANSWER, |client, id| async move { client.unpause_container(&id).await });
        self.unless(thawed, id, State::Running)
    }

    /// An engine refuses what is so already; it is so.
    fn unless(&self, done: Result<(), RuntimeError>, id: &str, state: State) -> Result<(), RuntimeError> {
        match done {
            Err(RuntimeError::Refused { .. }) if self.one(id)?.is_some_and(|container| container.state == state) => Ok(()),
            done => done,
        }
    }

    fn act<F>(&self, verb: &str, id: &str, limit: Duration, call: impl FnOnce(bollard::Docker, String) -> F) -> Result<(), RuntimeError>
    where
        F: Future<Output = Result<(), bollard::errors::Error>>,
    {
        if !is_name(id) {
            return Err(RuntimeError::Gone(id.to_owned()));
        }
        let what = format!("{verb} container {id}");
        self.ask(self.about(&what, id, limit), |client| call(client, id.to_owned()))
    }
}
