//! Archives that mongodump wrote, archives that we write, and what becomes of both when they are cut off or damaged.

use std::collections::HashMap;
use std::io::{self, Write};

use bson::raw::{RawDocumentBuf, cstr};
use proptest::prelude::*;

use super::block::{Header, TERMINATOR};
use super::*;

const PLAIN: &[u8] = include_bytes!("../../../tests/integration/formats/mongodump/plain.archive");
const OPLOG: &[u8] = include_bytes!("../../../tests/integration/formats/mongodump/oplog.archive");
const GZIP: &[u8] = include_bytes!("../../../tests/integration/formats/mongodump/gzip.archive");
const EXPECTED: &str = include_str!("../../../tests/integration/formats/mongodump/expected.json");

fn namespace(db: &str, collection: &str, kind: Kind) -> Namespace {
    let metadata = format!("{{\"indexes\":[],\"collectionName\":\"{collection}\"}}");
    Namespace { db: db.to_owned(), collection: collection.to_owned(), metadata, kind }
}

fn prelude(namespaces: Vec<Namespace>) -> Prelude {
    Prelude { concurrent_collections: 4, server_version: "7.0.1".to_owned(), tool_version: "test".to_owned(), namespaces }
}

/// One collection, `d.c`.
fn single() -> Prelude {
    prelude(vec![namespace("d", "c", Kind::Collection)])
}

fn document(number: i32) -> Vec<u8> {
    let mut document = RawDocumentBuf::new();
    document.append(cstr!("_id"), number);
    document.append(cstr!("text"), format!("number {number}").as_str());
    document.into_bytes()
}

fn documents(numbers: impl IntoIterator<Item = i32>) -> Vec<u8> {
    numbers.into_iter().flat_map(document).collect()
}

fn block(db: &str, collection: &str, end: Option<u64>, bodies: &[u8]) -> Vec<u8> {
    let header = Header { db: db.to_owned(), collection: collection.to_owned(), end: end.is_some(), crc: end.unwrap_or_default() };
    [header.encode().as_slice(), bodies, &TERMINATOR].concat()
}

/// Every kind of namespace, with blocks that interleave.
fn small() -> Vec<u8> {
    let namespaces = vec![
        namespace("shop", "orders", Kind::Collection),
        namespace("shop", "empty", Kind::Collection),
        namespace("shop", "view", Kind::View),
        namespace("shop", "series", Kind::TimeSeries),
        Namespace { metadata: String::new(), ..namespace("", "oplog", Kind::Collection) },
        Namespace { metadata: String::new(), ..namespace("shop", "$admin.system.users", Kind::Collection) },
    ];
    let mut writer = Writer::new(Vec::new(), &prelude(namespaces)).unwrap();
    writer.write("shop", "orders", &documents(0..3)).unwrap();
    writer.write("shop", "system.buckets.series", &document(7)).unwrap();
    writer.write("shop", "orders", &documents(3..5)).unwrap();
    writer.write("", "oplog", &document(9)).unwrap();
    writer.write("shop", "$admin.system.users", &document(11)).unwrap();
    for (db, collection) in [
        ("shop", "view"),
        ("shop", "orders"),
        ("shop", "system.buckets.series"),
        ("shop", "$admin.system.users"),
        ("", "oplog"),
        ("shop", "empty"),
    ] {
        writer.close(db, collection).unwrap();
    }
    writer.finish().unwrap()
}

/// The archive with the small prelude of `d.c` and then these blocks.
fn with_blocks(blocks: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    Writer::new(&mut bytes, &single()).unwrap();
    bytes.extend(blocks.concat());
    bytes
}

