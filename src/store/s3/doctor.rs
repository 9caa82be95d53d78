//! What the settings of the bucket are; what they mean is said by [`crate::store::doctor`].
//!
//! A service that does not know a setting does not act on it either. One that does not tell it, as it refuses the right to ask, leaves
//! it unknown.

use aws_sdk_s3::types::{BucketVersioningStatus, ExpirationStatus, LifecycleRule as Rule};

use super::client::Wire;
use super::failure::Failure;
use crate::store::doctor::{BucketLock, BucketSettings, LifecycleRule, Promise, Versioning, Wanted, judge};

impl Wire {
    /// What the bucket's settings promise.
    pub(super) async fn traits(&self) -> Vec<Promise> {
        let settings = BucketSettings {
            versioning: self.versioning().await.map_err(|failure| self.told(failure)),
            lock: self.object_lock().await.map_err(|failure| self.told(failure)),
            lifecycle: self.lifecycle().await.map_err(|failure| self.told(failure)),
        };
        judge(&settings, Wanted { prefix: &self.bucket.prefix, object_lock: self.bucket.object_lock.is_some() })
    }

    fn told(&self, failure: Failure) -> String {
        crate::store::error::chain(&failure.about(self, "ask for the settings of", &self.bucket.name))
    }

    async fn versioning(&self) -> Result<Versioning, Failure> {
        match self.client.get_bucket_versioning().bucket(&self.bucket.name).send().await.map_err(Failure::from) {
            Ok(found) => Ok(match found.status() {
                Some(BucketVersioningStatus::Enabled) => Versioning::On,
                Some(_) => Versioning::Suspended,
                None => Versioning::Off,
            }),
            Err(failure) if failure.is_unknown() => Ok(Versioning::Off),
            Err(failure) => Err(failure),
        }
    }

    pub(super) async fn object_lock(&self) -> Result<Option<BucketLock>, Failure> {
        let found = match self.client.get_object_lock_configuration().bucket(&self.bucket.name).send().await.map_err(Failure::from) {
            Ok(found) => found.object_lock_configuration,
            Err(failure) if failure.is_missing() || failure.is_unknown() => None,
            Err(failure) => return Err(failure),
        };
        Ok(found.map(|lock| {
            let retention = lock.rule.and_then(|rule| rule.default_retention);
            let default_retention = retention.map(|retention| {
                let mode = retention.mode().map_or("locked", |mode| mode.as_str());
                match (retention.days(), retention.years()) {
                    (Some(days), _) => format!("{mode} for {days} days"),
                    (None, Some(years)) => format!("{mode} for {years} years"),
                    (None, None) => mode.to_owned(),
                }
            });
            BucketLock { default_retention }
        }))
    }

    async fn lifecycle(&self) -> Result<Vec<LifecycleRule>, Failure> {
        match self.client.get_bucket_lifecycle_configuration().bucket(&self.bucket.name).send().await.map_err(Failure::from) {
            Ok(found) => Ok(found.rules().iter().map(read).collect()),
            Err(failure) if failure.is_missing() || failure.is_unknown() => Ok(Vec::new()),
            Err(failure) => Err(failure),
        }
    }
}

fn read(rule: &Rule) -> LifecycleRule {
    let filter = rule.filter();
    let all = filter.and_then(|filter| filter.and());
    #[expect(deprecated, reason = "older rules say it here, and services still give them so")]
    let prefix = filter.and_then(|filter| filter.prefix()).or(all.and_then(|all| all.prefix())).or(rule.prefix());
    LifecycleRule {
        id: rule.id().unwrap_or("without a name").to_owned(),
        enabled: *rule.status() == ExpirationStatus::Enabled,
        prefix: prefix.unwrap_or_default().to_owned(),
        tagged: filter.is_some_and(|filter| filter.tag().is_some()) || all.is_some_and(|all| !all.tags().is_empty()),
        expires: rule.expiration().is_some_and(|expiration| expiration.days().is_some() || expiration.date().is_some()),
        moves: !rule.transitions().is_empty(),
        expires_older: rule.noncurrent_version_expiration().is_some(),
        ends_uploads: rule.abort_incomplete_multipart_upload().is_some(),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::types::{
        AbortIncompleteMultipartUpload, LifecycleExpiration, LifecycleRuleAndOperator, LifecycleRuleFilter, NoncurrentVersionExpiration,
        Tag,
    };

    use super::*;

    #[test]
    fn a_rule_says_its_prefix_in_three_places() {
        let rule = || Rule::builder().id("r").status(ExpirationStatus::Enabled);
        let tag = Tag::builder().key("k").value("v").build().unwrap();
        let and = LifecycleRuleAndOperator::builder().prefix("c/").tags(tag).build();
        #[expect(deprecated, reason = "older rules say it here")]
        let old = rule().prefix("a/").expiration(LifecycleExpiration::builder().days(3).build()).build().unwrap();
        let filter = LifecycleRuleFilter::builder().prefix("b/").build();
        let ends = AbortIncompleteMultipartUpload::builder().days_after_initiation(7).build();
        let plain = rule().filter(filter).abort_incomplete_multipart_upload(ends).build().unwrap();
        let marker = LifecycleExpiration::builder().expired_object_delete_marker(true).build();
        let older = NoncurrentVersionExpiration::builder().noncurrent_days(1).build();
        let both = rule().filter(LifecycleRuleFilter::builder().and(and).build()).expiration(marker).noncurrent_version_expiration(older);
        let expected = LifecycleRule { id: "r".to_owned(), enabled: true, ..LifecycleRule::default() };
        let of = |prefix: &str| LifecycleRule { prefix: prefix.to_owned(), ..expected.clone() };
        assert_eq!(read(&old), LifecycleRule { expires: true, ..of("a/") });
        assert_eq!(read(&plain), LifecycleRule { ends_uploads: true, ..of("b/") });
        assert_eq!(read(&both.build().unwrap()), LifecycleRule { tagged: true, expires_older: true, ..of("c/") });
        let off = Rule::builder().status(ExpirationStatus::Disabled).build().unwrap();
        assert!(!read(&off).enabled && read(&off).prefix.is_empty());
    }
}
