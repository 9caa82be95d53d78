//! A volume, and what is in it. The engine's files are this host's.

use std::fs;
use std::path::{Path, PathBuf};

use super::Client;

/// A volume of a test.
#[derive(Debug, Clone)]
#[must_use]
pub(crate) struct Volume {
    /// Its name on the engine, whole.
    pub(crate) name: String,
    /// Where its files are.
    pub(crate) folder: PathBuf,
}

impl Volume {
    /// The volume of this whole name.
    #[track_caller]
    pub(super) fn of(client: &Client, name: &str) -> Self {
        let folder = client.tell(&["volume", "inspect", "--format", "{{.Mountpoint}}", name]);
        Self { name: name.to_owned(), folder: folder.into() }
    }

    /// Writes a file, and its folders.
    pub(crate) fn write(&self, path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) {
        let path = self.folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// What is in a file.
    #[track_caller]
    pub(crate) fn read(&self, path: impl AsRef<Path>) -> Vec<u8> {
        fs::read(self.folder.join(path)).unwrap()
    }
}