/// Writes an archive anew from what was read of it, block by block.
fn rewritten(bytes: &[u8]) -> Vec<u8> {
    let mut reader = Reader::open(bytes).unwrap();
    let mut writer = Writer::new(Vec::new(), reader.prelude()).unwrap();
    let mut block: Option<(String, String, Vec<u8>)> = None;
    loop {
        let item = reader.next_item().unwrap();
        if let Some(Item::Document(bytes)) = item {
            block.as_mut().unwrap().2.extend_from_slice(bytes);
            continue;
        }
        if let Some((db, collection, documents)) = block.take() {
            writer.write(&db, &collection, &documents).unwrap();
        }
        match item {
            Some(Item::Block { db, collection, .. }) => block = Some((db.to_owned(), collection.to_owned(), Vec::new())),
            Some(Item::Closed { tally, .. }) => assert_eq!(&writer.close(&tally.db, &tally.collection).unwrap(), tally),
            _ => return writer.finish().unwrap(),
        }
    }
}

/// Where the blocks after the prelude begin.
fn after_prelude(bytes: &[u8]) -> usize {
    usize::try_from(Reader::open(bytes).unwrap().position()).unwrap()
}

#[track_caller]
fn damage(bytes: &[u8]) -> Damage {
    match verify(bytes) {
        Err(ArchiveError::Damaged { damage, .. }) => damage,
        other => panic!("{other:?}"),
    }
}

#[test]
fn archives_of_mongodump_are_read_whole() {
    let expected: serde_json::Value = serde_json::from_str(EXPECTED).unwrap();
    for (name, bytes, namespaces) in [("plain", PLAIN, 13), ("oplog", OPLOG, 14)] {
        let verified = verify(bytes).unwrap();
        assert_eq!((verified.bytes, verified.prelude.namespaces.len()), (bytes.len() as u64, namespaces), "{name}");
        assert_eq!(verified.prelude.server_version, "6.0.5");
        let counted: HashMap<_, _> =
            verified.tallies.iter().map(|tally| ((tally.db.as_str(), tally.collection.as_str()), tally.documents)).collect();
        let mut compared = 0;
        for (db, state) in expected[name].as_object().unwrap() {
            for (collection, count) in state["counts"].as_object().unwrap() {
                // a time series counts measurements; its archive has buckets. What the oplog inserts later is not in the collection yet.
                match (collection.as_str(), name) {
                    ("series", _) => assert_eq!(counted[&(db.as_str(), "system.buckets.series")], 3),
                    ("orders", "oplog") => assert_eq!(counted[&(db.as_str(), "orders")], 176),
                    (collection, _) => assert_eq!(Some(counted[&(db.as_str(), collection)]), count.as_u64(), "{name} {collection}"),
                }
                compared += 1;
            }
        }
        assert_eq!(compared, 9, "{name}");
    }
}

#[test]
fn archives_of_mongodump_say_what_their_namespaces_are() {
    let prelude = verify(OPLOG).unwrap().prelude;
    let of = |db: &str, collection: &str| prelude.namespaces.iter().find(|n| n.db == db && n.collection == collection).unwrap();
    assert_eq!(of("shop1", "v").kind, Kind::View);
    assert_eq!(of("shop1", "series").kind, Kind::TimeSeries);
    assert_eq!(of("admin", "system.users").kind, Kind::Collection);
    assert_eq!((of("", "oplog").metadata.as_str(), of("", "oplog").kind), ("", Kind::Collection));
    assert!(of("shop1", "ünïcode.dotted").metadata.starts_with("{\"indexes\":["));
}

#[test]
fn archives_of_mongodump_are_written_again_byte_for_byte() {
    assert!(rewritten(PLAIN) == PLAIN);
    assert!(rewritten(OPLOG) == OPLOG);
    assert!(rewritten(&small()) == small());
}

#[test]
fn gzip_is_refused_by_its_name() {
    assert!(matches!(verify(GZIP), Err(ArchiveError::Gzip)));
    assert_eq!(verify(GZIP).unwrap_err().to_string(), "this is a gzip stream: decompress it, what is inside may be an archive");
    assert!(matches!(verify(&b"PK\x03\x04"[..]), Err(ArchiveError::Foreign)));
    assert!(matches!(verify(&b"no"[..]), Err(ArchiveError::Foreign)));
}

