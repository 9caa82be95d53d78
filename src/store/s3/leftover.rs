//! Names of uploads that never ended: `<folder>/.lucid-tmp-<id of the upload>~<name of the object>`.
//!
//! The service tells uploads apart by object and id; both are in the name, so that deleting it needs no listing. What is in an id
//! besides letters, digits, `-`, `_` and `.` stands there as `%` and two hexadecimal digits.

use std::fmt::Write;

use crate::model::id::Name;
use crate::store::layout::{Area, SCRATCH_PREFIX, TEMP_PREFIX};

/// The name of an upload of the object `key`.
pub(super) fn name(key: &str, id: &str) -> String {
    let (folder, name) = key.rfind('/').map_or(("", key), |at| key.split_at(at + 1));
    let mut out = format!("{folder}{TEMP_PREFIX}");
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
            out.push(char::from(byte));
        } else {
            // to a text it cannot fail
            let _ = write!(out, "%{byte:02x}");
        }
    }
    out + "~" + name
}

/// The object and the id of the upload of that name; none if it is no such name.
pub(super) fn read(leftover: &str) -> Option<(String, String)> {
    let (folder, last) = leftover.rfind('/').map_or(("", leftover), |at| leftover.split_at(at + 1));
    let (id, name) = last.strip_prefix(TEMP_PREFIX)?.split_once('~')?;
    let mut bytes = Vec::with_capacity(id.len());
    let mut rest = id.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' {
            let pair = [rest.next()?, rest.next()?];
            u8::from_str_radix(std::str::from_utf8(&pair).ok()?, 16).ok()?
        } else {
            byte
        });
    }
    Some((format!("{folder}{name}"), String::from_utf8(bytes).ok()?))
}

/// Whether an upload of that object can be ours: it would lie in an area of an instance, or where `doctor` tries things.
pub(super) fn is_ours(key: &str) -> bool {
    if key.starts_with(SCRATCH_PREFIX) {
        return key.contains('/');
    }
    let mut parts = key.split('/');
    let instance = parts.next().is_some_and(|name| name.parse::<Name>().is_ok());
    instance && parts.next().and_then(Area::from_name).is_some() && parts.next().is_some()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::port::check_stored;

    proptest! {
        #[test]
        fn a_name_reads_back_as_object_and_id(folder in "([a-z]{1,5}/){0,3}", file in "[a-z0-9.~_-]{1,200}", id in "[ -~]{1,200}") {
            let key = format!("{folder}{file}");
            let leftover = name(&key, &id);
            prop_assert!(check_stored("s3", &leftover).is_ok(), "{}", leftover);
            let start = format!("{folder}{TEMP_PREFIX}");
            prop_assert!(leftover.starts_with(&start));
            prop_assert_eq!(read(&leftover), Some((key, id)));
        }
    }

    #[test]
    fn an_object_is_no_leftover_and_another_programs_upload_is_not_ours() {
        assert_eq!(read("lucid/data/a/id/files"), None);
        assert_eq!(read("lucid/data/a/id/.lucid-tmp-%x~f"), None);
        assert!(is_ours("lucid/data/a/id/files") && is_ours("lucid-doctor-x/parts"));
        assert!(!is_ours("lucid.json") && !is_ours("lucid/other/x") && !is_ours("Photos/data/x") && !is_ours("lucid/data"));
    }
}
