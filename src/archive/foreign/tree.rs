//! Archives of trees that something else made: `.tar`, `.tar.gz` and `.tar.zst`, told by what is in them.
//!
//! [`survey()`] reads one to its end, writes nothing, and says how its members fit a source; [`pack_foreign()`] then makes an archive
//! of ours of it. What a format does not say (parts of a second, attributes) is not in ours either; a plain tar has no checksums of
//! content, so that only its structure can be checked.
//!
//! Refused: an archive that is cut off or broken anywhere, one without members, names that climb or stand twice, what would be restored
//! through something that is no folder, hard links to what did not come before, and members that fit no root of the source.

use std::collections::{BTreeSet, HashMap};
use std::io::{Read, Write};
use std::sync::atomic::AtomicBool;

use super::fit::{Fit, Misfit, Path, Placed, Roots, fit};
use super::wrapping::{Wrapping, opened, other};
use crate::archive::entry::Kind;
use crate::archive::error::{Damage, PackError, ReadError, Refusal};
use crate::archive::frames_in::{Source, with_bytes};
use crate::archive::header::PATH_MOST;
use crate::archive::mongodump::ArchiveError;
use crate::archive::pack::{Packed, Progress};
use crate::archive::pack_stream::{packed, refused};
use crate::archive::stream::StreamOptions;
use crate::archive::tar_read::{Member, TarReader};

/// What a survey found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surveyed {
    /// How it is compressed.
    pub wrapping: Wrapping,
    /// How its members fit.
    pub fit: Fit,
    /// Members that belong to the source.
    pub members: u64,
    /// Folders above all roots, which are left out.
    pub above: u64,
    /// The labels that have members.
    pub labels: BTreeSet<String>,
    /// No member has parts of a second or attributes: the program that wrote it left them out.
    pub reduced: bool,
}

