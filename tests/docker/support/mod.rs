//! A Docker engine for a test, and what the test runs on it. Everything a test makes is gone when its [`Engine`] is dropped.

mod adapter;
mod container;
mod docker;
mod engine;
mod project;
mod site;
mod stack;
mod volume;

pub(crate) use adapter::{exec, surroundings};
pub(crate) use container::Container;
pub(crate) use docker::Client;
pub(crate) use engine::Engine;
pub(crate) use project::Project;
pub(crate) use site::{Site, manifest, record};
pub(crate) use stack::{Stack, rest};
pub(crate) use volume::Volume;
