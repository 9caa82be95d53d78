//! The command line: wires ports, prints, and maps what happened to exit codes. The only place that reads the clock, the
//! environment, randomness and the terminal.

mod ask;
mod bars;
mod exit;
mod failure;
mod screen;
mod select;
mod session;
mod signals;
mod verbs;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

pub use exit::Exit;
pub use verbs::Command;

use screen::{Color, Format, Screen};

/// Declarative backups: a manifest in git becomes a plan, the plan is applied, and what it made can be restored.
#[derive(Debug, Parser)]
#[command(name = "lucid-policy", version, about, after_help = exit::TABLE, arg_required_else_help = true, max_term_width = 120)]
pub struct Args {
    /// What concerns every verb.
    #[command(flatten)]
    global: Global,
    /// What to do.
    #[command(subcommand)]
    command: Command,
}

/// What concerns every verb.
#[derive(Debug, clap::Args)]
pub struct Global {
    /// The manifest: a file, or a folder of which every *.toml is read [default: lucid-policy.toml, else policies/]
    #[arg(short = 'f', long = "file", global = true, value_name = "FILE|FOLDER")]
    file: Option<std::path::PathBuf>,
    /// What to print: text for people, json for programs; some verbs have more
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    format: String,
    /// Where this host remembers things [default: /var/lib/lucid-policy for root, else the XDG state folder]
    #[arg(long, global = true, value_name = "FOLDER", env = "LUCID_POLICY_STATE_DIR")]
    state_dir: Option<std::path::PathBuf>,
    /// Say only what went wrong
    #[arg(short, long, global = true)]
    quiet: bool,
    /// When to use colour
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    color: Color,
}

impl Global {
    /// Text or JSON; a verb with more formats reads the word itself.
    fn format(&self) -> Result<Format, failure::Failure> {
        match self.format.as_str() {
            "text" => Ok(Format::Text),
            "json" => Ok(Format::Json),
            other => Err(failure::Failure::usage(format!("there is no format `{other}` here"), "use --format text or --format json")),
        }
    }
}

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
