//! What was stored once has to be read for ever: an archive, its index and a stream from the first day.
//!
//! If a test here fails, the format has changed: old backups would not be read any more. The examples are never made again.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::super::entry::{Kind, Time};
use super::super::index_read::Index;
use super::super::sealed::{Identities, Unsealed, UnsealedAt, Voice};
use super::super::seek_table::SeekTable;
use super::super::stream::verify_stream;
use super::super::texts::unpack_texts;
use super::super::unpack::{Target, UnpackOptions, unpack};
use super::super::verify::{verify, verify_path};
use super::tree::{look, restore};

const PAYLOAD: &[u8] = include_bytes!("../../../tests/integration/formats/archive/tree.tar.zst");
const INDEX: &[u8] = include_bytes!("../../../tests/integration/formats/archive/tree.tar.zst.index");
const STREAM: &[u8] = include_bytes!("../../../tests/integration/formats/archive/stream.zst");
const SEALED: &[u8] = include_bytes!("../../../tests/integration/formats/age/tree.tar.zst.age");
const SEALED_INDEX: &[u8] = include_bytes!("../../../tests/integration/formats/age/tree.tar.zst.index.age");
const IDENTITY: &[u8] = include_bytes!("../../../tests/integration/formats/age/identity.txt");
const SSH_IDENTITY: &[u8] = include_bytes!("../../../tests/integration/formats/age/ssh-ed25519");
const TEXTS: &[u8] = include_bytes!("../../../tests/integration/formats/archive/texts.tar.zst");

#[test]
fn the_stored_archive_is_whole_and_lists_what_it_did() {
    let stored = INDEX.to_vec();
    let index = Index::open(&stored).unwrap();
    verify(&mut &PAYLOAD[..], Some(&index), 2, &AtomicBool::new(false)).unwrap();
    let listed: Vec<_> = index.iter().map(Result::unwrap).map(|e| (e.path, e.kind, e.mode, e.size)).collect();
    let expected: Vec<(&[u8], Kind, u32, u64)> = vec![
        (b"tree", Kind::Directory, 0o755, 0),
        (b"tree/docs", Kind::Directory, 0o755, 0),
        (b"tree/docs/readme", Kind::File, 0o644, 6),
        (b"tree/docs/zzz", Kind::File, 0o4755, 3000),
        (b"tree/empty", Kind::Directory, 0o755, 0),
        (b"tree/fifo", Kind::Fifo, 0o644, 0),
        (b"tree/hard", Kind::HardLink, 0o644, 0),
        (b"tree/link", Kind::Symlink, 0o777, 0),
        (b"tree/odd-\xff", Kind::File, 0o644, 1),
        (b"tree/sparse", Kind::File, 0o644, 300_000),
    ];
    assert_eq!(listed.iter().map(|e| (e.0.as_slice(), e.1, e.2, e.3)).collect::<Vec<_>>(), expected);
    let readme = index.lookup(b"tree/docs/readme").unwrap().unwrap();
    assert_eq!(readme.digest.unwrap(), *blake3::hash(b"hello\n").as_bytes());
    assert_eq!(readme.mtime, Time { seconds: 1_580_608_922, nanos: 123_456_789 });
    assert_eq!(index.lookup(b"tree/hard").unwrap().unwrap().link, b"tree/docs/readme");
    let one = PAYLOAD.to_vec();
    assert_eq!(verify_path(&one, &index, b"tree/docs", 1, &AtomicBool::new(false)).unwrap().entries, 3);
}

#[test]
fn the_stored_archive_is_restored() {
    let target = tempfile::tempdir().unwrap();
    restore(PAYLOAD, Some(&INDEX.to_vec()), target.path(), None).unwrap();
    let seen = look(target.path());
    assert_eq!(seen[&b"tree/docs/zzz"[..]].owner, (70, 71));
    assert_eq!(seen[&b"tree/docs/readme"[..]].xattrs[&b"user.note"[..]], b"kept");
    assert!(seen[&b"tree/sparse"[..]].sparse);
    assert_eq!(&fs::read(target.path().join("tree/sparse")).unwrap()[199_999..200_005], b"\0tail\0");
}

