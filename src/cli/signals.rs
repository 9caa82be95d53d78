//! SIGINT, SIGTERM and SIGHUP: the first asks everything to end in good order, a second ends the process at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use tokio::signal::unix::{SignalKind, signal};

use super::exit::Exit;
use super::failure::Failure;

/// What a signal raises.
#[derive(Debug, Clone, Default)]
pub(super) struct Signals {
    /// Seen by everything that can stop.
    pub(super) cancel: Arc<AtomicBool>,
    seen: Arc<AtomicU8>,
}

const WATCHED: [(&str, Exit); 3] = [("SIGINT", Exit::Interrupted), ("SIGTERM", Exit::Terminated), ("SIGHUP", Exit::HungUp)];

impl Signals {
    /// Watches from now on, on the runtime that calls it; `announce` is told of the first signal.
    pub(super) fn watch(announce: impl Fn(&'static str) + Send + Clone + 'static) -> Result<Self, Failure> {
        let signals = Self::default();
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        for (number, kind) in kinds.into_iter().enumerate() {
            let mut arrivals = signal(kind).map_err(|e| Failure::unexpected(format!("signals cannot be watched: {e}")))?;
            let (signals, announce) = (signals.clone(), announce.clone());
            tokio::spawn(async move {
                while arrivals.recv().await.is_some() {
                    let first = !signals.cancel.swap(true, Ordering::SeqCst);
                    if first {
                        signals.seen.store(u8::try_from(number + 1).unwrap_or(0), Ordering::SeqCst);
                        announce(WATCHED[number].0);
                    } else {
                        // What is not finished is not listed, and the next run sweeps it: ending here is safe, only impolite.
                        std::process::abort();
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
