//! Engines that cannot be reached are told apart in plain words; one that comes back is spoken to again.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::thread;

use lucid_policy::runtime::{Docker, Runtime, RuntimeError};

use crate::shared::until;
use crate::support::{Engine, exec, surroundings};

#[track_caller]
fn unreachable(host: &str, words: &[&str]) {
    let error = Docker::new(surroundings(host)).picture().unwrap_err();
    let said = error.to_string();
    assert!(matches!(&error, RuntimeError::Unreachable { endpoint, .. } if endpoint == host), "{said}");
    assert!(words.iter().all(|word| said.contains(word)), "{said}");
}

#[test]
fn why_it_does_not_answer_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    let host = format!("unix://{}", socket.display());
    unreachable(&host, &["there is no socket", "is the engine running?"]);
    drop(UnixListener::bind(&socket).unwrap());
    unreachable(&host, &["the connection was refused"]);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    unreachable(&format!("tcp://127.0.0.1:{port}"), &["the connection was refused"]);
    unreachable("ssh://somebody@somewhere", &["`ssh://` is not spoken"]);
}

/// An engine that answers every request with this.
fn answering(body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = format!("tcp://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let answer = |mut stream: TcpStream| {
            let _ = stream.read(&mut [0; 4096]);
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        };
        listener.incoming().flatten().for_each(answer);
    });
    host
}

#[test]
fn an_engine_that_is_too_old_or_none_at_all_is_refused() {
    unreachable(&answering(r#"{"Version":"19.03.15","ApiVersion":"1.40"}"#), &["it speaks API 1.40", "1.41", "Docker 20.10"]);
    unreachable(&answering("{}"), &["it speaks API no version"]);
    let error = Docker::new(surroundings(&answering("<html>"))).engine().unwrap_err().to_string();
    assert!(error.contains("the engine's answer cannot be read"), "{error}");
}

#[test]
fn tls_without_its_files_is_an_error_and_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let certificates = folder.path().to_string_lossy().into_owned();
    let mut around = surroundings("tcp://127.0.0.1:1");
    around.variable = std::sync::Arc::new(move |name| match name {
        "DOCKER_HOST" => Some("tcp://127.0.0.1:1".to_owned()),
        "DOCKER_TLS_VERIFY" => Some("1".to_owned()),
        "DOCKER_CERT_PATH" => Some(certificates.clone()),
        _ => None,
    });
    let said = |around| Docker::new(around).engine().unwrap_err().to_string();
    assert!(said(around.clone()).contains("key.pem cannot be read"), "{}", said(around));
    for name in ["key.pem", "cert.pem", "ca.pem"] {
        fs::write(folder.path().join(name), "").unwrap();
    }
    assert!(said(around.clone()).contains("the connection was refused"), "{}", said(around));
}

#[test]
fn it_is_spoken_to_from_threads_that_may_block_and_dropped_anywhere() {
    let engine = Engine::new();
    let (runtime, name) = (engine.runtime(), engine.run("one", &[]).name);
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap().block_on(async {
        let blocking = tokio::task::spawn_blocking(move || {
            let wrote = exec(&runtime, &name, &["cat"], Some(b"through")).unwrap();
            let archive = std::io::copy(&mut runtime.read_archive(&name, "/etc").unwrap(), &mut std::io::sink()).unwrap();
            (wrote.out, archive > 0, runtime.picture().is_ok(), runtime)
        });
        let (out, archive, picture, runtime) = blocking.await.unwrap();
        assert_eq!((&*out, archive, picture), (&b"through"[..], true, true));
        drop(runtime);
    });
}

#[test]
fn an_engine_that_was_killed_is_spoken_to_again() {
    let engine = Engine::own();
    let (runtime, container) = (engine.runtime(), engine.run("one", &["--restart", "always"]));
    let before = runtime.picture().unwrap();
    engine.kill();
    let error = runtime.picture().unwrap_err();
    assert!(matches!(error, RuntimeError::Unreachable { .. }), "{error}");
    engine.start();
    container.until("running");
    let after = runtime.picture().unwrap();
    assert_eq!(after.engine, before.engine);
    assert_ne!(after.containers[0].started_at, before.containers[0].started_at);
    // A command that runs when the engine dies has no exit code to show, and is not waited for.
    let (name, running) = (container.name.clone(), engine.runtime());
    let cut = thread::spawn(move || exec(&running, &name, &["sh", "-c", "touch /tmp/begun; sleep 4000"], None).map(|wrote| wrote.code));
    until("it has begun", || engine.client.ask(&["exec", &container.id, "test", "-e", "/tmp/begun"]).status.success());
    engine.kill();
    let error = cut.join().unwrap().unwrap_err();
    assert!(matches!(error, RuntimeError::Unreachable { .. }), "{error}");
    engine.start();
    // The journal of a run that was cut names the endpoint.
    let again = Docker::at(&before.engine.endpoint, surroundings("unix:///nowhere"));
    assert_eq!(again.engine().unwrap(), before.engine);
}
