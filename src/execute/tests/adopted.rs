//! Adoptions that a store ends at any of its changes.

use std::io::{Seek, Write};
use std::sync::Arc;

use super::world::{STORES, World, name, record, set};
use crate::execute::{AdoptError, Adopted, Adoption, Observe, Ports};
use crate::facts::{Artifact, StoreFacts};
use crate::plan::Work;
use crate::store::faults::{Budget, Fault, Faulty};
use crate::store::layout::Area;
use crate::store::{ReadStore, WriteStore};

const MANIFEST: &str = r#"
version  = 1
name     = "lucid"
timezone = "Etc/UTC"
[store.directory.local]
path = "backups"
[store.directory.offsite]
path = "copies"
[schedule]
nightly = { cron = "0 2 * * *" }
[source.command.dump]
command = ["dump"]
file    = "dump.sql"
[policy.dump]
source   = "dump"
schedule = "nightly"
stores   = ["local", "offsite"]
"#;

/// Adopts a stream in a world whose first store has this budget.
fn adopt(world: &Arc<World>, budget: &Arc<Budget>) -> Result<Adopted, AdoptError> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&b"insert into t values (1);\n".repeat(1000)).unwrap();
    file.rewind().unwrap();
    let taken = "2026-11-19T01:02:03Z".parse().unwrap();
    let adoption = Adoption { set: Arc::clone(&world.set), policy: name("dump"), file, name: "dump.sql".to_owned(), taken };
    let mut ports: Ports = world.bare();
    let faulty = Faulty::new(world.stores[0].clone(), budget);
    ports.stores.insert(name(STORES[0]), Arc::new(faulty) as Arc<dyn WriteStore>);
    let observe: Observe = {
        let world = Arc::clone(world);
        Arc::new(move || world.facts(false))
    };
    let checked = adoption.check(&ports).unwrap();
    adoption.store(&checked, &ports, &observe)
}

/// The records of the first store.
fn records(world: &World) -> Vec<crate::store::record::Record> {
    let listed = world.stores[0].list(&Area::Catalog.folder(&world.instance)).unwrap();
    listed.iter().map(|object| record(&world.stores[0], &object.key)).collect()
}

/// That what is listed is whole, and what is not is swept by the next plan.
fn nothing_is_half(world: &World, when: &str) {
    let facts = world.facts(true);
    let Some(StoreFacts::Ready(listing)) = facts.stores.get(&name(STORES[0])) else { return };
    let series = listing.series.get(&name("dump")).cloned().unwrap_or_default();
    assert!(series.artifacts.iter().all(Artifact::listed_complete), "{when}: {series:#?}");
    let plan = world.plan(&facts, world.now());
    for key in series.orphans.iter().flat_map(|orphan| &orphan.keys) {
        let swept = plan.steps.iter().any(|step| matches!(&step.work, Work::Sweep { keys, .. } if keys.contains(key)));
        assert!(swept, "{when}: `{key}` stays: {plan:#?}");
    }
}

#[test]
fn an_adoption_that_a_store_ends_anywhere_lists_nothing_half_and_can_be_repeated() {
    let good = Budget::unlimited();
    drop(adopt(&Arc::new(World::new(1, set(MANIFEST))), &good).unwrap());
    let (all, mut ended) = (good.spent(), 0);
    for (fault, at) in
        [Fault::Kill, Fault::Error, Fault::Lost, Fault::Full].into_iter().flat_map(|fault| (0..all).map(move |at| (fault, at)))
    {
        let when = format!("{fault:?} at change {at}");
        let world = Arc::new(World::new(at, set(MANIFEST)));
        ended += u64::from(adopt(&world, &Budget::at(at, fault)).is_err());
        nothing_is_half(&world, &when);
        match adopt(&world, &Budget::unlimited()) {
            Ok(adopted) => assert_eq!(adopted.missing, [name(STORES[1])], "{when}"),
            Err(AdoptError::Known { store, .. }) => assert_eq!(store, name(STORES[0]), "{when}"),
            Err(error) => panic!("{when}: {error}"),
        }
        let records = records(&world);
        assert_eq!(records.len(), 1, "{when}");
        assert_eq!((records[0].slot, records[0].origin.is_some()), (None, true), "{when}");
        nothing_is_half(&world, &format!("again, {when}"));
    }
    assert!(all > 5 && ended > all, "the mark, the claim, the manifest, the payload and the record are changes: {ended} of {all}");
}
