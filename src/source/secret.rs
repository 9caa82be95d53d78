//! Secrets: references become values here, at the last moment, and nowhere else.
//!
//! A value is never shown, and is wiped where it was kept: the type has no `Display`, its `Debug` says nothing, and what a command wrote to its standard error
//! is searched for it before it becomes a message.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use zeroize::Zeroizing;

use crate::model::SecretRef;

/// A secret's value.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The value, for the environment of a child and for nothing else.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// A text without the secret.
    pub fn redact(&self, text: &str) -> String {
        // Shorter values would tear ordinary words apart, and are no secret worth the name.
        if self.0.len() < 4 { text.to_owned() } else { text.replace(self.reveal(), "***") }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// Why a secret could not be had. Names the reference, never a value.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// No such variable.
    #[error("environment variable `{0}` is not set")]
    Env(String),
    /// The file cannot be read.
    #[error("cannot read `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file has no such line.
    #[error("`{}` has no line `{name}=...`", path.display())]
    Name {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
    },
    /// No credentials were handed over.
    #[error("credential `{0}`: systemd handed over no credentials to this process")]
    NoCredentials(String),
    /// The command did not give one.
    #[error("command `{program}` gave no secret: {message}")]
    Command {
        /// The program.
        program: String,
        /// Why.
        message: String,
    },
}

/// Gets a secret's value. `variable` looks up the environment.
pub fn resolve(secret: &SecretRef, variable: &dyn Fn(&str) -> Option<String>) -> Result<Secret, SecretError> {
    let mut value = match secret {
        SecretRef::Env(name) => Zeroizing::new(variable(name).ok_or_else(|| SecretError::Env(name.clone()))?),
        SecretRef::File(path) => read(path)?,
        SecretRef::EnvFile { file, name } => {
            named(&read(file)?, name).ok_or_else(|| SecretError::Name { path: file.clone(), name: name.clone() })?
        }
        SecretRef::Credential(name) => {
            let folder = variable("CREDENTIALS_DIRECTORY").ok_or_else(|| SecretError::NoCredentials(name.clone()))?;
            read(&Path::new(&folder).join(name))?
        }
        SecretRef::Command(argv) => printed(argv)?,
    };
    let length = value.trim_end_matches(['\n', '\r']).len();
    value.truncate(length);
    Ok(Secret(value))
}

fn read(path: &Path) -> Result<Zeroizing<String>, SecretError> {
    fs::read_to_string(path).map(Zeroizing::new).map_err(|source| SecretError::File { path: path.to_owned(), source })
}

fn named(text: &str, name: &str) -> Option<Zeroizing<String>> {
    text.lines().map(str::trim).filter(|line| !line.starts_with('#')).find_map(|line| {
        let (key, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
        let quoted = |mark: char| value.trim().strip_prefix(mark).and_then(|v| v.strip_suffix(mark)).map(str::to_owned);
        (key.trim() == name).then(|| Zeroizing::new(quoted('"').or_else(|| quoted('\'')).unwrap_or_else(|| value.trim().to_owned())))
    })
}

fn printed(argv: &[String]) -> Result<Zeroizing<String>, SecretError> {
    let program = argv.first().cloned().unwrap_or_default();
    let wrong = |message: String| SecretError::Command { program: program.clone(), message };
    let output = Command::new(&program).args(argv.iter().skip(1)).output().map_err(|e| wrong(e.to_string()))?;
    if !output.status.success() {
        return Err(wrong(format!("it ended with {}", output.status)));
    }
    let text = String::from_utf8(output.stdout).map(Zeroizing::new).map_err(|_| wrong("what it printed is not text".to_owned()))?;
    if text.trim().is_empty() { Err(wrong("it printed nothing".to_owned())) } else { Ok(text) }
}
