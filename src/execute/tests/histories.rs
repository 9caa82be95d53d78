//! A random search over histories, on the real planner and executor: what breaks a law is printed as a story that a person can read.
//!
//! A history is a number. It makes a manifest, then lives through steps: time passes, sources change, people hold and release, stores
//! are out of reach, objects rot, buckets keep what they have promised, another host is the only one to delete, runs are killed between any two changes or meet one fault. After every step the laws of `laws` are
//! looked at, and at the end everything is mended and must come to rest. When a law breaks, steps are taken out of the history for as
//! long as it still breaks.
//!
//! What the search and the laws of `plan/tests/laws.rs` were seen to catch, each switched off by hand: needs kept with what needs
//! them, holds, deletes on the first store only with its siblings seen, removals decided again after captures and copies, an owner of
//! bytes that is whole, holds before the record of a copy, the note of what is on its way, the second round of copies (the laws, and
//! longer searches), pins of what another store awaits (the laws). Not caught: payload removed before its record, because a restore
//! of what is being deleted is promised to nobody; the record is still the first to go.
//!
//! Of windows, with an engine that goes away, runs that are killed between any two of its calls, and somebody else who starts, stops,
//! pauses, renames, removes and makes containers anew, it was seen to catch: the journal before the first stop, the note that a command
//! is about to run, entries that stay until they are settled, last starts compared before something is started, thaws, recovery itself,
//! doubts about what was started or made anew meanwhile. Not caught: a container that ends between the plan and its window, which no
//! history does; what was paused before, which only restores stop.
//!
//! The normal suite runs [`HISTORIES`] of them. To search further: `LUCID_HISTORIES=20000 LUCID_FIRST=1 cargo test --release --lib
//! random_histories`.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::runtime::Runtime;

use super::chance::{Rng, manifest};
use super::history::History;
use super::world::{World, locked, set};
use crate::plan::Role;

/// Histories of the normal suite.
const HISTORIES: u64 = 120;
/// Steps of one.
const STEPS: u64 = 20;

/// A broken law, and the history up to it.
struct Broken {
    law: String,
    story: Vec<String>,
}

fn live(seed: u64, steps: &[u64], runtime: &Runtime) -> Result<(), Broken> {
    let mut rng = Rng::new(seed, 0);
    let text = manifest(&mut rng);
    let mut story: Vec<String> = text.lines().map(|line| format!("    {line}")).collect();
    let calm = rng.percent(20);
    story.insert(0, format!("history {seed}{}", if calm { ", calm" } else { "" }));
    let split = rng.percent(25);
    let mut world = World::new(seed, set(&text));
    if split {
        world.role = Role::Writer;
        story.push("another host deletes".to_owned());
    }
    let mut history = History { world, runtime, story, calm, split, gone: BTreeSet::new(), there: [BTreeSet::new(), BTreeSet::new()] };
    let mut result = Ok(());
    for step in steps {
        result = result.and_then(|()| history.step(&mut Rng::new(seed, *step)));
    }
    result = result.and_then(|()| history.rest());
    result.map_err(|law| Broken { law, story: history.story })
}

/// Takes steps out of a history for as long as the same law still breaks.
fn shorten(seed: u64, broken: Broken, runtime: &Runtime) -> Broken {
    let kind =
        |law: &str| law.chars().filter(|c| !c.is_ascii_digit()).take(400).collect::<String>().split_whitespace().last().map(str::to_owned);
    let mut steps: Vec<u64> = (1..=STEPS).collect();
    let mut best = broken;
    let mut at = steps.len();
    while at > 0 {
        at -= 1;
        let mut fewer = steps.clone();
        fewer.remove(at);
        if let Err(again) = live(seed, &fewer, runtime)
            && kind(&again.law) == kind(&best.law)
        {
            (steps, best) = (fewer, again);
        }
    }
    best
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn random_histories_keep_every_law() {
    let (first, count) = (number("LUCID_FIRST", 1), number("LUCID_HISTORIES", HISTORIES));
    let next = AtomicU64::new(first);
    let found: Mutex<Vec<Broken>> = Mutex::new(Vec::new());
    let most = usize::try_from(number("LUCID_BROKEN", 1)).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, std::num::NonZero::get) {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(2).build().unwrap();
                let steps: Vec<u64> = (1..=STEPS).collect();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count || locked(&found).len() >= most {
                        break;
                    }
                    if let Err(broken) = live(seed, &steps, &runtime) {
                        let shorter = shorten(seed, broken, &runtime);
                        locked(&found).push(shorter);
                    }
                }
            });
        }
    });
    let found = locked(&found);
    let stories: Vec<String> = found.iter().map(|b| format!("{}\nBROKEN: {}\n", b.story.join("\n"), b.law)).collect();
    assert!(stories.is_empty(), "\n{}", stories.join("\n"));
}
