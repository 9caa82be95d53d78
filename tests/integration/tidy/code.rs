//! Rust text as the rules see it: no comments, no contents of literals, and what is test apart from what is not.
//!
//! Every blanked byte becomes a space and every line end stays, so that a place in the result is the same place in the file.
//! It reads tokens, not a grammar: enough for formatted code that compiles.

use std::iter;
use std::ops::Range;

/// One file, ready to be judged.
pub(super) struct Code {
    /// Everything but comments and contents of literals.
    pub(super) all: String,
    /// The same without test items.
    pub(super) production: String,
    /// The same with nothing but test items.
    pub(super) tests: String,
    /// Lines that are not in test items.
    pub(super) production_lines: usize,
}

impl Code {
    /// Reads the file at `path`, which is from the package's folder.
    pub(super) fn new(path: &str, text: &str) -> Self {
        let all = without_comments_and_literals(text);
        let items = if is_test_file(path) || all.contains("#![cfg(test)]") { iter::once(0..all.len()).collect() } else { test_items(&all) };
        let (mut production, mut tests) = (all.clone().into_bytes(), vec![b' '; all.len()]);
        let mut production_lines = text.lines().count();
        for (at, byte) in all.bytes().enumerate() {
            if byte == b'\n' {
                tests[at] = b'\n';
            }
        }
        for item in items {
            production_lines -= text[item.clone()].lines().count();
            tests[item.clone()].copy_from_slice(&all.as_bytes()[item.clone()]);
            blank(&mut production, item);
        }
        Self { all, production: into_text(production), tests: into_text(tests), production_lines }
    }
}

/// The number of the line that holds byte `at`.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// Whether a byte can stand in a name.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Where `needle` stands as whole words.
pub(super) fn words<'a>(text: &'a str, needle: &'a str) -> impl Iterator<Item = usize> + 'a {
    let bytes = text.as_bytes();
    let (first, last) = (needle.as_bytes()[0], needle.as_bytes()[needle.len() - 1]);
    text.match_indices(needle).map(|(at, _)| at).filter(move |at| {
        let cut_before = is_word(first) && *at > 0 && is_word(bytes[at - 1]);
        let cut_after = is_word(last) && bytes.get(at + needle.len()).is_some_and(|b| is_word(*b));
        !cut_before && !cut_after
    })
}

fn is_test_file(path: &str) -> bool {
    path.starts_with("tests/") || path.ends_with("/tests.rs") || path.contains("/tests/")
}

fn into_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("only whole characters are blanked")
}

fn blank(bytes: &mut [u8], range: Range<usize>) {
    for byte in &mut bytes[range] {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
}

fn without_comments_and_literals(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let inside = match rest[0] {
            b'/' if rest.starts_with(b"//") => 0..text[at..].find('\n').unwrap_or(rest.len()),
            b'/' if rest.starts_with(b"/*") => 0..block_comment(rest),
            b'r' if at == 0 || !is_word(bytes[at - 1]) || is_prefixed_raw(bytes, at) => match raw_string(rest) {
                Some(inside) => inside,
                None => 0..0,
            },
            b'"' => 1..string(rest),
            b'\'' => 1..character(&text[at..]),
            _ => 0..0,
        };
        if inside.is_empty() {
            at += 1 + usize::from(inside.start == 1 && rest.get(1) == Some(&rest[0]));
        } else {
            let closing = usize::from(matches!(rest[0], b'r' | b'"' | b'\''));
            blank(&mut out, at + inside.start..at + inside.end);
            at += inside.end + closing;
        }
    }
    into_text(out)
}

/// The `r` of `br"` and `cr"`.
fn is_prefixed_raw(bytes: &[u8], at: usize) -> bool {
    matches!(bytes[at - 1], b'b' | b'c') && (at < 2 || !is_word(bytes[at - 2]))
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at.min(rest.len())
}

/// What is between the quotes of a raw string, hashes left out; none if this is no raw string.
fn raw_string(rest: &[u8]) -> Option<Range<usize>> {
    let hashes = rest[1..].iter().take_while(|b| **b == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return None;
    }
    let start = hashes + 2;
    let closing: Vec<u8> = iter::once(b'"').chain(iter::repeat_n(b'#', hashes)).collect();
    let length = rest[start..].windows(closing.len()).position(|w| w == closing).unwrap_or(rest.len() - start);
    Some(start..start + length)
}

/// Where the closing quote of a string is.
fn string(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != b'"' {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    at.min(rest.len())
}

/// Where the closing quote of a character is; 1 for a lifetime.
fn character(rest: &str) -> usize {
    let mut letters = rest.char_indices().skip(1);
    match letters.next() {
        Some((_, '\\')) => rest[3..].find('\'').map_or(1, |at| at + 3),
        Some(_) => letters.next().filter(|(_, c)| *c == '\'').map_or(1, |(at, _)| at),
        None => 1,
    }
}

/// The items that are compiled for tests only, attributes included.
fn test_items(code: &str) -> Vec<Range<usize>> {
    let mut items: Vec<Range<usize>> = Vec::new();
    for attribute in ["#[cfg(test)]", "#[test]"] {
        for (start, _) in code.match_indices(attribute) {
            if !items.iter().any(|item| item.contains(&start)) {
                items.push(start..item_end(code, start));
            }
        }
    }
    items
}

/// Where the item that starts at `start`, with its attributes, ends: after its `;` or its closing brace.
fn item_end(code: &str, start: usize) -> usize {
    let (mut depth, mut braces) = (0_usize, 0_usize);
    for (at, byte) in code.bytes().enumerate().skip(start) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            b'{' => braces += 1,
            b'}' if braces <= 1 => return at + 1,
            b'}' => braces -= 1,
            b';' if depth == 0 && braces == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

#[test]
fn comments_and_literals_are_blanked_in_place() {
    let text = "let a = \"use crate::x; \\\" // no\"; // crate::y\n/* /* a */ crate::z */ let b = r#\"crate::\"q\"#;\nlet c = '\"'; let d: &'a str = \"é\"; let e = \"\"; f(b\"x\", '\\'');";
    let code = Code::new("src/a.rs", text);
    assert_eq!(code.all.len(), text.len());
    assert!(!code.all.contains("crate"), "{}", code.all);
    assert!(code.all.contains("let b = r#\"") && code.all.contains("let d: &'a str"), "{}", code.all);
    assert!(code.all.contains("f(b\" \", '  ')"), "{}", code.all);
}

#[test]
fn test_items_are_told_from_production() {
    let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() { {} }\n}\nfn c() {}\n#[cfg(test)]\nuse d;\nfn e() {}\n";
    let code = Code::new("src/a.rs", text);
    assert!(["fn a", "fn c", "fn e"].iter().all(|f| code.production.contains(f)));
    assert!(!code.production.contains("fn b") && !code.production.contains("use d"));
    assert!(code.tests.contains("fn b") && !code.tests.contains("fn c"));
    assert_eq!(code.production_lines, 3);
    assert_eq!(Code::new("src/a/tests.rs", text).production_lines, 0);
}

#[test]
fn words_are_whole() {
    assert_eq!(words("a sleep(b) asleep(c) sleeps(", "sleep(").count(), 1);
    assert_eq!(words("tar tarry star tar", "tar").count(), 2);
}
