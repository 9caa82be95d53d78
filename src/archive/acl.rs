//! POSIX access control lists between the kernel's bytes and the text in a tar header.
//!
//! The kernel: `u32 2`, then per entry `u16 tag, u16 permissions, u32 id`, little endian. The text is what GNU tar writes and
//! reads: `user::rw-`, `user:1000:r--`, `group::r--`, `mask::rw-`, `other::r--`, separated by newlines. We write numeric ids;
//! names (GNU tar writes them where it can) are resolved by the caller's function, star's fourth field with the id wins. What
//! cannot be resolved or is no ACL is refused with a reason, never guessed.

/// The attribute that holds the access ACL.
pub(super) const ACCESS: &[u8] = b"system.posix_acl_access";
/// The attribute that holds the default ACL of a folder.
pub(super) const DEFAULT: &[u8] = b"system.posix_acl_default";

const USER_OBJ: u16 = 1;
const USER: u16 = 2;
const GROUP_OBJ: u16 = 4;
const GROUP: u16 = 8;
const MASK: u16 = 16;
const OTHER: u16 = 32;
const NO_ID: u32 = u32::MAX;

/// The text of the kernel's bytes; `None` if they are no ACL of version 2.
pub(super) fn to_text(bytes: &[u8]) -> Option<Vec<u8>> {
    let body = bytes.strip_prefix(&2u32.to_le_bytes())?;
    if body.is_empty() || body.len() % 8 != 0 {
        return None;
    }
    let mut text = String::new();
    for entry in body.chunks_exact(8) {
        let tag = u16::from_le_bytes([entry[0], entry[1]]);
        let permissions = u16::from_le_bytes([entry[2], entry[3]]);
        let id = u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]);
        let (word, named) = match tag {
            USER_OBJ => ("user", false),
            USER => ("user", true),
            GROUP_OBJ => ("group", false),
            GROUP => ("group", true),
            MASK => ("mask", false),
            OTHER => ("other", false),
            _ => return None,
        };
        text.push_str(word);
        text.push(':');
        if named {
            text.push_str(&id.to_string());
        }
        text.push(':');
        for (bit, letter) in [(4, 'r'), (2, 'w'), (1, 'x')] {
            text.push(if permissions & bit != 0 { letter } else { '-' });
        }
        text.push('\n');
    }
    Some(text.into_bytes())
}

/// The kernel's bytes of a text. `resolve(is_group, name)` finds the id of a name.
pub(super) fn from_text(text: &[u8], resolve: &dyn Fn(bool, &str) -> Option<u32>) -> Result<Vec<u8>, String> {
    let text = std::str::from_utf8(text).map_err(|_| "the list is not text".to_owned())?;
    let mut entries: Vec<(u16, u32, u16)> = Vec::new();
    for line in text.split(['\n', ',']) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        entries.push(entry(line, resolve).ok_or_else(|| format!("`{}` is no entry, or its name is unknown here", line.escape_default()))?);
    }
    // The kernel wants them by tag, then id.
    entries.sort_unstable();
    let mut bytes = 2u32.to_le_bytes().to_vec();
    for (tag, id, permissions) in entries {
        bytes.extend_from_slice(&tag.to_le_bytes());
        bytes.extend_from_slice(&permissions.to_le_bytes());
        bytes.extend_from_slice(&id.to_le_bytes());
    }
    Ok(bytes)
}

fn entry(line: &str, resolve: &dyn Fn(bool, &str) -> Option<u32>) -> Option<(u16, u32, u16)> {
    let mut fields = line.split(':');
    let word = fields.next()?;
    let mut qualifier = fields.next()?.trim();
    let mut letters = fields.next();
    if matches!(word, "mask" | "m" | "other" | "o") && letters.is_none() {
        letters = Some(qualifier);
        qualifier = "";
    }
    let letters = letters?.trim();
    let id_field = fields.next().and_then(|id| id.trim().parse::<u32>().ok());
    let mut permissions = 0;
    for letter in letters.chars() {
        permissions |= match letter {
            'r' => 4,
            'w' => 2,
            'x' => 1,
            '-' => 0,
            _ => return None,
        };
    }
    let is_group = matches!(word, "group" | "g");
    let (tag, id) = match (word, qualifier.is_empty()) {
        ("user" | "u", true) => (USER_OBJ, NO_ID),
        ("group" | "g", true) => (GROUP_OBJ, NO_ID),
        ("user" | "u" | "group" | "g", false) => {
            let id = id_field.or_else(|| qualifier.parse().ok()).or_else(|| resolve(is_group, qualifier))?;
            (if is_group { GROUP } else { USER }, id)
        }
        ("mask" | "m", true) => (MASK, NO_ID),
        ("other" | "o", true) => (OTHER, NO_ID),
        _ => return None,
    };
    Some((tag, id, permissions))
}

/// The id of a name in the text of `/etc/passwd` or `/etc/group`.
pub(super) fn id_in(table: &str, name: &str) -> Option<u32> {
    table.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        fields.nth(1)?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_goes_to_the_kernels_bytes_and_back() {
        let text = b"user::rw-\nuser:1000:r--\ngroup::r--\ngroup:5:rwx\nmask::rwx\nother::---\n";
        let bytes = from_text(text, &|_, _| None).unwrap();
        assert_eq!(bytes.len(), 4 + 6 * 8);
        assert_eq!(to_text(&bytes).unwrap(), text);
    }

    #[test]
    fn names_are_resolved_and_stars_fourth_field_wins() {
        let resolve = |group: bool, name: &str| (name == "backup").then_some(if group { 340 } else { 34 });
        let bytes = from_text(b"user:backup:r-x,group:backup:r--\nuser:other:r--:77,o:r--,m::r", &resolve).unwrap();
        let text = String::from_utf8(to_text(&bytes).unwrap()).unwrap();
        assert_eq!(text, "user:34:r-x\nuser:77:r--\ngroup:340:r--\nmask::r--\nother::r--\n");
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in [&b"user:nobody-knows:r--"[..], b"user", b"wat::r--", b"user::rq-", b"\xff"] {
            assert!(from_text(text, &|_, _| None).is_err());
        }
        assert_eq!(to_text(b"\x02\0\0\0abc"), None);
        assert_eq!(to_text(b"\x03\0\0\0\x01\0\x04\0\xff\xff\xff\xff"), None);
    }

    #[test]
    fn an_id_is_found_by_name() {
        assert_eq!(id_in("root:x:0:0::/root:/bin/sh\nbackup:x:34:34:b:/x:/y\n", "backup"), Some(34));
        assert_eq!(id_in("root:x:0:", "backup"), None);
    }
}
