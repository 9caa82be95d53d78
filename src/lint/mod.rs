//! What is legal but unwise: one rule a file, stable codes, levels.
//!
//! A rule is a function from what was read to findings; it knows nothing of levels. [`judge`] runs the table of rules and applies
//! `[lint.CODE]`: a denied finding becomes an error, an allowed one is dropped, and an `allow` that dropped nothing is itself a
//! finding. Rules look at the partial set, so that they speak even where another table is broken.

mod max_downtime_without_stop;
mod min_count_one;
mod no_retention;
mod no_schedule;
mod readable_offsite;
mod retention_shorter_than_schedule;
mod rpo_shorter_than_schedule;
mod rpo_without_schedule;
mod rules;
mod single_recipient;
mod single_store;
mod slots;
mod unused;

pub use rules::{Rule, judge, rules};
