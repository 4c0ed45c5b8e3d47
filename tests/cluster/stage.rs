//! The API server that the stories share, their namespaces, and who acts in them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use hyper::Method;
use serde_json::{Value, json};

use crate::support::control_plane::access::Answer;
use crate::support::control_plane::programs::say;
use crate::support::control_plane::{ControlPlane, Start, User};
use crate::support::manifests::{self, Local};
use crate::support::runstamp::{self, Options, RunstampServer};

pub(crate) use namespace::Namespace;

mod namespace;

pub(crate) const ALICE: User = User::Person("alice");
pub(crate) const BOB: User = User::Person("bob");

/// The label that says which installation of Runstamp guards a namespace.
const GUARD_LABEL: &str = "tests.runstamp.dev/guard";

/// Nothing listens on this port of loopback.
const NOBODY: &str = "https://127.0.0.1:1";

/// How long the API server may take to see a new CRD or webhook configuration.
const PROPAGATION: Duration = Duration::from_secs(60);

const JSON: &str = "application/json";

/// Which installation of Runstamp the Runs of a namespace are sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Guard {
    /// None: the webhooks are not registered.
    Off,
    /// One that serves the built-ins.
    Builtins,
    /// One that serves the starter policies besides.
    Starter,
    /// One that serves the starter policies and the pack for OpenShift.
    OpenShift,
    /// One that serves the starter policies and the pack for Konflux.
    Konflux,
    /// One that serves the pack for the worker clusters of MultiKueue.
    MultiKueue,
    /// One that serves the policy which shows the host of the trigger.
    TriggerHosts,
    /// One that is registered as shipped and reached through the shipped Service.
    Service,
    /// One that is registered as shipped and does not answer.
    Down,
    /// The same, except that every call without an answer is refused: it shows which requests are sent at all.
    DownAndStrict,
}

impl Guard {
    fn label(self) -> Option<&'static str> {
        match self {
            Self::Off => None,
            Self::Builtins => Some("builtins"),
            Self::Starter => Some("starter"),
            Self::OpenShift => Some("openshift"),
            Self::Konflux => Some("konflux"),
            Self::MultiKueue => Some("multikueue"),
            Self::TriggerHosts => Some("trigger-hosts"),
            Self::Service => Some("service"),
            Self::Down => Some("down"),
            Self::DownAndStrict => Some("down-and-strict"),
        }
    }

    /// The arguments of its server, or nothing where there is none.
    fn arguments(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Builtins | Self::Service => Some(&[]),
            Self::Starter => Some(&["--policies", concat!(env!("CARGO_MANIFEST_DIR"), "/policies/starter")]),
            Self::OpenShift => Some(&[
                "--policies",
                concat!(env!("CARGO_MANIFEST_DIR"), "/policies/starter"),
                "--policies",
                concat!(env!("CARGO_MANIFEST_DIR"), "/policies/optional/openshift"),
            ]),
            Self::Konflux => Some(&[
                "--policies",
                concat!(env!("CARGO_MANIFEST_DIR"), "/policies/starter"),
                "--policies",
                concat!(env!("CARGO_MANIFEST_DIR"), "/policies/optional/konflux"),
            ]),
            Self::MultiKueue => Some(&[
                "--policies",
                concat!(env!("CARGO_MANIFEST_DIR"), "/policies/optional/multikueue"),
            ]),
            Self::TriggerHosts => Some(&[
                "--policies",
                concat!(env!("CARGO_MANIFEST_DIR"), "/policies/tests/hosts"),
            ]),
            Self::Off | Self::Down | Self::DownAndStrict => None,
        }
    }
}

/// An API server with the CRDs of the Runs, and installations of Runstamp as stories need them.
pub(crate) struct Cluster {
    plane: ControlPlane,
    /// A server that did not start is tried once: every story that wants it says why.
    installed: Mutex<BTreeMap<Guard, Result<Option<RunstampServer>, String>>>,
}

static SHARED: OnceLock<Result<Option<Cluster>, String>> = OnceLock::new();

/// The shared cluster; none, said once and loudly, where this machine cannot have one.
pub(crate) fn cluster() -> Option<&'static Cluster> {
    let start = || Cluster::start(&manifests::crds().unwrap()).map_err(|error| format!("{error:#}"));
    SHARED
        .get_or_init(start)
        .as_ref()
        .unwrap_or_else(|error| panic!("{error}"))
        .as_ref()
}

impl Cluster {
    /// Starts an API server with these CRDs.
    pub(crate) fn start(crds: &[Value]) -> anyhow::Result<Option<Self>> {
        Self::start_with(crds, &[])
    }

