//! A lease that is renewed by a thread of its own until it is dropped.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::claim::{Claim, LeaseLost};
use super::keeper::{Keeper, Renewed, Taken, take};
use crate::store::error::StoreError;
use crate::store::port::{Lease, Locked, Swap};

/// Asks for the lease `key` of a store that can compare and swap. Does not wait: a live lease is [`Locked::By`] at once.
///
/// # Errors
/// The store did not answer, or has something under the key that this version cannot read.
pub fn lock(swap: &Arc<dyn Swap>, place: &str, key: &str, claim: &Claim) -> Result<Locked, StoreError> {
    Ok(match take(swap, place, key, claim)? {
        Taken::By(holder) => Locked::By(holder),
        Taken::Ours(keeper, said) => {
            let keeper = Arc::<Keeper>::from(keeper);
            let kept = Kept::begin(&keeper, claim.ttl);
            let kept = kept.map_err(|error| {
                keeper.release();
                StoreError::of(place, "start the thread that renews", key, error)
            })?;
            Locked::Held { lease: Box::new(kept), said }
        }
    })
}

/// How long the end of a lease waits for the store.
const RELEASE: Duration = Duration::from_secs(15);

struct Kept {
    keeper: Arc<Keeper>,
    ended: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Kept {
    fn begin(keeper: &Arc<Keeper>, ttl: Duration) -> io::Result<Self> {
        let ended = Arc::<(Mutex<bool>, Condvar)>::default();
        let (renewing, end) = (Arc::clone(keeper), Arc::clone(&ended));
        let thread = thread::Builder::new().name("lease".to_owned()).spawn(move || renew(&renewing, &end, ttl))?;
        Ok(Self { keeper: Arc::clone(keeper), ended, thread: Some(thread) })
    }
}

fn renew(keeper: &Keeper, (ended, woken): &(Mutex<bool>, Condvar), ttl: Duration) {
    let mut pause = ttl / 3;
    loop {
        let end = ended.lock().unwrap_or_else(PoisonError::into_inner);
        let (end, _) = woken.wait_timeout_while(end, pause, |end| !*end).unwrap_or_else(PoisonError::into_inner);
        if *end {
            return;
        }
        drop(end);
        pause = match keeper.renew() {
            Renewed::Yes => ttl / 3,
            Renewed::Unknown => ttl / 30,
            Renewed::Lost => return,
        };
    }
}

impl Lease for Kept {
    fn check(&self) -> Result<(), LeaseLost> {
        self.keeper.check()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let (ended, woken) = &*self.ended;
        *ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        woken.notify_all();
        let (keeper, renewing) = (Arc::clone(&self.keeper), self.thread.take());
        let (tell, told) = mpsc::channel();
        // on a thread of its own: a store may not answer, and some may not be asked where this is dropped
        let release = move || {
            if let Some(renewing) = renewing {
                // a renewal that panicked has told nobody anything
                drop(renewing.join());
            }
            keeper.release();
            // nobody may be waiting any more
            let _ = tell.send(());
        };
        if thread::Builder::new().name("lease-end".to_owned()).spawn(release).is_ok() {
            // what is not given back by then ends by itself
            let _ = told.recv_timeout(RELEASE);
        }
    }
}
