//! What any phase has to say: a stable code, labels at places in the manifest, help, edits.
//!
//! Every layer above hands out [`Finding`] values and nothing prints one itself. This layer knows no other layer: it knows
//! texts, byte ranges and the table of codes. [`to_text`] draws findings for people (the only place that knows miette),
//! [`to_json`] writes them for machines.
//!
//! A new code is one row in a table under `codes/`; nothing else lists them.

mod code;
mod codes;
mod json;
mod near;
mod numbers;
mod span;
mod text;
mod value;

pub use code::{Code, Entry, Origin, UnknownCode};
pub use codes::{graph, lint, manifest, world};
pub use json::{FORMAT_VERSION, to_json, to_value};
pub use near::nearest;
pub use numbers::{bytes, count};
pub use span::{Lines, Span};
pub use text::{TextOptions, summary, to_text};
pub use value::{Edit, Finding, Label, Severity, has_errors, sort};
