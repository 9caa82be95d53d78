//! A stream as independent zstd frames, compressed in parallel, written in order. **[format]**
//!
//! Every frame holds [`FRAME_BYTES`] of the stream (the last one less), says so in its header and ends with a checksum; so any
//! frame can be read alone and `zstd -d` reads all of them. A frame whose samples do not shrink is stored: zstd's fastest level
//! then writes raw blocks, at the speed of copying. The seek table follows as a skippable frame ([`super::seek_table`]).
//!
//! Memory: one frame being filled, one waiting, one per compressor, and what these gave until it is written: about
//! `(threads + 2) * 8 MiB` plus the compressed frames. The first error of any stage ends all of them.

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use zstd::zstd_safe::{CCtx, CParameter, compress_bound, min_c_level};

use super::error::PackError;
use super::seek_table::{FrameSize, SeekTable};

/// Bytes of the stream in one frame.
pub const FRAME_BYTES: usize = 8 << 20;
/// The level that plans use unless they say otherwise: on the benchmark's data a third less work than 3, for 2 to 3 % more bytes.
pub const DEFAULT_LEVEL: i32 = 2;

/// How frames are made.
#[derive(Debug, Clone, Copy)]
pub(super) struct FrameOptions {
    pub level: i32,
    pub threads: usize,
    pub frame_bytes: usize,
}

type Compressed = Result<Vec<u8>, PackError>;

struct Job {
    input: Vec<u8>,
    length: usize,
    reply: SyncSender<Compressed>,
}

struct Expected {
    length: usize,
    frame: Receiver<Compressed>,
}

/// Where the stream goes; bytes become frames as they fill up.
pub(super) struct FrameSink<'a> {
    buffer: Vec<u8>,
    filled: usize,
    done: u64,
    frame_bytes: usize,
    jobs: SyncSender<Job>,
    order: SyncSender<Expected>,
    spare: Receiver<Vec<u8>>,
    cancel: &'a AtomicBool,
}

