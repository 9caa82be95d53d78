//! One visit: every probe in its order, then tidying up.

use super::locked::Swept;
use super::promise::{Promise, Standing};
use super::{locked, names, objects, rest};
use crate::model::id::{Instant, Random};
use crate::store::error::{StoreError, chain};
use crate::store::layout::SCRATCH_PREFIX;
use crate::store::lease::Claim;
use crate::store::port::WriteStore;

/// What the manifest relies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// Runs are kept apart by the store, not by a promise that there is one writer only.
    pub lease: bool,
    /// This host deletes.
    pub delete: bool,
    /// The room that must stay free.
    pub min_free: Option<u64>,
}

/// A visit to a store.
pub struct Visit<'a> {
    /// The store.
    pub store: &'a dyn WriteStore,
    /// Names the scratch folder; never used before.
    pub random: Random,
    /// What the manifest relies on.
    pub needs: Needs,
    /// This host's clock.
    pub now: &'a dyn Fn() -> Instant,
    /// A claim as runs make it, with a nonce of its own.
    pub claim: &'a dyn Fn() -> Claim,
    /// A number of bytes as people read it.
    pub size: &'a dyn Fn(u64) -> String,
}

pub(super) type Tried = Result<Promise, StoreError>;

impl Visit<'_> {
    /// Tries everything out; writes about 60 MiB and removes it again.
    pub fn examine(&self) -> Vec<Promise> {
        let mut all: Vec<Promise> = Vec::new();
        let mut answers = false;
        let mut probe = |about, relied: bool, tried: Tried| {
            let promise = match tried {
                // It answers, and says that this is nothing it does.
                Err(StoreError::Unusable { message, help }) if answers => Promise::broken(about, message, help),
                Err(error) => Promise::unknown(about, chain(&error)),
                Ok(promise) => promise,
            };
            answers |= promise.standing == Standing::Holds;
            all.push(promise.relied(relied));
        };
        // Who alone writes to a store never meets its own names.
        probe("create-only", self.needs.lease, names::taken(self));
        probe("one-winner", self.needs.lease, names::race(self));
        probe("read-back", true, objects::read_back(self));
        probe("list-after-write", true, objects::listed(self));
        probe("parts", true, objects::parts(self));
        probe("create-only-parts", self.needs.lease, objects::parts_taken(self));
        probe("abort", true, objects::abort(self));
        if let Some(swap) = self.store.swapper() {
            probe("compare-and-swap", self.needs.lease, names::swapped(self, &*swap));
            probe("swap-one-winner", self.needs.lease, names::swap_race(self, &*swap));
        }
        probe("lease", self.needs.lease, rest::lease(self));
        probe("clock", true, rest::clock(self));
        if let Some(tried) = rest::space(self).transpose() {
            probe("space", true, tried);
        }
        probe("delete", self.needs.delete, rest::delete(self));
        for (about, tried) in locked::locks(self) {
            probe(about, about != "lock-delete" || self.needs.delete, tried);
        }
        all.extend(self.store.traits(&self.folder()));
        all.push(self.tidy());
        all
    }

    /// A key in the scratch folder.
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.folder())
    }

    pub(super) fn folder(&self) -> String {
        format!("{SCRATCH_PREFIX}{}/", self.random)
    }

    fn tidy(&self) -> Promise {
        let folder = self.folder();
        let gone = || -> Result<(usize, Swept), StoreError> {
            let found = self.store.list(&folder)?.into_iter().chain(self.store.leftovers(&folder)?);
            let locked = locked::key(self);
            let keys: Vec<String> = found.map(|object| object.key).filter(|key| *key != locked).collect();
            self.store.delete_all(&keys).into_iter().try_for_each(|removed| removed.map(|_| ()))?;
            let swept = locked::sweep(self)?;
            let left = self.store.list(&folder)?.into_iter().filter(|object| object.key != locked || swept.own.is_none());
            Ok((left.count(), swept))
        };
        let promise = match gone() {
            Ok((0, swept)) => Promise::holds("tidy", tidied(&swept, &locked::key(self))),
            Ok((left, _)) => {
                Promise::broken("tidy", format!("{left} objects of the trial are still listed"), format!("remove `{folder}` by hand"))
            }
            Err(error) => {
                let said = format!("what was tried is still there: {}", chain(&error));
                Promise::broken("tidy", said, format!("remove `{folder}` by hand"))
            }
        };
        promise.relied(self.needs.delete)
    }
}

/// What was removed, and what is still there.
fn tidied(swept: &Swept, own: &str) -> String {
    let mut said = "everything that was tried is removed again".to_owned();
    if let Some(until) = swept.own {
        let until = until.format("%F %T UTC");
        said.push_str(&format!(", but for `{own}`, which is locked until {until}: the first visit after that removes it"));
    }
    if swept.removed > 0 {
        said.push_str("; so is what earlier visits had locked");
    }
    said
}
