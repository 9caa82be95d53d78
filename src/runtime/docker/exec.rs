//! Commands in containers.
//!
//! Never with a terminal, which would change bytes. A command that cannot be found says so on its standard output and ends with 126:
//! what it wrote is worth nothing before its exit code is known.

use std::io::Read;
use std::pin::pin;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use futures_util::StreamExt;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::{Notify, mpsc};

use super::client::{ANSWER, Line};
use super::failure::Asked;
use super::picture::is_name;
use crate::runtime::process::{SAID, Tail};
use crate::runtime::{Call, Ended, Exec, RuntimeError, Streams};

/// How often the cancel flag is looked at.
const GLANCE: Duration = Duration::from_millis(50);
/// How long a command may go on without streams. A connection that is cut looks like streams that ended, and what a command wrote after
/// that is lost: its exit code must not make a whole of it. The engine knows of the end within milliseconds of the streams' own; the
/// longer it is given, the more commands end well within it with output that nobody has. One that closes its output itself and works
/// on is refused for that.
const STREAMLESS: Duration = Duration::from_secs(1);
/// The most that is read from standard input at a time. Bytes.
const BLOCK: usize = 64 * 1024;
/// How many blocks wait between standard input and the engine.
const WAITING: usize = 4;

/// What is written to a command: a block, or why there is none.
type Block = std::io::Result<Vec<u8>>;

/// A command that runs.
struct Running<'a> {
    line: &'a Line,
    asked: Asked<'a>,
    id: String,
}

impl Line {
    /// Runs a command to its end. The reader of its input ends when it has no more, or when the command takes no more.
    pub(super) fn exec(&self, exec: &Exec<'_>, streams: Streams<'_>, cancel: &AtomicBool) -> Result<i64, RuntimeError> {
        let what = format!("run `{}` in container {}", exec.argv.join(" "), exec.container);
        let asked = self.about(&what, exec.container, ANSWER);
        let (give, take) = mpsc::channel::<Block>(WAITING);
        let Streams { stdin, stdout, stderr } = streams;
        let mut output = |log: LogOutput| match log {
            LogOutput::StdOut { message } => stdout.write_all(&message).map_err(|e| e.to_string()),
            LogOutput::StdErr { message } => stderr.write_all(&message).map_err(|e| e.to_string()),
            // A frame that is cut, or an answer that is no stream of frames.
            LogOutput::Console { .. } | LogOutput::StdIn { .. } => Err("the engine's stream was cut".to_owned()),
        };
        thread::scope(|scope| {
            let input = stdin.map(|stdin| {
                scope.spawn(move || pump(stdin, &give));
                take
            });
            self.handle.block_on(async {
                let stop = async {
                    while !cancel.load(Ordering::Relaxed) {
                        tokio::time::sleep(GLANCE).await;
                    }
                    RuntimeError::Interrupted
                };
                self.run(asked, exec, input, &mut output, stop).await
            })
        })
    }

    /// Runs a short command, which is killed after `limit`.
    pub(super) fn call(&self, container: &str, call: &Call, limit: Duration) -> Result<Ended, RuntimeError> {
        let what = format!("run `{}` in container {container}", call.argv.join(" "));
        let asked = Asked { limit, ..self.about(&what, container, limit) };
        let mut said = Tail::new(SAID);
        let mut output = |log: LogOutput| {
            said.push(&log.into_bytes());
            Ok(())
        };
        let exec = Exec { container, user: call.user.as_deref(), argv: &call.argv, env: &[] };
        let code = self.handle.block_on(async {
            let stop = async {
                tokio::time::sleep(limit).await;
                asked.timed_out()
            };
            self.run(asked, &exec, None, &mut output, stop).await
        })?;
        Ok(Ended { code, said: said.text() })
    }

    /// Runs a command until it ends or `stop` does, which then kills it.
    async fn run(
        &self,
        asked: Asked<'_>,
        exec: &Exec<'_>,
        input: Option<mpsc::Receiver<Block>>,
        output: &mut (dyn FnMut(LogOutput) -> Result<(), String> + Send),
        stop: impl Future<Output = RuntimeError>,
    ) -> Result<i64, RuntimeError> {
        let running = Running { line: self, asked, id: self.prepared(asked, exec, input.is_some()).await? };
        let mut ended = pin!(running.to_the_end(input, output));
        tokio::select! {
            ended = &mut ended => ended,
            reason = stop => {
                // Before its streams are closed: the end of its input would tell it that it has all of it.
                self.kill(&running.id).await;
                Err(reason)
            }
        }
    }

