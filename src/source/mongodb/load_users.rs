//! Users and roles: they wait in collections of `admin`, and the server takes them over from there as a whole.

use bson::doc;

use super::client::Client;
use super::error::MongoError;
use super::load_target::{discard, find, perform};

/// Where users wait; the names are those that the server lets the role `restore` write.
pub(super) const USERS: &str = "tempusers";
/// Where roles wait.
pub(super) const ROLES: &str = "temproles";

/// Takes over users and roles. Those that did not wait stay: the user who restores may be one of them.
pub(super) fn merge(client: &Client) -> Result<(), MongoError> {
    let waiting = |name: &'static str| Ok(find(client, "admin", name)?.map(|_| format!("admin.{name}")));
    let (users, roles) = (waiting(USERS)?, waiting(ROLES)?);
    let mut command = doc! { "_mergeAuthzCollections": 1, "db": "", "drop": false };
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
    discard(client, "admin", ROLES)
}
