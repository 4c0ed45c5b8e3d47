//! Certificates that an installation keeps for itself: two replicas, one Secret, one caBundle, and what befalls them.

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hyper::Method;
use runstamp::certificates::certificates_in;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use serde_json::{Value, json};

use crate::cluster::stage::{Cluster, cluster, wait_until};
use crate::support::control_plane::User;
use crate::support::runstamp::{Options, RunstampServer, binary};

const KINDS: [&str; 2] = ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"];

/// An installation in a namespace of its own, with webhook configurations of its own that no Run meets.
struct Story {
    cluster: &'static Cluster,
    name: &'static str,
}

impl Story {
    fn begin(name: &'static str) -> Option<Self> {
        let cluster = cluster()?;
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
        cluster.create_object("/api/v1/namespaces", &namespace);
        let story = Self { cluster, name };
        for (kind, plural) in ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"]
            .iter()
            .zip(KINDS)
        {
            let path = format!("/apis/admissionregistration.k8s.io/v1/{plural}");
            cluster.create_object(&path, &story.configuration(kind));
        }
        Some(story)
    }

    /// Two entries of this installation, and one that belongs to somebody else.
    fn configuration(&self, kind: &str) -> Value {
        let entry = |name: &str, service: &str| {
            json!({
                "name": format!("{name}.{}.example.com", self.name),
                "rules": [{
                    "operations": ["CREATE"],
                    "apiGroups": ["nothing.example.com"],
                    "apiVersions": ["v1"],
                    "resources": ["nothings"],
                }],
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
                "clientConfig": { "service": { "namespace": self.name, "name": service, "path": "/mutate" } },
            })
        };
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": kind,
            "metadata": { "name": self.name },
            "webhooks": [entry("one", "runstamp"), entry("other", "somebody-else"), entry("two", "runstamp")],
        })
    }

    /// Writes the caBundle of every entry, as cert-manager or a person does.
    fn publish(&self, bundle: &str) {
        for (kind, plural) in ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"]
            .iter()
            .zip(KINDS)
        {
            let path = format!("/apis/admissionregistration.k8s.io/v1/{plural}/{}", self.name);
            let mut fresh = self.configuration(kind);
            for webhook in fresh["webhooks"].as_array_mut().unwrap() {
                webhook["clientConfig"]["caBundle"] = json!(bundle);
            }
            let stored = self.cluster.admin(Method::GET, &path, None).body;
            fresh["metadata"]["resourceVersion"] = stored["metadata"]["resourceVersion"].clone();
            let answer = self.cluster.admin(Method::PUT, &path, Some(&fresh));
            assert!(answer.is_success(), "{answer:?}");
        }
    }

    fn launch(&self, replica: &str) -> RunstampServer {
        self.launch_with(replica, &[])
    }

    /// Starts a replica with a certificate of the cluster's authority for these names, or with none.
    fn launch_with(&self, replica: &str, certificate_for: &[&str]) -> RunstampServer {
        let kubeconfig = self.cluster.plane().kubeconfig(&User::Admin).unwrap();
        let process = format!("{}-{replica}", self.name);
        let options = Options {
            name: &process,
            server_names: certificate_for,
            arguments: &[
                "--namespace",
                self.name,
                "--replica",
                replica,
                "--webhook-configuration",
                self.name,
                "--trust-delay",
                "300ms",
                "--shutdown-delay",
                "0s",
            ],
            environment: &[("KUBECONFIG", &kubeconfig)],
            ..Options::default()
        };
        let program = binary(Path::new(env!("CARGO_BIN_EXE_runstamp")));
        RunstampServer::launch(self.cluster.plane(), &program, &options).unwrap()
    }

    fn start(&self, replica: &str) -> RunstampServer {
        let mut server = self.launch(replica);
        server.wait_until_ready().unwrap();
        server
    }

    fn secret_path(&self) -> String {
        format!("/api/v1/namespaces/{}/secrets/runstamp-certificates", self.name)
    }

    /// What the Secret holds under a key; nothing where it is not there.
    fn held(&self, key: &str) -> Option<String> {
        let secret = self.cluster.admin(Method::GET, &self.secret_path(), None);
        let value = secret.body["data"].get(key)?.as_str()?;
        Some(String::from_utf8(BASE64.decode(value).unwrap()).unwrap())
    }

    /// The caBundles of this installation's entries, all of them.
    fn bundles(&self) -> BTreeSet<String> {
        let mut bundles = BTreeSet::new();
        for plural in KINDS {
            let path = format!("/apis/admissionregistration.k8s.io/v1/{plural}/{}", self.name);
            let configuration = self.cluster.admin(Method::GET, &path, None).body;
            for webhook in configuration["webhooks"].as_array().unwrap() {
                let client = &webhook["clientConfig"];
                let bundle = client["caBundle"].as_str().unwrap_or_default();
                if client["service"]["name"] == "runstamp" {
                    bundles.insert(String::from_utf8(BASE64.decode(bundle).unwrap()).unwrap());
                } else {
                    assert_eq!(bundle, "", "what belongs to somebody else is left alone");
                }
            }
        }
        bundles
    }

    /// Whether all replicas show what the Secret holds, and everybody is told to trust exactly what it says.
    fn agrees(&self, servers: &[&RunstampServer]) -> Result<(), String> {
        let (Some(bundle), Some(certificate)) = (self.held("ca.crt"), self.held("tls.crt")) else {
            return Err("there is no Secret".to_owned());
        };
        let published = self.bundles();
        if published != BTreeSet::from([bundle.clone()]) {
            return Err(format!("published: {published:?}"));
        }
        let expected = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        for server in servers {
            let shown = handshake(server, &bundle, self.name)?;
            if shown != expected {
                return Err("a replica shows another certificate".to_owned());
            }
        }
        Ok(())
    }

    #[track_caller]
    fn wait_until_agreed(&self, servers: &[&RunstampServer]) {
        wait_until("Secret, caBundle and replicas agree", || self.agrees(servers));
    }

    fn rotate(&self, what: &str) {
        let patch = json!({ "metadata": { "annotations": { "runstamp.dev/rotate": what } } });
        let answer = self
            .cluster
            .plane()
            .request(
                &User::Admin,
                Method::PATCH,
                &self.secret_path(),
                "application/merge-patch+json",
                Some(&patch),
            )
            .unwrap();
        assert!(answer.is_success(), "{answer:?}");
    }

    fn replace_secret(&self, data: Value) {
        let mut secret = self.cluster.admin(Method::GET, &self.secret_path(), None).body;
        secret["data"] = data;
        let answer = self.cluster.admin(Method::PUT, &self.secret_path(), Some(&secret));
        assert!(answer.is_success(), "{answer:?}");
    }
}

