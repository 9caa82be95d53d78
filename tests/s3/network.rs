//! A network that cuts, slows, swallows: what fails is tried again or said, and nothing is listed that is not whole.

use crate::support::{Proxy, Site, Way};

/// A site whose way to the bucket can be spoiled.
#[track_caller]
fn spoilable(site: Site) -> (Site, Proxy) {
    let proxy = Proxy::new();
    site.through(&proxy.endpoint);
    (site, proxy)
}

/// The next run over a good way finishes, and everything restores.
#[track_caller]
fn finishes(site: &Site, proxy: &Proxy) {
    proxy.heals();
    let _ = site.world.run("verify --no-notes").good();
    let _ = site.world.run("apply --yes").good();
    site.clean();
    assert_eq!(site.records("config").len(), 1);
    site.restores();
}

#[test]
fn an_upload_that_is_always_cut_fails_and_lists_nothing() {
    let (site, proxy) = spoilable(Site::streamed());
    site.fill(2, 10_000_000);
    let _ = site.world.run("plan").good();
    proxy.cuts(Way::Up, 5_000_000);
    let ran = site.world.run("apply").ends(3).says(&["FAILED: capture:policy.config", "offsite"]);
    assert_eq!(site.records("config"), Vec::<String>::new(), "{ran}");
    finishes(&site, &proxy);
}

#[test]
fn an_upload_that_is_cut_now_and_then_is_tried_again() {
    let (site, proxy) = spoilable(Site::streamed());
    site.fill(4, 10_000_000);
    proxy.cuts_some(Way::Up, 9_000_000, 0.2);
    let ran = site.world.run("apply --yes");
    assert!([0, 3].contains(&ran.code), "{ran}");
    finishes(&site, &proxy);
}

#[test]
fn connections_that_are_reset_now_and_then_are_made_again() {
    let (site, proxy) = spoilable(Site::streamed());
    site.fill(2, 1_000_000);
    proxy.resets(0.1);
    let ran = site.world.run("apply --yes");
    assert!([0, 3, 4].contains(&ran.code), "{ran}");
    finishes(&site, &proxy);
}

#[test]
fn a_connection_that_is_always_reset_is_said() {
    let (site, proxy) = spoilable(Site::streamed());
    proxy.resets(1.0);
    let _ = site.world.run("apply --yes").ends(4).says(&["store `offsite`"]);
    assert_eq!(site.bucket.keys(""), Vec::<String>::new());
    finishes(&site, &proxy);
}

#[test]
fn a_download_that_is_cut_is_an_error_and_no_damage() {
    let (site, proxy) = spoilable(Site::streamed());
    site.fill(2, 10_000_000);
    let _ = site.world.run("apply").good();
    proxy.cuts(Way::Down, 100_000);
    let ran = site.world.run("verify").ends(9).hides(&["damaged"]);
    proxy.heals();
    let _ = site.world.run("plan --detailed-exitcode").good();
    assert_eq!(site.below("checks/").iter().filter(|key| key.contains("-fail")).count(), 0, "{ran}");
    finishes(&site, &proxy);
}

#[test]
fn a_listing_that_ends_early_is_no_shorter_listing() {
    let (site, proxy) = spoilable(Site::streamed());
    for n in 0..4 {
        site.world.file("data/a.txt", format!("{n}"));
        let _ = site.world.run("apply --now").good();
    }
    let before = site.bucket.objects("");
    // Heads and small answers come through, no listing does.
    proxy.cuts(Way::Down, 1_500);
    let ran = site.world.run("apply --now --yes");
    assert!([3, 4].contains(&ran.code), "{ran}");
    let _ = ran.says(&["store `offsite`"]).hides(&["done: delete", "done: sweep"]);
    proxy.heals();
    let after = site.bucket.objects("");
    assert!(before.iter().all(|object| after.contains(object)), "{before:?}\n{after:?}");
    let _ = site.world.run("verify --no-notes").good();
}

#[test]
fn a_slow_way_is_only_slow() {
    let (site, proxy) = spoilable(Site::streamed());
    site.fill(2, 2_000_000);
    proxy.slows(Way::Up, 2_000);
    proxy.slows(Way::Down, 2_000);
    let _ = site.world.run("apply").good();
    finishes(&site, &proxy);
}

#[test]
fn a_way_that_breaks_during_a_copy_costs_the_copy_only() {
    let (site, proxy) = spoilable(Site::copied());
    site.fill(2, 10_000_000);
    let _ = site.world.run("apply --only policy.config").good();
    site.world.file("data/a.txt", "newer");
    proxy.cuts(Way::Up, 5_000_000);
    let _ = site.world.run("apply --now").ends(3).says(&["done: capture:policy.config", "FAILED: copy:policy.config"]);
    assert_eq!((site.world.records("backups", "config").len(), site.records("config").len()), (2, 1));
    proxy.heals();
    let _ = site.world.run("apply").good().says(&["done: copy:policy.config"]).hides(&["done: capture"]);
    site.clean();
    site.restores();
}
