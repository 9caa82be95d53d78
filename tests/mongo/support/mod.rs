//! Real servers for the tests of this process, users on them, and one that only says what it is told to say.

mod server;
mod told;

pub(crate) use server::{PASSWORD, Server, alone, open, secret, set};
pub(crate) use told::Told;
