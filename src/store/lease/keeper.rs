//! Takes a lease, renews it, checks it and releases it. One call after the other: what happens in between is somebody else's thread.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::claim::{Claim, Holder, LeaseLost, Uptime, named};
use super::margin;
use super::protocol::{Sight, Verdict, judge, lasts};
use super::record::LeaseRecord;
use crate::store::documents::RecordError;
use crate::store::error::StoreError;
use crate::store::port::{Register, Swap};

/// How often a lease is asked for while answers are lost or somebody else is quicker.
const ATTEMPTS: usize = 4;

/// What asking came to.
pub(super) enum Taken {
    /// It is ours; with a sentence where it was somebody else's who did not release it.
    Ours(Box<Keeper>, Option<String>),
    /// Somebody has it.
    By(Holder),
}

/// A lease in our hands.
pub(super) struct Keeper {
    swap: Arc<dyn Swap>,
    place: String,
    key: String,
    uptime: Uptime,
    ttl: Duration,
    kept: Mutex<Kept>,
}

struct Kept {
    record: LeaseRecord,
    tag: String,
    /// From then on it counts as lost, whatever the store would say.
    deadline: Duration,
    lost: Option<LeaseLost>,
}

/// Whether a renewal got through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Renewed {
    Yes,
    /// Nobody can say; worth another try.
    Unknown,
    /// It is not ours any more.
    Lost,
}

/// Asks for the lease `key`.
pub(super) fn take(swap: &Arc<dyn Swap>, place: &str, key: &str, claim: &Claim) -> Result<Taken, StoreError> {
    let uptime = &claim.claimant.uptime;
    let mut first_seen: Option<(String, Duration)> = None;
    let mut first_sent: Option<(Duration, Option<String>)> = None;
    let mut unanswered = None;
    for _ in 0..ATTEMPTS {
        let found = swap.load(key)?;
        let seen = found.as_ref().map(|register| sight(register, claim, &mut first_seen)).transpose();
        let seen = seen.map_err(|error| unreadable(place, key, &error))?;
        // A write whose answer was lost, or that a repeated request turned into a refusal, is known by its nonce.
        if let (Some(register), Some(seen), Some((start, said))) = (&found, &seen, &first_sent)
            && seen.record.nonce == claim.nonce
            && seen.record.is_held()
        {
            let keeper = Keeper::new(swap, place, key, claim, seen.record.clone(), register.tag.clone(), *start);
            return Ok(Taken::Ours(Box::new(keeper), said.clone()));
        }
        let (epoch, over) = match (judge(seen.as_ref()), seen, &found) {
            (Verdict::Take { epoch, over }, _, _) => (epoch, over),
            (Verdict::Wait, Some(seen), Some(register)) => return Ok(Taken::By(holder(seen, register))),
            (Verdict::Wait, _, _) => continue,
        };
        let record = claim.record(epoch);
        let start = uptime();
        first_sent.get_or_insert_with(|| (start, over.clone()));
        match swap.swap(key, found.as_ref().map(|register| register.tag.as_str()), &record.write()) {
            Ok(Some(tag)) => {
                let keeper = Keeper::new(swap, place, key, claim, record, tag, start);
                return Ok(Taken::Ours(Box::new(keeper), over));
            }
            Ok(None) => {}
            Err(error) => unanswered = Some(error),
        }
    }
    Err(unanswered.unwrap_or_else(|| StoreError::Unusable {
        message: format!("{place}: the lease `{key}` changes faster than it can be taken"),
        help: "find out which runs ask for it at the same time, and let them run one after the other".to_owned(),
    }))
}

fn sight(register: &Register, claim: &Claim, first_seen: &mut Option<(String, Duration)>) -> Result<Sight, RecordError> {
    let record = LeaseRecord::read(&register.bytes)?;
    let now = (claim.claimant.uptime)();
    let since = match first_seen {
        Some((tag, since)) if *tag == register.tag => *since,
        _ => {
            *first_seen = Some((register.tag.clone(), now));
            now
        }
    };
    let them = &record.holder;
    let gone = claim.claimant.process.is_beside(them) && !(claim.claimant.alive)(them.pid, them.pid_start);
    Ok(Sight { age: register.now - register.modified, unchanged: now.saturating_sub(since), gone, record })
}

fn holder(seen: Sight, register: &Register) -> Holder {
    let lasts = chrono::TimeDelta::from_std(lasts(&seen.record)).ok();
    let until = lasts.and_then(|lasts| register.modified.checked_add_signed(lasts));
    Holder { age: Some(seen.age), until, lease: Some(Box::new(seen.record)) }
}

/// Until when a lease counts as ours that was renewed by what began at `start`.
fn deadline(start: Duration, ttl: Duration) -> Duration {
    start + ttl.saturating_sub(margin(ttl))
}

/// What is no lease of ours to judge may be alive.
pub(super) fn unreadable(place: &str, key: &str, error: &RecordError) -> StoreError {
    let help = match error {
        RecordError::TooNew { .. } => "use the newer version of lucid-policy",
        _ => "look at the object; remove it by hand only when no run uses the series",
    };
    StoreError::Unusable { message: format!("{place}: the lease `{key}`: {error}"), help: help.to_owned() }
}

