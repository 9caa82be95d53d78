//! A plain stream of bytes in the frames of an archive. **[format]**
//!
//! What a command prints is stored as `<name>.zst`: independent frames and a seek table, as in [`super::frames_out`], without any
//! structure inside. Its BLAKE3 and length go into the caller's record.

use std::io::{self, Read, Write};
use std::sync::atomic::AtomicBool;

use super::error::{Damage, MemberName, PackError, ReadError};
use super::frames_in::{Bytes, Source, with_bytes};
use super::frames_out::{DEFAULT_LEVEL, FRAME_BYTES, FrameOptions, FrameSink, with_frames};
use super::mongodump;
use super::pack::default_threads;
use super::verify::check_table;

/// How a stream is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamOptions {
    /// Zstd's level.
    pub level: i32,
    /// Compressors.
    pub threads: usize,
    /// Bytes of the stream in one frame.
    pub frame_bytes: usize,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self { level: DEFAULT_LEVEL, threads: default_threads(), frame_bytes: FRAME_BYTES }
    }
}

/// What went through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streamed {
    /// Bytes of the stream.
    pub bytes: u64,
    /// BLAKE3 of the stream.
    pub digest: [u8; 32],
    /// Bytes of the payload, seek table included.
    pub payload_bytes: u64,
    /// Frames of the payload.
    pub frames: u64,
}

/// Read and hashed at a time.
const PIECE: u64 = 256 * 1024;

/// Compresses a stream to its end.
pub fn compress(
    reader: &mut dyn Read,
    payload: &mut (dyn Write + Send),
    options: StreamOptions,
    progress: &(dyn Fn(u64) + Sync),
    cancel: &AtomicBool,
) -> Result<Streamed, PackError> {
    let frames = FrameOptions { level: options.level, threads: options.threads, frame_bytes: options.frame_bytes.clamp(512, 1 << 28) };
    let ((bytes, digest), table) = with_frames(payload, frames, cancel, |sink| {
        let mut hasher = blake3::Hasher::new();
        loop {
            match sink.fill(PIECE, |buffer| reader.read(buffer))? {
                Ok([]) => return Ok((sink.position(), *hasher.finalize().as_bytes())),
                Ok(piece) => {
                    hasher.update(piece);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(PackError::Input(error)),
            }
            progress(sink.position());
        }
    })?;
    let payload_bytes = table.stored_bytes() + table.encode().len() as u64;
    Ok(Streamed { bytes, digest, payload_bytes, frames: table.frames().len() as u64 })
}

/// Compresses what `write` writes. What went wrong with the payload comes before what `write` says of it.
pub fn compress_from<T, E>(
    payload: &mut (dyn Write + Send),
    options: StreamOptions,
    cancel: &AtomicBool,
    write: impl FnOnce(&mut (dyn Write + Send)) -> Result<T, E>,
) -> Result<Result<T, E>, PackError> {
    let frames = FrameOptions { level: options.level, threads: options.threads, frame_bytes: options.frame_bytes.clamp(512, 1 << 28) };
    let (written, _) = with_frames(payload, frames, cancel, |sink| {
        let mut plain = Plain { sink, failed: None };
        let written = write(&mut plain);
        match plain.failed {
            Some(error) => Err(error),
            None => Ok(written),
        }
    })?;
    Ok(written)
}

/// A payload that takes plain bytes.
struct Plain<'a, 'b> {
    sink: &'a mut FrameSink<'b>,
    failed: Option<PackError>,
}

impl Write for Plain<'_, '_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        if self.failed.is_none() {
            self.failed = self.sink.write(buffer).err();
        }
        match self.failed {
            Some(_) => Err(io::Error::other("the payload cannot be written")),
            None => Ok(buffer.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Decompresses a payload into `out`. The digest is the caller's to compare, or use [`verify_stream`].
pub fn decompress(
    payload: &mut (dyn Read + Send),
    out: &mut dyn Write,
    threads: usize,
    cancel: &AtomicBool,
) -> Result<Streamed, ReadError> {
    through(payload, threads, cancel, false, &mut |piece| {
        out.write_all(piece).map_err(|source| ReadError::Write { path: MemberName::default(), source })
    })
}

/// Checks a payload: frames, seek table, and length and digest where they are known.
pub fn verify_stream(
    payload: &mut (dyn Read + Send),
    expected: Option<(u64, [u8; 32])>,
    threads: usize,
    cancel: &AtomicBool,
) -> Result<Streamed, ReadError> {
    let streamed = through(payload, threads, cancel, true, &mut |_| Ok(()))?;
    match expected {
        Some((bytes, _)) if bytes != streamed.bytes => Err(Damage::Stream("length").into()),
        Some((_, digest)) if digest != streamed.digest => Err(Damage::Stream("digest").into()),
        _ => Ok(streamed),
    }
}

/// Checks a payload whose stream is an archive of mongodump: its frames, and everything that the archive says of itself.
pub fn verify_dump(payload: &mut (dyn Read + Send), threads: usize, cancel: &AtomicBool) -> Result<mongodump::Verified, ReadError> {
    let (verified, seen) = with_bytes(Source::Stream(payload), threads, cancel, |bytes: &mut Bytes| {
        let mut plain = Unpacked { bytes, failed: None };
        let verified = mongodump::verify(&mut plain);
        match plain.failed {
            Some(error) => Err(error),
            None => verified.map_err(|error| Damage::Inside(error.to_string()).into()),
        }
    })?;
    check_table(&seen)?;
    Ok(verified)
}

/// The plain bytes of a payload.
pub(super) struct Unpacked<'a> {
    pub bytes: &'a mut Bytes,
    /// Why it could not be read to its end.
    pub failed: Option<ReadError>,
}

impl Read for Unpacked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let have = match self.bytes.fill() {
            Ok(have) if self.failed.is_none() => have,
            Ok(_) => return Err(io::Error::other("the payload cannot be read")),
            Err(error) => {
                self.failed.get_or_insert(error);
                return Err(io::Error::other("the payload cannot be read"));
            }
        };
        let count = have.len().min(buffer.len());
        buffer[..count].copy_from_slice(&have[..count]);
        self.bytes.consume(count);
        Ok(count)
    }
}

