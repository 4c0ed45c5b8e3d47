//! TLS of the server: which certificate it shows, and whose certificates it asks for. Both can change while it runs.

mod client_gate;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use base64::Engine as _;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};

pub use client_gate::ClientGate;

use crate::cert;

/// Larger files are no certificates; reading stops there.
const MAX_PEM_BYTES: u64 = 1024 * 1024;

/// What goes wrong between a file and a handshake.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is too large to be a certificate or key.
    #[error("expected at most {MAX_PEM_BYTES} bytes of PEM in {}, found more", .0.display())]
    TooLarge(PathBuf),
    /// No certificate where one is needed.
    #[error("expected a PEM certificate (BEGIN CERTIFICATE) in {0}, found none")]
    NoCertificate(String),
    /// PEM that cannot be decoded.
    #[error("failed to decode the PEM in {origin}")]
    Pem {
        /// Where it was read.
        origin: String,
        /// Why.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// No private key of a known form.
    #[error("expected a PEM private key (PKCS#8, SEC1 or PKCS#1, not encrypted) in {0}, found none")]
    NoKey(String),
    /// The key cannot be used, or is not the certificate's.
    #[error("the private key in {key_origin} does not belong to the certificate in {certificate_origin}")]
    Mismatch {
        /// Where the key was read.
        key_origin: String,
        /// Where the certificate was read.
        certificate_origin: String,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// The key is of a kind that cannot sign handshakes.
    #[error("the private key in {origin} cannot be used")]
    Key {
        /// Where it was read.
        origin: String,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// The certificate is no X.509.
    #[error("the certificate in {origin} cannot be read")]
    Certificate {
        /// Where it was read.
        origin: String,
        /// Why.
        #[source]
        source: cert::CertificateError,
    },
    /// The authorities of clients cannot be used.
    #[error("the client authorities in {origin} cannot be used: {reason}")]
    Authorities {
        /// Where they were read.
        origin: String,
        /// Why.
        reason: String,
    },
    /// rustls refuses the configuration.
    #[error("failed to configure TLS")]
    Configure(#[source] rustls::Error),
}

/// A serving certificate with its chain and key, proved to belong together.
#[derive(Debug, Clone)]
pub struct ServingPair {
    key: Arc<CertifiedKey>,
    expiry: i64,
}

impl ServingPair {
    /// Reads certificate chain and key from files.
    ///
    /// # Errors
    /// When a file cannot be read, holds no PEM, or the key is not the certificate's.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        Self::build(
            (&read_pem(certificate)?, certificate.display().to_string()),
            (&read_pem(key)?, key.display().to_string()),
        )
    }

    /// Takes certificate chain and key from memory; `origin` says where they come from, for errors.
    ///
    /// # Errors
    /// When they are no PEM, or the key is not the certificate's.
    pub fn from_pem(certificate: &[u8], key: &[u8], origin: &str) -> Result<Self, TlsError> {
        Self::build((certificate, origin.to_owned()), (key, origin.to_owned()))
    }

    fn build(
        (certificate, certificate_origin): (&[u8], String),
        (key, key_origin): (&[u8], String),
    ) -> Result<Self, TlsError> {
        let chain = certificates(certificate, &certificate_origin)?;
        let leaf = chain
            .first()
            .ok_or_else(|| TlsError::NoCertificate(certificate_origin.clone()))?;
        let expiry = cert::expiry(leaf).map_err(|source| TlsError::Certificate {
            origin: certificate_origin.clone(),
            source,
        })?;
        // The library's error may quote the input, and the input is a private key: only its absence is reported.
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::NoKey(key_origin.clone()))?;
        let signing_key = provider()
            .key_provider
            .load_private_key(key)
            .map_err(|source| TlsError::Key {
                origin: key_origin.clone(),
                source,
            })?;
        let certified = CertifiedKey::new(chain, signing_key);
        certified.keys_match().map_err(|source| TlsError::Mismatch {
            key_origin,
            certificate_origin,
            source,
        })?;
        Ok(Self {
            key: Arc::new(certified),
            expiry,
        })
    }

    /// When the certificate expires, in seconds since 1970.
    pub fn expiry(&self) -> i64 {
        self.expiry
    }

    /// Tells certificates apart: the SHA-256 of the first one, in hex.
    pub fn fingerprint(&self) -> String {
        use sha2::Digest as _;
        let leaf = self.key.cert.first().map(|der| &**der).unwrap_or_default();
        sha2::Sha256::digest(leaf)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// Whether both are the same certificates; a new key always comes with a new certificate.
    pub fn shows_the_same(&self, other: &Self) -> bool {
        self.key.cert == other.key.cert
    }
}

/// The certificate that new handshakes get. Connections that are open keep theirs.
#[derive(Debug)]
pub struct ServingIdentity {
    pair: ArcSwapOption<ServingPair>,
}

impl ServingIdentity {
    /// Starts with this pair.
    pub fn new(pair: ServingPair) -> Self {
        Self {
            pair: ArcSwapOption::from_pointee(pair),
        }
    }

    /// Starts with nothing to show: until there is a pair, every handshake fails.
    pub fn empty() -> Self {
        Self {
            pair: ArcSwapOption::empty(),
        }
    }

    /// Shows another pair from the next handshake on.
    pub fn replace(&self, pair: ServingPair) {
        self.pair.store(Some(Arc::new(pair)));
    }

    /// The pair that is shown now; none before there is one.
    pub fn current(&self) -> Option<Arc<ServingPair>> {
        self.pair.load_full()
    }
}

impl ResolvesServerCert for ServingIdentity {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.pair.load().as_ref().map(|pair| Arc::clone(&pair.key))
    }
}

