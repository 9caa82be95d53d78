//! Leases of a folder: `flock` on the key's file, with the record of the lease in it.
//!
//! The kernel ends the lease with the process, so nothing is renewed and nothing expires: whoever finds the lock free and a record
//! that says `held` finds a process that was killed. Both hold on this host's own file systems only; one that comes over a network
//! is refused, because its locks may be another host's guess.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use rustix::fs::{self, AtFlags, FlockOperation, OFlags};
use rustix::io::Errno;

use super::Directory;
use super::root::split;
use super::write::{ATTEMPTS, FILE_MODE};
use crate::model::id::Random;
use crate::store::error::StoreError;
use crate::store::lease::{Claim, Holder, LeaseLost, LeaseRecord, Unlocked, named};
use crate::store::port::{Lease, Locked, check_key};

/// File systems that come from elsewhere, by what `statfs` says of them.
const NETWORKS: [(u32, &str); 9] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "SMB"),
    (0xfe53_4d42, "SMB"),
    (0x6573_5546, "FUSE"),
    (0x0102_1997, "9P"),
    (0x00c3_6400, "Ceph"),
    (0x5346_414f, "AFS"),
    (0x6b41_4653, "AFS"),
];

/// The name of the network's file system that `statfs` calls so.
fn network(magic: u32) -> Option<&'static str> {
    NETWORKS.iter().find(|(known, _)| *known == magic).map(|(_, name)| *name)
}

const FLAGS: OFlags = OFlags::RDWR.union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK);

/// What trying the lock of a file came to.
enum Tried {
    Ours(File),
    /// Another process has it: what its record says.
    Theirs(Option<Box<LeaseRecord>>),
    /// The file lost its name meanwhile.
    Gone,
}

impl Directory {
    pub(super) fn take_lease(&self, key: &str, claim: &Claim) -> Result<Locked, StoreError> {
        check_key(&self.place, key)?;
        for _ in 0..ATTEMPTS {
            let at = self.make_folder(split(key).0)?;
            let found = fs::fstatfs(&at).map_err(|errno| self.failed("lock", key, errno))?;
            // the kernel's type for it differs by architecture; the numbers are of 32 bits
            if let Some(name) = u32::try_from(found.f_type & 0xffff_ffff).ok().and_then(network) {
                return Err(StoreError::Unusable {
                    message: format!("`{}` is on {name}, whose locks may keep no other host out", self.place),
                    help: "say `coordination = \"single-writer\"` on the store if only this host ever writes there".to_owned(),
                });
            }
            drop(at);
            let mut file = match self.try_lease(key, FLAGS | OFlags::CREATE)? {
                Tried::Gone => continue,
                Tried::Theirs(lease) => return Ok(Locked::By(Holder { lease, age: None, until: None })),
                Tried::Ours(file) => file,
            };
            // an unreadable one is of a version that wrote no record, or was cut: the kernel says that nobody has it
            let last = read(&mut file);
            let epoch = last.as_ref().map_or(0, |last| last.epoch).saturating_add(1);
            let said =
                last.filter(LeaseRecord::is_held).map(|last| format!("the lease was left by {}, whose process is gone", named(&last)));
            let record = claim.record(epoch);
            write(&mut file, &record).map_err(|error| self.refused("lock", key, error))?;
            let path = self.root.join(key);
            let lease = Box::new(Flock { file, record, place: self.place.clone(), key: key.to_owned(), path });
            return Ok(Locked::Held { lease, said });
        }
        Err(self.failed("lock", key, Errno::AGAIN))
    }

    pub(super) fn end_lease(&self, key: &str, run: &Random) -> Result<Unlocked, StoreError> {
        check_key(&self.place, key)?;
        let mut file = match self.try_lease(key, FLAGS) {
            Err(error) if error.is_not_found() => return Ok(Unlocked::Other(None)),
            Err(error) => return Err(error),
            Ok(Tried::Gone) => return Ok(Unlocked::Other(None)),
            Ok(Tried::Theirs(Some(lease))) if lease.run == *run => return Ok(Unlocked::Alive(*lease)),
            Ok(Tried::Theirs(lease)) => return Ok(Unlocked::Other(lease.map(|lease| *lease))),
            Ok(Tried::Ours(file)) => file,
        };
        match read(&mut file) {
            Some(record) if record.run == *run && record.is_held() => {
                let record = record.released();
                write(&mut file, &record).map_err(|error| self.refused("unlock", key, error))?;
                Ok(Unlocked::Released(record))
            }
            other => Ok(Unlocked::Other(other)),
        }
    }

    fn try_lease(&self, key: &str, flags: OFlags) -> Result<Tried, StoreError> {
        let (folder, name) = split(key);
        let failed = |errno| self.failed("lock", key, errno);
        let at = self.folder(folder)?;
        let file = match fs::openat(&at, name, flags, FILE_MODE) {
            Err(Errno::NOENT) if flags.contains(OFlags::CREATE) => return Ok(Tried::Gone),
            other => other.map_err(failed)?,
        };
        let mut file = File::from(file);
        match fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Ok(Tried::Theirs(read(&mut file).map(Box::new))),
            Err(errno) => return Err(failed(errno)),
        }
        // the name may be another file's by now, and then our lock keeps nobody out
        let ours = fs::fstat(&file).map_err(failed)?;
        match fs::statat(&at, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(named) if (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino) => Ok(Tried::Ours(file)),
            _ => Ok(Tried::Gone),
        }
    }
}

fn read(file: &mut File) -> Option<LeaseRecord> {
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).ok()?;
    LeaseRecord::read(&bytes).ok()
}

fn write(file: &mut File, record: &LeaseRecord) -> std::io::Result<()> {
    let bytes = record.write();
    file.rewind()?;
    file.write_all(&bytes)?;
    file.set_len(bytes.len() as u64)
}

/// An exclusive `flock`, held by an open file.
struct Flock {
    file: File,
    record: LeaseRecord,
    place: String,
    key: String,
    path: PathBuf,
}

impl Lease for Flock {
    fn check(&self) -> Result<(), LeaseLost> {
        let lost = |why: String| LeaseLost { place: self.place.clone(), key: self.key.clone(), why };
        let ours = self.file.metadata().map_err(|error| lost(format!("its file cannot be looked at: {error}")))?;
        // by its path, so that a disk that was mounted over it or went away is found out too
        match std::fs::symlink_metadata(&self.path) {
            Ok(named) if (named.dev(), named.ino()) == (ours.dev(), ours.ino()) => Ok(()),
            Ok(_) => Err(lost("another file lies in its place".to_owned())),
            Err(error) => Err(lost(format!("its file is not there any more: {error}"))),
        }
    }
}

impl Drop for Flock {
    fn drop(&mut self) {
        // The record is for others to read: whatever comes of writing it, the lock ends. Not left to the closing of the file: a child
        // that another thread is just starting has a copy of it until it executes.
        drop(write(&mut self.file, &self.record.clone().released()));
        let _ = fs::flock(&self.file, FlockOperation::Unlock);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_of_a_network_is_known_by_its_number() {
        for (magic, name) in
            [(0x6969, Some("NFS")), (0xff53_4d42, Some("SMB")), (0x6573_5546, Some("FUSE")), (0xef53, None), (0x0102_1994, None)]
        {
            assert_eq!(network(magic), name, "{magic:x}");
        }
    }
}
