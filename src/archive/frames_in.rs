//! Frames back to the stream, decompressed in parallel, handed out in order.
//!
//! From a sequential stream the borders of frames are found by walking their block headers, so no seek table is needed; frames
//! that say their size and are small enough go to the pool, others (a foreign `tar | zstd`) are decompressed on the way by one
//! thread. A stream that begins with no zstd magic is passed on as it is: plain tar. From random access only the frames that are
//! asked for are read.
//!
//! Hostile input: at most [`WHOLE`] bytes are allocated on the word of a header, and a stored frame may not be larger than any
//! compressor makes it. Errors reach the reader in the order of the stream.

use std::io::{self, BufReader, Read};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use zstd::zstd_safe::{DCtx, InBuffer, OutBuffer, compress_bound, get_error_name};

use super::error::{Damage, ReadError};
use super::read_at::{ReadAt, read_exact_at};
use super::seek_table::{FrameSize, SKIPPABLE, SeekTable};

const FRAME: u32 = 0xFD2F_B528;
/// Skippable frames have sixteen magic numbers.
const SKIPPABLE_FIRST: u32 = 0x184D_2A50;
/// Largest frame that is decompressed as a whole.
const WHOLE: u64 = 32 << 20;
/// Bytes of a chunk where frames are not the unit.
const CHUNK: usize = 1 << 20;
/// Longest seek table that is kept for the comparison; all others are only passed over.
const TABLE: u64 = 64 << 20;

/// Where frames come from.
pub(super) enum Source<'a> {
    /// Everything, in order.
    Stream(&'a mut (dyn Read + Send)),
    /// Some frames of a payload.
    Frames { payload: &'a dyn ReadAt, table: &'a SeekTable, range: std::ops::Range<usize> },
}

/// What the stream consisted of.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// All frames that say their size.
    pub frames: Vec<FrameSize>,
    /// Whether some frame did not.
    pub unsized_frames: bool,
    /// Whether it was no zstd at all.
    pub plain: bool,
    /// The seek table, if it was the last thing.
    pub table: Option<Vec<u8>>,
    pub stored_bytes: u64,
}

type Chunk = Result<Vec<u8>, ReadError>;

struct Job {
    bytes: Vec<u8>,
    size: usize,
    number: u64,
    offset: u64,
    reply: SyncSender<Chunk>,
}

/// The decompressed stream.
pub(super) struct Bytes {
    order: Receiver<Receiver<Chunk>>,
    /// Emptied buffers for those who decompress; where nobody takes them they are dropped.
    give: SyncSender<Vec<u8>>,
    current: Vec<u8>,
    at: usize,
    position: u64,
}

impl Bytes {
    /// Bytes taken so far.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// What comes next; empty at the end only.
    pub(super) fn fill(&mut self) -> Result<&[u8], ReadError> {
        while self.at == self.current.len() {
            let Ok(next) = self.order.recv() else {
                self.current.clear();
                self.at = 0;
                break;
            };
            let next = next.recv().map_err(|_| ReadError::Pipeline)??;
            let old = std::mem::replace(&mut self.current, next);
            let _ = self.give.try_send(old);
            self.at = 0;
        }
        Ok(&self.current[self.at..])
    }

    pub(super) fn consume(&mut self, count: usize) {
        self.at = (self.at + count).min(self.current.len());
        self.position += count as u64;
    }

    /// Fills `buffer`; `false` if the stream ended before its first byte.
    pub(super) fn read_exact(&mut self, mut buffer: &mut [u8], what: &'static str) -> Result<bool, ReadError> {
        let wanted = buffer.len();
        while !buffer.is_empty() {
            let have = self.fill()?;
            if have.is_empty() {
                return if buffer.len() == wanted { Ok(false) } else { Err(Damage::Truncated(what).into()) };
            }
            let count = have.len().min(buffer.len());
            buffer[..count].copy_from_slice(&have[..count]);
            buffer = &mut buffer[count..];
            self.consume(count);
        }
        Ok(true)
    }

    /// Hands `count` bytes to `take`, in pieces.
    pub(super) fn take(
        &mut self,
        mut count: u64,
        what: &'static str,
        take: &mut dyn FnMut(&[u8]) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        while count > 0 {
            let have = self.fill()?;
            if have.is_empty() {
                return Err(Damage::Truncated(what).into());
            }
            let now = have.len().min(usize::try_from(count).unwrap_or(usize::MAX));
            take(&have[..now])?;
            self.consume(now);
            count -= now as u64;
        }
        Ok(())
    }

    pub(super) fn skip(&mut self, count: u64, what: &'static str) -> Result<(), ReadError> {
        self.take(count, what, &mut |_| Ok(()))
    }
}

