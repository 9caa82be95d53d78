//! Tar streams that somebody else made, as an archive and its index.
//!
//! Their members are written again in our own form, with their label in front, in the order in which they come: sorting them would
//! need room for all of them. So this is the one packer whose archives are in another order than their index, which waits in memory
//! until the end. What a stream does not say (parts of a second, attributes) is not in the archive either.
//!
//! Refused: a stream that is cut off, a name that leaves its root or stands twice, and a hard link to what is left out, since its
//! content has gone by.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::AtomicBool;

use rustix::fs::makedev;

use super::entry::{Kind, Meta, Time};
use super::error::{PackError, ReadError, Refusal};
use super::exclude::Excludes;
use super::frames_in::{Source, with_bytes};
use super::frames_out::{FrameOptions, FrameSink, with_frames};
use super::header::{END, HeaderParts, PATH_MOST, encode, padding, sparse_map};
use super::index::IndexEntry;
use super::index_write::IndexWriter;
use super::pack::{Packed, Progress};
use super::pack_read::entry;
use super::stream::StreamOptions;
use super::tar_read::{Member, TarReader};
use super::xattr::Attributes;

/// Opens a tar stream.
pub type OpenStream<'a> = Box<dyn Fn() -> io::Result<Box<dyn Read + Send>> + 'a>;

/// A tree that comes as a tar stream: its first member is the root, and all others are below it.
pub struct TarTree<'a> {
    /// The first component of its members.
    pub label: OsString,
    /// Opens the stream when its turn has come.
    pub open: OpenStream<'a>,
}

/// Packs trees that come as tar streams. `exclude` is as for trees of files.
pub fn pack_streams(
    trees: &[TarTree<'_>],
    exclude: &[String],
    options: StreamOptions,
    (payload, index): (&mut (dyn Write + Send), &mut (dyn Write + Send)),
    progress: &(dyn Fn(Progress) + Sync),
    cancel: &AtomicBool,
) -> Result<Packed, PackError> {
    let frames =
        FrameOptions { level: options.level, threads: options.threads.max(1), frame_bytes: options.frame_bytes.clamp(512, 1 << 28) };
    let excludes = Excludes::new(exclude)?;
    let mut index = IndexWriter::new(index)?;
    let ((mut packed, mut entries), table) = with_frames(payload, frames, cancel, |sink| {
        let mut writer = Writer { sink, excludes, progress, packed: Packed::default(), entries: Vec::new(), header: Vec::new() };
        for tree in trees {
            writer.tree(tree, cancel)?;
        }
        writer.sink.write(&END)?;
        Ok((writer.packed, writer.entries))
    })?;
    entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    if let Some(pair) = entries.windows(2).find(|pair| pair[0].path == pair[1].path) {
        return Err(PackError::Label { label: pair[0].path.as_slice().into(), reason: "it stands twice" });
    }
    entries.iter().try_for_each(|entry| index.add(entry))?;
    packed.tar_bytes = table.decompressed_bytes();
    packed.payload_bytes = table.stored_bytes() + table.encode().len() as u64;
    packed.frames = table.frames().len() as u64;
    packed.index_bytes = index.finish(packed.tar_bytes, packed.frames)?.1;
    Ok(packed)
}

struct Writer<'a, 'b> {
    sink: &'a mut FrameSink<'b>,
    excludes: Excludes,
    progress: &'a (dyn Fn(Progress) + Sync),
    packed: Packed,
    entries: Vec<IndexEntry>,
    header: Vec<u8>,
}

impl Writer<'_, '_> {
    fn tree(&mut self, tree: &TarTree<'_>, cancel: &AtomicBool) -> Result<(), PackError> {
        let mut stream = (tree.open)().map_err(PackError::Input)?;
        // What went wrong on the way out; the reader knows only that it was ended.
        let mut failed = None;
        let read = with_bytes(Source::Stream(&mut *stream), 1, cancel, |bytes| {
            let mut tar = TarReader::new(bytes, 0);
            let mut root: Option<Vec<u8>> = None;
            while let Some(mut member) = tar.next()? {
                let root = root.get_or_insert_with(|| plain(&member.path).to_vec());
                let below = below(root, &member.path).map_err(|why| refused(&member, why))?;
                if self.excluded(&below) {
                    continue;
                }
                if member.kind == Some(Kind::HardLink) {
                    let leaves = Refusal::LinkLeaves(member.link.as_slice().into());
                    let target = self::below(root, &member.link).map_err(|_| refused(&member, leaves))?;
                    if self.excluded(&target) {
                        return Err(refused(&member, Refusal::LinkMissing(member.link.as_slice().into())));
                    }
                    member.link = named(tree, &target);
                }
                let path = named(tree, &below);
                if path.len() > PATH_MOST {
                    return Err(refused(&member, Refusal::TooLarge("name")));
                }
                self.member(&path, &mut member, &mut tar, &mut failed)?;
            }
            tar.rest().map(drop)
        });
        match (failed, read) {
            (Some(error), _) => Err(error),
            (None, Err(ReadError::Cancelled)) => Err(PackError::Cancelled),
            (None, Err(ReadError::Pipeline)) => Err(PackError::Pipeline),
            (None, Err(source)) => Err(PackError::Stream { label: tree.label.as_bytes().into(), source: Box::new(source) }),
            (None, Ok(_)) => Ok(()),
        }
    }

    /// Whether a pattern leaves out the path or a folder that it is in.
    fn excluded(&self, below: &[u8]) -> bool {
        let ends = below.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at).chain([below.len()]);
        !self.excludes.is_empty()
            && !below.is_empty()
            && ends.map(|end| &below[..end]).any(|path| {
                let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
                self.excludes.matches(path, name)
            })
    }

    fn member(
        &mut self,
        path: &[u8],
        member: &mut Member,
        tar: &mut TarReader<'_>,
        failed: &mut Option<PackError>,
    ) -> Result<(), ReadError> {
        let Some(kind) = member.kind else { return Err(refused(member, Refusal::Name)) };
        let meta = meta_of(member, kind);
        let lead = member.sparse.as_ref().map(sparse_map).unwrap_or_default();
        let mut xattrs = std::mem::take(&mut member.xattrs);
        xattrs.sort();
        let attributes = Attributes { xattrs, acl_access: member.acl_access.take(), acl_default: member.acl_default.take() };
        let size = lead.len() as u64 + member.data;
        let parts =
            HeaderParts { path, kind, meta: &meta, size, link: &member.link, attributes: &attributes, sparse: member.sparse.as_ref() };
        self.header.clear();
        encode(&parts, &mut self.header);
        let mut entry = entry(path, kind, &meta);
        entry.sparse = member.sparse.is_some();
        entry.link = std::mem::take(&mut member.link);
        (entry.frame, entry.offset) = (self.sink.frame(), self.sink.position());
        let mut hasher = blake3::Hasher::new();
        hasher.update(&lead);
        let mut keep = |result: Result<(), PackError>| {
            result.map_err(|error| {
                *failed = Some(error);
                ReadError::Pipeline
            })
        };
        keep(self.sink.write(&self.header).and_then(|()| self.sink.write(&lead)))?;
        tar.data(&mut |piece| {
            hasher.update(piece);
            self.packed.bytes += piece.len() as u64;
            keep(self.sink.write(piece))
        })?;
        keep(self.sink.zeros(padding(size)))?;
        self.packed.bytes += entry.size - member.data.min(entry.size);
        self.packed.entries += 1;
        entry.length = self.sink.position() - entry.offset;
        entry.digest = (kind == Kind::File).then(|| *hasher.finalize().as_bytes());
        self.entries.push(entry);
        (self.progress)(Progress { entries: self.packed.entries, bytes: self.packed.bytes });
        Ok(())
    }
}

