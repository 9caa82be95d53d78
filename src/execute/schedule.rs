//! Runs steps as their order allows, a bounded number at a time, and what depends on a failed one not at all.
//!
//! Each step blocks its own thread; the scheduler only waits. After a cancellation no new step starts, and those under way are
//! waited for: each of them sees the same flag and ends in good order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::event::{Done, Event, StepOutcome, StepResult};
use super::ports::Ports;
use crate::plan::Step;

/// Performs one step; called on a thread of its own.
pub(super) type Perform = Arc<dyn Fn(&Step) -> Result<Done, String> + Send + Sync>;

/// Performs all steps and reports how each ended, in the order in which they ended.
/// What waits for one of `failed`, from an earlier stage, is not tried.
pub(super) async fn run(
    steps: &[Step],
    concurrency: usize,
    ports: &Ports,
    mut failed: BTreeSet<String>,
    perform: &Perform,
) -> Vec<StepOutcome> {
    let known: BTreeSet<&str> = steps.iter().map(|s| s.address.as_str()).collect();
    let mut waiting: BTreeMap<usize, BTreeSet<String>> =
        steps.iter().enumerate().map(|(n, s)| (n, s.after.iter().filter(|a| known.contains(a.as_str())).cloned().collect())).collect();
    let slots = Arc::new(Semaphore::new(concurrency.max(1)));
    let mut running = JoinSet::new();
    let mut outcomes: Vec<StepOutcome> = Vec::with_capacity(steps.len());
    loop {
        let ready: Vec<usize> = waiting.iter().filter(|(_, after)| after.is_empty()).map(|(n, _)| *n).collect();
        let mut settled = Vec::new();
        for number in ready {
            waiting.remove(&number);
            let step = &steps[number];
            let reason = step.after.iter().find(|a| failed.contains(*a)).map(|a| format!("`{a}` did not succeed"));
            let reason = reason.or_else(|| ports.cancelled().then(|| "the run was interrupted".to_owned()));
            if let Some(message) = reason {
                settled.push(outcome(step, StepResult::Skipped { message }, 0));
            } else {
                spawn(&mut running, step.clone(), Arc::clone(&slots), ports.clone(), Arc::clone(perform));
            }
        }
        if settled.is_empty() {
            match running.join_next().await {
                None => break,
                Some(Ok(ended)) => settled.push(ended),
                // A step's thread can only be lost to a panic: the hook has printed it, and the step counts as failed by its absence.
                Some(Err(_)) => continue,
            }
        }
        for ended in settled {
            if !matches!(ended.result, StepResult::Done(_)) {
                failed.insert(ended.address.clone());
            }
            for after in waiting.values_mut() {
                after.remove(&ended.address);
            }
            ports.say(Event::StepEnded(ended.clone()));
            outcomes.push(ended);
        }
    }
    for number in waiting.into_keys() {
        outcomes.push(outcome(&steps[number], StepResult::Skipped { message: "a step before it was lost".to_owned() }, 0));
    }
    outcomes
}

fn spawn(running: &mut JoinSet<StepOutcome>, step: Step, slots: Arc<Semaphore>, ports: Ports, perform: Perform) {
    running.spawn(async move {
        let _slot = slots.acquire_owned().await;
        if ports.cancelled() {
            return outcome(&step, StepResult::Skipped { message: "the run was interrupted".to_owned() }, 0);
        }
        let address = step.address.clone();
        let kind = step.work.kind().to_owned();
        let worker = tokio::task::spawn_blocking(move || {
            ports.say(Event::StepStarted { address: step.address.clone() });
            let began = ports.now();
            let result = match perform(&step) {
                Ok(done) => StepResult::Done(done),
                Err(message) => StepResult::Failed { message },
            };
            let millis = u64::try_from((ports.now() - began).num_milliseconds()).unwrap_or(0);
            outcome(&step, result, millis)
        });
        worker.await.unwrap_or_else(|lost| StepOutcome {
            address,
            kind,
            result: StepResult::Failed { message: format!("the step's thread was lost: {lost}") },
            millis: 0,
        })
    });
}

/// How a step ended.
pub(super) fn outcome(step: &Step, result: StepResult, millis: u64) -> StepOutcome {
    StepOutcome { address: step.address.clone(), kind: step.work.kind().to_owned(), result, millis }
}
