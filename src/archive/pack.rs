//! Trees to an archive and its index.
//!
//! ```text
//! walker --batches--> readers --ready members, in order--> assembler --frames--> compressors --in order--> payload
//!                                                             `--> index
//! ```
//!
//! Small files are read ahead in parallel, large ones straight into the frame that is being filled. The same tree gives the same
//! bytes with any number of threads: batches are numbered by their place in a queue, and frames are cut at fixed places.
//!
//! A file that changes while it is read cannot break the archive: exactly the announced bytes are written, zeros where it
//! became short. It is reported, and a strict plan ends in an error. What cannot be read ends the work with its path.
//!
//! Memory does not depend on the tree, but for one folder's listing, open hard links and one small record per MiB of index: about
//! 85 MiB with two threads and 20 MiB for each further one, most of it frames on their way.

use std::io::Write;
use std::sync::atomic::AtomicBool;

use super::error::{PackError, Warning, WarningKind};
use super::frames_out::{DEFAULT_LEVEL, FRAME_BYTES, FrameOptions, with_frames};
use super::index_write::IndexWriter;
use super::pack_write::assemble;
use super::walk::WalkPlan;

/// What is packed, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackPlan {
    /// The trees.
    pub tree: WalkPlan,
    /// Zstd's level.
    pub level: i32,
    /// Compressors, and readers of small files.
    pub threads: usize,
    /// Whether a file that changes while it is read is an error.
    pub strict: bool,
    /// Bytes of the tar stream in one frame; smaller ones cost ratio and make single paths cheaper.
    pub frame_bytes: usize,
}

impl PackPlan {
    /// The usual plan for a tree: [`DEFAULT_LEVEL`], one thread per core, not strict.
    pub fn new(tree: WalkPlan) -> Self {
        Self { tree, level: DEFAULT_LEVEL, threads: default_threads(), strict: false, frame_bytes: FRAME_BYTES }
    }
}

/// One thread per core that this process may use.
pub fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
}

/// How far the work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Members.
    pub entries: u64,
    /// Bytes of files, holes included.
    pub bytes: u64,
}

/// What was packed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Packed {
    /// Members.
    pub entries: u64,
    /// Bytes of files, holes included; a hard link counts nothing.
    pub bytes: u64,
    /// Bytes of the tar stream.
    pub tar_bytes: u64,
    /// Bytes of the payload.
    pub payload_bytes: u64,
    /// Bytes of the index.
    pub index_bytes: u64,
    /// Frames of the payload.
    pub frames: u64,
    /// What is missing or a mixture, sorted by path.
    pub warnings: Vec<Warning>,
}

/// Packs everything. The index is complete only if the payload is; on an error both are to be thrown away.
pub fn pack(
    plan: &PackPlan,
    payload: &mut (dyn Write + Send),
    index: &mut (dyn Write + Send),
    progress: &(dyn Fn(Progress) + Sync),
    cancel: &AtomicBool,
) -> Result<Packed, PackError> {
    let options = FrameOptions { level: plan.level, threads: plan.threads.max(1), frame_bytes: plan.frame_bytes.clamp(512, 1 << 28) };
    let mut index = IndexWriter::new(index)?;
    let (mut packed, table) = with_frames(payload, options, cancel, |sink| assemble(plan, sink, &mut index, progress, cancel))?;
    packed.tar_bytes = table.decompressed_bytes();
    packed.payload_bytes = table.stored_bytes() + table.encode().len() as u64;
    packed.frames = table.frames().len() as u64;
    packed.index_bytes = index.finish(packed.tar_bytes, packed.frames)?.1;
    packed.warnings.sort_by(|a, b| a.path.cmp(&b.path));
    let changed: Vec<_> = packed.warnings.iter().filter(|w| w.kind == WarningKind::Changed).map(|w| w.path.clone()).collect();
    if plan.strict && !changed.is_empty() {
        return Err(PackError::Changed { paths: changed });
    }
    Ok(packed)
}
