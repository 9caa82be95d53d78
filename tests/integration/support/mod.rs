//! What the tests of the program share: a world of its own for each, and eyes that see what changed in it.

mod digest;
mod mounted;
mod past;
mod ran;
mod tokens;
mod wait;
mod world;

pub(crate) use digest::digest;
pub(crate) use mounted::Mounted;
pub(crate) use ran::Ran;
pub(crate) use tokens::plain_json;
pub(crate) use wait::until;
pub(crate) use world::World;
