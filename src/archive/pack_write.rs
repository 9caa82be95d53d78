//! The assembler: puts ready members one after the other into frames and into the index.
//!
//! Large and sparse files are read here, straight into the frame. A hard link to a member that vanished becomes the first member
//! of its inode itself.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::fs::{Advice, fadvise};

use super::entry::{Kind, Meta, SparseMap};
use super::error::{PackError, Warning, WarningKind};
use super::frames_out::FrameSink;
use super::header::{END, HeaderParts, encode, padding, sparse_map};
use super::index::IndexEntry;
use super::index_write::IndexWriter;
use super::pack::{PackPlan, Packed, Progress};
use super::pack_read::{Reader, Ready, Task, Trouble, entry, read_up_to};
use super::pack_walk::{Batcher, Spare, read_batches};
use super::sparse;

/// Read and hashed at a time, while it is in the cache.
const PIECE: u64 = 256 * 1024;

/// Walks, reads and writes everything but the seek table and the index's footer.
pub(super) fn assemble(
    plan: &PackPlan,
    sink: &mut FrameSink<'_>,
    index: &mut IndexWriter<'_>,
    progress: &(dyn Fn(Progress) + Sync),
    cancel: &AtomicBool,
) -> Result<Packed, PackError> {
    // More than a few only wait for the compressors, and each keeps folders open.
    let readers = plan.threads.clamp(1, 8);
    let warnings = Mutex::new(Vec::new());
    let (orders, order_queue) = sync_channel(1);
    let (places, ready) = sync_channel(readers + 1);
    let (give, spare) = channel();
    let (order_queue, spare) = (Mutex::new(order_queue), Mutex::new(spare));
    let packed = thread::scope(|scope| {
        let batcher = Batcher::new(orders, places, &warnings, cancel);
        let walker = scope.spawn(move || batcher.run(&plan.tree));
        for _ in 0..readers {
            scope.spawn(|| read_batches(&plan.tree, &order_queue, &spare));
        }
        let mut assembler = Assembler {
            sink,
            index,
            progress,
            reader: Reader::new(&plan.tree),
            gone: HashMap::new(),
            packed: Packed::default(),
            header: Vec::new(),
        };
        let result = (|| {
            while let Ok(place) = ready.recv() {
                let batch = place.recv().map_err(|_| PackError::Pipeline)??;
                assembler.batch(batch.members, &batch.bytes)?;
                let give: &Spare = &give;
                // Nobody may want it any more.
                let _ = give.send(batch.bytes);
            }
            Ok(())
        })();
        let packed = assembler.packed;
        drop(ready);
        let walk_end = walker.join().map_err(|_| PackError::Pipeline)?;
        match (result, walk_end) {
            (Err(PackError::Pipeline) | Ok(()), Err(error)) | (Err(error), _) => Err(error),
            (Ok(()), Ok(())) => Ok(packed),
        }
    });
    let mut packed = packed?;
    packed.warnings.append(&mut warnings.into_inner().map_err(|_| PackError::Pipeline)?);
    sink.write(&END)?;
    Ok(packed)
}

struct Assembler<'a, 'b, 'c> {
    sink: &'a mut FrameSink<'b>,
    index: &'a mut IndexWriter<'c>,
    progress: &'a (dyn Fn(Progress) + Sync),
    reader: Reader<'a>,
    /// Inodes whose first name vanished, and the name that took its place.
    gone: HashMap<(u64, u64), Option<Arc<[u8]>>>,
    packed: Packed,
    header: Vec<u8>,
}

