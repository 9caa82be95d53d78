//! What an answer carries beside its content, and how often it was asked for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_s3::config::interceptors::{BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef};
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use chrono::DateTime;

use crate::model::id::Instant;

/// Watches one call, all its attempts.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen(Arc<Mutex<Sights>>);

#[derive(Debug, Default)]
struct Sights {
    attempts: u32,
    checksum: Option<String>,
    date: Option<Instant>,
    server: Option<String>,
}

impl Seen {
    /// Whether more than one request was sent, so that a refusal may be of the second and the first was done.
    pub(super) fn repeated(&self) -> bool {
        self.sights().attempts > 1
    }

    /// The CRC-32 that was sent with the body, as it stands in the header.
    pub(super) fn checksum(&self) -> Option<String> {
        self.sights().checksum.clone()
    }

    /// The service's clock, to the second.
    pub(super) fn date(&self) -> Option<Instant> {
        self.sights().date
    }

    /// Whether the service calls itself that.
    pub(super) fn is_of(&self, server: &str) -> bool {
        self.sights().server.as_deref() == Some(server)
    }

    fn sights(&self) -> MutexGuard<'_, Sights> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intercept for Seen {
    fn name(&self) -> &'static str {
        "Seen"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let mut sights = self.sights();
        sights.attempts += 1;
        sights.checksum = context.request().headers().get("x-amz-checksum-crc32").map(str::to_owned);
        Ok(())
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date").and_then(|date| DateTime::parse_from_rfc2822(date).ok());
        let mut sights = self.sights();
        sights.date = date.map(|date| date.to_utc());
        sights.server = context.response().headers().get("server").map(str::to_owned);
        Ok(())
    }
}
