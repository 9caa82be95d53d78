//! Progress bars on a terminal; nothing elsewhere. Lines that must stay are written above the bars.

use std::collections::HashMap;
use std::sync::Mutex;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::execute::Event;

/// One bar for each step under way.
pub(super) struct Bars {
    all: MultiProgress,
    by_step: Mutex<HashMap<String, ProgressBar>>,
    visible: bool,
}

impl Bars {
    pub(super) fn new(visible: bool) -> Self {
        let target = if visible { ProgressDrawTarget::stderr_with_hz(5) } else { ProgressDrawTarget::hidden() };
        Self { all: MultiProgress::with_draw_target(target), by_step: Mutex::new(HashMap::new()), visible }
    }

    /// Moves the bars, and writes a line that stays.
    pub(super) fn show(&self, event: &Event, line: Option<impl FnOnce()>) {
        if self.visible {
            self.advance(event);
        }
        if let Some(line) = line {
            self.all.suspend(line);
        }
    }

    fn advance(&self, event: &Event) {
        let Ok(mut bars) = self.by_step.lock() else { return };
        match event {
            Event::StepStarted { address } => {
                let bar = self.all.add(ProgressBar::no_length());
                bar.set_style(style(false));
                bar.set_message(address.clone());
                bars.insert(address.clone(), bar);
            }
            Event::StepProgress { address, bytes, expected, .. } => {
                let Some(bar) = bars.get(address) else { return };
                if let (None, Some(expected)) = (bar.length(), expected.filter(|e| *e > 0)) {
                    bar.set_length(expected);
                    bar.set_style(style(true));
                }
                bar.set_position(*bytes);
            }
            Event::StepEnded(outcome) => {
                if let Some(bar) = bars.remove(&outcome.address) {
                    bar.finish_and_clear();
                }
            }
            _ => {}
        }
    }

    /// Takes every bar away.
    pub(super) fn finish(&self) {
        // Nothing to draw on is nothing to clear.
        drop(self.all.clear());
    }
}

fn style(sized: bool) -> ProgressStyle {
    let template = if sized {
        "  {msg} {bar:20} {bytes} of about {total_bytes}, {bytes_per_sec}"
    } else {
        "  {msg} {spinner} {bytes}, {bytes_per_sec}"
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
