//! Certificates: files that the driver would read when it is too late to say what is wrong with them.
//!
//! The driver takes what it can out of a file of authorities and passes over the rest, so that one that holds nothing would only make
//! it trust nobody.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::error::MongoError;
use super::target::Tls;

const CA: &str = "name a file of certificates in PEM (`-----BEGIN CERTIFICATE-----`) in `ca_file`, readable for the user that runs \
                  lucid-policy";
const CERTIFICATE: &str = "name a file in PEM in `certificate_file` that holds the client's certificate and its private key, without a \
                           password, readable for the user that runs lucid-policy";

/// Looks into the files.
pub(super) fn check(place: &str, tls: &Tls) -> Result<(), MongoError> {
    if let Some(file) = &tls.ca_file {
        authorities(place, file)?;
    }
    tls.certificate_file.as_deref().map_or(Ok(()), |file| own(place, file))
}

fn authorities(place: &str, file: &Path) -> Result<(), MongoError> {
    let wrong = |why: &str| wrong(place, "ca_file", file, why, CA);
    let found = certificates(&read(file).map_err(|why| wrong(&why))?).map_err(|why| wrong(&why))?;
    let usable = |certificate: CertificateDer<'static>| RootCertStore::empty().add(certificate);
    found.into_iter().try_for_each(usable).map_err(|error| wrong(&format!("holds what is no certificate: {error}")))
}

fn own(place: &str, file: &Path) -> Result<(), MongoError> {
    let wrong = |why: &str| wrong(place, "certificate_file", file, why, CERTIFICATE);
    let text = read(file).map_err(|why| wrong(&why))?;
    certificates(&text).map_err(|why| wrong(&why))?;
    // what the reader of keys has to say might quote one
    PrivateKeyDer::from_pem_slice(&text).map(drop).map_err(|_| wrong("holds no private key, or one behind a password"))
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(file).map_err(|error| format!("cannot be read: {error}"))
}

fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>().map_err(|error| format!("is no PEM: {error}"))?;
    if found.is_empty() { Err("holds no certificate".to_owned()) } else { Ok(found) }
}

fn wrong(place: &str, key: &str, file: &Path, why: &str, help: &str) -> MongoError {
    MongoError::Unusable { place: place.to_owned(), message: format!("the `{key}` `{}` {why}", file.display()), help: help.to_owned() }
}
