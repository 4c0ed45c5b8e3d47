//! An authority and what it signs, on P-256 keys: a handshake with them costs a quarter of one with RSA.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::{CertificateError, Validity, parse};

/// A certificate authority with its key.
pub struct Authority {
    certificate: String,
    key: KeyPair,
}

/// A serving certificate with its key, as PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Leaf {
    /// The certificate.
    pub certificate: String,
    /// Its private key, PKCS#8.
    pub key: String,
}

impl std::fmt::Debug for Leaf {
    /// Leaves the private key out, so that no log can hold it.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Leaf")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Authority {
    /// Leaves the private key out, so that no log can hold it.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Authority")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

impl Authority {
    /// Makes an authority that signs serving certificates and nothing else.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn generate(common_name: &str, validity: Validity) -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = named(common_name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        set_validity(&mut params, validity);
        let certificate = params.self_signed(&key)?.pem();
        Ok(Self { certificate, key })
    }

    /// Takes an authority from PEM.
    ///
    /// # Errors
    /// When one of both is no PEM, or the key is not the certificate's.
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, CertificateError> {
        // What the libraries say may quote the input, and the input is a private key.
        let key = KeyPair::from_pem(key).map_err(|_| CertificateError::Read("the key is no private key".to_owned()))?;
        let der = CertificateDer::from_pem_slice(certificate.as_bytes())
            .map_err(|_| CertificateError::Read("there is no PEM certificate".to_owned()))?;
        let parsed = parse(&der)?;
        if !parsed.is_ca() {
            return Err(CertificateError::Read(
                "the certificate is not an authority's".to_owned(),
            ));
        }
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err(CertificateError::Read("the key is not the certificate's".to_owned()));
        }
        Ok(Self {
            certificate: certificate.to_owned(),
            key,
        })
    }

    /// The certificate, as PEM: what clients trust.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// The private key, as PEM.
    pub fn key(&self) -> String {
        self.key.serialize_pem()
    }

    /// Signs a new serving certificate for these hosts.
    ///
    /// # Errors
    /// When a host is no name.
    pub fn issue(&self, common_name: &str, hosts: &[String], validity: Validity) -> Result<Leaf, rcgen::Error> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::new(hosts)?;
        params.distinguished_name = named(common_name);
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        set_validity(&mut params, validity);
        let issuer = Issuer::from_ca_cert_pem(&self.certificate, &self.key)?;
        let certificate = params.signed_by(&key, &issuer)?.pem();
        Ok(Leaf {
            certificate,
            key: key.serialize_pem(),
        })
    }
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

fn set_validity(params: &mut CertificateParams, validity: Validity) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let seconds = |moment: i64| std::time::Duration::from_secs(u64::try_from(moment).unwrap_or_default());
    params.not_before = epoch + seconds(validity.start);
    params.not_after = epoch + seconds(validity.end);
}