/// Runs `body` over the decompressed stream.
pub(super) fn with_bytes<T>(
    source: Source<'_>,
    threads: usize,
    cancel: &AtomicBool,
    body: impl FnOnce(&mut Bytes) -> Result<T, ReadError>,
) -> Result<(T, Seen), ReadError> {
    let threads = threads.max(1);
    let (jobs, job_queue) = sync_channel::<Job>(1);
    let (order_in, order) = sync_channel(threads);
    let (give, spare) = sync_channel(threads);
    let (job_queue, spare) = (Mutex::new(job_queue), Mutex::new(spare));
    thread::scope(|scope| {
        let feeder = scope.spawn(move || {
            let mut lanes = Lanes { jobs, order: order_in, cancel, seen: Seen::default() };
            if let Err(error) = lanes.feed(source) {
                // The reader is gone if it has seen an error before this one.
                let _ = lanes.push(Err(error));
            }
            lanes.seen
        });
        let (queue, spare) = (&job_queue, &spare);
        for _ in 0..threads {
            scope.spawn(move || decompress_all(queue, spare));
        }
        let mut bytes = Bytes { order, give, current: Vec::new(), at: 0, position: 0 };
        let result = body(&mut bytes);
        drop(bytes);
        let seen = feeder.join().map_err(|_| ReadError::Pipeline)?;
        Ok((result?, seen))
    })
}

fn decompress_all(queue: &Mutex<Receiver<Job>>, spare: &Mutex<Receiver<Vec<u8>>>) {
    let mut context = DCtx::create();
    loop {
        let job = match queue.lock() {
            Ok(queue) => queue.recv(),
            Err(_) => return,
        };
        let Ok(job) = job else { return };
        let mut out = spare.lock().ok().and_then(|spare| spare.try_recv().ok()).unwrap_or_default();
        out.clear();
        out.reserve(job.size);
        let damage = |reason: &str| Damage::Frame { number: job.number, offset: job.offset, reason: reason.to_owned() };
        let chunk = match context.decompress(&mut out, &job.bytes) {
            Ok(size) if size == job.size => Ok(out),
            Ok(_) => Err(damage("it has another size than it says").into()),
            Err(code) => Err(damage(get_error_name(code)).into()),
        };
        let _ = job.reply.send(chunk);
    }
}

struct Lanes<'a> {
    jobs: SyncSender<Job>,
    order: SyncSender<Receiver<Chunk>>,
    cancel: &'a AtomicBool,
    seen: Seen,
}