#[test]
fn what_is_cut_off_anywhere_is_found() {
    let small = small();
    for length in 0..small.len() {
        let error = verify(&small[..length]).unwrap_err();
        let ArchiveError::Damaged { offset, .. } = error else { panic!("{length}: {error}") };
        assert_eq!(offset, length as u64, "{error}");
    }
    for bytes in [PLAIN, OPLOG] {
        let sampled = (0..bytes.len()).step_by(1999);
        // the places where nothing is cut in two: the end of a block
        let ends = (4..bytes.len()).filter(|&end| bytes[..end].ends_with(&TERMINATOR) && bytes.get(end) != Some(&0xff));
        let last: Vec<_> = ends.collect();
        assert!(last.len() >= 26, "{}", last.len());
        for length in sampled.chain(last.into_iter().step_by(3)).chain(bytes.len() - 70..bytes.len()) {
            assert!(matches!(verify(&bytes[..length]), Err(ArchiveError::Damaged { .. })), "{length}");
        }
    }
}

#[test]
fn an_end_between_blocks_names_what_is_missing() {
    let end = block("d", "c", Some(0), &[]);
    assert!(verify(with_blocks(std::slice::from_ref(&end)).as_slice()).is_ok());
    let bytes = with_blocks(&[]);
    let error = verify(bytes.as_slice()).unwrap_err().to_string();
    assert_eq!(error, format!("the archive is damaged at byte {} in `d.c`: the namespace has no end", bytes.len()));

    let small = small();
    let error = verify(&small[..after_prelude(&small)]).unwrap_err().to_string();
    assert!(error.ends_with("in `shop.orders`: the namespace has no end, nor have 5 others"), "{error}");
}

#[test]
fn a_view_without_a_block_is_missing_too() {
    let prelude = prelude(vec![namespace("d", "v", Kind::View)]);
    let mut bytes = Vec::new();
    Writer::new(&mut bytes, &prelude).unwrap();
    assert_eq!(damage(&bytes), Damage::Unclosed { others: 0 });
}

#[test]
fn every_flipped_bit_behind_the_prelude_is_found() {
    let small = small();
    let start = after_prelude(&small);
    for bit in 0..small.len() * 8 {
        let mut bytes = small.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        // the prelude has no checksum: there it is enough to get through
        let found = verify(bytes.as_slice()).is_err();
        assert!(found || bit / 8 < start, "bit {bit}");
    }
}

#[test]
fn flipped_bits_in_archives_of_mongodump_are_found() {
    for bytes in [PLAIN, OPLOG] {
        let start = after_prelude(bytes);
        for place in (start..bytes.len()).step_by(1777) {
            let mut bytes = bytes.to_vec();
            bytes[place] ^= 1 << (place % 8);
            assert!(matches!(verify(bytes.as_slice()), Err(ArchiveError::Damaged { .. })), "{place}");
        }
    }
}

#[test]
fn a_flipped_bit_inside_a_value_is_found_by_the_checksum() {
    let mut writer = Writer::new(Vec::new(), &single()).unwrap();
    writer.write("d", "c", &documents(0..4)).unwrap();
    writer.close("d", "c").unwrap();
    let whole = writer.finish().unwrap();
    let place = whole.windows(8).position(|text| text == b"number 2").unwrap();
    let mut bytes = whole.clone();
    bytes[place] ^= 1;
    let error = verify(bytes.as_slice()).unwrap_err();
    let ArchiveError::Damaged { offset, namespace, damage: Damage::Checksum { stored, counted } } = error else { panic!("{error}") };
    assert_eq!(namespace.unwrap().to_string(), "d.c");
    assert_eq!(offset, (whole.len() - block("d", "c", Some(1), &[]).len()) as u64);
    assert_eq!((stored, stored == counted), (verify(whole.as_slice()).unwrap().tallies[0].crc, false));
}

