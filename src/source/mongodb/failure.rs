//! What refusals of the driver and of the server mean.

use mongodb::error::{Error, ErrorKind};

use super::error::MongoError;
use super::target::Target;

/// The server wants to know who asks, or they may not.
pub(super) const UNAUTHORIZED: i32 = 13;

/// How much of what others say is passed on.
const LONGEST: usize = 400;

/// What failed, of a command to a server.
pub(super) fn meaning(target: &Target, user: Option<&str>, command: &str, error: &Error) -> MongoError {
    let place = target.place.to_string();
    let said = |text: &str| target.redact(text).chars().take(LONGEST).collect::<String>();
    match &*error.kind {
        ErrorKind::Authentication { message, .. } => {
            MongoError::Denied { place, user: user.unwrap_or_default().to_owned(), why: said(message) }
        }
        ErrorKind::Command(refusal) if refusal.code == UNAUTHORIZED && user.is_none() => MongoError::Nobody { place },
        ErrorKind::Command(refusal) => {
            MongoError::Refused { place, command: command.to_owned(), message: said(&refusal.message), code: Some(refusal.code) }
        }
        ErrorKind::ServerSelection { message, .. } => connection(place, &said(&cause(message))),
        ErrorKind::IncompatibleServer { message, .. } => connection(place, &said(message)),
        ErrorKind::Io(error) => connection(place, &said(&error.to_string())),
        ErrorKind::DnsResolve { message, .. } | ErrorKind::ConnectionPoolCleared { message, .. } => {
            connection(place, &said(&cause(message)))
        }
        ErrorKind::InvalidTlsConfig { message, .. } => MongoError::Tls { place, why: said(message) },
        other => MongoError::Refused { place, command: command.to_owned(), message: said(&other.to_string()), code: None },
    }
}

/// What it is that no connection came of.
fn connection(place: String, why: &str) -> MongoError {
    let lower = why.to_ascii_lowercase();
    if lower.contains("reports wire version") {
        return MongoError::Old { place, version: None };
    }
    let encrypted = ["certificate", "tls", "alert", "handshake"].iter().any(|word| lower.contains(word));
    if encrypted { MongoError::Tls { place, why: why.to_owned() } } else { MongoError::Unreachable { place, why: why.to_owned() } }
}

/// The reason in what the driver says of a search for a member: that of the first one that has a reason. The rest is its picture of the
/// set, longer than a page.
fn cause(message: &str) -> String {
    let after = |mark: &str| message.split_once(mark).map(|(_, rest)| rest);
    let until = |text: &str, marks: &[&str]| {
        let end = marks.iter().filter_map(|mark| text.find(mark)).min().unwrap_or(text.len());
        text[..end].trim_end().to_owned()
    };
    if let Some(reason) = after("Error: Kind: ") {
        let reason = until(reason, &[", labels: ", ", source: "]);
        return reason.strip_prefix("I/O error: ").map(str::to_owned).unwrap_or(reason);
    }
    // the driver's own spelling, of a member and of a set
    if let Some(reason) = after("Compatiblity Error: ").or_else(|| after("Compatibility Error: ")) {
        return until(reason, &[" }", ", Servers: "]);
    }
    match until(message, &[" Topology: "]).as_str() {
        "Server selection timeout: No available servers." => "no connection came about in time".to_owned(),
        text if text.starts_with("Server selection timeout: ") => "no member that can be asked was found in time".to_owned(),
        text => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_found_in_what_the_driver_says() {
        let said = "Server selection timeout: No available servers. Topology: { Type: Single, Servers: [ { Address: a:1, Type: Unknown, \
                    Error: Kind: I/O error: Connection refused (os error 111), labels: {}, source: None, server response: None } ] }";
        assert_eq!(cause(said), "Connection refused (os error 111)");
        let said =
            "Server selection timeout: No available servers. Topology: { Type: Single, Servers: [ { Address: a:1, Type: Unknown } ] }";
        assert_eq!(cause(said), "no connection came about in time");
        let said = "Server selection timeout: None of the available servers suitable for criteria X. Topology: { Type: Set }";
        assert_eq!(cause(said), "no member that can be asked was found in time");
        assert_eq!(cause("something else"), "something else");
    }

    #[test]
    fn an_encrypted_connection_that_failed_is_told_from_one_that_never_was() {
        let said = |why: &str| connection("a".to_owned(), why);
        assert!(matches!(said("invalid peer certificate: UnknownIssuer"), MongoError::Tls { .. }));
        assert!(matches!(said("received fatal alert: CertificateRequired"), MongoError::Tls { .. }));
        assert!(matches!(said("Connection refused (os error 111)"), MongoError::Unreachable { .. }));
        let said = said("Server at a:1 reports wire version 8, but this version of the driver requires at least 9 (MongoDB 4.4)");
        assert!(matches!(said, MongoError::Old { .. }));
    }
}
