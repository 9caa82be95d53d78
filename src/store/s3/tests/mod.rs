//! The store over a server in the process, which fails as each test says.

mod doctor;
mod faults;
mod listing;
mod server;
mod words;

use std::io::{Read, Write};

use server::Server;

use crate::store::conformance;
use crate::store::port::{Created, Reach, ReadStore, Swap, WriteStore};

#[test]
fn a_bucket_is_a_store() {
    let server = Server::start();
    conformance::objects(|| server.fresh());
}

#[test]
fn leases_are_held_in_a_bucket() {
    let server = Server::start();
    conformance::leases(|| server.fresh());
}

#[test]
fn a_bucket_for_a_single_writer_is_a_store_but_for_races() {
    let server = Server::start();
    let store = server.store(|bucket| bucket.conditional = false);
    assert_eq!(store.create("a/b", b"first").unwrap(), Created::New);
    assert_eq!(store.create("a/b", b"second").unwrap(), Created::Taken);
    let mut upload = store.upload("a/b").unwrap();
    upload.write_all(&vec![1; 40 << 20]).unwrap();
    assert_eq!(upload.commit().unwrap(), Created::Taken);
    assert_eq!(store.get("a/b").unwrap(), b"first");
    assert!(!server.calls().iter().any(|call| call.condition));
    let error = store.swap("a/lock", None, b"x").unwrap_err();
    assert!(error.to_string().contains("no writes on condition"), "{error}");
}

#[test]
fn a_stream_goes_up_in_parts_and_comes_down_in_pieces() {
    let server = Server::start();
    let store = server.fresh();
    let bytes: Vec<u8> = (0..70_000_003_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut upload = store.upload("lucid/data/a/id/files").unwrap();
    for chunk in bytes.chunks(1_000_003) {
        upload.write_all(chunk).unwrap();
    }
    assert_eq!(upload.commit().unwrap(), Created::New);
    assert_eq!(server.calls().iter().filter(|call| call.query.contains("partNumber=")).count(), 5);
    for offset in [0, 1, (6 << 20) - 1, 60_000_000, 70_000_002] {
        let mut read = Vec::new();
        store.open("lucid/data/a/id/files", offset).unwrap().read_to_end(&mut read).unwrap();
        assert!(read == bytes[usize::try_from(offset).unwrap()..], "{offset}");
    }
    assert!(store.get("lucid/data/a/id/files").unwrap() == bytes);
    let mut buffer = vec![0; 20_000_000];
    assert_eq!(store.read_at("lucid/data/a/id/files", 60_000_000, &mut buffer).unwrap(), 10_000_003);
    assert!(buffer[..10_000_003] == bytes[60_000_000..]);
    let mut again = store.upload("lucid/data/a/id/files").unwrap();
    again.write_all(&bytes[..40_000_000]).unwrap();
    assert_eq!(again.commit().unwrap(), Created::Taken);
    assert_eq!(store.look("lucid/data/a/id/files").unwrap().unwrap().bytes, 70_000_003);
    assert_eq!(server.open_uploads(), 0);
}

#[test]
fn an_upload_that_ends_without_a_commit_is_aborted() {
    let server = Server::start();
    let store = server.fresh();
    let mut upload = store.upload("lucid/data/a/id/files").unwrap();
    upload.write_all(&vec![1; 40 << 20]).unwrap();
    assert_eq!(server.open_uploads(), 1);
    drop(upload);
    assert_eq!(server.open_uploads(), 0);
    assert!(store.list("").unwrap().is_empty());
}

#[test]
fn an_object_that_would_need_more_parts_than_there_are_fails_before_it_takes_more() {
    let server = Server::start();
    let store = server.store(|bucket| bucket.max_parts = 1);
    assert_eq!(store.largest(), 16 << 20);
    let mut upload = store.upload("lucid/data/a/id/files").unwrap();
    upload.write_all(&vec![1; 16 << 20]).unwrap();
    let error = upload.write(b"x").unwrap_err();
    assert!(std::error::Error::source(error.get_ref().unwrap()).unwrap().to_string().contains("no more than 16777216 bytes"), "{error:?}");
    assert!(upload.commit().is_err());
    let mut upload = store.upload("lucid/data/a/id/files").unwrap();
    upload.write_all(&vec![1; 16 << 20]).unwrap();
    assert_eq!(upload.commit().unwrap(), Created::New);
}

#[test]
fn a_register_is_swapped_by_whoever_saw_it() {
    let server = Server::start();
    let store = server.fresh();
    assert_eq!(store.load("lucid/lock/a").unwrap(), None);
    let first = store.swap("lucid/lock/a", None, b"one").unwrap().unwrap();
    assert_eq!(store.swap("lucid/lock/a", None, b"two").unwrap(), None);
    let loaded = store.load("lucid/lock/a").unwrap().unwrap();
    assert_eq!((loaded.bytes.as_slice(), &loaded.tag), (&b"one"[..], &first));
    assert!((loaded.now - loaded.modified).num_seconds().abs() < 60, "{loaded:?}");
    let second = store.swap("lucid/lock/a", Some(&first), b"three").unwrap().unwrap();
    assert_eq!(store.swap("lucid/lock/a", Some(&first), b"four").unwrap(), None);
    assert_eq!(store.swap("lucid/lock/none", Some(&second), b"five").unwrap(), None);
    assert_eq!(store.load("lucid/lock/a").unwrap().unwrap().bytes, b"three");
}

#[test]
fn the_clock_is_the_services_own() {
    let server = Server::start();
    assert!(server.fresh().clock().unwrap().is_some());
}

#[test]
fn opening_asks_nothing() {
    let server = Server::start();
    drop(server.fresh());
    assert!(server.calls().is_empty());
}

#[test]
fn a_reader_and_an_upload_outlive_their_store() {
    let server = Server::start();
    let store = server.fresh();
    store.create("a/b", &vec![3; 9 << 20]).unwrap();
    let (mut reader, mut upload) = (store.open("a/b", 0).unwrap(), store.upload("a/c").unwrap());
    drop(store);
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes.len(), 9 << 20);
    upload.write_all(&bytes).unwrap();
    assert_eq!(upload.commit().unwrap(), Created::New);
}

#[test]
fn calls_may_come_from_the_threads_of_another_runtime() {
    let server = Server::start();
    let store = server.fresh();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let task = tokio::task::spawn_blocking(move || {
            store.create("a/b", b"x").unwrap();
            let found = store.survey("", Reach::Flat).unwrap().folders;
            // the last holder ends here, on a thread that may block
            drop(store);
            found
        });
        assert_eq!(task.await.unwrap(), ["a/"]);
        // and here on one that may not
        let store = server.fresh();
        let store = tokio::task::spawn_blocking(move || {
            store.create("a/b", b"x").unwrap();
            store
        });
        drop(store.await.unwrap());
    });
}
