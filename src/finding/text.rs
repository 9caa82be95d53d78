//! Findings for people, drawn by miette: the only file that knows it.
//!
//! Theme and width are arguments: miette's own choice looks at the terminal and the environment, which makes output differ by
//! machine. A literal secret is drawn as stars.

use std::collections::BTreeMap;
use std::fmt;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};

use super::value::{Finding, Label, Severity};

/// How to draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextOptions {
    /// Colours, and nothing but colours: words and symbols are the same without.
    pub color: bool,
    /// Columns; 80 where there is no terminal.
    pub width: usize,
    /// How many findings to draw before "and N more".
    pub most: usize,
}

impl Default for TextOptions {
    fn default() -> Self {
        Self { color: false, width: 100, most: 50 }
    }
}

/// One finding in miette's terms. Labels in other files than the first become lines of the help text, because a miette
/// diagnostic has one source.
struct Drawn<'a> {
    finding: &'a Finding,
    source: Option<NamedSource<String>>,
    labels: Vec<&'a Label>,
    help: Option<String>,
}

impl fmt::Debug for Drawn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.finding.message)
    }
}

impl fmt::Display for Drawn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&whole_words(&self.finding.message))
    }
}

impl std::error::Error for Drawn<'_> {}

impl Diagnostic for Drawn<'_> {
    fn code<'b>(&'b self) -> Option<Box<dyn fmt::Display + 'b>> {
        Some(Box::new(self.finding.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.finding.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
            Severity::Advice => miette::Severity::Advice,
        })
    }

    fn help<'b>(&'b self) -> Option<Box<dyn fmt::Display + 'b>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().enumerate().map(|(n, label)| {
            let text = (!label.text.is_empty()).then(|| label.text.clone());
            let (start, length) = (label.span.start, label.span.end - label.span.start);
            if n == 0 { LabeledSpan::new_primary_with_span(text, (start, length)) } else { LabeledSpan::new(text, start, length) }
        })))
    }
}

impl<'a> Drawn<'a> {
    fn new(finding: &'a Finding, texts: &BTreeMap<&str, String>) -> Self {
        let first = finding.span().map(|span| &span.file);
        let (labels, elsewhere): (Vec<_>, Vec<_>) = finding.labels.iter().partition(|label| Some(&label.span.file) == first);
        let source = first.and_then(|file| Some(NamedSource::new(file.as_ref(), texts.get(file.as_ref())?.clone())));
        let mut help: Vec<String> = finding.help.iter().cloned().collect();
        for Label { span, text } in elsewhere {
            help.push(format!("{}:{}:{}: {text}", span.file, span.line, span.column));
        }
        let help = (!help.is_empty()).then(|| whole_words(&help.join("\n")));
        Self { finding, labels: if source.is_some() { labels } else { Vec::new() }, source, help }
    }
}

/// Stands for a hyphen while lines are broken, which miette does at hyphens too: a command or a name must be copied in one piece.
const HYPHEN: char = '\u{e000}';

fn whole_words(text: &str) -> String {
    text.replace('-', HYPHEN.encode_utf8(&mut [0; 4]))
}

/// Replaces the labelled bytes by stars, byte for byte, so that no other span moves.
fn cover(text: &mut String, label: &Label) {
    let range = label.span.start..label.span.end;
    if text.get(range.clone()).is_some() {
        let stars: String = text.bytes().skip(range.start).take(range.len()).map(|b| if b == b'\n' { '\n' } else { '*' }).collect();
        text.replace_range(range, &stars);
    }
}

/// How a secret key of age begins, as the programs write it. In a drawing it is covered wherever it stands: what is drawn around a mistake may be
/// the key that was put into the wrong place.
const SECRET_KEY: &str = "age-secret-key-";

fn cover_keys(text: &mut String) {
    let lower = text.to_ascii_lowercase();
    let mut from = 0;
    while let Some(at) = lower[from..].find(SECRET_KEY).map(|at| from + at) {
        let length = lower[at..].bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'-').count();
        text.replace_range(at..at + length, &"*".repeat(length));
        from = at + length;
    }
}

