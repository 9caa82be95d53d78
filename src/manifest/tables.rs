//! What a manifest may contain, as written: plain types, one per table.
//!
//! The comments on fields are the descriptions that editors show and that `schema` prints: they are written for operators. No
//! `flatten`, no tagged or untagged enums, no `Spanned`: each of them loses spans or breaks completion. A key whose feature this
//! version does not have is listed all the same, so that the model can refuse it by name instead of calling it unknown.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::quantity::{DURATION_PATTERN, SIZE_PATTERN};
pub use super::tables_service::*;
pub use super::tables_source::*;
pub use super::tables_store::*;

/// A text with a pattern, so that editors check it while it is typed.
macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident = $pattern:expr $(, $example:literal)*;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
            #[serde(transparent)]
            pub struct $name(pub String);

            impl JsonSchema for $name {
                fn schema_name() -> std::borrow::Cow<'static, str> {
                    stringify!($name).into()
                }

                fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                    schemars::json_schema!({ "type": "string", "pattern": $pattern, "examples": [$($example),*] })
                }
            }
        )*
    };
}

texts! {
    /// A name of the manifest.
    NameText = super::NAME_PATTERN;
    /// A duration with its unit.
    DurationText = DURATION_PATTERN, "30d", "26h", "6mo";
    /// A size with its unit.
    SizeText = SIZE_PATTERN, "16GiB", "500MB";
    /// Five fields of crontab(5) or a shorthand; only the outline is checked here.
    CronText = r"^\s*(@(hourly|daily|midnight|weekly|monthly|yearly|annually)|\S+(\s+\S+){4})\s*$", "0 2 * * *", "*/15 * * * *", "@daily";
    /// A text that must not be empty.
    FilledText = "^[^\\x00]+$";
    /// The name of a volume.
    VolumeText = r"^[A-Za-z0-9._-]+$", "session-data";
}

/// A backup manifest for lucid-policy: what is protected, when, where to, and for how long.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of the manifest's language. This program reads version 1.
    #[schemars(extend("enum" = [1]), extend("default" = 1))]
    pub version: Option<i64>,
    /// The instance: the first component of every key in a store. Two hosts that share a store need different names.
    pub name: Option<NameText>,
    /// IANA zone of every schedule and of the days, weeks and months of retention. The process's own zone is never read.
    #[schemars(extend("default" = "Etc/UTC", "examples" = ["Etc/UTC", "Europe/Berlin"]))]
    pub timezone: Option<String>,
    /// Who can read what is stored.
    pub encryption: Option<Encryption>,
    /// How hard a run may work.
    pub run: Option<Run>,
    /// Limits that block deletions.
    pub guard: Option<Guard>,
    /// Levels of lints, by code.
    #[schemars(extend("x-tombi-additional-key-label" = "code"))]
    pub lint: Option<BTreeMap<String, Lint>>,
    /// Places that hold artifacts, as `[store.KIND.NAME]`.
    pub store: Option<Stores>,
    /// What is protected and how to read it, as `[source.KIND.NAME]`.
    pub source: Option<Sources>,
    /// What can be quieted and woken around a source, as `[service.KIND.NAME]`.
    pub service: Option<Services>,
    /// Named schedules: `NAME = { cron = "0 2 * * *" }`.
    #[schemars(extend("x-tombi-additional-key-label" = "schedule_name"))]
    pub schedule: Option<BTreeMap<NameText, Schedule>>,
    /// Named rules of what to keep: `NAME = { keep_within = "30d", min_count = 3 }`.
    #[schemars(extend("x-tombi-additional-key-label" = "retention_name"))]
    pub retention: Option<BTreeMap<NameText, Retention>>,
    /// What is backed up when, where to, and kept how long, as `[policy.NAME]`.
    #[schemars(extend("x-tombi-additional-key-label" = "policy_name"))]
    pub policy: Option<BTreeMap<NameText, Policy>>,
}

/// Who can read what is stored.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Encryption {
    /// Public keys of those who can read the artifacts: age recipients or SSH public keys. The backup host needs none of the secret
    /// ones. Without any, artifacts are stored readable.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub recipients: Option<Vec<String>>,
}

/// How hard a run may work.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Threads that compress; as many as there are cores unless set.
    #[schemars(range(min = 1, max = 1024))]
    pub threads: Option<i64>,
    /// Added to the process's niceness, 0 to 19.
    #[schemars(range(min = 0, max = 19))]
    pub nice: Option<i64>,
    /// Policies that may run at the same time; 2 unless set.
    #[schemars(range(min = 1, max = 256), extend("default" = 2))]
    pub concurrency: Option<i64>,
}