fn meta_of(member: &Member, kind: Kind) -> Meta {
    Meta {
        kind: Some(kind),
        mode: member.mode,
        uid: member.uid,
        gid: member.gid,
        size: member.size,
        mtime: member.mtime,
        ctime: Time::default(),
        dev: 0,
        ino: 0,
        nlink: 1,
        rdev: makedev(member.device.0, member.device.1),
        blocks: 0,
    }
}

fn refused(member: &Member, why: Refusal) -> ReadError {
    ReadError::Refused { path: member.path.as_slice().into(), why }
}

fn plain(path: &[u8]) -> &[u8] {
    path.strip_prefix(b"./").unwrap_or(path)
}

/// What of a path is below the root; empty for the root itself.
fn below(root: &[u8], path: &[u8]) -> Result<Vec<u8>, Refusal> {
    if path.starts_with(b"/") {
        return Err(Refusal::Absolute);
    }
    let rest = match plain(path).strip_prefix(root) {
        Some([]) => return Ok(Vec::new()),
        Some([b'/', rest @ ..]) => rest,
        _ => return Err(Refusal::Name),
    };
    for component in rest.split(|byte| *byte == b'/') {
        match component {
            b".." => return Err(Refusal::Dots),
            b"" | b"." => return Err(Refusal::Name),
            _ => {}
        }
    }
    Ok(rest.to_vec())
}

/// The name of a member of ours.
fn named(tree: &TarTree<'_>, below: &[u8]) -> Vec<u8> {
    let label = tree.label.as_bytes();
    if below.is_empty() { label.to_vec() } else { [label, b"/", below].concat() }
}
