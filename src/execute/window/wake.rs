//! Wakes one service, and waits until it is ready. Never gives up because of a signal: what was quieted is woken.

use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use super::back::{Back, Noted, back, instead};
use super::quiet::{GLANCE, command, most};
use crate::execute::error::{StepError, chain};
use crate::execute::ports::Clock;
use crate::facts::{Container, Health, State};
use crate::model::Ready;
use crate::model::id::Instant;
use crate::plan::{Handle, Quiet, Subject};
use crate::runtime::{Call, Runtime, RuntimeError};

/// How long one try at a port or a command may take.
const TRY: Duration = Duration::from_secs(5);

/// What became of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Woken {
    /// Nothing is owed to it any more; else the next recovery tries again.
    pub(super) settled: bool,
    /// What to know: sentences that name the object.
    pub(super) notes: Vec<String>,
    /// Why it is not as it was.
    pub(super) failure: Option<String>,
}

impl Woken {
    fn well(notes: Vec<String>) -> Self {
        Self { settled: true, notes, failure: None }
    }

    fn add(&mut self, other: Self) {
        self.settled &= other.settled;
        self.notes.extend(other.notes);
        self.failure = match (self.failure.take(), other.failure) {
            (Some(one), Some(two)) => Some(format!("{one}; {two}")),
            (one, two) => one.or(two),
        };
    }
}

/// One service, with what is known of it.
pub(super) struct Waking<'a> {
    pub(super) runtime: &'a dyn Runtime,
    pub(super) clock: &'a Clock,
    /// How long one without a health check must run before it is taken for awake.
    pub(super) settle: Duration,
    pub(super) service: &'a Quiet,
    /// Whether an earlier try may have started it.
    pub(super) tried: bool,
    /// Whether it was about to be quieted.
    pub(super) begun: bool,
    /// Writes down that it is about to be started.
    pub(super) note: &'a (dyn Fn() -> Result<(), String> + Sync),
}

