//! Payloads that only the holders of secret keys can read: the `age` format, so that `age` and `rage` open what is stored. **[format]**
//!
//! What is sealed is one age file of version 1, binary, over the finished frames: `<name>.age` is `age -d` away from `<name>`. It is cut
//! into segments after that, so a segment alone is no age file. Passphrases are never used: who can guess one can read every backup, and
//! a host that knows one can read its own.
//!
//! | file | job |
//! |---|---|
//! | `recipient` | public keys as manifests write them, and their fingerprints |
//! | `identity` | secret keys as `age-keygen` and `ssh-keygen` write them |
//! | `seal` | a writer that encrypts |
//! | `apart` | the same with what comes behind it on a thread of its own |
//! | `unseal`, `unseal_at` | readers that decrypt, in order and at any place |
//! | `header` | what is common to these: a bounded header, and whose errors they are |
//!
//! The crate's own error texts are shown only where a plugin speaks: they know nothing of manifests and stores.

mod apart;
mod header;
mod identity;
mod recipient;
mod seal;
mod unseal;
mod unseal_at;

pub use apart::seal_apart;
pub use header::UnsealError;
pub use identity::{Identities, IdentityError, Voice};
pub use recipient::{Recipient, RecipientError};
pub use seal::{Seal, SealError, sealable, sealable_text};
pub use unseal::Unsealed;
pub use unseal_at::UnsealedAt;

#[cfg(test)]
mod tests;
