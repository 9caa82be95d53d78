//! SIGINT, SIGTERM and SIGHUP: the first asks everything to end in good order, a second ends the process at once,
//! except while services are quiet that it has to wake, and except SIGHUP: a terminal that is closed says it twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

use tokio::signal::unix::{SignalKind, signal};

use super::exit::Exit;
use super::failure::Failure;
use crate::execute::Event;

/// What a signal raises.
#[derive(Debug, Clone, Default)]
pub(super) struct Signals {
    /// Seen by everything that can stop.
    pub(super) cancel: Arc<AtomicBool>,
    /// How many windows are open.
    pub(super) windows: Arc<AtomicUsize>,
    seen: Arc<AtomicU8>,
}

const WATCHED: [(&str, Exit); 3] = [("SIGINT", Exit::Interrupted), ("SIGTERM", Exit::Terminated), ("SIGHUP", Exit::HungUp)];

/// What a signal comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Begin,
    Wait,
    Nothing,
    End,
}

impl Answer {
    fn to(first: bool, name: &str, windows: usize) -> Self {
        match (first, windows) {
            (true, _) => Self::Begin,
            (false, 1..) => Self::Wait,
            (false, 0) if name == "SIGHUP" => Self::Nothing,
            (false, 0) => Self::End,
        }
    }
}

impl Signals {
    /// Watches from now on, on the runtime that calls it; `announce` is told of what each signal comes to.
    pub(super) fn watch(announce: impl Fn(Event) + Send + Clone + 'static) -> Result<Self, Failure> {
        let signals = Self::default();
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        for (number, kind) in kinds.into_iter().enumerate() {
            let mut arrivals = signal(kind).map_err(|e| Failure::unexpected(format!("signals cannot be watched: {e}")))?;
            let (signals, announce) = (signals.clone(), announce.clone());
            tokio::spawn(async move {
                let name = WATCHED[number].0;
                while arrivals.recv().await.is_some() {
                    let first = !signals.cancel.swap(true, Ordering::SeqCst);
                    match Answer::to(first, name, signals.windows.load(Ordering::SeqCst)) {
                        Answer::Begin => {
                            signals.seen.store(u8::try_from(number + 1).unwrap_or(0), Ordering::SeqCst);
                            announce(Event::Interrupted { signal: name.to_owned() });
                        }
                        Answer::Wait => announce(Event::Insisted { signal: name.to_owned() }),
                        Answer::Nothing => {}
                        // Nothing is quiet, and what is not finished is not listed and swept by the next run: ending here is safe, only
                        // impolite. A window that opens at this very instant has quieted nothing: its journal comes first.
                        Answer::End => std::process::abort(),
                    }
                }
            });
        }
        Ok(signals)
    }

    /// The exit code of the signal that was seen.
    pub(super) fn exit(&self) -> Option<Exit> {
        let seen = usize::from(self.seen.load(Ordering::SeqCst));
        seen.checked_sub(1).map(|number| WATCHED[number].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_signal_ends_the_process_only_where_nothing_is_quiet() {
        assert_eq!(Answer::to(true, "SIGINT", 0), Answer::Begin);
        assert_eq!(Answer::to(true, "SIGHUP", 1), Answer::Begin);
        assert_eq!(Answer::to(false, "SIGTERM", 2), Answer::Wait);
        assert_eq!(Answer::to(false, "SIGINT", 0), Answer::End);
    }

    #[test]
    fn a_terminal_that_is_closed_never_ends_the_process_at_once() {
        assert_eq!(Answer::to(false, "SIGHUP", 0), Answer::Nothing);
        assert_eq!(Answer::to(false, "SIGHUP", 1), Answer::Wait);
    }
}
