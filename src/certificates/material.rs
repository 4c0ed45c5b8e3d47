//! What the Secret holds: the authority that signs, the certificate that every replica serves, and, during a rotation,
//! the authorities before and after.

use std::collections::BTreeMap;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::Lifetimes;
use crate::cert::{Authority, CertificateError, Leaf, Validity, validity};
use crate::tls::{ServingPair, TlsError, verify_serving};

/// Keys of the Secret. `tls.crt`, `tls.key` and `ca.crt` mean what they mean everywhere else.
const AUTHORITY: &str = "authority.crt";
const AUTHORITY_KEY: &str = "authority.key";
const NEXT: &str = "next-authority.crt";
const NEXT_KEY: &str = "next-authority.key";
const PREVIOUS: &str = "previous-authorities.crt";
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";
const BUNDLE: &str = "ca.crt";

/// How many authorities of the past are trusted at most: one in a rotation, more only after accidents. Without a bound
/// a caBundle could grow until no object holds it.
const MOST_PREVIOUS: usize = 4;

/// What the Secret of an installation holds.
#[derive(Debug)]
pub struct Material {
    /// Who signs.
    pub(super) authority: Authority,
    /// Who will sign, once every API server trusts it.
    pub(super) next: Option<Authority>,
    /// Who signed what some replica may still serve; PEM, one certificate each.
    pub(super) previous: Vec<String>,
    /// What is served.
    pub(super) leaf: Leaf,
}

