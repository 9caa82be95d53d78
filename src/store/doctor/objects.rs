//! What was written comes back, whole and at once, or leaves nothing.

use std::io::{Read, Write};

use super::promise::Promise;
use super::visit::{Tried, Visit};
use crate::store::digest::{Hasher, Sha256Sum};
use crate::store::error::StoreError;
use crate::store::port::{Created, Upload};

/// More than one part: the first has 16 MiB.
const LARGE: usize = 17 << 20;
const BLOCK: usize = 1 << 20;
const NAMES: usize = 3;

const CONSISTENT: &str = "ask whoever runs the store for its mode with strong consistency";
const ANOTHER: &str = "set `checksums = \"when-required\"` or a smaller `max_parts` and try again; else use another store";

pub(super) fn read_back(visit: &Visit<'_>) -> Tried {
    for n in 0..NAMES {
        let (key, bytes) = (visit.key(&format!("back-{n}")), block(n, 100_000));
        visit.store.create(&key, &bytes)?;
        match visit.store.get(&key) {
            Ok(found) if Sha256Sum::of(&found) == Sha256Sum::of(&bytes) => {}
            Ok(_) => return Ok(Promise::broken("read-back", "other bytes came back than were written", ANOTHER)),
            Err(error) if error.is_not_found() => {
                return Ok(Promise::broken("read-back", "an object could not be read right after it was written", CONSISTENT));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Promise::holds("read-back", "what was written is read at once, with the same digest"))
}

pub(super) fn listed(visit: &Visit<'_>) -> Tried {
    for n in 0..NAMES {
        let key = visit.key(&format!("listed-{n}"));
        visit.store.create(&key, b"listed")?;
        let found = visit.store.list(&visit.folder())?;
        if !found.iter().any(|object| object.key == key && object.bytes == 6) {
            return Ok(Promise::broken("list-after-write", "an object was not listed right after it was written", CONSISTENT));
        }
    }
    Ok(Promise::holds("list-after-write", "what was written is listed at once"))
}

pub(super) fn parts(visit: &Visit<'_>) -> Tried {
    let key = visit.key("parts");
    let (upload, written) = large(visit, &key)?;
    if visit.store.look(&key)?.is_some() {
        return Ok(Promise::broken("parts", "an object is there before its upload has ended", ANOTHER));
    }
    if upload.commit()? != Created::New {
        return Ok(Promise::broken("parts", "an upload to a free name was refused", ANOTHER));
    }
    let mut reader = visit.store.open(&key, 0)?;
    let (mut read, mut buffer) = (Hasher::new(), vec![0; BLOCK]);
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => read.update(&buffer[..n]),
            Err(error) => return Err(StoreError::of(&visit.store.place(), "read", &key, error)),
        }
    }
    Ok(if read.finish() == written {
        Promise::holds("parts", "an object of several parts comes back with the same digest")
    } else {
        Promise::broken("parts", "an object of several parts came back with other bytes", ANOTHER)
    })
}

/// Once more to the name that [`parts`] has taken.
pub(super) fn parts_taken(visit: &Visit<'_>) -> Tried {
    let (upload, _) = large(visit, &visit.key("parts"))?;
    Ok(match upload.commit()? {
        Created::Taken => Promise::holds("create-only-parts", "an upload in parts to a taken name is refused"),
        Created::New => Promise::broken(
            "create-only-parts",
            "an upload in parts replaced what was there: the condition of its last request is ignored",
            "coordination = \"single-writer\", and let only one host ever write there",
        ),
    })
}

pub(super) fn abort(visit: &Visit<'_>) -> Tried {
    let key = visit.key("aborted");
    let (upload, _) = large(visit, &key)?;
    drop(upload);
    let left = visit.store.leftovers(&visit.folder())?;
    Ok(if !left.is_empty() {
        let remedy = "let the credentials abort uploads, and have a lifecycle rule end unfinished ones";
        Promise::broken("abort", format!("an upload that was broken off left `{}`", left[0].key), remedy)
    } else if visit.store.look(&key)?.is_some() {
        Promise::broken("abort", "an upload that was broken off made an object", ANOTHER)
    } else {
        Promise::holds("abort", "an upload that is broken off leaves nothing")
    })
}

/// An upload of several parts, not ended, and what was written.
fn large(visit: &Visit<'_>, key: &str) -> Result<(Box<dyn Upload>, Sha256Sum), StoreError> {
    let mut upload = visit.store.upload(key)?;
    let mut digest = Hasher::new();
    for n in 0..LARGE / BLOCK {
        let bytes = block(n, BLOCK);
        digest.update(&bytes);
        upload.write_all(&bytes).map_err(|error| StoreError::of(&visit.store.place(), "write", key, error))?;
    }
    Ok((upload, digest.finish()))
}

/// Bytes of which no two blocks are alike.
fn block(n: usize, length: usize) -> Vec<u8> {
    let mut state = n as u64 + 1;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}
