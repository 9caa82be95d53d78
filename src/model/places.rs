//! Paths as written: joined, tidied and compared without looking at any disk.
//!
//! What this cannot see are symbolic links and bind mounts; the observing layer compares what is really there.

use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

/// `text` from the manifest's folder, without `.` and `..`.
pub(super) fn join(base: &Path, text: &str) -> PathBuf {
    let mut out = PathBuf::new();
    for component in base.join(text).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(out.components().next_back(), Some(Component::Normal(_))) => {
                out.pop();
            }
            // above the root is the root
            Component::ParentDir if out.has_root() => {}
            other => out.push(other),
        }
    }
    if out.as_os_str().is_empty() { PathBuf::from(".") } else { out }
}

/// Whether a path is a pattern.
pub(super) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

/// A pattern whose stars stop at slashes.
pub(super) fn pattern(text: &str) -> Result<GlobMatcher, globset::Error> {
    GlobBuilder::new(text).literal_separator(true).build().map(|glob| glob.compile_matcher())
}

/// The folder that `path` (a path or a pattern) reaches and that is `inner` or contains it, if there is one.
pub(super) fn reach(path: &Path, inner: &Path) -> Option<PathBuf> {
    let text = path.to_string_lossy();
    if !is_pattern(&text) {
        return inner.starts_with(path).then(|| path.to_owned());
    }
    let matcher = pattern(&text).ok()?;
    inner.ancestors().find(|folder| matcher.is_match(folder)).map(Path::to_owned)
}

/// Whether `exclude` leaves `inner` out of an archive of `root`: a pattern without a slash matches any component, one with a slash
/// counts from the root, and what matches is left out with all that is in it.
pub(super) fn is_excluded(exclude: &[String], root: &Path, inner: &Path) -> bool {
    let Ok(below) = inner.strip_prefix(root) else { return false };
    let parts: Vec<&Path> = below.ancestors().filter(|part| !part.as_os_str().is_empty()).collect();
    exclude.iter().any(|text| {
        let Ok(matcher) = pattern(text.trim_matches('/')) else { return false };
        if text.contains('/') {
            parts.iter().any(|part| matcher.is_match(part))
        } else {
            below.components().any(|component| matcher.is_match(component.as_os_str()))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_tidied_as_text() {
        let table = [
            ("/etc/lucid", "data", "/etc/lucid/data"),
            ("/etc/lucid", "../x/./y/", "/etc/x/y"),
            ("/etc", "../../x", "/x"),
            ("", "../x", "../x"),
            ("a", "..", "."),
            ("/etc", "/srv//b", "/srv/b"),
        ];
        for (base, text, expected) in table {
            assert_eq!(join(Path::new(base), text), Path::new(expected), "{base} + {text}");
        }
    }

    #[test]
    fn a_source_reaches_what_is_in_it_and_patterns_stop_at_slashes() {
        let table = [
            ("/srv", "/srv/backups", Some("/srv")),
            ("/srv/backups", "/srv/backups", Some("/srv/backups")),
            ("/srv/back", "/srv/backups", None),
            ("/srv/*", "/srv/a/backups", Some("/srv/a")),
            ("/srv/*.d", "/srv/a/backups.d", None),
            ("/srv/**", "/srv/a/b", Some("/srv/a/b")),
        ];
        for (path, inner, expected) in table {
            assert_eq!(reach(Path::new(path), Path::new(inner)).as_deref(), expected.map(Path::new), "{path} {inner}");
        }
    }

    #[test]
    fn an_exclude_with_a_slash_is_anchored() {
        let table = [
            ("backups", true),
            ("back*", true),
            ("a/backups", true),
            ("/a", true),
            ("b/backups", false),
            ("/backups", false),
            ("*.tmp", false),
        ];
        for (text, expected) in table {
            assert_eq!(is_excluded(&[text.to_owned()], Path::new("/srv"), Path::new("/srv/a/backups")), expected, "{text}");
        }
    }
}
