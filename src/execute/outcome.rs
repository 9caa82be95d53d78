//! What a run came to.

use serde::Serialize;

use super::event::{StepOutcome, StepResult};
use crate::finding::{Finding, Severity};
use crate::model::id::{Instant, Random};

/// A run, ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// Its id.
    pub run: Random,
    /// When it began.
    pub start: Instant,
    /// When it ended.
    pub end: Instant,
    /// How each step ended, in that order.
    pub steps: Vec<StepOutcome>,
    /// What stood in the way at the end.
    pub findings: Vec<Finding>,
    /// Policies that another run held: name and holder.
    pub locked: Vec<(String, String)>,
    /// Whether somebody asked to stop.
    pub interrupted: bool,
}

/// How a run ended, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// Somebody asked to stop.
    Interrupted,
    /// A step failed.
    Failed,
    /// A guard refused something.
    Refused,
    /// Everything was held by other runs.
    Locked,
    /// All good.
    Good,
}

impl Outcome {
    /// How the run ended.
    pub fn ending(&self) -> Ending {
        if self.interrupted {
            Ending::Interrupted
        } else if self.steps.iter().any(|s| matches!(s.result, StepResult::Failed { .. })) {
            Ending::Failed
        } else if self.findings.iter().any(|f| f.severity == Severity::Error) {
            Ending::Refused
        } else if !self.locked.is_empty() && self.steps.iter().all(|step| step.kind == "init") {
            Ending::Locked
        } else {
            Ending::Good
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execute::event::Done;

    #[test]
    fn a_store_that_was_made_is_not_what_was_asked_for() {
        let at: Instant = "2026-11-23T02:00:00Z".parse().unwrap();
        let step = |kind: &str| StepOutcome {
            address: kind.to_owned(),
            kind: kind.to_owned(),
            result: StepResult::Done(Done::default()),
            millis: 0,
        };
        let ending = |steps: &[StepOutcome]| {
            let locked = vec![("a".to_owned(), "another run".to_owned())];
            Outcome {
                run: Random::new([1; 10]),
                start: at,
                end: at,
                steps: steps.to_vec(),
                findings: Vec::new(),
                locked,
                interrupted: false,
            }
            .ending()
        };
        assert_eq!(ending(&[]), Ending::Locked);
        assert_eq!(ending(&[step("init")]), Ending::Locked);
        assert_eq!(ending(&[step("init"), step("capture")]), Ending::Good);
    }
}