#[test]
fn the_checksum_is_the_one_of_xz() {
    let mut writer = Writer::new(Vec::new(), &single()).unwrap();
    assert_eq!(writer.tallies().next().unwrap().crc, 0);
    writer.write("d", "c", &[5, 0, 0, 0, 0]).unwrap();
    // computed apart, bit by bit
    let mut crc = u64::MAX;
    for byte in [5, 0, 0, 0, 0] {
        crc ^= byte;
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xc96c_5795_d787_0f42 } else { crc >> 1 };
        }
    }
    assert_eq!(writer.close("d", "c").unwrap().crc, !crc);
}

#[test]
fn broken_blocks_are_refused() {
    let (one, end) = (block("d", "c", None, &document(1)), |crc| block("d", "c", Some(crc), &[]));
    let crc = {
        let mut writer = Writer::new(io::sink(), &single()).unwrap();
        writer.write("d", "c", &document(1)).unwrap();
        writer.close("d", "c").unwrap().crc
    };
    let of = |blocks: &[Vec<u8>]| damage(&with_blocks(blocks));
    assert!(verify(with_blocks(&[one.clone(), end(crc)]).as_slice()).is_ok());
    assert_eq!(of(&[one.clone(), TERMINATOR.to_vec(), end(crc)]), Damage::Headless);
    assert_eq!(of(&[one.clone(), end(crc), one.clone()]), Damage::Closed);
    assert_eq!(of(&[one.clone(), end(crc), end(crc)]), Damage::Closed);
    assert_eq!(of(&[one.clone(), end(crc), vec![0]]), Damage::Truncated("inside a length"));
    assert_eq!(of(&[block("d", "other", None, &[])]), Damage::Unlisted);
    assert_eq!(of(&[block("d", "system.buckets.c", None, &[])]), Damage::Unlisted);
    assert_eq!(of(&[one.clone(), block("d", "c", Some(crc), &document(1))]), Damage::Header("ends a namespace, and documents follow"));
    assert_eq!(of(&[block("d", "c", None, &[4, 0, 0, 0])]), Damage::Length(4));
    assert_eq!(of(&[block("d", "c", None, &0x0100_4001_u32.to_le_bytes())]), Damage::Length(0x0100_4001));
    assert_eq!(of(&[document(1)]), Damage::Header("is not as mongodump writes it"));
    let early = Header { db: "d".into(), collection: "c".into(), end: false, crc };
    assert_eq!(of(&[early.encode()]), Damage::Header("has a checksum before the end"));
}

#[test]
fn a_header_that_names_two_databases_is_refused() {
    let mut header = RawDocumentBuf::from_bytes(block("d", "c", None, &[]).strip_suffix(&TERMINATOR).unwrap().to_vec()).unwrap();
    assert_eq!(damage(&with_blocks(&[header.as_bytes().to_vec(), TERMINATOR.to_vec()])), Damage::Unclosed { others: 0 });
    header.append(cstr!("db"), "e");
    let bytes = with_blocks(&[header.into_bytes(), TERMINATOR.to_vec()]);
    assert_eq!(damage(&bytes), Damage::Header("is not as mongodump writes it"));
}

#[test]
fn an_error_stays_one() {
    let bytes = with_blocks(&[block("d", "other", None, &[])]);
    let mut reader = Reader::open(bytes.as_slice()).unwrap();
    assert!(matches!(reader.next_item(), Err(ArchiveError::Damaged { .. })));
    assert!(matches!(reader.next_item(), Err(ArchiveError::Over)));
    let small = small();
    let mut reader = Reader::open(small.as_slice()).unwrap();
    while reader.next_item().unwrap().is_some() {}
    assert!(reader.next_item().unwrap().is_none());
}

#[test]
fn names_from_an_archive_cannot_forge_messages() {
    let error = verify(with_blocks(&[block("d\n", "\x1b[0m", None, &[])]).as_slice()).unwrap_err().to_string();
    assert!(error.contains("in `d\\n.\\u{1b}[0m`: the namespace is not in the prelude"), "{error}");
    let long = verify(with_blocks(&[block("d", &"ä".repeat(1 << 20), None, &[])]).as_slice()).unwrap_err().to_string();
    assert!(long.len() < 1200, "{}", long.len());
}