    /// The same with further arguments for the API server.
    pub(crate) fn start_with(crds: &[Value], arguments: &[String]) -> anyhow::Result<Option<Self>> {
        let plane = match ControlPlane::start_with(arguments)? {
            Start::Running(plane) => *plane,
            Start::Missing(sentence) => {
                let required = std::env::var("RUNSTAMP_CLUSTER").is_ok_and(|value| value == "required");
                assert!(!required, "{sentence} (RUNSTAMP_CLUSTER=required)");
                say(&format!("SKIPPED, nothing was proven: {sentence}"));
                return Ok(None);
            }
        };
        let cluster = Self {
            plane,
            installed: Mutex::new(BTreeMap::from([(Guard::Off, Ok(None))])),
        };
        for crd in crds {
            cluster.create_object("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd);
            for path in served_paths(crd) {
                wait_until(&format!("{path} is served"), || {
                    let answer = cluster.admin(Method::GET, &path, None);
                    expect(answer.is_success(), &answer)
                });
            }
        }
        Ok(Some(cluster))
    }

    /// A namespace of its own for a story, guarded from its first Run on.
    pub(crate) fn namespace(&self, name: &str, guard: Guard) -> Namespace<'_> {
        let labels = guard.label().map_or(json!({}), |label| json!({ GUARD_LABEL: label }));
        let namespace = self.labelled_namespace(name, guard, labels);
        namespace.wait_until_guarded(guard);
        namespace
    }

    /// A namespace that is registered as guarded and says by a label of its own that it wants not to be.
    pub(crate) fn excluded_namespace(&self, name: &str, guard: Guard) -> Namespace<'_> {
        self.labelled_namespace(
            name,
            guard,
            json!({ GUARD_LABEL: guard.label(), "runstamp.dev/exclude": "" }),
        )
    }

    fn labelled_namespace(&self, name: &str, guard: Guard, labels: Value) -> Namespace<'_> {
        self.install(guard);
        let namespace = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": { "name": name, "labels": labels },
        });
        self.create_object("/api/v1/namespaces", &namespace);
        Namespace {
            cluster: self,
            name: name.to_owned(),
        }
    }

    /// Creates an object as the administrator.
    pub(crate) fn create_object(&self, path: &str, object: &Value) -> Value {
        let answer = self.admin(Method::POST, path, Some(object));
        assert!(answer.is_success(), "{path} refused {object}: {answer:?}");
        assert_eq!(answer.warnings, [""; 0], "{object}");
        answer.body
    }

    /// A request as the administrator.
    pub(crate) fn admin(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        self.plane.request(&User::Admin, method, path, JSON, body).unwrap()
    }

    /// The API server itself.
    pub(crate) fn plane(&self) -> &ControlPlane {
        &self.plane
    }

    /// Starts an installation of Runstamp and registers it, the first time that a story wants it.
    fn install(&self, guard: Guard) {
        let mut installed = self.installed.lock().unwrap_or_else(PoisonError::into_inner);
        let installation = installed.entry(guard).or_insert_with(|| {
            let server = self.start_server(guard).map_err(|error| format!("{error:#}"))?;
            self.register_guard(guard, server.as_ref());
            Ok(server)
        });
        let failure = installation.as_ref().err().cloned();
        drop(installed);
        if let Some(failure) = failure {
            panic!("{failure}");
        }
    }

    fn start_server(&self, guard: Guard) -> anyhow::Result<Option<RunstampServer>> {
        let Some(arguments) = guard.arguments() else {
            return Ok(None);
        };
        let listen = if guard == Guard::Service {
            self.shipped_service()
        } else {
            "127.0.0.1:0".to_owned()
        };
        let options = Options {
            name: &format!("runstamp-{}", guard.label().unwrap()),
            listen: &listen,
            server_names: &["127.0.0.1", "runstamp.runstamp.svc"],
            arguments,
            ..Options::default()
        };
        let program = runstamp::binary(Path::new(env!("CARGO_BIN_EXE_runstamp")));
        RunstampServer::start(&self.plane, &program, &options).map(Some)
    }

    /// Registers the shipped webhooks for the namespaces that a guard has.
    fn register_guard(&self, guard: Guard, server: Option<&RunstampServer>) {
        let url = (guard != Guard::Service).then(|| server.map_or(NOBODY, RunstampServer::url));
        self.register(guard.label().unwrap(), url, guard == Guard::DownAndStrict);
    }

    /// Registers the shipped webhooks for the namespaces with this label; without a URL the shipped Service stays.
    fn register(&self, label: &str, url: Option<&str>, is_strict: bool) {
        let local = Local {
            suffix: &format!("-{label}"),
            url,
            ca_bundle: &self.plane.ca_bundle(),
            namespaces: Some(json!({ "key": GUARD_LABEL, "operator": "In", "values": [label] })),
        };
        let mut configurations = manifests::local_webhooks(&local).unwrap();
        if is_strict {
            configurations.iter_mut().for_each(refuse_without_answer);
        }
        for configuration in &configurations {
            let kind = configuration["kind"].as_str().unwrap().to_lowercase();
            self.create_object(&format!("/apis/admissionregistration.k8s.io/v1/{kind}s"), configuration);
        }
    }

    /// A namespace that a server of the story's own guards; the story starts it and keeps it.
    pub(crate) fn namespace_guarded_by(&self, name: &str, server: &RunstampServer) -> Namespace<'_> {
        self.namespace_guarded_at(name, Some(server.url()))
    }

    /// The same for whoever answers there; without a URL the shipped Service does.
    pub(crate) fn namespace_guarded_at(&self, name: &str, url: Option<&str>) -> Namespace<'_> {
        let namespace = self.namespace_sent_to(name, url);
        namespace.wait_until_guarded(Guard::Builtins);
        namespace
    }

    /// The same without waiting for an answer: there may be none.
    pub(crate) fn namespace_sent_to(&self, name: &str, url: Option<&str>) -> Namespace<'_> {
        self.register(name, url, false);
        self.labelled_namespace(name, Guard::Off, json!({ GUARD_LABEL: name }))
    }

    /// Creates the shipped Service and says on which address it is reached: one of loopback.
    pub(crate) fn shipped_service(&self) -> String {
        self.own_namespace();
        let service = &manifests::namespace_and_service().unwrap()[1];
        let created = self.create_object("/api/v1/namespaces/runstamp/services", service);
        let address = created["spec"]["clusterIP"].as_str().unwrap();
        format!("{address}:{}", created["spec"]["ports"][0]["port"])
    }

    /// Runstamp's own namespace, as shipped.
    pub(crate) fn own_namespace(&self) -> Namespace<'_> {
        let namespace = &manifests::namespace_and_service().unwrap()[0];
        let answer = self.admin(Method::POST, "/api/v1/namespaces", Some(namespace));
        assert!(answer.is_success() || answer.code == 409, "{answer:?}");
        Namespace {
            cluster: self,
            name: namespace["metadata"]["name"].as_str().unwrap().to_owned(),
        }
    }
}

