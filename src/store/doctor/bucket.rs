//! What the settings of a bucket mean for what lies in it. Pure: who asks the service hands in what it said.

use super::promise::Promise;

/// What a service says of a bucket; a setting that it does not tell is an error in words.
#[derive(Debug, Clone)]
pub struct BucketSettings {
    /// Whether older versions are kept.
    pub versioning: Result<Versioning, String>,
    /// Object Lock, where the bucket has it.
    pub lock: Result<Option<BucketLock>, String>,
    /// What goes by itself.
    pub lifecycle: Result<Vec<LifecycleRule>, String>,
}

/// Whether a bucket keeps older versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versioning {
    /// It never did.
    Off,
    /// It did, and keeps what it has.
    Suspended,
    /// It does.
    On,
}

/// Object Lock of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketLock {
    /// What every new object gets unless its writer says something else, in words, such as `COMPLIANCE for 30 days`.
    pub default_retention: Option<String>,
}

/// A rule of a bucket's lifecycle.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LifecycleRule {
    /// Its name.
    pub id: String,
    /// Whether it is on.
    pub enabled: bool,
    /// The keys that it is about begin so.
    pub prefix: String,
    /// It is about objects with certain tags only, and ours have none.
    pub tagged: bool,
    /// It deletes objects by their age or at a date.
    pub expires: bool,
    /// It moves objects to another storage class.
    pub moves: bool,
    /// It deletes older versions.
    pub expires_older: bool,
    /// It ends unfinished uploads.
    pub ends_uploads: bool,
}

/// What the manifest says of the bucket.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Stands before every key; empty, or ends in `/`.
    pub prefix: &'a str,
    /// `object_lock` is set.
    pub object_lock: bool,
}

impl LifecycleRule {
    /// Whether it is about some of the keys below a prefix.
    fn touches(&self, prefix: &str) -> bool {
        self.enabled && !self.tagged && (self.prefix.starts_with(prefix) || prefix.starts_with(self.prefix.as_str()))
    }

    /// Whether it is about all of them.
    fn covers(&self, prefix: &str) -> bool {
        self.enabled && !self.tagged && prefix.starts_with(self.prefix.as_str())
    }
}

/// What follows from a bucket's settings.
pub fn judge(settings: &BucketSettings, wanted: Wanted<'_>) -> Vec<Promise> {
    let mut all = Vec::new();
    match &settings.versioning {
        Err(why) => all.push(Promise::unknown("versioning", why.as_str()).relied(false)),
        Ok(Versioning::Off) => all.push(Promise::holds("versioning", "the bucket keeps no older versions: what is deleted is gone")),
        Ok(Versioning::Suspended) => {
            all.push(Promise::holds("versioning", "the bucket keeps the older versions that it has, and makes no new ones"));
        }
        Ok(Versioning::On) => all.push(Promise::holds("versioning", "the bucket keeps older versions: what is deleted can be had back")),
    }
    match &settings.lock {
        Err(why) => all.push(Promise::unknown("object-lock", why.as_str()).relied(wanted.object_lock)),
        Ok(None) if wanted.object_lock => {
            let remedy = "remove `object_lock`, or use a bucket that was made with Object Lock";
            all.push(Promise::broken("object-lock", "`object_lock` is set, and the bucket has no Object Lock", remedy));
        }
        Ok(None) => {}
        Ok(Some(BucketLock { default_retention: None })) => {
            all.push(Promise::holds("object-lock", "the bucket can lock objects, and locks none by itself"));
        }
        Ok(Some(BucketLock { default_retention: Some(retention) })) => {
            let said = format!("the bucket locks whatever is written ({retention}), leases too: every renewal of a lease stays that long");
            let remedy = "take the bucket's default retention away, and set `object_lock` on the store, which leaves leases out";
            all.push(Promise::broken("object-lock", said, remedy));
        }
    }
    match &settings.lifecycle {
        Err(why) => all.push(Promise::unknown("lifecycle", why.as_str())),
        Ok(rules) => lifecycle(rules, settings, wanted, &mut all),
    }
    all
}

