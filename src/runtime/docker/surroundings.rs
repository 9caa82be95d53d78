//! What is known of where the program runs: handed in, never read here.

use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Looks up a variable of the environment.
pub type Lookup = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What decides where the engine is, read once by whoever starts the program.
#[derive(Clone)]
pub struct Surroundings {
    /// Looks up a variable of the environment.
    pub variable: Lookup,
    /// The user's home, where Docker's own client keeps its contexts.
    pub home: Option<PathBuf>,
}

impl Surroundings {
    /// A variable that is set to something.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }

    /// Where Docker's own client keeps what it is told.
    pub(super) fn config_folder(&self) -> Option<PathBuf> {
        let home = || self.home.as_deref().map(|home: &Path| home.join(".docker"));
        self.variable("DOCKER_CONFIG").map(PathBuf::from).or_else(home)
    }
}
