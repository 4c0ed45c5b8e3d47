//! The installation that the stories share: an API server of their own, the shipped Service, replicas behind it.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use hyper::Method;
use serde_json::{Value, json};

use crate::installation::balancer::Balancer;
use crate::installation::editions::{self, Editions};
use crate::installation::load::{Load, Tolerance};
use crate::installation::replica::Replica;
use crate::installation::shipped::{container, install};
use crate::support::control_plane::access::Answer;
use crate::support::control_plane::programs::say;
use crate::support::control_plane::{ControlPlane, Start, User};
use crate::support::manifests;
use crate::support::runstamp::{self, Options, RunstampServer};

pub(crate) const ALICE: User = User::Person("alice");

/// As many as a Deployment of Runstamp has.
const REPLICAS: usize = 2;

/// How long a replica serves after SIGTERM, instead of 5 s. The balancer takes it out of its list 200 to 300 ms after that: a machine
/// that compiles at the same time may take twice as long.
const SHUTDOWN_DELAY: &str = "1s";

/// How long an authority is published before it signs, instead of 30 s. The API server sees what is published within milliseconds, and a
/// busy one within some hundred.
const TRUST_DELAY: &str = "1s";

/// How long anything may take that happens by itself.
const PATIENCE: Duration = Duration::from_secs(60);

const CONFIG_MAPS: &str = "/api/v1/namespaces/runstamp/configmaps";

/// Runstamp's own.
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
    editions: Arc<Editions>,
    /// Whether a story has deleted the installation.
    is_gone: bool,
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
        let installation = Self {
            balancer: Balancer::start(service).unwrap(),
            plane,
            replicas: Vec::new(),
            ending: Vec::new(),
            started: 0,
            editions: Arc::new(Editions::first()),
            is_gone: false,
        };
        installation.write_edition(installation.editions.newest());
        Some(installation)
    }

    /// Brings back what a story may have left broken: two ready replicas, and Runs that are stamped.
    fn mend(&mut self) {
        self.balancer.release();
        self.plane.continue_etcd().unwrap();
        self.plane.wait_until_ready().unwrap();
        if std::mem::take(&mut self.is_gone) {
            // A Service that is created again has another address.
            self.balancer = Balancer::start(install(&self.plane)).unwrap();
            self.write_edition(self.editions.newest());
        }
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
        self.add_replica_with(|_| {});
    }

    /// The same with other arguments than those of the Deployment.
    pub(crate) fn add_replica_with(&mut self, change: impl FnOnce(&mut Vec<String>)) {
        let mut replica = self.launch_with(change);
        replica.wait_until_ready();
        wait_until("the new replica is listed", || {
            let listed = self.balancer.listed();
            expect(listed.contains(&replica.name), &listed)
        });
        self.replicas.push(replica);
    }

    /// Starts a replica as the Deployment says, with the token of its service account, and does not wait.
    ///
    /// Beside the Deployment there are free ports, since all replicas share one address, and shorter delays.
    pub(crate) fn launch(&mut self) -> Replica {
        self.launch_with(|_| {})
    }

    fn launch_with(&mut self, change: impl FnOnce(&mut Vec<String>)) -> Replica {
        self.started += 1;
        let name = format!("runstamp-{}", self.started);
        let mut shipped = container(&self.plane, &name);
        change(&mut shipped.arguments);
        let mut arguments: Vec<&str> = shipped.arguments.iter().map(String::as_str).collect();
        arguments.extend(["--trust-delay", TRUST_DELAY, "--shutdown-delay", SHUTDOWN_DELAY]);
        let kubeconfig = self.plane.access().token_kubeconfig(NAMESPACE, "runstamp").unwrap();
        let variables = shipped.environment.iter();
        let mut environment: Vec<(&str, &Path)> = variables.map(|(name, value)| (&**name, &**value)).collect();
        // Instead of the files that the kubelet mounts.
        environment.push(("KUBECONFIG", &kubeconfig));
        let options = Options {
            name: &name,
            // It keeps a certificate of its own.
            server_names: &[],
            arguments: &arguments,
            environment: &environment,
            ..Options::default()
        };
        let program = runstamp::binary(Path::new(env!("CARGO_BIN_EXE_runstamp")));
        let server = RunstampServer::launch(&self.plane, &program, &options).unwrap();
        let replica = Replica::new(name, server);
        self.balancer.add(&replica.name, replica.admission(), replica.probes());
        replica
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
        self.wait_until_so_many_are_ending(0);
    }

    fn wait_until_so_many_are_ending(&mut self, most: usize) {
        let ended = self.ending.len().saturating_sub(most);
        for replica in self.ending.drain(..ended) {
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
    /// one and one that is ending, something else may happen. The last may still be ending then.
    pub(crate) fn roll(&mut self, load: &Load, meanwhile: impl FnOnce(&Self)) {
        let mut meanwhile = Some(meanwhile);
        for _ in 0..self.replicas.len() {
            self.add_replica();
            self.end_oldest();
            if let Some(meanwhile) = meanwhile.take() {
                meanwhile(self);
            }
            load.check();
            self.wait_until_so_many_are_ending(1);
        }
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
        let object = editions::config_map(edition);
        let send = |method, path: &str| {
            self.plane
                .request(&User::Admin, method, path, JSON, Some(&object))
                .unwrap()
        };
        let mut answer = send(Method::PUT, &format!("{CONFIG_MAPS}/{}", editions::CONFIG_MAP));
        if answer.code == 404 {
            answer = send(Method::POST, CONFIG_MAPS);
        }
        assert!(answer.is_success() && answer.warnings.is_empty(), "{answer:#?}");
    }

    /// The installation was deleted: the next story has another one.
    pub(crate) fn note_uninstall(&mut self) {
        self.is_gone = true;
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
