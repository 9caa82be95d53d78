//! The connection: made when something is first asked, on threads of its own.
//!
//! Calls block. They come from threads of their own and from those of `spawn_blocking`, never from inside of an async task: tokio
//! panics there.

use std::future::Future;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU8};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Builder, Credentials as Key, ProvideCredentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    SharedHttpClient, StalledStreamProtectionConfig,
};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext};
use aws_smithy_http_client::{Builder as HttpBuilder, Connector};
use tokio::sync::Semaphore;

use super::bucket::{Bucket, Credentials};
use super::{parts, read, trust};
use crate::model::id::Instant;
use crate::store::error::StoreError;

/// Where a region is demanded and the service has none.
const ANY_REGION: &str = "us-east-1";

/// How long credentials may take: a program may ask for them.
const PROVIDERS: Duration = Duration::from_mins(1);

/// A store in a bucket; clones share one connection.
#[derive(Clone)]
pub struct S3 {
    pub(super) setup: Arc<Setup>,
    wire: Arc<Mutex<Option<Arc<Wire>>>>,
}

/// What is known without a request.
pub(super) struct Setup {
    pub(super) bucket: Bucket,
    pub(super) place: String,
    pub(super) patience: Patience,
    pub(super) clock: Arc<dyn Fn() -> Instant + Send + Sync>,
    trust: TlsContext,
    /// MiB of parts that may be on their way, of all uploads together.
    pub(super) sending: Arc<Semaphore>,
    /// Memory of parts that have arrived, for the next ones. Given back to the system for each part, it would be taken anew before the
    /// system had it.
    pub(super) spare: Mutex<Vec<Vec<u8>>>,
    /// Pieces that may be read ahead, of all readers together.
    pub(super) ahead: Arc<Semaphore>,
    /// Whether the bucket keeps versions, once that is known; see [`remove`](super::remove).
    pub(super) versions: AtomicU8,
    /// Whether the bucket was asked for the Object Lock that the manifest wants, and did not deny it.
    pub(super) lockable: AtomicBool,
}

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Tries of one request.
    pub(super) attempts: u32,
    /// The first wait between two tries; it doubles, and is drawn at random below that.
    pub(super) backoff: Duration,
    /// To get a connection.
    pub(super) connect: Duration,
    /// To the first byte of an answer, the request's own way included.
    pub(super) answer: Duration,
    /// The same of what changes nothing, or next to nothing.
    pub(super) look: Duration,
    /// Without a byte of an answer's body.
    pub(super) stall: Duration,
    /// What a body adds to the wait for an answer, for each MiB of it.
    pub(super) per_mib: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            attempts: 4,
            backoff: Duration::from_millis(500),
            connect: Duration::from_secs(10),
            answer: Duration::from_mins(1),
            look: Duration::from_secs(20),
            stall: Duration::from_secs(30),
            // 256 KiB/s: the time of `answer` on top, two parts at once still go over a line of 2.5 Mbit/s
            per_mib: Duration::from_secs(4),
        }
    }
}

/// A bucket that can be spoken to.
pub(super) struct Wire {
    pub(super) setup: Arc<Setup>,
    pub(super) client: Client,
    runtime: Option<tokio::runtime::Runtime>,
}

impl S3 {
    /// A store in a bucket. Nothing is sent before something is asked; `clock` says when locks begin.
    ///
    /// Fails where `ca_file` cannot be used.
    pub fn open(bucket: Bucket, clock: Arc<dyn Fn() -> Instant + Send + Sync>) -> Result<Self, StoreError> {
        Self::patient(bucket, clock, Patience::default())
    }

    pub(super) fn patient(bucket: Bucket, clock: Arc<dyn Fn() -> Instant + Send + Sync>, patience: Patience) -> Result<Self, StoreError> {
        let place = bucket.place();
        let setup = Setup {
            trust: trust::context(&place, bucket.ca_file.as_deref())?,
            place,
            bucket,
            patience,
            clock,
            sending: Arc::new(Semaphore::new(parts::IN_FLIGHT)),
            spare: Mutex::default(),
            ahead: Arc::new(Semaphore::new(read::AHEAD)),
            versions: AtomicU8::default(),
            lockable: AtomicBool::default(),
        };
        Ok(Self { setup: Arc::new(setup), wire: Arc::default() })
    }

