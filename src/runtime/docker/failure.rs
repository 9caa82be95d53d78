//! What bollard says of a call that failed, in the port's words.

use std::io;
use std::time::Duration;

use bollard::errors::Error;

use crate::runtime::RuntimeError;

/// A call to an engine, as its failure is told.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    /// Where the engine is.
    pub(super) endpoint: &'a str,
    /// What is asked: `stop container NAME`.
    pub(super) what: &'a str,
    /// The container that it is about.
    pub(super) container: Option<&'a str>,
    /// How long is waited.
    pub(super) limit: Duration,
}

impl Asked<'_> {
    /// The engine's answer, or what became of it, as an error.
    pub(super) fn failed(&self, error: &Error) -> RuntimeError {
        match error {
            Error::DockerResponseServerError { status_code: 404, message }
                if self.container.is_some() && message.to_lowercase().contains("no such container") =>
            {
                RuntimeError::Gone(self.container.unwrap_or_default().to_owned())
            }
            Error::DockerResponseServerError { status_code, message } if message.is_empty() => {
                self.refused(&format!("the engine answered {status_code} and said nothing"))
            }
            Error::DockerResponseServerError { message, .. } => self.refused(message.trim()),
            Error::RequestTimeoutError => self.timed_out(),
            Error::SocketNotFoundError(path) => self.unreachable(&format!("there is no socket {path}; is the engine running?")),
            Error::IOError { err } => self.unreachable(&lost(err)),
            Error::HyperLegacyError { err } => self.unreachable(&connection(err)),
            Error::HyperResponseError { err } => self.unreachable(&connection(err)),
            Error::CertPathError { path } | Error::CertParseError { path } | Error::CertMultipleKeys { path, .. } => {
                self.unreachable(&format!("the certificate or key {} cannot be read", path.display()))
            }
            Error::NoNativeCertsError { .. } | Error::LoadNativeCertsErrors { .. } => {
                self.unreachable("the certificates of this system cannot be read")
            }
            Error::URLParseError { .. } | Error::InvalidURIError { .. } | Error::InvalidURIPartsError { .. } => {
                self.unreachable(&format!("it is no address: {error}"))
            }
            Error::JsonDataError { .. } | Error::JsonSerdeError { .. } => {
                self.refused(&format!("the engine's answer cannot be read: {error}"))
            }
            other => self.refused(&other.to_string()),
        }
    }

    pub(super) fn timed_out(&self) -> RuntimeError {
        RuntimeError::TimedOut { what: self.what.to_owned(), seconds: self.limit.as_secs() }
    }

    pub(super) fn refused(&self, message: &str) -> RuntimeError {
        RuntimeError::Refused { what: self.what.to_owned(), message: message.to_owned() }
    }

    pub(super) fn unreachable(&self, message: &str) -> RuntimeError {
        RuntimeError::Unreachable { endpoint: self.endpoint.to_owned(), message: message.to_owned() }
    }
}

/// The cause of a failed connection: the system's own error is below those of the layers above it.
fn connection(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    loop {
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            return lost(error);
        }
        match cause.source() {
            Some(deeper) => cause = deeper,
            None => return cause.to_string(),
        }
    }
}

fn lost(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "permission denied; run as root, or as a member of the group that the socket belongs to".to_owned()
        }
        io::ErrorKind::ConnectionRefused => "the connection was refused: nothing listens there; is the engine running?".to_owned(),
        io::ErrorKind::NotFound => "there is no such socket; is the engine running?".to_owned(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => "the connection was lost".to_owned(),
        _ => error.get_ref().and_then(|inner| inner.source()).map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STOP: Asked<'static> =
        Asked { endpoint: "unix:///s", what: "stop container a", container: Some("a"), limit: Duration::from_secs(7) };

    fn answer(status_code: u16, message: &str) -> Error {
        Error::DockerResponseServerError { status_code, message: message.to_owned() }
    }

    #[test]
    fn an_engines_answer_is_told_in_its_own_words() {
        assert_eq!(STOP.failed(&answer(404, "No such container: a")), RuntimeError::Gone("a".to_owned()));
        let said = |error: Error| STOP.failed(&error).to_string();
        // A start fails so where a network is gone: the container is there.
        assert_eq!(said(answer(404, "network n not found")), "stop container a: network n not found");
        assert_eq!(said(answer(500, "")), "stop container a: the engine answered 500 and said nothing");
        assert_eq!(said(Error::RequestTimeoutError), "stop container a: no answer within 7 s");
    }

    #[test]
    fn what_is_between_here_and_the_engine_is_told_in_plain_words() {
        let said = |kind: io::ErrorKind| STOP.failed(&Error::IOError { err: kind.into() }).to_string();
        assert!(said(io::ErrorKind::PermissionDenied).contains("at unix:///s cannot be reached: permission denied; run as root"));
        assert!(said(io::ErrorKind::ConnectionRefused).contains("nothing listens there"));
        assert!(said(io::ErrorKind::UnexpectedEof).contains("the connection was lost"));
        let missing = STOP.failed(&Error::SocketNotFoundError("/s".to_owned())).to_string();
        assert!(missing.contains("there is no socket /s"), "{missing}");
    }
}
