//! How a run asks a store for what it must know before it plans a removal.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use chrono::TimeDelta;

use super::laws::catalog;
use super::stores::{hour, run, went, world};
use super::world::{Luck, locked, set};
use crate::store::WriteStore;

/// How long somebody waits who is alone.
const DEADLINE: Duration = Duration::from_mins(1);

/// Where callers wait for each other, and who they were.
#[derive(Default)]
struct Meeting {
    /// How often each was there, how many are there now, and whether enough were there at once.
    inside: Mutex<(BTreeMap<String, usize>, usize, Option<bool>)>,
    came: Condvar,
}

impl Meeting {
    const ENOUGH: usize = 4;

    fn enter(&self, who: &str) {
        let mut inside = locked(&self.inside);
        *inside.0.entry(who.to_owned()).or_default() += 1;
        inside.1 += 1;
        if inside.1 >= Self::ENOUGH {
            inside.2 = Some(true);
            self.came.notify_all();
        }
        // who is alone does not wait for ever, and once
        let (mut inside, _) = self.came.wait_timeout_while(inside, DEADLINE, |inside| inside.2.is_none()).unwrap();
        inside.2.get_or_insert(false);
        inside.1 -= 1;
    }
}

#[test]
fn stores_are_asked_for_dates_side_by_side_and_once_in_a_run() {
    let (mut world, habits) = world("", "retention = \"many\"");
    for _ in 0..6 {
        hour(&mut world, true);
        run(&mut world, Luck::Good);
    }
    let kept = catalog(&world.stores[1], &world.instance)[2].0.clone();
    world.stores[1].extend(&kept, world.now() + TimeDelta::days(9)).unwrap();
    world.set = set(&world.set.files[0].1.replace("retention = \"many\"", "retention = \"few\""));
    let meeting: Arc<Meeting> = Arc::default();
    let guests = Arc::clone(&meeting);
    locked(&habits).asked = Some(Arc::new(move |key| guests.enter(key)));
    let applied = run(&mut world, Luck::Good);
    assert_eq!(went(&applied), vec!["delete"; 4 + 5]);
    let (asked, _, met) = &*locked(&meeting.inside);
    assert_eq!(*met, Some(true), "one was asked after the other");
    // the record and the first object of each that could go
    assert_eq!((asked.len(), asked.values().max()), (2 * 5, Some(&1)), "{asked:#?}");
}
