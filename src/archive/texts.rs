//! A few named bytes as a small archive: how a manifest's files are stored.
//!
//! Plain ustar members in frames with a seek table, sorted by path, owned by root, readable by the owner only, from 1970: the same texts give the
//! same bytes. Paths must be relative, without `..`, and stand once; anything else is refused.

use std::sync::atomic::AtomicBool;

use super::entry::{Kind, Meta, Time};
use super::error::{PackError, ReadError, Refusal};
use super::frames_in::{Source, with_bytes};
use super::frames_out::{DEFAULT_LEVEL, FRAME_BYTES, FrameOptions, with_frames};
use super::header::{END, HeaderParts, encode, padding};
use super::tar_read::TarReader;
use super::unpack_tree::components;
use super::xattr::Attributes;

/// Most that [`unpack_texts`] keeps in memory.
const MOST: u64 = 64 << 20;

/// A path and what stood there.
pub type Text = (Vec<u8>, Vec<u8>);

/// Packs named bytes into a `.tar.zst`.
pub fn pack_texts(texts: &[(&str, &[u8])]) -> Result<Vec<u8>, PackError> {
    let mut sorted: Vec<_> = texts.iter().collect();
    sorted.sort_by_key(|(path, _)| path.as_bytes());
    let twice = sorted.windows(2).find(|pair| pair[0].0 == pair[1].0).map(|pair| (pair[0].0, "it stands twice"));
    let bad = || sorted.iter().find(|(path, _)| components(path.as_bytes()).is_err()).map(|(path, _)| (*path, "it is not a relative path"));
    if let Some((path, reason)) = twice.or_else(bad) {
        return Err(PackError::Label { label: path.as_bytes().into(), reason });
    }
    let mut out = Vec::new();
    let options = FrameOptions { level: DEFAULT_LEVEL, threads: 1, frame_bytes: FRAME_BYTES };
    with_frames(&mut out, options, &AtomicBool::new(false), |sink| {
        for (path, bytes) in &sorted {
            let size = bytes.len() as u64;
            let none = Time::default();
            let meta = Meta {
                kind: Some(Kind::File),
                mode: 0o600,
                uid: 0,
                gid: 0,
                size,
                mtime: none,
                ctime: none,
                dev: 0,
                ino: 0,
                nlink: 1,
                rdev: 0,
                blocks: 0,
            };
            let parts = HeaderParts {
                path: path.as_bytes(),
                kind: Kind::File,
                meta: &meta,
                size,
                link: b"",
                attributes: &Attributes::default(),
                sparse: None,
            };
            let mut header = Vec::new();
            encode(&parts, &mut header);
            sink.write(&header)?;
            sink.write(bytes)?;
            sink.zeros(padding(size))?;
        }
        sink.write(&END)
    })?;
    Ok(out)
}

/// The named bytes of a small archive, such as [`pack_texts`] makes, in its order. Only regular files are accepted.
pub fn unpack_texts(stored: &[u8]) -> Result<Vec<Text>, ReadError> {
    let mut stream = stored;
    let (texts, _) = with_bytes(Source::Stream(&mut stream), 1, &AtomicBool::new(false), |bytes| {
        let mut tar = TarReader::new(bytes, 0);
        let (mut texts, mut total) = (Vec::new(), 0u64);
        while let Some(member) = tar.next()? {
            let refuse = |why| ReadError::Refused { path: member.path.as_slice().into(), why };
            components(&member.path).map_err(refuse)?;
            total = total.saturating_add(member.size);
            match member.kind {
                Some(Kind::File) if member.sparse.is_none() && total <= MOST => {}
                Some(Kind::File) => return Err(refuse(Refusal::TooLarge("content"))),
                _ => return Err(refuse(Refusal::NoFile)),
            }
            let mut data = Vec::new();
            tar.data(&mut |piece| {
                data.extend_from_slice(piece);
                Ok(())
            })?;
            texts.push((member.path, data));
        }
        tar.rest().map(|_| texts)
    })?;
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_sorted_and_the_same_texts_give_the_same_bytes() {
        let long = "d/".repeat(80) + "x.toml";
        let texts: [(&str, &[u8]); 3] = [("b.toml", b"two"), ("a/one.toml", b"one"), (&long, b"")];
        let stored = pack_texts(&texts).unwrap();
        let mut other = texts;
        other.reverse();
        assert_eq!(pack_texts(&other).unwrap(), stored);
        let back = unpack_texts(&stored).unwrap();
        assert_eq!(back.iter().map(|(path, _)| path.as_slice()).collect::<Vec<_>>(), [&b"a/one.toml"[..], b"b.toml", long.as_bytes()]);
        assert_eq!(back[1].1, b"two");
    }

    #[test]
    fn paths_that_leave_and_paths_that_stand_twice_are_refused() {
        for texts in [&[("../a", &b""[..])][..], &[("/a", b"")], &[("a", b""), ("a", b"x")], &[("", b"")]] {
            assert!(matches!(pack_texts(texts), Err(PackError::Label { .. })));
        }
    }
}