/// Runs `body` with a sink; returns what it returned and the table of what was written.
pub(super) fn with_frames<T>(
    payload: &mut (dyn Write + Send),
    options: FrameOptions,
    cancel: &AtomicBool,
    body: impl FnOnce(&mut FrameSink<'_>) -> Result<T, PackError>,
) -> Result<(T, SeekTable), PackError> {
    let threads = options.threads.max(1);
    let (jobs, job_queue) = sync_channel::<Job>(1);
    let (order, expected) = sync_channel::<Expected>(threads);
    let (give, spare) = channel();
    let (give_out, spare_out) = channel();
    let job_queue = Mutex::new(job_queue);
    let spare_out = Mutex::new(spare_out);
    let (result, written) = thread::scope(|scope| {
        let writer = {
            let payload = &mut *payload;
            scope.spawn(move || write_in_order(&expected, payload, &give_out))
        };
        let (queue, spare_out) = (&job_queue, &spare_out);
        for _ in 0..threads {
            let give = give.clone();
            scope.spawn(move || compress_all(queue, options.level, &give, spare_out));
        }
        drop(give);
        let buffer = vec![0; options.frame_bytes];
        let mut sink = FrameSink { buffer, filled: 0, done: 0, frame_bytes: options.frame_bytes, jobs, order, spare, cancel };
        let result = body(&mut sink).and_then(|value| sink.flush().map(|()| value));
        drop(sink);
        (result, writer.join())
    });
    let written = written.map_err(|_| PackError::Pipeline)?;
    match (result, written) {
        (Err(PackError::Pipeline) | Ok(_), Err(error)) | (Err(error), _) => Err(error),
        (Ok(value), Ok(frames)) => {
            let table = SeekTable::new(frames);
            payload.write_all(&table.encode()).map_err(PackError::Payload)?;
            Ok((value, table))
        }
    }
}

impl FrameSink<'_> {
    /// Bytes of the stream so far.
    pub(super) fn position(&self) -> u64 {
        self.done + self.filled as u64
    }

    /// The frame that the next byte goes into.
    pub(super) fn frame(&self) -> u64 {
        self.position() / self.frame_bytes as u64
    }

    pub(super) fn write(&mut self, mut bytes: &[u8]) -> Result<(), PackError> {
        while !bytes.is_empty() {
            let count = self.room()?.min(bytes.len());
            self.buffer[self.filled..self.filled + count].copy_from_slice(&bytes[..count]);
            self.filled += count;
            bytes = &bytes[count..];
        }
        Ok(())
    }

    pub(super) fn zeros(&mut self, mut count: u64) -> Result<(), PackError> {
        while count > 0 {
            let now = self.room()?.min(usize::try_from(count).unwrap_or(usize::MAX));
            self.buffer[self.filled..self.filled + now].fill(0);
            self.filled += now;
            count -= now as u64;
        }
        Ok(())
    }

    /// Lets `read` put up to `most` bytes straight into the frame; gives what it put there.
    pub(super) fn fill<E>(&mut self, most: u64, read: impl FnOnce(&mut [u8]) -> Result<usize, E>) -> Result<Result<&[u8], E>, PackError> {
        let most = self.room()?.min(usize::try_from(most).unwrap_or(usize::MAX));
        let start = self.filled;
        match read(&mut self.buffer[start..start + most]) {
            Ok(count) => {
                self.filled += count.min(most);
                Ok(Ok(&self.buffer[start..self.filled]))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    /// Room in the frame, never 0; here is where cancelling is seen.
    fn room(&mut self) -> Result<usize, PackError> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(PackError::Cancelled);
        }
        if self.filled == self.frame_bytes {
            self.flush()?;
        }
        Ok(self.frame_bytes - self.filled)
    }

    fn flush(&mut self) -> Result<(), PackError> {
        if self.filled == 0 {
            return Ok(());
        }
        let next = self.spare.try_recv().unwrap_or_else(|_| vec![0; self.frame_bytes]);
        let input = std::mem::replace(&mut self.buffer, next);
        let (reply, frame) = sync_channel(1);
        let length = std::mem::take(&mut self.filled);
        self.done += length as u64;
        self.order.send(Expected { length, frame }).map_err(|_| PackError::Pipeline)?;
        self.jobs.send(Job { input, length, reply }).map_err(|_| PackError::Pipeline)
    }
}

fn write_in_order(
    expected: &Receiver<Expected>,
    payload: &mut (dyn Write + Send),
    give: &Sender<Vec<u8>>,
) -> Result<Vec<FrameSize>, PackError> {
    let mut frames = Vec::new();
    while let Ok(Expected { length, frame }) = expected.recv() {
        let bytes = frame.recv().map_err(|_| PackError::Pipeline)??;
        payload.write_all(&bytes).map_err(PackError::Payload)?;
        let checksum = bytes.last_chunk().map(|four| u32::from_le_bytes(*four));
        let size = |n: usize| u32::try_from(n).map_err(|_| PackError::Compress("a frame is too large"));
        frames.push(FrameSize { compressed: size(bytes.len())?, decompressed: size(length)?, checksum });
        // Nobody may be waiting for a spare buffer; then it is freed.
        let _ = give.send(bytes);
    }
    Ok(frames)
}

fn compress_all(queue: &Mutex<Receiver<Job>>, level: i32, give: &Sender<Vec<u8>>, spare: &Mutex<Receiver<Vec<u8>>>) {
    let mut compressor = Compressor::new(level);
    loop {
        let job = match queue.lock() {
            Ok(queue) => queue.recv(),
            Err(_) => return,
        };
        let Ok(Job { input, length, reply }) = job else { return };
        let out = spare.lock().ok().and_then(|spare| spare.try_recv().ok()).unwrap_or_default();
        let frame = match &mut compressor {
            Ok(compressor) => compressor.frame(&input[..length], out),
            Err(why) => Err(PackError::Compress(why)),
        };
        // The other ends are gone when the work was given up.
        let _ = give.send(input);
        let _ = reply.send(frame);
    }
}

/// Compresses single frames.
pub(super) struct Compressor {
    level: CCtx<'static>,
    stored: CCtx<'static>,
    trial: CCtx<'static>,
    sample: Vec<u8>,
    sampled: Vec<u8>,
}

const SAMPLES: usize = 32;
const SAMPLE: usize = 4096;

impl Compressor {
    pub(super) fn new(level: i32) -> Result<Self, &'static str> {
        Ok(Self { level: context(level)?, stored: context(min_c_level())?, trial: context(1)?, sample: Vec::new(), sampled: Vec::new() })
    }

    /// One whole frame; `out` is only a buffer to use again.
    pub(super) fn frame(&mut self, input: &[u8], mut out: Vec<u8>) -> Compressed {
        let context = if self.shrinks(input) { &mut self.level } else { &mut self.stored };
        out.clear();
        out.reserve(compress_bound(input.len()));
        context.compress2(&mut out, input).map_err(|code| PackError::Compress(zstd::zstd_safe::get_error_name(code)))?;
        Ok(out)
    }

    /// Whether samples get at least one percent smaller. Many small samples rather than few large ones: a frame of small
    /// files is a mixture, and must not be judged by one of them.
    fn shrinks(&mut self, input: &[u8]) -> bool {
        if input.len() < 2 * SAMPLES * SAMPLE {
            return true;
        }
        self.sample.clear();
        let step = (input.len() - SAMPLE) / (SAMPLES - 1);
        for at in 0..SAMPLES {
            self.sample.extend_from_slice(&input[at * step..at * step + SAMPLE]);
        }
        self.sampled.clear();
        self.sampled.reserve(compress_bound(self.sample.len()));
        let size = self.trial.compress2(&mut self.sampled, &self.sample).unwrap_or(0);
        size + self.sample.len() / 100 < self.sample.len()
    }
}

