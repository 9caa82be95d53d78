//! The command line as values: what concerns every verb, and the verb.

use std::path::PathBuf;

use clap::Parser;

use super::exit;
use super::failure::Failure;
use super::screen::{Color, Format};
use super::verbs::Command;

/// Declarative backups: a manifest in git becomes a plan, the plan is applied, and what it made can be restored.
#[derive(Debug, Parser)]
#[command(name = "lucid-policy", version, about, after_help = exit::TABLE, arg_required_else_help = true, max_term_width = 120)]
pub struct Args {
    /// What concerns every verb.
    #[command(flatten)]
    pub(super) global: Global,
    /// What to do.
    #[command(subcommand)]
    pub(super) command: Command,
}

/// What concerns every verb.
#[derive(Debug, clap::Args)]
pub struct Global {
    /// The manifest: a file, or a folder of which every *.toml is read [default: lucid-policy.toml, else policies/]
    #[arg(short = 'f', long = "file", global = true, value_name = "FILE|FOLDER")]
    pub(super) file: Option<PathBuf>,
    /// What to print: text for people, json for programs; some verbs have more
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    pub(super) format: String,
    /// Where this host remembers things [default: /var/lib/lucid-policy for root, else the XDG state folder]
    #[arg(long, global = true, value_name = "FOLDER", env = "LUCID_POLICY_STATE_DIR")]
    pub(super) state_dir: Option<PathBuf>,
    /// Say only what went wrong
    #[arg(short, long, global = true)]
    pub(super) quiet: bool,
    /// When to use colour
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub(super) color: Color,
}

impl Global {
    /// Text or JSON; a verb with more formats reads the word itself.
    pub(super) fn format(&self) -> Result<Format, Failure> {
        match self.format.as_str() {
            "text" => Ok(Format::Text),
            "json" => Ok(Format::Json),
            other => Err(Failure::usage(format!("there is no format `{other}` here"), "use --format text or --format json")),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Args;

    #[test]
    fn no_verb_has_a_flag_twice() {
        Args::command().debug_assert();
    }
}
