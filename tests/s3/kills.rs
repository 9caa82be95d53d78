//! Runs that are killed anywhere leave in a bucket what restores, and the next one finishes.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use crate::shared::until;
use crate::support::{Proxy, Site, Way};

/// Entries below a folder in which somebody is at work.
fn entries(folder: &Path) -> usize {
    let Ok(found) = std::fs::read_dir(folder) else { return 0 };
    found.flatten().map(|entry| 1 + entries(&entry.path())).sum()
}

/// Kills runs at so many points of a way that carries so many KB in a second; what is left is whole, and the next run finishes.
#[track_caller]
fn killed(make: impl Fn() -> Site, points: usize, rate: u64) {
    let mut killed = 0;
    for point in 1..=points {
        let site = make();
        // Parts are of 16 MiB: some are on the way at any time.
        site.fill(4, 12_000_000);
        let proxy = Proxy::new();
        proxy.slows(Way::Up, rate);
        site.through(&proxy.endpoint);
        let mut child = site.world.start(&["apply"]);
        let there = || entries(&site.world.path("state")) + site.bucket.keys("").len() + site.bucket.parts() + site.bucket.uploads().len();
        until("so much is there, or all of it", || there() >= point || child.try_wait().unwrap().is_some());
        killed += usize::from(child.kill().is_ok() && child.wait().unwrap().signal() == Some(9));
        proxy.heals();
        let ran = site.world.run("verify --no-notes");
        assert_eq!(ran.code, 0, "at point {point}: {ran}");
        let ran = site.world.run("apply --yes");
        assert_eq!(ran.code, 0, "at point {point}: {ran}");
        site.clean();
        assert_eq!(site.records("config").len(), 1, "at point {point}");
        site.restores();
    }
    assert!(killed * 2 >= points, "only {killed} of {points} runs were killed before their end");
}

#[test]
fn a_capture_to_a_bucket() {
    killed(Site::streamed, 12, 40_000);
}

#[test]
fn a_copy_to_a_bucket() {
    killed(Site::copied, 14, 40_000);
}
