//! What a run does whose lease is lost on the way: nothing more, and says which store it was.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;

use super::odd::{Habits, Odd};
use super::world::{Luck, World, name, set};
use crate::execute::Checker;
use crate::execute::error::StepError;
use crate::execute::holding::{Asking, Holding};
use crate::execute::run::Run;
use crate::execute::traces::forget_swept;
use crate::model::id::{Name, Random};
use crate::plan::{Request, Step, Work};
use crate::store::documents::{self, FormatVersion, OwnerRecord};
use crate::store::lease::{Claim, Claimant, LeaseLost, Process, TTL};
use crate::store::{Lease, Locked, Memory, ReadStore, WriteStore, layout};

const MANIFEST: &str = "version = 1\nname = \"lucid\"\ntimezone = \"Etc/UTC\"\n\
    [store.directory.local]\npath = \"/stores/local\"\n[store.directory.offsite]\npath = \"/stores/offsite\"\n\
    [guard]\nmax_delete_fraction = 1.0\n[source.files.tree]\npaths = [\"/srv/tree\"]\n[source.command.dump]\ncommand = [\"dump\"]\n\
    [schedule]\nnightly = { cron = \"0 2 * * *\" }\n[retention]\nshort = { keep_last = 1, min_count = 1, min_age = \"1h\" }\n\
    [policy.config]\nsource = \"tree\"\nschedule = \"nightly\"\nretention = \"short\"\nstores = [\"local\", \"offsite\"]\n";

/// A lease that is good for so many looks.
struct Until(AtomicUsize);

impl Lease for Until {
    fn check(&self) -> Result<(), LeaseLost> {
        let good = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        let lost = || LeaseLost { place: "s3://bucket".to_owned(), key: "lucid/lock/config".to_owned(), why: "db2 has it".to_owned() };
        if good { Ok(()) } else { Err(lost()) }
    }
}

fn holding(looks: usize) -> Holding {
    let lease = |store: &str| ((name(store), name("config")), Box::new(Until(AtomicUsize::new(looks))) as Box<dyn Lease>);
    Holding::of(BTreeMap::from([lease("local"), lease("offsite")]))
}

fn run_with(world: &World, held: Holding) -> Run {
    let facts = world.facts(true);
    Run {
        set: Arc::clone(&world.set),
        ports: world.bare(),
        id: Random::new([1; 10]),
        facts,
        window: None,
        held: Arc::new(held),
        floors: std::sync::Mutex::default(),
    }
}

fn steps(world: &World, now: bool) -> Vec<Step> {
    let facts = world.facts(true);
    crate::plan::decide(&world.set, &facts, world.now(), &Request { now, ..Request::default() }).steps
}

fn of_kind(steps: &[Step], kind: &str) -> Step {
    steps.iter().find(|step| step.work.kind() == kind).unwrap_or_else(|| panic!("no {kind} in {steps:#?}")).clone()
}

fn refused(run: &Run, step: &Step) -> String {
    match run.perform(step) {
        Err(error @ StepError::Lease(_)) => error.to_string(),
        other => panic!("{}: {other:?}", step.address),
    }
}

fn applied(world: &mut World) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let facts = world.facts(true);
    let outcome = world.apply(&runtime, Luck::Good, TimeDelta::milliseconds(1), false, &facts).outcome.unwrap();
    assert!(!outcome.steps.is_empty() && outcome.locked.is_empty(), "{outcome:#?}");
}

fn records(store: &Memory) -> Vec<String> {
    store.keys().into_iter().filter(|key| key.contains("/catalog/")).collect()
}

