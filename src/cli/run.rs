//! What a verb that works shows meanwhile: bars on a terminal, lines elsewhere, JSON lines for programs; and the signals that end it.

use std::sync::Arc;

use super::bars::Bars;
use super::failure::Failure;
use super::screen::{Format, Screen};
use super::signals::Signals;
use crate::execute::{Event, Report, StepResult};
use crate::report::event_text;

/// The runtime that signals and the executor need.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.map_err(|e| Failure::unexpected(format!("no threads can be started: {e}")))
}

/// Shows events as they happen.
#[derive(Clone)]
pub(super) struct Live {
    screen: Screen,
    format: Format,
    bars: Arc<Bars>,
}

impl Live {
    pub(super) fn new(screen: Screen, format: Format) -> Self {
        Self { screen, format, bars: Arc::new(Bars::new(screen.bars && format == Format::Text)) }
    }

    /// Takes events, from any thread.
    pub(super) fn report(&self) -> Report {
        let live = self.clone();
        Arc::new(move |event: Event| live.show(&event))
    }

    fn show(&self, event: &Event) {
        let screen = self.screen;
        match self.format {
            Format::Json => match serde_json::to_string(event) {
                Ok(line) => screen.out(&format!("{line}\n")),
                Err(error) => screen.say(&format!("error: an event is no JSON: {error}")),
            },
            Format::Text => {
                let line = event_text(event).filter(|_| !screen.quiet || loud(event));
                self.bars.show(event, line.map(|l| move || screen.say(&l)));
            }
        }
    }

    /// Watches signals from now on; how each is answered is shown as an event.
    pub(super) fn watch(&self) -> Result<Signals, Failure> {
        let live = self.clone();
        Signals::watch(move |event| live.show(&event))
    }

    /// Takes every bar away.
    pub(super) fn finish(&self) {
        self.bars.finish();
    }
}

/// What `--quiet` does not silence.
fn loud(event: &Event) -> bool {
    match event {
        Event::StepEnded(outcome) => matches!(outcome.result, StepResult::Failed { .. }),
        Event::PolicyLocked { .. } | Event::Interrupted { .. } | Event::Insisted { .. } => true,
        _ => false,
    }
}
