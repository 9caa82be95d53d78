//! What a refusal of the service means, in words that name the store and say what to do.
//!
//! Nothing of a request goes into a message: no header, no signature, no key. Of an answer, only its code and its own sentence.

use std::error::Error;
use std::io;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::client::Setup;
use crate::store::error::StoreError;

/// A call that failed.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    kind: Kind,
    /// Of the answer; 0 where there was none.
    status: u16,
    /// The service's word for it; empty where it gave none.
    code: String,
    /// A sentence about it.
    text: String,
    /// The region that the service named as the right one.
    region: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The service said no.
    Refused,
    /// No credentials could be had, so that nothing was sent.
    Credentials,
    /// The certificate is not trusted.
    Certificate,
    /// There was no connection.
    Unreachable,
    /// The connection was lost, or nothing came in time.
    Cut,
    /// The answer makes no sense.
    Unreadable,
}

impl<E> From<SdkError<E, HttpResponse>> for Failure
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        let header = |name| error.raw_response().and_then(|raw| raw.headers().get(name)).map(str::to_owned);
        let status = error.raw_response().map_or(0, |raw| raw.status().as_u16());
        let region = header("x-amz-bucket-region");
        let plain = |kind, text: String| Self { kind, status, code: String::new(), text, region: region.clone() };
        match &error {
            // it has said yes, with something that is no answer to the question
            SdkError::ServiceError(refused) if (200..300).contains(&status) && refused.err().code().is_none() => {
                plain(Kind::Unreadable, chain(&error))
            }
            SdkError::ServiceError(refused) => {
                let (code, text) = (refused.err().code().unwrap_or_default(), refused.err().message().unwrap_or_default());
                let region = region.clone().or_else(|| expected_region(text));
                Self { kind: Kind::Refused, status, code: code.to_owned(), text: harmless(text), region }
            }
            SdkError::TimeoutError(_) => plain(Kind::Cut, "no answer came in time".to_owned()),
            SdkError::ResponseError(_) => plain(Kind::Unreadable, chain(&error)),
            SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => {
                let text = chain(&error);
                let lower = text.to_lowercase();
                let tls = find::<rustls::Error>(&error);
                let kind = if matches!(tls, Some(rustls::Error::InvalidCertificate(_))) {
                    Kind::Certificate
                } else if tls.is_some() {
                    Kind::Unreachable
                } else if lower.contains("credential") {
                    Kind::Credentials
                } else if lower.contains("connect error") || lower.contains("dns error") || lower.contains("(connect)") {
                    Kind::Unreachable
                } else {
                    Kind::Cut
                };
                plain(kind, text)
            }
            _ => plain(Kind::Cut, chain(&error)),
        }
    }
}

impl Failure {
    /// There is no such object; a missing bucket is something else.
    pub(super) fn is_missing(&self) -> bool {
        self.status == 404 && self.code != "NoSuchBucket"
    }

    /// There is no such upload any more.
    pub(super) fn is_no_upload(&self) -> bool {
        self.code == "NoSuchUpload"
    }

    /// The condition of a write did not hold.
    pub(super) fn is_condition(&self) -> bool {
        self.status == 412
    }

    /// Another write of the same name was under way.
    pub(super) fn is_conflict(&self) -> bool {
        self.status == 409
    }

    /// A range begins at or after the end of the object.
    pub(super) fn is_range(&self) -> bool {
        self.status == 416
    }

    /// This may not be done with these credentials.
    pub(super) fn is_denied(&self) -> bool {
        self.status == 403 && matches!(self.code.as_str(), "" | "AccessDenied" | "Forbidden" | "MethodNotAllowed")
    }

    /// The service does not know how to do this.
    pub(super) fn is_unknown(&self) -> bool {
        matches!(self.status, 405 | 501) || matches!(self.code.as_str(), "NotImplemented" | "MethodNotAllowed")
    }

