//! What comes out when the service or the network fails.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::server::{Fault, SECRET, Server, error};
use crate::store::error::StoreError;
use crate::store::port::{Created, ReadStore, Swap, WriteStore};
use crate::store::s3::{LockMode, ObjectLock};

const FILES: &str = "lucid/data/a/id/files";

fn slow_down() -> Fault {
    Fault::Answer(503, error("SlowDown", "Please reduce your request rate."))
}

#[test]
fn a_service_that_is_busy_or_cuts_connections_is_asked_again() {
    for fault in [slow_down(), Fault::Reset, Fault::Answer(500, error("InternalError", "We encountered an internal error."))] {
        let server = Server::start();
        let store = server.fresh();
        server.fail(3, fault.clone(), |call| call.is("PUT", "one"));
        assert_eq!(store.create("a/one", b"1").unwrap(), Created::New, "{fault:?}");
        server.fail(3, fault.clone(), |call| call.is("GET", "list-type"));
        assert_eq!(store.list("a/").unwrap().len(), 1, "{fault:?}");
        server.fail(3, fault.clone(), |call| call.is("GET", "one"));
        assert_eq!(store.get("a/one").unwrap(), b"1", "{fault:?}");
        server.fail(2, fault.clone(), |call| call.is("PUT", "partNumber=2"));
        server.fail(2, fault.clone(), |call| call.is("POST", "uploads"));
        server.fail(2, fault.clone(), |call| call.is("POST", "uploadId"));
        let mut upload = store.upload(FILES).unwrap();
        upload.write_all(&vec![7; 40 << 20]).unwrap();
        assert_eq!(upload.commit().unwrap(), Created::New, "{fault:?}");
        server.fail(2, fault.clone(), |call| call.is("DELETE", "one"));
        store.delete("a/one").unwrap();
        assert_eq!(store.list("").unwrap().len(), 1, "{fault:?}");
    }
}

#[test]
fn a_service_that_stays_busy_is_an_error_that_says_so() {
    let server = Server::start();
    let store = server.fresh();
    server.fail(usize::MAX, slow_down(), |_| true);
    let failed = store.get("a/one").unwrap_err();
    assert!(matches!(failed, StoreError::Io { .. }), "{failed:?}");
    let cause = std::error::Error::source(&failed).unwrap().to_string();
    assert!(cause.contains("SlowDown"), "{cause}");
    assert_eq!(server.calls().len(), 4);
}

#[test]
fn a_write_whose_answer_was_lost_is_done_and_not_taken() {
    let server = Server::start();
    let store = server.fresh();
    server.fail(1, Fault::Lost, |call| call.is("PUT", "one"));
    assert_eq!(store.create("a/one", b"mine").unwrap(), Created::New);
    assert_eq!(server.calls().iter().filter(|call| call.is("PUT", "one")).count(), 2, "the second was refused");
    server.fail(1, Fault::Lost, |call| call.is("PUT", "lock"));
    let tag = store.swap("lucid/lock/a", None, b"mine").unwrap().unwrap();
    assert_eq!(store.load("lucid/lock/a").unwrap().unwrap().tag, tag);
}

#[test]
fn a_write_without_a_clear_answer_is_read_back() {
    let server = Server::start();
    let store = server.fresh();
    server.fail(4, Fault::Lost, |call| call.is("PUT", "one"));
    assert_eq!(store.create("a/one", b"mine").unwrap(), Created::New);
    store.create("a/two", b"theirs").unwrap();
    server.fail(4, slow_down(), |call| call.is("PUT", "two"));
    assert_eq!(store.create("a/two", b"mine").unwrap(), Created::Taken);
    server.fail(4, slow_down(), |call| call.is("PUT", "three"));
    let failed = store.create("a/three", b"mine").unwrap_err();
    assert!(matches!(failed, StoreError::Io { .. }), "{failed:?}");
    server.fail(1, Fault::Answer(409, error("ConditionalRequestConflict", "try again")), |call| call.is("PUT", "four"));
    assert_eq!(store.create("a/four", b"mine").unwrap(), Created::New);
}