/// The certificate that a replica shows to a client that trusts `authorities`, or why the client hangs up.
fn handshake(server: &RunstampServer, authorities: &str, namespace: &str) -> Result<CertificateDer<'static>, String> {
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(authorities.as_bytes()) {
        roots.add(authority.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(format!("runstamp.{namespace}.svc")).unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = TcpStream::connect(server.url().strip_prefix("https://").unwrap()).unwrap();
    while connection.is_handshaking() {
        connection
            .complete_io(&mut stream)
            .map_err(|error| format!("the handshake failed: {error}"))?;
    }
    let shown = connection.peer_certificates().and_then(<[_]>::first);
    Ok(shown.unwrap().clone().into_owned())
}

fn authorities(bundle: &str) -> usize {
    certificates_in(bundle.as_bytes()).len()
}

#[test]
fn two_replicas_that_start_at_once_agree_on_one_authority() {
    let Some(story) = Story::begin("cert-start") else {
        return;
    };
    let (mut one, mut two) = (story.launch("one"), story.launch("two"));
    one.wait_until_ready().unwrap();
    two.wait_until_ready().unwrap();
    story.wait_until_agreed(&[&one, &two]);
    assert_eq!(authorities(&story.held("ca.crt").unwrap()), 1);
    // One that comes later takes what is there.
    let before = story.held("tls.crt");
    let three = story.start("three");
    story.wait_until_agreed(&[&one, &two, &three]);
    assert_eq!(story.held("tls.crt"), before);
    let leases = format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases", story.name);
    let names = || {
        let answer = story.cluster.admin(Method::GET, &leases, None);
        let items = answer.body["items"].as_array().unwrap().clone();
        items
            .iter()
            .map(|lease| lease["metadata"]["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    wait_until("each replica has a Lease", || {
        expect_names(&names(), &["one", "three", "two"])
    });
    assert!(three.terminate(std::time::Duration::from_secs(60)).unwrap());
    wait_until("the replica that left has none", || {
        expect_names(&names(), &["one", "two"])
    });
}

fn expect_names(found: &[String], expected: &[&str]) -> Result<(), String> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{found:?}"))
    }
}