    /// The service refused the request itself, without a word about who asks.
    pub(super) fn is_request(&self) -> bool {
        (400..500).contains(&self.status) && !self.is_about_us() && !self.is_denied() && self.status != 404
    }

    /// It may have been done all the same.
    pub(super) fn is_unclear(&self) -> bool {
        match self.kind {
            Kind::Refused => self.status >= 500 && !self.is_unknown() && !self.is_full(),
            Kind::Cut | Kind::Unreadable => true,
            Kind::Credentials | Kind::Certificate | Kind::Unreachable => false,
        }
    }

    /// There was an answer, and it makes no sense.
    pub(super) fn is_unreadable(&self) -> bool {
        self.kind == Kind::Unreadable
    }

    /// There was an answer, and no word in it: `HEAD` has no body.
    pub(super) fn is_wordless(&self) -> bool {
        self.kind == Kind::Refused && self.text.is_empty() && matches!(self.code.as_str(), "" | "NotFound" | "Forbidden" | "BadRequest")
    }

    /// There is no lock: none on the object, none in the bucket, or none that the service knows.
    pub(super) fn is_no_lock(&self) -> bool {
        let named = ["InvalidRequest", "ObjectLockConfigurationNotFoundError", "NoSuchObjectLockConfiguration"];
        self.is_unknown() || named.contains(&self.code.as_str())
    }

    fn is_full(&self) -> bool {
        self.status == 507 || self.code.contains("Quota") || self.code.contains("StorageFull") || self.code == "InsufficientStorage"
    }

    fn is_about_us(&self) -> bool {
        matches!(
            self.code.as_str(),
            "InvalidAccessKeyId"
                | "SignatureDoesNotMatch"
                | "ExpiredToken"
                | "InvalidToken"
                | "RequestTimeTooSkewed"
                | "AuthorizationHeaderMalformed"
        )
    }

    /// The error of the store's own kind.
    pub(super) fn about(self, setup: &Setup, operation: &'static str, key: &str) -> StoreError {
        let unusable =
            |what: String, help: &str| StoreError::Unusable { message: format!("{}: {what}", setup.place), help: help.to_owned() };
        let bucket = &setup.bucket.name;
        let service = setup.bucket.service();
        let io = |kind, text: String| StoreError::of(&setup.place, operation, key, io::Error::new(kind, text));
        match self.kind {
            Kind::Credentials => return unusable(format!("there are no credentials: {}", self.text), CREDENTIALS),
            Kind::Certificate => return unusable(format!("the certificate of {service} is not trusted: {}", self.text), CERTIFICATE),
            Kind::Unreachable => return unusable(format!("{service} cannot be reached: {}", self.text), REACH),
            Kind::Cut => return io(io::ErrorKind::ConnectionAborted, self.text),
            Kind::Unreadable => return io(io::ErrorKind::InvalidData, format!("the answer of {service} makes no sense: {}", self.text)),
            Kind::Refused => {}
        }
        if self.is_full() {
            return StoreError::Full { place: setup.place.clone(), key: key.to_owned() };
        }
        let said = self.said();
        match self.code.as_str() {
            "NoSuchBucket" => unusable(
                format!("there is no bucket `{bucket}` at {service}"),
                "name the bucket in `bucket`, or make it: this program makes none",
            ),
            "InvalidAccessKeyId" => unusable(format!("{service} does not know the access key: {said}"), CREDENTIALS),
            "SignatureDoesNotMatch" => {
                unusable(format!("{service} does not accept the secret key: {said}"), "give the secret that belongs to the access key")
            }
            "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" | "InvalidToken" => {
                unusable(format!("{service} does not accept the session any more: {said}"), "sign in again, as with `aws sso login`")
            }
            "RequestTimeTooSkewed" => unusable(
                format!("the clock of this host and that of {service} differ by too much: {said}"),
                "set this host's clock, as with `timedatectl set-ntp true`",
            ),
            "PermanentRedirect" | "TemporaryRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" => {
                self.elsewhere(&unusable, bucket, &said)
            }
            _ if self.status == 301 || self.status == 307 => self.elsewhere(&unusable, bucket, &said),
            "NoSuchUpload" => io(io::ErrorKind::Other, "its upload is not there any more: somebody ended it meanwhile".to_owned()),
            _ if self.is_missing() => StoreError::NotFound { place: setup.place.clone(), key: key.to_owned() },
            _ if self.is_denied() => {
                io(io::ErrorKind::PermissionDenied, format!("{said}; give these credentials the permission to {operation} there"))
            }
            _ => io(io::ErrorKind::Other, said),
        }
    }

