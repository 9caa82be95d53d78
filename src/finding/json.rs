//! Findings for machines. **[format]** The shape is ours and has a version: a minor step only adds keys.

use serde_json::{Value, json};

use super::value::{Finding, Severity};

/// The version of the shape: `major.minor`; a reader refuses another major.
pub const FORMAT_VERSION: &str = "1.0";

/// Findings as a value: counts, then every finding with byte ranges and 1-based lines and columns.
pub fn to_value(findings: &[Finding]) -> Value {
    let count = |severity| findings.iter().filter(|f| f.severity == severity).count();
    json!({
        "format_version": FORMAT_VERSION,
        "valid": count(Severity::Error) == 0,
        "errors": count(Severity::Error),
        "warnings": count(Severity::Warning),
        "findings": findings,
    })
}

/// The same as text, indented, with a line end.
pub fn to_json(findings: &[Finding]) -> String {
    format!("{:#}\n", to_value(findings))
}
