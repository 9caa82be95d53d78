//! Back into a command or a server: the payload is read and checked whole, then given to it.

use std::io::{self, Read};
use std::thread;

use super::error::RestoreError;
use super::opened::{Opened, Watch};
use super::perform::{Hands, Staged, done};
use super::plan::source_of;
use crate::archive::Outcome;
use crate::source::{self, Back, Fed, SourceError};

/// What is read there. If the payload ends badly so does this, and the restore fails; what was taken by then stays taken, which is why
/// the payload was read whole before.
struct Checked<'scope> {
    pipe: io::PipeReader,
    writer: Option<thread::ScopedJoinHandle<'scope, Result<u64, RestoreError>>>,
    failed: Option<RestoreError>,
}

impl Read for Checked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.pipe.read(buffer)?;
        if read > 0 || buffer.is_empty() {
            return Ok(read);
        }
        match self.writer.take().map(thread::ScopedJoinHandle::join) {
            None | Some(Ok(Ok(_))) if self.failed.is_none() => Ok(0),
            Some(Ok(Err(error))) => {
                self.failed = Some(error);
                Err(io::Error::other("the payload could not be read to its end"))
            }
            _ => Err(io::Error::other("the payload could not be read to its end")),
        }
    }
}

pub(super) fn perform(hands: &Hands<'_>, back: &Back) -> Result<Staged, RestoreError> {
    let plan = hands.plan;
    let work = || {
        let holder = format!("restore {} of host {} (pid {})", plan.run, hands.ports.host.name, hands.ports.host.pid);
        let held = hands.ports.state.hold(&plan.instance, &plan.choice.series, &holder)?;
        let _series = held.map_err(|holder| RestoreError::Locked { holder })?;
        // Nothing is fed while a copy is only being tried: what was taken cannot be taken back.
        let checked = hands.read_a_good_copy(
            |opened, watch| opened.verify_stream(watch).map(|bytes| Outcome { entries: 1, bytes, ..Outcome::default() }),
            || Ok(()),
        )?;
        let copy = plan.choice.copies.iter().find(|copy| copy.store == checked.store);
        let copy = copy.ok_or_else(|| RestoreError::Changed(format!("store `{}` cannot be used", checked.store)))?;
        let opened = Opened::open(hands.ports, &plan.choice, copy)?;
        hands.stop_if_cancelled()?;
        hands.fault.step()?;
        let (ports, services) = (hands.ports, &plan.services);
        let mut fed = Fed::default();
        super::services::during(ports, plan.run, "restore", &plan.instance, services, false, || {
            fed = feed(hands, &opened, back)?;
            Ok(())
        })?;
        fed.warnings.iter().for_each(|warning| hands.warn(warning.clone()));
        let entries = fed.entries.unwrap_or(checked.entries);
        Ok(Staged { entries, warnings: fed.warnings, ..checked })
    };
    hands.shown(hands.stage_address(), "restore", work, |staged| done(plan, staged))
}

fn feed(hands: &Hands<'_>, opened: &Opened<'_>, back: &Back) -> Result<Fed, RestoreError> {
    let source = source_of(hands.set, &hands.plan.choice)
        .ok_or_else(|| RestoreError::Changed(format!("policy `{}` has no source any more", hands.plan.choice.policy)))?;
    let path = std::path::Path::new(source.name.as_str());
    let (pipe, mut into) = io::pipe().map_err(RestoreError::io("make a pipe to", path))?;
    let cancel = &hands.ports.cancel;
    thread::scope(|scope| {
        let silent = |_: u64, _: u64| ();
        let writer = scope.spawn(move || {
            let watch = Watch { threads: hands.set.run.threads, progress: &silent, cancel };
            opened.decompress(&mut into, path, &watch)
        });
        let mut input = Checked { pipe, writer: Some(writer), failed: None };
        let progress = hands.ports.progress(hands.stage_address(), Some(hands.plan.bytes));
        let watch = source::Watch { progress: &progress, cancel };
        let fed = hands.ports.sources.feed(source, back, &mut input, &watch);
        match (fed, input.failed.take()) {
            (_, Some(error)) => Err(error),
            (Err(SourceError::Interrupted), None) => Err(RestoreError::Source(SourceError::Interrupted)),
            (fed, None) => Ok(fed?),
        }
    })
}
