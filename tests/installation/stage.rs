//! The installation that the stories share: an API server of their own, the shipped Service, replicas behind it.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use axum::http::Method;
use serde_json::{Value, json};

use crate::installation::balancer::Balancer;
use crate::installation::editions::{self, Editions};
use crate::installation::load::{Load, Tolerance};
use crate::installation::replica::Replica;
use crate::support::control_plane::access::Answer;
use crate::support::control_plane::programs::say;
use crate::support::control_plane::{ControlPlane, Kubectl, Start, User};
use crate::support::manifests::{self, Local};
use crate::support::runstamp::{self, Options, RunstampServer};

pub(crate) const ALICE: User = User::Person("alice");

/// As many as a Deployment of Runstamp has.
const REPLICAS: usize = 2;

/// How long a replica serves after SIGTERM. The balancer takes it out of its list 200 to 300 ms after that: a machine
/// that compiles at the same time may take twice as long.
const SHUTDOWN_DELAY: &str = "1s";

/// How long an authority is published before it signs. The API server sees what is published within milliseconds, and a
/// busy one within some hundred.
const TRUST_DELAY: &str = "1s";

/// How long anything may take that happens by itself.
const PATIENCE: Duration = Duration::from_secs(60);

const STARTER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/policies/starter");

/// What a Pod of Runstamp is known by.
pub(crate) const NAMESPACE: &str = "runstamp";

const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";

/// An installation with its cluster.
pub(crate) struct Installation {
    plane: ControlPlane,
    balancer: Balancer,
    replicas: Vec<Replica>,
    /// Those that were asked to end, until they have.
    ending: Vec<Replica>,
    /// How many replicas there ever were: no name comes twice.
    started: usize,
    policies: PathBuf,
    editions: Arc<Editions>,
}

static SHARED: OnceLock<Option<Mutex<Installation>>> = OnceLock::new();

/// The installation, with two ready replicas, for one story at a time; none, said once and loudly, where this machine
/// cannot have one.
pub(crate) fn installation() -> Option<MutexGuard<'static, Installation>> {
    let shared = SHARED.get_or_init(|| Installation::start().map(Mutex::new)).as_ref()?;
    // A story that failed leaves an installation that the next one mends.
    let mut installation = shared.lock().unwrap_or_else(PoisonError::into_inner);
    installation.mend();
    Some(installation)
}

impl Installation {
    fn start() -> Option<Self> {
        let plane = match ControlPlane::start().unwrap() {
            Start::Running(plane) => *plane,
            Start::Missing(sentence) => {
                let required = std::env::var("RUNSTAMP_CLUSTER").is_ok_and(|value| value == "required");
                assert!(!required, "{sentence} (RUNSTAMP_CLUSTER=required)");
                say(&format!("SKIPPED, nothing was proven: {sentence}"));
                return None;
            }
        };
        let forbidden =
            TcpListener::bind(("127.1.0.1", 443)).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
        if forbidden {
            say("SKIPPED the stories of an installation: this user may not listen on port 443");
            return None;
        }
        for crd in manifests::crds().unwrap() {
            create(&plane, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &crd);
        }
        let service = install(&plane);
        let policies = plane.folder().join("policies");
        std::fs::create_dir(&policies).unwrap();
        let editions = Arc::new(Editions::first());
        let installation = Self {
            balancer: Balancer::start(service).unwrap(),
            plane,
            replicas: Vec::new(),
            ending: Vec::new(),
            started: 0,
            policies,
            editions,
        };
        installation.write_edition(installation.editions.newest());
        Some(installation)
    }

    /// Brings back what a story may have left broken: two ready replicas, and Runs that are stamped.
    fn mend(&mut self) {
        self.balancer.release();
        self.plane.continue_etcd().unwrap();
        self.plane.wait_until_ready().unwrap();
        for replica in std::mem::take(&mut self.ending) {
            self.balancer.forget(&replica.name);
        }
        self.remove_leases_of_the_dead();
        while self.replicas.len() < REPLICAS {
            self.add_replica();
        }
        self.wait_until_stamped("default");
    }

    /// The API server.
    pub(crate) fn plane(&self) -> &ControlPlane {
        &self.plane
    }

    /// The way to the replicas.
    pub(crate) fn balancer(&self) -> &Balancer {
        &self.balancer
    }

    /// The replicas that were not asked to end.
    pub(crate) fn replicas(&self) -> &[Replica] {
        &self.replicas
    }

