//! Captures that go straight to a bucket while services are quiet: whatever the bucket does, they are awake at the end.

use crate::served::{Bucket, Proxy, Way, noise, opened, server, table};
use crate::support::Site;

/// A site that backs up to a bucket, and the way there.
#[track_caller]
fn offsite() -> (Site, Bucket, Proxy) {
    let (site, bucket, proxy) = (Site::new(), Bucket::new(), Proxy::new());
    let site = Site { world: opened(site.world, &server().keys), ..site };
    site.add(&table(&bucket.name, &proxy.endpoint));
    site.world.edit("stores = [\"local\"]", "stores = [\"offsite\"]");
    site.volume.write("noise", noise(1, 20_000_000));
    (site, bucket, proxy)
}

#[test]
fn a_bucket_that_is_away_stops_nothing() {
    let (site, bucket, proxy) = offsite();
    proxy.goes_down();
    let _ = site.world.run("apply --yes").ends(4).says(&["store `offsite`"]);
    site.untouched();
    assert_eq!(bucket.keys(""), Vec::<String>::new());
}

#[test]
fn a_stream_to_a_bucket_that_breaks_wakes_what_was_quiet() {
    let (site, bucket, proxy) = offsite();
    proxy.cuts(Way::Up, 5_000_000);
    let words = ["FAILED: capture:policy.web", "done: start:service.web"];
    let ran = site.world.run("apply --yes").ends(3).says(&words);
    site.awake();
    assert_eq!(bucket.keys("prod/demo/catalog/"), Vec::<String>::new(), "{ran}");
    proxy.heals();
    let _ = site.world.run("apply --yes").good();
    let _ = site.world.run("verify --no-notes").good();
    let _ = site.world.run("plan --detailed-exitcode").good();
    assert_eq!((bucket.keys("prod/demo/catalog/web/").len(), bucket.uploads().len()), (1, 0));
}

#[test]
fn a_bucket_that_goes_away_during_the_capture_wakes_what_was_quiet() {
    let (site, bucket, proxy) = offsite();
    site.slow();
    let child = site.waiting(&["apply", "--yes"]);
    proxy.goes_down();
    site.world.go_on();
    let _ = site.world.ended(child).ends(3).says(&["FAILED: capture:policy.web"]);
    site.awake();
    proxy.heals();
    assert_eq!(bucket.keys("prod/demo/catalog/"), Vec::<String>::new());
}
