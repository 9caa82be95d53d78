//! Keeps the manifest beside what it made, for the host that has nothing else.

use std::collections::BTreeSet;

use super::error::StepError;
use super::promise::ON_THE_WAY;
use super::run::Run;
use super::sealing::Sealing;
use crate::model::PolicySet;
use crate::model::id::Name;
use crate::store::{Created, Sha256Sum, WriteStore, layout};

/// The digest of the manifest's files.
pub(super) fn sum(set: &PolicySet) -> Sha256Sum {
    set.manifest_sha256.parse().unwrap_or_else(|_| Sha256Sum::of(set.manifest_sha256.as_bytes()))
}

/// Who can read the manifest: its own recipients, else those of its policies. Who may restore one policy may know how it was made.
pub(super) fn recipients(set: &PolicySet) -> Vec<String> {
    if !set.recipients.is_empty() {
        return set.recipients.clone();
    }
    let all: BTreeSet<&String> = set.policies.values().flat_map(|policy| &policy.recipients).collect();
    all.into_iter().cloned().collect()
}

/// Stores the manifest's files under their digest, encrypted if anything is; stored once.
pub(super) fn keep(run: &Run, store_name: &Name, store: &dyn WriteStore) -> Result<(), StepError> {
    // All files of a manifest stand in one folder: their names are their paths from it, wherever it is.
    let name = |path: &'_ str| -> usize { path.rfind('/').map_or(0, |slash| slash + 1) };
    let files: Vec<(&str, &[u8])> = run.set.files.iter().map(|(path, text)| (&path[name(path)..], text.as_bytes())).collect();
    let sealing = Sealing::to(&recipients(&run.set))?;
    let key = layout::manifest(&run.set.instance, &sum(&run.set), sealing.is_on());
    // Encrypted twice it is other bytes, and a plugin is run.
    if sealing.is_on() && store.look(&key)?.is_some() {
        return promise(run, store_name, store, &key);
    }
    let archive = crate::archive::pack_texts(&files).map_err(|e| StepError::Changed(format!("the manifest cannot be packed: {e}")))?;
    match store.create(&key, &sealing.whole(archive)?)? {
        Created::New => Ok(()),
        Created::Taken => promise(run, store_name, store, &key),
    }
}

/// Keeps one that is there already for as long as what is made with it now.
fn promise(run: &Run, store_name: &Name, store: &dyn WriteStore, key: &str) -> Result<(), StepError> {
    let arrival = run.ports.now() + ON_THE_WAY;
    if let Some(until) = run.set.stores.get(store_name).and_then(|store| store.locked_until(arrival)) {
        store.extend(key, until)?;
    }
    Ok(())
}
