//! Tests that need whole trees and other programs: GNU tar, zstd, age, setfacl, setcap. They run as root; a missing tool fails them.

mod age;
mod changes;
mod formats;
mod gnu_tar;
mod hostile;
mod round_trip;
mod streams;
mod tree;
