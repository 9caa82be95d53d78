//! Texts to spanned documents and findings; derives the schema.
//!
//! [`load()`] never fails and never touches the disk: whatever is wrong becomes a finding, and whatever could be read goes on. The
//! types in [`tables`] are plain serde types that say what a manifest may contain, as written: defaults, references and units are
//! the model's business. Where a value stands is asked by its path, so that no type needs to carry spans.
//!
//! Nothing here knows what a store or a schedule *does*. The schema is made from the same types ([`schema()`]), in the one shape that
//! both TOML servers were measured to handle.

mod document;
mod load;
mod quantity;
mod schema;
mod table;
pub mod tables;
mod tables_service;
mod tables_source;
mod tables_store;

pub use document::{Documents, Entity, Noun, Page, ServiceTable, SourceTable, StoreTable};
pub use load::load;
pub use quantity::{Period, QuantityError, parse_size};
pub use schema::schema;

/// The pattern of names in schemas. The model's `Name` is what enforces it; a test holds the two together.
pub const NAME_PATTERN: &str = "^[a-z0-9][a-z0-9-]{0,62}$";