impl Keeper {
    fn new(swap: &Arc<dyn Swap>, place: &str, key: &str, claim: &Claim, record: LeaseRecord, tag: String, start: Duration) -> Self {
        let deadline = deadline(start, claim.ttl);
        Self {
            swap: Arc::clone(swap),
            place: place.to_owned(),
            key: key.to_owned(),
            uptime: Arc::clone(&claim.claimant.uptime),
            ttl: claim.ttl,
            kept: Mutex::new(Kept { record, tag, deadline, lost: None }),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // a panic under this lock leaves whole values behind
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lose(&self, kept: &mut Kept, why: String) -> LeaseLost {
        let lost = LeaseLost { place: self.place.clone(), key: self.key.clone(), why };
        kept.lost = Some(lost.clone());
        lost
    }

    /// That it is ours by all that is known here.
    fn in_time(&self, kept: &mut Kept) -> Result<(), LeaseLost> {
        if let Some(lost) = &kept.lost {
            return Err(lost.clone());
        }
        if (self.uptime)() < kept.deadline {
            return Ok(());
        }
        let seconds = self.ttl.as_secs();
        let why = format!("it was not renewed within its {seconds} s: this host was asleep or stuck, or the store did not answer");
        Err(self.lose(kept, why))
    }

    /// Says to the store that we are still there.
    pub(super) fn renew(&self) -> Renewed {
        self.renew_kept(&mut self.kept())
    }

    fn renew_kept(&self, kept: &mut Kept) -> Renewed {
        // Too late is too late, even if nobody has taken it: who was away for so long looks at the world anew.
        if self.in_time(kept).is_err() {
            return Renewed::Lost;
        }
        for _ in 0..2 {
            let start = (self.uptime)();
            kept.record.counter += 1;
            match self.swap.swap(&self.key, Some(&kept.tag), &kept.record.write()) {
                Ok(Some(tag)) => {
                    kept.tag = tag;
                    kept.deadline = deadline(start, self.ttl);
                    return Renewed::Yes;
                }
                Ok(None) | Err(_) => match self.look(kept) {
                    Err(_) => return Renewed::Lost,
                    Ok(None) => return Renewed::Unknown,
                    Ok(Some(counter)) if counter == kept.record.counter => {
                        kept.deadline = deadline(start, self.ttl);
                        return Renewed::Yes;
                    }
                    // An earlier renewal arrived late, or this one not at all.
                    Ok(Some(_)) => {}
                },
            }
        }
        Renewed::Unknown
    }

    /// What the store has: the counter of our own record, or nothing where it does not answer. Another's is a loss.
    fn look(&self, kept: &mut Kept) -> Result<Option<u64>, LeaseLost> {
        let register = match self.swap.load(&self.key) {
            Err(_) => return Ok(None),
            Ok(None) => return Err(self.lose(kept, "its record was removed".to_owned())),
            Ok(Some(register)) => register,
        };
        match LeaseRecord::read(&register.bytes) {
            Err(error) => Err(self.lose(kept, format!("its record was overwritten: {error}"))),
            Ok(found) if found.nonce != kept.record.nonce && found.is_held() => Err(self.lose(kept, format!("{} has it", named(&found)))),
            Ok(found) if found.nonce != kept.record.nonce => Err(self.lose(kept, format!("run {} had it meanwhile", found.run))),
            Ok(found) if !found.is_held() => Err(self.lose(kept, "somebody released it, as `unlock` does".to_owned())),
            Ok(found) => {
                kept.tag = register.tag;
                Ok(Some(found.counter))
            }
        }
    }

    /// Whether it is ours, with time for one batch of deletes. Asks the store; where that does not answer, time alone decides, as nobody
    /// takes a lease before its time.
    pub(super) fn check(&self) -> Result<(), LeaseLost> {
        let mut kept = self.kept();
        let kept = &mut *kept;
        self.in_time(kept)?;
        self.look(kept)?;
        if self.left(kept) < margin(self.ttl) {
            self.renew_kept(kept);
        }
        self.in_time(kept)?;
        if self.left(kept) < margin(self.ttl) {
            let why = format!("it ends in {} s and could not be renewed", self.left(kept).as_secs());
            return Err(LeaseLost { place: self.place.clone(), key: self.key.clone(), why });
        }
        Ok(())
    }

    fn left(&self, kept: &Kept) -> Duration {
        kept.deadline.saturating_sub((self.uptime)())
    }

    /// Gives it back. What cannot be given back ends by itself.
    pub(super) fn release(&self) {
        let mut kept = self.kept();
        for _ in 0..2 {
            let record = kept.record.clone().released();
            if matches!(self.swap.swap(&self.key, Some(&kept.tag), &record.write()), Ok(Some(_))) {
                return;
            }
            if self.look(&mut kept).is_err() {
                return;
            }
        }
    }
}
