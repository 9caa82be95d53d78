//! The terminal: results on standard output, everything else on standard error, a closed pipe is no error.

use std::io::{self, IsTerminal, Write};

use super::failure::Failure;
use crate::finding::{Finding, TextOptions, to_text};

/// Columns where there is no terminal.
const WIDTH: usize = 100;

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Color {
    /// On a terminal, unless the environment says no.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Text or JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Json,
}

/// Where the program speaks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Screen {
    color: bool,
    pub(super) quiet: bool,
    /// Whether a person is at both ends.
    pub(super) interactive: bool,
    /// Whether standard error is a terminal, so that bars make sense.
    pub(super) bars: bool,
}

impl Screen {
    pub(super) fn new(color: Color, quiet: bool) -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty() && v != "0");
        let terminal = io::stdout().is_terminal();
        let color = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto if set("NO_COLOR") => false,
            Color::Auto if set("CLICOLOR_FORCE") || set("FORCE_COLOR") => true,
            Color::Auto => terminal && std::env::var("TERM").is_ok_and(|term| term != "dumb"),
        };
        let bars = io::stderr().is_terminal();
        Self { color, quiet, interactive: io::stdin().is_terminal() && bars, bars: bars && !quiet }
    }

    /// The same without what is nice to know.
    pub(super) fn hushed(self) -> Self {
        Self { quiet: true, bars: false, ..self }
    }

    /// A result.
    pub(super) fn out(&self, text: &str) {
        write(io::stdout(), text);
    }

    /// A result as JSON.
    pub(super) fn json(&self, value: &impl serde::Serialize) {
        match serde_json::to_string_pretty(value) {
            Ok(text) => self.out(&format!("{text}\n")),
            Err(error) => self.say(&format!("error: the result is no JSON: {error}")),
        }
    }

    /// Something to know, on standard error; silent with `--quiet`.
    pub(super) fn note(&self, text: &str) {
        if !self.quiet {
            self.say(text);
        }
    }

    /// Something that must be said, on standard error.
    pub(super) fn say(&self, text: &str) {
        write(io::stderr(), &format!("{text}\n"));
    }

    /// Why the program ends.
    pub(super) fn error(&self, failure: &Failure) {
        if !failure.message.is_empty() {
            self.say(&format!("error: {}", failure.message));
        }
        if !failure.help.is_empty() {
            self.say(&format!("help: {}", failure.help));
        }
    }

    /// Findings as people read them.
    pub(super) fn findings(&self, findings: &[Finding], texts: &[(String, String)]) -> String {
        if findings.is_empty() {
            return String::new();
        }
        to_text(findings, texts, TextOptions { color: self.color, width: WIDTH, ..TextOptions::default() })
    }
}

fn write(mut to: impl Write, text: &str) {
    // Whoever has closed the other end wants no more of it, and there is nobody to tell about any other error.
    drop(to.write_all(text.as_bytes()).and_then(|()| to.flush()));
}
