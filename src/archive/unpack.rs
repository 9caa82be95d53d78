//! An archive back to a tree.
//!
//! The stream is decompressed in parallel, one thread walks it and makes folders, links and large files, writer threads make
//! small files. Owners come before modes, modes before attributes (a change of owner drops set-id bits and capabilities), the
//! times of folders at the very end, deepest first. With an index every digest is checked before a small file is made and while a
//! large one is written.
//!
//! Refused before anything of the member is written: absolute names, `..`, names that stand twice or exist in the target, members
//! below something that is no folder, hard links that leave the root or point to nothing before them. Symlinks are data and are
//! restored as they are, unless the caller asks otherwise, but nothing is ever written through one: every parent is opened
//! component by component without following. What a first error leaves behind is for the caller to remove; the target should be a
//! fresh folder.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::entry::Kind;
use super::error::{Damage, ReadError, Warning};
use super::frames_in::{Source, with_bytes};
use super::index::IndexEntry;
use super::index_read::Index;
use super::pack::{Progress, default_threads};
use super::read_at::ReadAt;
use super::seek_table::SeekTable;
use super::tar_read::{Member, TarReader};
use super::unpack_run::{Unpacker, with_unpacker};
use super::verify::{Expected, check_table, compare, parts};

/// What becomes of symlinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Symlinks {
    /// They are restored as they were, wherever they point.
    #[default]
    Keep,
    /// A target that is absolute, or may lie outside the target folder, ends the work.
    RefuseEscaping,
}

/// How an archive is unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnpackOptions {
    /// Decompressors, and writers of small files.
    pub threads: usize,
    /// What becomes of symlinks.
    pub symlinks: Symlinks,
}

impl Default for UnpackOptions {
    fn default() -> Self {
        Self { threads: default_threads(), symlinks: Symlinks::Keep }
    }
}

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// Members.
    pub entries: u64,
    /// Bytes of files, holes included.
    pub bytes: u64,
    /// Members whose owner is not the archived one, because this process may not give files away.
    pub owners_kept: u64,
    /// What is poorer than it was, sorted by path.
    pub warnings: Vec<Warning>,
}

/// Where something is unpacked, and what of it.
pub struct Target<'a> {
    /// An existing folder.
    pub folder: &'a Path,
    /// Only this path and what is below it.
    pub select: Option<&'a [u8]>,
    /// How.
    pub options: UnpackOptions,
    /// Is told how far it is.
    pub progress: &'a (dyn Fn(Progress) + Sync),
    /// Ends it soon when set.
    pub cancel: &'a AtomicBool,
}

/// Unpacks a stream from its beginning: ours, or any tar that is plain or in zstd frames.
pub fn unpack(payload: &mut (dyn Read + Send), index: Option<&Index<'_>>, target: &Target<'_>) -> Result<Outcome, ReadError> {
    let wanted = match (index, target.select) {
        (Some(index), Some(select)) => outside(index, select)?,
        _ => HashMap::new(),
    };
    with_unpacker(target, |unpacker| {
        let mut found = false;
        let ((), seen) = with_bytes(Source::Stream(payload), target.options.threads, target.cancel, |bytes| {
            let mut tar = TarReader::new(bytes, 0);
            let mut expected = index.map(Expected::new);
            while let Some(member) = tar.next()? {
                let entry = expected.as_mut().map(|expected| expected.entry(&member)).transpose()?;
                let selected = target.select.is_none_or(|select| is_below(&member.path, select));
                found |= selected;
                if selected || wanted.contains_key(&member.path) {
                    one(unpacker, &mut tar, member, entry.as_ref(), &wanted, selected)?;
                }
            }
            if let Some(expected) = expected {
                expected.finish(tar.position())?;
            }
            tar.rest().map(drop)
        })?;
        if index.is_some() {
            check_table(&seen)?;
        }
        match target.select {
            Some(path) if !found => Err(ReadError::NotFound { path: path.into() }),
            _ => Ok(()),
        }
    })
}

/// Unpacks what the target selects from a payload that can be read anywhere; only the frames that hold it are read.
pub fn unpack_path(payload: &dyn ReadAt, index: &Index<'_>, target: &Target<'_>) -> Result<Outcome, ReadError> {
    let select = target.select.unwrap_or_default();
    let table = SeekTable::read(payload)?;
    let wanted = outside(index, select)?;
    let mut first: Vec<&Vec<u8>> = wanted.keys().collect();
    first.sort();
    with_unpacker(target, |unpacker| {
        for path in first {
            let mut expected = Expected::from(index, path);
            for part in parts(index.lookup(path)?.map(Ok).into_iter(), path)? {
                part.read(payload, &table, target.options.threads, target.cancel, |tar| {
                    let (member, entry) = next(tar, &mut expected)?;
                    one(unpacker, tar, member, Some(&entry), &wanted, false)
                })?;
            }
        }
        let mut expected = Expected::from(index, select);
        for part in parts(index.range(select), select)? {
            part.read(payload, &table, target.options.threads, target.cancel, |tar| {
                let (member, entry) = next(tar, &mut expected)?;
                one(unpacker, tar, member, Some(&entry), &wanted, true)
            })?;
        }
        Ok(())
    })
}

/// Whether a path is `select` or below it.
fn is_below(path: &[u8], select: &[u8]) -> bool {
    let select = select.strip_suffix(b"/").unwrap_or(select);
    let rest = path.strip_prefix(b"./").unwrap_or(path).strip_prefix(select);
    select.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

/// Members outside of a selection whose content hard links inside it share, and the first of these links: it becomes the file.
fn outside(index: &Index<'_>, select: &[u8]) -> Result<HashMap<Vec<u8>, Vec<u8>>, ReadError> {
    let mut wanted = HashMap::new();
    if !select.is_empty() {
        for entry in index.range(select) {
            let entry = entry?;
            if entry.kind == Kind::HardLink && !is_below(&entry.link, select) {
                wanted.entry(entry.link).or_insert(entry.path);
            }
        }
    }
    Ok(wanted)
}

type Wanted = HashMap<Vec<u8>, Vec<u8>>;

fn one(
    unpacker: &mut Unpacker<'_>,
    tar: &mut TarReader<'_>,
    mut member: Member,
    entry: Option<&IndexEntry>,
    wanted: &Wanted,
    selected: bool,
) -> Result<(), ReadError> {
    if let Some(entry) = entry {
        compare(&member, entry)?;
    }
    if !selected {
        member.path = wanted.get(&member.path).cloned().unwrap_or_default();
    } else if member.kind == Some(Kind::HardLink)
        && let Some(stand_in) = wanted.get(&member.link)
    {
        if *stand_in == member.path {
            return Ok(());
        }
        member.link.clone_from(stand_in);
    }
    unpacker.member(tar, member, entry.and_then(|entry| entry.digest))
}

fn next(tar: &mut TarReader<'_>, expected: &mut Expected<'_>) -> Result<(Member, IndexEntry), ReadError> {
    let member = tar.next()?.ok_or(Damage::Truncated("members are missing"))?;
    let entry = expected.entry(&member)?;
    Ok((member, entry))
}
