//! What is in a store: its listing as facts.
//!
//! First what the place is (a store, none yet, another one, somebody else's), then what it holds, area by area. Records are not
//! read; only where a generation's objects do not add up to what its key says is its record asked. The payload can be left out: then
//! whatever has a record counts as whole, and the listing says so.
//!
//! It refuses a place without `lucid.json` that is remembered as a store or has the instance's folder, a mark or claim of a newer
//! major version, and a store that another host owns. Listing stops nothing else: a folder that could not be read makes the
//! listing incomplete.

mod areas;
mod join;
mod own;
mod payload;
mod place;
#[cfg(test)]
mod tests;

pub use place::{Look, look, mark_twins, unusable};
