//! The house: layers, crates where they belong, short files, no hidden clock, nothing forgotten.
//!
//! The rules and their exceptions are tables in `rules`; a colleague who needs another import changes a table there, in the open.

mod code;
mod examples;
mod paths;
mod roles;
mod rules;

use std::fs;
use std::path::Path;

use rules::{Exceptions, File, Problem, check, undeclared, unexercised};

const PACKAGE: &str = env!("CARGO_MANIFEST_DIR");

/// Every file below `folder` whose path ends with `ending`, sorted; a folder that is not there has none.
fn files(folder: &str, ending: &str) -> Vec<File> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(Path::new(PACKAGE).join(&folder)) else { continue };
        for entry in entries {
            let entry = entry.expect("a folder of the package can be read");
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if entry.file_type().expect("an entry has a type").is_dir() {
                folders.push(path);
            } else if path.ends_with(ending) {
                found.push(file(&path));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn file(path: &str) -> File {
    let text = fs::read_to_string(Path::new(PACKAGE).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    File { path: path.to_owned(), text }
}

#[track_caller]
fn none(problems: &[Problem]) {
    let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
    assert!(lines.is_empty(), "\n{}\n", lines.join("\n"));
}

#[test]
fn the_code_keeps_the_rules_of_the_house() {
    let mut all = files("src", ".rs");
    assert!(!all.is_empty(), "there is no source below {PACKAGE}");
    all.extend(files("tests", ".rs"));
    none(&check(&all, &Exceptions::HOUSE));
}

#[test]
fn every_file_is_compiled() {
    none(&undeclared(&files("src", ".rs"), "src/lib.rs"));
    none(&undeclared(&files("tests/integration", ".rs"), "tests/integration/main.rs"));
    none(&undeclared(&files("tests/docker", ".rs"), "tests/docker/main.rs"));
    none(&undeclared(&files("tests/s3", ".rs"), "tests/s3/main.rs"));
    none(&undeclared(&files("tests/mongo", ".rs"), "tests/mongo/main.rs"));
}

#[test]
fn every_manifest_that_is_shown_is_tried() {
    let manifests: Vec<String> = ["policies", "examples"].iter().flat_map(|f| files(f, ".toml")).map(|f| f.path).collect();
    assert!(!manifests.is_empty(), "there is no manifest below policies and examples");
    let tests = ["tests/integration", "tests/docker", "tests/s3"].into_iter().flat_map(|folder| files(folder, ".rs"));
    let tests: Vec<File> = tests.filter(|f| !f.path.contains("/tidy/")).collect();
    let mut scripts = files("examples", "/run");
    scripts.push(file(".ci/run"));
    none(&unexercised(&manifests, &tests, &scripts));
}

/// A manifest without its comments, its empty lines and its alignment.
fn bare(manifest: &str) -> Vec<String> {
    let words = |line: &str| line.split(" #").next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    manifest.lines().filter(|line| !line.starts_with('#')).map(words).filter(|line| !line.is_empty()).collect()
}

#[test]
fn the_readme_shows_the_manifest_of_the_quickstart() {
    let readme = file("README.md").text;
    let shown = readme.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("README.md shows a manifest");
    assert_eq!(bare(shown), bare(&file("examples/quickstart/lucid-policy.toml").text));
}