fn refuse_without_answer(configuration: &mut Value) {
    for webhook in configuration["webhooks"].as_array_mut().unwrap() {
        webhook["failurePolicy"] = json!("Fail");
    }
}

/// The collections that a CRD serves.
fn served_paths(crd: &Value) -> Vec<String> {
    let plural = crd["spec"]["names"]["plural"].as_str().unwrap();
    let versions = crd["spec"]["versions"].as_array().unwrap();
    let path = |version: &Value| format!("/apis/tekton.dev/{}/{plural}", version["name"].as_str().unwrap());
    versions.iter().map(path).collect()
}

/// Waits for something that the API server does by itself soon; an `Err` says what is seen instead.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> Result<(), String>) {
    let start = Instant::now();
    while let Err(seen) = condition() {
        let waited = start.elapsed();
        assert!(
            waited < PROPAGATION,
            "waited {} s in vain until {what}: {seen}",
            waited.as_secs()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What [`wait_until`] wants to know about a request.
pub(crate) fn expect(is_met: bool, answer: &impl std::fmt::Debug) -> Result<(), String> {
    if is_met { Ok(()) } else { Err(format!("{answer:?}")) }
}

/// The value of an annotation.
pub(crate) fn annotation<'a>(run: &'a Value, key: &str) -> Option<&'a str> {
    run["metadata"]["annotations"].get(key)?.as_str()
}

/// The value of a label.
pub(crate) fn label<'a>(run: &'a Value, key: &str) -> Option<&'a str> {
    run["metadata"]["labels"].get(key)?.as_str()
}

/// The finalizers.
pub(crate) fn finalizers(run: &Value) -> Vec<&str> {
    run["metadata"]["finalizers"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// The body of an answer that must be a yes.
#[track_caller]
pub(crate) fn admitted(answer: Answer) -> Value {
    assert!(answer.is_success(), "refused: {answer:#?}");
    answer.body
}

/// One document of YAML.
pub(crate) fn yaml(text: &str) -> Value {
    manifests::parse(text).unwrap().remove(0)
}
