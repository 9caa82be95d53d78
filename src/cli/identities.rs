//! Secret keys that the command line names: read at the last moment, never kept anywhere, never shown.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use super::failure::Failure;
use super::screen::Screen;
use crate::archive::{Identities, Voice};

/// More than any file of keys has. Bytes.
const LONGEST: u64 = 1 << 20;

/// The secret keys of a verb.
#[derive(Debug, clap::Args)]
pub(super) struct IdentityArgs {
    /// A file with the secret keys of recipients, as `age-keygen` or `ssh-keygen` writes it; may be given again
    #[arg(long, short, value_name = "FILE")]
    identity: Vec<PathBuf>,
}

impl IdentityArgs {
    /// Reads every file.
    pub(super) fn read(&self, screen: &Screen) -> Result<Arc<Identities>, Failure> {
        let said = *screen;
        let voice: Voice = Arc::new(move |message: &str| said.say(message));
        let mut all = Identities::none();
        for path in &self.identity {
            let shown = path.display();
            // Sized before it is filled: what grows leaves copies of itself behind.
            let mut content = Vec::with_capacity(usize::try_from(LONGEST).unwrap_or(0) + 1);
            let read = File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut content));
            read.map_err(|e| Failure::usage(format!("the identity `{shown}` cannot be read: {e}"), "name the file of a secret key"))?;
            let one = Identities::parse(content, &voice);
            all.extend(one.map_err(|e| Failure::usage(format!("the identity `{shown}` cannot be used: {e}"), ""))?);
        }
        Ok(Arc::new(all))
    }
}