impl Lanes<'_> {
    fn push(&self, chunk: Chunk) -> Result<(), ReadError> {
        let (reply, receive) = sync_channel(1);
        let _ = reply.send(chunk);
        self.order.send(receive).map_err(|_| ReadError::Pipeline)
    }

    fn job(&self, bytes: Vec<u8>, size: usize, number: u64, offset: u64) -> Result<(), ReadError> {
        let (reply, receive) = sync_channel(1);
        self.order.send(receive).map_err(|_| ReadError::Pipeline)?;
        self.jobs.send(Job { bytes, size, number, offset, reply }).map_err(|_| ReadError::Pipeline)
    }

    fn check_cancel(&self) -> Result<(), ReadError> {
        if self.cancel.load(Ordering::Relaxed) { Err(ReadError::Cancelled) } else { Ok(()) }
    }

    fn feed(&mut self, source: Source<'_>) -> Result<(), ReadError> {
        match source {
            Source::Frames { payload, table, range } => {
                for number in range {
                    self.check_cancel()?;
                    let Some(frame) = table.frames().get(number).copied() else { break };
                    let offset = table.start(number).0;
                    let bad = |reason: &str| Damage::Frame { number: number as u64, offset, reason: reason.to_owned() };
                    if u64::from(frame.decompressed) > WHOLE || frame.compressed as usize > compress_bound(frame.decompressed as usize) + 64
                    {
                        return Err(bad("it is larger than any frame of ours").into());
                    }
                    let mut bytes = vec![0; frame.compressed as usize];
                    read_exact_at(payload, offset, &mut bytes).map_err(ReadError::of)?;
                    self.job(bytes, frame.decompressed as usize, number as u64, offset)?;
                }
                Ok(())
            }
            Source::Stream(stream) => self.stream(stream),
        }
    }

    fn stream(&mut self, stream: &mut (dyn Read + Send)) -> Result<(), ReadError> {
        let mut input = Input { inner: BufReader::with_capacity(256 * 1024, stream), offset: 0 };
        let mut first = true;
        loop {
            self.check_cancel()?;
            let mut bytes = Vec::new();
            let offset = input.offset;
            let got = input.append(&mut bytes, 4)?;
            if got == 0 && !first {
                self.seen.stored_bytes = input.offset;
                return Ok(());
            }
            let magic = bytes.first_chunk().map_or(0, |four| u32::from_le_bytes(*four));
            let skippable = magic & !0xf == SKIPPABLE_FIRST;
            if first && magic != FRAME && !skippable {
                self.seen.plain = true;
                return self.plain(&mut input, bytes);
            }
            first = false;
            self.seen.table = None;
            if got < 4 {
                return Err(Damage::Truncated("inside a frame").into());
            } else if skippable {
                self.skippable(&mut input, magic, bytes)?;
            } else if magic == FRAME {
                self.frame(&mut input, bytes, offset)?;
            } else {
                return Err(Damage::Trailing("the last frame").into());
            }
        }
    }

    fn plain(&mut self, input: &mut Input<'_>, start: Vec<u8>) -> Result<(), ReadError> {
        let mut chunk = start;
        loop {
            self.check_cancel()?;
            input.append(&mut chunk, CHUNK)?;
            if chunk.is_empty() {
                return Ok(());
            }
            self.push(Ok(std::mem::take(&mut chunk)))?;
        }
    }

    fn skippable(&mut self, input: &mut Input<'_>, magic: u32, mut bytes: Vec<u8>) -> Result<(), ReadError> {
        input.must(&mut bytes, 4)?;
        let length = bytes.last_chunk().map_or(0, |four| u64::from(u32::from_le_bytes(*four)));
        if magic == SKIPPABLE && length <= TABLE {
            input.must(&mut bytes, usize::try_from(length).unwrap_or(usize::MAX))?;
            self.seen.table = Some(bytes);
            return Ok(());
        }
        let mut left = length;
        while left > 0 {
            bytes.clear();
            let now = left.min(CHUNK as u64);
            input.must(&mut bytes, usize::try_from(now).unwrap_or(CHUNK))?;
            left -= now;
        }
        Ok(())
    }

    fn frame(&mut self, input: &mut Input<'_>, mut bytes: Vec<u8>, offset: u64) -> Result<(), ReadError> {
        let number = self.seen.frames.len() as u64;
        let damage = |reason: &str| ReadError::Damaged(Damage::Frame { number, offset, reason: reason.to_owned() });
        input.must(&mut bytes, 1)?;
        let descriptor = bytes[4];
        let single = descriptor & 0x20 != 0;
        let size_len = [usize::from(single), 2, 4, 8][usize::from(descriptor >> 6)];
        let before = usize::from(!single) + [0, 1, 2, 4][usize::from(descriptor & 3)];
        input.must(&mut bytes, before + size_len)?;
        let size = (size_len > 0).then(|| {
            let number = bytes[5 + before..].iter().rev().fold(0u64, |sum, &b| sum << 8 | u64::from(b));
            if size_len == 2 { number + 256 } else { number }
        });
        let tail = if descriptor & 4 == 0 { 0 } else { 4 };
        let whole = size.filter(|&size| size <= WHOLE).and_then(|size| usize::try_from(size).ok());
        let mut streaming = if whole.is_none() { Some(DCtx::create()) } else { None };
        // Empty blocks aside, no compressor makes more than this of that size.
        let most = whole.map_or(usize::MAX, |size| compress_bound(size) + 1024);
        loop {
            let at = bytes.len();
            input.must(&mut bytes, 3)?;
            let header = u32::from(bytes[at]) | u32::from(bytes[at + 1]) << 8 | u32::from(bytes[at + 2]) << 16;
            let length = if header >> 1 & 3 == 1 { 1 } else { (header >> 3) as usize };
            let last = header & 1 != 0;
            if length > 128 * 1024 {
                return Err(damage("a block is too large"));
            }
            input.must(&mut bytes, length + if last { tail } else { 0 })?;
            if bytes.len() > most {
                return Err(damage("it is larger than any compressor makes it"));
            }
            if let Some(context) = &mut streaming {
                self.decompress(context, &bytes).map_err(|e| e.map_or(ReadError::Pipeline, damage))?;
                bytes.clear();
                self.check_cancel()?;
            }
            if last {
                break;
            }
        }
        let (Some(size), Ok(compressed)) = (whole, u32::try_from(bytes.len())) else {
            self.seen.unsized_frames = true;
            return Ok(());
        };
        let checksum = if tail == 4 { bytes.last_chunk().map(|four| u32::from_le_bytes(*four)) } else { None };
        self.seen.frames.push(FrameSize { compressed, decompressed: u32::try_from(size).unwrap_or(u32::MAX), checksum });
        self.job(bytes, size, number, offset)
    }

    /// Decompresses a piece of a frame on the way; `Err(None)` if nobody listens any more.
    fn decompress(&self, context: &mut DCtx<'_>, bytes: &[u8]) -> Result<(), Option<&'static str>> {
        let mut input = InBuffer::around(bytes);
        loop {
            let mut chunk = Vec::with_capacity(CHUNK);
            let mut out = OutBuffer::around(&mut chunk);
            context.decompress_stream(&mut out, &mut input).map_err(|code| Some(get_error_name(code)))?;
            let full = out.pos() == CHUNK;
            if !chunk.is_empty() {
                self.push(Ok(chunk)).map_err(|_| None)?;
            }
            if input.pos() == bytes.len() && !full {
                return Ok(());
            }
        }
    }
}

