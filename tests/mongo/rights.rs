//! What a user needs for what is wanted, judged by the server's own roles.

use bson::doc;
use lucid_policy::source::mongodb::{Kind, MongoError, Need, Role, Target, probe};

use crate::support::{alone, set};

#[track_caller]
fn lacks(target: &Target, need: Need) -> Vec<Role> {
    let error = probe(target, need).expect_err("the user lacks rights");
    let MongoError::Lacks { roles, user, database, .. } = &error else { panic!("{error}") };
    for role in roles {
        assert!(error.to_string().contains(&format!("`{role}`")) && error.help().contains(&format!("role: \"{role}\"")), "{error}");
    }
    assert_eq!((Some(user), database.as_str()), (target.user.as_ref(), "admin"));
    roles.clone()
}

#[test]
fn with_all_roles_everything_can_be_done() {
    let all = set().user(&Role::ALL.map(Role::as_str));
    for need in [Need::Full, Need::Oplog, Need::Restore] {
        assert_eq!(probe(&all, need).unwrap().useful, []);
    }
}

#[test]
fn each_missing_role_is_named() {
    let without = |left_out: Role| {
        let rest: Vec<&str> = Role::ALL.into_iter().filter(|role| *role != left_out).map(Role::as_str).collect();
        set().user(&rest)
    };
    assert_eq!(lacks(&without(Role::Backup), Need::Full), [Role::Backup]);
    assert_eq!(lacks(&set().user(&["restore", "readWriteAnyDatabase", "dbAdminAnyDatabase"]), Need::Oplog), [Role::Backup]);
    // who sees the members may read the oplog too
    probe(&without(Role::Backup), Need::Oplog).unwrap();
    for role in [Role::Restore, Role::ReadWriteAnyDatabase, Role::DbAdminAnyDatabase] {
        assert_eq!(lacks(&without(role), Need::Restore), [role]);
        probe(&without(role), Need::Full).unwrap();
    }
    // nothing is refused for it, and less is seen
    let seen = probe(&without(Role::ClusterMonitor), Need::Oplog).unwrap();
    let Kind::Member(member) = &seen.kind else { panic!("{seen:?}") };
    assert_eq!((seen.useful.as_slice(), &member.members, member.oplog.is_some()), ([Role::ClusterMonitor].as_slice(), &None, true));
}

#[test]
fn a_user_without_any_role_lacks_all_that_is_needed() {
    let nobody = set().user(&[]);
    assert_eq!(lacks(&nobody, Need::Full), [Role::Backup]);
    assert_eq!(lacks(&nobody, Need::Restore), [Role::Restore, Role::ReadWriteAnyDatabase, Role::DbAdminAnyDatabase]);
}

#[test]
fn rights_over_one_database_do_not_reach() {
    let server = set();
    let user = server.user(&[]);
    let roles = vec![doc! { "role": "dbOwner", "db": "shop" }];
    server.run("admin", doc! { "grantRolesToUser": user.user.as_ref().unwrap(), "roles": roles });
    assert_eq!(lacks(&user, Need::Full), [Role::Backup]);
}

/// The table of rights is no longer than what the server's own roles give, by their rights and not by their names.
#[test]
fn a_role_of_ones_own_with_the_same_rights_is_as_good() {
    let server = set();
    for (name, role, need) in [("reads", "backup", Need::Full), ("follows", "backup", Need::Oplog)] {
        let of = |role: &str| doc! { "rolesInfo": { "role": role, "db": "admin" }, "showBuiltinRoles": true, "showPrivileges": true };
        let known = server.run("admin", of(role));
        let rights = known.get_array("roles").unwrap()[0].as_document().unwrap().get_array("privileges").unwrap().clone();
        server.run("admin", doc! { "createRole": name, "privileges": rights, "roles": [] });
        probe(&server.user(&[name]), need).unwrap();
    }
    let mut rights = Vec::new();
    for role in ["restore", "readWriteAnyDatabase", "dbAdminAnyDatabase"] {
        let known =
            server.run("admin", doc! { "rolesInfo": { "role": role, "db": "admin" }, "showBuiltinRoles": true, "showPrivileges": true });
        rights.extend(known.get_array("roles").unwrap()[0].as_document().unwrap().get_array("privileges").unwrap().clone());
    }
    server.run("admin", doc! { "createRole": "writes", "privileges": rights, "roles": [] });
    probe(&server.user(&["writes"]), Need::Restore).unwrap();
}

#[test]
fn who_is_named_where_nobody_is_asked_needs_no_role() {
    probe(&alone().user(&[]), Need::Full).unwrap();
}
