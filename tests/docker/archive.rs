//! What is at a path in a container comes out as a tar stream.

use std::io::Read;
use std::process::{Command, Stdio};

use lucid_policy::runtime::{Runtime, RuntimeError};

use crate::support::Engine;

/// What `tar` lists of a stream, sorted.
fn listed(mut stream: impl Read) -> Vec<String> {
    let mut tar = Command::new("tar").arg("-tf").arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::copy(&mut stream, &mut tar.stdin.take().unwrap()).unwrap();
    let output = tar.wait_with_output().unwrap();
    assert!(output.status.success());
    let mut names: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    names.sort();
    names
}

#[test]
fn a_folder_is_read_from_running_and_stopped_containers() {
    let engine = Engine::new();
    let volume = engine.volume("v");
    volume.write("deep/a.txt", "kept");
    volume.write("big", vec![b'x'; 20_000_000]);
    let mounted = format!("{}:/data", volume.name);
    let (runtime, container) = (engine.runtime(), engine.run("one", &["--volume", &mounted]));
    let names = ["data/", "data/big", "data/deep/", "data/deep/a.txt"];
    assert_eq!(listed(runtime.read_archive(&container.name, "/data").unwrap()), names);
    container.tell("stop");
    assert_eq!(listed(runtime.read_archive(&container.name, "/data").unwrap()), names);
    assert_eq!(listed(runtime.read_archive(&container.name, "/data/deep/a.txt").unwrap()), ["a.txt"]);
}

#[test]
fn a_reader_that_stops_early_leaves_nothing_behind() {
    let engine = Engine::new();
    let volume = engine.volume("v");
    volume.write("big", vec![b'x'; 50_000_000]);
    let container = engine.run("one", &["--volume", &format!("{}:/data", volume.name)]);
    let runtime = engine.runtime();
    let mut stream = runtime.read_archive(&container.name, "/data").unwrap();
    stream.read_exact(&mut [0; 1000]).unwrap();
    drop(stream);
    // One whose connection goes away is cut, not ended.
    let mut cut = runtime.read_archive(&container.name, "/data").unwrap();
    cut.read_exact(&mut [0; 1000]).unwrap();
    drop(runtime);
    assert!(std::io::copy(&mut cut, &mut std::io::sink()).is_err());
}

#[test]
fn what_is_not_there_is_told_at_once() {
    let engine = Engine::new();
    let (runtime, container) = (engine.runtime(), engine.run("one", &[]));
    let missing = runtime.read_archive(&container.name, "/nowhere").err().unwrap();
    assert!(matches!(&missing, RuntimeError::Refused { what, .. } if what.contains("/nowhere")), "{missing}");
    container.remove();
    let gone = runtime.read_archive(&container.name, "/data").err().unwrap();
    assert_eq!(gone, RuntimeError::Gone(container.name));
}
