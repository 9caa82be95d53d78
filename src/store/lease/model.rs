//! Hosts, one lease, and everything that can go wrong, at random: at no instant of the store's time may two change what it protects.
//!
//! Two hosts act one after the other; a third one asks in the middle of their calls. The law was seen to break
//! where a successor may begin before the ttl is over.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use proptest::prelude::*;

use super::keeper::{Keeper, Taken, take};
use super::tests::{Host, random, start};
use super::unlock;
use crate::model::id::Random;
use crate::store::error::StoreError;
use crate::store::port::{Register, Swap};
use crate::store::{Memory, WriteStore};

const KEY: &str = "lucid/lock/config";

/// What happens to one write on its way.
#[derive(Debug, Clone, Copy)]
enum Way {
    Good,
    /// It arrives, and the answer does not.
    Unanswered,
    /// It does not arrive.
    Lost,
    /// It arrives after the sender has given up on it: as late as so many further writes, whoever sends them.
    Late(u8),
    /// It is sent twice by a library that means well.
    Twice,
    /// The third host asks for the lease before it arrives.
    Crossed,
}

#[derive(Debug, Clone, Copy)]
enum Act {
    Ask(usize),
    Renew(usize),
    Check(usize),
    Release(usize),
    /// Everybody's time passes, in seconds.
    Passes(u16),
    /// One host's wall clock is set, which nobody should mind.
    Set(usize, i32),
    /// The next writes go these ways.
    Ways([Way; 3]),
    /// The store answers no reads until it is said again.
    Silent(bool),
    /// Somebody breaks the lease of a host's run, whose process is gone.
    Dies(usize),
}

fn ways() -> impl Strategy<Value = Way> {
    prop_oneof![
        4 => Just(Way::Good),
        1 => Just(Way::Unanswered),
        1 => Just(Way::Lost),
        1 => (0_u8..6).prop_map(Way::Late),
        1 => Just(Way::Twice),
        1 => Just(Way::Crossed),
    ]
}

fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0_usize..2).prop_map(Act::Ask),
        3 => (0_usize..2).prop_map(Act::Renew),
        2 => (0_usize..2).prop_map(Act::Check),
        1 => (0_usize..2).prop_map(Act::Release),
        5 => prop_oneof![0_u16..30, 170_u16..230, 450_u16..700, Just(3600)].prop_map(Act::Passes),
        1 => (0_usize..2, any::<i32>()).prop_map(|(host, by)| Act::Set(host, by)),
        3 => [ways(), ways(), ways()].prop_map(Act::Ways),
        1 => any::<bool>().prop_map(Act::Silent),
        1 => (0_usize..2).prop_map(Act::Dies),
    ]
}

/// A write on its way: how many others it lets pass, the tag that it expects, and its bytes.
type Letter = (u8, Option<String>, Vec<u8>);

/// A network between the hosts and the store.
#[derive(Default)]
struct Network {
    store: Memory,
    ways: Mutex<Vec<Way>>,
    late: Mutex<Vec<Letter>>,
    silent: Mutex<bool>,
    third: Option<Third>,
}

/// A host that asks while others are in the middle of something, over lines that are always good.
struct Third {
    lines: Arc<Network>,
    host: Mutex<Host>,
    keeper: Mutex<Option<Keeper>>,
    asked: AtomicU64,
}

impl Third {
    fn ask(&self) {
        let mut host = self.host.lock().unwrap();
        let mut keeper = self.keeper.lock().unwrap();
        let number = self.asked.fetch_add(1, Ordering::SeqCst).to_be_bytes();
        host.claim.nonce = Random::new(std::array::from_fn(|n| number.get(n).copied().unwrap_or(3)));
        if let Ok(Taken::Ours(taken, _)) = take(&(Arc::clone(&self.lines) as Arc<dyn Swap>), "model", KEY, &host.claim) {
            *keeper = Some(*taken);
        }
    }
}

impl Network {
    fn answer(&self, expected: Option<&str>, bytes: &[u8]) -> Result<Option<String>, StoreError> {
        self.store.swap(KEY, expected, bytes)
    }

    /// What is late by now arrives.
    fn arrive(&self) {
        let due: Vec<_> = {
            let mut late = self.late.lock().unwrap();
            late.iter_mut().for_each(|(left, ..)| *left = left.saturating_sub(1));
            late.extract_if(.., |(left, ..)| *left == 0).collect()
        };
        for (_, expected, bytes) in due {
            self.answer(expected.as_deref(), &bytes).unwrap();
        }
    }
}

fn lost() -> StoreError {
    StoreError::Unusable { message: "no answer".to_owned(), help: String::new() }
}