#[test]
fn a_time_series_is_under_one_of_two_names() {
    let mut prelude = prelude(vec![namespace("d", "s", Kind::TimeSeries)]);
    for name in ["s", "system.buckets.s"] {
        let mut writer = Writer::new(Vec::new(), &prelude).unwrap();
        writer.write("d", name, &document(1)).unwrap();
        let other = if name == "s" { "system.buckets.s" } else { "s" };
        assert_eq!(refusal(writer.write("d", other, &[])), Damage::TwoNames);
        writer.close("d", name).unwrap();
        assert_eq!(refusal(writer.write("d", other, &[])), Damage::TwoNames);
        assert_eq!(verify(writer.finish().unwrap().as_slice()).unwrap().tallies[0].collection, name);
    }
    // buckets that the prelude names itself are no other's
    prelude.namespaces.push(namespace("d", "system.buckets.s", Kind::Collection));
    let mut writer = Writer::new(Vec::new(), &prelude).unwrap();
    writer.close("d", "system.buckets.s").unwrap();
    assert_eq!(refusal(writer.finish().map(|_| ())), Damage::Unclosed { others: 0 });
}

#[track_caller]
fn refusal<T: std::fmt::Debug>(result: io::Result<T>) -> Damage {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
    error.into_inner().unwrap().downcast::<Refused>().unwrap().why
}

#[test]
fn what_could_not_be_read_is_not_written() {
    let mut writer = Writer::new(Vec::new(), &single()).unwrap();
    assert_eq!(refusal(writer.write("d", "other", &[])), Damage::Unlisted);
    assert_eq!(refusal(writer.close("e", "c")), Damage::Unlisted);
    let whole = documents(0..2);
    assert_eq!(refusal(writer.write("d", "c", &whole[..whole.len() - 1])), Damage::Document("the bytes end inside of it"));
    assert_eq!(refusal(writer.write("d", "c", &[whole.as_slice(), &[0]].concat())), Damage::Document("the bytes end inside of it"));
    assert_eq!(refusal(writer.write("d", "c", &[5, 0, 0, 0, 1])), Damage::Document("it has no end"));
    assert_eq!(refusal(writer.write("d", "c", &TERMINATOR)), Damage::Length(u32::MAX));
    // nothing of that is in the archive
    writer.write("d", "c", &whole).unwrap();
    assert_eq!(writer.tallies().next().unwrap().documents, 2);
    let tally = writer.close("d", "c").unwrap();
    assert_eq!((tally.documents, tally.bytes), (2, whole.len() as u64));
    assert_eq!(refusal(writer.write("d", "c", &[])), Damage::Closed);
    assert_eq!(verify(writer.finish().unwrap().as_slice()).unwrap().tallies, [tally]);
}

#[test]
fn preludes_that_could_not_be_read_are_not_written() {
    let begin = |namespaces: Vec<Namespace>| Writer::new(io::sink(), &prelude(namespaces)).map(|_| ());
    let c = || namespace("d", "c", Kind::Collection);
    assert_eq!(refusal(begin(vec![c(), c()])), Damage::Twice);
    assert_eq!(
        refusal(begin(vec![Namespace { collection: String::new(), ..c() }])),
        Damage::Prelude("has an entry without the name of a collection")
    );
    assert_eq!(refusal(begin(vec![Namespace { db: "d".repeat(2000), ..c() }])), Damage::Prelude("has an entry whose name is too long"));
    assert_eq!(refusal(begin(vec![Namespace { metadata: " ".repeat(17 << 20), ..c() }])), Damage::Prelude("has an entry that is too long"));
}

#[test]
fn an_archive_is_not_finished_with_an_open_namespace() {
    let prelude = prelude(vec![namespace("d", "a", Kind::Collection), namespace("d", "b", Kind::View)]);
    let mut writer = Writer::new(Vec::new(), &prelude).unwrap();
    writer.write("d", "a", &document(1)).unwrap();
    writer.close("d", "b").unwrap();
    let error = writer.finish().unwrap_err();
    assert_eq!(error.to_string(), "cannot write `d.a` to the archive: the namespace has no end");
}

