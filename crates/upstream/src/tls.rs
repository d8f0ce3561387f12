//! The TLS side of connecting: whom to trust, and offering HTTP/2.

use crate::connect::Http2;
use parking_lot::Mutex;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_native_certs::CertificateResult;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Certificates that are trusted beside the machine's own.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Trust(Arc<[CertificateDer<'static>]>);

/// Whom to trust cannot be found out.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TrustError {
    /// A file of certificates cannot be used.
    #[error("the certificates in {path}: {what}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// `SSL_CERT_FILE` or `SSL_CERT_DIR` is set and leads to no certificate.
    #[error("no certificate can be had from where SSL_CERT_FILE or SSL_CERT_DIR lead: {0}")]
    Environment(String),
    /// The TLS library cannot be set up.
    #[error(transparent)]
    Library(#[from] rustls::Error),
}

impl Trust {
    /// The certificates of a PEM file.
    ///
    /// # Errors
    /// Says why the file cannot be read, or that something in it is no certificate to trust.
    pub fn read(path: &Path) -> Result<Self, TrustError> {
        let fail = |what: String| TrustError::File { path: path.to_owned(), what };
        let text = std::fs::read(path).map_err(|error| fail(error.to_string()))?;
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(&text)
            .collect::<Result<_, _>>()
            .map_err(|error| fail(format!("not PEM: {error}")))?;
        if certificates.is_empty() {
            return Err(fail("there is none; PEM has lines `-----BEGIN CERTIFICATE-----`".to_owned()));
        }
        let mut roots = RootCertStore::empty();
        for (index, certificate) in certificates.iter().enumerate() {
            roots.add(certificate.clone()).map_err(|error| fail(format!("number {}: {error}", index + 1)))?;
        }
        Ok(Self(certificates.into()))
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} certificates", self.0.len())
    }
}

/// The machine's certificate store; Mozilla's list where it has none, as in a bare container. `named` says that the store
/// was named by the environment.
fn usual(native: CertificateResult, named: bool) -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(native.certs);
    if roots.is_empty() && named {
        // Whoever says whom to trust does not mean everybody else.
        let errors: Vec<String> = native.errors.iter().map(ToString::to_string).collect();
        return Err(TrustError::Environment(errors.join("; ")));
    }
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    Ok(roots)
}

/// Whom the machine trusts, for which `SSL_CERT_FILE` and `SSL_CERT_DIR` stand where they are set. Read once by the
/// process, however many configurations are made; a failure is not kept, so that it can be mended. It may block.
fn machine() -> Result<Arc<RootCertStore>, TrustError> {
    static READ: Mutex<Option<Arc<RootCertStore>>> = Mutex::new(None);
    let mut read = READ.lock();
    if let Some(roots) = &*read {
        return Ok(Arc::clone(roots));
    }
    let named = ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().any(|name| std::env::var_os(name).is_some());
    let roots = Arc::new(usual(rustls_native_certs::load_native_certs(), named)?);
    *read = Some(Arc::clone(&roots));
    Ok(roots)
}

/// A client configuration that trusts whom the machine trusts, and others beside. It may block.
pub(crate) fn client_config(http2: Http2, trust: Option<&Trust>) -> Result<Arc<ClientConfig>, TrustError> {
    let mut roots = machine()?;
    for certificate in trust.iter().flat_map(|trust| trust.0.iter()) {
        Arc::make_mut(&mut roots).add(certificate.clone())?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let offered: &[&[u8]] = match http2 {
        Http2::Auto => &[b"h2", b"http/1.1"],
        Http2::Never => &[b"http/1.1"],
        Http2::Always => &[b"h2"],
    };
    config.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
