//! Users and roles: they wait in collections of `admin`, and the server takes them over from there as a whole.

use bson::{Bson, Document, doc};

use super::client::Client;
use super::error::MongoError;
use super::load_target::{discard, find, perform};

/// Where users wait; the names are those that the server lets the role `restore` write.
pub(super) const USERS: &str = "tempusers";
/// Where roles wait.
pub(super) const ROLES: &str = "temproles";

/// Takes over users and roles; with `replace`, those that did not wait go, but for the user who restores. They are what it gives then.
pub(super) fn merge(client: &Client, replace: bool) -> Result<Option<String>, MongoError> {
    let waiting = |name: &'static str| Ok(find(client, "admin", name)?.map(|_| format!("admin.{name}")));
    let (users, roles) = (waiting(USERS)?, waiting(ROLES)?);
    let kept = if replace && users.is_some() { keep_oneself(client)? } else { None };
    let mut command = doc! { "_mergeAuthzCollections": 1, "db": "", "drop": replace };
    if let Some(users) = &users {
        command.insert("tempUsersCollection", users);
    }
    if let Some(roles) = &roles {
        command.insert("tempRolesCollection", roles);
    }
    if users.is_some() || roles.is_some() {
        perform(client, "admin", &command)?;
    }
    discard(client, "admin", USERS)?;
    discard(client, "admin", ROLES)?;
    Ok(kept)
}

/// Whoever restores could not end it if they went with the others.
fn keep_oneself(client: &Client) -> Result<Option<String>, MongoError> {
    let status = client.ask("admin", doc! { "connectionStatus": 1 })?;
    let users = status.get_document("authInfo").and_then(|info| info.get_array("authenticatedUsers"));
    let oneself = users.ok().and_then(|users| users.first()).and_then(Bson::as_document);
    let Some((user, database)) = oneself.and_then(|one| Some((one.get_str("user").ok()?, one.get_str("db").ok()?))) else {
        return Ok(None);
    };
    let found = |collection: &str| -> Result<Option<Document>, MongoError> {
        let find = doc! { "find": collection, "filter": { "user": user, "db": database }, "limit": 1, "singleBatch": true };
        Ok(client.list("admin", find)?.into_iter().next())
    };
    if found(USERS)?.is_some() {
        return Ok(None);
    }
    // one who is known elsewhere than on this server does not go
    let Some(known) = found("system.users")? else { return Ok(None) };
    perform(client, "admin", &doc! { "insert": USERS, "documents": [known] })?;
    Ok(Some(user.to_owned()))
}
