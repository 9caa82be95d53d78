//! Windows: services quiet, something done, services awake again, through any crash.
//!
//! `stop -> work -> start` is one construct. Before the first service is quieted, the journal names all of them; it is gone once all of
//! them are awake. Between the two a kill at any point leaves a journal with which [`recover()`] wakes what is not awake, and touches
//! nothing that somebody else has changed meanwhile. What is decided is decided by what a container is seen to do, never by what a call
//! answered. The journal is a **\[format\]**: what one version has quieted, the next one wakes.
//!
//! | file | job |
//! |---|---|
//! | `open` | the construct: takes containers, quiets, watches the limit, wakes |
//! | `journal` | what survives a kill |
//! | `quiet`, `wake` | one service each way |
//! | `back` | what brings a container back, decided from what it does |
//! | `order` | side by side where nothing orders them |
//! | `recover` | after a kill |

mod back;
mod journal;
mod open;
mod order;
mod quiet;
mod recover;
mod wake;

pub use journal::{OpenWindow, open, owed};
pub(super) use open::{Doubt, NotOpened, Open, Window};
pub use recover::{Awoken, Recovery, recover};
