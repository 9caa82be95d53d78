//! What a look at a server shows.

use bson::doc;
use lucid_policy::source::mongodb::{Kind, Member, Need, Place, Role, Server, Target, Tls, Version, probe};

use crate::support::{alone, open, secret, set};

fn member(seen: &Server) -> &Member {
    let Kind::Member(member) = &seen.kind else { panic!("not a member: {seen:?}") };
    member
}

#[test]
fn a_member_of_a_set_shows_its_set_and_its_oplog() {
    for server in [set(), open()] {
        server.run("shop", doc! { "insert": "seen", "documents": [{ "a": 1 }], "writeConcern": { "w": "majority" } });
        let seen = probe(&server.target(), Need::Oplog).unwrap();
        assert_eq!((seen.version, seen.compatibility.as_str()), (Version { major: 6, minor: 0, patch: 5 }, "6.0"));
        let member = member(&seen);
        assert_eq!((member.set.as_str(), &member.name, member.primary), ("lucid", &server.address, true));
        assert_eq!(member.members, Some(vec![(server.address.clone(), "PRIMARY".to_owned())]));
        let oplog = member.oplog.unwrap();
        // an acknowledged write is in the oplog, and a majority of one has it
        assert!(oplog.first < member.majority && member.majority <= oplog.last, "{member:?}");
        assert!(oplog.seconds() < 3600);
        assert_eq!(seen.useful, []);
    }
}

#[test]
fn a_standalone_can_be_captured_whole_and_restored() {
    for need in [Need::Full, Need::Restore] {
        let seen = probe(&alone().target(), need).unwrap();
        assert_eq!((seen.kind, seen.useful), (Kind::Standalone, Vec::new()));
    }
}

#[test]
fn a_connection_string_is_as_good_as_addresses() {
    let server = set();
    let hosts = server.target();
    let (user, password) = (hosts.user.unwrap(), hosts.password);
    let at = &server.address;
    for text in [format!("mongodb://{user}@{at}"), format!("mongodb://{user}@{at}/shop?authSource=admin&replicaSet=lucid")] {
        let target = Target { password: password.clone(), ..Target::new(Place::Uri(text)) };
        assert!(member(&probe(&target, Need::Full).unwrap()).primary);
    }
}

#[test]
fn a_user_of_another_database_is_let_in_there() {
    let server = set();
    let roles = vec![doc! { "role": "backup", "db": "admin" }];
    server.run("people", doc! { "createUser": "ann@x/y", "pwd": "p/w:d@", "roles": roles });
    let target = Target { auth_database: Some("people".to_owned()), ..server.target_of("ann@x/y", "p/w:d@") };
    probe(&target, Need::Full).unwrap();
    let place = Place::Uri(format!("mongodb://{}/people", server.address));
    let by_uri = Target { user: Some("ann@x/y".to_owned()), password: Some(secret("p/w:d@")), ..Target::new(place) };
    assert_eq!(probe(&by_uri, Need::Oplog).unwrap().useful, [Role::ClusterMonitor]);
}

#[test]
fn encrypted_connections_trust_the_authority_that_is_named() {
    let tls = |ca_file, certificate_file| Some(Tls { ca_file: Some(ca_file), certificate_file });
    let server = set();
    probe(&Target { tls: tls(server.authority.clone(), None), ..server.target() }, Need::Full).unwrap();
    let server = alone();
    let own = Target { tls: tls(server.authority.clone(), Some(server.client.clone())), ..server.target() };
    probe(&own, Need::Full).unwrap();
}