    /// The connection. What failed is tried anew at the next call.
    pub(super) fn wire(&self) -> Result<Arc<Wire>, StoreError> {
        let mut wire = self.wire.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wire) = &*wire {
            return Ok(Arc::clone(wire));
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("s3").enable_all().build();
        let runtime = runtime.map_err(|error| self.setup.unusable(format!("no thread can be started: {error}"), "try it again"))?;
        let client = runtime.block_on(self.setup.client());
        // also where there is no client: to drop a runtime is forbidden where this may be called
        let fresh = match client {
            Ok(client) => Arc::new(Wire { setup: Arc::clone(&self.setup), client, runtime: Some(runtime) }),
            Err(error) => {
                runtime.shutdown_background();
                return Err(error);
            }
        };
        *wire = Some(Arc::clone(&fresh));
        Ok(fresh)
    }
}

impl Setup {
    pub(super) fn unusable(&self, what: impl std::fmt::Display, help: &str) -> StoreError {
        StoreError::Unusable { message: format!("{}: {what}", self.place), help: help.to_owned() }
    }

    /// The key in the bucket.
    pub(super) fn whole(&self, key: &str) -> String {
        format!("{}{key}", self.bucket.prefix)
    }

    /// The key in the store, of exactly the room it needs: there are hundreds of thousands.
    pub(super) fn own(&self, whole: &str) -> Option<String> {
        whole.strip_prefix(&self.bucket.prefix).map(str::to_owned)
    }

    async fn client(&self) -> Result<Client, StoreError> {
        let version = BehaviorVersion::v2026_01_12();
        let bucket = &self.bucket;
        let given = bucket.region.clone().map(Region::new);
        let mut config = match &bucket.credentials {
            Credentials::Key { id, secret } => {
                let region = given.unwrap_or_else(|| Region::from_static(ANY_REGION));
                Builder::new().region(region).credentials_provider(Key::new(id, secret, None, None, "given")).http_client(self.http())
            }
            Credentials::Chain { profile } => {
                let mut file = ProfileFileRegionProvider::builder();
                // roles, sign-on and web identity are asked for over TLS, wherever the bucket is
                let mut loader = aws_config::defaults(version).http_client(self.https());
                if let Some(profile) = profile {
                    file = file.profile_name(profile);
                    loader = loader.profile_name(profile);
                }
                let region = RegionProviderChain::first_try(given).or_else(EnvironmentVariableRegionProvider::new()).or_else(file.build());
                let shared = loader.region(region).load().await;
                let elsewhere = bucket.endpoint.is_some() || shared.endpoint_url().is_some();
                let region = match shared.region() {
                    Some(region) => region.clone(),
                    None if elsewhere => Region::from_static(ANY_REGION),
                    None => return Err(self.unusable("its region is not known", REGION)),
                };
                if let Some(provider) = shared.credentials_provider() {
                    // asked here, where the reason is still at hand
                    let late = || self.unusable("there are no credentials: what should give them did not answer in time", CREDENTIALS);
                    let found = tokio::time::timeout(PROVIDERS, provider.provide_credentials()).await.map_err(|_| late())?;
                    found.map_err(|error| self.unusable(format!("there are no credentials: {}", reason(&error)), CREDENTIALS))?;
                }
                Builder::from(&shared).region(region).http_client(self.http())
            }
        };
        if let Some(endpoint) = &bucket.endpoint {
            config = config.endpoint_url(endpoint);
        }
        let patience = &self.patience;
        let (request, response) = if bucket.checksums {
            (RequestChecksumCalculation::WhenSupported, ResponseChecksumValidation::WhenSupported)
        } else {
            (RequestChecksumCalculation::WhenRequired, ResponseChecksumValidation::WhenRequired)
        };
        let config = config
            .behavior_version(version)
            .force_path_style(bucket.path_style)
            .request_checksum_calculation(request)
            .response_checksum_validation(response)
            .retry_config(RetryConfig::standard().with_max_attempts(patience.attempts).with_initial_backoff(patience.backoff))
            .timeout_config(self.within(self.patience.look))
            .stalled_stream_protection(
                // parts go out of memory: nothing but the network can stall them, and the limit of the attempt sees that
                StalledStreamProtectionConfig::enabled().upload_enabled(false).grace_period(patience.stall).build(),
            )
            .build();
        Ok(Client::from_conf(config))
    }

