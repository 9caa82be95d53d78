//! Manifests: the ones that must work, and one that must not for every code.

use std::fs;
use std::path::Path;

use lucid_policy::finding::{Finding, TextOptions, to_text};
use lucid_policy::model::{Loaded, read};

/// Reads a manifest as if it stood in `/etc/lucid`, so that renderings do not depend on where the tests run.
fn load(name: &str, text: &str) -> Loaded {
    read(&[(name.to_owned(), text.to_owned())], Path::new("/etc/lucid"))
}

fn drawn(findings: &[Finding], loaded: &Loaded) -> String {
    to_text(findings, &loaded.texts, TextOptions::default())
}

#[test]
fn the_quickstart_says_nothing_and_means_what_it_says() {
    let text = fs::read_to_string("examples/quickstart/lucid-policy.toml").unwrap();
    let loaded = load("lucid-policy.toml", &text);
    assert!(loaded.findings.is_empty(), "{}", drawn(&loaded.findings, &loaded));
    let set = loaded.set.unwrap();
    let policy = &set.policies[&"config".parse().unwrap()];
    assert_eq!(policy.stores, ["local".parse().unwrap()]);
    assert_eq!(policy.schedule.as_ref().unwrap().value.as_str(), "0 2 * * *");
    let retention = &policy.retention.as_ref().unwrap().value;
    assert_eq!((retention.within.unwrap().to_string(), retention.min_count), ("30d".to_owned(), 3));
    insta::assert_debug_snapshot!(set);
}
