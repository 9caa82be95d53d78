//! A file system of a few bytes, mounted for the length of a test. The suite runs as root.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A tmpfs.
#[must_use]
pub(crate) struct Mounted(PathBuf);

impl Mounted {
    /// Mounts one, with options such as `size=2m`.
    pub(crate) fn at(path: &Path, options: &str) -> Self {
        std::fs::create_dir_all(path).unwrap();
        let status = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(path).status().unwrap();
        assert!(status.success(), "a tmpfs can be mounted: the tests run as root");
        Self(path.to_owned())
    }

    /// Mounts it again with other options.
    pub(crate) fn again(&self, options: &str) {
        let status = Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(&self.0).status().unwrap();
        assert!(status.success(), "a tmpfs can be mounted again");
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // A test that has unmounted it itself leaves nothing to do.
        let _ = Command::new("umount").arg("-ql").arg(&self.0).status();
    }
}
