//! Backups that other programs made, as archives of ours.
//!
//! | file | job |
//! |---|---|
//! | `wrapping` | how a file is compressed, and what takes that off |
//! | `gunzip` | gzip |
//! | `tree`, `fit` | tar archives, and how their members lie in a source |
//! | `dump` | archives of mongodump |

mod dump;
mod fit;
mod gunzip;
mod tree;
mod wrapping;

pub use dump::{SurveyedDump, pack_dump, survey_dump};
pub use fit::{Fit, Misfit, Roots};
pub use tree::{ForeignError, Surveyed, pack_foreign, survey};
pub use wrapping::Wrapping;