#[test]
fn no_record_is_written_and_nothing_is_deleted_without_the_lease() {
    let mut world = World::new(1, set(MANIFEST));
    // Captured, and its record refused: the payload is there, the artifact is not.
    let init = run_with(&world, Holding::default());
    for step in steps(&world, true).iter().filter(|step| matches!(step.work, Work::Init { .. })) {
        init.perform(step).unwrap();
    }
    let capture = of_kind(&steps(&world, true), "capture");
    let said = refused(&run_with(&world, holding(0)), &capture);
    assert_eq!(said, "s3://bucket: the lease `lucid/lock/config` is lost: db2 has it; what was under way is left to the next run");
    assert_eq!(records(&world.stores[0]), [] as [String; 0]);
    run_with(&world, holding(1)).perform(&capture).unwrap();
    // Copied likewise.
    let copy = of_kind(&steps(&world, false), "copy");
    refused(&run_with(&world, holding(0)), &copy);
    assert_eq!((records(&world.stores[0]).len(), records(&world.stores[1]).len()), (1, 0));
    applied(&mut world);
    world.advance(TimeDelta::days(2));
    run_with(&world, holding(1)).perform(&of_kind(&steps(&world, true), "capture")).unwrap();
    let copies = steps(&world, false);
    for copy in copies.iter().filter(|step| step.work.kind() == "copy") {
        run_with(&world, holding(1)).perform(copy).unwrap();
    }
    let delete = of_kind(&steps(&world, false), "delete");
    let before = [world.stores[0].keys(), world.stores[1].keys()];
    refused(&run_with(&world, holding(0)), &delete);
    assert_eq!([world.stores[0].keys(), world.stores[1].keys()], before);
    // Lost between the record and the payload: what is left lists as nothing, and is swept by whoever comes next.
    refused(&run_with(&world, holding(1)), &delete);
    let [local, offsite] = &world.stores;
    let gone: usize = before.iter().flatten().count() - local.keys().len() - offsite.keys().len();
    assert_eq!(gone, 1, "the record alone");
}

#[test]
fn a_sweep_needs_the_lease_of_its_series_or_all_of_the_store() {
    let world = World::new(1, set(MANIFEST));
    world.stores[0].put("lucid/data/config/x", b"x");
    let keys = vec!["lucid/data/config/x".to_owned()];
    let sweep = |series: Option<Name>| Step {
        address: "sweep:store.local".to_owned(),
        work: Work::Sweep { store: name("local"), series, keys: keys.clone(), bytes: 1 },
        reason: crate::plan::Reason::Interrupted {},
        span: None,
        after: Vec::new(),
    };
    refused(&run_with(&world, holding(0)), &sweep(Some(name("config"))));
    refused(&run_with(&world, holding(0)), &sweep(None));
    let never_had = run_with(&world, Holding::default()).perform(&sweep(Some(name("config")))).unwrap_err();
    assert!(never_had.to_string().contains("no lease of series `config`"), "{never_had}");
    assert_eq!(world.stores[0].keys(), keys);
    run_with(&world, holding(1)).perform(&sweep(Some(name("config")))).unwrap();
    assert!(world.stores[0].keys().is_empty());
}

#[test]
fn a_policy_is_left_to_the_host_that_has_one_of_its_leases_and_none_of_the_others_is_kept() {
    let mut world = World::new(1, set(MANIFEST));
    applied(&mut world);
    let claim = Claim {
        claimant: Claimant {
            process: Process { hostname: "db2".to_owned(), pid: 9, ..Process::default() },
            uptime: Arc::new(|| Duration::ZERO),
            alive: Arc::new(|_, _| true),
        },
        run: Random::new([9; 10]),
        nonce: Random::new([8; 10]),
        purpose: "apply".to_owned(),
        at: world.now(),
        ttl: TTL,
    };
    let key = layout::lock(&world.instance, &name("config"));
    let Locked::Held { lease, .. } = world.stores[1].lock(&key, &claim).unwrap() else { panic!("it is free") };
    let asking = || Asking {
        set: Arc::clone(&world.set),
        ports: world.bare(),
        run: Random::new([1; 10]),
        facts: world.facts(true),
        request: Request::default(),
        purpose: "apply",
    };
    let asked = asking().take().unwrap();
    assert_eq!((asked.free.len(), asked.refused.len(), asked.locked.len()), (0, 0, 1));
    let words = &asked.locked[0].1;
    assert!(words.contains("of host db2 (pid 9, apply)") && words.ends_with("its lease is on store `offsite`"), "{words}");
    assert!(String::from_utf8(world.stores[0].get(&key).unwrap()).unwrap().contains("\"released\""), "the first store's was given back");
    drop(lease);
    let asked = asking().take().unwrap();
    assert_eq!((asked.free.len(), asked.locked.len()), (1, 0));
    asked.holding.check(&world.set, &name("local"), &name("config")).unwrap();
    // What this version cannot read keeps the policy out too, and is no lock of anybody's.
    drop(asked);
    world.stores[1].put(&key, b"nonsense");
    let asked = asking().take().unwrap();
    assert_eq!((asked.free.len(), asked.locked.len(), asked.refused.len()), (0, 0, 1));
    assert!(asked.refused[0].1.message.contains("gets no lease on store `offsite`"), "{:?}", asked.refused[0].1);
}