    fn elsewhere(&self, unusable: &dyn Fn(String, &str) -> StoreError, bucket: &str, said: &str) -> StoreError {
        match &self.region {
            Some(region) => unusable(
                format!("the bucket `{bucket}` is in the region `{region}`, not in the one that was asked"),
                &format!("write `region = \"{region}\"`"),
            ),
            None => unusable(
                format!("the bucket `{bucket}` is somewhere else: {said}"),
                "name its region in `region`, or its service in `endpoint`",
            ),
        }
    }

    /// Code and sentence of the service.
    fn said(&self) -> String {
        match (self.code.as_str(), self.text.as_str()) {
            ("", "") => format!("it answers {}", self.status),
            ("", text) => text.to_owned(),
            (code, "") => code.to_owned(),
            (code, text) => format!("{code}: {text}"),
        }
    }
}

const CREDENTIALS: &str = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a `profile`, or give this host a role; `aws sts \
                           get-caller-identity` shows what AWS's own tools would use";
const CERTIFICATE: &str = "name the certificate of the authority that signed it in `ca_file`";
const REACH: &str = "look whether `endpoint` and `region` are right and whether this host gets there, then run it again";

/// The region in `the region 'us-east-1' is wrong; expecting 'eu-central-1'`.
fn expected_region(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("expecting '")?;
    rest.split_once('\'').map(|(region, _)| region.to_owned())
}

/// What a service says of itself, unless it repeats what we signed with.
fn harmless(text: &str) -> String {
    if ["Signature=", "Credential=", "AWS4-HMAC"].iter().any(|word| text.contains(word)) {
        return String::new();
    }
    text.trim().trim_end_matches('.').chars().filter(|c| !c.is_control()).take(300).collect()
}

/// The first error of that type below another one.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    causes(error).find_map(|error| error.downcast_ref::<T>())
}

/// Every error below another one. `io::Error` hides what it holds from `source`.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| match error.downcast_ref::<io::Error>() {
        Some(io) => io.get_ref().map(|inner| inner as &(dyn Error + 'static)),
        None => error.source(),
    })
}

/// The sentences of an error, from the outside in; the SDK's own first one says nothing.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut words: Vec<String> = Vec::new();
    for cause in causes(error).skip(1) {
        let word = cause.to_string();
        if !words.last().is_some_and(|last| last.contains(&word)) {
            words.push(word);
        }
    }
    let words = words.join(": ");
    // what a `credential_process` printed may hold what it was to keep
    harmless(words.split("Stderr").next().unwrap_or_default().split("stderr").next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_with_what_we_signed_with_is_left_out() {
        assert_eq!(harmless("The key AKIA does not exist."), "The key AKIA does not exist");
        assert_eq!(harmless("got AWS4-HMAC-SHA256 Credential=AKIA/2026, Signature=abc"), "");
        assert_eq!(harmless(&"x".repeat(1000)).len(), 300);
    }

    #[test]
    fn the_region_is_read_out_of_the_sentence() {
        let text = "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-central-1'";
        assert_eq!(expected_region(text).as_deref(), Some("eu-central-1"));
        assert_eq!(expected_region("no"), None);
    }
}
