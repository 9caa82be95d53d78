//! This process as it asks for leases: who it is, what time passes for it, and which other processes it sees.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use rustix::time::{ClockId, clock_gettime};

use crate::execute::Host;
use crate::store::lease::{Claimant, Process};

/// This process.
pub(super) fn claimant(host: &Host) -> Claimant {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned();
    let process = Process {
        host: host.id.clone(),
        hostname: host.name.clone(),
        boot,
        pid: host.pid,
        pid_start: began(host.pid).map_or(0, |(ticks, _)| ticks),
        pid_namespace: pid_namespace().unwrap_or(0),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    Claimant { process, uptime: Arc::new(uptime), alive: Arc::new(alive) }
}

/// A monotonic clock that goes on while the host sleeps.
fn uptime() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// Whether a process that began then is still there; in doubt it is.
fn alive(pid: u32, start: u64) -> bool {
    let Some(id) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return true };
    // Asked first: where a system hides the processes of others, their folders in `/proc` are not there either.
    if test_kill_process(id) == Err(Errno::SRCH) {
        return false;
    }
    // A number that another process has by now; and one that has ended and that nobody has asked about yet.
    began(pid).is_none_or(|(began, state)| (start == 0 || began == start) && !matches!(state, 'Z' | 'X'))
}

/// When a process began, in ticks since the boot, and its state.
fn began(pid: u32) -> Option<(u64, char)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // the second field is the program's name in brackets, which may have spaces and brackets in it
    let mut rest = stat.rsplit_once(") ")?.1.split(' ');
    let state = rest.next()?.chars().next()?;
    Some((rest.nth(18)?.parse().ok()?, state))
}

fn pid_namespace() -> Option<u64> {
    let name = fs::read_link("/proc/self/ns/pid").ok()?;
    name.to_str()?.strip_prefix("pid:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_process_is_alive_until_it_ends_and_its_number_alone_is_not_it() {
        let host = Host { id: "h".to_owned(), name: "n".to_owned(), pid: std::process::id() };
        let us = claimant(&host).process;
        assert!(us.pid_start > 0 && us.pid_namespace > 0 && us.boot.len() == 36, "{us:?}");
        assert!(alive(us.pid, us.pid_start) && !alive(us.pid, us.pid_start + 1));
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let (start, _) = began(child.id()).unwrap();
        assert!(alive(child.id(), start));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!alive(child.id(), start));
        assert!(alive(0, 0), "no number of a process");
    }

    #[test]
    fn the_clock_goes_on() {
        let before = uptime();
        assert!(before > Duration::ZERO && uptime() >= before);
    }
}
