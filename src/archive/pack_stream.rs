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
    let excludes = Excludes::new(exclude)?;
    packed(options, (payload, index), progress, cancel, |writer| trees.iter().try_for_each(|tree| writer.tree(tree, &excludes, cancel)))
}

/// Packs the members that `fill` writes.
pub(super) fn packed(
    options: StreamOptions,
    (payload, index): (&mut (dyn Write + Send), &mut (dyn Write + Send)),
    progress: &(dyn Fn(Progress) + Sync),
    cancel: &AtomicBool,
    fill: impl FnOnce(&mut Writer<'_, '_>) -> Result<(), PackError>,
) -> Result<Packed, PackError> {
    let frames =
        FrameOptions { level: options.level, threads: options.threads.max(1), frame_bytes: options.frame_bytes.clamp(512, 1 << 28) };
    let mut index = IndexWriter::new(index)?;
    let ((mut packed, mut entries), table) = with_frames(payload, frames, cancel, |sink| {
        let mut writer = Writer { sink, progress, packed: Packed::default(), entries: Vec::new(), header: Vec::new() };
        fill(&mut writer)?;
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

/// Where a member of a stream goes, with its link made to fit; none: it is left out.
pub(super) type Place<'a> = dyn FnMut(&mut Member) -> Result<Option<Vec<u8>>, ReadError> + 'a;

/// Writes members again.
pub(super) struct Writer<'a, 'b> {
    sink: &'a mut FrameSink<'b>,
    progress: &'a (dyn Fn(Progress) + Sync),
    packed: Packed,
    entries: Vec<IndexEntry>,
    header: Vec<u8>,
}

impl Writer<'_, '_> {
    fn tree(&mut self, tree: &TarTree<'_>, excludes: &Excludes, cancel: &AtomicBool) -> Result<(), PackError> {
        let mut stream = (tree.open)().map_err(PackError::Input)?;
        let mut root: Option<Vec<u8>> = None;
        let mut place = |member: &mut Member| {
            let root = root.get_or_insert_with(|| plain(&member.path).to_vec());
            let below = below(root, &member.path).map_err(|why| refused(member, why))?;
            if excluded(excludes, &below) {
                return Ok(None);
            }
            if member.kind == Some(Kind::HardLink) {
                let leaves = Refusal::LinkLeaves(member.link.as_slice().into());
                let target = self::below(root, &member.link).map_err(|_| refused(member, leaves))?;
                if excluded(excludes, &target) {
                    return Err(refused(member, Refusal::LinkMissing(member.link.as_slice().into())));
                }
                member.link = named(tree, &target);
            }
            Ok(Some(named(tree, &below)))
        };
        self.stream(&mut *stream, tree.label.as_bytes(), 1, cancel, &mut place)
    }

    /// Writes what a stream holds where `place` puts it; `label` names the stream where it is broken.
    pub(super) fn stream(
        &mut self,
        stream: &mut (dyn Read + Send),
        label: &[u8],
        threads: usize,
        cancel: &AtomicBool,
        place: &mut Place<'_>,
    ) -> Result<(), PackError> {
        // What went wrong on the way out; the reader knows only that it was ended.
        let mut failed = None;
        let read = with_bytes(Source::Stream(stream), threads, cancel, |bytes| {
            let mut tar = TarReader::new(bytes, 0);
            while let Some(mut member) = tar.next()? {
                let Some(path) = place(&mut member)? else { continue };
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
            (None, Err(source)) => Err(PackError::Stream { label: label.into(), source: Box::new(source) }),
            (None, Ok(_)) => Ok(()),
        }
    }

    fn member(
        &mut self,
        path: &[u8],
        member: &mut Member,
        tar: &mut TarReader<'_>,
        failed: &mut Option<PackError>,
    ) -> Result<(), ReadError> {
        let Some(kind) = member.kind else { return Err(refused(member, Refusal::Name)) };
        // what some programs note in a folder's place is no content
        member.data = if kind == Kind::File { member.data } else { 0 };
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
        tar.some_data(member.data, &mut |piece| {
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

/// Whether a pattern leaves out the path or a folder that it is in.
fn excluded(excludes: &Excludes, below: &[u8]) -> bool {
    let ends = below.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at).chain([below.len()]);
    !excludes.is_empty()
        && !below.is_empty()
        && ends.map(|end| &below[..end]).any(|path| {
            let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            excludes.matches(path, name)
        })
}

pub(super) fn refused(member: &Member, why: Refusal) -> ReadError {
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
