//! Commands as sources: standard output is the payload, the exit code is the word on it.
//!
//! An artifact is good only if the command ended with 0, wrote something, and the optional check command, which reads the same bytes
//! on its standard input, ended with 0 too. Commands run in process groups of their own, so that a shell's children end with it.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::port::{Captured, SourceError, Watch};
use super::secret::Secret;
use crate::archive::{StreamOptions, compress};
use crate::model::{CommandSource, Name};
use crate::runtime::process::{Group, Running, tail};

/// How much of a command's complaints is kept, from its end. Bytes.
const COMPLAINT: usize = 4096;
/// How often a waiting thread looks at the cancel flag.
const GLANCE: Duration = Duration::from_millis(50);

/// Runs the command and packs what it writes.
pub(super) fn capture(
    name: &Name,
    source: &CommandSource,
    env: &BTreeMap<String, Secret>,
    threads: usize,
    payload: &mut (dyn Write + Send),
    watch: &Watch<'_>,
) -> Result<Captured, SourceError> {
    let say = Speaker { name, env };
    let keep = say.keep();
    let mut child = say.spawn(&source.command, Stdio::null(), Stdio::piped())?;
    let stdout = child.child.stdout.take();
    let mut checker = match &source.check_command {
        Some(argv) => Some(say.spawn(argv, Stdio::piped(), Stdio::null())?),
        None => None,
    };
    let check_input = checker.as_mut().and_then(|c| c.child.stdin.take());
    let ended = AtomicBool::new(false);
    let (packed, complaint, check_complaint) = thread::scope(|scope| {
        let groups = [Some(child.group()), checker.as_ref().map(Running::group)];
        let (cancel, ended) = (watch.cancel, &ended);
        scope.spawn(move || kill_when_cancelled(groups, cancel, ended));
        let complaint = scope.spawn({
            let stderr = child.child.stderr.take();
            move || stderr.map(|stderr| tail(stderr, keep)).unwrap_or_default()
        });
        let check_complaint = scope.spawn({
            let stderr = checker.as_mut().and_then(|c| c.child.stderr.take());
            move || stderr.map(|stderr| tail(stderr, keep)).unwrap_or_default()
        });
        let mut tee = Tee { stdout, check: check_input, read: 0, progress: watch.progress };
        let options = StreamOptions { threads, ..StreamOptions::default() };
        let packed = compress(&mut tee, payload, options, &|_| (), watch.cancel);
        let read = tee.read;
        drop(tee);
        let packed = packed.map(|_| read);
        let complaint = complaint.join().unwrap_or_default();
        let check_complaint = check_complaint.join().unwrap_or_default();
        ended.store(true, Ordering::Relaxed);
        (packed, complaint, check_complaint)
    });
    let status = child.child.wait().map_err(|e| say.wrong(&format!("`{}` cannot be waited for: {e}", source.command.join(" "))))?;
    let check_status = checker.as_mut().map(|c| c.child.wait()).transpose();
    if watch.cancel.load(Ordering::Relaxed) {
        return Err(SourceError::Interrupted);
    }
    if !status.success() {
        return Err(say.wrong(&format!("`{}` ended with {status}{}", source.command.join(" "), say.quoted(&complaint))));
    }
    let bytes = packed.map_err(|source| SourceError::Archive { name: name.to_string(), source })?;
    if bytes == 0 {
        return Err(say.wrong(&format!("`{}` wrote nothing{}", source.command.join(" "), say.quoted(&complaint))));
    }
    let check_status = check_status.map_err(|e| say.wrong(&format!("the check command cannot be waited for: {e}")))?;
    if let (Some(argv), Some(status)) = (&source.check_command, check_status)
        && !status.success()
    {
        return Err(say.wrong(&format!("check command `{}` ended with {status}{}", argv.join(" "), say.quoted(&check_complaint))));
    }
    let warnings = if complaint.trim().is_empty() { Vec::new() } else { vec![format!("source `{name}` said{}", say.quoted(&complaint))] };
    Ok(Captured { entries: 1, bytes, fingerprint: None, warnings })
}

