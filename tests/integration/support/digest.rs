//! What a folder holds, to the byte: two of them are equal only if nothing was changed in between.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// Every entry below a folder: its path, and its mode, content and time of change.
pub(crate) type Digest = BTreeMap<String, String>;

/// Reads a folder whole; one that is not there is empty, and differs from an empty one.
pub(crate) fn digest(folder: &Path) -> Digest {
    let mut found = Digest::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        let mut seen = format!("{:o} {}", metadata.permissions().mode(), metadata.ino());
        if metadata.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if metadata.is_file() {
            seen.push_str(&format!(" {}.{} {:?}", metadata.mtime(), metadata.mtime_nsec(), fs::read(&path).unwrap()));
        }
        found.insert(path.to_string_lossy().into_owned(), seen);
    }
    found
}
