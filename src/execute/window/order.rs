//! Work over things that wait for each other: side by side where nothing orders them.

use std::collections::BTreeSet;
use std::sync::mpsc;
use std::thread;

/// Works on `0..waits.len()`, each number after all that `waits` gives for it. `work` is told whether all of those went well, and says
/// whether it did itself. A circle, of which a planner's order has none, is worked on all the same, from its lowest number: what is
/// quiet must be woken.
pub(super) fn in_order<T: Send>(waits: &[Vec<usize>], work: impl Fn(usize, bool) -> (T, bool) + Sync) -> Vec<T> {
    let mut waiting: BTreeSet<usize> = (0..waits.len()).collect();
    let mut ended: Vec<Option<(T, bool)>> = waits.iter().map(|_| None).collect();
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
                    let result = work(n, well);
                    // The receiver lives as long as this scope.
                    drop(sender.send((n, result)));
                });
            }
            if running == 0 {
                break;
            }
            let Ok((n, result)) = receiver.recv() else { break };
            ended[n] = Some(result);
            running -= 1;
        }
    });
    ended.into_iter().filter_map(|result| Some(result?.0)).collect()
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
