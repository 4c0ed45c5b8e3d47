//! Which clients may connect: mTLS, with authorities that can change while the server runs.

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};

use super::{TlsError, certificates, provider, read_pem};
use crate::cert;

/// Which clients may connect: those whose certificate comes from one of the authorities and carries one of the names.
#[derive(Debug)]
pub struct ClientGate {
    verifier: ArcSwap<Arc<dyn ClientCertVerifier>>,
    names: Vec<String>,
}

impl ClientGate {
    /// Lets in clients of these authorities (PEM, several allowed); with no names every one of them.
    ///
    /// # Errors
    /// When there is no usable authority.
    pub fn new(authorities: &[u8], names: Vec<String>, origin: &str) -> Result<Self, TlsError> {
        Ok(Self {
            verifier: ArcSwap::from_pointee(verifier(authorities, origin)?),
            names,
        })
    }

    /// The same from a file.
    ///
    /// # Errors
    /// When the file cannot be read or holds no usable authority.
    pub fn from_file(authorities: &Path, names: Vec<String>) -> Result<Self, TlsError> {
        Self::new(&read_pem(authorities)?, names, &authorities.display().to_string())
    }

    /// Trusts the authorities of this file from the next handshake on.
    ///
    /// # Errors
    /// When the file cannot be read or holds no usable authority; those before stay trusted.
    pub fn reload(&self, authorities: &Path) -> Result<(), TlsError> {
        let fresh = verifier(&read_pem(authorities)?, &authorities.display().to_string())?;
        self.verifier.store(Arc::new(fresh));
        Ok(())
    }

    fn admits(&self, certificate: &CertificateDer<'_>) -> bool {
        if self.names.is_empty() {
            return true;
        }
        let found = cert::names(certificate).unwrap_or_default();
        let is_known = found.iter().any(|name| self.names.contains(name));
        if !is_known {
            tracing::debug!(?found, expected = ?self.names, "a client has none of the names that are admitted");
        }
        is_known
    }
}

impl ClientCertVerifier for ClientGate {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // Hints are optional, and borrowed from something that may be replaced at any time they could not be given.
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verified = self
            .verifier
            .load()
            .verify_client_cert(end_entity, intermediates, now)?;
        if self.admits(end_entity) {
            Ok(verified)
        } else {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::ApplicationVerificationFailure,
            ))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier
            .load()
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier
            .load()
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.load().supported_verify_schemes()
    }
}

fn verifier(authorities: &[u8], origin: &str) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let refused = |reason: String| TlsError::Authorities {
        origin: origin.to_owned(),
        reason,
    };
    let mut roots = RootCertStore::empty();
    for authority in certificates(authorities, origin)? {
        roots.add(authority).map_err(|error| refused(error.to_string()))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|error| refused(error.to_string()))
}