fn lifecycle(rules: &[LifecycleRule], settings: &BucketSettings, wanted: Wanted<'_>, all: &mut Vec<Promise>) {
    let deletes: Vec<String> = rules.iter().filter(|r| r.expires && r.touches(wanted.prefix)).map(|r| format!("`{}`", r.id)).collect();
    all.push(if deletes.is_empty() {
        Promise::holds("lifecycle", "no rule of the bucket deletes what is stored")
    } else {
        let said = format!("the bucket deletes by itself what is stored: rule {}", deletes.join(", "));
        Promise::broken("lifecycle", said, "leave this store's prefix out of the rule; what is kept for how long is the manifest's to say")
    });
    let moves: Vec<String> = rules.iter().filter(|r| r.moves && r.touches(wanted.prefix)).map(|r| format!("`{}`", r.id)).collect();
    if !moves.is_empty() {
        let said = format!("the bucket moves objects to another storage class: rule {}", moves.join(", "));
        let remedy = "see that what it moves to can be read without being asked for first";
        all.push(Promise::broken("storage-class", said, remedy).relied(false));
    }
    all.push(if rules.iter().any(|r| r.ends_uploads && r.covers(wanted.prefix)) {
        Promise::holds("unfinished-uploads", "a rule of the bucket ends unfinished uploads")
    } else {
        let said = "no rule of the bucket ends unfinished uploads; those of runs that were killed are paid for until a run sweeps them";
        Promise::broken("unfinished-uploads", said, "a lifecycle rule with AbortIncompleteMultipartUpload after 7 days").relied(false)
    });
    if settings.versioning == Ok(Versioning::On) {
        all.push(if rules.iter().any(|r| r.expires_older && r.covers(wanted.prefix)) {
            Promise::holds("older-versions", "a rule of the bucket deletes older versions after a while")
        } else {
            let said = "no rule of the bucket deletes older versions: what is deleted is paid for, and so is every renewal of a lease";
            let remedy = "a lifecycle rule with NoncurrentVersionExpiration and ExpiredObjectDeleteMarker";
            Promise::broken("older-versions", said, remedy).relied(false)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::promise::Standing;
    use super::*;

    fn rule(prefix: &str) -> LifecycleRule {
        LifecycleRule { id: "r".to_owned(), enabled: true, prefix: prefix.to_owned(), ..LifecycleRule::default() }
    }

    fn found(settings: &BucketSettings, object_lock: bool) -> Vec<(&'static str, Standing, bool)> {
        let wanted = Wanted { prefix: "prod/", object_lock };
        judge(settings, wanted).into_iter().map(|p| (p.about, p.standing, p.relied)).collect()
    }

    fn settings(versioning: Versioning, lock: Option<BucketLock>, lifecycle: Vec<LifecycleRule>) -> BucketSettings {
        BucketSettings { versioning: Ok(versioning), lock: Ok(lock), lifecycle: Ok(lifecycle) }
    }

    #[test]
    fn a_bare_bucket_keeps_everything_and_could_be_cheaper() {
        let all = found(&settings(Versioning::Off, None, Vec::new()), false);
        let expected =
            [("versioning", Standing::Holds, true), ("lifecycle", Standing::Holds, true), ("unfinished-uploads", Standing::Broken, false)];
        assert_eq!(all, expected);
        let tidy = LifecycleRule { ends_uploads: true, expires_older: true, ..rule("") };
        let all = found(&settings(Versioning::On, Some(BucketLock { default_retention: None }), vec![tidy]), true);
        assert!(all.iter().all(|(_, standing, _)| *standing == Standing::Holds) && all.len() == 5, "{all:?}");
    }

    #[test]
    fn a_rule_that_deletes_ours_is_found_whichever_prefix_is_longer() {
        let expiring = |prefix: &str| LifecycleRule { expires: true, ..rule(prefix) };
        let table = [
            (expiring(""), true),
            (expiring("pr"), true),
            (expiring("prod/"), true),
            (expiring("prod/lucid/data/"), true),
            (expiring("test/"), false),
            (LifecycleRule { enabled: false, ..expiring("") }, false),
            (LifecycleRule { tagged: true, ..expiring("") }, false),
            (LifecycleRule { expires_older: true, ..rule("") }, false),
        ];
        for (rule, eats) in table {
            let all = judge(&settings(Versioning::Off, None, vec![rule.clone()]), Wanted { prefix: "prod/", object_lock: false });
            let promise = all.iter().find(|p| p.about == "lifecycle").unwrap();
            assert_eq!(promise.standing == Standing::Broken, eats, "{rule:?}");
            assert!(promise.relied && (!eats || promise.said.contains("rule `r`")));
        }
        let narrow = LifecycleRule { ends_uploads: true, ..rule("prod/lucid/data/") };
        assert!(found(&settings(Versioning::Off, None, vec![narrow]), false).contains(&("unfinished-uploads", Standing::Broken, false)));
        let moving = LifecycleRule { moves: true, ..rule("prod/") };
        assert!(found(&settings(Versioning::Off, None, vec![moving]), false).contains(&("storage-class", Standing::Broken, false)));
    }

    #[test]
    fn object_lock_is_judged_by_what_the_manifest_wants_and_a_default_breaks_leases() {
        let lock = |retention: Option<&str>| Some(BucketLock { default_retention: retention.map(str::to_owned) });
        let about = |all: &[(&'static str, Standing, bool)]| all.iter().find(|(about, ..)| *about == "object-lock").copied();
        let of = |lock, wanted| about(&found(&settings(Versioning::On, lock, Vec::new()), wanted));
        assert_eq!(of(None, false), None);
        assert_eq!(of(None, true), Some(("object-lock", Standing::Broken, true)));
        assert_eq!(of(lock(None), true), Some(("object-lock", Standing::Holds, true)));
        assert_eq!(of(lock(Some("COMPLIANCE for 30 days")), true), Some(("object-lock", Standing::Broken, true)));
    }

    #[test]
    fn what_the_service_does_not_tell_is_unknown() {
        let why = || "AccessDenied".to_owned();
        let silent = BucketSettings { versioning: Err(why()), lock: Err(why()), lifecycle: Err(why()) };
        let expected =
            [("versioning", Standing::Unknown, false), ("object-lock", Standing::Unknown, false), ("lifecycle", Standing::Unknown, true)];
        assert_eq!(found(&silent, false), expected);
    }
}
