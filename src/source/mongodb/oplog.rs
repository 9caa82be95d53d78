//! The oplog of a member: its ends, and what in it a dump cannot go across.

use bson::{Document, RawDocument, doc};

use super::client::Client;
use super::error::MongoError;
use super::server::{OpTime, op_time};

pub(super) const LOCAL: &str = "local";
pub(super) const OPLOG: &str = "oplog.rs";
/// Commands whose effect on what was read before cannot be had by doing them again.
const FORBIDDEN: [&str; 6] = [
    "renameCollection",
    "importCollection",
    "reshardCollection",
    "convertToCapped",
    "setFeatureCompatibilityVersion",
    "upgradeDowngradeViewlessTimeseries",
];
/// Where the version of the features is kept.
const VERSION: &str = "admin.system.version";

/// The oldest entry.
pub(super) fn oldest(client: &Client) -> Result<OpTime, MongoError> {
    end(client, 1)
}

/// The newest entry.
pub(super) fn newest(client: &Client) -> Result<OpTime, MongoError> {
    end(client, -1)
}

fn end(client: &Client, direction: i32) -> Result<OpTime, MongoError> {
    let command =
        doc! { "find": OPLOG, "sort": { "$natural": direction }, "limit": 1, "singleBatch": true, "projection": { "ts": 1, "t": 1 } };
    let found = client.list(LOCAL, command)?;
    found.first().and_then(op_time).ok_or_else(|| odd(client, "gives no entry of the oplog"))
}

/// Where a dump's oplog must begin: at what a majority had written when nothing was read yet, or where the oldest transaction began
/// that was open then. The newest entry will not do: one before it may still be on its way, and its document in no collection.
pub(super) fn start(client: &Client, majority: OpTime) -> Result<OpTime, MongoError> {
    let open = doc! {
        "find": "transactions", "filter": { "state": { "$in": ["prepared", "inProgress"] } }, "sort": { "startOpTime": 1 }, "limit": 1,
        "singleBatch": true,
    };
    let open = client.list("config", open)?;
    let began = open.first().and_then(|open: &Document| op_time(open.get_document("startOpTime").ok()?));
    Ok(began.map_or(majority, |began| began.min(majority)))
}

/// What an entry does that a dump cannot go across: for people.
pub(super) fn forbidden(entry: &RawDocument) -> Option<String> {
    let (op, namespace) = (entry.get_str("op").ok()?, entry.get_str("ns").unwrap_or_default());
    match op {
        "i" | "u" | "d" if namespace == VERSION => Some("a change of the server's feature compatibility version".to_owned()),
        "c" => {
            let object = entry.get_document("o").ok()?;
            let (name, value) = object.iter().next()?.ok()?;
            let name = name.as_str();
            if FORBIDDEN.contains(&name) {
                let what = value.as_str().map_or_else(|| namespace.trim_end_matches(".$cmd").to_owned(), str::to_owned);
                return Some(format!("`{name}` of `{what}`"));
            }
            if name != "applyOps" {
                return None;
            }
            let mut inner = value.as_array()?.into_iter().flatten();
            inner.find_map(|operation| forbidden(operation.as_document()?))
        }
        "n" => {
            let kind = entry.get_document("o2").ok().and_then(|o2| o2.get_str("type").ok());
            kind.filter(|kind| kind.starts_with("reshard")).map(|kind| format!("the resharding of `{namespace}` ({kind})"))
        }
        _ => None,
    }
}

pub(super) fn odd(client: &Client, message: &str) -> MongoError {
    MongoError::Odd { place: client.place(), command: "find".to_owned(), message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use bson::RawDocumentBuf;

    use super::*;

    #[test]
    fn what_a_dump_cannot_go_across_is_found_wherever_it_stands() {
        let said = |entry: Document| forbidden(&RawDocumentBuf::try_from(entry).unwrap());
        let command = |object: Document| doc! { "op": "c", "ns": "shop.$cmd", "o": object };
        let rename = doc! { "renameCollection": "shop.a", "to": "shop.b" };
        assert_eq!(said(command(rename.clone())).as_deref(), Some("`renameCollection` of `shop.a`"));
        let nested = command(doc! { "applyOps": [{ "op": "i", "ns": "a.b", "o": {} }, command(rename)] });
        assert_eq!(said(nested).as_deref(), Some("`renameCollection` of `shop.a`"));
        let version = doc! { "op": "u", "ns": "admin.system.version", "o": {} };
        assert!(said(version).unwrap().contains("compatibility version"));
        for good in [command(doc! { "create": "a" }), command(doc! { "dropDatabase": 1 }), doc! { "op": "n", "ns": "", "o": {} }] {
            assert_eq!(said(good), None);
        }
    }
}