impl Waking<'_> {
    /// Brings it back, in at most its `ready_timeout` and what the engine needs for a start.
    pub(super) fn wake(&self) -> Woken {
        match &self.service.handle {
            Handle::Containers(subjects) => {
                let each = thread::scope(|scope| {
                    let all: Vec<_> = subjects.iter().map(|subject| scope.spawn(move || self.container(subject))).collect();
                    all.into_iter().map(|handle| handle.join().unwrap_or_else(|p| std::panic::resume_unwind(p))).collect::<Vec<_>>()
                });
                let mut sum = Woken::well(Vec::new());
                for one in each {
                    sum.add(one);
                }
                sum
            }
            Handle::Command { resume, container, user, .. } => self.resumed(resume, container.as_ref(), user.as_ref()),
        }
    }

    fn patience(&self) -> Patience<'_> {
        Patience { clock: self.clock, last: (self.clock)(), left: Duration::from_secs(self.service.ready_timeout) }
    }

    fn resumed(&self, resume: &[String], container: Option<&String>, user: Option<&String>) -> Woken {
        if !self.begun {
            return Woken::well(Vec::new());
        }
        let mut left = self.patience();
        while let Err(error) = command(self.runtime, self.service, resume) {
            if left.is_over() || !matches!(error, StepError::Runtime(RuntimeError::Unreachable { .. })) {
                return Woken { settled: false, notes: Vec::new(), failure: Some(chain(&error)) };
            }
            left.pass();
        }
        let Ready::Command(argv) = &self.service.ready else { return Woken::well(Vec::new()) };
        loop {
            let said = match self.asked(argv, container, user) {
                Ok(()) => return Woken::well(Vec::new()),
                Err(said) => said,
            };
            if left.is_over() {
                let failure =
                    format!("`{}` was resumed and is not ready after {} s: {said}", self.service.address, self.service.ready_timeout);
                return Woken { settled: true, notes: Vec::new(), failure: Some(failure) };
            }
            left.pass();
        }
    }

    fn container(&self, subject: &Subject) -> Woken {
        let (mut left, mut waking, mut done, mut notes) = (self.patience(), self.tried, None, Vec::new());
        let failed = |settled, notes, failure: String| Woken { settled, notes, failure: Some(failure) };
        loop {
            match self.step(subject, &mut waking) {
                Ok(Step::There) => break,
                Ok(Step::Left(said)) => {
                    notes.push(said);
                    return Woken::well(notes);
                }
                // What was done is looked at at once, and waited for where it does not show yet.
                Ok(Step::Done(now)) if done.replace(now) != Some(now) => {}
                Ok(Step::Done(_)) if left.is_over() => {
                    return failed(false, notes, format!("container `{}` does not stay as it is put", subject.name));
                }
                Ok(Step::Done(_)) => left.pass(),
                // An engine that is being restarted is waited for.
                Err(RuntimeError::Unreachable { .. } | RuntimeError::TimedOut { .. }) if !left.is_over() => left.pass(),
                Err(error) => return failed(false, notes, format!("container `{}` could not be woken: {}", subject.name, chain(&error))),
            }
        }
        if subject.was == State::Paused {
            return Woken::well(notes);
        }
        let mut calm = Duration::ZERO;
        loop {
            match self.ready(subject) {
                Readiness::Yes => return Woken::well(notes),
                Readiness::Runs if calm >= self.settle => return Woken::well(notes),
                Readiness::Runs => {
                    thread::park_timeout(GLANCE);
                    calm += GLANCE;
                }
                Readiness::Never(said) => return failed(true, notes, said),
                Readiness::NotYet(said) if left.is_over() => {
                    let message =
                        format!("container `{}` runs and is not ready after {} s: {said}", subject.name, self.service.ready_timeout);
                    return failed(true, notes, message);
                }
                Readiness::NotYet(_) => left.pass(),
            }
        }
    }

    /// Does the next thing that brings a container back.
    fn step(&self, subject: &Subject, waking: &mut bool) -> Result<Step, RuntimeError> {
        let seen = self.runtime.container(&subject.id)?;
        let others = if seen.is_none() { self.runtime.picture()?.containers } else { Vec::new() };
        let noted = Noted { stopping: self.begun, waking: *waking };
        match back(subject, self.service.mode, noted, seen.as_ref(), instead(subject, &others)) {
            Back::There => Ok(Step::There),
            Back::Left(said) => Ok(Step::Left(said)),
            Back::Thaw => self.runtime.unpause(&subject.id).map(|()| Step::Done(Deed::Thawed)),
            Back::Freeze => self.runtime.pause(&subject.id).map(|()| Step::Done(Deed::Frozen)),
            Back::Finish => self.finish(subject),
            Back::Start => {
                if !*waking {
                    let refused = |message| RuntimeError::Refused { what: format!("start container {}", subject.name), message };
                    (self.note)().map_err(refused)?;
                    *waking = true;
                }
                self.runtime.start(&subject.id)?;
                // What it does from here on is its own doing: not looked at as if somebody else had done it.
                Ok(if subject.was == State::Paused { Step::Done(Deed::Started) } else { Step::There })
            }
        }
    }

    /// Brings a stop to its end that may be under way. An engine that will not stop it has not begun to: then it is where it was, once
    /// as much time is over as the stop would have had.
    fn finish(&self, subject: &Subject) -> Result<Step, RuntimeError> {
        let answer = self.runtime.stop(&subject.id, self.service.stop_timeout.map(Duration::from_secs));
        let Err(RuntimeError::Refused { .. }) = answer else { return answer.map(|()| Step::Done(Deed::Stopped)) };
        let mut left = Patience { left: most(self.service), ..self.patience() };
        while !left.is_over() {
            let seen = self.runtime.container(&subject.id)?;
            if seen.is_none_or(|seen| !seen.state.works() && seen.state != State::Paused) {
                return Ok(Step::Done(Deed::Stopped));
            }
            left.pass();
        }
        Ok(Step::There)
    }

    fn ready(&self, subject: &Subject) -> Readiness {
        let name = &subject.name;
        let seen = match self.runtime.container(&subject.id) {
            Ok(Some(seen)) => seen,
            Ok(None) => return Readiness::Never(format!("container `{name}` is gone right after its start")),
            Err(error) => return Readiness::NotYet(chain(&error)),
        };
        if !seen.state.works() {
            let code = seen.exit_code.map_or_else(String::new, |code| format!(" with exit code {code}"));
            return Readiness::Never(format!("container `{name}` was started and is {} again{code}", seen.state.as_str()));
        }
        match (&self.service.ready, seen.health) {
            (Ready::Default | Ready::Healthy, Some(Health::Healthy)) => Readiness::Yes,
            (Ready::Default | Ready::Started, None) | (Ready::Started, Some(_)) => {
                if seen.state == State::Running {
                    Readiness::Runs
                } else {
                    Readiness::NotYet("it is being restarted".to_owned())
                }
            }
            (Ready::Default | Ready::Healthy, Some(Health::Starting)) => Readiness::NotYet("its health check has not decided".to_owned()),
            (Ready::Default | Ready::Healthy, Some(Health::Unhealthy)) => Readiness::NotYet("its health check says unhealthy".to_owned()),
            (Ready::Healthy, None) => Readiness::Never(format!("container `{name}` has no health check, and `ready` waits for one")),
            (Ready::Port(port), _) => {
                if reached(&seen, *port) {
                    Readiness::Yes
                } else {
                    Readiness::NotYet(format!("nothing listens on port {port}"))
                }
            }
            (Ready::Command(argv), _) => match self.asked(argv, Some(&subject.id), None) {
                Ok(()) => Readiness::Yes,
                Err(said) => Readiness::NotYet(said),
            },
        }
    }

    fn asked(&self, argv: &[String], container: Option<&String>, user: Option<&String>) -> Result<(), String> {
        let call = Call { argv: argv.to_vec(), container: container.cloned(), user: user.cloned() };
        match self.runtime.call(&call, TRY) {
            Ok(ended) if ended.code == 0 => Ok(()),
            Ok(ended) => Err(format!("`{}` ended with exit code {}", argv.join(" "), ended.code)),
            Err(error) => Err(chain(&error)),
        }
    }
}

enum Step {
    There,
    Left(String),
    Done(Deed),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Deed {
    Stopped,
    Started,
    Thawed,
    Frozen,
}

enum Readiness {
    Yes,
    /// It runs, and there is nothing to ask it.
    Runs,
    NotYet(String),
    Never(String),
}

/// Where it is published, or on one of its own addresses.
fn reached(container: &Container, port: u16) -> bool {
    let published = container.ports.iter().filter(|(own, _)| *own == port).map(|(_, at)| *at);
    let own = container.addresses.iter().map(|address| SocketAddr::new(*address, port));
    published.chain(own).any(|at| TcpStream::connect_timeout(&at, TRY).is_ok())
}

/// How long somebody still waits.
struct Patience<'a> {
    clock: &'a Clock,
    last: Instant,
    left: Duration,
}

impl Patience<'_> {
    fn is_over(&self) -> bool {
        self.left.is_zero()
    }

    /// Lets a moment pass. What was tried since the last one counts too; a clock that stands still does not make it wait for ever.
    fn pass(&mut self) {
        thread::park_timeout(GLANCE);
        let now = (self.clock)();
        let passed = (now - self.last).to_std().unwrap_or_default();
        self.left = self.left.saturating_sub(passed.max(GLANCE));
        self.last = now;
    }
}
