//! What the holding of a lease does, call by call, over a store in memory that meets a fault where a test says.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant as Moment};

use chrono::TimeDelta;

use super::keeper::{Keeper, Renewed, Taken, take};
use super::*;
use crate::model::id::{Instant, Random};
use crate::store::error::StoreError;
use crate::store::faults::{Budget, Fault, Faulty};
use crate::store::port::{Locked, Register, Swap};
use crate::store::{Memory, ReadStore, WriteStore};

pub(in crate::store) const TEN_MINUTES: Duration = Duration::from_mins(10);
const KEY: &str = "lucid/lock/config";

pub(in crate::store) fn random(n: u8) -> Random {
    Random::new([n; 10])
}

/// The lease of somebody else, taken for the fifth time.
pub(in crate::store) fn record(ttl: Duration) -> LeaseRecord {
    let process = Process { hostname: "db1".to_owned(), pid: 7, ..Process::default() };
    let claim = Claim {
        claimant: Claimant { process, uptime: Arc::new(|| Duration::ZERO), alive: Arc::new(|_, _| true) },
        run: "nbswy3dpo5xxe3de".parse().unwrap(),
        nonce: random(200),
        purpose: "apply".to_owned(),
        at: start(),
        ttl,
    };
    claim.record(5)
}

pub(in crate::store) fn start() -> Instant {
    "2026-11-23T02:00:00Z".parse().unwrap()
}

/// A host with a clock of its own.
pub(in crate::store) struct Host {
    pub(in crate::store) uptime: Arc<AtomicU64>,
    pub(in crate::store) claim: Claim,
}

impl Host {
    pub(in crate::store) fn new(n: u8) -> Self {
        let uptime = Arc::new(AtomicU64::new(u64::from(n) * 1_000_000));
        let ticks = Arc::clone(&uptime);
        let process = Process {
            host: format!("host-{n}"),
            hostname: format!("db{n}"),
            boot: format!("boot-{n}"),
            pid: u32::from(n),
            pid_start: 1,
            pid_namespace: 1,
            version: "0.1.0".to_owned(),
        };
        let claimant = Claimant {
            process,
            uptime: Arc::new(move || Duration::from_millis(ticks.load(Ordering::SeqCst))),
            alive: Arc::new(|_, _| true),
        };
        let claim = Claim { claimant, run: random(n), nonce: random(100 + n), purpose: "apply".to_owned(), at: start(), ttl: TEN_MINUTES };
        Self { uptime, claim }
    }

