//! Extended attributes of one entry, read with as few system calls as possible.
//!
//! One `flistxattr` for most files, whose answer is empty. Without an open file the entry is reached as
//! `/proc/self/fd/<folder>/<name>`, which does not follow a symlink at its end: without `/proc` links and special files are
//! taken to have none (only `security.*` and `trusted.*` can be there). An attribute that vanishes between the list and the
//! read never was; any other failure is an error.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::fs::{fgetxattr, flistxattr, lgetxattr, llistxattr};
use rustix::io::Errno;

use super::acl;

/// What of a member does not fit a plain header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    /// Name and value, sorted by name, without the ACLs.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// The access ACL as text.
    pub acl_access: Option<Vec<u8>>,
    /// The default ACL as text.
    pub acl_default: Option<Vec<u8>>,
}

impl Attributes {
    pub(super) fn is_empty(&self) -> bool {
        self.xattrs.is_empty() && self.acl_access.is_none() && self.acl_default.is_none()
    }
}

/// Longest list and value that Linux allows.
const LIMIT: usize = 64 * 1024;
/// Tried first: the kernel allocates and clears as much as it is offered.
const USUAL: usize = 1024;

/// Of an open file or folder.
pub(super) fn of_fd(fd: impl AsFd, scratch: &mut Vec<u8>) -> Result<Attributes, Errno> {
    let fd = fd.as_fd();
    read(scratch, &|buffer| flistxattr(fd, buffer), &|name, buffer| fgetxattr(fd, name, buffer))
}

/// Of an entry that cannot be opened.
pub(super) fn of_entry(dir: BorrowedFd<'_>, name: &[u8], scratch: &mut Vec<u8>) -> Result<Attributes, Errno> {
    let path = proc_path(dir, name);
    match read(scratch, &|buffer| llistxattr(path.as_slice(), buffer), &|name, buffer| lgetxattr(path.as_slice(), name, buffer)) {
        Err(Errno::NOENT) => Ok(Attributes::default()),
        other => other,
    }
}

/// A path of an entry for calls that know no folder descriptors.
pub(super) fn proc_path(dir: BorrowedFd<'_>, name: &[u8]) -> Vec<u8> {
    [format!("/proc/self/fd/{}/", dir.as_raw_fd()).as_bytes(), name].concat()
}

type List<'a> = &'a dyn Fn(&mut [u8]) -> Result<usize, Errno>;
type Get<'a> = &'a dyn Fn(&[u8], &mut [u8]) -> Result<usize, Errno>;

fn read(scratch: &mut Vec<u8>, list: List<'_>, get: Get<'_>) -> Result<Attributes, Errno> {
    let mut found = Attributes::default();
    let length = match offer(scratch, list) {
        Ok(length) => length,
        Err(Errno::NOTSUP | Errno::NOSYS) => 0,
        Err(errno) => return Err(errno),
    };
    if length == 0 {
        return Ok(found);
    }
    let names: Vec<Vec<u8>> = scratch[..length].split(|&b| b == 0).filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect();
    for name in names {
        let value = match offer(scratch, &|buffer| get(&name, buffer)) {
            Ok(length) => scratch[..length].to_vec(),
            Err(Errno::NODATA) => continue,
            Err(errno) => return Err(errno),
        };
        match name.as_slice() {
            acl::ACCESS if acl::to_text(&value).is_some() => found.acl_access = acl::to_text(&value),
            acl::DEFAULT if acl::to_text(&value).is_some() => found.acl_default = acl::to_text(&value),
            _ => found.xattrs.push((name, value)),
        }
    }
    found.xattrs.sort();
    Ok(found)
}

fn offer(scratch: &mut Vec<u8>, call: List<'_>) -> Result<usize, Errno> {
    scratch.resize(LIMIT, 0);
    match call(&mut scratch[..USUAL]) {
        Err(Errno::RANGE) => call(scratch),
        other => other,
    }
}