/// Runs the restore command with the payload on its standard input.
pub(super) fn feed(
    name: &Name,
    source: &CommandSource,
    env: &BTreeMap<String, Secret>,
    payload: &mut (dyn Read + Send),
    cancel: &AtomicBool,
) -> Result<(), SourceError> {
    let say = Speaker { name, env };
    let Some(argv) = &source.restore_command else {
        return Err(say.wrong("it has no `restore_command`; restore it to a folder with `--to`"));
    };
    let keep = say.keep();
    let mut child = say.spawn(argv, Stdio::piped(), Stdio::inherit())?;
    let input = child.child.stdin.take();
    let ended = AtomicBool::new(false);
    let (fed, complaint) = thread::scope(|scope| {
        let (group, ended) = (child.group(), &ended);
        scope.spawn(move || kill_when_cancelled([Some(group), None], cancel, ended));
        let complaint = scope.spawn({
            let stderr = child.child.stderr.take();
            move || stderr.map(|stderr| tail(stderr, keep)).unwrap_or_default()
        });
        let fed = match input {
            Some(mut input) => io::copy(payload, &mut input).map(|_| ()),
            None => Ok(()),
        };
        let complaint = complaint.join().unwrap_or_default();
        ended.store(true, Ordering::Relaxed);
        (fed, complaint)
    });
    let status = child.child.wait().map_err(|e| say.wrong(&format!("`{}` cannot be waited for: {e}", argv.join(" "))))?;
    if cancel.load(Ordering::Relaxed) {
        return Err(SourceError::Interrupted);
    }
    if !status.success() {
        return Err(say.wrong(&format!("`{}` ended with {status}{}", argv.join(" "), say.quoted(&complaint))));
    }
    fed.map_err(|e| say.wrong(&format!("the payload did not reach `{}` whole: {e}", argv.join(" "))))
}

struct Speaker<'a> {
    name: &'a Name,
    env: &'a BTreeMap<String, Secret>,
}

impl Speaker<'_> {
    fn wrong(&self, message: &str) -> SourceError {
        SourceError::Command { name: self.name.to_string(), message: self.redact(message) }
    }

    fn redact(&self, text: &str) -> String {
        self.env.values().fold(text.to_owned(), |text, secret| secret.redact(&text))
    }

    /// How much of a complaint is read: as much as is shown, and room for a secret that is cut by it.
    fn keep(&self) -> usize {
        COMPLAINT + self.env.values().map(|secret| secret.reveal().len()).max().unwrap_or(0)
    }

    fn quoted(&self, complaint: &str) -> String {
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

    fn spawn(&self, argv: &[String], stdin: Stdio, stdout: Stdio) -> Result<Running, SourceError> {
        let program = argv.first().map(String::as_str).unwrap_or_default();
        let mut command = Command::new(program);
        command.args(argv.iter().skip(1)).stdin(stdin).stdout(stdout).stderr(Stdio::piped());
        command.envs(self.env.iter().map(|(key, secret)| (key, secret.reveal())));
        Running::spawn(&mut command).map_err(|e| self.wrong(&format!("`{program}` cannot be started: {e}")))
    }
}

fn kill_when_cancelled(groups: [Option<Group>; 2], cancel: &AtomicBool, ended: &AtomicBool) {
    while !ended.load(Ordering::Relaxed) {
        if cancel.load(Ordering::Relaxed) {
            groups.into_iter().flatten().for_each(Group::end);
            return;
        }
        thread::park_timeout(GLANCE);
    }
}

/// Hands what it reads to the check command as well. A check command may stop reading early: its exit code decides.
struct Tee<'a, R> {
    stdout: Option<R>,
    check: Option<std::process::ChildStdin>,
    read: u64,
    progress: &'a (dyn Fn(u64, u64) + Sync),
}

impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(stdout) = &mut self.stdout else { return Ok(0) };
        let read = stdout.read(buffer)?;
        self.read += read as u64;
        (self.progress)(self.read, 0);
        if read == 0 {
            self.check = None;
        } else if let Some(check) = &mut self.check
            && check.write_all(&buffer[..read]).is_err()
        {
            self.check = None;
        }
        Ok(read)
    }
}
