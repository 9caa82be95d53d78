//! Leases as the library has them, and the hosts that its suite lets ask for them.

pub(crate) use lucid_policy::store::lease::*;

pub(crate) mod tests {
    //! Under the name that it has there.

    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use chrono::Utc;
    use lucid_policy::model::id::Random;

    use super::{Claim, Claimant, Process, TTL};

    /// A host whose processes never end.
    pub(crate) struct Host {
        pub(crate) claim: Claim,
    }

    impl Host {
        pub(crate) fn new(n: u8) -> Self {
            let begun = Instant::now();
            let process = Process {
                host: format!("host-{n}"),
                hostname: format!("db{n}"),
                boot: format!("boot-{n}"),
                pid: u32::from(n),
                pid_start: 1,
                pid_namespace: 1,
                version: "0.1.0".to_owned(),
            };
            let uptime = Arc::new(move || begun.elapsed() + Duration::from_mins(20));
            let claimant = Claimant { process, uptime, alive: Arc::new(|_, _| true) };
            let (run, nonce) = (Random::new([n; 10]), Random::new([100 + n; 10]));
            Self { claim: Claim { claimant, run, nonce, purpose: "apply".to_owned(), at: Utc::now(), ttl: TTL } }
        }
    }
}