#[test]
fn the_stored_sealed_archive_is_opened_by_both_of_its_identities() {
    for identity in [IDENTITY, SSH_IDENTITY] {
        let identities = Identities::parse(identity.to_vec(), &(Arc::new(|_: &str| ()) as Voice)).unwrap();
        let stored = UnsealedAt::open(SEALED_INDEX, &identities).unwrap();
        let index = Index::open(&stored).unwrap();
        let mut payload = Unsealed::open(SEALED, &identities).unwrap();
        verify(&mut payload, Some(&index), 2, &AtomicBool::new(false)).unwrap();
        let listed: Vec<_> = index.iter().map(Result::unwrap).map(|e| (String::from_utf8(e.path).unwrap(), e.kind, e.size)).collect();
        let expected = [
            ("tree", Kind::Directory, 0),
            ("tree/docs", Kind::Directory, 0),
            ("tree/docs/readme", Kind::File, 6),
            ("tree/large", Kind::File, 200_000),
            ("tree/link", Kind::Symlink, 0),
        ];
        assert_eq!(listed.iter().map(|e| (e.0.as_str(), e.1, e.2)).collect::<Vec<_>>(), expected);
        let anywhere = UnsealedAt::open(SEALED, &identities).unwrap();
        assert_eq!(verify_path(&anywhere, &index, b"tree/docs", 1, &AtomicBool::new(false)).unwrap().entries, 2);
        let target = tempfile::tempdir().unwrap();
        let mut payload = Unsealed::open(SEALED, &identities).unwrap();
        let cancel = AtomicBool::new(false);
        let into = Target { folder: target.path(), select: None, options: UnpackOptions::default(), progress: &|_| {}, cancel: &cancel };
        unpack(&mut payload, Some(&index), &into).unwrap();
        assert_eq!(fs::read(target.path().join("tree/docs/readme")).unwrap(), b"hello\n");
    }
}

#[test]
fn the_stored_stream_is_read() {
    let text = "a stream from the first day\n".repeat(1000);
    let digest = *blake3::hash(text.as_bytes()).as_bytes();
    let streamed = verify_stream(&mut &STREAM[..], Some((text.len() as u64, digest)), 1, &AtomicBool::new(false)).unwrap();
    assert_eq!(streamed.frames, 4);
}

#[test]
fn the_stored_texts_are_read() {
    assert_eq!(unpack_texts(TEXTS).unwrap(), [(b"conf/a.toml".to_vec(), b"version = 1\n".to_vec()), (b"main.toml".to_vec(), b"".to_vec())]);
}

/// Reads the first record as the format's description says, with none of the layer's code.
#[test]
fn the_description_of_the_index_is_enough_to_read_it() {
    assert_eq!(INDEX[..8], [0x50, 0x2a, 0x4d, 0x18, 16, 0, 0, 0]);
    assert_eq!(INDEX[8..20], *b"LPINDEX\n\x01\0\0\0");
    assert_eq!(INDEX[INDEX.len() - 8..], *b"LPINDEX\n");
    let tail = &INDEX[INDEX.len() - 16..];
    let footer = &INDEX[INDEX.len() - usize::try_from(u32::from_le_bytes(tail[..4].try_into().unwrap())).unwrap()..];
    assert_eq!(u64::from_le_bytes(footer[8..16].try_into().unwrap()), 10);
    let records = zstd::decode_all(INDEX).unwrap();
    // length, shared 0, 4 bytes of path, type 5, no flags, mode 0o755 as a varint, owner 0:0, size 0.
    assert_eq!(records[1..14], *b"\0\x04tree\x05\0\xed\x03\0\0\0");
    let second = usize::from(records[0]) + 1;
    assert_eq!(records[second + 1..second + 8], *b"\x04\x05/docs");
}

#[test]
fn the_seek_table_of_the_stored_archive_is_the_standard_one() {
    let table = SeekTable::read(&PAYLOAD.to_vec()).unwrap();
    let sizes: u32 = table.frames().iter().map(|frame| frame.decompressed).sum();
    assert_eq!(sizes as usize, zstd::decode_all(PAYLOAD).unwrap().len());
    assert_eq!(PAYLOAD[PAYLOAD.len() - 4..], 0x8F92_EAB1u32.to_le_bytes());
}