    fn passes(&self, by: Duration) {
        self.uptime.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

/// A store in which time passes.
struct Room {
    store: Memory,
    now: Mutex<Instant>,
}

impl Room {
    fn new() -> Self {
        let store = Memory::new();
        store.set_time(start());
        Self { store, now: Mutex::new(start()) }
    }

    fn passes(&self, by: Duration) {
        let mut now = self.now.lock().unwrap();
        *now += TimeDelta::from_std(by).unwrap();
        self.store.set_time(*now);
    }

    fn swap(&self) -> Arc<dyn Swap> {
        self.store.swapper().unwrap()
    }

    fn record(&self) -> LeaseRecord {
        LeaseRecord::read(&self.store.get(KEY).unwrap()).unwrap()
    }
}

fn ours(taken: Taken) -> (Keeper, Option<String>) {
    match taken {
        Taken::Ours(keeper, said) => (*keeper, said),
        Taken::By(holder) => panic!("it is held by {holder}"),
    }
}

fn theirs(taken: Taken) -> Holder {
    match taken {
        Taken::By(holder) => holder,
        Taken::Ours(..) => panic!("it must not be had"),
    }
}

fn ask(swap: &Arc<dyn Swap>, host: &Host) -> Taken {
    take(swap, "offsite", KEY, &host.claim).unwrap()
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn one_has_it_and_the_other_is_told_who_and_for_how_long() {
    let (room, one, two) = (Room::new(), Host::new(1), Host::new(2));
    let (keeper, said) = ours(ask(&room.swap(), &one));
    assert_eq!((said, room.record().epoch, room.record().nonce), (None, 1, one.claim.nonce));
    room.passes(secs(30));
    let holder = theirs(ask(&room.swap(), &two));
    let words = "run aeaqcaibaeaqcaib of host db1 (pid 1, apply) since 2026-11-23 02:00:00 UTC, last heard of 30 s ago, free at \
        2026-11-23 02:11:00 UTC unless it is heard of again";
    assert_eq!(holder.to_string(), words);
    keeper.check().unwrap();
    keeper.release();
    assert!(!room.record().is_held());
    let (_, said) = ours(ask(&room.swap(), &two));
    assert_eq!((said, room.record().epoch), (None, 2));
    assert!(keeper.check().unwrap_err().why.contains("db2"));
}

#[test]
fn a_lease_is_taken_over_after_its_time_by_the_stores_clock_and_not_before() {
    let (room, one, two) = (Room::new(), Host::new(1), Host::new(2));
    let (keeper, _) = ours(ask(&room.swap(), &one));
    room.passes(secs(660));
    // The waiter's own clocks say nothing: they may be set to anything.
    two.passes(secs(1_000_000));
    theirs(ask(&room.swap(), &two));
    room.passes(Duration::from_millis(1));
    let (_, said) = ours(ask(&room.swap(), &two));
    assert!(said.unwrap().contains("taken over from run aeaqcaibaeaqcaib of host db1"));
    assert_eq!(room.record().epoch, 2);
    // The first one's clock stood still with its host; the store tells it all the same.
    let lost = keeper.check().unwrap_err();
    assert_eq!((lost.place.as_str(), lost.key.as_str()), ("offsite", KEY));
    assert!(lost.to_string().contains("is lost: run ajbaeaqcaibaeaqc of host db2") || lost.why.contains("db2"), "{lost}");
    assert_eq!(keeper.renew(), Renewed::Lost);
    keeper.release();
    assert_eq!(room.record().nonce, two.claim.nonce);
    assert!(room.record().is_held(), "what is another's is not released");
}

#[test]
fn a_host_that_slept_for_an_hour_finds_its_lease_lost_before_it_asks_anybody() {
    let (room, one) = (Room::new(), Host::new(1));
    let budget = Budget::unlimited();
    let store = Faulty::new(room.store.clone(), &budget);
    let (keeper, _) = ours(ask(&store.swapper().unwrap(), &one));
    let spent = budget.spent();
    one.passes(secs(3600));
    // Nobody has taken it: it is lost all the same, and a renewal does not bring it back.
    assert_eq!(keeper.renew(), Renewed::Lost);
    let lost = keeper.check().unwrap_err();
    assert!(lost.why.contains("not renewed within its 600 s"), "{lost}");
    assert_eq!(budget.spent(), spent, "nothing was written");
}

#[test]
fn renewals_carry_a_lease_on_and_a_check_near_its_end_renews() {
    let (room, one) = (Room::new(), Host::new(1));
    let (keeper, _) = ours(ask(&room.swap(), &one));
    for n in 1..=10 {
        one.passes(secs(200));
        room.passes(secs(200));
        assert_eq!(keeper.renew(), Renewed::Yes);
        assert_eq!(room.record().counter, n);
    }
    one.passes(secs(480));
    keeper.check().unwrap();
    assert_eq!(room.record().counter, 10, "sixty seconds are left");
    one.passes(secs(1));
    keeper.check().unwrap();
    assert_eq!(room.record().counter, 11);
}

#[test]
fn a_store_that_does_not_answer_leaves_the_lease_its_time_and_no_more() {
    let (room, one) = (Room::new(), Host::new(1));
    let down = Arc::new(Down { inner: room.swap(), down: Mutex::new(false) });
    let swap: Arc<dyn Swap> = Arc::clone(&down) as Arc<dyn Swap>;
    let (keeper, _) = ours(ask(&swap, &one));
    *down.down.lock().unwrap() = true;
    one.passes(secs(480));
    keeper.check().unwrap();
    assert_eq!(keeper.renew(), Renewed::Unknown);
    one.passes(secs(1));
    let lost = keeper.check().unwrap_err();
    assert!(lost.why.contains("ends in 59 s and could not be renewed"), "{lost}");
    // Only this batch had too little time: the store answers again.
    *down.down.lock().unwrap() = false;
    keeper.check().unwrap();
    *down.down.lock().unwrap() = true;
    one.passes(secs(540));
    assert!(keeper.check().unwrap_err().why.contains("not renewed within"));
    *down.down.lock().unwrap() = false;
    assert!(keeper.check().is_err(), "lost is lost");
}

#[test]
fn an_answer_that_is_lost_is_found_by_its_nonce_whatever_was_asked() {
    for (fault, twice) in [(Fault::Lost, false), (Fault::Error, true), (Fault::Full, true)] {
        let (room, one, two) = (Room::new(), Host::new(1), Host::new(2));
        let (keeper, _) = ours(ask(&Faulty::new(room.store.clone(), &Budget::at(1, fault)).swapper().unwrap(), &one));
        keeper.check().unwrap();
        theirs(ask(&room.swap(), &two));
        assert_eq!(room.record().nonce, one.claim.nonce);
        keeper.release();
        // The second write of this one: a renewal.
        let (keeper, said) = ours(ask(&Faulty::new(room.store.clone(), &Budget::at(2, fault)).swapper().unwrap(), &two));
        assert_eq!(said, None);
        assert_eq!(keeper.renew(), Renewed::Yes);
        assert_eq!(room.record().counter, if twice { 2 } else { 1 });
        assert_eq!(keeper.renew(), Renewed::Yes);
        // And a release.
        keeper.release();
        let (keeper, _) = ours(ask(&Faulty::new(room.store.clone(), &Budget::at(2, fault)).swapper().unwrap(), &one));
        keeper.release();
        assert!(!room.record().is_held());
    }
}

#[test]
fn a_refusal_of_a_write_that_was_made_is_no_loss() {
    let (room, one) = (Room::new(), Host::new(1));
    // A request that the SDK repeats: the first was made and its answer lost, the second is refused.
    let swap: Arc<dyn Swap> = Arc::new(Repeats(room.swap()));
    let (keeper, _) = ours(ask(&swap, &one));
    assert_eq!(keeper.renew(), Renewed::Yes);
    assert_eq!(room.record().counter, 1);
    keeper.check().unwrap();
    keeper.release();
    assert!(!room.record().is_held());
}

#[test]
fn a_process_that_is_gone_from_this_boot_leaves_its_lease_at_once() {
    let table = [
        ("gone", "boot-1", 1, false, true),
        ("still there", "boot-1", 1, true, false),
        ("of another boot or host", "boot-9", 1, false, false),
        ("of another namespace", "boot-1", 9, false, false),
        ("of an unknown boot", "", 1, false, false),
        ("of an unknown namespace", "boot-1", 0, false, false),
    ];
    for (case, boot, namespace, alive, free) in table {
        let (room, one, mut two) = (Room::new(), Host::new(1), Host::new(2));
        let (_keeper, _) = ours(ask(&room.swap(), &one));
        two.claim.claimant.process.boot = boot.to_owned();
        two.claim.claimant.process.pid_namespace = namespace;
        two.claim.claimant.alive = Arc::new(move |pid, start| {
            assert_eq!((pid, start), (1, 1));
            alive
        });
        match ask(&room.swap(), &two) {
            Taken::Ours(_, said) => assert!(free && said.unwrap().contains("whose process is gone"), "{case}"),
            Taken::By(_) => assert!(!free, "{case}"),
        }
    }
}

#[test]
fn unlock_ends_the_lease_of_the_run_that_is_named_and_of_no_other() {
    let (room, one) = (Room::new(), Host::new(1));
    let swap = room.swap();
    assert_eq!(unlock(&swap, "offsite", KEY, &one.claim.run).unwrap(), Unlocked::Other(None));
    let (keeper, _) = ours(ask(&swap, &one));
    assert!(matches!(unlock(&swap, "offsite", KEY, &random(9)).unwrap(), Unlocked::Other(Some(_))));
    keeper.check().unwrap();
    // The run renews at that very moment: what is there then decides.
    let renewing: Arc<dyn Swap> = Arc::new(Meanwhile(room.swap(), Mutex::new(Some(keeper))));
    assert!(matches!(unlock(&renewing, "offsite", KEY, &one.claim.run).unwrap(), Unlocked::Released(found) if found.counter == 1));
    let released = room.record();
    assert!(!released.is_held());
    assert_eq!(unlock(&swap, "offsite", KEY, &one.claim.run).unwrap(), Unlocked::Other(Some(released)));
}

#[test]
fn a_lease_that_somebody_has_ended_is_lost_to_its_holder() {
    let (room, one) = (Room::new(), Host::new(1));
    let (keeper, _) = ours(ask(&room.swap(), &one));
    unlock(&room.swap(), "offsite", KEY, &one.claim.run).unwrap();
    assert!(keeper.check().unwrap_err().why.contains("somebody released it"));
    assert_eq!(keeper.renew(), Renewed::Lost);
}

#[test]
fn what_this_version_cannot_read_is_refused_and_left_alone() {
    let newer = String::from_utf8(record(TEN_MINUTES).write()).unwrap().replace("\"1.0\"", "\"2.0\"");
    for (bytes, words, what) in [("", "cannot be read", "look at the object"), (newer.as_str(), "is 2.0", "newer version")] {
        let (room, one) = (Room::new(), Host::new(1));
        room.store.put(KEY, bytes.as_bytes());
        let Err(StoreError::Unusable { message, help }) = take(&room.swap(), "offsite", KEY, &one.claim) else { panic!("{bytes}") };
        assert!(message.contains(KEY) && message.contains(words) && help.contains(what), "{message} {help}");
        assert!(unlock(&room.swap(), "offsite", KEY, &one.claim.run).is_err());
        assert_eq!(room.store.get(KEY).unwrap(), bytes.as_bytes());
    }
}

#[test]
fn a_record_that_is_removed_or_overwritten_is_a_loss() {
    for (bytes, why) in [(None, "was removed"), (Some("x"), "was overwritten")] {
        let (room, one) = (Room::new(), Host::new(1));
        let (keeper, _) = ours(ask(&room.swap(), &one));
        match bytes {
            None => drop(room.store.delete(KEY).unwrap()),
            Some(bytes) => room.store.put(KEY, bytes.as_bytes()),
        }
        assert_eq!(keeper.renew(), Renewed::Lost);
        assert!(keeper.check().unwrap_err().why.contains(why));
        keeper.release();
        assert_eq!(room.store.get(KEY).ok(), bytes.map(|bytes| bytes.as_bytes().to_vec()));
    }
}

#[test]
fn a_kept_lease_is_renewed_without_being_asked_and_released_when_dropped() {
    let room = Room::new();
    let began = Moment::now();
    let mut one = Host::new(1);
    one.claim.ttl = secs(1);
    one.claim.claimant.uptime = Arc::new(move || began.elapsed());
    let Locked::Held { lease, said } = lock(&room.swap(), "offsite", KEY, &one.claim).unwrap() else { panic!("it was free") };
    assert_eq!(said, None);
    let end = began + Duration::from_mins(1);
    while room.record().counter < 2 {
        assert!(Moment::now() < end, "it is never renewed");
        std::thread::yield_now();
    }
    lease.check().unwrap();
    drop(lease);
    assert!(!room.record().is_held());
    assert_eq!(room.record().ttl_seconds, 1);
}

/// A store that can stop answering.
struct Down {
    inner: Arc<dyn Swap>,
    down: Mutex<bool>,
}

impl Down {
    fn up(&self) -> Result<(), StoreError> {
        let down = StoreError::Unusable { message: "it does not answer".to_owned(), help: String::new() };
        if *self.down.lock().unwrap() { Err(down) } else { Ok(()) }
    }
}

impl Swap for Down {
    fn load(&self, key: &str) -> Result<Option<Register>, StoreError> {
        self.up().and_then(|()| self.inner.load(key))
    }

    fn swap(&self, key: &str, expected: Option<&str>, bytes: &[u8]) -> Result<Option<String>, StoreError> {
        self.up().and_then(|()| self.inner.swap(key, expected, bytes))
    }
}

/// A store in which the holder renews just before the first write of somebody else.
struct Meanwhile(Arc<dyn Swap>, Mutex<Option<Keeper>>);

impl Swap for Meanwhile {
    fn load(&self, key: &str) -> Result<Option<Register>, StoreError> {
        self.0.load(key)
    }

    fn swap(&self, key: &str, expected: Option<&str>, bytes: &[u8]) -> Result<Option<String>, StoreError> {
        if let Some(keeper) = self.1.lock().unwrap().take() {
            assert_eq!(keeper.renew(), Renewed::Yes);
        }
        self.0.swap(key, expected, bytes)
    }
}

/// A client that sends everything twice and believes the second answer.
struct Repeats(Arc<dyn Swap>);

impl Swap for Repeats {
    fn load(&self, key: &str) -> Result<Option<Register>, StoreError> {
        self.0.load(key)
    }

    fn swap(&self, key: &str, expected: Option<&str>, bytes: &[u8]) -> Result<Option<String>, StoreError> {
        self.0.swap(key, expected, bytes)?;
        self.0.swap(key, expected, bytes)
    }
}
