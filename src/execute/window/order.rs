//! Work over things that wait for each other: side by side where nothing orders them. A panic of one waits for all others.

use std::any::Any;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc;
use std::thread;

/// Works on `0..waits.len()`, each number after all that `waits` gives for it. `work` is told whether all of those went well, and says
/// whether it did itself. A circle, of which a planner's order has none, is worked on all the same, from its lowest number: what is
/// quiet must be woken. Work that panics did not go well; its panic goes on once all others have ended.
pub(super) fn in_order<T: Send>(waits: &[Vec<usize>], work: impl Fn(usize, bool) -> (T, bool) + Sync) -> Vec<T> {
    let mut waiting: BTreeSet<usize> = (0..waits.len()).collect();
    let mut ended: Vec<Option<(Option<T>, bool)>> = waits.iter().map(|_| None).collect();
    let mut panicked: Option<Box<dyn Any + Send>> = None;
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        let mut running = 0_usize;
        loop {
            let ready = |n: &usize| waits[*n].iter().all(|other| ended.get(*other).is_none_or(Option::is_some));
            let mut next: Vec<usize> = waiting.iter().copied().filter(ready).collect();
            if next.is_empty() && running == 0 {
                next.extend(waiting.first());
            }
            for n in next {
                waiting.remove(&n);
                let well = waits[n].iter().all(|other| ended.get(*other).and_then(Option::as_ref).is_some_and(|(_, well)| *well));
                let (sender, work) = (sender.clone(), &work);
                running += 1;
                scope.spawn(move || {
                    // One that sent nothing would be waited for for ever.
                    let result = catch_unwind(AssertUnwindSafe(|| work(n, well)));
                    // The receiver lives as long as this scope.
                    drop(sender.send((n, result)));
                });
            }
            if running == 0 {
                break;
            }
            let Ok((n, result)) = receiver.recv() else { break };
            ended[n] = Some(match result {
                Ok((value, well)) => (Some(value), well),
                Err(panic) => {
                    panicked.get_or_insert(panic);
                    (None, false)
                }
            });
            running -= 1;
        }
    });
    if let Some(panic) = panicked {
        resume_unwind(panic);
    }
    ended.into_iter().filter_map(|result| result?.0).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn order(waits: &[Vec<usize>], bad: usize) -> (Vec<usize>, Vec<bool>) {
        let seen = Mutex::new(Vec::new());
        let told = in_order(waits, |n, well| {
            seen.lock().unwrap().push(n);
            (well, n != bad && well)
        });
        (seen.into_inner().unwrap(), told)
    }

    #[test]
    fn each_comes_after_what_it_waits_for_and_hears_how_that_went() {
        let (seen, told) = order(&[vec![2], vec![0, 2], vec![], vec![1]], 0);
        assert_eq!(seen, [2, 0, 1, 3]);
        assert_eq!(told, [true, false, true, false]);
    }

    #[test]
    fn a_circle_is_worked_on_all_the_same() {
        let (mut seen, _) = order(&[vec![1], vec![0], vec![]], 9);
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2]);
    }

    #[test]
    fn a_panic_goes_on_once_all_others_have_ended() {
        let (sender, receiver) = mpsc::channel();
        // Not joined: one that hangs would keep the test for ever.
        thread::spawn(move || {
            let seen = Mutex::new(Vec::new());
            let all = || {
                in_order(&[vec![], vec![0], vec![]], |n, well| {
                    assert!(n != 0, "this one is lost");
                    seen.lock().unwrap().push((n, well));
                    ((), true)
                })
            };
            let lost = catch_unwind(all).unwrap_err();
            sender.send((lost.downcast_ref::<&str>().copied(), seen.into_inner().unwrap())).unwrap();
        });
        let (said, mut seen) = receiver.recv_timeout(std::time::Duration::from_secs(20)).unwrap();
        seen.sort_unstable();
        assert_eq!((said, seen), (Some("this one is lost"), vec![(1, false), (2, true)]));
    }

    #[test]
    fn what_nothing_orders_goes_on_side_by_side() {
        let (sender, receiver) = mpsc::channel();
        let receiver = Mutex::new(receiver);
        // The first one ends only once the second has begun.
        let told = in_order(&[vec![], vec![]], |n, _| {
            if n == 0 {
                (receiver.lock().unwrap().recv_timeout(std::time::Duration::from_secs(20)).is_ok(), true)
            } else {
                (sender.send(()).is_ok(), true)
            }
        });
        assert_eq!(told, [true, true]);
    }
}
