//! What a newcomer is shown works, to the letter.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::Engine;

#[test]
fn the_compose_example_is_started_backed_up_broken_and_restored() {
    let engine = Engine::new();
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/compose/run");
    let mut run = Command::new("bash");
    run.arg(&script).arg(folder.path()).env("DOCKER_HOST", &engine.client.host).env("LUCID_EXAMPLE_IMAGE", "lucid-test:1");
    run.env("COMPOSE", concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/docker-compose"));
    run.env("LUCID_POLICY", env!("CARGO_BIN_EXE_lucid-policy"));
    let output = run.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    assert!(out.contains("the services are as they were"), "{out}\n{err}");
}

#[test]
fn the_units_for_systemd_are_units() {
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/systemd");
    let folder = tempfile::tempdir().unwrap();
    let mut names = Vec::new();
    for entry in fs::read_dir(units).unwrap() {
        let entry = entry.unwrap();
        let text = fs::read_to_string(entry.path()).unwrap();
        // The program is where the units expect it only once it is installed.
        let here = text.replace("/usr/local/bin/lucid-policy", env!("CARGO_BIN_EXE_lucid-policy"));
        let path = folder.path().join(entry.file_name());
        fs::write(&path, here).unwrap();
        names.push(path);
    }
    assert_eq!(names.len(), 3);
    let output = Command::new("systemd-analyze").arg("verify").args(&names).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
}
