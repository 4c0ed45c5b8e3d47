//! Certificates: making a throwaway authority with a serving certificate, and reading when one expires.
//!
//! Nothing here touches files or clocks: the present moment is an argument.

mod authority;

pub use authority::{Authority, Leaf};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// The names that a serving certificate for local work carries unless others are given.
pub const DEFAULT_HOSTS: [&str; 4] = ["localhost", "127.0.0.1", "::1", "runstamp.runstamp.svc"];

/// How far the start of validity lies in the past, in seconds, so that a client whose clock is slow accepts the
/// certificate at once.
const CLOCK_SKEW: i64 = 5 * 60;

/// In seconds.
const DAY: i64 = 24 * 60 * 60;

/// Years of four digits end here; X.509 and the library know none beyond, so a longer validity is refused.
const LONGEST_VALIDITY_DAYS: u32 = 100 * 365;

/// What a generated pair is for and how long it holds.
#[derive(Debug, Clone)]
pub struct CertificateRequest {
    /// Host names and IP addresses of the server; the first is the common name.
    pub hosts: Vec<String>,
    /// The present moment, in seconds since 1970.
    pub now: u64,
    /// Days until authority and certificate expire.
    pub days: u32,
}

/// An authority's certificate, and a serving certificate with its key, all as PEM.
///
/// The authority's key is dropped after it has signed: what does not exist cannot be stolen and sign another server.
#[derive(Clone)]
pub struct GeneratedPair {
    /// Certificate of the authority: what clients trust.
    pub authority: String,
    /// The serving certificate.
    pub certificate: String,
    /// Its private key, PKCS#8.
    pub key: String,
}

impl std::fmt::Debug for GeneratedPair {
    /// Leaves the private key out, so that no log can hold it.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("GeneratedPair")
            .field("authority", &self.authority)
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

/// Why no certificate could be made or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// A certificate without a name fits no server.
    #[error("expected at least one host name or IP address, found none")]
    NoHost,
    /// Zero days, or more than X.509 can say.
    #[error("expected a validity of 1 to {LONGEST_VALIDITY_DAYS} days, found {0}")]
    Validity(u32),
    /// The library refused, for instance a host that is no name.
    #[error("failed to make a certificate for {hosts}")]
    Make {
        /// The hosts that were asked for.
        hosts: String,
        /// What the library says.
        #[source]
        source: rcgen::Error,
    },
    /// The bytes are no certificate.
    #[error("failed to read a certificate: {0}")]
    Read(String),
}

/// Makes an authority and a serving certificate on P-256 keys.
///
/// # Errors
/// When there is no host, a host is no name, or the validity is out of range.
pub fn generate(request: &CertificateRequest) -> Result<GeneratedPair, CertificateError> {
    let common_name = request.hosts.first().ok_or(CertificateError::NoHost)?;
    if request.days == 0 || request.days > LONGEST_VALIDITY_DAYS {
        return Err(CertificateError::Validity(request.days));
    }
    sign(request, common_name).map_err(|source| CertificateError::Make {
        hosts: request.hosts.join(", "),
        source,
    })
}

fn sign(request: &CertificateRequest, common_name: &str) -> Result<GeneratedPair, rcgen::Error> {
    let now = i64::try_from(request.now).unwrap_or(i64::MAX);
    let validity = Validity::from(now, i64::from(request.days).saturating_mul(DAY));
    let authority = Authority::generate("runstamp throwaway authority", validity)?;
    let leaf = authority.issue(common_name, &request.hosts, validity)?;
    Ok(GeneratedPair {
        authority: authority.certificate().to_owned(),
        certificate: leaf.certificate,
        key: leaf.key,
    })
}

/// From when to when a certificate holds, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first second.
    pub start: i64,
    /// The last second.
    pub end: i64,
}

impl Validity {
    /// From now on for some seconds.
    pub fn from(now: i64, seconds: i64) -> Self {
        Self {
            start: now.saturating_sub(CLOCK_SKEW),
            end: now.saturating_add(seconds),
        }
    }

    /// When it is time for the next one: after two thirds, so that a third is left to notice that nothing comes.
    pub fn renewal(&self) -> i64 {
        self.start
            .saturating_add((self.end.saturating_sub(self.start) / 3).saturating_mul(2))
    }
}

