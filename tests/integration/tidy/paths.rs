//! The paths that a text names from `crate`, `super` or `self` on, groups taken apart.

use std::ops::Range;

use super::code::{is_word, words};

/// One path, as far as it is made of names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LocalPath {
    /// Where its last name is.
    pub(super) at: usize,
    /// Its names, `crate`, `super` or `self` included.
    pub(super) names: Vec<String>,
}

/// Every such path, and the stretches of text that they take.
pub(super) fn local(text: &str) -> (Vec<LocalPath>, Vec<Range<usize>>) {
    let (mut paths, mut ranges): (Vec<LocalPath>, Vec<Range<usize>>) = (Vec::new(), Vec::new());
    for root in ["crate::", "super::", "self::"] {
        for at in words(text, root) {
            if ranges.iter().any(|range| range.contains(&at)) || follows_a_path(text, at) {
                continue;
            }
            let mut reader = Reader { bytes: text.as_bytes(), at };
            reader.tree(&[], &mut paths);
            ranges.push(at..reader.at);
        }
    }
    (paths, ranges)
}

/// Whether what is at `at` goes on a path that started earlier: `a::` stands before it.
pub(super) fn follows_a_path(text: &str, at: usize) -> bool {
    text[..at].strip_suffix("::").is_some_and(|before| before.bytes().next_back().is_some_and(|b| is_word(b) || b == b'>'))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn tree(&mut self, before: &[String], out: &mut Vec<LocalPath>) {
        let mut names = before.to_vec();
        let mut last = self.at;
        loop {
            self.skip_space();
            match self.peek() {
                Some(b'{') => return self.group(&names, out),
                Some(b) if is_word(b) => {
                    last = self.at;
                    names.push(self.word());
                }
                _ => break,
            }
            let after_name = self.at;
            self.skip_space();
            if !self.bytes[self.at..].starts_with(b"::") {
                self.at = after_name;
                break;
            }
            self.at += 2;
        }
        out.push(LocalPath { at: last, names });
    }

    fn group(&mut self, names: &[String], out: &mut Vec<LocalPath>) {
        self.at += 1;
        loop {
            self.skip_space();
            match self.peek() {
                None => return,
                Some(b'}') => {
                    self.at += 1;
                    return;
                }
                Some(b) if is_word(b) || b == b'{' => {
                    self.tree(names, out);
                    self.skip_renaming();
                }
                Some(_) => self.at += 1,
            }
        }
    }

    fn skip_renaming(&mut self) {
        while self.peek().is_some_and(|b| !matches!(b, b',' | b'}')) {
            self.at += 1;
        }
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(|b| b.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn word(&mut self) -> String {
        let start = self.at;
        while self.peek().is_some_and(is_word) {
            self.at += 1;
        }
        String::from_utf8_lossy(&self.bytes[start..self.at]).into_owned()
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }
}

#[test]
fn groups_and_inline_paths_are_taken_apart() {
    let (paths, _) = local("use crate::{a::B, c::{d, e::F as G}, h::*};\nfn x() -> crate::i::J<K> { $crate::l!(); super::super::m::n() }");
    let names: Vec<String> = paths.iter().map(|p| p.names.join("::")).collect();
    assert_eq!(names, ["crate::a::B", "crate::c::d", "crate::c::e::F", "crate::h", "crate::i::J", "crate::l", "super::super::m::n"]);
}
