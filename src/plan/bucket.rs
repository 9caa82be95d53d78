//! The calendar buckets of retention rules, in the zone of the manifest.
//!
//! A bucket is a typed value: January and the first ISO week are never one, a week belongs to its ISO week-year, and the two
//! passes of an hour that a clock change repeats are two buckets.

use std::fmt;

use chrono::{Datelike, NaiveDate, Timelike};
use serde::{Deserialize, Serialize};

use crate::model::id::Instant;
use crate::model::{Retention, Zone};

/// A rule that keeps one artifact per stretch of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// `keep_hourly`
    Hourly,
    /// `keep_daily`
    Daily,
    /// `keep_weekly`, ISO weeks from Monday
    Weekly,
    /// `keep_monthly`
    Monthly,
    /// `keep_quarterly`
    Quarterly,
    /// `keep_yearly`
    Yearly,
}

impl Unit {
    /// The rules that a retention has, finest first, with their counts.
    pub fn table(retention: &Retention) -> impl Iterator<Item = (Self, u32)> {
        [
            (Self::Hourly, retention.hourly),
            (Self::Daily, retention.daily),
            (Self::Weekly, retention.weekly),
            (Self::Monthly, retention.monthly),
            (Self::Quarterly, retention.quarterly),
            (Self::Yearly, retention.yearly),
        ]
        .into_iter()
        .filter(|(_, count)| *count > 0)
    }

    /// The manifest's key without `keep_`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hourly => "hourly",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Quarterly => "quarterly",
            Self::Yearly => "yearly",
        }
    }
}

/// One stretch of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bucket {
    /// An hour of a day, with the offset from UTC in seconds that tells repeated hours apart.
    Hour(NaiveDate, u32, i32),
    /// A day.
    Day(NaiveDate),
    /// An ISO week: its week-year and number.
    Week(i32, u32),
    /// A month.
    Month(i32, u32),
    /// A quarter, from 1.
    Quarter(i32, u32),
    /// A year.
    Year(i32),
}

impl Bucket {
    /// The bucket that an instant falls into.
    pub fn of(at: Instant, unit: Unit, zone: Zone) -> Self {
        let local = zone.civil(at);
        let date = local.date();
        match unit {
            Unit::Hourly => Self::Hour(date, local.hour(), zone.offset(at)),
            Unit::Daily => Self::Day(date),
            Unit::Weekly => Self::Week(date.iso_week().year(), date.iso_week().week()),
            Unit::Monthly => Self::Month(date.year(), date.month()),
            Unit::Quarterly => Self::Quarter(date.year(), date.month0() / 3 + 1),
            Unit::Yearly => Self::Year(date.year()),
        }
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hour(date, hour, _) => write!(f, "{date}T{hour:02}"),
            Self::Day(date) => write!(f, "{date}"),
            Self::Week(year, week) => write!(f, "{year}-W{week:02}"),
            Self::Month(year, month) => write!(f, "{year}-{month:02}"),
            Self::Quarter(year, quarter) => write!(f, "{year}-Q{quarter}"),
            Self::Year(year) => write!(f, "{year}"),
        }
    }
}
