//! The end of a command in a container that nobody waits for any more.
//!
//! The API has no call for it, and to hang up leaves the process running. Where the engine's processes are this host's, it is killed
//! from here with its children, after a look whether they are that container's. Of an engine elsewhere nothing can be done: the process
//! goes on until it ends or cannot write.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::client::{ANSWER, Line};

/// How often the engine is asked whether a command has ended.
const GLANCE: Duration = Duration::from_millis(20);
/// How often at most after a kill: about two seconds.
const GLANCES: usize = 100;

impl Line {
    /// Kills the process of an exec and its children, and waits a little until the engine has seen it.
    pub(super) async fn kill(&self, exec: &str) {
        let inspect = || async {
            let asked = self.general("inspect a command in a container");
            tokio::time::timeout(ANSWER, self.answer(asked, |client| async move { client.inspect_exec(exec).await })).await.ok()?.ok()
        };
        let Some(seen) = inspect().await else { return };
        let (Some(true), Some(container), Some(pid)) = (seen.running, seen.container_id, seen.pid) else { return };
        if !self.local() {
            return;
        }
        for pid in tree(pid) {
            if is_of(pid, &container)
                && let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw)
            {
                // One that has ended by itself is what was wanted.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        for _ in 0..GLANCES {
            if inspect().await.is_none_or(|seen| seen.running != Some(true)) {
                return;
            }
            tokio::time::sleep(GLANCE).await;
        }
    }
}

/// A process and all below it.
fn tree(pid: i64) -> BTreeSet<i64> {
    let (mut found, mut left) = (BTreeSet::new(), vec![pid]);
    while let Some(pid) = left.pop() {
        if pid > 1 && found.insert(pid) {
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
