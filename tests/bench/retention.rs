//! Retention over a million artifacts: `cargo bench --bench retention`. Prints one line; asserts nothing about time.

use std::time::Instant as Stopwatch;

use chrono::TimeDelta;
use lucid_policy::model::id::{ArtifactId, Capture, Instant, Random};
use lucid_policy::model::{Retention, Zone};
use lucid_policy::plan::{Item, Rules, judge};

const COUNT: i64 = 1_000_000;

fn main() {
    let newest: Instant = "2026-11-23T02:00:00Z".parse().expect("a time");
    let zone: Zone = "Europe/Berlin".parse().expect("a zone");
    let retention = Retention { last: 10, hourly: 48, daily: 30, weekly: 8, monthly: 12, quarterly: 8, yearly: 10, ..Retention::FLOORS };
    let items: Vec<Item> = (0..COUNT)
        .map(|number| {
            let instant = newest - TimeDelta::minutes(5 * number);
            let mut bytes = [0; 10];
            bytes[2..].copy_from_slice(&number.to_be_bytes());
            let id = ArtifactId::new(instant, Capture::Full, Random::new(bytes));
            Item { id, instant, need: None, set: None, complete: true, verified: number % 7 == 0, held: number % 1000 == 0 }
        })
        .collect();
    let rules = Rules { retention: Some(&retention), zone, now: newest, seen: newest };
    let mut millis: Vec<u128> = (0..5)
        .map(|_| {
            let watch = Stopwatch::now();
            let verdicts = judge(&items, &rules);
            let kept = verdicts.keep.iter().filter(|k| k.is_some()).count();
            assert!(kept > 1000 && kept < 2000, "the rules keep {kept}");
            watch.elapsed().as_millis()
        })
        .collect();
    millis.sort_unstable();
    #[expect(clippy::print_stdout, reason = "a benchmark prints its figure")]
    {
        println!("retention over {COUNT} artifacts: median {} ms, {} to {} ms", millis[2], millis[0], millis[4]);
    }
}
