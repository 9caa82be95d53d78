//! Asks a server what it is and what its user may do, and refuses what would fail later.
//!
//! It changes nothing. What costs rights is asked last, so that a server which cannot be used at all says so to anybody.

use bson::{Document, doc};

use super::client::Client;
use super::error::MongoError;
use super::failure::UNAUTHORIZED;
use super::rights::{Need, Rights, Role, enforced};
use super::server::{Compatibility, Hello, Kind, Member, Server, Version, Window, compatibility, members, op_time, version};
use super::target::Target;

const ADMIN: &str = "admin";

/// What a target is, if it can be used for what is wanted of it.
pub fn probe(target: &Target, need: Need) -> Result<Server, MongoError> {
    look(&Client::open(target)?, need)
}

/// The same over a connection that is there.
pub fn look(client: &Client, need: Need) -> Result<Server, MongoError> {
    let place = || client.place();
    let odd = |command: &str, message: &str| MongoError::Odd { place: place(), command: command.to_owned(), message: message.to_owned() };
    let hello = Hello::read(&client.ask(ADMIN, doc! { "hello": 1 })?).map_err(|why| odd("hello", &why))?;
    let member = match hello {
        Hello::Mongos => return Err(MongoError::Sharded { place: place() }),
        Hello::Idle(state, help) => return Err(MongoError::State { place: place(), state, help: help.to_owned() }),
        Hello::Standalone => None,
        Hello::Member(member) => Some(member),
    };
    let version = version(&client.ask(ADMIN, doc! { "buildInfo": 1 })?).ok_or_else(|| odd("buildInfo", "names no version"))?;
    if version < Version::OLDEST {
        return Err(MongoError::Old { place: place(), version: Some(version) });
    }
    if member.is_none() && need == Need::Oplog {
        return Err(MongoError::Standalone { place: place(), need });
    }
    if let (Need::Restore, Some(Member { set, primary: false, .. })) = (need, &member) {
        let state = format!("is a secondary of set `{set}` and takes no writes");
        return Err(MongoError::State { place: place(), state, help: "name the primary, or all members".to_owned() });
    }
    let mut useful = allowed(client, need)?;
    if member.is_none() {
        useful.clear();
    }
    let found = client.ask(ADMIN, doc! { "getParameter": 1, "featureCompatibilityVersion": 1 })?;
    let compatibility = match compatibility(&found) {
        Some(Compatibility::At(version)) => version,
        Some(Compatibility::Between(target)) => {
            let state = format!("is on its way to the features of {target}");
            let help = format!("finish it: db.adminCommand({{ setFeatureCompatibilityVersion: \"{target}\" }})");
            return Err(MongoError::State { place: place(), state, help });
        }
        None => return Err(odd("getParameter", "names no featureCompatibilityVersion")),
    };
    let kind = match member {
        None => Kind::Standalone,
        Some(member) => Kind::Member(Member { oplog: window(client)?, members: others(client)?, ..member }),
    };
    Ok(Server { version, compatibility, kind, useful })
}

/// Refuses a user whose rights do not reach. The roles that would show more are the answer.
fn allowed(client: &Client, need: Need) -> Result<Vec<Role>, MongoError> {
    let status = client.ask(ADMIN, doc! { "connectionStatus": 1, "showPrivileges": true })?;
    let odd = |why: &str| MongoError::Odd { place: client.place(), command: "connectionStatus".to_owned(), message: why.to_owned() };
    let rights = Rights::read(&status).map_err(odd)?;
    let Some((user, database)) = &rights.user else {
        // a server that wants to know who asks refuses this one
        return client.ask(ADMIN, doc! { "listDatabases": 1, "nameOnly": true }).map(|_| Vec::new());
    };
    let (useful, missing): (Vec<Role>, Vec<Role>) = rights.lacking(need).into_iter().partition(|role| *role == Role::ClusterMonitor);
    if missing.is_empty() {
        return Ok(useful);
    }
    // a user may have a name where nobody is asked for rights
    match client.ask(ADMIN, doc! { "getCmdLineOpts": 1 }) {
        Ok(options) if !enforced(&options) => Ok(Vec::new()),
        _ => Err(MongoError::Lacks { place: client.place(), user: user.clone(), database: database.clone(), need, roles: missing }),
    }
}

/// What the oplog reaches over.
fn window(client: &Client) -> Result<Option<Window>, MongoError> {
    let end = |direction: i32| {
        let query = doc! {
            "find": "oplog.rs", "sort": { "$natural": direction }, "projection": { "ts": 1, "t": 1 }, "limit": 1, "singleBatch": true,
        };
        permitted(client.ask("local", query)).map(|answer| answer.and_then(|answer| first(&answer).and_then(op_time)))
    };
    let (Some(first), Some(last)) = (end(1)?, end(-1)?) else { return Ok(None) };
    Ok(Some(Window { first, last }))
}

fn first(answer: &Document) -> Option<&Document> {
    answer.get_document("cursor").ok()?.get_array("firstBatch").ok()?.first()?.as_document()
}

fn others(client: &Client) -> Result<Option<Vec<(String, String)>>, MongoError> {
    let status = permitted(client.ask(ADMIN, doc! { "replSetGetStatus": 1 }))?;
    Ok(status.as_ref().and_then(members))
}

/// None where the user may not ask.
fn permitted(answer: Result<Document, MongoError>) -> Result<Option<Document>, MongoError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(MongoError::Refused { code: Some(UNAUTHORIZED), .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