/// From when to when a certificate holds.
///
/// # Errors
/// When the bytes are no X.509 certificate.
pub fn validity(der: &[u8]) -> Result<Validity, CertificateError> {
    let certificate = parse(der)?;
    Ok(Validity {
        start: certificate.validity().not_before.timestamp(),
        end: certificate.validity().not_after.timestamp(),
    })
}

/// When a certificate expires, in seconds since 1970.
///
/// # Errors
/// When the bytes are no X.509 certificate.
pub fn expiry(der: &[u8]) -> Result<i64, CertificateError> {
    Ok(validity(der)?.end)
}

/// The names that a certificate's owner goes by: DNS names, URIs, mail addresses and the common names.
///
/// # Errors
/// When the bytes are no X.509 certificate.
pub fn names(der: &[u8]) -> Result<Vec<String>, CertificateError> {
    let certificate = parse(der)?;
    let mut names: Vec<String> = certificate
        .subject()
        .iter_common_name()
        .filter_map(|name| name.as_str().ok())
        .map(str::to_owned)
        .collect();
    let alternatives = certificate
        .subject_alternative_name()
        .map_err(|error| CertificateError::Read(error.to_string()))?;
    for name in alternatives.iter().flat_map(|extension| &extension.value.general_names) {
        if let GeneralName::DNSName(text) | GeneralName::URI(text) | GeneralName::RFC822Name(text) = name {
            names.push((*text).to_owned());
        }
    }
    Ok(names)
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, CertificateError> {
    X509Certificate::from_der(der)
        .map(|(_, certificate)| certificate)
        .map_err(|error| CertificateError::Read(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    const NOW: u64 = 1_790_000_000;

    fn request(hosts: &[&str], days: u32) -> CertificateRequest {
        CertificateRequest {
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            now: NOW,
            days,
        }
    }

    fn der(pem: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(pem.as_bytes()).expect("the generated certificate is PEM")
    }

    #[test]
    fn both_certificates_expire_after_the_days_asked_for() {
        for days in [1, 365, LONGEST_VALIDITY_DAYS] {
            let pair = generate(&request(&DEFAULT_HOSTS, days)).expect("the default hosts are names");
            let expected = i64::try_from(NOW + u64::from(days) * 86_400).unwrap();
            assert_eq!(expiry(&der(&pair.certificate)).unwrap(), expected, "{days} days");
            assert_eq!(expiry(&der(&pair.authority)).unwrap(), expected, "{days} days");
        }
    }

    #[test]
    fn the_certificate_carries_every_host() {
        let pair = generate(&request(&DEFAULT_HOSTS, 1)).unwrap();
        let der = der(&pair.certificate);
        let certificate = parse(&der).unwrap();
        let extension = certificate.subject_alternative_name().unwrap().unwrap();
        let text: Vec<String> = extension.value.general_names.iter().map(ToString::to_string).collect();
        assert_eq!(text.len(), DEFAULT_HOSTS.len(), "{text:?}");
        assert!(!certificate.is_ca());
        assert_eq!(
            names(&der).unwrap(),
            ["localhost", "localhost", "runstamp.runstamp.svc"]
        );
    }

    #[test]
    fn what_cannot_be_made_is_said() {
        #[track_caller]
        fn check(hosts: &[&str], days: u32, expected: &str) {
            let error = generate(&request(hosts, days)).expect_err("nothing to be made");
            assert_eq!(error.to_string(), expected);
        }
        check(&[], 1, "expected at least one host name or IP address, found none");
        check(&["localhost"], 0, "expected a validity of 1 to 36500 days, found 0");
        check(
            &["localhost"],
            u32::MAX,
            "expected a validity of 1 to 36500 days, found 4294967295",
        );
        check(
            &["münchen.example"],
            1,
            "failed to make a certificate for münchen.example",
        );
    }

    #[test]
    fn bytes_that_are_no_certificate_are_refused() {
        for bytes in [
            &b""[..],
            b"-----BEGIN CERTIFICATE-----",
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
        ] {
            assert!(expiry(bytes).is_err(), "{bytes:?}");
            assert!(names(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn debug_output_holds_no_key() {
        let pair = generate(&request(&["localhost"], 1)).unwrap();
        let text = format!("{pair:?}");
        assert!(text.contains("BEGIN CERTIFICATE") && !text.contains("PRIVATE KEY"));
    }
}
