//! What people read when a store cannot be used.

use std::sync::Arc;

use chrono::Utc;

use super::server::{Fault, KEY, SECRET, Server, error};
use crate::store::error::StoreError;
use crate::store::port::{Reach, ReadStore, WriteStore};
use crate::store::s3::{Credentials, S3};

/// The whole of an error, as it is shown.
fn shown(failed: &StoreError) -> (String, String) {
    let mut text = failed.to_string();
    let mut cause = std::error::Error::source(failed);
    while let Some(inner) = cause {
        text += &format!(": {inner}");
        cause = inner.source();
    }
    let help = if let StoreError::Unusable { help, .. } = failed { help.clone() } else { String::new() };
    assert!(!format!("{text} {help} {failed:?}").contains(SECRET), "{text}");
    (text, help)
}

#[track_caller]
fn unusable(failed: &StoreError, words: &[&str]) {
    assert!(matches!(failed, StoreError::Unusable { .. }), "{failed:?}");
    let (text, help) = shown(failed);
    assert!(words.iter().all(|word| text.contains(word) || help.contains(word)), "{text} / {help}");
    assert!(text.contains("s3://") && !help.is_empty(), "{text} / {help}");
}

#[test]
fn what_the_service_refuses_is_said_in_words() {
    let region = "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-central-1'";
    let cases = [
        (
            403,
            "InvalidAccessKeyId",
            "The AWS Access Key Id you provided does not exist in our records.",
            vec!["access key", "AWS_ACCESS_KEY_ID"],
        ),
        (403, "SignatureDoesNotMatch", "The request signature does not match.", vec!["secret"]),
        (400, "ExpiredToken", "The provided token has expired.", vec!["session", "sso login"]),
        (403, "RequestTimeTooSkewed", "The difference is too large.", vec!["clock"]),
        (400, "AuthorizationHeaderMalformed", region, vec!["`eu-central-1`", "region = "]),
        (404, "NoSuchBucket", "The specified bucket does not exist", vec!["no bucket `lucid-test`"]),
    ];
    for (status, code, sentence, words) in cases {
        let server = Server::start();
        let store = server.fresh();
        server.fail(usize::MAX, Fault::Answer(status, error(code, sentence)), |_| true);
        unusable(&store.survey("", Reach::Deep).unwrap_err(), &words);
        unusable(&store.create("a/one", b"x").unwrap_err(), &words);
        unusable(&store.look("a/one").map(|_| ()).err().unwrap_or_else(|| store.get("a/one").unwrap_err()), &words);
        unusable(&store.delete("a/one").unwrap_err(), &words);
    }
}

#[test]
fn a_bucket_in_another_region_names_it() {
    let server = Server::start();
    let store = server.fresh();
    let redirect = error("PermanentRedirect", "The bucket you are attempting to access must be addressed using the specified endpoint.");
    server.fail(usize::MAX, Fault::Answer(301, redirect), |_| true);
    unusable(&store.list("").unwrap_err(), &["lucid-test", "region"]);
    unusable(&store.look("a").unwrap_err(), &["lucid-test", "region"]);
}

#[test]
fn what_is_not_permitted_names_the_operation_and_the_object() {
    let server = Server::start();
    let store = server.fresh();
    server.fail(usize::MAX, Fault::Answer(403, error("AccessDenied", "Access Denied")), |_| true);
    let cases = [
        (store.create("a/one", b"x").unwrap_err(), "cannot write `a/one`"),
        (store.get("a/one").unwrap_err(), "cannot read `a/one`"),
        (store.look("a/one").unwrap_err(), "cannot look at `a/one`"),
        (store.delete("a/one").unwrap_err(), "cannot delete `a/one`"),
        (store.list("a/").unwrap_err(), "cannot list `a/`"),
    ];
    for (failed, words) in cases {
        let (text, _) = shown(&failed);
        assert!(text.contains(words) && text.contains("AccessDenied") && text.contains("permission"), "{text}");
    }
}

#[test]
fn a_wrong_key_and_a_wrong_secret_are_told_apart() {
    let server = Server::start();
    let other = |id: &str, secret: &str| {
        let credentials = Credentials::Key { id: id.to_owned(), secret: secret.to_owned() };
        server.store(|bucket| bucket.credentials = credentials).list("").unwrap_err()
    };
    unusable(&other(KEY, "wrong"), &["secret"]);
    let (text, _) = shown(&other("wrong", SECRET));
    assert!(text.contains("s3://lucid-test"), "{text}");
}

#[test]
fn a_bucket_that_is_not_there_is_no_empty_store() {
    let server = Server::start();
    let store = server.store(|bucket| bucket.name = "not-there".to_owned());
    unusable(&store.survey("", Reach::Flat).unwrap_err(), &["no bucket `not-there`"]);
}

#[test]
fn a_service_that_is_not_there_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let server = Server::start();
    let store = server.store(|bucket| bucket.endpoint = Some(endpoint.clone()));
    unusable(&store.list("").unwrap_err(), &[&endpoint, "cannot be reached"]);
    let plain = server.bucket().endpoint.unwrap().replace("http://", "https://");
    let store = server.store(|bucket| bucket.endpoint = Some(plain.clone()));
    unusable(&store.list("").unwrap_err(), &[&plain, "cannot be reached", "TLS"]);
    let store = server.store(|bucket| bucket.endpoint = Some("http://no-such-host.invalid".to_owned()));
    unusable(&store.list("").unwrap_err(), &["no-such-host.invalid", "cannot be reached"]);
}

#[test]
fn a_certificate_file_that_cannot_be_used_is_refused_at_once() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (path, words) in [
        (folder.path().join("none.pem"), "cannot be read"),
        (folder.path().to_owned(), "cannot be read"),
        (file("empty.pem", ""), "holds no certificate"),
        (file("text.pem", "hello"), "holds no certificate"),
        (file("broken.pem", broken), "no certificate"),
    ] {
        let mut bucket = server.bucket();
        bucket.ca_file = Some(path);
        let failed = S3::open(bucket, Arc::new(Utc::now)).err().unwrap();
        unusable(&failed, &[words, "ca_file"]);
    }
}

#[test]
fn credentials_are_not_shown() {
    let server = Server::start();
    assert!(!format!("{:?}", server.bucket()).contains(SECRET));
}
