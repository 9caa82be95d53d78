//! What this host has committed within a day, by store: some services list it late, and then it is looked up by its key.
//!
//! Kept in `commits.json` of the local state. Losing it loses nothing that is stored: a listing that lacks an artifact then leads to
//! one capture or copy too many.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::state::{LocalState, StateError};
use crate::model::id::{Instant, Name};

const FILE: &str = "commits.json";
/// No listing is later than this.
const REMEMBERED: TimeDelta = TimeDelta::hours(24);

/// One object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Commit {
    key: String,
    bytes: u64,
    at: Instant,
}

type Commits = BTreeMap<String, Vec<Commit>>;

impl LocalState {
    /// Remembers objects, with their sizes, that a store has taken.
    pub fn committed(&self, instance: &Name, store: &Name, objects: &[(String, u64)], at: Instant) -> Result<(), StateError> {
        self.change_commits(at, |commits| {
            let new = objects.iter().map(|(key, bytes)| Commit { key: key.clone(), bytes: *bytes, at });
            commits.entry(format!("{instance}/{store}")).or_default().extend(new);
        })
    }

    /// Forgets objects that were removed: all whose keys begin so.
    pub fn uncommitted(&self, instance: &Name, store: &Name, prefixes: &[String], at: Instant) -> Result<(), StateError> {
        if self.commits(instance, store, at)?.iter().all(|key| !prefixes.iter().any(|prefix| key.starts_with(prefix))) {
            return Ok(());
        }
        self.change_commits(at, |commits| {
            if let Some(own) = commits.get_mut(&format!("{instance}/{store}")) {
                own.retain(|commit| !prefixes.iter().any(|prefix| commit.key.starts_with(prefix)));
            }
        })
    }

    /// The keys of what was committed to a store within a day.
    pub fn commits(&self, instance: &Name, store: &Name, now: Instant) -> Result<Vec<String>, StateError> {
        let mut commits: Commits = self.read_json(Path::new(FILE))?.unwrap_or_default();
        let own = commits.remove(&format!("{instance}/{store}")).unwrap_or_default();
        Ok(own.into_iter().filter(|commit| commit.at + REMEMBERED > now).map(|commit| commit.key).collect())
    }

    fn change_commits(&self, now: Instant, change: impl FnOnce(&mut Commits)) -> Result<(), StateError> {
        let _one = self.writing.lock();
        let mut commits: Commits = self.read_json(Path::new(FILE))?.unwrap_or_default();
        change(&mut commits);
        for own in commits.values_mut() {
            own.retain(|commit| commit.at + REMEMBERED > now);
        }
        commits.retain(|_, own| !own.is_empty());
        if commits.is_empty() { self.remove(Path::new(FILE)) } else { self.write_json(Path::new(FILE), &commits) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_remembered_for_a_day_or_until_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let state = LocalState::new(folder.path().join("state"));
        let (lucid, far): (Name, Name) = ("lucid".parse().unwrap(), "far".parse().unwrap());
        let at: Instant = "2026-11-23T02:00:00Z".parse().unwrap();
        let object = |key: &str| (key.to_owned(), 7);
        state.committed(&lucid, &far, &[object("a/1"), object("a/2"), object("b/1")], at).unwrap();
        assert_eq!(state.commits(&lucid, &far, at).unwrap(), ["a/1", "a/2", "b/1"]);
        assert!(state.commits(&lucid, &lucid, at).unwrap().is_empty());
        state.uncommitted(&lucid, &far, &["a/".to_owned()], at).unwrap();
        assert_eq!(state.commits(&lucid, &far, at + TimeDelta::hours(23)).unwrap(), ["b/1"]);
        let later = at + TimeDelta::hours(24);
        assert!(state.commits(&lucid, &far, later).unwrap().is_empty());
        state.committed(&lucid, &far, &[object("c/1")], later).unwrap();
        assert!(!std::fs::read_to_string(folder.path().join("state/commits.json")).unwrap().contains("b/1"));
        state.uncommitted(&lucid, &far, &["c/".to_owned()], later).unwrap();
        assert!(!folder.path().join("state/commits.json").exists());
    }
}
