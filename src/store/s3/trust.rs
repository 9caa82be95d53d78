//! Which certificates are trusted.

use std::path::Path;

use aws_smithy_http_client::tls::{TlsContext, TrustStore};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::store::error::StoreError;

const HELP: &str = "name a file of certificates in PEM (`-----BEGIN CERTIFICATE-----`) in `ca_file`, readable for the user that \
                    runs lucid-policy, or remove `ca_file` if the system trusts the service already";

/// The system's certificates, and those of the file. The client panics over a file that holds none, so it is read here first.
pub(super) fn context(place: &str, file: Option<&Path>) -> Result<TlsContext, StoreError> {
    let mut store = TrustStore::default();
    if let Some(file) = file {
        store = store.with_pem_certificate(certificates(place, file)?);
    }
    TlsContext::builder()
        .with_trust_store(store)
        .build()
        .map_err(|error| StoreError::Unusable { message: format!("{place}: TLS cannot be set up: {error}"), help: HELP.to_owned() })
}

fn certificates(place: &str, file: &Path) -> Result<Vec<u8>, StoreError> {
    let wrong =
        |why: String| StoreError::Unusable { message: format!("{place}: the `ca_file` `{}` {why}", file.display()), help: HELP.to_owned() };
    let text = std::fs::read(file).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let found = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| wrong(format!("is no PEM: {error}")))?;
    if found.is_empty() {
        return Err(wrong("holds no certificate".to_owned()));
    }
    for certificate in found {
        RootCertStore::empty().add(certificate).map_err(|error| wrong(format!("holds what is no certificate: {error}")))?;
    }
    Ok(text)
}