fn context(level: i32) -> Result<CCtx<'static>, &'static str> {
    let mut context = CCtx::create();
    for parameter in [CParameter::CompressionLevel(level), CParameter::ChecksumFlag(true), CParameter::ContentSizeFlag(true)] {
        context.set_parameter(parameter).map_err(zstd::zstd_safe::get_error_name)?;
    }
    Ok(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        blake3::Hasher::new().update(b"noise").finalize_xof().fill(&mut bytes);
        bytes
    }

    fn written(bytes: &[u8], threads: usize) -> (Vec<u8>, SeekTable) {
        let mut payload = Vec::new();
        let options = FrameOptions { level: 3, threads, frame_bytes: 1 << 20 };
        let ((), table) = with_frames(&mut payload, options, &AtomicBool::new(false), |sink| sink.write(bytes)).unwrap();
        (payload, table)
    }

    #[test]
    fn the_standard_decoder_reads_the_frames_and_threads_do_not_change_them() {
        let mut bytes = noise(3 << 20);
        bytes.extend(b"text that repeats ".repeat(200_000));
        let (one, table) = written(&bytes, 1);
        assert_eq!(written(&bytes, 4).0, one);
        assert_eq!(table.decompressed_bytes(), bytes.len() as u64);
        assert_eq!(zstd::decode_all(one.as_slice()).unwrap(), bytes);
        assert_eq!(SeekTable::read(&one).unwrap(), table);
    }

    #[test]
    fn noise_is_stored_in_raw_blocks() {
        let bytes = noise(1 << 20);
        let (payload, table) = written(&bytes, 1);
        let size = u64::from(table.frames()[0].compressed);
        assert!((1 << 20..(1 << 20) + 64).contains(&size), "{size}");
        // After magic, descriptor, window and 4 bytes of size: a raw block of 128 KiB.
        assert_eq!(&payload[10..13], &[0, 0, 0x10]);
    }

    #[test]
    fn an_empty_stream_is_a_table_without_frames() {
        let (payload, table) = written(b"", 2);
        assert_eq!((payload.len(), table.frames().len()), (17, 0));
    }

    #[test]
    fn a_payload_that_cannot_be_written_ends_the_work_with_its_error() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::Error::other("full"))
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let options = FrameOptions { level: 3, threads: 2, frame_bytes: 4096 };
        let result = with_frames(&mut Full, options, &AtomicBool::new(false), |sink| sink.zeros(1 << 30));
        assert!(matches!(result, Err(PackError::Payload(_))));
    }
}
