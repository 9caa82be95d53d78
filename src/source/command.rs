//! Commands as sources: standard output is the payload, the exit code is the word on it.
//!
//! An artifact is good only if the command ended with 0, wrote something, and the optional check command, which reads the same bytes
//! on its standard input, ended with 0 too. This holds wherever they run: all commands of a source run on this host, or all in its
//! container.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::command_run::{Ended, Printed, Runner, raised};
use super::port::{Captured, Probe, SourceError, Watch};
use crate::archive::{PackError, StreamOptions, compress};
use crate::finding::nearest;
use crate::model::{CommandSource, Name};
use crate::runtime::seen::{Picture, State};

/// Whether the commands' container is there and runs; of what they would do only running them tells.
pub(super) fn probe(name: &Name, source: &CommandSource, seen: Option<&Picture>) -> Probe {
    let Some(wanted) = &source.container else { return Probe::NotChecked };
    let Some(seen) = seen else {
        return Probe::Unusable(format!("source `{name}`: its commands run in a container, and the container engine did not answer"));
    };
    match seen.containers.iter().find(|container| container.name == *wanted || container.id == *wanted) {
        Some(container) if container.state == State::Running => Probe::NotChecked,
        Some(container) => {
            let state = container.state.as_str();
            Probe::Unusable(format!("source `{name}`: container `{wanted}` is {state}, and a command runs only in one that is running"))
        }
        None => {
            let near = nearest(wanted, seen.containers.iter().map(|container| container.name.as_str()));
            let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            Probe::Unusable(format!("source `{name}`: there is no container `{wanted}`{near}"))
        }
    }
}

/// Runs the command and packs what it writes.
pub(super) fn capture(
    run: Runner<'_>,
    threads: usize,
    payload: &mut (dyn Write + Send),
    watch: &Watch<'_>,
) -> Result<Captured, SourceError> {
    let Runner { name, source, .. } = run;
    let (stdout, into) = pipe(run)?;
    let (check, input) = match &source.check_command {
        Some(argv) => pipe(run).map(|(input, check)| (Some(check), Some((argv, input))))?,
        None => (None, None),
    };
    let (end, over) = (AtomicBool::new(false), AtomicBool::new(false));
    let (packed, command, checker) = thread::scope(|scope| {
        let (end, over) = (&end, &over);
        let watcher = scope.spawn(move || end.fetch_or(raised(watch.cancel, over), Ordering::Relaxed));
        let command = scope.spawn(move || run.run(&source.command, None, Printed::Into(into), end));
        let checker = input.map(|(argv, input)| {
            scope.spawn(move || {
                let ended = run.run(argv, Some(input), Printed::Nowhere, end);
                // Nothing is worth capturing that cannot be checked.
                end.fetch_or(ended.is_err(), Ordering::Relaxed);
                ended
            })
        });
        let mut tee = Tee { stdout, check, read: 0, progress: watch.progress };
        let options = StreamOptions { threads, ..StreamOptions::default() };
        let packed = compress(&mut tee, payload, options, &|_| (), end);
        end.fetch_or(packed.is_err(), Ordering::Relaxed);
        let packed = packed.map(|_| tee.read);
        drop(tee);
        let (command, checker) = (join(command), checker.map(join));
        over.store(true, Ordering::Relaxed);
        watcher.thread().unpark();
        (packed, command, checker)
    });
    if watch.cancel.load(Ordering::Relaxed) {
        return Err(SourceError::Interrupted);
    }
    let failed = |source| SourceError::Archive { name: name.to_string(), source };
    let command = unless_ended(command)?;
    let checker = checker.map(unless_ended).transpose()?.flatten();
    if let Err(error @ (PackError::Payload(_) | PackError::Compress(_) | PackError::Pipeline)) = packed {
        return Err(failed(error));
    }
    let shown = source.command.join(" ");
    let Some(command) = command else { return Err(packed.map_or_else(failed, |_| SourceError::Interrupted)) };
    if !command.good {
        return Err(run.wrong(&format!("`{shown}` ended with {}{}", command.status, run.quoted(&command.complaint))));
    }
    let bytes = packed.map_err(failed)?;
    if bytes == 0 {
        return Err(run.wrong(&format!("`{shown}` wrote nothing{}", run.quoted(&command.complaint))));
    }
    if let (Some(argv), Some(checker)) = (&source.check_command, &checker)
        && !checker.good
    {
        let quoted = run.quoted(&checker.complaint);
        return Err(run.wrong(&format!("check command `{}` ended with {}{quoted}", argv.join(" "), checker.status)));
    }
    let said = command.complaint.trim();
    let warnings = if said.is_empty() { Vec::new() } else { vec![format!("source `{name}` said{}", run.quoted(&command.complaint))] };
    Ok(Captured { entries: 1, bytes, warnings, ..Captured::default() })
}