#[test]
fn an_archive_does_not_go_on_after_its_output_failed() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.0);
            self.0 -= count;
            if count == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(count) }
        }
        fn flush(&mut self) -> io::Result<()> {
            self.0 = usize::MAX;
            Ok(())
        }
    }
    let length = with_blocks(&[]).len();
    let mut writer = Writer::new(Full(length + 10), &single()).unwrap();
    assert_eq!(writer.write("d", "c", &document(1)).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(writer.close("d", "c").unwrap_err().to_string(), "the archive is incomplete: writing to it failed before");
}

#[test]
fn other_versions_and_broken_preludes_are_refused() {
    let whole = with_blocks(&[]);
    let version = whole.windows(3).position(|text| text == b"0.1").unwrap();
    let mut newer = whole.clone();
    newer[version + 2] = b'2';
    assert_eq!(verify(newer.as_slice()).unwrap_err().to_string(), "the archive has format version `0.2`, this program reads version `0.1`");

    let magic = &whole[..4];
    assert_eq!(damage(&[magic, &TERMINATOR].concat()), Damage::Headless);
    assert_eq!(damage(&[magic, &document(1)].concat()), Damage::Prelude("has no `version`"));
    let header_end = 4 + usize::from(whole[4]);
    let (header, entry) = (&whole[..header_end], &whole[header_end..whole.len() - 4]);
    assert_eq!(damage(&[header, &document(1), &TERMINATOR].concat()), Damage::Prelude("has an entry without `db`"));
    assert_eq!(damage(&[header, entry, entry, &TERMINATOR].concat()), Damage::Twice);
    let mut unknown = entry.to_vec();
    let at = unknown.len() - 4;
    unknown[at] = b'x';
    assert_eq!(damage(&[header, &unknown, &TERMINATOR].concat()), Damage::Prelude("has an entry of an unknown type"));
}

#[test]
fn entries_of_old_tools_have_no_type() {
    let whole = with_blocks(&[]);
    let header_end = 4 + usize::from(whole[4]);
    let mut entry = RawDocumentBuf::new();
    entry.append(cstr!("db"), "d");
    entry.append(cstr!("collection"), "c");
    entry.append(cstr!("metadata"), "{}");
    entry.append(cstr!("later"), 1_i32);
    let end = block("d", "c", Some(0), &[]);
    let bytes = [&whole[..header_end], entry.as_bytes(), &TERMINATOR, &end].concat();
    let namespaces = verify(bytes.as_slice()).unwrap().prelude.namespaces;
    assert_eq!(namespaces, [Namespace { metadata: "{}".to_owned(), ..namespace("d", "c", Kind::Collection) }]);
}

#[test]
fn the_largest_documents_go_through() {
    for length in [16 << 20, DOCUMENT_MOST] {
        let mut large = vec![0xaa; length];
        let body = i32::try_from(length - 4 - 3 - 5 - 1).unwrap();
        large[..4].copy_from_slice(&i32::try_from(length).unwrap().to_le_bytes());
        large[4..7].copy_from_slice(b"\x05b\0");
        large[7..11].copy_from_slice(&body.to_le_bytes());
        large[11] = 0;
        large[length - 1] = 0;
        let mut writer = Writer::new(Vec::new(), &single()).unwrap();
        writer.write("d", "c", &large).unwrap();
        let tally = writer.close("d", "c").unwrap();
        let bytes = writer.finish().unwrap();
        let mut reader = Reader::open(bytes.as_slice()).unwrap();
        assert!(matches!(reader.next_item().unwrap(), Some(Item::Block { place: 0, db: "d", collection: "c" })));
        assert!(reader.next_item().unwrap() == Some(Item::Document(&large)));
        assert_eq!(reader.next_item().unwrap(), Some(Item::Closed { place: 0, tally: &tally }));
        assert_eq!(reader.next_item().unwrap(), None);

        // one byte more is no document that a server makes
        if length == DOCUMENT_MOST {
            large[..4].copy_from_slice(&i32::try_from(length + 1).unwrap().to_le_bytes());
            large.push(0);
            let mut writer = Writer::new(io::sink(), &single()).unwrap();
            assert_eq!(refusal(writer.write("d", "c", &large)), Damage::Length(u32::try_from(length + 1).unwrap()));
        }
    }
}

