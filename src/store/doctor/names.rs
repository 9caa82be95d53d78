//! Names that are taken, and objects that are swapped: what keeps two writers apart.

use std::thread;

use super::promise::Promise;
use super::visit::{Tried, Visit};
use crate::store::error::StoreError;
use crate::store::port::{Created, Swap};

/// Writers at once, and how often: sequential probes find no store that looks before it writes.
const WRITERS: u8 = 8;
const ROUNDS: u8 = 5;

const SINGLE: &str = "coordination = \"single-writer\", and let only one host ever write there";

pub(super) fn taken(visit: &Visit<'_>) -> Tried {
    let (store, key) = (visit.store, visit.key("taken"));
    store.create(&key, b"first")?;
    let again = store.create(&key, b"second")?;
    let found = store.get(&key)?;
    Ok(match (again, found.as_slice()) {
        (Created::Taken, b"first") => Promise::holds("create-only", "a name that is taken is refused, and what is there stays"),
        (Created::New, _) => {
            Promise::broken("create-only", "a second write under a taken name was accepted: the condition of the write is ignored", SINGLE)
        }
        (Created::Taken, _) => Promise::broken("create-only", "a write was refused, and its bytes are there all the same", SINGLE),
    })
}

pub(super) fn race(visit: &Visit<'_>) -> Tried {
    let mut wrong = None;
    for round in 0..ROUNDS {
        let key = visit.key(&format!("race-{round}"));
        let all = at_once(|n| visit.store.create(&key, &[n; 64]))?;
        let winners: Vec<u8> = all.iter().filter(|(_, created)| *created == Created::New).map(|(n, _)| *n).collect();
        let kept = match winners.as_slice() {
            [winner] => visit.store.get(&key)? == [*winner; 64],
            _ => false,
        };
        if !kept {
            wrong = Some(winners.len());
        }
    }
    Ok(match wrong {
        None => Promise::holds("one-winner", format!("of {WRITERS} writers of one name at the same time one wins")),
        Some(1) => Promise::broken("one-winner", "the bytes under a name are not those of the writer that was told so", SINGLE),
        Some(n) => {
            Promise::broken("one-winner", format!("of {WRITERS} writers of one name at the same time {n} were told that they won"), SINGLE)
        }
    })
}

pub(super) fn swapped(visit: &Visit<'_>, swap: &dyn Swap) -> Tried {
    let key = visit.key("swapped");
    let broken = |said: &str| Ok(Promise::broken("compare-and-swap", said, SINGLE));
    let Some(first) = swap.swap(&key, None, b"one")? else { return broken("a write under a free name was refused") };
    if swap.swap(&key, None, b"two")?.is_some() {
        return broken("a write that wanted a free name was accepted under a taken one");
    }
    let Some(second) = swap.swap(&key, Some(&first), b"three")? else { return broken("a write with the right tag was refused") };
    if swap.swap(&key, Some(&first), b"four")?.is_some() {
        return broken("a write with an old tag was accepted");
    }
    let found = swap.load(&key)?;
    if found.as_ref().map(|found| (found.bytes.as_slice(), found.tag.as_str())) != Some((b"three", second.as_str())) {
        return broken("what is read is not what was written last");
    }
    Ok(Promise::holds("compare-and-swap", "an object is changed only by who knows its newest tag"))
}

pub(super) fn swap_race(visit: &Visit<'_>, swap: &dyn Swap) -> Tried {
    let key = visit.key("swap-race");
    let mut tag = swap.swap(&key, None, b"begin")?;
    for round in 0..ROUNDS {
        let all = at_once(|n| swap.swap(&key, tag.as_deref(), &[round, n]))?;
        let mut winners = all.into_iter().filter_map(|(n, tag)| Some((n, tag?)));
        let (first, others) = (winners.next(), winners.count());
        let kept = swap.load(&key)?;
        match first {
            Some((n, new)) if others == 0 && kept.is_some_and(|kept| kept.bytes == [round, n]) => tag = Some(new),
            first => {
                let n = others + usize::from(first.is_some());
                let said = format!("of {WRITERS} writers with the same tag at the same time {n} were told that they won");
                return Ok(Promise::broken("swap-one-winner", said, SINGLE));
            }
        }
    }
    Ok(Promise::holds("swap-one-winner", format!("of {WRITERS} writers with the same tag at the same time one wins")))
}

/// The same from as many threads as there are writers; the first error, if there is one.
fn at_once<T: Send>(write: impl Fn(u8) -> Result<T, StoreError> + Sync) -> Result<Vec<(u8, T)>, StoreError> {
    thread::scope(|scope| {
        let write = &write;
        let writers: Vec<_> = (0..WRITERS).map(|n| scope.spawn(move || write(n).map(|done| (n, done)))).collect();
        writers.into_iter().map(|writer| writer.join().unwrap_or_else(|lost| std::panic::resume_unwind(lost))).collect()
    })
}
