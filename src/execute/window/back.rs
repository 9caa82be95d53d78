//! What brings a container back to what it did before, decided from what it does now. Pure.
//!
//! A container that somebody else has started, renamed, removed or made anew since it was quieted is theirs: it is said and not fought
//! over. Its last start tells: the engine writes another `started_at` with every start, and with nothing else.

use crate::facts::{Container, State};
use crate::model::Mode;
use crate::plan::Subject;

/// What is to be done about a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Back {
    /// Nothing: it does what it did.
    There,
    /// Nothing, and this is to be known.
    Left(String),
    /// It may be on its way to its end: it is to end, and then to be started.
    Finish,
    /// It is to be started.
    Start,
    /// It is to be thawed.
    Thaw,
    /// It is to be frozen again.
    Freeze,
}

/// What was done to a container, as far as it was written down before it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Noted {
    /// Its stop was asked for: an engine finishes one whose caller is gone, so it may still be under way.
    pub(super) stopping: bool,
    /// It may be us who started it last.
    pub(super) waking: bool,
}

/// What brings it back.
pub(super) fn back(subject: &Subject, mode: Mode, noted: Noted, seen: Option<&Container>, instead: Option<&Container>) -> Back {
    let (name, waking) = (&subject.name, noted.waking);
    let Some(seen) = seen else {
        return Back::Left(match instead {
            Some(other) => {
                format!("container `{name}` was made anew meanwhile ({}, {}); it is left as it is", other.name, other.state.as_str())
            }
            None => format!("container `{name}` was removed meanwhile; there is nothing to wake"),
        });
    };
    if seen.name != *name && !seen.state.works() {
        return Back::Left(format!("container `{name}` was renamed to `{}` meanwhile; it is left {}", seen.name, seen.state.as_str()));
    }
    let same_start = seen.started_at == subject.started_at;
    let by_somebody =
        |what: &str| Back::Left(format!("container `{name}` was {what} by somebody else meanwhile; it is left {}", seen.state.as_str()));
    match (subject.was, seen.state) {
        (State::Paused, State::Running) if !same_start && waking => Back::Freeze,
        (State::Paused, State::Running | State::Restarting) if same_start => by_somebody("thawed"),
        (State::Running, State::Running | State::Restarting) | (State::Paused, State::Paused)
            if mode == Mode::Stop && same_start && noted.stopping =>
        {
            Back::Finish
        }
        (State::Paused, State::Paused) | (_, State::Running | State::Restarting) => Back::There,
        (_, State::Paused) if mode == Mode::Pause && same_start => Back::Thaw,
        (_, State::Paused) => by_somebody("paused"),
        (_, State::Exited | State::Created) if same_start || waking => Back::Start,
        (_, State::Exited | State::Created) => by_somebody("started and stopped"),
        (_, State::Removing | State::Dead) => {
            Back::Left(format!("container `{name}` is {}; nothing can be done about it", seen.state.as_str()))
        }
    }
}

/// The container that has taken the place of one that is gone: by its compose identity, else by its name.
pub(super) fn instead<'a>(subject: &Subject, containers: &'a [Container]) -> Option<&'a Container> {
    containers.iter().find(|other| {
        let compose = other.compose.as_ref().map(|c| (c.project.as_str(), c.service.as_str(), c.number));
        let same = subject.compose.as_ref().is_some_and(|(project, service, number)| compose == Some((project, service, *number)));
        same || other.name == subject.name
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::running;

    fn subject(was: State) -> Subject {
        Subject { id: "1".to_owned(), name: "web".to_owned(), was, started_at: "first".to_owned(), compose: None }
    }

    /// What is done about a container that was in one state before and is in another now, with or without a start in between.
    fn decided(was: State, mode: Mode, now: State, started: &str, waking: bool) -> Back {
        let seen = Container { state: now, started_at: started.to_owned(), ..running("web") };
        back(&subject(was), mode, Noted { stopping: false, waking }, Some(&seen), None)
    }

    const NOTHING: Noted = Noted { stopping: false, waking: false };

    fn left(back: &Back) -> bool {
        matches!(back, Back::Left(_))
    }

    #[test]
    fn what_was_stopped_is_started_unless_somebody_was_there_before() {
        let stop = |now, started| decided(State::Running, Mode::Stop, now, started, false);
        assert_eq!(stop(State::Exited, "first"), Back::Start);
        assert_eq!(stop(State::Running, "first"), Back::There);
        assert_eq!(stop(State::Running, "second"), Back::There);
        assert!(left(&stop(State::Exited, "second")));
        assert!(left(&stop(State::Paused, "second")));
        assert!(left(&stop(State::Dead, "first")));
    }

    #[test]
    fn a_stop_that_may_be_under_way_is_brought_to_its_end() {
        let stopping = Noted { stopping: true, waking: false };
        let seen = |state, started: &str| Container { state, started_at: started.to_owned(), ..running("web") };
        let decided = |was, mode, state, started| back(&subject(was), mode, stopping, Some(&seen(state, started)), None);
        assert_eq!(decided(State::Running, Mode::Stop, State::Running, "first"), Back::Finish);
        assert_eq!(decided(State::Running, Mode::Stop, State::Running, "second"), Back::There);
        assert_eq!(decided(State::Running, Mode::Stop, State::Exited, "first"), Back::Start);
        assert_eq!(decided(State::Running, Mode::Pause, State::Running, "first"), Back::There);
        assert_eq!(decided(State::Paused, Mode::Stop, State::Paused, "first"), Back::Finish);
        assert_eq!(decided(State::Paused, Mode::Stop, State::Paused, "second"), Back::There);
    }

    #[test]
    fn what_was_frozen_is_thawed_and_what_ended_meanwhile_is_started() {
        let pause = |now, started| decided(State::Running, Mode::Pause, now, started, false);
        assert_eq!(pause(State::Paused, "first"), Back::Thaw);
        assert_eq!(pause(State::Exited, "first"), Back::Start);
        assert_eq!(pause(State::Running, "first"), Back::There);
        assert!(left(&pause(State::Paused, "second")));
    }

    #[test]
    fn what_was_paused_before_is_paused_again() {
        let paused = |now, started, waking| decided(State::Paused, Mode::Stop, now, started, waking);
        assert_eq!(paused(State::Exited, "first", false), Back::Start);
        assert_eq!(paused(State::Running, "second", true), Back::Freeze);
        assert_eq!(paused(State::Paused, "second", true), Back::There);
        assert_eq!(paused(State::Running, "second", false), Back::There);
        assert!(left(&paused(State::Running, "first", false)));
    }

    #[test]
    fn what_is_gone_or_has_another_name_is_left() {
        let other = running("web-2");
        let Back::Left(said) = back(&subject(State::Running), Mode::Stop, NOTHING, None, Some(&other)) else { panic!() };
        assert!(said.contains("made anew meanwhile (web-2"), "{said}");
        assert!(left(&back(&subject(State::Running), Mode::Stop, NOTHING, None, None)));
        let renamed = Container { name: "web_old".to_owned(), state: State::Exited, started_at: "first".to_owned(), ..running("web") };
        assert!(left(&back(&subject(State::Running), Mode::Stop, NOTHING, Some(&renamed), None)));
    }
}
