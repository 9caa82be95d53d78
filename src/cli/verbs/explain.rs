//! `explain`: the paragraph behind a finding's code.

use serde_json::json;

use crate::cli::Global;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::screen::{Format, Screen};
use crate::finding::{Code, nearest};

/// Explain a finding's code.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n    lucid-policy explain\n    lucid-policy explain store-away")]
pub struct Args {
    /// The code; without one, all are listed
    code: Option<String>,
}

impl Args {
    pub(super) fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        let format = global.format()?;
        let Some(text) = &self.code else {
            match format {
                Format::Text => {
                    for code in Code::all() {
                        screen.out(&format!("{:<34} {}\n", code.as_str(), code.entry().title));
                    }
                }
                Format::Json => {
                    let codes: Vec<_> = Code::all().map(|c| json!({ "code": c.as_str(), "title": c.entry().title })).collect();
                    screen.json(&json!({ "format_version": "1.0", "codes": codes }));
                }
            }
            return Ok(Exit::Good);
        };
        let code: Code = text.parse().map_err(|e| {
            let near = nearest(text, Code::all().map(Code::as_str));
            Failure::usage(
                format!("{e}"),
                near.map_or_else(|| "`lucid-policy explain` lists all codes".to_owned(), |n| format!("did you mean `{n}`?")),
            )
        })?;
        let entry = code.entry();
        match format {
            Format::Text => screen.out(&format!("{}: {}\n\n{}\n", entry.text, entry.title, wrapped(entry.explanation))),
            Format::Json => {
                screen
                    .json(&json!({ "format_version": "1.0", "code": entry.text, "title": entry.title, "explanation": entry.explanation }));
            }
        }
        Ok(Exit::Good)
    }
}

/// The text in lines of at most 80 columns.
fn wrapped(text: &str) -> String {
    let mut out = String::new();
    let mut column = 0;
    for word in text.split_whitespace() {
        if column > 0 && column + 1 + word.len() > 80 {
            out.push('\n');
            column = 0;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += word.len();
    }
    out
}
