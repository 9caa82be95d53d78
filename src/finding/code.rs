//! Codes: the stable name of a kind of finding. **[format]** Codes stand in JSON output, in `[lint.CODE]` and in scripts: a code is
//! never renamed and never reused for something else.
//!
//! A [`Code`] can only be made from the tables, so a finding with an unexplained code cannot exist.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::codes;
use super::value::Severity;

/// Which part of the program says it; decides what proves the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Wrong in the manifest: every such code has an invalid fixture.
    Manifest,
    /// Legal but unwise in the manifest: has a level, and a fixture too.
    Lint,
    /// Seen in stores, on hosts or while planning and running.
    World,
}

/// One row of a table of codes.
#[derive(Debug)]
pub struct Entry {
    /// The code, in kebab case.
    pub text: &'static str,
    /// Who says it.
    pub origin: Origin,
    /// How bad it is unless a level says otherwise; `None`: a lint that is off until the manifest asks for it.
    pub severity: Option<Severity>,
    /// One line.
    pub title: &'static str,
    /// A paragraph for `explain CODE`: why it matters and what to do.
    pub explanation: &'static str,
}

/// The stable name of a kind of finding.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Code(pub(super) &'static Entry);

/// No table has this code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no code `{0}`")]
pub struct UnknownCode(pub String);

impl Code {
    /// Every code there is, in the order of the tables.
    pub fn all() -> impl Iterator<Item = Self> {
        codes::TABLES.iter().flat_map(|table| table.iter().copied())
    }

    /// The code as text.
    pub fn as_str(self) -> &'static str {
        self.0.text
    }

    /// Its row.
    pub fn entry(self) -> &'static Entry {
        self.0
    }

    /// Its severity where no level overrides it; lints that are off count as warnings once asked for.
    pub fn severity(self) -> Severity {
        self.0.severity.unwrap_or(Severity::Warning)
    }
}

impl FromStr for Code {
    type Err = UnknownCode;

    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        Self::all().find(|code| code.as_str() == text).ok_or_else(|| UnknownCode(text.to_owned()))
    }
}

impl TryFrom<String> for Code {
    type Error = UnknownCode;

    fn try_from(text: String) -> Result<Self, UnknownCode> {
        text.parse()
    }
}

impl From<Code> for String {
    fn from(code: Code) -> Self {
        code.as_str().to_owned()
    }
}

impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Code {}

impl PartialOrd for Code {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Code {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl std::hash::Hash for Code {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_kebab_case_and_explained() {
        let mut seen = std::collections::BTreeSet::new();
        for code in Code::all() {
            let entry = code.entry();
            assert!(seen.insert(code), "{code} stands twice");
            assert!(entry.text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'), "{code}");
            assert!(!entry.title.is_empty() && !entry.title.ends_with('.'), "{code}: a title is a line without a full stop");
            assert!(entry.explanation.len() > 60 && entry.explanation.ends_with('.'), "{code}: an explanation is a paragraph");
            assert_eq!(entry.text.parse::<Code>(), Ok(code));
        }
    }
}