#[test]
fn a_failing_input_is_no_damage() {
    struct Fails<'a>(&'a [u8]);
    impl io::Read for Fails<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(io::Error::other("the disk is gone")),
                count => Ok(count),
            }
        }
    }
    let small = small();
    let error = verify(Fails(&small[..small.len() - 9])).unwrap_err().to_string();
    assert_eq!(error, format!("cannot read the archive at byte {}: the disk is gone", small.len() - 9));
}

/// A document around these bytes.
fn around(elements: &[u8]) -> Vec<u8> {
    let length = i32::try_from(elements.len() + 5).unwrap();
    [&length.to_le_bytes(), elements, &[0]].concat()
}

#[test]
fn every_type_of_value_is_walked() {
    let empty = around(b"");
    let scope = [&17_i32.to_le_bytes()[..], b"\x04\0\0\0abc\0", &empty].concat();
    let values: Vec<(u8, Vec<u8>)> = vec![
        (0x01, vec![0; 8]),
        (0x02, b"\x02\0\0\0\xff\0".to_vec()),
        (0x03, around(b"\x0ax\0")),
        (0x04, around(b"\x0a0\0")),
        (0x05, b"\x03\0\0\0\x80abc".to_vec()),
        (0x06, vec![]),
        (0x07, vec![1; 12]),
        (0x08, vec![1]),
        (0x09, vec![1; 8]),
        (0x0a, vec![]),
        (0x0b, b"^a\0i\0".to_vec()),
        (0x0c, b"\x02\0\0\0a\0abcdefghijkl".to_vec()),
        (0x0d, b"\x01\0\0\0\0".to_vec()),
        (0x0e, b"\x01\0\0\0\0".to_vec()),
        (0x0f, scope),
        (0x10, vec![1; 4]),
        (0x11, vec![1; 8]),
        (0x12, vec![1; 8]),
        (0x13, vec![1; 16]),
        (0xff, vec![]),
        (0x7f, vec![]),
    ];
    for (kind, value) in &values {
        let elements = [&[*kind][..], b"k\0", value].concat();
        assert_eq!(check_document(&around(&elements)), Ok(()), "{kind:#x}");
        assert_eq!(check_document(&around(&[elements.as_slice(), b"\x0ak\0"].concat())), Ok(()), "{kind:#x}");
        // one byte less or more has to collide with something
        if !value.is_empty() {
            assert!(check_document(&around(&elements[..elements.len() - 1])).is_err(), "{kind:#x}");
        }
        assert!(check_document(&around(&[elements.as_slice(), &[0]].concat())).is_err(), "{kind:#x}");
    }
    let all: Vec<u8> = values.iter().flat_map(|(kind, value)| [&[*kind][..], b"k\0", value].concat()).collect();
    assert_eq!(check_document(&around(&all)), Ok(()));
}

