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
        } else if !self.locked.is_empty() && self.steps.is_empty() {
            Ending::Locked
        } else {
            Ending::Good
        }
    }
}