    /// The limits of a request that carries so many bytes.
    pub(super) fn limits(&self, bytes: u64) -> TimeoutConfig {
        let mib = u32::try_from(bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX);
        let answer = self.patience.answer.saturating_add(self.patience.per_mib.saturating_mul(mib));
        self.within(answer)
    }

    fn within(&self, answer: Duration) -> TimeoutConfig {
        TimeoutConfig::builder().connect_timeout(self.patience.connect).read_timeout(answer).operation_attempt_timeout(answer).build()
    }

    /// The client for the bucket; one in the clear needs no certificate of the system.
    fn http(&self) -> SharedHttpClient {
        if !self.bucket.plain() {
            return self.https();
        }
        HttpBuilder::new().build_with_connector_fn(|settings, _| {
            let mut connector = Connector::builder().proxy_config(ProxyConfig::from_env());
            connector.set_connector_settings(settings.cloned());
            connector.build_http()
        })
    }

    fn https(&self) -> SharedHttpClient {
        let trust = self.trust.clone();
        HttpBuilder::new().build_with_connector_fn(move |settings, _| {
            let mut connector = Connector::builder().proxy_config(ProxyConfig::from_env());
            connector.set_connector_settings(settings.cloned());
            connector.tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(trust.clone()).build()
        })
    }
}

const REGION: &str = "write `region = \"...\"`, or set AWS_REGION, or name a `profile` that has one; where `endpoint` names a service \
                      that knows no regions, none is needed";
const CREDENTIALS: &str = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a `profile`, or give this host a role";

/// What the providers of credentials say, from the outside in, on one line.
fn reason(error: &dyn std::error::Error) -> String {
    let whole = std::iter::successors(error.source(), |error| error.source()).fold(error.to_string(), |text, cause| {
        let cause = cause.to_string();
        if text.contains(&cause) { text } else { format!("{text}: {cause}") }
    });
    let plain =
        whole.replace("the credential provider was not enabled: ", "").replace("the credential provider was not enabled", "not set");
    // what a `credential_process` printed may hold what it was to keep
    let plain = plain.split("Stderr").next().unwrap_or_default().split("stderr").next().unwrap_or_default().trim_end();
    let line = plain.lines().map(str::trim).collect::<Vec<_>>().join("; ").replacen(":; ", ": ", 1);
    line.chars().take(300).collect()
}

impl Wire {
    /// Waits for an answer.
    pub(super) fn wait<F: Future>(&self, work: F) -> F::Output {
        self.runtime().block_on(work)
    }

    pub(super) fn runtime(&self) -> &tokio::runtime::Runtime {
        // it is taken by the end of the value only
        self.runtime.as_ref().expect("a connection has its runtime")
    }
}

impl Deref for Wire {
    type Target = Setup;

    fn deref(&self) -> &Setup {
        &self.setup
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // To wait for it is forbidden inside of a task, where the last holder may end.
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_for_credentials_printed_is_left_out() {
        let said = |text: &str| reason(&std::io::Error::other(text.to_owned()));
        assert_eq!(said("it failed with 1: Stderr: token=abc"), "it failed with 1:");
        assert_eq!(said(&"x".repeat(1000)).len(), 300);
    }
}
