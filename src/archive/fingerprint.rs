//! Whether a tree is what it was, without reading a file.
//!
//! One sorted walk with one `lstat` per entry. A change of content, owner, mode, attributes or names always shows in ctime or in
//! the listing; what it cannot see is a change within the clock's grain right after the walk: the caller compares
//! [`Fingerprint::newest_change`] with the time and trusts no fingerprint that is too fresh.

use rustix::fs::readlinkat;
use rustix::io::Errno;

use super::entry::{Kind, Time};
use super::error::{PackError, Warning, WarningKind};
use super::walk::{Found, Visitor, WalkPlan, real_path, walk};

/// Of what is hashed; part of the hash. **[format]**
const CONTEXT: &str = "lucid-policy 2025 tree fingerprint v1";

/// What a walk saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// BLAKE3 over name, type, mode, owner, size, times, inode, device and link target of every entry, in order.
    pub digest: [u8; 32],
    /// Entries, roots included.
    pub entries: u64,
    /// Bytes of the regular files; a hard link counts each time.
    pub bytes: u64,
    /// The newest ctime.
    pub newest_change: Time,
    /// Sockets, and what vanished meanwhile.
    pub warnings: Vec<Warning>,
}

/// Looks at every entry of the plan's roots.
pub fn fingerprint(plan: &WalkPlan) -> Result<Fingerprint, PackError> {
    let seen = Fingerprint { digest: [0; 32], entries: 0, bytes: 0, newest_change: Time::default(), warnings: Vec::new() };
    let mut hash = Hash { plan, seen, hasher: blake3::Hasher::new_derive_key(CONTEXT), buffer: Vec::with_capacity(FLUSH + 8192) };
    walk(plan, &mut hash)?;
    hash.hasher.update(&hash.buffer);
    hash.seen.digest = *hash.hasher.finalize().as_bytes();
    Ok(hash.seen)
}

/// BLAKE3 is several times faster on long inputs than on many short ones.
const FLUSH: usize = 64 * 1024;

struct Hash<'a> {
    plan: &'a WalkPlan,
    seen: Fingerprint,
    hasher: blake3::Hasher,
    buffer: Vec<u8>,
}

impl Hash<'_> {
    fn bytes(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.buffer.extend_from_slice(bytes);
    }
}

impl Visitor for Hash<'_> {
    fn found(&mut self, found: &Found<'_>) -> Result<(), PackError> {
        let meta = &found.meta;
        self.bytes(found.member);
        let kind = meta.kind.map_or(u8::MAX, |kind| kind as u8);
        self.buffer.push(kind);
        for number in [meta.mode, meta.uid, meta.gid, meta.mtime.nanos, meta.ctime.nanos] {
            self.buffer.extend_from_slice(&number.to_le_bytes());
        }
        for number in [meta.size, meta.mtime.seconds.cast_unsigned(), meta.ctime.seconds.cast_unsigned(), meta.ino, meta.dev, meta.rdev] {
            self.buffer.extend_from_slice(&number.to_le_bytes());
        }
        match meta.kind {
            Some(Kind::Symlink) => match readlinkat(found.dir, found.name, Vec::new()) {
                Ok(target) => self.bytes(target.as_bytes()),
                Err(Errno::NOENT | Errno::INVAL) => return self.warn(found.member, WarningKind::Vanished),
                Err(errno) => return Err(PackError::Source { path: real_path(self.plan, found.member), source: errno.into() }),
            },
            Some(Kind::File) => self.seen.bytes += meta.size,
            _ => {}
        }
        self.seen.entries += 1;
        self.seen.newest_change = self.seen.newest_change.max(meta.ctime);
        if self.buffer.len() >= FLUSH {
            self.hasher.update(&self.buffer);
            self.buffer.clear();
        }
        Ok(())
    }

    fn warn(&mut self, member: &[u8], kind: WarningKind) -> Result<(), PackError> {
        self.seen.warnings.push(Warning { path: member.into(), kind });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::super::walk::Root;
    use super::*;

    fn of(path: &Path) -> Fingerprint {
        fingerprint(&WalkPlan { roots: vec![Root { label: "t".into(), path: path.to_owned() }], ..WalkPlan::default() }).unwrap()
    }

    #[test]
    fn it_stays_while_nothing_changes_and_differs_after_any_change() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), "hello").unwrap();
        fs::create_dir(dir.path().join("d")).unwrap();
        std::os::unix::fs::symlink("a", dir.path().join("l")).unwrap();
        let before = of(dir.path());
        assert_eq!(before, of(dir.path()));
        assert_eq!((before.entries, before.bytes), (4, 5));
        let mut seen = vec![before.digest];
        let mut differs = |what: &str| {
            let now = of(dir.path()).digest;
            assert!(!seen.contains(&now), "{what}");
            seen.push(now);
        };
        fs::set_permissions(dir.path().join("a"), fs::Permissions::from_mode(0o600)).unwrap();
        differs("mode");
        fs::write(dir.path().join("a"), "hellO").unwrap();
        differs("content of the same size");
        fs::rename(dir.path().join("a"), dir.path().join("b")).unwrap();
        differs("name");
        fs::remove_file(dir.path().join("l")).unwrap();
        differs("removal");
    }

    #[test]
    fn the_newest_change_is_the_newest_ctime() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), "").unwrap();
        let meta = fs::metadata(dir.path().join("a")).unwrap();
        let newest = of(dir.path()).newest_change;
        assert!(newest.seconds >= std::os::unix::fs::MetadataExt::ctime(&meta));
    }
}