#[test]
fn what_is_taken_away_by_hand_comes_back() {
    let Some(story) = Story::begin("cert-heal") else { return };
    let (one, two) = (story.start("one"), story.start("two"));
    let servers = [&one, &two];
    story.wait_until_agreed(&servers);
    let (bundle, certificate) = (story.held("ca.crt"), story.held("tls.crt"));

    // The caBundle is emptied, as by somebody who applies an old file.
    story.publish("");
    story.wait_until_agreed(&servers);
    assert_eq!(
        (story.held("ca.crt"), story.held("tls.crt")),
        (bundle.clone(), certificate.clone())
    );

    // The Secret is deleted: what was in it is put back by those who know.
    let answer = story.cluster.admin(Method::DELETE, &story.secret_path(), None);
    assert!(answer.is_success(), "{answer:?}");
    story.wait_until_agreed(&servers);
    assert_eq!(
        (story.held("ca.crt"), story.held("tls.crt")),
        (bundle.clone(), certificate.clone())
    );

    // It is filled with something else.
    story.replace_secret(json!({ "authority.crt": BASE64.encode("none"), "tls.key": BASE64.encode("none") }));
    story.wait_until_agreed(&servers);
    assert_eq!(
        (story.held("ca.crt"), story.held("tls.crt")),
        (bundle.clone(), certificate)
    );

    // Only the certificate is lost: it is signed anew, by the same authority.
    let mut data = story.cluster.admin(Method::GET, &story.secret_path(), None).body["data"].clone();
    data["tls.crt"] = json!(BASE64.encode("none"));
    story.replace_secret(data);
    wait_until("there is a certificate again", || {
        let found = story.held("tls.crt").unwrap_or_default();
        if found.contains("BEGIN CERTIFICATE") {
            Ok(())
        } else {
            Err(found)
        }
    });
    story.wait_until_agreed(&servers);
    assert_eq!(story.held("ca.crt"), bundle);
}

#[test]
fn a_replica_that_finds_no_secret_keeps_trusting_what_others_may_show() {
    let Some(story) = Story::begin("cert-orphan") else {
        return;
    };
    let one = story.start("one");
    story.wait_until_agreed(&[&one]);
    let before = story.held("ca.crt").unwrap();
    assert!(one.terminate(std::time::Duration::from_secs(60)).unwrap());
    story.cluster.admin(Method::DELETE, &story.secret_path(), None);
    // Nobody is left who knows the Secret: a new authority, and the old one is still published for a while.
    let two = story.launch("two");
    let mut seen_both = false;
    wait_until("a new authority is alone", || {
        let bundle = story.held("ca.crt").unwrap_or_default();
        seen_both |= authorities(&bundle) == 2 && bundle.contains(before.trim());
        let is_alone = authorities(&bundle) == 1 && bundle != before;
        if is_alone { Ok(()) } else { Err(bundle) }
    });
    assert!(seen_both, "the old authority was published beside the new one");
    story.wait_until_agreed(&[&two]);
}