impl Swap for Network {
    fn load(&self, key: &str) -> Result<Option<Register>, StoreError> {
        if *self.silent.lock().unwrap() { Err(lost()) } else { self.store.load(key) }
    }

    fn swap(&self, _: &str, expected: Option<&str>, bytes: &[u8]) -> Result<Option<String>, StoreError> {
        self.arrive();
        match self.ways.lock().unwrap().pop().unwrap_or(Way::Good) {
            Way::Good => self.answer(expected, bytes),
            Way::Unanswered => self.answer(expected, bytes).and(Err(lost())),
            Way::Lost => Err(lost()),
            Way::Late(after) => {
                self.late.lock().unwrap().push((after + 1, expected.map(str::to_owned), bytes.to_vec()));
                Err(lost())
            }
            Way::Crossed => {
                self.third.iter().for_each(Third::ask);
                self.answer(expected, bytes)
            }
            Way::Twice => self.answer(expected, bytes).and_then(|_| self.answer(expected, bytes)),
        }
    }
}

fn run(acts: &[Act]) -> Result<usize, TestCaseError> {
    let store = Memory::new();
    let lines = Arc::new(Network { store: store.clone(), ..Network::default() });
    let third = Third { lines: Arc::clone(&lines), host: Mutex::new(Host::new(3)), keeper: Mutex::default(), asked: AtomicU64::new(0) };
    let network = Arc::new(Network { store, third: Some(third), ..Network::default() });
    let third = network.third.as_ref().unwrap();
    let swap: Arc<dyn Swap> = Arc::clone(&network) as Arc<dyn Swap>;
    let mut now = start();
    network.store.set_time(now);
    let mut hosts = [Host::new(1), Host::new(2)];
    let mut keepers: [Option<Keeper>; 2] = [None, None];
    let (mut nonce, mut held) = (0_u8, 0);
    for act in acts {
        match *act {
            Act::Ask(n) => {
                nonce = nonce.wrapping_add(1);
                hosts[n].claim.nonce = random(nonce);
                if keepers[n].is_none()
                    && let Ok(Taken::Ours(keeper, _)) = take(&swap, "model", KEY, &hosts[n].claim)
                {
                    keepers[n] = Some(*keeper);
                }
            }
            Act::Renew(n) => drop(keepers[n].as_ref().map(Keeper::renew)),
            Act::Check(n) => {
                if keepers[n].as_ref().is_some_and(|keeper| keeper.check().is_err()) {
                    keepers[n] = None;
                }
            }
            Act::Release(n) => {
                if let Some(keeper) = keepers[n].take() {
                    keeper.release();
                }
            }
            Act::Passes(seconds) => {
                now += TimeDelta::seconds(i64::from(seconds));
                network.store.set_time(now);
                for host in hosts.iter().chain([&*third.host.lock().unwrap()]) {
                    host.uptime.fetch_add(u64::from(seconds) * 1000, Ordering::SeqCst);
                }
            }
            Act::Set(n, by) => hosts[n].claim.at += TimeDelta::seconds(i64::from(by)),
            Act::Ways(ways) => *network.ways.lock().unwrap() = ways.into(),
            Act::Silent(silent) => *network.silent.lock().unwrap() = silent,
            Act::Dies(n) => {
                keepers[n] = None;
                drop(unlock(&network.store.swapper().unwrap(), "model", KEY, &hosts[n].claim.run));
            }
        }
        // Judged while the store tells nobody anything, which is when a holder has only its own clock to go by.
        let silent = std::mem::replace(&mut *network.silent.lock().unwrap(), true);
        let ways = std::mem::replace(&mut *network.ways.lock().unwrap(), vec![Way::Lost; 8]);
        *lines.silent.lock().unwrap() = true;
        *lines.ways.lock().unwrap() = vec![Way::Lost; 8];
        let kept = third.keeper.lock().unwrap();
        let valid = keepers.iter().flatten().chain(&*kept).filter(|keeper| keeper.check().is_ok()).count();
        *lines.silent.lock().unwrap() = false;
        lines.ways.lock().unwrap().clear();
        *network.silent.lock().unwrap() = silent;
        *network.ways.lock().unwrap() = ways;
        prop_assert!(valid < 2, "after {act:?}");
        held += valid;
    }
    Ok(held)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]
    #[test]
    fn two_hosts_never_hold_one_lease_at_the_same_time(acts in prop::collection::vec(acts(), 1..60)) {
        run(&acts)?;
    }
}

#[test]
fn the_model_is_not_empty() {
    let mut change = vec![Act::Ask(0), Act::Passes(661), Act::Ask(1), Act::Check(1)];
    assert_eq!(run(&change).unwrap(), 3, "held after the first, over after the second, held after the third and the fourth");
    change[1] = Act::Passes(600);
    assert_eq!(run(&change).unwrap(), 1);
}
