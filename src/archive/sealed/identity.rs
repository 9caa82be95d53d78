//! Secret keys: who opens what was sealed.
//!
//! A file is read as the programs write it that make keys: lines of `AGE-SECRET-KEY-1...` and of a plugin's `AGE-PLUGIN-NAME-1...` with
//! comments, as `age-keygen` does, or private keys as `ssh-keygen` does; several of either. Refused, with what to do first: keys that are
//! behind a passphrase, since nobody may be there to type it; SSH keys that cannot decrypt; public keys.
//!
//! A secret is shown by nothing here: `Debug` gives fingerprints, errors give lines and kinds, and the text is wiped once it was read.

use std::fmt;
use std::sync::Arc;

use age::secrecy::SecretString;
use age::secrecy::zeroize::Zeroize;

use super::recipient::Recipient;
use super::seal::missing_plugin;

/// Takes what a plugin has to say, such as "touch your key".
pub type Voice = Arc<dyn Fn(&str) + Send + Sync>;

/// Secret keys, tried in order.
#[derive(Default)]
pub struct Identities {
    held: Vec<Box<dyn age::Identity + Send + Sync>>,
    fingerprints: Vec<String>,
}

/// Why a file holds no identities. Never shows a line of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// There are only comments.
    #[error("there is no identity in it")]
    Nothing,
    /// It is not text.
    #[error("it is not text")]
    Binary,
    /// The file is behind a passphrase.
    #[error("it is encrypted with a passphrase: decrypt it first with `age -d -o IDENTITY FILE`, and name what that writes")]
    SealedFile,
    /// The SSH key is behind a passphrase.
    #[error(
        "the SSH key in it is encrypted with a passphrase: copy it and take the passphrase off with `ssh-keygen -p -N '' -f COPY`, and name the copy"
    )]
    SealedSsh,
    /// A public key stands where a secret one belongs.
    #[error("line {0} is a public key: an identity is the secret key that belongs to it")]
    Public(usize),
    /// A line that means nothing.
    #[error("line {0} is no identity")]
    Line(usize),
    /// A private key of a kind that cannot decrypt, or in another form than `ssh-keygen` writes.
    #[error("the private key in it cannot decrypt: only SSH keys of type ed25519 and RSA can, as `ssh-keygen` writes them")]
    Ssh,
    /// The program of a plugin is missing.
    #[error("line {line}: {why}")]
    Plugin {
        /// Counted from 1.
        line: usize,
        /// What is missing.
        why: String,
    },
}

/// The longest file that is read as identities, in bytes.
pub(super) const LONGEST: usize = 1 << 20;

impl Identities {
    /// None at all: nothing that is sealed can be opened.
    pub fn none() -> Self {
        Self::default()
    }

    /// Reads a file's content and wipes it. Nothing is run until something is opened.
    pub fn parse(mut content: Vec<u8>, voice: &Voice) -> Result<Self, IdentityError> {
        let parsed = match std::str::from_utf8(&content) {
            _ if content.starts_with(b"age-encryption.org/") => Err(IdentityError::SealedFile),
            _ if content.len() > LONGEST => Err(IdentityError::Binary),
            Err(_) => Err(IdentityError::Binary),
            Ok(text) if text.contains("-----BEGIN AGE ENCRYPTED FILE-----") => Err(IdentityError::SealedFile),
            Ok(text) if text.contains("-----BEGIN ") => ssh(text),
            Ok(text) => lines(text, voice),
        };
        content.zeroize();
        parsed.and_then(|parsed| if parsed.is_empty() { Err(IdentityError::Nothing) } else { Ok(parsed) })
    }

    /// Adds the identities of another file.
    pub fn extend(&mut self, other: Self) {
        self.held.extend(other.held);
        self.fingerprints.extend(other.fingerprints);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// The fingerprints of what they open, as in records; those of plugins are not known here.
    pub fn fingerprints(&self) -> &[String] {
        &self.fingerprints
    }

    pub(super) fn each(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.held.iter().map(|held| &**held as &dyn age::Identity)
    }

    fn push(&mut self, identity: impl age::Identity + Send + Sync + 'static, recipient: Option<&Recipient>) {
        self.held.push(Box::new(identity));
        self.fingerprints.extend(recipient.map(Recipient::fingerprint));
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identities({}, {:?})", self.held.len(), self.fingerprints)
    }
}

fn lines(text: &str, voice: &Voice) -> Result<Identities, IdentityError> {
    let mut found = Identities::none();
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Ok(identity) = line.parse::<age::x25519::Identity>() {
            let recipient = Recipient::x25519(identity.to_public());
            found.push(identity, Some(&recipient));
        } else if let Ok(identity) = line.parse::<age::plugin::Identity>() {
            let name = identity.plugin().to_owned();
            let plugin = age::plugin::IdentityPluginV1::new(&name, &[identity], Spoken(Arc::clone(voice)));
            let plugin = plugin.map_err(|_| IdentityError::Plugin { line: number, why: missing_plugin(&name) })?;
            found.push(plugin, None);
        } else if line.parse::<Recipient>().is_ok() {
            return Err(IdentityError::Public(number));
        } else {
            return Err(IdentityError::Line(number));
        }
    }
    Ok(found)
}

/// Private keys between lines of dashes, one after the other.
fn ssh(text: &str) -> Result<Identities, IdentityError> {
    let mut found = Identities::none();
    for block in text.split("-----BEGIN ").skip(1) {
        let mut pem = format!("-----BEGIN {block}");
        let parsed = age::ssh::Identity::from_buffer(pem.as_bytes(), None);
        pem.zeroize();
        let identity = match parsed {
            Ok(identity @ age::ssh::Identity::Unencrypted(_)) => identity,
            Ok(age::ssh::Identity::Encrypted(_)) => return Err(IdentityError::SealedSsh),
            Ok(age::ssh::Identity::Unsupported(age::ssh::UnsupportedKey::EncryptedPem | age::ssh::UnsupportedKey::EncryptedSsh(_))) => {
                return Err(IdentityError::SealedSsh);
            }
            Ok(age::ssh::Identity::Unsupported(_)) | Err(_) => return Err(IdentityError::Ssh),
        };
        let recipient = age::ssh::Recipient::try_from(identity.clone()).ok().map(Recipient::ssh);
        found.push(identity, recipient.as_ref());
    }
    Ok(found)
}

/// Passes on what a plugin says, and has no answer to what it asks.
#[derive(Clone)]
struct Spoken(Voice);

impl age::Callbacks for Spoken {
    fn display_message(&self, message: &str) {
        (self.0)(&super::seal::one_line(message));
    }

    fn confirm(&self, _: &str, _: &str, _: Option<&str>) -> Option<bool> {
        None
    }

    fn request_public_string(&self, _: &str) -> Option<String> {
        None
    }

    fn request_passphrase(&self, _: &str) -> Option<SecretString> {
        None
    }
}