/// Runs the restore command with the payload on its standard input.
pub(super) fn feed(run: Runner<'_>, payload: &mut (dyn Read + Send), cancel: &AtomicBool) -> Result<(), SourceError> {
    let Some(argv) = &run.source.restore_command else {
        return Err(run.wrong("it has no `restore_command`; restore it to a folder with `--to`"));
    };
    let (stdin, mut input) = pipe(run)?;
    let (fed, ended) = thread::scope(|scope| {
        let command = scope.spawn(move || run.run(argv, Some(stdin), Printed::Shown, cancel));
        let fed = io::copy(payload, &mut input);
        drop(input);
        (fed, join(command))
    });
    if cancel.load(Ordering::Relaxed) {
        return Err(SourceError::Interrupted);
    }
    let ended = ended?;
    let shown = argv.join(" ");
    if !ended.good {
        return Err(run.wrong(&format!("`{shown}` ended with {}{}", ended.status, run.quoted(&ended.complaint))));
    }
    fed.map(drop).map_err(|e| run.wrong(&format!("the payload did not reach `{shown}` whole: {e}")))
}

fn pipe(run: Runner<'_>) -> Result<(PipeReader, PipeWriter), SourceError> {
    io::pipe().map_err(|e| run.wrong(&format!("no pipe can be had: {e}")))
}

