//! The shipped set-up of three copies, run as it stands but for its places and keys.

use std::fs;
use std::process::Command;

use crate::support::{Bucket, Site};

/// A fresh pair: what the manifest may know, written beside the file of what it may not.
fn key(site: &Site, name: &str) -> String {
    let file = site.world.path(name);
    let made = Command::new("age-keygen").arg("-o").arg(&file).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let public = Command::new("age-keygen").arg("-y").arg(&file).output().unwrap();
    String::from_utf8(public.stdout).unwrap().trim().to_owned()
}

#[test]
fn three_copies_are_made_by_the_host_and_looked_after_by_the_janitor() {
    let site = Site::new(Bucket::lockable(), "\"offsite\"");
    let own = fs::read_to_string(site.world.path("lucid-policy.toml")).unwrap();
    let endpoint = own.lines().find(|line| line.starts_with("endpoint")).unwrap();
    let mut text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/offsite/lucid-policy.toml")).unwrap();
    let shown: Vec<String> = text.split('"').filter(|word| word.starts_with("age1")).map(str::to_owned).collect();
    assert_eq!(shown.len(), 2);
    for (shown, name) in shown.iter().zip(["operators.txt", "safe.txt"]) {
        text = text.replace(shown, &key(&site, name));
    }
    for (from, to) in [
        ("\"prod-backups\"", format!("\"{}\"\n{endpoint}\npath_style = true", site.bucket.name)),
        ("\"/srv/backups\"", "\"backups\"".to_owned()),
        ("[\"/etc\", \"/srv/app\"]", "[\"data\"]".to_owned()),
        ("\"10GiB\"", "\"1MiB\"".to_owned()),
        ("\"compliance\", for = \"30d\"", "\"governance\", for = \"1h\"".to_owned()),
    ] {
        assert_eq!(text.matches(from).count(), 1, "{from}");
        text = text.replace(from, &to);
    }
    site.world.file("lucid-policy.toml", &text);
    let _ = site.world.run("doctor offsite").good();
    let _ = site.world.run("apply --yes --no-delete").good().says(&["done: capture:policy.config", "done: copy:policy.config"]);
    let _ = site.world.run("plan --detailed-exitcode").good().says(&["No changes."]);
    let _ = site.world.run("apply --yes --only-delete").good().says(&["No changes."]);
    let payload: Vec<String> = site.bucket.keys("prod/prod/data/");
    assert!(payload.len() == 2 && payload.iter().all(|key| key.rsplit('.').next() == Some("age")), "{payload:?}");
    fs::remove_dir_all(site.world.path("backups/prod")).unwrap();
    for (n, identity) in ["operators.txt", "safe.txt"].iter().enumerate() {
        let to = format!("back-{n}");
        let _ = site.world.run(&format!("restore config --to {to} --yes --identity {identity}")).good();
        for file in ["data/a.txt", "data/deep/b.txt"] {
            let read = |path: &str| fs::read(site.world.path(path)).unwrap();
            assert_eq!(read(file), read(&format!("{to}/{file}")), "{file}");
        }
    }
}
