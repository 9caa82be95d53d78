//! A run for people: what happens, how each step ended, and what it came to.

use super::human::span_of;
use crate::execute::{Done, Ending, Event, Outcome, StepOutcome, StepResult};
use crate::finding::{bytes, count};

/// An event as one line, for logs; progress is silent there.
pub fn event_text(event: &Event) -> Option<String> {
    match event {
        Event::StepWarning { address, message } => Some(format!("warning: {address}: {message}")),
        Event::PolicyLocked { policy, holder } => Some(format!("skipped: policy.{policy} is held by {holder}")),
        Event::StepEnded(outcome) => Some(step_text(outcome)),
        Event::Interrupted { signal } => Some(format!("{signal}: ending in good order; what is not finished is not listed")),
        Event::Insisted { signal } => Some(format!(
            "{signal} again: services are still quiet and are woken first; if it must end now, kill it and run \"lucid-policy recover\""
        )),
        Event::RunStarted { .. } | Event::StepStarted { .. } | Event::StepProgress { .. } | Event::Finding(_) | Event::RunEnded { .. } => {
            None
        }
    }
}

/// How a step ended, as one line.
pub fn step_text(outcome: &StepOutcome) -> String {
    let took = span_of(chrono::TimeDelta::milliseconds(i64::try_from(outcome.millis).unwrap_or(i64::MAX)));
    match &outcome.result {
        StepResult::Done(done) if matches!(outcome.kind.as_str(), "stop" | "start") => {
            let note = done.note.as_ref().map_or_else(String::new, |note| format!("; {note}"));
            format!("done: {} ({took}{note})", outcome.address)
        }
        StepResult::Done(done) => format!("done: {}{}", outcome.address, details(done, &took)),
        StepResult::Failed { message } => format!("FAILED: {}: {message}", outcome.address),
        StepResult::Skipped { message } => format!("skipped: {}: {message}", outcome.address),
    }
}

fn details(done: &Done, took: &str) -> String {
    let mut parts = Vec::new();
    parts.extend(done.id.map(|id| id.to_string()));
    match (done.unchanged, done.source_bytes) {
        (true, _) => parts.push("unchanged, nothing stored".to_owned()),
        (false, Some(source)) => parts.push(format!("{} of {} stored", bytes(done.bytes), bytes(source))),
        (false, None) => parts.push(bytes(done.bytes)),
    }
    parts.extend(done.entries.map(|n| count(usize::try_from(n).unwrap_or(usize::MAX), "entry")));
    if done.warnings > 0 {
        parts.push(count(usize::try_from(done.warnings).unwrap_or(usize::MAX), "warning"));
    }
    parts.extend(done.note.clone());
    parts.push(took.to_owned());
    format!(" ({})", parts.join(", "))
}

/// What a run came to, as one line.
pub fn outcome_text(outcome: &Outcome) -> String {
    let done = outcome.steps.iter().filter(|s| matches!(s.result, StepResult::Done(_))).count();
    let failed = outcome.steps.iter().filter(|s| matches!(s.result, StepResult::Failed { .. })).count();
    let skipped = outcome.steps.len() - done - failed;
    let mut parts = vec![format!("{} done", count(done, "step"))];
    if failed > 0 {
        parts.push(format!("{failed} failed"));
    }
    if skipped > 0 {
        parts.push(format!("{skipped} skipped"));
    }
    let took = span_of(outcome.end - outcome.start);
    let word = match outcome.ending() {
        Ending::Good => "Applied",
        Ending::Failed => "Not all was applied",
        Ending::Refused => "Applied, and something was refused",
        Ending::Locked => "Nothing ran: everything is held by other runs",
        Ending::Interrupted => "Interrupted",
    };
    format!("{word}: {} in {took}. Run {}.", parts.join(", "), outcome.run)
}
