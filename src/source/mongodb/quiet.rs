//! Keeps the server from deleting what is too old while data is put back: a document that has gone by then would be missed.

use bson::{Bson, doc};

use super::client::Client;

/// Switched off as long as this lives, if it was on and the user may switch it.
pub(super) struct Quiet<'c> {
    client: &'c Client,
    was_on: bool,
}

impl<'c> Quiet<'c> {
    /// Gives a sentence too where it could not be switched off.
    pub(super) fn new(client: &'c Client) -> (Self, Option<String>) {
        let seen = client.ask("admin", doc! { "getParameter": 1, "ttlMonitorEnabled": 1 });
        if seen.is_ok_and(|seen| seen.get_bool("ttlMonitorEnabled").is_ok_and(|on| !on)) {
            return (Self { client, was_on: false }, None);
        }
        if switch(client, false).is_ok() {
            return (Self { client, was_on: true }, None);
        }
        let user = client.user().unwrap_or_default();
        let warning = format!("{} goes on deleting documents whose time is over: user `{user}` may not stop it", client.place());
        (Self { client, was_on: false }, Some(warning))
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        if self.was_on {
            let _ = switch(self.client, true);
        }
    }
}

fn switch(client: &Client, on: bool) -> Result<(), super::error::MongoError> {
    client.ask("admin", doc! { "setParameter": 1, "ttlMonitorEnabled": Bson::Boolean(on) }).map(drop)
}
