//! Whether an engine's files and processes are this host's.
//!
//! A socket alone says nothing: it may be forwarded from another host, or lead into a virtual machine, as Docker Desktop's does. Paths
//! that an engine names are only read here where it knows the container that this program runs in, or says of its host what this one
//! says of itself. In doubt it is elsewhere.

use super::client::Line;
use super::endpoint::Way;
use crate::runtime::RuntimeError;

impl Line {
    /// Asks the engine.
    pub(super) fn is_here(&self) -> Result<bool, RuntimeError> {
        if !matches!(self.endpoint.way, Way::Unix(_)) {
            return Ok(false);
        }
        if let Some(own) = &self.own
            && self.handle.block_on(self.inspected(own.clone()))?.is_some()
        {
            return Ok(true);
        }
        let info = self.ask(self.general("ask the Docker engine for its host"), |client| async move { client.info().await })?;
        let here = rustix::system::uname();
        let named = info.name.is_some_and(|name| !name.is_empty() && name.as_bytes() == here.nodename().to_bytes());
        Ok(named && info.kernel_version.is_some_and(|kernel| is_kernel(&kernel, &here.release().to_string_lossy())))
    }
}

/// Whether an engine's word for a kernel means this release. It writes three numbers where the release has only two.
fn is_kernel(said: &str, release: &str) -> bool {
    let numbers = release.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(release.len());
    let (numbers, flavour) = release.split_at(numbers);
    !said.is_empty() && (said == release || numbers.split('.').count() == 2 && said == format!("{numbers}.0{flavour}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_is_known_by_its_release() {
        let table = [
            ("6.1.0-18-amd64", "6.1.0-18-amd64", true),
            ("5.10.16.3-microsoft-standard-WSL2", "5.10.16.3-microsoft-standard-WSL2", true),
            ("6.10.0-rc3", "6.10-rc3", true),
            ("6.10.0", "6.10", true),
            ("6.10.0-rc4", "6.10-rc3", false),
            ("6.1.0-18-amd64", "6.1.0-18", false),
            ("6.1.1", "6.1", false),
            ("6.6.12-linuxkit", "6.1.0-18-amd64", false),
            ("<unknown>", "6.1.0", false),
            ("", "", false),
        ];
        for (said, release, expected) in table {
            assert_eq!(is_kernel(said, release), expected, "{said} {release}");
        }
    }
}