#[test]
fn a_register_whose_write_is_unclear_says_so() {
    let server = Server::start();
    let store = server.fresh();
    server.fail(4, slow_down(), |call| call.is("PUT", "lock"));
    assert!(store.swap("lucid/lock/a", None, b"mine").is_err());
    server.fail(1, Fault::Answer(409, error("ConditionalRequestConflict", "try again")), |call| call.is("PUT", "lock"));
    assert_eq!(store.swap("lucid/lock/a", None, b"mine").unwrap(), None);
}

#[test]
fn a_stream_whose_end_got_no_answer_leaves_it_to_its_digest() {
    let server = Server::start();
    let store = server.fresh();
    server.fail(1, Fault::Lost, |call| call.is("POST", "uploadId"));
    let mut upload = store.upload(FILES).unwrap();
    upload.write_all(&vec![7; 40 << 20]).unwrap();
    assert_eq!(upload.commit().unwrap(), Created::Taken);
    assert!(store.get(FILES).unwrap() == vec![7; 40 << 20]);
}

#[test]
fn a_stream_of_which_a_part_fails_is_aborted_and_never_there() {
    let server = Server::start();
    let store = server.fresh();
    server.fail(usize::MAX, Fault::Answer(400, error("BadDigest", "The checksum did not match.")), |call| call.is("PUT", "partNumber=2"));
    let mut upload = store.upload(FILES).unwrap();
    let written = upload.write_all(&vec![7; 100 << 20]);
    assert!(written.is_err() || upload.commit().is_err());
    assert_eq!(server.open_uploads(), 0);
    assert!(store.list("").unwrap().is_empty());
}

#[test]
fn an_answer_that_is_cut_or_stalls_is_asked_for_from_there_on() {
    for fault in [Fault::Cut(3_000_000), Fault::Stall(3_000_000), Fault::Cut(0)] {
        let server = Server::start();
        let store = server.fresh();
        let bytes: Vec<u8> = (0..20_000_000_u32).map(|n| (n % 251) as u8).collect();
        store.upload(FILES).map(|mut upload| upload.write_all(&bytes).and_then(|()| Ok(upload.commit()?))).unwrap().unwrap();
        server.fail(3, fault.clone(), |call| call.is("GET", "files"));
        let mut read = Vec::new();
        store.open(FILES, 0).unwrap().read_to_end(&mut read).unwrap();
        assert!(read == bytes, "{fault:?}");
        assert!(server.calls().iter().filter(|call| call.is("GET", "files")).count() >= 6, "{fault:?}");
        server.fail(1, fault.clone(), |call| call.is("GET", "files"));
        assert!(store.get(FILES).unwrap() == bytes, "{fault:?}");
    }
}

#[test]
fn an_answer_that_never_comes_whole_is_an_error() {
    let server = Server::start();
    let store = server.fresh();
    store.create("a/one", &[7; 1000]).unwrap();
    server.fail(usize::MAX, Fault::Cut(0), |call| call.is("GET", "one"));
    let failed = store.get("a/one").unwrap_err();
    assert!(!failed.is_not_found() && matches!(failed, StoreError::Io { .. }), "{failed:?}");
}

#[test]
fn an_object_that_is_replaced_under_a_reader_is_an_error() {
    let server = Server::start();
    let store = server.fresh();
    store.create("a/one", &vec![1; 10 << 20]).unwrap();
    let mut reader = store.open("a/one", 0).unwrap();
    store.delete("a/one").unwrap();
    store.create("a/one", &vec![2; 10 << 20]).unwrap();
    let mut bytes = Vec::new();
    let failed = reader.read_to_end(&mut bytes).unwrap_err();
    assert!(bytes.iter().all(|byte| *byte == 1));
    assert!(StoreError::of("", "", "", failed).to_string().contains("cannot read `a/one`"));
    assert!(reader.read(&mut [0]).is_err(), "and it stays an error");
}

#[test]
fn a_service_that_ignores_ranges_gives_no_wrong_bytes() {
    let server = Server::start();
    let store = server.fresh();
    store.create("a/one", b"0123456789").unwrap();
    server.fail(usize::MAX, Fault::Headers(&[("content-range", "bytes 0-9/10")]), |call| call.is("GET", "one"));
    assert!(store.read_at("a/one", 5, &mut [0; 3]).is_err());
}

