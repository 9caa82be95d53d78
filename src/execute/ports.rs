//! What the executor acts on, handed to it whole: stores, sources, a clock, a source of randomness, and the local state.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use super::event::Event;
use super::state::LocalState;
use crate::archive::Identities;
use crate::model::id::{Instant, Name, Random};
use crate::runtime::Runtime;
use crate::source::Sources;
use crate::store::WriteStore;
use crate::store::lease::Claimant;

/// The shortest time between two words on the progress of one step.
const PROGRESS_MILLIS: i64 = 250;

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;
/// Makes ten random bytes.
pub type Entropy = Arc<dyn Fn() -> [u8; 10] + Send + Sync>;
/// Speaks to the engine at an endpoint.
pub type EngineAt = Arc<dyn Fn(&str) -> Arc<dyn Runtime> + Send + Sync>;
/// Takes events as they happen; called from many threads.
pub type Report = Arc<dyn Fn(Event) + Send + Sync>;

/// The executor's hands.
#[derive(Clone)]
pub struct Ports {
    /// The stores that could be opened.
    pub stores: BTreeMap<Name, Arc<dyn WriteStore>>,
    /// Reads sources and puts them back.
    pub sources: Arc<dyn Sources>,
    /// Quiets and wakes what runs.
    pub runtime: Arc<dyn Runtime>,
    /// Finds an engine where a journal says that it was.
    pub engine_at: EngineAt,
    /// How long a container without a health check must have run after its start before it counts as awake.
    pub settle: Duration,
    /// Who opens what is encrypted; none where nothing is restored.
    pub identities: Arc<Identities>,
    /// Tells the time.
    pub clock: Clock,
    /// Makes ids.
    pub entropy: Entropy,
    /// What this host remembers.
    pub state: Arc<LocalState>,
    /// Who we are, for owners.
    pub host: Host,
    /// Who we are, for leases.
    pub claimant: Claimant,
    /// Shows what happens.
    pub report: Report,
    /// What the names of this process's temporary objects have in common: by it they are known once the process is dead.
    pub temp_tag: String,
    /// Raised once: stop soon, leave nothing half done.
    pub cancel: Arc<AtomicBool>,
    /// How many windows are open: while there is one, services are quiet that this process has to wake.
    pub windows: Arc<AtomicUsize>,
}

/// Who we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// The host's stable identity.
    pub id: String,
    /// Its name, for people.
    pub name: String,
    /// This process.
    pub pid: u32,
}

impl Ports {
    /// A new random part of an id.
    pub fn random(&self) -> Random {
        Random::new((self.entropy)())
    }

    /// The time now.
    pub fn now(&self) -> Instant {
        (self.clock)()
    }

    /// Whether somebody asked to stop.
    pub fn cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    /// Says how far a step is, at most a few times a second, from whatever thread.
    pub(super) fn progress(&self, address: &str, expected: Option<u64>) -> impl Fn(u64, u64) + Sync + use<> {
        let (ports, address) = (self.clone(), address.to_owned());
        let next = AtomicI64::new(i64::MIN);
        move |bytes, entries| {
            let now = ports.now().timestamp_millis();
            let due = next.load(Ordering::Relaxed);
            if now >= due && next.compare_exchange(due, now + PROGRESS_MILLIS, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                ports.say(Event::StepProgress { address: address.clone(), bytes, entries, expected });
            }
        }
    }

    /// Shows an event.
    pub fn say(&self, event: Event) {
        (self.report)(event);
    }
}