    /// Begins to create Runs in a new namespace, and waits until some were.
    pub(crate) fn load(&self, namespace: &str, tolerance: Tolerance) -> Load {
        self.namespace(namespace, json!({}));
        let load = Load::start(self.plane.access(), namespace, Arc::clone(&self.editions), tolerance);
        load.wait_for_more(1);
        load
    }

    /// A new namespace, whose Runs are stamped, or left alone where its labels say so.
    pub(crate) fn namespace(&self, name: &str, labels: Value) {
        let namespace = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": { "name": name, "labels": labels },
        });
        create(&self.plane, "/api/v1/namespaces", &namespace);
    }

    /// Starts a replica and waits until connections go to it.
    pub(crate) fn add_replica(&mut self) {
        self.started += 1;
        let name = format!("runstamp-{}", self.started);
        let policies = self.policies.display().to_string();
        let kubeconfig = self.plane.access().token_kubeconfig(NAMESPACE, "runstamp").unwrap();
        let options = Options {
            name: &name,
            // It keeps a certificate of its own.
            server_names: &[],
            arguments: &[
                "--namespace",
                NAMESPACE,
                "--replica",
                &name,
                "--trust-delay",
                TRUST_DELAY,
                "--policies",
                STARTER,
                "--policies",
                &policies,
                "--shutdown-delay",
                SHUTDOWN_DELAY,
            ],
            environment: &[("KUBECONFIG", &kubeconfig)],
            ..Options::default()
        };
        let program = runstamp::binary(Path::new(env!("CARGO_BIN_EXE_runstamp")));
        let server = RunstampServer::launch(&self.plane, &program, &options).unwrap();
        let mut replica = Replica::new(name, server);
        self.balancer.add(&replica.name, replica.admission(), replica.probes());
        replica.wait_until_ready();
        wait_until("the new replica is listed", || {
            let listed = self.balancer.listed();
            expect(listed.contains(&replica.name), &listed)
        });
        self.replicas.push(replica);
    }

    /// Sends SIGTERM to the oldest replica and does not wait.
    pub(crate) fn end_oldest(&mut self) {
        let mut oldest = self.replicas.remove(0);
        oldest.ask_to_end();
        self.ending.push(oldest);
    }

    /// Sends SIGKILL to the oldest replica; connections go to it until its absence is noticed.
    pub(crate) fn kill_oldest(&mut self) -> String {
        let oldest = self.replicas.remove(0);
        let name = oldest.name.clone();
        oldest.kill();
        self.balancer.forget(&name);
        name
    }

    /// Waits for the end of all replicas that were asked to: each must have answered everybody.
    pub(crate) fn wait_for_ends(&mut self) {
        for replica in std::mem::take(&mut self.ending) {
            let name = replica.name.clone();
            replica.wait_for_end();
            let listed = self.balancer.listed();
            assert!(
                !listed.contains(&name),
                "{name} has ended and is still listed: {listed:?}"
            );
            self.balancer.forget(&name);
        }
    }

    /// Replaces every replica, as a Deployment with maxSurge 1 and maxUnavailable 0 does: a new one, then an old one
    /// is asked to end, and the next new one does not wait for it. After the first, while there are a new one, an old
    /// one and one that is ending, something else may happen.
    pub(crate) fn roll(&mut self, load: &Load, meanwhile: impl FnOnce(&Self)) {
        let mut meanwhile = Some(meanwhile);
        for _ in 0..self.replicas.len() {
            self.add_replica();
            self.end_oldest();
            if let Some(meanwhile) = meanwhile.take() {
                meanwhile(self);
            }
            load.check();
        }
        self.wait_for_ends();
        load.check();
    }

    /// Publishes the next edition of the policies and does not wait.
    pub(crate) fn edit(&self) {
        self.write_edition(self.editions.begin_next());
    }

    /// Waits until every replica that answers anybody has the newest edition; how long that took.
    pub(crate) fn wait_until_live(&self) -> Duration {
        let begun = Instant::now();
        let wanted = editions::digest(self.editions.newest());
        wait_until("all replicas have the newest policies", || self.is_live(&wanted));
        self.editions.retire_older();
        begun.elapsed()
    }

    fn is_live(&self, wanted: &str) -> Result<(), String> {
        // One that is ending answers until it has ended.
        let sets = self.replicas.iter().chain(&self.ending).filter_map(Replica::policy_set);
        let sets: BTreeSet<String> = sets.collect();
        expect(sets.iter().all(|set| set == wanted), &sets)
    }

    fn write_edition(&self, edition: u64) {
        let unfinished = self.plane.folder().join("editions.new");
        std::fs::write(&unfinished, editions::policy(edition)).unwrap();
        std::fs::rename(&unfinished, self.policies.join("editions.yaml")).unwrap();
    }

    /// Sends a Run as somebody, in a namespace.
    pub(crate) fn create(&self, user: &User, namespace: &str, run: &Value) -> Answer {
        let plural = run["kind"].as_str().unwrap().to_lowercase();
        let path = format!("/apis/tekton.dev/v1/namespaces/{namespace}/{plural}s");
        self.plane.request(user, Method::POST, &path, JSON, Some(run)).unwrap()
    }

    /// Changes a Run as somebody.
    pub(crate) fn merge(&self, user: &User, run: &Value, patch: &Value) -> Answer {
        let plural = run["kind"].as_str().unwrap().to_lowercase();
        let (namespace, name) = (&run["metadata"]["namespace"], &run["metadata"]["name"]);
        let (namespace, name) = (namespace.as_str().unwrap(), name.as_str().unwrap());
        let path = format!("/apis/tekton.dev/v1/namespaces/{namespace}/{plural}s/{name}");
        self.plane
            .request(user, Method::PATCH, &path, MERGE, Some(patch))
            .unwrap()
    }

    /// The API server sees new configurations a little later.
    fn wait_until_stamped(&self, namespace: &str) {
        let probe = json!({
            "apiVersion": "tekton.dev/v1",
            "kind": "PipelineRun",
            "metadata": { "name": "probe", "annotations": { "chains.tekton.dev/signed": "true" } },
            "spec": { "pipelineRef": { "name": "probe" } },
        });
        let path = format!("/apis/tekton.dev/v1/namespaces/{namespace}/pipelineruns?dryRun=All");
        wait_until("Runs are stamped", || {
            let answer = self.plane.request(&ALICE, Method::POST, &path, JSON, Some(&probe));
            let answer = answer.map_err(|error| format!("{error:#}"))?;
            let is_stamped = answer.is_success() && editions::of(&answer.body).is_some();
            expect(is_stamped, &answer)
        });
    }
}