#[test]
fn a_service_that_never_answers_is_given_up() {
    let server = Server::start();
    let mut patience = super::server::patience();
    patience.look = std::time::Duration::from_millis(200);
    patience.attempts = 2;
    let store = crate::store::S3::patient(server.bucket(), std::sync::Arc::new(chrono::Utc::now), patience).unwrap();
    server.fail(usize::MAX, Fault::Silence, |_| true);
    let failed = store.look("a/one").unwrap_err();
    assert!(matches!(failed, StoreError::Io { .. }), "{failed:?}");
}

#[test]
fn a_service_that_ignores_conditions_overwrites() {
    // what no store can prevent: `doctor` finds it, and the manifest then says `single-writer`
    let server = Server::start();
    let store = server.store(|_| ());
    assert_eq!(store.create("a/one", b"first").unwrap(), Created::New);
    server.fail(usize::MAX, Fault::Unconditional, |call| call.is("PUT", "one"));
    assert_eq!(store.create("a/one", b"second").unwrap(), Created::New);
    let careful = server.store(|bucket| bucket.conditional = false);
    assert_eq!(careful.create("a/one", b"third").unwrap(), Created::Taken);
}

#[test]
fn a_service_that_knows_no_conditions_says_what_to_declare() {
    let server = Server::start();
    let store = server.fresh();
    let unknown = || Fault::Answer(501, error("NotImplemented", "A header you provided implies functionality that is not implemented."));
    server.fail(2, unknown(), |call| call.condition);
    for failed in [store.create("a/one", b"x").unwrap_err(), store.swap("a/two", None, b"x").unwrap_err()] {
        assert!(matches!(&failed, StoreError::Unusable { help, .. } if help.contains("single-writer")), "{failed:?}");
    }
}

#[test]
fn a_batch_that_is_refused_is_deleted_one_by_one() {
    for fault in [
        Fault::Answer(501, error("NotImplemented", "no batches here")),
        Fault::Answer(400, error("InvalidRequest", "Missing required header for this request: Content-MD5")),
        Fault::Rewrite(|_| "<DeleteResult></DeleteResult>".to_owned()),
    ] {
        let server = Server::start();
        let store = server.fresh();
        let keys: Vec<String> = (0..20).map(|n| format!("a/{n}")).collect();
        assert!(keys.iter().all(|key| store.create(key, b"x").unwrap() == Created::New));
        server.fail(usize::MAX, fault.clone(), |call| call.is("POST", "delete"));
        assert!(store.delete_all(&keys).iter().all(Result::is_ok), "{fault:?}");
        assert_eq!(server.calls().iter().filter(|call| call.is("DELETE", "/a/")).count(), 20, "{fault:?}");
        assert!(store.list("").unwrap().is_empty());
    }
}

#[test]
fn what_a_batch_could_not_delete_is_told_by_name() {
    let server = Server::start();
    let store = server.store(|_| ());
    let keys: Vec<String> = (0..3).map(|n| format!("a/{n}")).collect();
    assert!(keys.iter().all(|key| store.create(key, b"x").unwrap() == Created::New));
    let answer = "<DeleteResult><Deleted><Key>a/0</Key></Deleted><Error><Key>a/1</Key><Code>AccessDenied</Code></Error>\
                  <Deleted><Key>a/2</Key><DeleteMarker>true</DeleteMarker></Deleted></DeleteResult>";
    server.fail(1, Fault::Answer(200, answer.to_owned()), |call| call.is("POST", "delete"));
    server.fail(usize::MAX, Fault::Answer(403, error("AccessDenied", "Access Denied")), |call| call.is("DELETE", "a/1"));
    let outcomes = store.delete_all(&keys);
    assert_eq!(*outcomes[0].as_ref().unwrap(), crate::store::Removed::Gone);
    assert!(outcomes[1].as_ref().unwrap_err().to_string().contains("cannot delete `a/1`"));
    assert_eq!(*outcomes[2].as_ref().unwrap(), crate::store::Removed::Hidden);
}

