//! The end of a command in a container that nobody waits for any more.
//!
//! The API has no call for it, and to hang up leaves the process running. Where the engine's processes are this host's, it is killed
//! from here with its children, after a look whether they are that container's. Of an engine elsewhere nothing can be done: the process
//! goes on until it ends or cannot write.

use std::fs;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::client::Line;

/// How often the engine is asked whether a command has ended.
const GLANCE: Duration = Duration::from_millis(20);
/// How often at most: two seconds and what the answers take.
const GLANCES: usize = 100;

impl Line {
    /// Kills the process of an exec and its children, and waits a little until the engine has seen it.
    pub(super) async fn kill(&self, exec: &str) {
        for _ in 0..GLANCES {
            let asked = self.general("inspect a command in a container");
            let Ok(seen) = self.answer(asked, |client| async move { client.inspect_exec(exec).await }).await else { return };
            if seen.exit_code.is_some() && seen.running != Some(true) || !self.local {
                return;
            }
            // One that is about to start has no process yet; what has forked since the last look is found by the next.
            if let (Some(container), Some(pid)) = (seen.container_id, seen.pid) {
                end(pid, &container);
            }
            tokio::time::sleep(GLANCE).await;
        }
    }
}

/// Kills a process and all below it, the ones above first: a shell that outlives its command goes on to the next.
fn end(pid: i64, container: &str) {
    for pid in tree(pid) {
        if is_of(pid, container)
            && let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw)
        {
            // One that has ended by itself is what was wanted.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// A process and all below it; each comes after the one that it is below.
fn tree(pid: i64) -> Vec<i64> {
    let (mut found, mut left) = (Vec::new(), vec![pid]);
    while let Some(pid) = left.pop() {
        if pid > 1 && !found.contains(&pid) {
            found.push(pid);
            let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
            let children = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
            left.extend(children.flat_map(|text| text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<i64>>()));
        }
    }
    found
}

/// Whether a process of this host is one of the container's, so that no other is hit where the engine's are not this host's.
fn is_of(pid: i64, container: &str) -> bool {
    !container.is_empty() && fs::read_to_string(format!("/proc/{pid}/cgroup")).is_ok_and(|text| text.contains(container))
}
