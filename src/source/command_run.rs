//! One command of a source from its start to its end, on this host or in a container.
//!
//! Both ways have the same streams: pipes of this process, so that whoever feeds a command or reads from it need not know where it
//! runs. On this host a command is the leader of a process group, so that a shell's children end with it. Secrets reach a command by
//! its environment only, and no message shows them.

use std::collections::BTreeMap;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use zeroize::Zeroizing;

use super::port::SourceError;
use super::secret::Secret;
use crate::model::{CommandSource, Name};
use crate::runtime::process::{Running, Tail};
use crate::runtime::{Exec, Runtime, RuntimeError, Streams};

/// How much of a command's complaints is kept, from its end. Bytes.
const COMPLAINT: usize = 4096;
/// How often a waiting thread looks whether it shall end.
const GLANCE: Duration = Duration::from_millis(50);
/// What a container's shell and its engine say of a program that cannot be run, and of one that is not there.
const NO_PROGRAM: [i64; 2] = [126, 127];

/// The commands of one source: where they run, and what must not be shown of them.
#[derive(Clone, Copy)]
pub(super) struct Runner<'a> {
    pub name: &'a Name,
    pub source: &'a CommandSource,
    pub env: &'a BTreeMap<String, Secret>,
    pub runtime: &'a dyn Runtime,
}

/// Where standard output goes.
pub(super) enum Printed {
    Into(PipeWriter),
    Nowhere,
    /// To whoever runs this program; of a container: nowhere.
    Shown,
}

/// How a command ended.
pub(super) struct Ended {
    pub good: bool,
    /// The system's words for it.
    pub status: String,
    /// The end of what it said on standard error.
    pub complaint: String,
}

impl Runner<'_> {
    /// Runs a command to its end, or until `end` is raised.
    pub(super) fn run(&self, argv: &[String], stdin: Option<PipeReader>, stdout: Printed, end: &AtomicBool) -> Result<Ended, SourceError> {
        match &self.source.container {
            None => self.on_host(argv, stdin, stdout, end),
            Some(container) => self.in_container(container, argv, stdin, stdout, end),
        }
    }

    fn on_host(&self, argv: &[String], stdin: Option<PipeReader>, stdout: Printed, end: &AtomicBool) -> Result<Ended, SourceError> {
        let mut running = self.spawn(argv, stdin, stdout)?;
        let ended = AtomicBool::new(false);
        let mut complaint = Tail::new(self.keep());
        let status = thread::scope(|scope| {
            let (group, ended) = (running.group(), &ended);
            let watcher = scope.spawn(move || {
                if raised(end, ended) {
                    group.end();
                }
            });
            if let Some(stderr) = &mut running.child.stderr {
                // What cannot be read is not missed: the exit code decides.
                let _ = io::copy(stderr, &mut complaint);
            }
            group.ended();
            ended.store(true, Ordering::Relaxed);
            watcher.thread().unpark();
            running.child.wait()
        });
        let status = status.map_err(|e| self.wrong(&format!("`{}` cannot be waited for: {e}", argv.join(" "))))?;
        Ok(Ended { good: status.success(), status: status.to_string(), complaint: complaint.text() })
    }

    fn in_container(
        &self,
        container: &str,
        argv: &[String],
        mut stdin: Option<PipeReader>,
        stdout: Printed,
        end: &AtomicBool,
    ) -> Result<Ended, SourceError> {
        let env = self.env.iter().map(|(key, secret)| (key.clone(), secret.reveal().to_owned()));
        let env: Zeroizing<Vec<(String, String)>> = Zeroizing::new(env.collect());
        let exec = Exec { container, user: self.source.user.as_deref(), argv, env: &env };
        let mut complaint = Tail::new(self.keep());
        let (mut pipe, mut nowhere);
        let stdout: &mut (dyn Write + Send) = match stdout {
            Printed::Into(into) => {
                pipe = into;
                &mut pipe
            }
            Printed::Nowhere | Printed::Shown => {
                nowhere = io::sink();
                &mut nowhere
            }
        };
        let stdin = stdin.as_mut().map(|pipe| pipe as &mut (dyn Read + Send));
        match self.runtime.exec(&exec, Streams { stdin, stdout, stderr: &mut complaint }, end) {
            Ok(code) => {
                let why = if NO_PROGRAM.contains(&code) { ", as where there is no such program" } else { "" };
                let status = format!("exit status: {code} in container `{container}`{why}");
                Ok(Ended { good: code == 0, status, complaint: complaint.text() })
            }
            Err(RuntimeError::Interrupted) => Err(SourceError::Interrupted),
            Err(error) => Err(self.wrong(&format!("`{}` cannot be run in container `{container}`: {error}", argv.join(" ")))),
        }
    }

    fn spawn(&self, argv: &[String], stdin: Option<PipeReader>, stdout: Printed) -> Result<Running, SourceError> {
        let program = argv.first().map(String::as_str).unwrap_or_default();
        let mut command = Command::new(program);
        command.args(argv.iter().skip(1)).stderr(Stdio::piped());
        command.stdin(stdin.map_or_else(Stdio::null, Stdio::from));
        command.stdout(match stdout {
            Printed::Into(pipe) => Stdio::from(pipe),
            Printed::Nowhere => Stdio::null(),
            Printed::Shown => Stdio::inherit(),
        });
        command.envs(self.env.iter().map(|(key, secret)| (key, secret.reveal())));
        Running::spawn(&mut command).map_err(|e| self.wrong(&format!("`{program}` cannot be started: {e}")))
    }

    /// An error without secrets.
    pub(super) fn wrong(&self, message: &str) -> SourceError {
        SourceError::Command { name: self.name.to_string(), message: self.redact(message) }
    }

    fn redact(&self, text: &str) -> String {
        self.env.values().fold(text.to_owned(), |text, secret| secret.redact(&text))
    }

    /// How much of a complaint is read: as much as is shown, and room for a secret that is cut by it.
    fn keep(&self) -> usize {
        COMPLAINT + self.env.values().map(|secret| secret.reveal().len()).max().unwrap_or(0)
    }

    /// A complaint as the end of a sentence, without secrets.
    pub(super) fn quoted(&self, complaint: &str) -> String {
        let mut start = 0;
        let whole = complaint.len() < self.keep();
        let complaint = self.redact(complaint);
        if !whole {
            // What is first may be the end of a secret, which nothing could recognise any more.
            start = (self.keep() - COMPLAINT).min(complaint.len());
            start = (start..=complaint.len()).find(|at| complaint.is_char_boundary(*at)).unwrap_or(complaint.len());
        }
        let complaint = complaint[start..].trim();
        if complaint.is_empty() { String::new() } else { format!(": {complaint}") }
    }
}

/// Waits until `flag` is raised, or until it does not matter any more; says which.
pub(super) fn raised(flag: &AtomicBool, over: &AtomicBool) -> bool {
    while !over.load(Ordering::Relaxed) {
        if flag.load(Ordering::Relaxed) {
            return true;
        }
        thread::park_timeout(GLANCE);
    }
    false
}