/// "2 errors, 1 warning", or "no findings".
pub fn summary(findings: &[Finding]) -> String {
    let part = |severity, noun: &str| {
        let n = findings.iter().filter(|f| f.severity == severity).count();
        (n > 0).then(|| format!("{n} {noun}{}", if n == 1 { "" } else { "s" }))
    };
    let parts: Vec<_> = [part(Severity::Error, "error"), part(Severity::Warning, "warning"), part(Severity::Advice, "note")]
        .into_iter()
        .flatten()
        .collect();
    if parts.is_empty() { "no findings".to_owned() } else { parts.join(", ") }
}

/// Draws findings under one title, in the order given. `texts` are the manifest's files as `(path, text)`: a finding in any
/// other file is drawn without its line. Nothing for nothing.
pub fn to_text(findings: &[Finding], texts: &[(String, String)], options: TextOptions) -> String {
    if findings.is_empty() {
        return String::new();
    }
    let mut texts: BTreeMap<&str, String> = texts.iter().map(|(path, text)| (path.as_str(), text.clone())).collect();
    // a secret is covered for all findings: another one may be on the next line
    for label in findings.iter().filter(|finding| finding.secret).flat_map(|finding| &finding.labels) {
        if let Some(text) = texts.get_mut(label.span.file.as_ref()) {
            cover(text, label);
        }
    }
    texts.values_mut().for_each(cover_keys);
    let theme = if options.color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(options.width).with_context_lines(1).with_links(false);
    let mut out = format!("{}\n", summary(findings));
    for finding in findings.iter().take(options.most) {
        let drawn = Drawn::new(finding, &texts);
        out.push('\n');
        let mut one = String::new();
        if handler.render_report(&mut one, &drawn).is_err() {
            one = format!("{}: {}\n", finding.code, finding.message);
        }
        let one = one.replace(HYPHEN, "-");
        for line in one.trim_start_matches('\n').lines() {
            out.push_str(line.trim_end());
            out.push('\n');
        }
    }
    if findings.len() > options.most {
        out.push_str("\nand ");
        out.push_str(&(findings.len() - options.most).to_string());
        out.push_str(" more\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::{Lines, manifest};
    use super::*;

    #[test]
    fn a_secret_is_never_drawn() {
        let text = "password = \"hunter2\"\na = 1\n";
        let span = Lines::new("m.toml", text).span(11..20);
        let near = Finding::new(manifest::UNKNOWN_KEY, "no key `a`").at(Lines::new("m.toml", text).span(21..22), "");
        let secret = Finding::new(manifest::SECRET_LITERAL, "`password` is written literally").at(span, "here").hidden();
        let texts = [("m.toml".to_owned(), text.to_owned())];
        for color in [false, true] {
            let drawn = to_text(&[near.clone(), secret.clone()], &texts, TextOptions { color, ..TextOptions::default() });
            assert!(!drawn.contains("hunter2") && drawn.contains("*********"), "{drawn}");
        }
    }

    #[test]
    fn a_secret_key_is_covered_wherever_it_stands() {
        let text = "recipients = [\"AGE-SECRET-KEY-1QQPEARL\", \"age1public\"]\nrecipient = \"age-secret-key-1qqpearl\"\n";
        let span = Lines::new("m.toml", text).span(58..67);
        let finding = Finding::new(manifest::UNKNOWN_KEY, "no key `recipient`").at(span, "");
        let drawn = to_text(&[finding], &[("m.toml".to_owned(), text.to_owned())], TextOptions::default());
        assert!(!drawn.to_lowercase().contains("pearl") && drawn.contains("age1public"), "{drawn}");
    }

    #[test]
    fn colour_changes_no_word() {
        let span = Lines::new("m.toml", "a = 1\n").span(0..1);
        let finding = Finding::new(manifest::UNKNOWN_KEY, "no key `a`").at(span, "here").help("remove it");
        let texts = [("m.toml".to_owned(), "a = 1\n".to_owned())];
        let plain = to_text(std::slice::from_ref(&finding), &texts, TextOptions::default());
        insta::assert_snapshot!(plain, @r##"
        1 error

        unknown-key

          × no key `a`
           ╭─[m.toml:1:1]
         1 │ a = 1
           · ┬
           · ╰── here
           ╰────
          help: remove it
        "##);
        assert!(!plain.contains('\u{1b}'));
    }
}
