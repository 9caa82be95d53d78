//! Commands in containers: every byte, the exit code, and an end.

use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use lucid_policy::runtime::{Call, Exec, Runtime, RuntimeError, Streams};

use crate::shared::until;
use crate::support::{Container, Engine, exec};

/// Bytes in which every value and no pattern occurs.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(next).collect()
}

fn argv(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn call(container: &Container, words: &[&str]) -> Call {
    Call { argv: argv(words), container: Some(container.name.clone()), user: None }
}

#[test]
fn bytes_go_in_and_come_out_as_they_are() {
    let engine = Engine::new();
    let (runtime, container) = (engine.runtime(), engine.run("one", &[]));
    let bytes = noise(5_000_000);
    let wrote = exec(&runtime, &container.name, &["cat"], Some(&bytes)).unwrap();
    assert_eq!((wrote.code, wrote.err.len()), (0, 0));
    assert!(wrote.out == bytes, "{} bytes came back", wrote.out.len());
    let counted = exec(&runtime, &container.name, &["sh", "-c", "wc -c; echo complaint >&2; exit 7"], Some(&bytes)).unwrap();
    assert_eq!((counted.code, counted.out.trim_ascii(), &*counted.err), (7, &b"5000000"[..], &b"complaint\n"[..]));
    let nothing = exec(&runtime, &container.name, &["cat"], None).unwrap();
    assert_eq!((nothing.code, nothing.out.len()), (0, 0));
    let empty = exec(&runtime, &container.name, &["wc", "-c"], Some(b"")).unwrap();
    assert_eq!((empty.code, empty.out.trim_ascii()), (0, &b"0"[..]));
}

#[test]
fn a_user_and_an_environment_are_given() {
    let engine = Engine::new();
    let container = engine.run("one", &[]);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let (argv, env) = (argv(&["sh", "-c", "id -u; id -g; echo $SECRET"]), [("SECRET".to_owned(), "a = b".to_owned())]);
    let order = Exec { container: &container.name, user: Some("app:app"), argv: &argv, env: &env };
    let streams = Streams { stdin: None, stdout: &mut out, stderr: &mut err };
    assert_eq!(engine.runtime().exec(&order, streams, &AtomicBool::new(false)), Ok(0));
    assert_eq!(String::from_utf8_lossy(&out), "1000\n1000\na = b\n");
}

#[test]
fn a_command_that_is_not_there_ends_with_its_code() {
    let engine = Engine::new();
    let (runtime, container) = (engine.runtime(), engine.run("one", &[]));
    // Newer engines say 127.
    let wrote = exec(&runtime, &container.name, &["no-such-command"], None).unwrap();
    assert!(matches!(wrote.code, 126 | 127), "{}", wrote.code);
    assert_eq!(exec(&runtime, &container.name, &["sh", "-c", "kill -KILL $$"], None).unwrap().code, 137);
    container.tell("pause");
    let paused = exec(&runtime, &container.name, &["true"], None).err().unwrap();
    assert!(matches!(&paused, RuntimeError::Refused { message, .. } if message.contains("paused")), "{paused}");
    container.tell("unpause");
    container.tell("stop");
    let stopped = exec(&runtime, &container.name, &["true"], None).err().unwrap();
    assert!(matches!(&stopped, RuntimeError::Refused { message, .. } if message.contains("not running")), "{stopped}");
    container.remove();
    assert_eq!(exec(&runtime, &container.name, &["true"], None).err().unwrap(), RuntimeError::Gone(container.name.clone()));
}

#[test]
fn a_command_that_does_not_read_is_not_waited_for() {
    let engine = Engine::new();
    let (runtime, container) = (engine.runtime(), engine.run("one", &[]));
    let began = Instant::now();
    let (mut out, mut err, mut endless) = (Vec::new(), Vec::new(), io::repeat(b'x'));
    let argv = argv(&["sh", "-c", "echo done; exit 4"]);
    let order = Exec { container: &container.name, user: None, argv: &argv, env: &[] };
    let streams = Streams { stdin: Some(&mut endless), stdout: &mut out, stderr: &mut err };
    assert_eq!(runtime.exec(&order, streams, &AtomicBool::new(false)), Ok(4));
    assert_eq!(out, b"done\n");
    assert!(began.elapsed() < Duration::from_secs(30), "it took {:?}", began.elapsed());
}

/// Gives some bytes and fails once the command has begun to take them.
struct Broken<'a> {
    left: usize,
    container: &'a Container,
}

impl Read for Broken<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            // Bytes are on their way before the command runs at all: without this it could be killed before it made the file.
            until("the command takes what comes", || self.container.exec(&["ls", "/tmp"]) == "got");
            return Err(io::Error::other("the store is away"));
        }
        let read = buffer.len().min(self.left);
        self.left -= read;
        Ok(read)
    }
}

#[test]
fn an_input_that_breaks_off_is_never_taken_for_the_whole() {
    let engine = Engine::new();
    let (runtime, container) = (engine.runtime(), engine.run("one", &[]));
    let (mut out, mut err, mut broken) = (Vec::new(), Vec::new(), Broken { left: 300_000, container: &container });
    let argv = argv(&["sh", "-c", "cat >/tmp/got; touch /tmp/whole"]);
    let order = Exec { container: &container.name, user: None, argv: &argv, env: &[] };
    let streams = Streams { stdin: Some(&mut broken), stdout: &mut out, stderr: &mut err };
    let error = runtime.exec(&order, streams, &AtomicBool::new(false)).unwrap_err().to_string();
    assert!(error.contains("its input cannot be read: the store is away"), "{error}");
    assert_eq!(container.exec(&["ls", "/tmp"]), "got");
    assert!(!container.exec(&["ps"]).contains("cat >/tmp/got"), "it still runs");
}

