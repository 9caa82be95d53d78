//! One table to one plain value, with a finding for everything that does not fit.
//!
//! serde reports one error per call, so what it complains about is taken out and it is asked again: each bad key of a table gets its
//! own finding, on its own place. Messages of serde are rewritten; a value that may be a secret never enters a message.

use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, Visitor};
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::document::Page;
use crate::finding::{Finding, manifest as code, nearest};

/// The keys that a struct's `Deserialize` knows.
pub(super) fn fields_of<T: for<'de> Deserialize<'de>>() -> &'static [&'static str] {
    struct Probe<'a>(&'a mut &'static [&'static str]);

    impl<'de> Deserializer<'de> for Probe<'_> {
        type Error = serde::de::value::Error;

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
            Err(serde::de::Error::custom("only structs have fields"))
        }

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Self::Error> {
            *self.0 = fields;
            Err(serde::de::Error::custom("the fields are all that is wanted"))
        }

        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
            newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }

    let mut fields: &'static [&'static str] = &[];
    // the value is never made: the call is for its side effect
    drop(T::deserialize(Probe(&mut fields)));
    fields
}

/// What a table gave.
pub(super) struct Shaped<T> {
    pub(super) value: Option<T>,
    pub(super) whole: bool,
}

/// Reads a table key by key. `what` is how the table is called in messages, `path` its dotted path.
pub(super) fn shape<T: for<'de> Deserialize<'de>>(
    page: &Page,
    path: &str,
    table: &Spanned<DeTable<'_>>,
    findings: &mut Vec<Finding>,
) -> Shaped<T> {
    let fields = fields_of::<T>();
    let mut rest = table.get_ref().clone();
    let mut whole = true;
    for (key, _) in table.get_ref() {
        if !fields.contains(&key.get_ref().as_ref()) {
            findings.push(unknown_key(page, path, key.get_ref(), key.span(), fields));
            rest.remove(key.get_ref().as_ref());
            whole = false;
        }
    }
    if let Some(env) = rest.get_mut("env").filter(|_| path.starts_with("source.")) {
        whole &= drop_literal_secrets(page, path, env.get_mut(), findings);
    }
    let mut dropped: Vec<String> = Vec::new();
    // each round takes one key out, so there are at most as many as there are keys
    for _ in 0..=rest.len() {
        let value = Spanned::new(table.span(), DeValue::Table(rest.clone()));
        let error = match T::deserialize(ValueDeserializer::from(value)) {
            Ok(value) => return Shaped { value: Some(value), whole },
            Err(error) => error,
        };
        whole = false;
        let at = error.span().unwrap_or_else(|| table.span());
        let culprit = rest
            .iter()
            .find(|(key, value)| within(&at, &key.span()) || within(&at, &value.span()))
            .map(|(key, _)| key.get_ref().to_string());
        let missing = error.message().starts_with("missing field")
            && culprit.as_ref().is_none_or(|key| !rest.get(key.as_str()).is_some_and(|v| v.get_ref().is_table()));
        let Some(key) = culprit.filter(|_| !missing) else {
            // a key that was taken out is not missing
            if !ticked(error.message()).next().is_some_and(|key| dropped.iter().any(|other| other == key)) {
                findings.extend(missing_keys(page, path, error.message()));
            }
            break;
        };
        findings.push(misfit(page, &format!("{path}.{key}"), error.message(), at, &key));
        rest.remove(key.as_str());
        dropped.push(key);
    }
    Shaped { value: None, whole: false }
}

