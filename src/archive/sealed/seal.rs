//! A writer that encrypts on the way.
//!
//! Dropped before [`Seal::finish`], it leaves an age file without its last block, which every reader calls truncated: there is no
//! way to take half a payload for a whole one.

use std::collections::BTreeMap;
use std::io::{self, Write};

use age::stream::StreamWriter;

use super::recipient::{Key, Recipient};

/// The most recipients of a file: their part of the header stays below what readers take for one.
pub(super) const MOST_RECIPIENTS: usize = 32;

/// Why nothing can be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Nobody could read it.
    #[error("there are no recipients: nobody could read it")]
    Nobody,
    /// A header would be longer than readers believe.
    #[error("there are more than 32 recipients")]
    Many,
    /// One of them would undo what the other one is for.
    #[error("post-quantum recipients (`age1tagpq1...`) cannot stand beside others: who breaks those would read everything all the same")]
    Mixed,
    /// A plugin is missing or refused.
    #[error("{0}")]
    Plugin(String),
    /// The header could not be written.
    #[error("cannot write: {0}")]
    Io(#[from] io::Error),
}

/// What is written here is stored encrypted.
pub struct Seal<W: Write>(StreamWriter<W>);

impl<W: Write> Seal<W> {
    /// Writes the header to `out`. Runs a plugin for each kind of recipient that needs one.
    pub fn new(recipients: &[Recipient], out: W) -> Result<Self, SealError> {
        let encryptor = encryptor(recipients)?;
        Ok(Self(encryptor.wrap_output(out)?))
    }

    /// Writes the last block; gives back what was written to.
    pub fn finish(self) -> io::Result<W> {
        self.0.finish()
    }
}

impl<W: Write> Write for Seal<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.0.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Whether these recipients can stand together and every plugin that they need is there. Runs no plugin.
pub fn sealable(recipients: &[Recipient]) -> Result<(), SealError> {
    plugins(recipients)?;
    let own: Vec<Recipient> = recipients.iter().filter(|one| !matches!(one.key, Key::Plugin(_))).cloned().collect();
    if own.is_empty() && !recipients.is_empty() { Ok(()) } else { encryptor(&own).map(drop) }
}

/// Why these recipients cannot stand together wherever it is tried: says nothing of plugins, which only the host that seals needs.
pub fn sealable_text(recipients: &[Recipient]) -> Option<String> {
    let own: Vec<Recipient> = recipients.iter().filter(|one| !matches!(one.key, Key::Plugin(_))).cloned().collect();
    match encryptor(&own) {
        _ if recipients.len() > MOST_RECIPIENTS => Some(SealError::Many.to_string()),
        Err(error @ SealError::Mixed) => Some(error.to_string()),
        _ => None,
    }
}

fn encryptor(recipients: &[Recipient]) -> Result<age::Encryptor, SealError> {
    if recipients.len() > MOST_RECIPIENTS {
        return Err(SealError::Many);
    }
    let plugins = plugins(recipients)?;
    let own = recipients.iter().filter_map(|recipient| -> Option<&dyn age::Recipient> {
        match &recipient.key {
            Key::X25519(key) => Some(key),
            Key::Tag(key) => Some(key),
            Key::TagPq(key) => Some(&**key),
            Key::Ssh(key) => Some(&**key),
            Key::Plugin(_) => None,
        }
    });
    let all = own.chain(plugins.iter().map(|plugin| plugin as &dyn age::Recipient));
    age::Encryptor::with_recipients(all).map_err(|why| match why {
        age::EncryptError::MissingRecipients => SealError::Nobody,
        age::EncryptError::IncompatibleRecipients { .. } => SealError::Mixed,
        age::EncryptError::Io(error) => SealError::Io(error),
        other => SealError::Plugin(one_line(&other.to_string())),
    })
}

/// One run of each plugin, whatever the number of its recipients.
fn plugins(recipients: &[Recipient]) -> Result<Vec<age::plugin::RecipientPluginV1<age::NoCallbacks>>, SealError> {
    let mut by_name: BTreeMap<&str, Vec<age::plugin::Recipient>> = BTreeMap::new();
    for recipient in recipients {
        if let Key::Plugin(key) = &recipient.key {
            by_name.entry(key.plugin()).or_default().push(key.clone());
        }
    }
    let found = by_name.iter().map(|(name, keys)| {
        let plugin = age::plugin::RecipientPluginV1::new(name, keys, &[], age::NoCallbacks);
        plugin.map_err(|_| SealError::Plugin(missing_plugin(name)))
    });
    found.collect()
}

pub(super) fn missing_plugin(name: &str) -> String {
    format!("the program `age-plugin-{name}` is not in PATH")
}

/// A message of the crate or of a plugin on one line, without the marks that set foreign words off.
pub(super) fn one_line(text: &str) -> String {
    let plain: String = text.chars().filter(|c| !matches!(c, '\u{2066}'..='\u{2069}')).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ").chars().filter(|c| !c.is_control()).collect()
}
