//! A server in this process, with decisions that tests can foresee.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use runstamp::cert::{CertificateRequest, GeneratedPair, generate};
use runstamp::domain::decision::{Decision, Lineage};
use runstamp::domain::policy_set::PolicySet;
use runstamp::domain::words::RunKind;
use runstamp::policy_file::PolicyText;
use runstamp::review::{LabelsOf, NotAReview, Reply, Stance, Subject, Webhook};
use runstamp::server::{Config, Drain, Limits, Readiness, Server, now};
use runstamp::store::PolicyStore;
use runstamp::telemetry::Metrics;
use runstamp::tls::{ServingIdentity, ServingPair};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::client::TlsStream;

use crate::client::{Client, Greeting, connect, connect_plain};

/// Longest wait for anything: far more than a busy machine takes, so that only a defect meets it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A server that serves until it is stopped.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) plain_address: SocketAddr,
    pub(crate) authority: String,
    pub(crate) policies: Arc<PolicyStore>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) readiness: Arc<Readiness>,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<bool>,
}

impl TestServer {
    pub(crate) fn start() -> Self {
        Self::start_with(|_| {})
    }

    /// Starts with a configuration that `change` has had its way with.
    pub(crate) fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let pair = certificate();
        let identity = Arc::new(ServingIdentity::new(serving_pair(&pair)));
        Self::start_as(identity, pair.authority, change)
    }

    pub(crate) fn start_as(
        identity: Arc<ServingIdentity>,
        authority: String,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let metrics = Arc::new(Metrics::new());
        let mut config = Config {
            listen: "127.0.0.1:0".parse().unwrap(),
            listen_plain: "127.0.0.1:0".parse().unwrap(),
            limits: Limits::default(),
            drain: Drain {
                delay: Duration::ZERO,
                grace: DEADLINE,
            },
            stance: Stance::default(),
            answer: allow,
            policies: Arc::new(PolicyStore::open(policies("one"), Arc::clone(&metrics), now()).unwrap()),
            identity,
            gate: None,
            metrics,
            readiness: Arc::new(Readiness::default()),
            namespaces: None,
        };
        change(&mut config);
        let server = Server::bind(config.clone()).unwrap();
        let (stop, stopped) = oneshot::channel();
        Self {
            address: server.address(),
            plain_address: server.plain_address(),
            authority,
            policies: config.policies,
            metrics: config.metrics,
            readiness: config.readiness,
            stop: Some(stop),
            serving: tokio::spawn(server.serve(async {
                let _ = stopped.await;
            })),
        }
    }

    pub(crate) fn greeting(&self) -> Greeting {
        Greeting {
            trusts: vec![self.authority.clone()],
            ..Greeting::default()
        }
    }

    pub(crate) async fn client(&self) -> Client<TlsStream<TcpStream>> {
        connect(self.address, self.greeting().config()).await.unwrap()
    }

    pub(crate) async fn probe(&self, path: &str) -> crate::client::Answer {
        connect_plain(self.plain_address).await.get(path).await
    }

    /// Asks the server to end, as a signal would.
    pub(crate) fn stop(&mut self) {
        self.take_stop().send(()).unwrap();
    }

    /// What asks the server to end, for whoever shares it.
    pub(crate) fn take_stop(&mut self) -> oneshot::Sender<()> {
        self.stop.take().unwrap()
    }

    /// Waits for the end; whether nothing was dropped.
    pub(crate) async fn ended(self) -> bool {
        within(self.serving).await.unwrap()
    }

    /// The value of a metric, named with its labels as in the scrape.
    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        let text = self.metrics.render();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map(|value| value.parse().unwrap())
    }
}

/// A certificate for localhost.
pub(crate) fn certificate() -> GeneratedPair {
    generate(&CertificateRequest {
        hosts: vec!["localhost".to_owned()],
        now: u64::try_from(now()).unwrap(),
        days: 1,
    })
    .unwrap()
}

pub(crate) fn serving_pair(pair: &GeneratedPair) -> ServingPair {
    ServingPair::from_pem(pair.certificate.as_bytes(), pair.key.as_bytes(), "the test").unwrap()
}

/// A policy set that differs from others by its name.
pub(crate) fn policies(name: &str) -> Vec<PolicyText> {
    vec![PolicyText {
        name: format!("{name}.yaml"),
        content: policy(name).into_bytes(),
        builtin: false,
    }]
}

/// A RunPolicy without rules.
pub(crate) fn policy(name: &str) -> String {
    format!("apiVersion: runstamp.dev/v1alpha1\nkind: RunPolicy\nmetadata: {{name: {name}}}\nspec: {{}}\n")
}

/// Waits for something that must come.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future)
        .await
        .expect("the deadline is far")
}

/// Waits until a condition holds.
pub(crate) async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let mut pause = tokio::time::interval(Duration::from_millis(5));
    let holds = async {
        while !condition().await {
            pause.tick().await;
        }
    };
    assert!(tokio::time::timeout(DEADLINE, holds).await.is_ok(), "never: {what}");
}

/// A review of a PipelineRun, with as many bytes of script as asked for.
pub(crate) fn review(uid: &str, padding: usize) -> String {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": uid,
            "kind": {"group": "tekton.dev", "version": "v1", "kind": "PipelineRun"},
            "resource": {"group": "tekton.dev", "version": "v1", "resource": "pipelineruns"},
            "namespace": "ci",
            "operation": "CREATE",
            "userInfo": {"username": "alice"},
            "object": {
                "apiVersion": "tekton.dev/v1",
                "kind": "PipelineRun",
                "metadata": {"name": uid, "namespace": "ci"},
                "spec": {"pipelineSpec": {"tasks": [{"taskSpec": {"steps": [{"script": "#".repeat(padding)}]}}]}}
            }
        }
    })
    .to_string()
}

/// Allows everything, in the words of the API server, and says in a warning how the server stands.
pub(crate) fn allow<'a>(
    webhook: Webhook,
    body: &'a [u8],
    set: &PolicySet,
    stance: Stance,
    _: LabelsOf<'_>,
) -> Result<Reply<'a>, NotAReview> {
    let review: Value = serde_json::from_slice(body).map_err(|error| NotAReview(error.to_string()))?;
    let uid = review["request"]["uid"]
        .as_str()
        .ok_or_else(|| NotAReview("no uid".to_owned()))?;
    let warning = format!("{webhook:?} {stance:?} {}", set.digest().as_str());
    let body = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {"uid": uid, "allowed": true, "warnings": [warning]}
    });
    Ok(Reply {
        body: body.to_string().into_bytes(),
        subject: Subject {
            uid: uid.to_owned().into(),
            kind: Some(RunKind::PipelineRun),
            operation: "CREATE",
            namespace: "ci".into(),
            name: "build".into(),
            user: "alice".into(),
            dry_run: false,
        },
        decision: Decision::untouched(Some(Lineage::Root)),
        outcome: "allow",
    })
}