#[test]
fn a_full_service_is_full() {
    for (status, code) in [(507, "XMinioStorageFull"), (400, "QuotaExceeded"), (403, "QuotaExceeded")] {
        let server = Server::start();
        let store = server.fresh();
        server.fail(usize::MAX, Fault::Answer(status, error(code, "no room")), |call| call.method == "PUT");
        let failed = store.create("a/one", b"x").unwrap_err();
        assert!(matches!(failed, StoreError::Full { .. }), "{failed:?}");
        assert!(!format!("{failed:?}").contains(SECRET));
    }
}

#[test]
fn an_upload_that_waits_for_a_silent_service_is_broken_off() {
    for silent in ["uploads", "partNumber", "uploadId", "files"] {
        let server = Server::start();
        let store = server.fresh();
        // the abort as well: nobody waits for that either
        server.fail(usize::MAX, Fault::Silence, move |call| call.method != "GET" && call.is(call.method.as_str(), silent));
        let cancel = Arc::new(AtomicBool::new(false));
        let mut upload = store.upload(FILES).unwrap();
        upload.heed(&cancel);
        let (told, tell) = std::sync::mpsc::channel();
        let bytes = if silent == "files" { 1 } else { 200 << 20 };
        let thread = std::thread::spawn(move || {
            let written = upload.write_all(&vec![7; bytes]).map_err(|error| error.to_string());
            told.send(written.and_then(|()| upload.commit().map_err(|error| format!("{error:?}")))).unwrap();
        });
        let asked = || server.calls().iter().any(|call| call.is(call.method.as_str(), silent));
        for _ in 0..600 {
            if asked() {
                break;
            }
            assert!(tell.recv_timeout(Duration::from_millis(100)).is_err(), "{silent}: it ended too early");
        }
        assert!(asked(), "{silent}: nothing was asked");
        cancel.store(true, Ordering::Relaxed);
        // well below what one attempt may take
        let ended = tell.recv_timeout(Duration::from_secs(15)).unwrap_or_else(|_| panic!("{silent}: it waits"));
        assert!(ended.unwrap_err().contains(FILES), "{silent}");
        thread.join().unwrap();
    }
}

#[test]
fn a_bucket_without_object_lock_is_refused_before_anything_is_written() {
    let server = Server::start();
    let lock = || Some(ObjectLock { mode: LockMode::Compliance, until: Arc::new(|now| now + chrono::TimeDelta::hours(1)) });
    let store = server.store(|bucket| bucket.object_lock = lock());
    let none = Fault::Answer(404, error("ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist"));
    server.fail(3, none, |call| call.is("GET", "object-lock"));
    let refused =
        [store.create("a/one", b"1").map(|_| ()), store.upload(FILES).map(|_| ()), store.swap("lucid/lock/a", None, b"1").map(|_| ())];
    for refused in refused {
        let error = refused.unwrap_err();
        assert!(matches!(&error, StoreError::Unusable { message, .. } if message.contains("Object Lock")), "{error:?}");
    }
    assert!(server.calls().iter().all(|call| call.method == "GET"));
    server.fail(1, Fault::Answer(403, error("AccessDenied", "Access Denied")), |call| call.is("GET", "object-lock"));
    assert!(store.upload(FILES).is_ok(), "what may not be asked for cannot be told");
}

#[test]
fn a_lock_that_is_told_in_another_document_is_read_beside_the_object() {
    let server = Server::start();
    let store = server.fresh();
    store.create("lucid/data/a", b"x").unwrap();
    let other = "<ObjectLockRetention><Mode>COMPLIANCE</Mode><RetainUntilDate>2031-01-01T00:00:00Z</RetainUntilDate></ObjectLockRetention>";
    server.fail(usize::MAX, Fault::Answer(200, other.to_owned()), |call| call.is("GET", "retention"));
    let error = store.retained("lucid/data/a").unwrap_err();
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("makes no sense"), "nothing is beside it: {error:?}");
    let beside = &[("x-amz-object-lock-mode", "COMPLIANCE"), ("x-amz-object-lock-retain-until-date", "2031-01-01T00:00:00Z")];
    server.fail(usize::MAX, Fault::Headers(beside), |call| call.is("HEAD", "lucid/data/a"));
    assert_eq!(store.retained("lucid/data/a").unwrap(), Some("2031-01-01T00:00:00Z".parse().unwrap()));
}