/// Takes some bytes and then no more until it is told to.
struct Slow {
    seen: mpsc::Sender<()>,
    go_on: mpsc::Receiver<()>,
    taken: usize,
}

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.taken == 0 {
            self.seen.send(()).unwrap();
            self.go_on.recv().unwrap();
        }
        self.taken += bytes.len();
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_slow_reader_holds_the_command_back() {
    let engine = Engine::new();
    let (runtime, container) = (engine.runtime(), engine.run("one", &[]));
    let ((seen, has_seen), (tell, go_on)) = (mpsc::channel(), mpsc::channel());
    let name = container.name.clone();
    let reader = thread::spawn(move || {
        let (mut out, mut err) = (Slow { seen, go_on, taken: 0 }, Vec::new());
        let argv = argv(&["sh", "-c", "head -c 50000000 /dev/zero; exit 0"]);
        let streams = Streams { stdin: None, stdout: &mut out, stderr: &mut err };
        let order = Exec { container: &name, user: None, argv: &argv, env: &[] };
        (runtime.exec(&order, streams, &AtomicBool::new(false)), out.taken)
    });
    has_seen.recv().unwrap();
    // What it has written so far, which grows until nobody takes more.
    let written = || container.exec(&["sh", "-c", "sed -n 's/wchar: //p' /proc/$(pidof head)/io"]).parse::<u64>().unwrap_or(0);
    let mut before = 0;
    until("the command is held back", || {
        let now = written();
        now > 0 && std::mem::replace(&mut before, now) == now
    });
    assert!(before < 25_000_000, "{before} bytes went somewhere");
    tell.send(()).unwrap();
    assert_eq!(reader.join().unwrap(), (Ok(0), 50_000_000));
}

#[test]
fn a_cancelled_command_is_killed_with_its_children() {
    let engine = Engine::new();
    let (runtime, container) = (engine.runtime(), engine.run("one", &[]));
    let cancel = AtomicBool::new(false);
    let ended = thread::scope(|scope| {
        let running = scope.spawn(|| {
            let (mut out, mut err) = (Vec::new(), Vec::new());
            let argv = argv(&["sh", "-c", "(trap '' HUP; sleep 4000) & touch /tmp/begun; cat; touch /tmp/went-on"]);
            let mut endless = io::repeat(b'x').take(u64::MAX);
            let streams = Streams { stdin: Some(&mut endless), stdout: &mut out, stderr: &mut err };
            let order = Exec { container: &container.name, user: None, argv: &argv, env: &[] };
            runtime.exec(&order, streams, &cancel)
        });
        until("it has begun", || engine.client.ask(&["exec", &container.id, "test", "-e", "/tmp/begun"]).status.success());
        cancel.store(true, Ordering::Relaxed);
        running.join().unwrap()
    });
    assert_eq!(ended, Err(RuntimeError::Interrupted));
    let left = container.exec(&["ps"]);
    assert!(!left.contains("sleep 4000") && !left.contains("cat"), "{left}");
    assert_eq!(container.exec(&["ls", "/tmp"]), "begun");
    assert_eq!(container.state(), "running");
}

#[test]
fn a_container_that_is_stopped_ends_its_commands() {
    let engine = Engine::new();
    let (runtime, container) = (engine.runtime(), engine.run("one", &[]));
    let name = container.name.clone();
    let running = thread::spawn(move || exec(&runtime, &name, &["sh", "-c", "touch /tmp/begun; sleep 4000"], None).map(|wrote| wrote.code));
    until("it has begun", || engine.client.ask(&["exec", &container.id, "test", "-e", "/tmp/begun"]).status.success());
    container.tell("stop");
    assert_eq!(running.join().unwrap(), Ok(137));
}

#[test]
fn a_short_command_says_how_it_ended_and_is_killed_at_its_limit() {
    let engine = Engine::new();
    let (runtime, container) = (engine.runtime(), engine.run("one", &[]));
    let limit = Duration::from_mins(1);
    let ended = runtime.call(&call(&container, &["sh", "-c", "echo out; echo err >&2; exit 3"]), limit).unwrap();
    assert_eq!(ended.code, 3);
    assert!(ended.said.contains("out\n") && ended.said.contains("err\n"), "{}", ended.said);
    let much = runtime.call(&call(&container, &["sh", "-c", "head -c 100000 /dev/zero | tr '\\0' a; echo end"]), limit).unwrap();
    assert_eq!((much.said.len(), much.said.ends_with("aend\n")), (4096, true));
    let user = Call { user: Some("app".to_owned()), ..call(&container, &["id", "-un"]) };
    assert_eq!(runtime.call(&user, limit).unwrap().said, "app\n");
    let endless = runtime.call(&call(&container, &["sleep", "5000"]), Duration::from_secs(1));
    assert!(matches!(endless, Err(RuntimeError::TimedOut { seconds: 1, .. })), "{endless:?}");
    assert!(!container.exec(&["ps"]).contains("sleep 5000"), "it still runs");
    let here = runtime.call(&Call { argv: argv(&["sh", "-c", "echo here; exit 9"]), container: None, user: None }, limit).unwrap();
    assert_eq!((here.code, here.said.as_str()), (9, "here\n"));
}
