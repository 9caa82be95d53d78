//! Places in a text: byte ranges with the line and column a person would look for.
//!
//! Lines and columns are counted once, when a text is loaded, so that a span still means something in a saved plan, where the
//! text is not at hand.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A place in one of the manifest's files. Stands in plan JSON.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    /// The file's path as it was given.
    #[serde(with = "shared_text")]
    pub file: Arc<str>,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// Line of the first byte, from 1.
    pub line: usize,
    /// Column of the first byte in characters, from 1.
    pub column: usize,
}

/// A text that can tell where its bytes are.
#[derive(Debug, Clone, PartialEq)]
pub struct Lines {
    file: Arc<str>,
    text: Arc<str>,
    /// Byte offsets at which lines begin.
    starts: Vec<usize>,
}

impl Lines {
    /// Counts the lines of a text.
    pub fn new(file: &str, text: &str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { file: file.into(), text: text.into(), starts }
    }

    /// The path that spans will carry.
    pub fn file(&self) -> &Arc<str> {
        &self.file
    }

    /// The text itself.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The span of a byte range; a range outside of the text is moved to its end.
    pub fn span(&self, range: Range<usize>) -> Span {
        let start = floor_boundary(&self.text, range.start);
        let end = floor_boundary(&self.text, range.end).max(start);
        let line = self.starts.partition_point(|&begin| begin <= start);
        let begin = self.starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let column = self.text.get(begin..start).map_or(0, |before| before.chars().count()) + 1;
        Span { file: Arc::clone(&self.file), start, end, line, column }
    }
}

/// The last character boundary at or before `at`.
fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// `Arc<str>` as a plain string; serde's own support is a feature that shares nothing either.
mod shared_text {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(text: &Arc<str>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<str>, D::Error> {
        String::deserialize(from).map(Arc::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one_in_characters() {
        let lines = Lines::new("a.toml", "x = 1\né = \"ü\"\n");
        let table = [(0..1, (1, 1)), (4..5, (1, 5)), (6..8, (2, 1)), (9..10, (2, 3)), (99..120, (3, 1)), (7..7, (2, 1))];
        for (range, expected) in table {
            let span = lines.span(range.clone());
            assert_eq!((span.line, span.column), expected, "{range:?}");
        }
    }

    #[test]
    fn a_span_survives_json() {
        let span = Lines::new("a.toml", "x = 1\n").span(4..5);
        let json = serde_json::to_string(&span).unwrap();
        assert_eq!(json, r#"{"file":"a.toml","start":4,"end":5,"line":1,"column":5}"#);
        assert_eq!(serde_json::from_str::<Span>(&json).unwrap(), span);
    }
}
