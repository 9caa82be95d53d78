//! Restores over real captures and real file systems: every one is captured by `apply` into a folder, by the host's own sources.

mod folder;
mod world;
