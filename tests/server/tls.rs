//! Handshakes, rotation of certificates, and client certificates.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use runstamp::cert::GeneratedPair;
use runstamp::server::{CertificateFiles, follow_certificate, follow_client_authorities};
use runstamp::tls::{ClientGate, ServingIdentity, ServingPair};
use runstamp::watch::Pace;

use crate::client::{Greeting, connect};
use crate::harness::{TestServer, certificate, eventually, review, within};

/// Changes are noticed by events alone: the poll lies beyond every deadline.
pub(crate) const PACE: Pace = Pace {
    settle: Duration::from_millis(20),
    patience: Duration::from_millis(200),
    poll: Duration::from_secs(3_600),
};

#[tokio::test(flavor = "multi_thread")]
async fn both_versions_of_tls_are_spoken_and_only_http_1() {
    let server = TestServer::start();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let greeting = Greeting {
            versions: vec![version],
            alpn: vec!["h2", "http/1.1"],
            ..server.greeting()
        };
        let mut client = connect(server.address, greeting.config()).await.unwrap();
        let connection = client.stream.get_ref().1;
        assert_eq!(connection.protocol_version(), Some(version.version));
        assert_eq!(connection.alpn_protocol(), Some(&b"http/1.1"[..]));
        assert_eq!(within(client.post("/mutate", &review("a", 0))).await.status, 200);
    }
    let greeting = Greeting {
        alpn: vec!["h2"],
        ..server.greeting()
    };
    assert!(connect(server.address, greeting.config()).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_not_resumed() {
    let server = TestServer::start();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let greeting = Greeting {
            versions: vec![version],
            ..server.greeting()
        };
        // The client would resume: it keeps what it gets in its configuration.
        let config = greeting.config();
        for attempt in 0..2 {
            let mut client = connect(server.address, Arc::clone(&config)).await.unwrap();
            within(client.post("/mutate", &review("a", 0))).await;
            let kind = client.stream.get_ref().1.handshake_kind();
            assert_eq!(
                kind,
                Some(rustls::HandshakeKind::Full),
                "{version:?}, attempt {attempt}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_trusts_another_authority_is_counted() {
    let server = TestServer::start();
    let greeting = Greeting {
        trusts: vec![certificate().authority],
        ..Greeting::default()
    };
    assert!(connect(server.address, greeting.config()).await.is_err());
    eventually("the handshake is counted", async || {
        server.metric("runstamp_rejected_requests_total{reason=\"handshake\"}") == Some(1.0)
    })
    .await;
}

/// Puts a pair where the kubelet would: in a folder of its own, to which a symlink is moved.
fn mount(folder: &Path, revision: &str, certificate: &str, key: &str) {
    let data = folder.join(format!("..{revision}"));
    fs::create_dir(&data).unwrap();
    fs::write(data.join("tls.crt"), certificate).unwrap();
    fs::write(data.join("tls.key"), key).unwrap();
    let fresh = folder.join("..data_tmp");
    symlink(format!("..{revision}"), &fresh).unwrap();
    fs::rename(&fresh, folder.join("..data")).unwrap();
    for name in ["tls.crt", "tls.key"] {
        if !folder.join(name).exists() {
            symlink(format!("..data/{name}"), folder.join(name)).unwrap();
        }
    }
}

/// A server that shows the mounted certificate and follows it.
fn follow(folder: &Path, first: &GeneratedPair) -> TestServer {
    mount(folder, "first", &first.certificate, &first.key);
    let files = CertificateFiles {
        certificate: folder.join("tls.crt"),
        key: folder.join("tls.key"),
    };
    let pair = ServingPair::from_files(&files.certificate, &files.key).unwrap();
    let identity = Arc::new(ServingIdentity::new(pair));
    let server = TestServer::start_as(Arc::clone(&identity), first.authority.clone(), |_| {});
    tokio::spawn(follow_certificate(identity, files, Arc::clone(&server.metrics), PACE));
    server
}

async fn accepts(server: &TestServer, authority: &str) -> bool {
    let greeting = Greeting {
        trusts: vec![authority.to_owned()],
        ..Greeting::default()
    };
    connect(server.address, greeting.config()).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_for_new_connections() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second, third) = (certificate(), certificate(), certificate());
    let server = follow(folder.path(), &first);
    let mut open = server.client().await;
    assert_eq!(within(open.post("/mutate", &review("before", 0))).await.status, 200);

    for (revision, pair) in [("second", &second), ("third", &third)] {
        mount(folder.path(), revision, &pair.certificate, &pair.key);
        eventually("the new certificate is shown", async || {
            accepts(&server, &pair.authority).await
        })
        .await;
        assert!(!accepts(&server, &first.authority).await);
        let answer = within(open.post("/mutate", &review(revision, 0))).await;
        assert_eq!(answer.json()["response"]["uid"], revision, "the old connection goes on");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_pair_keeps_the_old_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (certificate(), certificate());
    let server = follow(folder.path(), &first);
    let failures = || server.metric("runstamp_certificate_load_failures_total");
    let broken = [
        ("mismatch", second.certificate.as_str(), first.key.as_str()),
        ("empty", "", ""),
        (
            "half",
            &second.certificate[..second.certificate.len() / 2],
            second.key.as_str(),
        ),
    ];
    for (number, (revision, certificate, key)) in broken.iter().enumerate() {
        mount(folder.path(), revision, certificate, key);
        let expected = Some((number + 1) as f64);
        eventually("the failure is counted", async || failures() == expected).await;
        assert!(accepts(&server, &first.authority).await, "{revision}");
    }
    mount(folder.path(), "second", &second.certificate, &second.key);
    eventually("the mended pair is shown", async || {
        accepts(&server, &second.authority).await
    })
    .await;
}

/// An authority that certifies clients.
fn client_authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A client's certificate and key.
fn client_identity(
    authority: &CertifiedIssuer<'static, KeyPair>,
    common_name: &str,
    dns_name: &str,
    usage: ExtendedKeyUsagePurpose,
) -> Option<(String, String)> {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![dns_name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.extended_key_usages = vec![usage];
    let certificate = params.signed_by(&key, authority).unwrap();
    Some((certificate.pem(), key.serialize_pem()))
}

#[tokio::test(flavor = "multi_thread")]
async fn client_certificates_are_required_and_must_carry_a_name() {
    let authority = client_authority();
    let names = vec!["kube-apiserver".to_owned(), "api.example.com".to_owned()];
    let gate = ClientGate::new(authority.pem().as_bytes(), names, "the test").unwrap();
    let server = TestServer::start_with(|config| config.gate = Some(Arc::new(gate)));
    let usage = ExtendedKeyUsagePurpose::ClientAuth;
    let identity = |common_name, dns_name| client_identity(&authority, common_name, dns_name, usage.clone());
    let cases = [
        ("common name", identity("kube-apiserver", "other"), true),
        ("DNS name", identity("other", "api.example.com"), true),
        ("another name", identity("other", "other.example.com"), false),
        ("no certificate", None, false),
        (
            "another authority",
            client_identity(&client_authority(), "kube-apiserver", "other", usage.clone()),
            false,
        ),
        (
            "a server's certificate",
            client_identity(
                &authority,
                "kube-apiserver",
                "other",
                ExtendedKeyUsagePurpose::ServerAuth,
            ),
            false,
        ),
    ];
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for (name, identity, expected) in &cases {
            let greeting = Greeting {
                versions: vec![version],
                identity: identity.clone(),
                ..server.greeting()
            };
            assert_eq!(
                within(is_served(&server, greeting)).await,
                *expected,
                "{name}, {version:?}"
            );
        }
    }
}

/// Whether a client gets an answer; with TLS 1.3 it learns only then that it was not let in.
async fn is_served(server: &TestServer, greeting: Greeting) -> bool {
    let Ok(mut client) = connect(server.address, greeting.config()).await else {
        return false;
    };
    let body = review("a", 0);
    let request = format!("{}{body}", crate::client::post_head("/mutate", body.len()));
    client.send(request.as_bytes()).await.is_ok() && client.try_answer().await.is_ok_and(|answer| answer.status == 200)
}

#[tokio::test(flavor = "multi_thread")]
async fn client_authorities_are_followed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.crt");
    let (first, second) = (client_authority(), client_authority());
    fs::write(&file, first.pem()).unwrap();
    let gate = Arc::new(ClientGate::from_file(&file, Vec::new()).unwrap());
    let server = TestServer::start_with(|config| config.gate = Some(Arc::clone(&gate)));
    tokio::spawn(follow_client_authorities(
        gate,
        file.clone(),
        Arc::clone(&server.metrics),
        PACE,
    ));
    let identity = client_identity(&second, "api", "api.example.com", ExtendedKeyUsagePurpose::ClientAuth);
    let greeting = Greeting {
        identity,
        ..server.greeting()
    };
    assert!(!is_served(&server, greeting.clone()).await);
    fs::write(&file, second.pem()).unwrap();
    eventually("the new authority is trusted", async || {
        is_served(&server, greeting.clone()).await
    })
    .await;
    fs::write(&file, "").unwrap();
    eventually("the empty file is counted", async || {
        server.metric("runstamp_certificate_load_failures_total") == Some(1.0)
    })
    .await;
    assert!(is_served(&server, greeting).await, "the last authorities stay");
}