fn through(
    payload: &mut (dyn Read + Send),
    threads: usize,
    cancel: &AtomicBool,
    whole: bool,
    take: &mut dyn FnMut(&[u8]) -> Result<(), ReadError>,
) -> Result<Streamed, ReadError> {
    let ((bytes, digest), seen) = with_bytes(Source::Stream(payload), threads, cancel, |bytes: &mut Bytes| {
        let mut hasher = blake3::Hasher::new();
        loop {
            let have = bytes.fill()?;
            if have.is_empty() {
                return Ok((bytes.position(), *hasher.finalize().as_bytes()));
            }
            hasher.update(have);
            take(have)?;
            let count = have.len();
            bytes.consume(count);
        }
    })?;
    if whole {
        check_table(&seen)?;
    }
    Ok(Streamed { bytes, digest, payload_bytes: seen.stored_bytes, frames: seen.frames.len() as u64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(bytes: &[u8]) -> (Vec<u8>, Streamed) {
        let mut out = Vec::new();
        let options = StreamOptions { frame_bytes: 64 * 1024, ..StreamOptions::default() };
        let streamed = compress(&mut &*bytes, &mut out, options, &|_| {}, &AtomicBool::new(false)).unwrap();
        (out, streamed)
    }

    #[test]
    fn a_stream_comes_back() {
        for length in [0, 1, 65_536, 300_001] {
            let bytes: Vec<u8> = (0..length).map(|n: u32| (n / 7 % 251) as u8).collect();
            let (out, streamed) = stored(&bytes);
            assert_eq!(streamed.payload_bytes, out.len() as u64);
            assert_eq!(streamed.digest, *blake3::hash(&bytes).as_bytes());
            let mut back = Vec::new();
            let again = decompress(&mut out.as_slice(), &mut back, 2, &AtomicBool::new(false)).unwrap();
            assert!(back == bytes && again == streamed);
            assert_eq!(
                verify_stream(&mut out.as_slice(), Some((streamed.bytes, streamed.digest)), 2, &AtomicBool::new(false)).unwrap(),
                streamed
            );
            assert_eq!(zstd::decode_all(out.as_slice()).unwrap(), bytes);
        }
    }

    #[test]
    fn another_length_or_digest_or_a_missing_table_is_damage() {
        let (out, streamed) = stored(&vec![7; 100_000]);
        let check = |bytes: &[u8], expected| verify_stream(&mut &*bytes, expected, 1, &AtomicBool::new(false)).unwrap_err().to_string();
        assert_eq!(check(&out, Some((1, streamed.digest))), "damaged: the stream's length differs");
        assert_eq!(check(&out, Some((streamed.bytes, [0; 32]))), "damaged: the stream's digest differs");
        assert_eq!(check(&zstd::bulk::compress(b"x", 1).unwrap(), None), "damaged: seek table: missing at the end");
        assert_eq!(check(b"plain", None), "damaged: this is neither a zstd nor a tar stream");
    }

    #[test]
    fn a_reader_that_fails_is_told_apart_from_a_payload_that_fails() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::Error::other("gone"))
            }
        }
        let result = compress(&mut Broken, &mut Vec::new(), StreamOptions::default(), &|_| {}, &AtomicBool::new(false));
        assert!(matches!(result, Err(PackError::Input(_))));
    }
}
