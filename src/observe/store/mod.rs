//! What is in a store: its listing as facts.
//!
//! First what the place is (a store, none yet, another one, somebody else's), then what it holds. The catalogue is listed before
//! the payload: payload is written before its record, so a record that was seen has payload that will be seen. Records are not
//! read; only where a generation's objects do not add up to what its key says is its record asked.
//!
//! It refuses a place without `lucid.json` that is remembered as a store or has the instance's folder, a mark or claim of a newer
//! major version, and a store that another host owns. Listing stops nothing else: a folder that could not be read makes the
//! listing incomplete.

mod join;
mod place;
#[cfg(test)]
mod tests;

pub use place::{look, look_for_reading, mark_twins, unusable};
