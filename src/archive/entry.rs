//! What a member is, apart from its content.
//!
//! Plain values shared by the walker, the packer, the tar reader and the index.

use rustix::fs::{FileType, Stat};

/// The type of a member. The numbers are tar's type flags and stand in the index. **[format]**
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A regular file.
    File = 0,
    /// Another name of a member before it.
    HardLink = 1,
    /// A symbolic link.
    Symlink = 2,
    /// A character device.
    CharDevice = 3,
    /// A block device.
    BlockDevice = 4,
    /// A folder.
    Directory = 5,
    /// A named pipe.
    Fifo = 6,
}

impl Kind {
    /// The type with that number.
    pub fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::File,
            1 => Self::HardLink,
            2 => Self::Symlink,
            3 => Self::CharDevice,
            4 => Self::BlockDevice,
            5 => Self::Directory,
            6 => Self::Fifo,
            _ => return None,
        })
    }

    /// `None` for sockets and what this program does not know.
    pub(super) fn of(mode: u32) -> Option<Self> {
        Some(match FileType::from_raw_mode(mode) {
            FileType::RegularFile => Self::File,
            FileType::Symlink => Self::Symlink,
            FileType::CharacterDevice => Self::CharDevice,
            FileType::BlockDevice => Self::BlockDevice,
            FileType::Directory => Self::Directory,
            FileType::Fifo => Self::Fifo,
            _ => return None,
        })
    }

    /// Whether it is a device node.
    pub fn is_device(self) -> bool {
        matches!(self, Self::CharDevice | Self::BlockDevice)
    }
}

/// An instant of a file system, before 1970 too: `nanos` always counts upwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time {
    /// Seconds since 1970.
    pub seconds: i64,
    /// 0 to 999,999,999.
    pub nanos: u32,
}

/// What `lstat` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Meta {
    /// `None`: a socket, or of no known type.
    pub kind: Option<Kind>,
    /// Permissions, set-id and sticky bits.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Bytes.
    pub size: u64,
    /// Last change of the content.
    pub mtime: Time,
    /// Last change of anything.
    pub ctime: Time,
    /// The file system.
    pub dev: u64,
    /// The inode.
    pub ino: u64,
    /// Names of the inode.
    pub nlink: u64,
    /// What a device node stands for.
    pub rdev: u64,
    /// Blocks of 512 bytes on the disk.
    pub blocks: u64,
}

impl Meta {
    /// From the system's answer.
    #[expect(
        clippy::unnecessary_cast,
        clippy::cast_sign_loss,
        clippy::cast_possible_truncation,
        reason = "the fields' widths and signs differ between architectures"
    )]
    pub(super) fn of(stat: &Stat) -> Self {
        Self {
            kind: Kind::of(stat.st_mode as u32),
            mode: stat.st_mode as u32 & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            size: stat.st_size as u64,
            mtime: Time { seconds: stat.st_mtime as i64, nanos: stat.st_mtime_nsec as u32 },
            ctime: Time { seconds: stat.st_ctime as i64, nanos: stat.st_ctime_nsec as u32 },
            dev: stat.st_dev as u64,
            ino: stat.st_ino as u64,
            nlink: stat.st_nlink as u64,
            rdev: stat.st_rdev as u64,
            blocks: stat.st_blocks as u64,
        }
    }

    /// Whether nobody wrote to it between two looks.
    pub(super) fn same_content(&self, later: &Self) -> bool {
        (self.dev, self.ino, self.size, self.mtime, self.ctime) == (later.dev, later.ino, later.size, later.mtime, later.ctime)
    }
}

/// Where the data of a sparse file is: `(offset, length)`, ascending, not touching. What is not named is a hole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SparseMap {
    /// Segments of data.
    pub segments: Vec<(u64, u64)>,
    /// The file's size, holes included.
    pub size: u64,
}

impl SparseMap {
    /// Bytes of data.
    pub fn data_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.1).sum()
    }

    /// Whether the segments ascend inside the size.
    pub(super) fn is_sound(&self) -> bool {
        let mut at = 0u64;
        self.segments.iter().all(|&(offset, length)| {
            let good = offset >= at && offset.checked_add(length).is_some_and(|end| end <= self.size);
            at = offset.saturating_add(length);
            good
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_that_overlaps_or_leaves_the_file_is_unsound() {
        let map = |segments: &[(u64, u64)]| SparseMap { segments: segments.to_vec(), size: 100 }.is_sound();
        assert!(map(&[(0, 10), (10, 10), (100, 0)]));
        assert!(!map(&[(0, 10), (9, 10)]));
        assert!(!map(&[(90, 11)]));
        assert!(!map(&[(u64::MAX, 2)]));
    }
}
