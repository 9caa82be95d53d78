//! From the process's arguments to its exit code; and before anything else: secrets in memory stay there.

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};

use super::args::Args;
use super::exit::Exit;
use super::screen::Screen;

/// Runs the program with the process's own arguments.
pub fn main() -> ExitCode {
    undumpable();
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // A closed pipe at the other end is no reason to fail.
            drop(error.print());
            let fine = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return if fine { Exit::Good } else { Exit::Usage }.into();
        }
    };
    let screen = Screen::new(args.global.color, args.global.quiet);
    match args.command.run(&args.global, &screen) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            screen.error(&failure);
            failure.exit.into()
        }
    }
}

/// No core file of this process is written, and no other user's process reads its memory. Not by a limit: children would inherit that, and a
/// collector of cores that is a pipe ignores it.
fn undumpable() {
    // A system that refuses runs backups all the same.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

#[cfg(test)]
mod tests {
    use rustix::process::dumpable_behavior;

    use super::*;

    #[test]
    fn the_process_leaves_no_core_and_still_reads_what_it_needs_of_itself() {
        undumpable();
        assert_eq!(dumpable_behavior(), Ok(DumpableBehavior::NotDumpable));
        for path in ["/proc/self/mountinfo", "/proc/self/status", "/proc/self/cgroup"] {
            assert!(std::fs::read(path).is_ok(), "{path}");
        }
        assert!(std::fs::read_dir("/proc/self/fd").is_ok());
    }
}
