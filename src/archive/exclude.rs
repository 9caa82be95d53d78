//! What the walker passes over.
//!
//! A pattern without a slash matches any component below a root; one with a slash is anchored at the root (`/cache` and
//! `cache/tmp` both count from there). `*`, `?` and `[..]` do not cross a slash, `**` does. A slash at the end says nothing. A
//! folder that matches is pruned with all it holds. An empty pattern is refused, because it is most likely a mistake.

use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};

use super::error::PackError;

/// The patterns, ready to ask.
#[derive(Debug)]
pub(super) struct Excludes {
    components: GlobSet,
    anchored: GlobSet,
}

impl Excludes {
    pub(super) fn new(patterns: &[String]) -> Result<Self, PackError> {
        let mut components = GlobSetBuilder::new();
        let mut anchored = GlobSetBuilder::new();
        for pattern in patterns {
            let bad = |reason: String| PackError::Pattern { pattern: pattern.clone(), reason };
            let text = pattern.trim_end_matches('/');
            let is_anchored = text.contains('/');
            let text = text.strip_prefix('/').unwrap_or(text);
            if text.is_empty() {
                return Err(bad("it is empty".to_owned()));
            }
            let glob = GlobBuilder::new(text).literal_separator(true).build().map_err(|e| bad(e.kind().to_string()))?;
            if is_anchored {
                anchored.add(glob)
            } else {
                components.add(glob)
            };
        }
        let build = |set: &GlobSetBuilder| {
            set.build().map_err(|e| PackError::Pattern { pattern: patterns.join("`, `"), reason: e.kind().to_string() })
        };
        Ok(Self { components: build(&components)?, anchored: build(&anchored)? })
    }

    /// Whether nothing is excluded.
    pub(super) fn is_empty(&self) -> bool {
        self.components.is_empty() && self.anchored.is_empty()
    }

    /// `path` counts from the root, `name` is its last component.
    pub(super) fn matches(&self, path: &[u8], name: &[u8]) -> bool {
        (!self.components.is_empty() && self.components.is_match_candidate(&Candidate::from_bytes(name)))
            || (!self.anchored.is_empty() && self.anchored.is_match_candidate(&Candidate::from_bytes(path)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excluded(pattern: &str, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap();
        Excludes::new(&[pattern.to_owned()]).unwrap().matches(path.as_bytes(), name.as_bytes())
    }

    #[test]
    fn a_pattern_without_a_slash_matches_any_component() {
        assert!(excluded("*.log", "a/b/x.log") && excluded("cache", "cache") && excluded("cache/", "deep/cache"));
        assert!(!excluded("*.log", "x.log.gz"));
    }

    #[test]
    fn a_pattern_with_a_slash_is_anchored() {
        assert!(excluded("/cache", "cache") && excluded("cache/tmp", "cache/tmp") && excluded("a/**/z", "a/b/c/z"));
        assert!(!excluded("/cache", "deep/cache") && !excluded("cache/tmp", "x/cache/tmp") && !excluded("a/*", "a/b/c"));
    }

    #[test]
    fn an_empty_or_broken_pattern_is_refused_by_name() {
        for pattern in ["", "/", "[a"] {
            let error = Excludes::new(&[pattern.to_owned()]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{pattern}` is not a pattern")), "{error}");
        }
    }
}