/// Limits that block deletions.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    /// The part of a series that one run may delete, above 0 and at most 1; 0.5 unless set.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1, "default" = 0.5))]
    pub max_delete_fraction: Option<f64>,
}

/// How loud a lint is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Say nothing.
    Allow,
    /// Say it.
    Warn,
    /// Refuse the manifest.
    Deny,
}

/// The level of a lint, with the reason for it.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lint {
    /// How loud the lint is.
    pub level: Level,
    /// Why, for the next reader.
    pub reason: FilledText,
}

/// A schedule.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-taplo" = { "initKeys": ["cron"] }))]
pub struct Schedule {
    /// The five fields of crontab(5): minute, hour, day of month, month, day of week (0 and 7 are Sunday).
    pub cron: CronText,
}

/// What to keep. Rules add up: what any of them keeps stays.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// Keep all that are younger than this, counted back from the newest.
    pub keep_within: Option<DurationText>,
    /// Keep the newest N.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub keep_last: Option<i64>,
    /// Keep the newest of each of the last N hours that have any.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub keep_hourly: Option<i64>,
    /// Keep the newest of each of the last N days that have any.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub keep_daily: Option<i64>,
    /// Keep the newest of each of the last N ISO weeks that have any.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub keep_weekly: Option<i64>,
    /// Keep the newest of each of the last N months that have any.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub keep_monthly: Option<i64>,
    /// Keep the newest of each of the last N quarters that have any.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub keep_quarterly: Option<i64>,
    /// Keep the newest of each of the last N years that have any.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub keep_yearly: Option<i64>,
    /// A floor: never fewer than this many.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = 2))]
    pub min_count: Option<i64>,
    /// A floor: nothing younger than this is deleted.
    #[schemars(extend("default" = "24h"))]
    pub min_age: Option<DurationText>,
    /// Keep the oldest until the coarsest rule has all that it may keep.
    #[schemars(extend("default" = false))]
    pub keep_oldest_until_full: Option<bool>,
}

/// Whether a policy is at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Captures, copies and deletes.
    Active,
    /// Captures nothing and deletes nothing.
    Paused,
    /// Captures nothing, while retention goes on.
    Retired,
}

/// What is backed up when, where to, and kept how long.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-taplo" = { "initKeys": ["source", "stores"] }))]
pub struct Policy {
    /// The source, by name.
    pub source: NameText,
    /// What is taken of the source. `full`, which is also the default, is what files and commands offer.
    #[schemars(extend("enum" = ["full"], "default" = "full"))]
    pub capture: Option<String>,
    /// The policy whose artifacts this one continues. Only for a source with a log: not in this version.
    pub base: Option<NameText>,
    /// The schedule, by name. Without, the policy runs once and then only with `apply --now`.
    pub schedule: Option<NameText>,
    /// The retention, by name. Without, everything is kept.
    pub retention: Option<NameText>,
    /// Other retentions for single stores: `{ STORE = "RETENTION" }`.
    pub retention_at: Option<BTreeMap<NameText, NameText>>,
    /// The stores, by name. The first one is written first, the others are copies of it.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub stores: Vec<NameText>,
    /// Public keys of those who can read the artifacts of this policy, instead of `[encryption] recipients`.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub recipients: Option<Vec<String>>,
    /// How old the newest artifact may be on every store.
    pub rpo: Option<DurationText>,
    /// The same for single stores: `{ STORE = "DURATION" }`.
    pub rpo_at: Option<BTreeMap<NameText, DurationText>>,
    /// How long a restore may take.
    pub rto: Option<DurationText>,
    /// How far back every instant can be restored. Only for a source with a log: not in this version.
    pub pitr_window: Option<DurationText>,
    /// How late a missed slot may still run. No limit unless set; 1h where the source stops services, so that a host that was off at
    /// night does not stop them in the morning.
    pub catch_up_within: Option<DurationText>,
    /// How long services may be quiet. A capture that takes longer is given up, so that they come back. Only where the source stops
    /// services.
    pub max_downtime: Option<DurationText>,
    /// Treat warnings of a capture, such as a file that changed while it was read, as failures.
    #[schemars(extend("default" = false))]
    pub strict: Option<bool>,
    /// The series in the store; the policy's name unless set. A renamed policy keeps its past by naming its old series.
    pub series: Option<NameText>,
    /// Whether the policy is at work.
    #[schemars(extend("default" = "active"))]
    pub state: Option<State>,
}
