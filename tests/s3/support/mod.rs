//! A real S3 server for the tests of this process, buckets on it, a proxy that spoils connections, and worlds that back up to a bucket.

mod bucket;
mod dropper;
mod http;
mod proxy;
mod server;
mod site;

pub(crate) use bucket::Bucket;
pub(crate) use dropper::Dropper;
pub(crate) use proxy::{Proxy, Way};
pub(crate) use server::{Keys, server};
pub(crate) use site::{Site, noise, on_host, opened, table};
