//! What a place is: a store, none yet, another one, somebody else's.

use std::collections::BTreeMap;
use std::error::Error;

use super::join::Join;
use super::own::Recalled;
use crate::facts::{Listing, Owner, StoreFacts, Trouble};
use crate::model::id::{Instant, Name};
use crate::store::documents::{self, OwnerRecord, RecordError, StoreMark};
use crate::store::layout::{self, Area, MARK, Place};
use crate::store::{Reach, ReadStore, StoreError, Survey};

/// What is looked for in a store, and how.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// The instance.
    pub instance: &'a Name,
    /// The uuid that is remembered of the store.
    pub known: Option<&'a str>,
    /// The host that means to write there; none for whoever only reads, or only removes: then any owner is fine.
    pub host: Option<&'a str>,
    /// Whether payload is listed too.
    pub payload: bool,
    /// Whether areas are listed at the same time, which pays where a listing waits for a network.
    pub side_by_side: bool,
    /// Keys that this host has just written there, looked up where the listing lacks them.
    pub own: &'a [String],
    /// The time.
    pub now: Instant,
}

/// Looks at a store.
pub fn look(store: &dyn ReadStore, look: &Look<'_>) -> StoreFacts {
    let seen = if look.own.is_empty() { seen(store, look) } else { seen(&Recalled { store, own: look.own }, look) };
    seen.unwrap_or_else(StoreFacts::Unusable)
}

/// A store that could not even be opened.
pub fn unusable(error: &StoreError) -> StoreFacts {
    StoreFacts::Unusable(error.into())
}

/// Refuses every store whose uuid another store of the manifest has as well: they are one place, or a copy of one.
pub fn mark_twins(stores: &mut BTreeMap<Name, StoreFacts>) {
    let mut homes: BTreeMap<String, Vec<Name>> = BTreeMap::new();
    for (name, facts) in &*stores {
        if let Some(listing) = facts.listing() {
            homes.entry(listing.uuid.clone()).or_default().push(name.clone());
        }
    }
    for (uuid, names) in homes {
        for (n, name) in names.iter().enumerate() {
            if let Some(other) = names.get(usize::from(n == 0)) {
                stores.insert(name.clone(), StoreFacts::Unusable(Trouble::Twin { other: other.clone(), uuid: uuid.clone() }));
            }
        }
    }
}

impl From<&StoreError> for Trouble {
    fn from(error: &StoreError) -> Self {
        match error {
            StoreError::Unusable { message, help } => Self::Unusable { message: message.clone(), help: help.clone() },
            other => {
                let message = match other.source() {
                    Some(cause) => format!("{other}: {cause}"),
                    None => other.to_string(),
                };
                Self::Unusable { message, help: "make the store readable for the user that runs lucid-policy".to_owned() }
            }
        }
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::from(&error)
    }
}

fn seen(store: &dyn ReadStore, look: &Look<'_>) -> Result<StoreFacts, Trouble> {
    let Look { instance, known: remembered, host, now, .. } = *look;
    // first, as looking takes its time; a store that cannot say it cannot be listed either, and says so itself
    let clock_ahead = store.clock().ok().flatten().map(|at| (at - now).num_seconds());
    let root = store.survey("", Reach::Flat)?;
    let mark: StoreMark = match store.get(MARK) {
        Ok(bytes) => documents::read(&bytes).map_err(|error| refused(store, MARK, &error))?,
        Err(error) if error.is_not_found() => return unmarked(store, instance, remembered, &root),
        Err(error) => return Err(error.into()),
    };
    if let Some(known) = remembered.filter(|known| *known != mark.uuid) {
        return Err(Trouble::Replaced { known: known.to_owned(), found: mark.uuid });
    }
    let claims = store.survey(&Area::Owner.folder(instance), Reach::Deep)?;
    let owner = owner(store, instance, &claims)?;
    if let Some(owner) = owner.as_ref().filter(|owner| host.is_some_and(|host| host != owner.host)) {
        return Err(Trouble::OwnedElsewhere { owner: owner.clone() });
    }
    let largest = Some(store.largest()).filter(|largest| *largest < u64::MAX);
    let listing = Listing { created: Some(mark.created), largest, free: store.free()?, owner, clock_ahead, ..Listing::empty(mark.uuid) };
    let mut join = Join::new(store, instance, listing);
    join.take(claims, |place| matches!(place, Place::Owner(_)));
    join.around(root)?;
    join.all(look)?;
    Ok(StoreFacts::Ready(Box::new(join.finish())))
}

/// No mark: nothing yet, or something that lost it.
fn unmarked(store: &dyn ReadStore, instance: &Name, remembered: Option<&str>, root: &Survey) -> Result<StoreFacts, Trouble> {
    if let Some(known) = remembered {
        return Err(Trouble::Away { known: known.to_owned() });
    }
    if root.folders.iter().any(|folder| folder.strip_suffix('/') == Some(instance.as_str())) {
        // a first run that was killed between its lease and the mark leaves a lock and nothing else
        let lock = Area::Lock.folder(instance);
        let inside = store.survey(&format!("{instance}/"), Reach::Deep)?;
        if !inside.unread.is_empty() || inside.objects.iter().any(|object| !object.key.starts_with(&lock)) {
            return Err(Trouble::Unusable {
                message: format!("`{}` holds a folder `{instance}` but no `{MARK}`, so it is not known which store it is", store.place()),
                help: format!("put `{MARK}` back if the store lost it, or move the folder `{instance}` away"),
            });
        }
    }
    Ok(StoreFacts::New)
}

fn owner(store: &dyn ReadStore, instance: &Name, claims: &Survey) -> Result<Option<Owner>, Trouble> {
    let numbers = claims.objects.iter().filter_map(|object| match layout::parse(instance, &object.key) {
        Some(Place::Owner(n)) => Some(n),
        _ => None,
    });
    let Some(n) = numbers.max() else { return Ok(None) };
    let key = layout::owner(instance, n);
    let OwnerRecord { host, hostname, at, .. } = documents::read(&store.get(&key)?).map_err(|error| refused(store, &key, &error))?;
    Ok(Some(Owner { n, host, hostname, at }))
}

fn refused(store: &dyn ReadStore, key: &str, error: &RecordError) -> Trouble {
    match error {
        RecordError::TooNew { version } => Trouble::TooNew { object: key.to_owned(), version: version.clone() },
        other => Trouble::Unusable {
            message: format!("`{key}` in `{}` is damaged: {other}", store.place()),
            help: format!("put `{key}` back from another copy of the store"),
        },
    }
}