#[test]
fn documents_that_are_none_are_refused() {
    let check = |elements: &[u8]| check_document(&around(elements)).unwrap_err();
    assert_eq!(check(b"\x08k\0\x02"), "a boolean is neither true nor false");
    assert_eq!(check(b"\x14k\0"), "a value has an unknown type");
    assert_eq!(check(b"\x0ak"), "a name has no end");
    assert_eq!(check(b"\x02k\0\xff\xff\xff\xff\0"), "a length is negative");
    assert_eq!(check(b"\x02k\0\0\0\0\0"), "a text has no end");
    assert_eq!(check(b"\x03k\0\xff\0\0\0\0"), "a document is longer than what it is in");
    assert_eq!(check(b"\x03k\0\x04\0\0\0"), "a document has no end");
    assert_eq!(check(b"\x05k\0\xff\xff\xff\x7f\0"), "a value is longer than its document");
    assert_eq!(check(b"\0"), "a document ends before its length");
    assert_eq!(check(b"\x0fk\0\x11\0\0\0\x01\0\0\0\0\x05\0\0\0\0"), "code has another length than its parts");
    assert!(check_document(b"").is_err() && check_document(b"\x05\0\0\0").is_err() && check_document(b"\x04\0\0\0\0").is_err());

    let nested = |depth: usize| (1..depth).fold(around(b""), |inside, _| around(&[b"\x03d\0", inside.as_slice()].concat()));
    assert_eq!(check_document(&nested(512)), Ok(()));
    assert_eq!(check_document(&nested(513)), Err("it is nested too deeply"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_was_written_is_read(
        kinds in prop::collection::vec(0..3_u8, 1..6),
        blocks in prop::collection::vec((0..6_usize, prop::collection::vec(any::<i32>(), 0..8)), 0..20),
        reads in 1..64_usize,
    ) {
        let kind = |kind: &u8| [Kind::Collection, Kind::View, Kind::TimeSeries][usize::from(*kind)];
        let namespaces: Vec<_> = kinds.iter().enumerate().map(|(n, k)| namespace(&format!("d{}", n % 2), &format!("c{n}"), kind(k))).collect();
        let mut wanted: Vec<Vec<Vec<u8>>> = vec![Vec::new(); namespaces.len()];
        let said = prelude(namespaces.clone());
        let mut writer = Writer::new(Vec::new(), &said).unwrap();
        for (place, numbers) in &blocks {
            let place = place % namespaces.len();
            let Namespace { db, collection, .. } = &namespaces[place];
            writer.write(db, collection, &documents(numbers.iter().copied())).unwrap();
            wanted[place].extend(numbers.iter().map(|number| document(*number)));
        }
        for Namespace { db, collection, .. } in namespaces.iter().rev() {
            writer.close(db, collection).unwrap();
        }
        let tallies: Vec<_> = writer.tallies().cloned().collect();
        let bytes = writer.finish().unwrap();

        let mut reader = Reader::open(Slow(&bytes, reads)).unwrap();
        prop_assert_eq!(reader.prelude(), &said);
        let mut found = vec![Vec::new(); namespaces.len()];
        let mut current = 0;
        while let Some(item) = reader.next_item().unwrap() {
            match item {
                Item::Block { place, .. } => current = place,
                Item::Document(bytes) => found[current].push(bytes.to_vec()),
                Item::Closed { place, tally } => prop_assert_eq!(tally.documents, found[place].len() as u64),
            }
        }
        prop_assert_eq!(found, wanted);
        prop_assert_eq!(verify(bytes.as_slice()).unwrap().tallies, tallies);
    }

    #[test]
    fn bytes_at_random_are_never_more_than_an_error(
        start in 0..5_usize,
        noise in prop::collection::vec(any::<u8>(), 0..200),
        place in 0..400_usize,
    ) {
        let mut bytes = small();
        let start = [0, 4, 130, after_prelude(&bytes), bytes.len()][start];
        bytes.truncate(start);
        bytes.extend(&noise);
        prop_assert!(noise.is_empty() && start > 130 || verify(bytes.as_slice()).is_err());
        let mut bytes = small();
        let start = after_prelude(&bytes) + place;
        let end = bytes.len().min(start + noise.len());
        let same = bytes[start..end] == noise[..end - start];
        bytes[start..end].copy_from_slice(&noise[..end - start]);
        prop_assert_eq!(verify(bytes.as_slice()).is_ok(), same);
        let _ = check_document(&around(&noise));
    }
}

/// An input that gives a few bytes at a time.
struct Slow<'a>(&'a [u8], usize);

impl io::Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(self.1);
        self.0.read(&mut buffer[..most])
    }
}