/// Creates what an administrator does; the address of the Service.
fn install(plane: &ControlPlane) -> SocketAddr {
    let [namespace, service]: [Value; 2] = manifests::namespace_and_service().unwrap().try_into().unwrap();
    create(plane, "/api/v1/namespaces", &namespace);
    let account = json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": { "name": "runstamp", "namespace": NAMESPACE },
    });
    create(plane, "/api/v1/namespaces/runstamp/serviceaccounts", &account);
    let service = create(plane, "/api/v1/namespaces/runstamp/services", &service);
    let rights = include_str!("rights.yaml");
    plane
        .kubectl(&User::Admin, &["create", "-f", "-"], rights)
        .and_then(Kubectl::succeeded)
        .unwrap();
    let local = Local {
        suffix: "",
        url: None,
        // The replicas publish theirs.
        ca_bundle: "",
        namespaces: None,
    };
    for configuration in manifests::local_webhooks(&local).unwrap() {
        let kind = configuration["kind"].as_str().unwrap().to_lowercase();
        create(
            plane,
            &format!("/apis/admissionregistration.k8s.io/v1/{kind}s"),
            &configuration,
        );
    }
    let address = service["spec"]["clusterIP"].as_str().unwrap();
    format!("{address}:{}", service["spec"]["ports"][0]["port"])
        .parse()
        .unwrap()
}

/// Creates an object as the administrator.
fn create(plane: &ControlPlane, path: &str, object: &Value) -> Value {
    let answer = plane
        .request(&User::Admin, Method::POST, path, JSON, Some(object))
        .unwrap();
    assert!(answer.is_success(), "{path} refused {object}: {answer:?}");
    answer.body
}

/// Waits for something that happens by itself soon; an `Err` says what is seen instead.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> Result<(), String>) {
    let start = Instant::now();
    while let Err(seen) = condition() {
        let waited = start.elapsed();
        assert!(
            waited < PATIENCE,
            "waited {} s in vain until {what}: {seen}",
            waited.as_secs()
        );
        std::thread::sleep(Duration::from_millis(25));
    }
}

/// What [`wait_until`] wants to know.
pub(crate) fn expect(is_met: bool, seen: &impl std::fmt::Debug) -> Result<(), String> {
    if is_met { Ok(()) } else { Err(format!("{seen:?}")) }
}