#[test]
fn a_certificate_and_an_authority_are_replaced_when_somebody_asks() {
    let Some(story) = Story::begin("cert-rotate") else {
        return;
    };
    let (one, two) = (story.start("one"), story.start("two"));
    let servers = [&one, &two];
    story.wait_until_agreed(&servers);

    let (bundle, certificate) = (story.held("ca.crt").unwrap(), story.held("tls.crt"));
    story.rotate("certificate");
    wait_until("there is another certificate", || {
        expect_change(&story.held("tls.crt"), &certificate)
    });
    story.wait_until_agreed(&servers);
    assert_eq!(story.held("ca.crt").as_ref(), Some(&bundle), "the authority stays");

    story.rotate("authority");
    // Whatever is seen on the way: every certificate that a replica shows is trusted by what was published then.
    let mut most = 0;
    wait_until("another authority is alone", || {
        let published = story.bundles();
        for server in servers {
            for bundle in &published {
                handshake(server, bundle, story.name).unwrap();
            }
        }
        let current = story.held("ca.crt").unwrap();
        most = most.max(authorities(&current));
        let is_over = authorities(&current) == 1 && current != bundle;
        if is_over { Ok(()) } else { Err(current) }
    });
    assert_eq!(most, 2, "old and new overlap");
    story.wait_until_agreed(&servers);
    let secret = story.cluster.admin(Method::GET, &story.secret_path(), None).body;
    assert_eq!(secret["metadata"]["annotations"]["runstamp.dev/rotate"], Value::Null);

    // A word that nobody knows changes nothing, and is told.
    let certificate = story.held("tls.crt");
    story.rotate("everything");
    wait_until("it is told", || {
        let log = one.log();
        if log.contains("expected certificate or authority") {
            Ok(())
        } else {
            Err(log)
        }
    });
    assert_eq!(story.held("tls.crt"), certificate);
}

fn expect_change(found: &Option<String>, before: &Option<String>) -> Result<(), String> {
    if found.is_some() && found != before {
        Ok(())
    } else {
        Err(format!("{found:?}"))
    }
}

#[test]
fn without_webhook_configurations_a_replica_is_not_ready_and_says_why() {
    let Some(cluster) = cluster() else { return };
    let name = "cert-unregistered";
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
    cluster.create_object("/api/v1/namespaces", &namespace);
    let story = Story { cluster, name };
    let server = story.launch("one");
    wait_until("it says what is missing", || {
        let readiness = server.readiness().unwrap_or_default();
        let says = readiness["missing"] == json!(["caBundle"])
            && readiness["troubles"] == json!(["caBundle: there is no MutatingWebhookConfiguration of that name"]);
        if says { Ok(()) } else { Err(readiness.to_string()) }
    });
}

#[test]
fn a_certificate_that_somebody_else_issues_is_only_watched() {
    let Some(story) = Story::begin("cert-files") else {
        return;
    };
    let mut server = story.launch_with("one", &["runstamp.cert-files.svc"]);
    let says = |expected: &Value| {
        wait_until("the state is told", || {
            let readiness = server.readiness().unwrap_or_default();
            let found = json!({ "missing": readiness["missing"], "troubles": readiness["troubles"] });
            if found == *expected {
                Ok(())
            } else {
                Err(readiness.to_string())
            }
        });
    };
    says(&json!({
        "missing": ["caBundle"],
        "troubles": ["caBundle: an entry of the webhook configurations has no caBundle"],
    }));
    story.publish(&story.cluster.plane().ca_bundle());
    says(&json!({ "missing": [], "troubles": [] }));
    // Trust that is lost later is told, and nobody is turned away for it.
    let stranger = runstamp::cert::generate(&runstamp::cert::CertificateRequest {
        hosts: vec!["localhost".to_owned()],
        now: 1_790_000_000,
        days: 1,
    })
    .unwrap();
    story.publish(&BASE64.encode(stranger.authority));
    says(&json!({
        "missing": [],
        "troubles": ["caBundle: an entry of the webhook configurations does not trust the serving certificate"],
    }));
    server.wait_until_ready().unwrap();
    assert_eq!(story.held("ca.crt"), None, "no Secret is made");
}