/// TLS 1.2 and 1.3, HTTP/1.1 only, no resumption: a session that outlives a rotation would go on under the old certificate.
///
/// # Errors
/// When rustls refuses, which it does not for these settings.
pub fn server_config(identity: Arc<ServingIdentity>, gate: Option<Arc<ClientGate>>) -> Result<ServerConfig, TlsError> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(TlsError::Configure)?;
    let builder = match gate {
        Some(gate) => builder.with_client_cert_verifier(gate),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(identity);
    // The API server speaks nothing else to webhooks.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

/// Whether a client that trusts `authorities` (PEM) accepts the pair for `host` at this moment, in seconds since 1970.
///
/// # Errors
/// What such a client would say.
pub fn verify_serving(pair: &ServingPair, authorities: &[u8], host: &str, now: i64) -> Result<(), TlsError> {
    let refused = |reason: String| TlsError::Authorities {
        origin: "the caBundle".to_owned(),
        reason,
    };
    let mut roots = RootCertStore::empty();
    for authority in certificates(authorities, "the caBundle")? {
        roots.add(authority).map_err(|error| refused(error.to_string()))?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|error| refused(error.to_string()))?;
    let (leaf, chain) = pair
        .key
        .cert
        .split_first()
        .ok_or_else(|| TlsError::NoCertificate("the pair".to_owned()))?;
    let name = ServerName::try_from(host).map_err(|error| refused(error.to_string()))?;
    let moment = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now).unwrap_or_default()));
    verifier
        .verify_server_cert(leaf, chain, &name, &[], moment)
        .map(drop)
        .map_err(TlsError::Configure)
}

/// A certificate as PEM.
pub fn certificate_pem(der: &CertificateDer<'_>) -> String {
    /// RFC 7468 wants lines of 64 characters.
    const LINE: usize = 64;
    let encoded = base64::engine::general_purpose::STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in encoded.as_bytes().chunks(LINE) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

fn provider() -> Arc<CryptoProvider> {
    CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
}

fn certificates(pem: &[u8], origin: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|source| TlsError::Pem {
            origin: origin.to_owned(),
            source,
        })?;
    if found.is_empty() {
        return Err(TlsError::NoCertificate(origin.to_owned()));
    }
    Ok(found)
}

