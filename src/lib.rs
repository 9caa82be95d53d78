//! Declarative backups: a manifest in git becomes a plan, the plan is applied, and what it made can be restored.
//!
//! Data flows one way, and there is a value at every border:
//!
//! ```text
//! texts -> Documents -> PolicySet -> Facts -> Plan -> Event* -> Outcome -> text, JSON
//! ```
//!
//! Pure layers decide, a thin edge acts. The clock, the environment, randomness and the terminal are read in [`cli`] and handed
//! down; a dry run is "the executor was not called", and nothing has a flag for it.
//!
//! | layer | one sentence |
//! |---|---|
//! | [`finding`] | a code, labels, help, edits: what any phase has to say |
//! | [`manifest`] | texts to spanned documents and findings; derives the schema |
//! | [`model`] | documents to resolved, typed policies |
//! | [`lint`] | what is legal and unwise, one rule a file |
//! | [`graph`] | what needs what; cycles by their whole path |
//! | [`archive`] | trees and streams to frames with an index, and back |
//! | [`store`] | objects by key, created once; keys, records, segments |
//! | [`runtime`] | inspects, quiets and wakes what runs |
//! | [`source`] | probes one source, reads it, puts it back |
//! | [`facts`] | what was seen, when, and what could not be seen |
//! | [`observe`] | one timed picture of the world, read-only |
//! | [`plan`] | policies, facts and an instant to steps with reasons |
//! | [`execute`] | performs a plan and nothing else; restores |
//! | [`report`] | values to text and JSON |
//! | [`cli`] | wires ports, prints, maps what happened to exit codes |
//!
//! Imports go down this table only, and a test holds them to it.
//!
//! # Formats
//!
//! What is on disk and in public output is marked **\[format\]** where it is described, has a version, and is read from a stored
//! example by a test. Together these pages are enough to write another reader:
//!
//! | what | described in | version |
//! |---|---|---|
//! | keys of a store, and the order of deletion | [`store::layout`] | of the store's mark, `lucid.json` |
//! | the name of a record, which a plan reads instead of it | [`store::key`] | the same |
//! | the record and the other small documents | [`store::record`], [`store::documents`] | `format_version` in each |
//! | segments of a payload | [`store::segments`] | of the record |
//! | tree archives: PAX tar in zstd frames with a seek table | [`archive`], [`archive::seek_table`] | of tar, zstd and the seekable format |
//! | the index beside an archive | [`mod@archive::index`] | in its footer |
//! | names and ids | [`model::id`] | of the store's mark |
//! | the plan's JSON | [`plan::Plan`] | `format_version` |
//! | what stores hold, for plans elsewhere | [`facts::Inventory`] | `format_version` |
//! | the digest of a policy's rules, in records | [`model::Policy::rules_sha256`] | of the record |
//! | findings' JSON and codes | [`finding`] | `format_version`; codes are never renamed |
//! | the journal of a window, in the local state | [`execute::window`] | `format_version` |
//! | events of a run, one JSON object a line | [`execute::Event`] | a reader skips what it does not know |
//! | exit codes | [`cli::Exit`] | never reused |

pub mod archive;
pub mod cli;
pub mod execute;
pub mod facts;
pub mod finding;
pub mod graph;
pub mod lint;
pub mod manifest;
pub mod model;
pub mod observe;
pub mod plan;
pub mod report;
pub mod runtime;
pub mod source;
pub mod store;
