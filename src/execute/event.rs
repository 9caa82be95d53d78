//! What happens while a plan is performed, as values; whoever shows them decides how.

use serde::Serialize;

use crate::finding::Finding;
use crate::model::id::{ArtifactId, Instant};

/// One thing that happened. Written as one JSON object a line by `--format json`; a reader that does not know a `type` skips it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Event {
    /// The run began.
    RunStarted {
        /// The run's id.
        run: String,
        /// When.
        at: Instant,
        /// How many steps it has so far.
        steps: usize,
    },
    /// A policy is left to the run that holds it.
    PolicyLocked {
        /// The policy.
        policy: String,
        /// What the holder's lease says.
        holder: String,
    },
    /// A step began.
    StepStarted {
        /// Its address.
        address: String,
    },
    /// A step is under way.
    StepProgress {
        /// Its address.
        address: String,
        /// Bytes read so far.
        bytes: u64,
        /// Entries read so far.
        entries: u64,
        /// Bytes expected, where an earlier artifact tells.
        expected: Option<u64>,
    },
    /// Something to know about a step that goes on.
    StepWarning {
        /// Its address.
        address: String,
        /// A sentence that names the object.
        message: String,
    },
    /// A step ended.
    StepEnded(StepOutcome),
    /// What a signal asks for is being done.
    Interrupted {
        /// The signal's name.
        signal: String,
    },
    /// A signal that would end the process at once has to wait, as services are quiet.
    Insisted {
        /// The signal's name.
        signal: String,
    },
    /// Something that stands in the way, or that is to be known, at the end of the run.
    Finding(Finding),
    /// The run ended.
    RunEnded {
        /// The run's id.
        run: String,
        /// When.
        at: Instant,
        /// The exit code that the run earned.
        exit: u8,
    },
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepOutcome {
    /// Its address.
    pub address: String,
    /// The kind's word.
    pub kind: String,
    /// How.
    #[serde(flatten)]
    pub result: StepResult,
    /// Seconds it took, in thousandths.
    pub millis: u64,
}

/// How a step ended, and with what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum StepResult {
    /// It did what it said.
    Done(Done),
    /// It failed; nothing of it is listed.
    Failed {
        /// The whole chain of causes.
        message: String,
    },
    /// It was not tried.
    Skipped {
        /// Why.
        message: String,
    },
}

/// What a step achieved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Done {
    /// The artifact it made, copied or removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<ArtifactId>,
    /// Bytes stored or removed.
    pub bytes: u64,
    /// Bytes of the source behind them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_bytes: Option<u64>,
    /// Entries of the source behind them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries: Option<u64>,
    /// The tree was unchanged: the artifact names the owner of its bytes.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unchanged: bool,
    /// Warnings on the way.
    pub warnings: u64,
    /// A sentence on how it went, where that is not all there is to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}