fn within(inner: &Range<usize>, outer: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// A key nobody knows, with the nearest one or all of them.
pub(super) fn unknown_key(page: &Page, path: &str, key: &str, at: Range<usize>, known: &[&str]) -> Finding {
    let place = if path.is_empty() { "a manifest".to_owned() } else { format!("`{path}`") };
    let span = page.lines.span(at);
    let finding = Finding::new(code::UNKNOWN_KEY, format!("{place} has no key `{key}`"));
    match nearest(key, known.iter().copied()) {
        Some(near) => finding.at(span.clone(), format!("did you mean `{near}`?")).help(format!("write `{near}`")).edit(span, near),
        None => finding.at(span, "not known here").help(format!("the keys are {}", list(known.iter().copied()))),
    }
}

/// Takes literal values out of an `env` table and says so. Whether there were none.
fn drop_literal_secrets(page: &Page, path: &str, env: &mut DeValue<'_>, findings: &mut Vec<Finding>) -> bool {
    let DeValue::Table(table) = env else { return true };
    let literal: Vec<_> = table
        .iter()
        .filter(|(_, value)| !value.get_ref().is_table())
        .map(|(key, value)| (key.get_ref().to_string(), value.span()))
        .collect();
    for (name, at) in &literal {
        findings.push(
            Finding::new(code::SECRET_LITERAL, format!("`{path}.env.{name}` is a secret written literally"))
                .at(page.lines.span(at.clone()), "only a reference may stand here")
                .help(format!(
                    "write `{name} = {{ env = \"{name}\" }}`, or another reference: file, env_file with name, credential, command"
                ))
                .hidden(),
        );
        table.remove(name.as_str());
    }
    literal.is_empty()
}

fn missing_keys(page: &Page, path: &str, message: &str) -> Option<Finding> {
    let key = ticked(message).next()?;
    let span = page.key(path)?;
    Some(
        Finding::new(code::MISSING_KEY, format!("`{path}` has no `{key}`"))
            .at(span, format!("`{key}` is missing"))
            .help(format!("add `{key}`")),
    )
}

/// The words between backticks.
fn ticked(message: &str) -> impl Iterator<Item = &str> {
    message.split('`').skip(1).step_by(2)
}

/// A key whose value cannot be what it should be.
fn misfit(page: &Page, path: &str, message: &str, at: Range<usize>, key: &str) -> Finding {
    let span = page.lines.span(at.clone());
    let mut words = ticked(message);
    if message.starts_with("unknown field") {
        let wrong = words.next().unwrap_or_default();
        let known: Vec<_> = words.collect();
        return unknown_key(page, path, wrong, at, &known);
    }
    if message.starts_with("unknown variant") {
        let wrong = words.next().unwrap_or_default();
        let known: Vec<_> = words.collect();
        let finding = Finding::new(code::BAD_VALUE, format!("`{path}` cannot be `{wrong}`"));
        return match nearest(wrong, known.iter().copied()) {
            Some(near) => finding
                .at(span.clone(), format!("did you mean `{near}`?"))
                .help(format!("write one of {}", list(known.iter().copied())))
                .edit(span, format!("\"{near}\"")),
            None => finding.at(span, "not one of the choices").help(format!("write one of {}", list(known.iter().copied()))),
        };
    }
    if message.starts_with("missing field") {
        let missing = words.next().unwrap_or_default();
        return Finding::new(code::MISSING_KEY, format!("`{path}` has no `{missing}`")).at(span, format!("`{missing}` is missing"));
    }
    let finding = match message.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", expected ")) {
        Some((actual, expected)) => {
            let (actual, expected) = (plain(actual), plain(expected));
            let finding = Finding::new(code::WRONG_TYPE, format!("`{path}` must be {expected}, not {actual}"))
                .at(span.clone(), format!("this is {actual}"));
            match (actual, expected, page.lines.text().get(at)) {
                ("a text", "a list", Some(written)) if key != "env" => {
                    let finding = finding.help("put it into brackets: a list with one element is still a list");
                    // An edit repeats what is written, and some write a secret key where the public one belongs.
                    let is_key = key == "recipients" || written.to_ascii_uppercase().contains("AGE-SECRET-KEY-");
                    if is_key { finding } else { finding.edit(span, format!("[{written}]")) }
                }
                ("a text", "a table", _) if key == "cron" || path.starts_with("schedule.") => finding.help("write `{ cron = \"...\" }`"),
                _ => finding,
            }
        }
        None => Finding::new(code::BAD_VALUE, format!("`{path}` cannot be read: {}", message.trim_end_matches('.'))).at(span, ""),
    };
    if key == "env" { finding.hidden() } else { finding }
}

/// serde's words for types as the words of manifests.
fn plain(words: &str) -> &'static str {
    let table = [
        ("string", "a text"),
        ("a string", "a text"),
        ("integer", "a whole number"),
        ("i64", "a whole number"),
        ("u32", "a whole number"),
        ("float", "a number"),
        ("f64", "a number"),
        ("bool", "true or false"),
        ("a bool", "true or false"),
        ("sequence", "a list"),
        ("a sequence", "a list"),
        ("map", "a table"),
        ("a map", "a table"),
        ("struct", "a table"),
        ("datetime", "a date"),
    ];
    table.iter().find(|(word, _)| words.starts_with(word)).map_or("another type", |(_, plain)| plain)
}

/// `a`, `b` and `c`.
pub(super) fn list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<_> = words.map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        None => "none".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}