    async fn prepared(&self, asked: Asked<'_>, exec: &Exec<'_>, input: bool) -> Result<String, RuntimeError> {
        if !is_name(exec.container) {
            return Err(RuntimeError::Gone(exec.container.to_owned()));
        }
        let options = CreateExecOptions {
            attach_stdin: Some(input),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(false),
            user: exec.user.map(str::to_owned),
            cmd: Some(exec.argv.to_vec()),
            env: Some(exec.env.iter().map(|(key, value)| format!("{key}={value}")).collect()),
            ..CreateExecOptions::default()
        };
        let made = self.answer(asked, |client| async move { client.create_exec(exec.container, options).await }).await?;
        Ok(made.id)
    }
}

impl Running<'_> {
    async fn to_the_end(
        &self,
        input: Option<mpsc::Receiver<Block>>,
        output: &mut (dyn FnMut(LogOutput) -> Result<(), String> + Send),
    ) -> Result<i64, RuntimeError> {
        let options = Some(StartExecOptions { detach: false, tty: false, output_capacity: Some(BLOCK) });
        let id = &self.id;
        let started = self.line.answer(self.asked, |client| async move { client.start_exec(id, options).await }).await?;
        let StartExecResults::Attached { output: mut stream, input: stdin } = started else {
            return Err(self.asked.refused("the engine gave no streams"));
        };
        let failed = Failed::default();
        // Apart from what is read, so that a command that writes before it has read all does not wait for itself. It is dropped once
        // the output has ended: the engine lets a writer wait for a minute where the command has ended without reading.
        let feeding = async {
            match input {
                Some(input) => feed(input, stdin, &failed).await,
                // Nothing is attached; the half is kept because its end would be the end of both.
                None => std::future::pending::<()>().await,
            }
            std::future::pending::<()>().await;
        };
        let reading = async {
            while let Some(log) = stream.next().await {
                let log = log.map_err(|error| self.asked.failed(&error))?;
                output(log).map_err(|message| self.asked.refused(&format!("its output goes nowhere: {message}")))?;
            }
            Ok(())
        };
        let read = tokio::select! {
            read = reading => read,
            () = feeding => Ok(()),
            message = failed.wait() => Err(self.asked.refused(&format!("its input cannot be read: {message}"))),
        };
        let ended = match read {
            Ok(()) => tokio::time::timeout(STREAMLESS, self.code())
                .await
                .unwrap_or_else(|_| Err(self.asked.refused("its streams ended and it did not: the connection was cut"))),
            Err(error) => Err(error),
        };
        if ended.is_err() {
            self.line.kill(&self.id).await;
        }
        ended
    }

    /// The exit code, which is there a moment after the streams have ended.
    async fn code(&self) -> Result<i64, RuntimeError> {
        let mut pause = Duration::from_millis(2);
        loop {
            let asked = Asked { limit: ANSWER, ..self.asked };
            let id = &self.id;
            let seen = self.line.answer(asked, |client| async move { client.inspect_exec(id).await }).await?;
            if let (Some(false), Some(code)) = (seen.running, seen.exit_code) {
                return Ok(code);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    }
}

/// Why the input could not be read: a command must not take what it got for the whole.
#[derive(Default)]
struct Failed {
    message: Mutex<Option<String>>,
    told: Notify,
}

impl Failed {
    fn tell(&self, message: String) {
        *self.message.lock().unwrap_or_else(PoisonError::into_inner) = Some(message);
        self.told.notify_one();
    }

    async fn wait(&self) -> String {
        self.told.notified().await;
        self.message.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default()
    }
}

/// Hands standard input on, from a thread that may block.
fn pump(stdin: &mut (dyn Read + Send), give: &mpsc::Sender<Block>) {
    let mut block = vec![0; BLOCK];
    loop {
        let (next, last) = match stdin.read(&mut block) {
            Ok(0) => return,
            Ok(read) => (Ok(block[..read].to_vec()), false),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => (Err(error), true),
        };
        // A command that has ended takes no more.
        if give.blocking_send(next).is_err() || last {
            return;
        }
    }
}

/// Writes what is given to the command and then its end.
async fn feed(mut input: mpsc::Receiver<Block>, mut stdin: impl AsyncWrite + Unpin, failed: &Failed) {
    while let Some(block) = input.recv().await {
        match block {
            // A command that does not read all is judged by its exit code.
            Ok(block) if stdin.write_all(&block).await.is_err() => return,
            Ok(_) => {}
            Err(error) => return failed.tell(error.to_string()),
        }
    }
    let _ = stdin.shutdown().await;
}