/// Why an archive is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ForeignError {
    /// It is something else.
    #[error("it is no tar archive{}", because(*.0))]
    NoArchive(Option<&'static str>),
    /// It is something else than an archive of mongodump.
    #[error("it is no archive of mongodump{}", because(*.0))]
    NoDump(Option<&'static str>),
    /// It is an archive of mongodump that this version does not know.
    #[error(transparent)]
    Dump(ArchiveError),
    /// There is nothing in it.
    #[error("it is empty: {0}")]
    Empty(&'static str),
    /// It cannot be read to its end, or holds what no archive should.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Its members are not those of the source.
    #[error(transparent)]
    Misfit(#[from] Misfit),
}

fn because(why: Option<&str>) -> String {
    why.map(|why| format!(": {why}")).unwrap_or_default()
}

/// What is kept of a member until all are known.
struct Seen {
    path: Path,
    kind: Kind,
    link: Option<Path>,
}

/// Reads a whole archive and says how its members fit.
pub fn survey(stored: &mut (dyn Read + Send), roots: &Roots, threads: usize, cancel: &AtomicBool) -> Result<Surveyed, ForeignError> {
    let (start, mut stream) = opened(stored).map_err(ReadError::of)?;
    if start.is_empty() {
        return Err(ForeignError::Empty("it has no bytes"));
    }
    let wrapping = Wrapping::of(&start);
    let (mut members, mut reduced, mut begun) = (Vec::new(), true, false);
    let read = with_bytes(Source::Stream(&mut *stream), threads, cancel, |bytes| {
        let mut tar = TarReader::new(bytes, 0);
        while let Some(member) = tar.next()? {
            begun = true;
            reduced &= member.mtime.nanos == 0 && member.xattrs.is_empty();
            members.push(seen(&member)?);
        }
        begun = true;
        tar.rest().map(drop)
    });
    match read {
        // what does not even begin like one was never one
        Err(ReadError::Damaged(Damage::Header { .. } | Damage::Truncated("inside a header"))) if !begun => {
            return Err(ForeignError::NoArchive(other(&start)));
        }
        other => other?,
    };
    if members.is_empty() {
        return Err(ForeignError::Empty("it has no members"));
    }
    let fit = fit(roots, members.iter().map(|seen| (&seen.path, seen.kind)))?;
    let mut surveyed = Surveyed { wrapping, fit, members: 0, above: 0, labels: BTreeSet::new(), reduced };
    let something = checked(&members, roots, &mut surveyed)?;
    if !something {
        return Err(ForeignError::Empty("there is nothing in its folders"));
    }
    Ok(surveyed)
}

fn seen(member: &Member) -> Result<Seen, ReadError> {
    let path = Path::read(&member.path).map_err(|why| refused(member, why))?;
    let kind = member.kind.ok_or_else(|| refused(member, Refusal::Name))?;
    let leaves = |_| refused(member, Refusal::LinkLeaves(member.link.as_slice().into()));
    let link = (kind == Kind::HardLink).then(|| Path::read(&member.link).map_err(leaves)).transpose()?;
    Ok(Seen { path, kind, link })
}

/// Whether the members can be restored together, as far as names tell; gives whether there is more than roots that are folders.
fn checked(members: &[Seen], roots: &Roots, surveyed: &mut Surveyed) -> Result<bool, ReadError> {
    let mut kinds: HashMap<Vec<u8>, Kind> = HashMap::new();
    let mut something = false;
    for seen in members {
        let refuse = |why| ReadError::Refused { path: seen.path.shown(), why };
        let Some(placed) = surveyed.fit.place(roots, &seen.path, seen.kind) else { return Err(refuse(Refusal::Name)) };
        let Placed::At(path) = placed else {
            surveyed.above += 1;
            continue;
        };
        if path.len() > PATH_MOST {
            return Err(refuse(Refusal::TooLarge("name")));
        }
        if let Some(link) = &seen.link {
            let target = linked(&surveyed.fit, roots, link).map_err(refuse)?;
            if kinds.get(&target).is_none_or(|kind| *kind == Kind::Directory) {
                return Err(refuse(Refusal::LinkMissing(link.shown())));
            }
        }
        let label = path.split(|byte| *byte == b'/').next().unwrap_or_default();
        something |= label.len() < path.len() || seen.kind != Kind::Directory;
        surveyed.labels.insert(String::from_utf8_lossy(label).into_owned());
        surveyed.members += 1;
        if kinds.insert(path, seen.kind).is_some() {
            return Err(refuse(Refusal::Duplicate));
        }
    }
    for path in kinds.keys() {
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        if ends.map(|end| &path[..end]).any(|parent| kinds.get(parent).is_some_and(|kind| *kind != Kind::Directory)) {
            return Err(ReadError::Refused { path: path.as_slice().into(), why: Refusal::Through });
        }
    }
    Ok(something)
}

/// Where the target of a hard link goes.
fn linked(fit: &Fit, roots: &Roots, link: &Path) -> Result<Vec<u8>, Refusal> {
    match fit.place(roots, link, Kind::File) {
        Some(Placed::At(target)) => Ok(target),
        Some(Placed::Above) | None => Err(Refusal::LinkLeaves(link.shown())),
    }
}

/// Packs what was surveyed, again from its beginning; `name` is the archive's in messages.
pub fn pack_foreign(
    stored: &mut (dyn Read + Send),
    (name, roots, fit): (&str, &Roots, &Fit),
    options: StreamOptions,
    out: (&mut (dyn Write + Send), &mut (dyn Write + Send)),
    progress: &(dyn Fn(Progress) + Sync),
    cancel: &AtomicBool,
) -> Result<Packed, PackError> {
    let (_, mut stream) = opened(stored).map_err(PackError::Input)?;
    let mut place = |member: &mut Member| {
        let seen = seen(member)?;
        match fit.place(roots, &seen.path, seen.kind) {
            Some(Placed::At(path)) => {
                if let Some(link) = &seen.link {
                    member.link = linked(fit, roots, link).map_err(|why| refused(member, why))?;
                }
                Ok(Some(path))
            }
            Some(Placed::Above) => Ok(None),
            None => Err(refused(member, Refusal::Name)),
        }
    };
    packed(options, out, progress, cancel, |writer| writer.stream(&mut *stream, name.as_bytes(), options.threads, cancel, &mut place))
}
