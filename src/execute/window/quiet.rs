//! Quiets one service, and says what it found: decided by what is seen afterwards, not by what a call answered.

use std::thread;
use std::time::Duration;

use crate::execute::error::{StepError, chain};
use crate::facts::{Container, State};
use crate::model::Mode;
use crate::plan::{Handle, Quiet, Subject};
use crate::runtime::{Call, Runtime, RuntimeError};

/// How long a pair of commands may take, unless the manifest says otherwise.
const COMMAND_LIMIT: Duration = Duration::from_mins(1);
/// The grace period of an engine, where a container has none of its own.
const ENGINE_GRACE: Duration = Duration::from_secs(10);
/// How long after its grace period a container is still expected to end: the engine has to kill it and to tidy up.
const AFTER_GRACE: Duration = Duration::from_secs(30);
/// How often a container is looked at that is about to change.
pub(super) const GLANCE: Duration = Duration::from_millis(100);
/// The exit code of what was killed.
const KILLED: i64 = 137;

/// What a service is while it is quiet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stillness {
    /// Its processes have ended by themselves.
    Ended,
    /// They are frozen, as the manifest wants it: what they left is as after a power cut. A sentence that says so.
    Frozen(String),
    /// They were killed: the same, and nobody wanted it.
    Killed(String),
    /// Its command has said that it is quiet.
    Said,
}

/// Quiets it.
pub(super) fn quiet(runtime: &dyn Runtime, service: &Quiet) -> Result<Stillness, StepError> {
    match &service.handle {
        Handle::Containers(subjects) => {
            // Replicas have no order among themselves.
            let each = thread::scope(|scope| {
                let one = |subject| scope.spawn(move || container(runtime, service, subject));
                let all: Vec<_> = subjects.iter().map(one).collect();
                let joined = all.into_iter().map(|handle| handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
                joined.collect::<Vec<Result<Stillness, StepError>>>()
            });
            let mut worst = Stillness::Ended;
            for still in each {
                worst = match (worst, still?) {
                    (Stillness::Killed(one), Stillness::Killed(two)) => Stillness::Killed(format!("{one}; {two}")),
                    (Stillness::Frozen(one), Stillness::Frozen(two)) => Stillness::Frozen(format!("{one}; {two}")),
                    (Stillness::Ended | Stillness::Said, worse) => worse,
                    (worst, _) => worst,
                };
            }
            Ok(worst)
        }
        Handle::Command { quiesce, .. } => {
            command(runtime, service, quiesce)?;
            Ok(Stillness::Said)
        }
    }
}

fn container(runtime: &dyn Runtime, service: &Quiet, subject: &Subject) -> Result<Stillness, StepError> {
    let name = &subject.name;
    let grace = service.stop_timeout.map(Duration::from_secs);
    let answer = match service.mode {
        Mode::Stop => runtime.stop(&subject.id, grace),
        Mode::Pause => runtime.pause(&subject.id),
    };
    let mut left = if matches!(answer, Err(RuntimeError::TimedOut { .. })) { most(service) } else { AFTER_GRACE };
    let seen = loop {
        let seen =
            runtime.container(&subject.id)?.ok_or_else(|| StepError::Changed(format!("container `{name}` was removed meanwhile")))?;
        // A stop that failed for good, and a container that its engine brings up again, show as one that works all along.
        if !seen.state.works() || answer.is_err() && !matches!(answer, Err(RuntimeError::TimedOut { .. })) || left.is_zero() {
            break seen;
        }
        thread::park_timeout(GLANCE);
        left = left.saturating_sub(GLANCE);
    };
    judge(service.mode, name, &seen, answer.err().as_ref())
}

/// How long its containers may take to end, at most.
pub(super) fn most(service: &Quiet) -> Duration {
    service.stop_timeout.map_or(ENGINE_GRACE, Duration::from_secs) + AFTER_GRACE
}

fn judge(mode: Mode, name: &str, seen: &Container, error: Option<&RuntimeError>) -> Result<Stillness, StepError> {
    match (mode, seen.state) {
        (Mode::Pause, State::Paused) => Ok(Stillness::Frozen(format!("container `{name}` was paused, not stopped"))),
        (Mode::Stop, State::Exited) if seen.exit_code == Some(KILLED) => {
            Ok(Stillness::Killed(format!("container `{name}` did not end in its grace period and was killed (exit code 137)")))
        }
        (Mode::Stop, State::Exited | State::Created | State::Dead) => Ok(Stillness::Ended),
        (Mode::Pause, State::Exited | State::Dead) => {
            Err(StepError::Changed(format!("container `{name}` has ended by itself before it could be paused")))
        }
        (_, state) => {
            let why = error.map_or_else(String::new, |error| format!(": {}", chain(error)));
            Err(StepError::Changed(format!("container `{name}` is {} and cannot be quieted{why}", state.as_str())))
        }
    }
}

/// Runs one of a service's commands, in its container or on this host.
pub(super) fn command(runtime: &dyn Runtime, service: &Quiet, argv: &[String]) -> Result<(), StepError> {
    let Handle::Command { container, user, .. } = &service.handle else { return Ok(()) };
    let call = Call { argv: argv.to_vec(), container: container.clone(), user: user.clone() };
    let ended = runtime.call(&call, service.stop_timeout.map_or(COMMAND_LIMIT, Duration::from_secs))?;
    if ended.code == 0 {
        return Ok(());
    }
    let said = if ended.said.trim().is_empty() { String::new() } else { format!(": {}", ended.said.trim()) };
    Err(StepError::Changed(format!("`{}` of `{}` ended with exit code {}{said}", argv.join(" "), service.address, ended.code)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::running;

    fn judged(mode: Mode, state: State, exit_code: Option<i64>) -> Result<Stillness, String> {
        let error = RuntimeError::Refused { what: "stop container web".to_owned(), message: "no".to_owned() };
        judge(mode, "web", &Container { state, exit_code, ..running("web") }, Some(&error)).map_err(|e| e.to_string())
    }

    #[test]
    fn what_is_seen_decides_and_not_what_was_answered() {
        assert_eq!(judged(Mode::Stop, State::Exited, Some(0)), Ok(Stillness::Ended));
        assert_eq!(judged(Mode::Stop, State::Exited, Some(143)), Ok(Stillness::Ended));
        assert!(matches!(judged(Mode::Stop, State::Exited, Some(137)), Ok(Stillness::Killed(_))));
        assert!(matches!(judged(Mode::Pause, State::Paused, None), Ok(Stillness::Frozen(_))));
        let still = judged(Mode::Stop, State::Running, None).unwrap_err();
        assert!(still.contains("`web` is running and cannot be quieted: stop container web: no"), "{still}");
        assert!(judged(Mode::Pause, State::Exited, Some(1)).is_err());
        assert!(judged(Mode::Stop, State::Paused, None).is_err());
    }
}