fn init(world: &World) {
    let run = run_with(world, Holding::default());
    for step in steps(world, true).iter().filter(|step| matches!(step.work, Work::Init { .. })) {
        run.perform(step).unwrap();
    }
}

#[test]
fn nothing_goes_while_the_record_of_what_stays_does_not_read() {
    let mut world = World::new(1, set(MANIFEST));
    applied(&mut world);
    world.advance(TimeDelta::days(2));
    run_with(&world, holding(1)).perform(&of_kind(&steps(&world, true), "capture")).unwrap();
    for copy in steps(&world, false).iter().filter(|step| step.work.kind() == "copy") {
        run_with(&world, holding(1)).perform(copy).unwrap();
    }
    let delete = of_kind(&steps(&world, false), "delete");
    let store = world.stores.iter().zip(super::world::STORES).find(|(_, store)| delete.work.store().unwrap().as_str() == *store).unwrap().0;
    let newest = records(store).pop().unwrap();
    let good = store.get(&newest).unwrap();
    store.put(&newest, b"nonsense");
    let before = store.keys();
    let error = run_with(&world, holding(9)).perform(&delete).unwrap_err().to_string();
    assert!(error.contains("nothing of series `config` goes") && error.contains(&newest), "{error}");
    assert_eq!(store.keys(), before);
    store.put(&newest, &good);
    run_with(&world, holding(9)).perform(&delete).unwrap();
    assert!(store.keys().len() < before.len());
}

#[test]
fn an_owner_that_does_not_read_ends_no_capture_and_its_bytes_are_checked_as_its_own() {
    let world = World::new(1, set(MANIFEST));
    world.advance(TimeDelta::hours(1));
    init(&world);
    let capture = || {
        world.advance(TimeDelta::hours(1));
        run_with(&world, holding(9)).perform(&of_kind(&steps(&world, true), "capture")).unwrap()
    };
    assert!(!capture().unchanged);
    let owner = records(&world.stores[0]).pop().unwrap();
    let pointer = capture();
    assert!(pointer.unchanged);
    let checker = Checker::new(Arc::clone(&world.set), world.bare(), world.facts(true));
    let found = checker.check(&name("local"), &name("config"), pointer.id.unwrap(), 1, 2);
    assert_eq!((found.level, found.verdict, found.findings.len()), (0, layout::Verdict::Pass, 1), "{found:?}");
    let good = world.stores[0].get(&owner).unwrap();
    world.stores[0].put(&owner, b"nonsense");
    assert!(!capture().unchanged);
    world.stores[0].put(&owner, &good);
}

#[test]
fn a_claim_that_no_listing_shows_is_read_by_its_key() {
    let world = World::new(1, set(MANIFEST));
    let run = run_with(&world, Holding::default());
    let key = layout::owner(&world.instance, 1);
    let other = OwnerRecord { format_version: FormatVersion::CURRENT, host: "db2".to_owned(), hostname: "db2".to_owned(), at: world.now() };
    world.stores[0].put(&key, &documents::write(&other));
    let habits = Habits { unlisted: [key].into(), ..Habits::default() };
    let store = Odd { inner: Arc::new(world.stores[0].clone()), habits: Arc::new(Mutex::new(habits)) };
    let error = run.claim(&store).unwrap_err().to_string();
    assert!(error.contains("belongs to host `db2`"), "{error}");
}

#[test]
fn what_was_left_is_not_forgotten_for_a_listing_that_could_not_show_it() {
    let mut world = World::new(1, set(MANIFEST));
    applied(&mut world);
    let left = "local/config/x".to_owned();
    world.bare().state.take_off("dead", &left).unwrap();
    for (catalog_only, there) in [(true, true), (false, false)] {
        world.catalog_only = catalog_only;
        forget_swept(&world.bare(), &world.instance, &world.facts(true)).unwrap();
        assert_eq!(world.bare().state.abandoned().unwrap().contains(&left), there);
    }
}

#[test]
fn a_store_is_remembered_by_whoever_works_on_it() {
    let mut world = World::new(1, set(MANIFEST));
    applied(&mut world);
    let known = world.bare().state.stores().unwrap();
    assert_eq!(known.len(), 2);
    for store in ["lucid/local", "lucid/offsite"] {
        world.bare().state.forget_store(&name("lucid"), &name(store.trim_start_matches("lucid/"))).unwrap();
    }
    world.advance(TimeDelta::days(2));
    applied(&mut world);
    assert_eq!(world.bare().state.stores().unwrap(), known);
}