fn join<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// None for a command that was ended because of another: it is not the cause.
fn unless_ended(ended: Result<Ended, SourceError>) -> Result<Option<Ended>, SourceError> {
    match ended {
        Ok(ended) => Ok(Some(ended)),
        Err(SourceError::Interrupted) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Hands what it reads to the check command as well. A check command may stop reading early: its exit code decides.
struct Tee<'a> {
    stdout: PipeReader,
    check: Option<PipeWriter>,
    read: u64,
    progress: &'a (dyn Fn(u64, u64) + Sync),
}

impl Read for Tee<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stdout.read(buffer)?;
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::archive::decompress;
    use crate::model::SecretRef;
    use crate::model::{Source, SourceKind};
    use crate::runtime::seen::Container;
    use crate::runtime::{Exec, Memory, Runtime, RuntimeError, Streams, running};
    use crate::source::{Back, Fed, HostSources, Output, Sources};

    const SECRET: &str = "hunter2-and-more";

    /// A source whose commands run as `postgres` in the container `db`, on an engine where they do what `program` does.
    fn world(
        program: impl Fn(&Exec<'_>, Streams<'_>, &AtomicBool) -> Result<i64, RuntimeError> + Send + Sync + 'static,
    ) -> (HostSources, Source) {
        let engine = Memory::new(vec![running("db")]);
        engine.program(program);
        let argv = |word: &str| vec![word.to_owned(), "lucid".to_owned()];
        let command = CommandSource {
            command: argv("dump"),
            check_command: Some(argv("check")),
            restore_command: Some(argv("restore")),
            env: BTreeMap::from([("PASSWORD".to_owned(), SecretRef::Env("P".to_owned()))]),
            file: "dump.sql".to_owned(),
            container: Some("db".to_owned()),
            user: Some("postgres".to_owned()),
        };
        let span = crate::finding::Lines::new("m", "").span(0..0);
        let kind = SourceKind::Command(command);
        let source = Source { name: "main".parse().unwrap(), kind, stop: Vec::new(), restore_stop: Vec::new(), span };
        let variable = Arc::new(|name: &str| (name == "P").then(|| SECRET.to_owned()));
        (HostSources { threads: 1, variable, runtime: Arc::new(engine), scratch: std::env::temp_dir() }, source)
    }

    fn capture(world: &(HostSources, Source), cancel: &AtomicBool) -> Result<(Vec<u8>, Captured), SourceError> {
        let (mut payload, mut index) = (Vec::new(), Vec::new());
        let output = Output { payload: &mut payload, index: &mut index };
        let captured = world.0.capture(&world.1, false, output, &Watch { progress: &|_, _| (), cancel })?;
        let mut plain = Vec::new();
        decompress(&mut payload.as_slice(), &mut plain, 1, &AtomicBool::new(false)).unwrap();
        Ok((plain, captured))
    }

    fn fails(world: &(HostSources, Source)) -> String {
        let error = capture(world, &AtomicBool::new(false)).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(SECRET), "{error:?}");
        error.to_string()
    }

    fn said(streams: &mut Streams<'_>, text: &str, code: i64) -> i64 {
        streams.stderr.write_all(text.as_bytes()).unwrap();
        code
    }

    #[test]
    fn what_a_command_in_a_container_writes_is_checked_there_and_is_the_payload() {
        let checked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&checked);
        let world = world(move |exec, mut streams, _| {
            assert_eq!((exec.container, exec.user, &exec.argv[1]), ("db", Some("postgres"), &"lucid".to_owned()));
            assert_eq!(exec.env, [("PASSWORD".to_owned(), SECRET.to_owned())]);
            match exec.argv[0].as_str() {
                "dump" => {
                    streams.stdout.write_all(&vec![7; 300_000]).unwrap();
                    Ok(said(&mut streams, "one table was empty", 0))
                }
                "check" => {
                    streams.stdin.unwrap().read_to_end(&mut seen.lock().unwrap()).unwrap();
                    Ok(0)
                }
                other => panic!("{other}"),
            }
        });
        let (plain, captured) = capture(&world, &AtomicBool::new(false)).unwrap();
        assert_eq!((plain.len(), captured.bytes), (300_000, 300_000));
        assert_eq!(*checked.lock().unwrap(), plain);
        assert_eq!(captured.warnings, ["source `main` said: one table was empty"]);
    }

    #[test]
    fn a_command_in_a_container_has_the_last_word_on_its_artifact() {
        let dump = |text: &'static str, code: i64, complaint: &'static str| {
            world(move |exec, mut streams, _| match exec.argv[0].as_str() {
                "dump" => {
                    streams.stdout.write_all(text.as_bytes()).unwrap();
                    Ok(said(&mut streams, complaint, code))
                }
                _ => Ok(said(&mut streams, "not a dump", i64::from(text == "bad"))),
            })
        };
        assert_eq!(
            fails(&dump("half", 1, "password hunter2-and-more is wrong")),
            "source `main`: `dump lucid` ended with exit status: 1 in container `db`: password *** is wrong"
        );
        assert!(fails(&dump("OCI runtime exec failed", 126, "")).ends_with("126 in container `db`, as where there is no such program"));
        assert_eq!(fails(&dump("", 0, "")), "source `main`: `dump lucid` wrote nothing");
        assert_eq!(
            fails(&dump("bad", 0, "")),
            "source `main`: check command `check lucid` ended with exit status: 1 in container `db`: not a dump"
        );
    }

    #[test]
    fn a_check_that_cannot_run_ends_the_command() {
        let world = world(|exec, streams, cancel| match exec.argv[0].as_str() {
            "dump" => {
                while !cancel.load(Ordering::Relaxed) {
                    if streams.stdout.write_all(&[0; 4096]).is_err() {
                        break;
                    }
                }
                Err(RuntimeError::Interrupted)
            }
            _ => Err(RuntimeError::Refused { what: "run a command".to_owned(), message: "no".to_owned() }),
        });
        assert_eq!(fails(&world), "source `main`: `check lucid` cannot be run in container `db`: run a command: no");
    }

    #[test]
    fn a_cancel_ends_a_command_in_a_container() {
        let cancel = Arc::new(AtomicBool::new(false));
        let raise = Arc::clone(&cancel);
        let world = world(move |exec, streams, end| {
            raise.store(true, Ordering::Relaxed);
            if exec.argv[0] == "dump" {
                streams.stdout.write_all(b"x").unwrap();
            }
            while !end.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            Err(RuntimeError::Interrupted)
        });
        assert!(matches!(capture(&world, &cancel), Err(SourceError::Interrupted)));
    }

    #[test]
    fn a_payload_is_fed_to_a_command_in_a_container() {
        let taken = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&taken);
        let (sources, source) = world(move |exec, streams, _| {
            assert_eq!(exec.argv[0], "restore");
            streams.stdin.unwrap().read_to_end(&mut seen.lock().unwrap()).unwrap();
            Ok(0)
        });
        fed(&sources, &source).unwrap();
        assert_eq!(taken.lock().unwrap().len(), 200_000);
        // it stops reading early and says why
        let (sources, source) = world(|_, mut streams, _| Ok(said(&mut streams, "no such database", 2)));
        let error = fed(&sources, &source).unwrap_err();
        assert_eq!(error.to_string(), "source `main`: `restore lucid` ended with exit status: 2 in container `db`: no such database");
    }

    fn fed(sources: &HostSources, source: &Source) -> Result<Fed, SourceError> {
        let watch = Watch { progress: &|_, _| (), cancel: &AtomicBool::new(false) };
        sources.feed(source, &Back::default(), &mut vec![5; 200_000].as_slice(), &watch)
    }

    #[test]
    fn a_container_that_is_not_there_or_does_not_run_is_named_before_anything_runs() {
        let (sources, source) = world(|_, _, _| panic!("a probe runs nothing"));
        let probe = |containers: Vec<Container>| sources.probe(&source, Some(&Memory::new(containers).picture().unwrap()));
        assert_eq!(probe(vec![running("db")]), Probe::NotChecked);
        let why = "source `main`: container `db` is paused, and a command runs only in one that is running";
        assert_eq!(probe(vec![Container { state: State::Paused, ..running("db") }]), Probe::Unusable(why.to_owned()));
        let why = "source `main`: there is no container `db`; did you mean `db1`?";
        assert_eq!(probe(vec![running("db1")]), Probe::Unusable(why.to_owned()));
        assert!(matches!(sources.probe(&source, None), Probe::Unusable(_)));
    }
}
