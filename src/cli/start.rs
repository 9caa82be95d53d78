//! From the process's arguments to its exit code.

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use super::args::Args;
use super::exit::Exit;
use super::screen::Screen;

/// Runs the program with the process's own arguments.
pub fn main() -> ExitCode {
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
