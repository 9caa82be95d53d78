//! Exit codes. **[format]** Scripts branch on them: a code never changes its meaning.

use std::process::ExitCode;

/// How the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All good; for `plan` without `--detailed-exitcode` also with changes.
    Good = 0,
    /// Something that should not happen.
    Unexpected = 1,
    /// `plan --detailed-exitcode`: there are changes.
    Changes = 2,
    /// A step failed.
    StepFailed = 3,
    /// A guard refused something.
    Refused = 4,
    /// A saved plan is not true any more.
    Stale = 5,
    /// `status --check`: a policy is late.
    Late = 7,
    /// Damage was found.
    Damaged = 8,
    /// Something could not be checked.
    NotChecked = 9,
    /// The manifest is invalid.
    InvalidManifest = 10,
    /// Everything is held by other runs.
    Locked = 11,
    /// The command line is wrong.
    Usage = 64,
    /// SIGHUP.
    HungUp = 129,
    /// SIGINT.
    Interrupted = 130,
    /// SIGTERM.
    Terminated = 143,
}

/// The codes, for `--help`.
pub(super) const TABLE: &str = "\
Exit codes:
    0    all good
    1    something that should not happen
    2    there are changes (plan --detailed-exitcode)
    3    a step failed
    4    a guard refused something
    5    a saved plan is stale
    7    a policy is late (status --check)
    8    damage was found
    9    something could not be checked
    10   the manifest is invalid
    11   everything is held by other runs
    64   the command line is wrong
    129, 130, 143   ended by SIGHUP, SIGINT, SIGTERM";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
