//! What a run of the program gave.

use std::fmt;
use std::process::Output;

use serde_json::Value;

use super::tokens::plain;

/// Standard output, standard error and the exit code.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) code: i32,
    pub(crate) folder: String,
}

impl Ran {
    pub(crate) fn new(output: Output, folder: String) -> Self {
        Self {
            out: String::from_utf8(output.stdout).expect("standard output is text"),
            err: String::from_utf8(output.stderr).expect("standard error is text"),
            code: output.status.code().unwrap_or(-1),
            folder,
        }
    }

    /// It ended with this code.
    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\n{self}");
        self
    }

    /// It ended well.
    #[track_caller]
    pub(crate) fn good(self) -> Self {
        self.ends(0)
    }

    /// Each of these words is said, wherever.
    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) -> Self {
        let all = self.flat();
        for word in words {
            assert!(all.contains(word), "`{word}` is not said:\n{self}");
        }
        self
    }

    /// These words are said one after the other.
    #[track_caller]
    pub(crate) fn says_in_order(self, words: &[&str]) -> Self {
        let all = self.flat();
        let mut from = 0;
        for word in words {
            let found = all[from..].find(word).unwrap_or_else(|| panic!("`{word}` is not said after what comes before it:\n{self}"));
            from += found + word.len();
        }
        self
    }

    /// None of these words is said, anywhere.
    #[track_caller]
    pub(crate) fn hides(self, words: &[&str]) -> Self {
        for word in words {
            assert!(!self.out.contains(word) && !self.err.contains(word), "`{word}` is said:\n{self}");
        }
        self
    }

    /// These words are said once, and only once, in both streams together.
    #[track_caller]
    pub(crate) fn says_once(self, word: &str) -> Self {
        assert_eq!(self.flat().matches(word).count(), 1, "`{word}` is not said exactly once:\n{self}");
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("no JSON: {error}\n{self}"))
    }

    /// Standard output with tokens for what differs from run to run.
    pub(crate) fn shown(&self) -> String {
        plain(&self.out, &self.folder)
    }

    /// Standard error likewise.
    pub(crate) fn told(&self) -> String {
        plain(&self.err, &self.folder)
    }

    /// Both streams without the drawing of findings and its line breaks.
    fn flat(&self) -> String {
        let text = format!("{}\n{}", self.out, self.err);
        let words = text.split_whitespace().filter(|word| !word.chars().all(|c| "│├╰─┬·╭×⚠☞".contains(c)));
        words.collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit code {}\n--- standard output\n{}\n--- standard error\n{}", self.code, self.out, self.err)
    }
}
