//! Public keys: who will be able to read what is sealed.
//!
//! Known are age's own keys (`age1...`), SSH keys (`ssh-ed25519`, `ssh-rsa`), keys of hardware and of post-quantum hardware (`age1tag1...`,
//! `age1tagpq1...`), and those of plugins (`age1NAME1...`), for which `age-plugin-NAME` must be in `PATH` wherever something is sealed.
//! Refused: secret keys, SSH keys of other types, and what has a typing error in it, as far as checksums tell.
//!
//! # Fingerprints **[format]**
//!
//! `<kind>:<hex>`: the kind is `x25519`, `tag`, `tagpq`, `ssh-ed25519`, `ssh-rsa` or `plugin-NAME`; the hex are the first 16 digits
//! of the SHA-256 of the canonical text. Canonical is the key in lower case for age's keys, and `<type> <base64>` without comment for SSH
//! keys. `printf %s KEY | sha256sum` computes it. Two keys with one fingerprint are as rare as guessing 64 bits, and a fingerprint is
//! never what anything is encrypted to.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

/// Bytes of a fingerprint.
const FINGERPRINT_BYTES: usize = 8;

/// A public key.
#[derive(Clone)]
pub struct Recipient {
    text: String,
    pub(super) key: Key,
}

/// What stands behind the text.
#[derive(Clone)]
pub(super) enum Key {
    X25519(age::x25519::Recipient),
    Tag(age::tag::Recipient),
    /// Much larger than the others.
    TagPq(Box<age::tagpq::Recipient>),
    Ssh(Box<age::ssh::Recipient>),
    Plugin(age::plugin::Recipient),
}

/// Why a text is no recipient. Never shows the text: it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecipientError {
    /// It is a secret key.
    #[error("this is a secret key")]
    Secret,
    /// There is nothing.
    #[error("a recipient must not be empty")]
    Empty,
    /// It is something else.
    #[error("this is no public key: one begins with `age1`, `ssh-ed25519` or `ssh-rsa`")]
    Unknown,
    /// Its checksum is wrong.
    #[error("the checksum of this key does not fit: a letter is missing or mistyped")]
    Mistyped,
    /// Its checksum is good and its content is not.
    #[error("this key has a good checksum, but its content is no key of its kind")]
    Malformed,
    /// Its base64 is broken.
    #[error("this SSH key is cut off or mistyped")]
    BrokenSsh,
    /// Such a key can sign, but nothing can be encrypted to it.
    #[error("nothing can be encrypted to an SSH key of type `{0}`, only to `ssh-ed25519` and `ssh-rsa`")]
    SshType(String),
    /// An RSA key of less than 2048 bits.
    #[error("this RSA key is too short to be safe: 2048 bits are the least")]
    RsaShort,
    /// An RSA key of more than 4096 bits.
    #[error("this RSA key is longer than 4096 bits, which are the most that age reads")]
    RsaLong,
}

impl Recipient {
    /// What stands for it in records.
    pub fn fingerprint(&self) -> String {
        let sum = Sha256::digest(self.text.as_bytes());
        let first = sum.first_chunk::<FINGERPRINT_BYTES>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        format!("{}:{first:016x}", self.kind())
    }

    /// What every key of its kind has in common.
    pub fn kind(&self) -> String {
        match &self.key {
            Key::X25519(_) => "x25519".to_owned(),
            Key::Tag(_) => "tag".to_owned(),
            Key::TagPq(_) => "tagpq".to_owned(),
            Key::Ssh(key) => match **key {
                age::ssh::Recipient::SshRsa(..) => "ssh-rsa".to_owned(),
                age::ssh::Recipient::SshEd25519(..) => "ssh-ed25519".to_owned(),
            },
            Key::Plugin(key) => format!("plugin-{}", key.plugin()),
        }
    }

    pub(super) fn x25519(key: age::x25519::Recipient) -> Self {
        Self { text: key.to_string(), key: Key::X25519(key) }
    }

    pub(super) fn ssh(key: age::ssh::Recipient) -> Self {
        Self { text: key.to_string(), key: Key::Ssh(Box::new(key)) }
    }
}

/// The canonical text.
impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fingerprint())
    }
}

impl PartialEq for Recipient {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Recipient {}

/// Whether a text looks like a secret key, good or not.
fn is_secret(text: &str) -> bool {
    let start = text.trim_start().to_ascii_uppercase();
    start.starts_with("AGE-SECRET-KEY") || start.starts_with("AGE-PLUGIN-") || start.contains("PRIVATE KEY")
}

impl FromStr for Recipient {
    type Err = RecipientError;

    fn from_str(text: &str) -> Result<Self, RecipientError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(RecipientError::Empty);
        }
        if is_secret(text) {
            return Err(RecipientError::Secret);
        }
        if !text.is_ascii() || text.contains(|c: char| c.is_ascii_control()) {
            return Err(RecipientError::Unknown);
        }
        let lower = text.to_ascii_lowercase();
        match lower.rsplit_once('1').map(|(kind, _)| kind) {
            Some(kind) if lower.starts_with("age1") && !text.contains(' ') => bech32(text, &lower, kind),
            _ => ssh(text),
        }
    }
}

/// A key of age's own form. `kind` is what stands before its data, as in `age` and `age1tag`.
fn bech32(text: &str, lower: &str, kind: &str) -> Result<Recipient, RecipientError> {
    // Mixed case is an error of its own in this encoding, so the text is parsed as it was written.
    let wrong = |why: &str| if why.contains("Bech32") { RecipientError::Mistyped } else { RecipientError::Malformed };
    let key = match kind {
        "age" => Key::X25519(text.parse().map_err(wrong)?),
        "age1tag" => Key::Tag(text.parse().map_err(wrong)?),
        "age1tagpq" => Key::TagPq(Box::new(text.parse().map_err(wrong)?)),
        _ => {
            text.parse::<age::plugin::Recipient>().map_err(wrong)?;
            Key::Plugin(lower.parse().map_err(wrong)?)
        }
    };
    Ok(Recipient { text: lower.to_owned(), key })
}

fn ssh(text: &str) -> Result<Recipient, RecipientError> {
    use age::ssh::ParseRecipientKeyError as Wrong;
    let mut words = text.split_ascii_whitespace();
    let (Some(kind), Some(data)) = (words.next(), words.next()) else { return Err(RecipientError::Unknown) };
    let known = ["ssh-", "ecdsa-", "sk-"].iter().any(|start| kind.starts_with(start));
    if !known {
        return Err(RecipientError::Unknown);
    }
    let key: age::ssh::Recipient = format!("{kind} {data} ").parse().map_err(|why| match why {
        Wrong::Unsupported(kind) if !matches!(&*kind, "ssh-rsa" | "ssh-ed25519") => RecipientError::SshType(kind),
        Wrong::RsaModulusTooSmall => RecipientError::RsaShort,
        Wrong::RsaModulusTooLarge => RecipientError::RsaLong,
        _ => RecipientError::BrokenSsh,
    })?;
    let recipient = Recipient::ssh(key);
    // The parser stops where the key is whole; what follows must not be more of it.
    let whole = recipient.text.split(' ').nth(1).is_some_and(|read| read.trim_end_matches('=') == data.trim_end_matches('='));
    if whole { Ok(recipient) } else { Err(RecipientError::BrokenSsh) }
}
