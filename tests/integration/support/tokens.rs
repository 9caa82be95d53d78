//! Tokens for what differs from run to run: folders, ids, times, digests, sizes.

use serde_json::Value;

/// Shapes and their tokens; `9` stands for a digit, `b` for base 32, `h` for hex, `w` for a letter, the rest for itself.
/// The first that fits is taken, where the character before is none of a word.
const SHAPES: &[(&str, &str)] = &[
    ("99999999T999999999Z-full-bbbbbbbbbbbbbbbb", "<id>"),
    ("9999-99-99T99:99:99.999999999Z", "<time>"),
    ("9999-99-99T99:99:99.999999Z", "<time>"),
    ("9999-99-99T99:99:99.999Z", "<time>"),
    ("9999-99-99T99:99:99Z", "<time>"),
    ("9999-99-99 99:99:99 UTC", "<time>"),
    ("www 9999-99-99 99:99", "<day>"),
    ("hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh", "<uuid>"),
    ("hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh", "<sha256>"),
    ("hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh", "<host>"),
    ("Run bbbbbbbbbbbbbbbb", "Run <run>"),
    ("run bbbbbbbbbbbbbbbb", "run <run>"),
];

/// A text with its tokens.
pub(crate) fn plain(text: &str, folder: &str) -> String {
    let text = text.replace(folder, "<folder>");
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        let inside = out.chars().next_back().is_some_and(char::is_alphanumeric);
        let shape = SHAPES.iter().find(|(shape, _)| !inside && fits(shape, rest));
        if let Some((shape, token)) = shape {
            out.push_str(token);
            rest = &rest[shape.len()..];
        } else if let Some((length, token)) = quantity(rest).filter(|_| !inside) {
            if token == "<size>" && out.ends_with(' ') {
                // what was aligned stays so whatever the number
                out.truncate(out.trim_end_matches(' ').len());
                out.push(' ');
            }
            out.push_str(token);
            rest = &rest[length..];
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

fn fits(shape: &str, text: &str) -> bool {
    let text = text.as_bytes();
    let whole = shape.bytes().enumerate().all(|(at, kind)| {
        text.get(at).is_some_and(|c| match kind {
            b'9' => c.is_ascii_digit(),
            b'b' => c.is_ascii_lowercase() || (b'2'..=b'7').contains(c),
            b'h' => c.is_ascii_digit() || (b'a'..=b'f').contains(c),
            b'w' => c.is_ascii_alphabetic(),
            literal => *c == literal,
        })
    });
    whole && !text.get(shape.len()).is_some_and(u8::is_ascii_alphanumeric)
}

/// `1.5 GiB` and `0.1 s`.
fn quantity(text: &str) -> Option<(usize, &'static str)> {
    let number = text.find(|c: char| !c.is_ascii_digit() && c != '.').filter(|n| *n > 0)?;
    let unit = text[number..].strip_prefix(' ')?;
    let word = unit.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(unit.len());
    let token = match &unit[..word] {
        "B" | "KiB" | "MiB" | "GiB" => "<size>",
        "s" => "<took>",
        _ => return None,
    };
    Some((number + 1 + word, token))
}

/// JSON likewise; numbers of bytes, milliseconds and seconds are 0.
pub(crate) fn plain_json(value: &Value, folder: &str) -> String {
    let mut value = value.clone();
    level(&mut value);
    plain(&serde_json::to_string_pretty(&value).unwrap(), folder)
}

fn level(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                if inner.is_number() && ["bytes", "estimate", "millis", "age", "mtime", "source_bytes"].contains(&key.as_str()) {
                    *inner = Value::from(0);
                }
                if key == "run" && inner.is_string() {
                    *inner = Value::from("<run>");
                }
                level(inner);
            }
        }
        Value::Array(all) => all.iter_mut().for_each(level),
        _ => {}
    }
}