impl Assembler<'_, '_, '_> {
    fn batch(&mut self, members: Vec<Ready>, bytes: &[u8]) -> Result<(), PackError> {
        let mut at = 0;
        for member in members {
            self.member(member, bytes, &mut at)?;
        }
        self.tell();
        Ok(())
    }

    fn tell(&self) {
        (self.progress)(Progress { entries: self.packed.entries, bytes: self.packed.bytes });
    }

    fn member(&mut self, member: Ready, bytes: &[u8], at: &mut usize) -> Result<(), PackError> {
        match member {
            Ready::Whole { mut entry, length, changed } => {
                self.place(&mut entry);
                self.sink.write(&bytes[*at..*at + length])?;
                *at += length;
                self.packed.bytes += entry.size;
                self.done(&mut entry, changed)
            }
            Ready::Later(task) => self.later(task),
            Ready::Left { warning, inode } => {
                if let Some(inode) = inode {
                    self.gone.insert(inode, None);
                }
                self.packed.warnings.push(warning);
                Ok(())
            }
        }
    }

    fn place(&self, entry: &mut IndexEntry) {
        entry.frame = self.sink.frame();
        entry.offset = self.sink.position();
    }

    fn done(&mut self, entry: &mut IndexEntry, changed: bool) -> Result<(), PackError> {
        entry.length = self.sink.position() - entry.offset;
        self.packed.entries += 1;
        if changed {
            self.packed.warnings.push(Warning { path: entry.path.as_slice().into(), kind: WarningKind::Changed });
        }
        self.index.add(entry)
    }

    fn later(&mut self, mut task: Task) -> Result<(), PackError> {
        let Some(first) = task.first.take() else {
            return match self.file(&task) {
                Ok(()) => Ok(()),
                Err(trouble) => {
                    let left = Reader::left(&task, trouble)?;
                    self.member(left, &[], &mut 0)
                }
            };
        };
        let inode = (task.meta.dev, task.meta.ino);
        let target = match self.gone.get(&inode) {
            None => first,
            Some(Some(other)) => other.clone(),
            Some(None) => {
                let name: Arc<[u8]> = task.member.as_slice().into();
                let before = self.packed.entries;
                let mut bytes = Vec::new();
                let ready = self.reader.ready(task, &mut bytes)?;
                self.member(ready, &bytes, &mut 0)?;
                if self.packed.entries > before {
                    self.gone.insert(inode, Some(name));
                }
                return Ok(());
            }
        };
        let mut entry = entry(&task.member, Kind::HardLink, &task.meta);
        entry.link = target.to_vec();
        self.place(&mut entry);
        let parts = HeaderParts {
            path: &task.member,
            kind: Kind::HardLink,
            meta: &task.meta,
            size: 0,
            link: &entry.link,
            attributes: &super::xattr::Attributes::default(),
            sparse: None,
        };
        self.header.clear();
        encode(&parts, &mut self.header);
        self.sink.write(&self.header)?;
        self.done(&mut entry, false)
    }

    /// A file that is large or sparse.
    fn file(&mut self, task: &Task) -> Result<(), Trouble> {
        let file = self.reader.open(task)?;
        let meta = self.reader.look(task, &file)?;
        let attributes = self.reader.attributes(task, &file)?;
        // Only a hint.
        let _ = fadvise(&file, 0, None, Advice::Sequential);
        let map = if sparse::may_be_sparse(&meta) {
            sparse::map(file.as_fd(), &meta).map_err(|e| Trouble::Failed(self.reader.failed(&task.member, e)))?
        } else {
            None
        };
        let lead = map.as_ref().map(sparse_map).unwrap_or_default();
        let size = map.as_ref().map_or(meta.size, |map| lead.len() as u64 + map.data_bytes());
        let parts = HeaderParts {
            path: &task.member,
            kind: Kind::File,
            meta: &meta,
            size,
            link: b"",
            attributes: &attributes,
            sparse: map.as_ref(),
        };
        self.header.clear();
        encode(&parts, &mut self.header);
        let mut entry = entry(&task.member, Kind::File, &meta);
        entry.sparse = map.is_some();
        self.place(&mut entry);
        let whole = map.unwrap_or_else(|| SparseMap { segments: vec![(0, meta.size)], size: meta.size });
        let changed = self.content(task, &file, &meta, &lead, &whole, &mut entry).map_err(Trouble::Failed)?;
        self.done(&mut entry, changed).map_err(Trouble::Failed)
    }

    fn content(
        &mut self,
        task: &Task,
        file: &std::fs::File,
        meta: &Meta,
        lead: &[u8],
        map: &SparseMap,
        entry: &mut IndexEntry,
    ) -> Result<bool, PackError> {
        self.sink.write(&self.header)?;
        self.sink.write(lead)?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(lead);
        let mut short = false;
        let mut told = self.sink.frame();
        for &(start, length) in &map.segments {
            let mut done = 0;
            while done < length {
                let most = (length - done).min(PIECE);
                let read = |buffer: &mut [u8]| {
                    let got = read_up_to(file, start + done, buffer)?;
                    short |= got < buffer.len();
                    buffer[got..].fill(0);
                    Ok::<_, std::io::Error>(buffer.len())
                };
                let piece = self.sink.fill(most, read)?.map_err(|e| self.reader.failed(&task.member, e))?;
                hasher.update(piece);
                done += piece.len() as u64;
                self.packed.bytes += piece.len() as u64;
                if self.sink.frame() != told {
                    told = self.sink.frame();
                    self.tell();
                }
            }
        }
        self.packed.bytes += map.size - map.data_bytes();
        self.sink.zeros(padding(lead.len() as u64 + map.data_bytes()))?;
        entry.digest = Some(*hasher.finalize().as_bytes());
        let after = Meta::of(&rustix::fs::fstat(file).map_err(|e| self.reader.failed(&task.member, e))?);
        Ok(short || !meta.same_content(&after))
    }
}
