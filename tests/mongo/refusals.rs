//! What is refused, and how it is said.

use std::net::TcpListener;
use std::time::Duration;

use bson::{DateTime, Timestamp, doc};
use lucid_policy::source::mongodb::{MongoError, Need, Place, Target, Tls, probe};

use crate::support::{Server, Told, alone, secret, set};

#[track_caller]
fn refused(target: &Target, need: Need) -> MongoError {
    let error = probe(target, need).expect_err("it is refused");
    assert!(error.to_string().starts_with(&target.place.to_string()) && !error.help().is_empty(), "{error}");
    error
}

fn hasty(target: Target) -> Target {
    let mut hasty = target;
    hasty.patience.select = Duration::from_millis(300);
    hasty
}

#[test]
fn nobody_listens() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let target = hasty(Target::new(Place::Hosts(vec![format!("127.0.0.1:{port}")])));
    let error = refused(&target, Need::Full);
    assert_eq!(error.to_string(), format!("mongodb://127.0.0.1:{port} does not answer: Connection refused (os error 111)"));
}

#[test]
fn a_name_that_is_none() {
    let error = refused(&hasty(Target::new(Place::Hosts(vec!["no.such.host.invalid".to_owned()]))), Need::Full);
    assert!(matches!(error, MongoError::Unreachable { .. }), "{error}");
}

#[test]
fn a_server_that_has_gone() {
    let server = Server::start("alone");
    let target = hasty(server.target());
    probe(&target, Need::Full).unwrap();
    drop(server);
    assert!(matches!(refused(&target, Need::Full), MongoError::Unreachable { .. }));
}

#[test]
fn something_that_takes_connections_and_says_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let error = refused(&hasty(Target::new(Place::Hosts(vec![address]))), Need::Full);
    assert!(matches!(error, MongoError::Unreachable { .. }), "{error}");
}

#[test]
fn a_wrong_password_is_never_shown() {
    let server = set();
    let known = server.user(&["backup"]);
    for user in [known.user.as_deref().unwrap(), "stranger"] {
        let target = server.target_of(user, "s3cret-and-wrong");
        let error = refused(&target, Need::Full);
        assert!(matches!(&error, MongoError::Denied { user: denied, .. } if denied == user), "{error}");
        let place = Place::Uri(format!("mongodb://{user}@{}/?authSource=admin", server.address));
        let by_uri = Target { password: Some(secret("s3cret-and-wrong")), ..Target::new(place) };
        let more = refused(&by_uri, Need::Full);
        let said = format!("{error} {error:?} {} {more} {more:?} {target:?} {by_uri:?}", error.help());
        assert!(!said.contains("s3cret"), "{said}");
    }
}

#[test]
fn a_user_who_is_asked_for_and_not_named() {
    let target = Target::new(Place::Hosts(vec![set().address.clone()]));
    assert!(matches!(refused(&target, Need::Full), MongoError::Nobody { .. }));
}

#[test]
fn the_oplog_of_a_standalone() {
    let error = refused(&alone().target(), Need::Oplog);
    assert!(matches!(error, MongoError::Standalone { .. }), "{error}");
    assert!(error.help().contains("rs.initiate()"));
}

#[test]
fn the_door_of_a_sharded_cluster() {
    let told = Told::new(&[("hello", doc! { "msg": "isdbgrid" })]);
    assert!(matches!(refused(&told.target(), Need::Full), MongoError::Sharded { .. }));
}

#[test]
fn a_server_that_is_too_old() {
    let build = |version: &str, numbers: [i32; 4]| doc! { "version": version, "versionArray": numbers.to_vec(), "ok": 1.0 };
    let told = Told::new(&[("hello", doc! { "maxWireVersion": 9 }), ("buildInfo", build("4.3.6", [4, 3, 6, 0]))]);
    let error = refused(&told.target(), Need::Full);
    assert!(error.to_string().ends_with("is MongoDB 4.3.6, and 4.4.0 is the oldest that is spoken here"), "{error}");
    // the driver speaks to none of these, so that nothing can ask what it is
    let told = Told::new(&[("hello", doc! { "maxWireVersion": 8 })]);
    let error = refused(&hasty(told.target()), Need::Full);
    assert!(matches!(error, MongoError::Old { .. }), "{error}");
}

#[test]
fn a_server_that_is_in_no_set_yet() {
    let told = Told::new(&[("hello", doc! { "isWritablePrimary": false, "ismaster": false, "isreplicaset": true })]);
    let error = refused(&told.target(), Need::Full);
    assert!(matches!(error, MongoError::State { .. }) && error.help().contains("rs.initiate()"), "{error}");
}

#[test]
fn a_secondary_that_is_to_be_written_to() {
    let at = doc! { "ts": Timestamp { time: 7, increment: 1 }, "t": 1_i64 };
    let told = Told::new(&[
        (
            "hello",
            doc! {
                "isWritablePrimary": false, "ismaster": false, "secondary": true, "setName": "far", "me": "far:1", "hosts": ["far:1", "near:1"],
                "lastWrite": { "opTime": &at, "majorityOpTime": &at, "lastWriteDate": DateTime::from_millis(7000) },
            },
        ),
        ("buildInfo", doc! { "version": "6.0.5", "versionArray": [6, 0, 5, 0], "ok": 1.0 }),
    ]);
    let error = refused(&told.target(), Need::Restore);
    assert!(matches!(error, MongoError::State { .. }), "{error}");
    assert!(error.to_string().ends_with("is a secondary of set `far` and takes no writes"), "{error}");
}

#[test]
fn a_server_between_two_versions() {
    let told = Told::new(&[
        ("buildInfo", doc! { "version": "6.0.5", "versionArray": [6, 0, 5, 0], "ok": 1.0 }),
        (
            "connectionStatus",
            doc! { "authInfo": { "authenticatedUsers": [], "authenticatedUserRoles": [], "authenticatedUserPrivileges": [] }, "ok": 1.0 },
        ),
        ("listDatabases", doc! { "databases": [], "ok": 1.0 }),
        ("getParameter", doc! { "featureCompatibilityVersion": { "version": "5.0", "targetVersion": "6.0" }, "ok": 1.0 }),
    ]);
    let error = refused(&told.target(), Need::Full);
    assert!(error.to_string().ends_with("is on its way to the features of 6.0"), "{error}");
}

#[test]
fn a_server_that_answers_nonsense_or_nothing() {
    let told = Told::new(&[("buildInfo", doc! { "ok": 1.0 })]);
    assert!(matches!(refused(&told.target(), Need::Full), MongoError::Odd { .. }));
    let mut target = hasty(Told::new(&[]).target());
    target.patience.answer = Duration::from_millis(100);
    assert!(matches!(refused(&target, Need::Full), MongoError::Late { .. }));
}

#[test]
fn certificates_that_do_not_fit() {
    let tls = |ca_file, certificate_file| Some(Tls { ca_file, certificate_file });
    for server in [set(), alone()] {
        for ca_file in [Some(server.stranger.clone()), None] {
            let target = hasty(Target { tls: tls(ca_file, Some(server.client.clone())), ..server.target() });
            let error = refused(&target, Need::Full);
            assert!(matches!(error, MongoError::Tls { .. }), "{error}");
        }
    }
    // a standalone of these tests asks its clients for a certificate
    let target = hasty(Target { tls: tls(Some(alone().authority.clone()), None), ..alone().target() });
    let error = refused(&target, Need::Full);
    assert!(matches!(error, MongoError::Tls { .. } | MongoError::Unreachable { .. }), "{error}");
}