/// Why what the Secret holds is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unfit {
    /// A key is not there.
    #[error("expected the key {0} in the Secret, found none")]
    Missing(&'static str),
    /// A key holds something else.
    #[error("the key {0} of the Secret holds no text")]
    NoText(&'static str),
    /// An authority cannot be used.
    #[error("the authority in {0} of the Secret cannot be used")]
    Authority(&'static str, #[source] CertificateError),
}

impl Material {
    /// Makes a new authority and certificate for `host`, a DNS name; `before` are authorities that clients may need for
    /// a while yet, as PEM.
    ///
    /// # Errors
    /// When `host` is no name.
    pub fn create(host: &str, now: i64, lifetimes: Lifetimes, before: &[String]) -> Result<Self, CertificateError> {
        let authority = new_authority(now, lifetimes)?;
        let leaf = issue(&authority, host, now, lifetimes)?;
        let mut previous = before.to_vec();
        previous.truncate(MOST_PREVIOUS);
        Ok(Self {
            authority,
            next: None,
            previous,
            leaf,
        })
    }

    /// Reads what a Secret holds. Whether the serving certificate is fit is another question: [`Self::is_served_by`].
    ///
    /// # Errors
    /// When the authority that signs cannot be used.
    pub fn read(data: &BTreeMap<String, Vec<u8>>) -> Result<Self, Unfit> {
        let authority = authority(data, AUTHORITY, AUTHORITY_KEY)?;
        let next = if data.contains_key(NEXT) {
            Some(self::authority(data, NEXT, NEXT_KEY)?)
        } else {
            None
        };
        let previous = data.get(PREVIOUS).map(|pem| certificates_in(pem)).unwrap_or_default();
        let leaf = Leaf {
            // What is no certificate is renewed like one that has expired.
            certificate: text(data, CERTIFICATE).unwrap_or_default().to_owned(),
            key: text(data, KEY).unwrap_or_default().to_owned(),
        };
        Ok(Self {
            authority,
            next,
            previous: previous.into_iter().take(MOST_PREVIOUS).collect(),
            leaf,
        })
    }

    /// The same as the Secret holds it.
    pub fn write(&self) -> BTreeMap<String, Vec<u8>> {
        let mut data = BTreeMap::new();
        let mut put = |key: &str, value: String| data.insert(key.to_owned(), value.into_bytes());
        put(AUTHORITY, self.authority.certificate().to_owned());
        put(AUTHORITY_KEY, self.authority.key());
        if let Some(next) = &self.next {
            put(NEXT, next.certificate().to_owned());
            put(NEXT_KEY, next.key());
        }
        if !self.previous.is_empty() {
            put(PREVIOUS, self.previous.concat());
        }
        put(CERTIFICATE, self.leaf.certificate.clone());
        put(KEY, self.leaf.key.clone());
        put(BUNDLE, self.bundle());
        data
    }

    /// Everything that clients must trust, as PEM, in an order that depends on the certificates alone: a rotation that
    /// only changes who signs publishes nothing new.
    pub fn bundle(&self) -> String {
        let mut all: Vec<String> = [Some(&self.authority), self.next.as_ref()]
            .into_iter()
            .flatten()
            .map(|authority| authority.certificate().to_owned())
            .chain(self.previous.iter().cloned())
            .flat_map(|pem| certificates_in(pem.as_bytes()))
            .collect();
        all.sort();
        all.dedup();
        all.concat()
    }

    /// Whether no rotation is under way.
    pub fn is_settled(&self) -> bool {
        self.next.is_none() && self.previous.is_empty()
    }

    /// The authority that signed what is served, as PEM.
    pub fn signer(&self) -> &str {
        self.authority.certificate()
    }

    /// The serving certificate with its key, ready for handshakes.
    ///
    /// # Errors
    /// When they are no pair.
    pub fn pair(&self) -> Result<ServingPair, TlsError> {
        ServingPair::from_pem(
            self.leaf.certificate.as_bytes(),
            self.leaf.key.as_bytes(),
            "the Secret of the installation",
        )
    }

    /// Whether a client that trusts the signing authority accepts the certificate for `host` now.
    pub fn is_fit(&self, host: &str, now: i64) -> bool {
        let Ok(pair) = self.pair() else { return false };
        verify_serving(&pair, self.signer().as_bytes(), host, now).is_ok()
    }

    /// From when to when the serving certificate holds.
    pub(super) fn leaf_validity(&self) -> Option<Validity> {
        validity_of(&self.leaf.certificate)
    }

    /// From when to when the signing authority holds.
    pub(super) fn authority_validity(&self) -> Option<Validity> {
        validity_of(self.authority.certificate())
    }
}

/// Makes an authority whose name tells it from others: two of the same name confuse those who look for the issuer.
pub(super) fn new_authority(now: i64, lifetimes: Lifetimes) -> Result<Authority, CertificateError> {
    let name = format!("runstamp authority {now}");
    Authority::generate(&name, Validity::from(now, lifetimes.authority))
        .map_err(|source| CertificateError::Make { hosts: name, source })
}

/// Signs a certificate that does not outlive its authority.
pub(super) fn issue(
    authority: &Authority,
    host: &str,
    now: i64,
    lifetimes: Lifetimes,
) -> Result<Leaf, CertificateError> {
    let mut validity = Validity::from(now, lifetimes.certificate);
    if let Some(of_authority) = validity_of(authority.certificate()) {
        validity.end = validity.end.min(of_authority.end);
        validity.start = validity.start.max(of_authority.start);
    }
    authority
        .issue(host, &[host.to_owned()], validity)
        .map_err(|source| CertificateError::Make {
            hosts: host.to_owned(),
            source,
        })
}

/// Every certificate in a PEM text, each as PEM of its own; what is no certificate is left out.
pub fn certificates_in(pem: &[u8]) -> Vec<String> {
    CertificateDer::pem_slice_iter(pem)
        .filter_map(Result::ok)
        .filter(|der| validity(der).is_ok())
        .map(|der| crate::tls::certificate_pem(&der))
        .collect()
}

fn validity_of(pem: &str) -> Option<Validity> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    validity(&der).ok()
}

fn authority(
    data: &BTreeMap<String, Vec<u8>>,
    certificate: &'static str,
    key: &'static str,
) -> Result<Authority, Unfit> {
    Authority::from_pem(text(data, certificate)?, text(data, key)?)
        .map_err(|source| Unfit::Authority(certificate, source))
}

fn text<'a>(data: &'a BTreeMap<String, Vec<u8>>, key: &'static str) -> Result<&'a str, Unfit> {
    let bytes = data.get(key).ok_or(Unfit::Missing(key))?;
    std::str::from_utf8(bytes).map_err(|_| Unfit::NoText(key))
}