fn read_pem(path: &Path) -> Result<Vec<u8>, TlsError> {
    use std::io::Read;
    let read = || {
        let mut bytes = Vec::new();
        std::fs::File::open(path)?
            .take(MAX_PEM_BYTES + 1)
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes: Vec<u8> = read().map_err(|source| TlsError::Read {
        path: path.to_path_buf(),
        source,
    })?;
    if bytes.len() as u64 > MAX_PEM_BYTES {
        return Err(TlsError::TooLarge(path.to_path_buf()));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::{CertificateRequest, GeneratedPair, generate};
    use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256};

    fn generated() -> GeneratedPair {
        let request = CertificateRequest {
            hosts: vec!["localhost".to_owned()],
            now: 1_790_000_000,
            days: 1,
        };
        generate(&request).unwrap()
    }

    #[track_caller]
    fn check(certificate: &str, key: &str, expected: &str) {
        let error = ServingPair::from_pem(certificate.as_bytes(), key.as_bytes(), "the test").expect_err("refused");
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn what_is_no_pair_is_refused() {
        let (one, other) = (generated(), generated());
        check(
            "",
            &one.key,
            "expected a PEM certificate (BEGIN CERTIFICATE) in the test, found none",
        );
        check(
            &one.certificate,
            "",
            "expected a PEM private key (PKCS#8, SEC1 or PKCS#1, not encrypted) in the test, found none",
        );
        check(
            &one.key,
            &one.certificate,
            "expected a PEM certificate (BEGIN CERTIFICATE) in the test, found none",
        );
        check(
            &one.certificate,
            &other.key,
            "the private key in the test does not belong to the certificate in the test",
        );
        check(
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            &one.key,
            "the certificate in the test cannot be read",
        );
        check(
            &one.certificate[..one.certificate.len() / 2],
            &one.key,
            "failed to decode the PEM in the test",
        );
    }

    #[test]
    fn a_chain_is_shown_whole() {
        let pair = generated();
        let chain = format!("{}{}", pair.certificate, pair.authority);
        let pair = ServingPair::from_pem(chain.as_bytes(), pair.key.as_bytes(), "the test").unwrap();
        assert_eq!(pair.key.cert.len(), 2);
        assert_eq!(pair.expiry(), 1_790_000_000 + 86_400);
    }

    /// The same P-256 key in the older form, which `openssl ecparam -genkey` writes: version, scalar, curve, point.
    fn sec1(key: &KeyPair) -> String {
        let pkcs8 = key.serialize_der();
        // PKCS#8 wraps exactly this structure in its last octet string, without the curve.
        let start = pkcs8
            .windows(5)
            .position(|window| window == [0x02, 0x01, 0x01, 0x04, 0x20])
            .unwrap();
        let scalar = &pkcs8[start + 5..start + 37];
        let mut inner = vec![0x02, 0x01, 0x01, 0x04, 0x20];
        inner.extend_from_slice(scalar);
        inner.extend_from_slice(&[0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]);
        inner.extend_from_slice(&[0xa1, 0x44, 0x03, 0x42, 0x00]);
        inner.extend_from_slice(key.public_key_raw());
        let mut der = vec![0x30, u8::try_from(inner.len()).unwrap()];
        der.extend_from_slice(&inner);
        pem("EC PRIVATE KEY", &der)
    }

    fn pem(label: &str, der: &[u8]) -> String {
        use base64::Engine;
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        let lines: Vec<&str> = text
            .as_bytes()
            .chunks(64)
            .map(|line| std::str::from_utf8(line).unwrap())
            .collect();
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
    }

    #[test]
    fn keys_of_every_common_form_are_read() {
        let ec = KeyPair::generate().unwrap();
        let rsa = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
        for (name, key, text) in [
            ("PKCS#8 EC", &ec, ec.serialize_pem()),
            ("SEC1 EC", &ec, sec1(&ec)),
            ("PKCS#8 RSA", &rsa, rsa.serialize_pem()),
        ] {
            let certificate = CertificateParams::new(vec!["localhost".to_owned()])
                .unwrap()
                .self_signed(key)
                .unwrap();
            let pair = ServingPair::from_pem(certificate.pem().as_bytes(), text.as_bytes(), name);
            assert!(pair.is_ok(), "{name}: {pair:?}");
        }
    }

    #[test]
    fn authorities_that_are_none_are_refused() {
        let gate = ClientGate::new(b"", Vec::new(), "the test").expect_err("no authority");
        assert_eq!(
            gate.to_string(),
            "expected a PEM certificate (BEGIN CERTIFICATE) in the test, found none"
        );
    }
}
