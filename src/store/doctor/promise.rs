//! One promise of a store.

use serde::Serialize;

/// Whether a promise is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It is.
    Holds,
    /// It is not.
    Broken,
    /// Nobody can say.
    Unknown,
}

/// One promise of a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Promise {
    /// What it is about, as a word that stays.
    pub about: &'static str,
    /// Whether it is kept.
    pub standing: Standing,
    /// Whether the manifest relies on it.
    pub relied: bool,
    /// What was seen, as a sentence.
    pub said: String,
    /// What to write in the store's table, or to change in the store, where it is not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Promise {
    /// One that is kept.
    pub fn holds(about: &'static str, said: impl Into<String>) -> Self {
        Self { about, standing: Standing::Holds, relied: true, said: said.into(), remedy: None }
    }

    /// One that is not kept, and what to do about it.
    pub fn broken(about: &'static str, said: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { about, standing: Standing::Broken, relied: true, said: said.into(), remedy: Some(remedy.into()) }
    }

    /// One that could not be tried.
    pub fn unknown(about: &'static str, said: impl Into<String>) -> Self {
        Self { about, standing: Standing::Unknown, relied: true, said: said.into(), remedy: None }
    }

    /// The same; whether the manifest relies on it.
    #[must_use]
    pub fn relied(self, relied: bool) -> Self {
        Self { relied, ..self }
    }
}
