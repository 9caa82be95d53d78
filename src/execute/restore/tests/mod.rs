//! Restores over real captures and real file systems: every one is captured by `apply` into a folder, by the host's own sources.

mod choice;
mod damage;
mod folder;
mod in_place;
mod kill;
mod mount;
mod volume;
mod world;