struct Input<'a> {
    inner: BufReader<&'a mut (dyn Read + Send)>,
    offset: u64,
}

impl Input<'_> {
    /// Appends up to `count` bytes; fewer only at the end. Memory grows with what arrives, not with `count`.
    fn append(&mut self, out: &mut Vec<u8>, count: usize) -> Result<usize, ReadError> {
        let got = (&mut self.inner).take(count as u64).read_to_end(out).map_err(ReadError::of)?;
        self.offset += got as u64;
        Ok(got)
    }

    fn must(&mut self, out: &mut Vec<u8>, count: usize) -> Result<(), ReadError> {
        if self.append(out, count)? == count { Ok(()) } else { Err(Damage::Truncated("inside a frame").into()) }
    }
}

/// Decompresses one frame of a small file of frames, such as an index.
pub(super) fn one_frame(bytes: &[u8], size: usize) -> Result<Vec<u8>, io::Error> {
    let mut out = Vec::with_capacity(size);
    let got = DCtx::create().decompress(&mut out, bytes).map_err(|code| io::Error::other(get_error_name(code)))?;
    if got == size { Ok(out) } else { Err(io::Error::other("it has another size than it says")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(stored: &[u8]) -> Result<(Vec<u8>, Seen), ReadError> {
        let mut stream = stored;
        with_bytes(Source::Stream(&mut stream), 2, &AtomicBool::new(false), |bytes| {
            let mut all = Vec::new();
            loop {
                let have = bytes.fill()?;
                if have.is_empty() {
                    return Ok(all);
                }
                all.extend_from_slice(have);
                let count = have.len();
                bytes.consume(count);
            }
        })
    }

    fn text() -> Vec<u8> {
        (0..300_000u32).flat_map(|n| format!("line {n}\n").into_bytes()).collect()
    }

    #[test]
    fn frames_with_and_without_a_size_are_read_in_order() {
        let text = text();
        let (a, b) = text.split_at(text.len() / 2);
        let mut stored = zstd::bulk::compress(a, 3).unwrap();
        stored.extend(zstd::encode_all(b, 1).unwrap());
        let (got, seen) = read(&stored).unwrap();
        assert!(got == text && seen.unsized_frames && seen.frames.len() == 1);
    }

    #[test]
    fn what_is_no_zstd_is_passed_on() {
        assert_eq!(read(b"hello").unwrap().0, b"hello");
        assert_eq!(read(b"").unwrap().0, b"");
    }

    #[test]
    fn every_truncation_is_an_error() {
        for stored in [zstd::bulk::compress(&text()[..70_000], 3).unwrap(), zstd::encode_all(&text()[..70_000], 3).unwrap()] {
            for cut in (4..stored.len()).step_by(97) {
                assert!(read(&stored[..cut]).is_err(), "{cut}");
            }
        }
    }

    #[test]
    fn a_flipped_bit_is_an_error_with_the_frame_named() {
        let mut payload = Vec::new();
        let options = super::super::frames_out::FrameOptions { level: 3, threads: 1, frame_bytes: 4096 };
        super::super::frames_out::with_frames(&mut payload, options, &AtomicBool::new(false), |sink| sink.write(&text()[..20_000]))
            .unwrap();
        let table = SeekTable::read(&payload).unwrap();
        let at = usize::try_from(table.start(2).0).unwrap() + 100;
        payload[at] ^= 1;
        assert!(matches!(read(&payload), Err(ReadError::Damaged(Damage::Frame { number: 2, .. }))));
    }

    #[test]
    fn a_header_that_promises_much_does_not_allocate_much() {
        // Single segment, 8 bytes of size.
        let mut stored = vec![0x28, 0xb5, 0x2f, 0xfd, 0xe0];
        stored.extend(u64::MAX.to_le_bytes());
        assert!(read(&stored).is_err());
        stored.extend([1, 0, 0]);
        assert!(read(&stored).is_err());
    }
}
