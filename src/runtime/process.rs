//! Commands of this host: in process groups of their own, so that a shell's children end with it.

use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::port::{Ended, RuntimeError};

/// How much of what a short command says is kept, from its end. Bytes.
pub(super) const SAID: usize = 4096;
/// How long the last words of a command are waited for once it has ended: what it left behind may hold its streams open for ever.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A process, and its group.
pub struct Running {
    /// The process.
    pub child: Child,
    group: Pid,
}

impl Running {
    /// Starts a command at the head of a group of its own.
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        let child = command.process_group(0).spawn()?;
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let group = group.ok_or_else(|| io::Error::other("it has no process id"))?;
        Ok(Self { child, group })
    }

    /// What ends it, and can be handed to another thread.
    pub fn group(&self) -> Group {
        Group(self.group)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.group().end();
            // Reaped so that no zombie stays; the kill cannot be refused by it.
            drop(self.child.wait());
        }
    }
}

/// A process group.
#[derive(Debug, Clone, Copy)]
pub struct Group(Pid);

impl Group {
    /// Kills all of it.
    pub fn end(self) {
        // A group that has ended by itself is what was wanted.
        let _ = kill_process_group(self.0, Signal::KILL);
    }

    /// Waits until the process at its head has ended. It is left to be reaped, so that the group's number cannot belong to another yet.
    pub fn ended(self) {
        let _ = waitid(WaitId::Pid(self.0), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
    }
}

/// The end of what was said.
pub struct Tail {
    kept: Vec<u8>,
    keep: usize,
}

impl Tail {
    /// Keeps at most so many bytes.
    pub fn new(keep: usize) -> Self {
        Self { kept: Vec::new(), keep }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.kept.extend_from_slice(bytes);
        let surplus = self.kept.len().saturating_sub(self.keep);
        self.kept.drain(..surplus);
    }

    /// What was kept.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.kept).into_owned()
    }
}

impl Write for Tail {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs a short command with nothing to read. It and its group are killed after `limit`.
pub(super) fn call(argv: &[String], limit: Duration) -> Result<Ended, RuntimeError> {
    let what = format!("run `{}`", argv.join(" "));
    let refused = |message: String| RuntimeError::Refused { what: what.clone(), message };
    let program = argv.first().ok_or_else(|| refused("there is no program in it".to_owned()))?;
    let mut command = Command::new(program);
    command.args(&argv[1..]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Running::spawn(&mut command).map_err(|e| refused(format!("`{program}` cannot be started: {e}")))?;
    let group = running.group();
    let said = Arc::new(Mutex::new(Tail::new(SAID)));
    let streams: [Option<Box<dyn Read + Send>>; 2] =
        [running.child.stdout.take().map(|s| Box::new(s) as _), running.child.stderr.take().map(|s| Box::new(s) as _)];
    let heard: Vec<Receiver<()>> = streams.into_iter().flatten().map(|stream| listen(stream, Arc::clone(&said))).collect();
    let (tell, ended) = mpsc::channel();
    thread::spawn(move || tell.send(running.child.wait()));
    let status = match ended.recv_timeout(limit) {
        Ok(status) => status.map_err(|e| refused(format!("it cannot be waited for: {e}")))?,
        Err(RecvTimeoutError::Timeout) => {
            group.end();
            // What was killed is reaped at once.
            let _ = ended.recv();
            return Err(RuntimeError::TimedOut { what, seconds: limit.as_secs() });
        }
        Err(RecvTimeoutError::Disconnected) => return Err(refused("the thread that waited for it is gone".to_owned())),
    };
    for heard in heard {
        let _ = heard.recv_timeout(LAST_WORDS);
    }
    let said = said.lock().unwrap_or_else(PoisonError::into_inner).text();
    Ok(Ended { code: code(status), said })
}

/// 128 and the signal's number where a signal ended it, as a shell has it.
fn code(status: ExitStatus) -> i64 {
    let by_signal = || status.signal().map_or(-1, |signal| 128 + i64::from(signal));
    status.code().map_or_else(by_signal, i64::from)
}

/// Gives word once the stream has ended.
fn listen(mut stream: Box<dyn Read + Send>, said: Arc<Mutex<Tail>>) -> Receiver<()> {
    let (tell, heard) = mpsc::channel();
    thread::spawn(move || {
        let mut block = [0; 4096];
        while let Ok(read) = stream.read(&mut block) {
            if read == 0 {
                break;
            }
            said.lock().unwrap_or_else(PoisonError::into_inner).push(&block[..read]);
        }
        let _ = tell.send(());
    });
    heard
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, limit: Duration) -> Result<Ended, RuntimeError> {
        call(&["sh".to_owned(), "-c".to_owned(), script.to_owned()], limit)
    }

    const LONG: Duration = Duration::from_mins(1);

    #[test]
    fn both_streams_and_the_exit_code_come_back() {
        let ended = sh("echo out; echo err >&2; exit 3", LONG).expect("it runs");
        assert_eq!(ended.code, 3);
        assert!(ended.said.contains("out\n") && ended.said.contains("err\n"), "{}", ended.said);
        assert_eq!(sh("kill -TERM $$", LONG).expect("it runs").code, 143);
        let input = sh("cat", LONG).expect("it has nothing to read");
        assert_eq!(input, Ended { code: 0, said: String::new() });
    }

    #[test]
    fn of_much_that_is_said_the_end_is_kept() {
        let ended = sh("head -c 100000 /dev/zero | tr '\\0' a; printf end", LONG).expect("it runs");
        assert_eq!(ended.said.len(), SAID);
        assert!(ended.said.ends_with("aend"));
    }

    #[test]
    fn at_its_limit_it_ends_with_its_children() {
        let folder = tempfile::tempdir().expect("a folder");
        let pids = folder.path().join("pids");
        let script = format!("tail -f /dev/null & echo $! >{0}; echo $$ >>{0}; wait", pids.display());
        let error = sh(&script, Duration::from_millis(500)).expect_err("it does not end");
        assert!(matches!(error, RuntimeError::TimedOut { .. }), "{error}");
        let pids = std::fs::read_to_string(pids).expect("it began");
        assert_eq!(pids.lines().count(), 2);
        // A kill takes a moment, and nobody may have reaped the child of the shell yet.
        let lives = |pid: &str| std::fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|status| !status.contains("State:\tZ"));
        for _ in 0..5000 {
            if !pids.lines().any(lives) {
                return;
            }
            thread::park_timeout(Duration::from_millis(1));
        }
        panic!("something lives on: {pids}");
    }

    #[test]
    fn what_it_leaves_behind_is_not_waited_for() {
        // The one left behind holds the streams open; it would be waited for a minute.
        let ended = sh("echo begun; sleep 60 & echo $! ", LONG).expect("it runs");
        assert!(ended.said.starts_with("begun\n"), "{}", ended.said);
        let left = ended.said.lines().nth(1).and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw).expect("a process id");
        let _ = rustix::process::kill_process(left, Signal::KILL);
    }

    #[test]
    fn what_cannot_be_started_is_told() {
        let said = call(&["no-such-program".to_owned()], LONG).expect_err("there is none").to_string();
        assert!(said.starts_with("run `no-such-program`: `no-such-program` cannot be started"), "{said}");
        assert!(call(&[], LONG).is_err());
    }
}
