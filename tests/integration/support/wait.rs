//! Waiting for a condition, and for nothing else.

use std::thread;
use std::time::{Duration, Instant};

/// Looks until it is so; panics where it never is.
#[track_caller]
pub(crate) fn until(what: &str, mut so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_mins(1);
    while !so() {
        assert!(Instant::now() < end, "waited too long until {what}");
        thread::park_timeout(Duration::from_millis(1));
    }
}
