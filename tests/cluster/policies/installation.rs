//! An installation of a story: a namespace with ConfigMaps of policies, and replicas that serve them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::Method;
use runstamp::builtin;
use runstamp::policy_file::{ConfigMapFiles, ConfigMaps};
use runstamp::store::{PolicyTexts, load};
use serde_json::{Value, json};

use super::line::Line;
use crate::cluster::stage::{Cluster, admitted, expect, wait_until};
use crate::support::control_plane::access::Answer;
use crate::support::control_plane::{Kubectl, User};
use crate::support::runstamp::{Options, RunstampServer, binary};

/// Nothing listens on this port of loopback.
const NOBODY: &str = "https://127.0.0.1:1";

/// Far more than an edit takes to arrive, so that only a defect meets it.
const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) const LAST_GOOD: &str = "runstamp-last-good-policies";

pub(crate) struct Installation {
    pub(crate) cluster: &'static Cluster,
    pub(crate) namespace: String,
}

impl Installation {
    /// A namespace of its own, without any replica.
    pub(crate) fn new(cluster: &'static Cluster, story: &str) -> Self {
        let namespace = format!("policies-{story}");
        let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
        cluster.create_object("/api/v1/namespaces", &object);
        // Without one nobody would call the replicas, which keeps them from being ready. No Run meets it.
        let configuration = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": { "name": namespace },
            "webhooks": [],
        });
        let path = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
        cluster.create_object(path, &configuration);
        Self { cluster, namespace }
    }

    /// Starts a replica and waits until it is ready.
    pub(crate) fn replica(&self, name: &str) -> RunstampServer {
        self.replica_with(name, &[])
    }

    pub(crate) fn replica_with(&self, name: &str, arguments: &[&str]) -> RunstampServer {
        let kubeconfig = self.cluster.plane().kubeconfig(&User::Admin).unwrap();
        self.start(name, arguments, &kubeconfig)
    }

    /// A replica that reaches the API server by a line.
    pub(crate) fn replica_on_a_line(&self, name: &str) -> (RunstampServer, Line) {
        let plane = self.cluster.plane();
        let direct = std::fs::read_to_string(plane.kubeconfig(&User::Admin).unwrap()).unwrap();
        let (_, rest) = direct.split_once("https://").unwrap();
        let end = rest.find(|character: char| !character.is_ascii_digit() && !matches!(character, '.' | ':'));
        let address = &rest[..end.unwrap()];
        let line = Line::to(address.to_owned());
        let path = plane.folder().join(format!("{}-{name}.kubeconfig", self.namespace));
        std::fs::write(&path, direct.replace(address, &line.address.to_string())).unwrap();
        (self.start(name, &[], &path), line)
    }

    fn start(&self, name: &str, arguments: &[&str], kubeconfig: &Path) -> RunstampServer {
        let plane = self.cluster.plane();
        let mut all = vec!["--namespace", &self.namespace, "--replica", name];
        all.extend(["--webhook-configuration", &self.namespace, "--shutdown-delay", "0s"]);
        all.extend(arguments);
        let options = Options {
            name: &format!("{}-{name}", self.namespace),
            arguments: &all,
            environment: &[("KUBECONFIG", kubeconfig)],
            ..Options::default()
        };
        RunstampServer::start(plane, &binary(Path::new(env!("CARGO_BIN_EXE_runstamp"))), &options).unwrap()
    }

    /// Sends edits of this namespace's policies to a replica, or to nobody, and waits until that is in force.
    pub(crate) fn judge_edits(&self, replica: Option<&RunstampServer>) {
        let url = replica.map_or(NOBODY, RunstampServer::url);
        let configuration = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": { "name": format!("{}-edits", self.namespace) },
            "webhooks": [{
                "name": "policies.runstamp.dev",
                "clientConfig": {
                    "url": format!("{url}/validate-policies"),
                    "caBundle": self.cluster.plane().ca_bundle(),
                },
                "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": self.namespace } },
                "objectSelector": { "matchLabels": { "runstamp.dev/policies": "true" } },
                "rules": [{
                    "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"],
                    "operations": ["CREATE", "UPDATE", "DELETE"],
                }],
                "failurePolicy": "Ignore",
                "timeoutSeconds": 3,
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }],
        });
        let path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
        let named = format!("{path}/{}-edits", self.namespace);
        self.cluster.admin(Method::DELETE, &named, None);
        self.cluster.create_object(path, &configuration);
        let probe = self.config_map(
            "probe",
            &[("probe.yaml", "apiVersion: runstamp.dev/v1alpha1\nkind: Nothing\n")],
        );
        wait_until("edits are judged", || {
            let answer = self.send(Method::POST, &format!("{}?dryRun=All", self.path("")), &probe);
            expect(answer.is_success() != replica.is_some(), &answer)
        });
    }

    pub(crate) fn config_map(&self, name: &str, files: &[(&str, &str)]) -> Value {
        let data: BTreeMap<_, _> = files.iter().copied().collect();
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": name,
                "namespace": self.namespace,
                "labels": { "runstamp.dev/policies": "true" },
            },
            "data": data,
        })
    }

    fn path(&self, name: &str) -> String {
        let slash = if name.is_empty() { "" } else { "/" };
        format!("/api/v1/namespaces/{}/configmaps{slash}{name}", self.namespace)
    }

    fn send(&self, method: Method, path: &str, object: &Value) -> Answer {
        self.cluster.admin(method, path, Some(object))
    }

    /// Creates or replaces a ConfigMap.
    pub(crate) fn put(&self, object: &Value) -> Answer {
        let name = object["metadata"]["name"].as_str().unwrap();
        let answer = self.send(Method::PUT, &self.path(name), object);
        if answer.code != 404 {
            return answer;
        }
        self.send(Method::POST, &self.path(""), object)
    }

    /// Creates or replaces a ConfigMap with these files, which must be let through.
    #[track_caller]
    pub(crate) fn store(&self, name: &str, files: &[(&str, &str)]) -> Vec<String> {
        let answer = self.put(&self.config_map(name, files));
        let warnings = answer.warnings.clone();
        admitted(answer);
        warnings
    }

    #[track_caller]
    pub(crate) fn delete(&self, name: &str) -> Vec<String> {
        let answer = self.cluster.admin(Method::DELETE, &self.path(name), None);
        assert!(answer.is_success(), "{answer:?}");
        answer.warnings
    }

    pub(crate) fn get(&self, name: &str) -> Option<Value> {
        let answer = self.cluster.admin(Method::GET, &self.path(name), None);
        answer.is_success().then_some(answer.body)
    }

    /// `kubectl` of an administrator in this namespace.
    pub(crate) fn kubectl(&self, arguments: &[&str], stdin: &str) -> Kubectl {
        let mut all = vec!["--namespace", &self.namespace];
        all.extend(arguments);
        self.cluster.plane().kubectl(&User::Admin, &all, stdin).unwrap()
    }

    /// Waits until the last good policies are kept, and are those of these ConfigMaps.
    pub(crate) fn wait_until_kept(&self, maps: &[(&str, &[(&str, &str)])]) {
        let digest = config_maps(maps).digest();
        let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        wait_until("the last good policies are kept", || {
            let kept = self.get(LAST_GOOD).unwrap_or_default();
            let found = &kept["metadata"]["annotations"]["runstamp.dev/digest"];
            let is_met = *found == json!(format!("sha256:{digits}"));
            if is_met { Ok(()) } else { Err(format!("{found}")) }
        });
    }
}

pub(crate) fn config_maps(maps: &[(&str, &[(&str, &str)])]) -> ConfigMaps {
    let mut all = ConfigMaps::default();
    for (name, files) in maps {
        let data = files.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned()));
        all.insert(
            *name,
            ConfigMapFiles {
                data: data.collect(),
                ..ConfigMapFiles::default()
            },
        );
    }
    all
}

/// The digest of the set that the built-ins and these ConfigMaps are.
pub(crate) fn digest(maps: &[(&str, &[(&str, &str)])]) -> String {
    let texts = PolicyTexts {
        own: builtin::policies(),
        config_maps: Arc::new(config_maps(maps)),
    };
    load(texts).unwrap().digest().as_str().to_owned()
}

/// Waits until `/readyz` says these things, and says how long that took and what else it says.
#[track_caller]
pub(crate) fn wait_for(replica: &RunstampServer, expected: &Value) -> (Duration, Value) {
    let begun = Instant::now();
    loop {
        let report = replica.readiness().unwrap_or_default();
        let mut fields = expected.as_object().unwrap().iter();
        if fields.all(|(field, value)| report[field] == *value) {
            return (begun.elapsed(), report);
        }
        assert!(begun.elapsed() < DEADLINE, "expected {expected}, found {report}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A policy that does something.
pub(crate) fn policy(name: &str) -> String {
    format!(
        "apiVersion: runstamp.dev/v1alpha1\nkind: RunPolicy\nmetadata:\n  name: {name}\nspec:\n  match:\n    namespaces: [{name}]\n  inject:\n    annotations:\n      ci.example.com/team: {name}\n"
    )
}

/// A policy of an integration that is not built in.
pub(crate) fn policy_of(name: &str, integration: &str) -> String {
    format!(
        "apiVersion: runstamp.dev/v1alpha1\nkind: RunPolicy\nmetadata:\n  name: {name}\nspec:\n  match:\n    namespaces: [{name}]\n  inject:\n    integrations:\n      {integration}:\n        channel: {name}\n"
    )
}

pub(crate) fn integration(name: &str) -> String {
    format!(
        "apiVersion: runstamp.dev/v1alpha1\nkind: Integration\nmetadata:\n  name: {name}\nspec:\n  prefix: {name}.example.com\n  config:\n    channel: {{}}\n"
    )
}

/// A policy with a misspelt field, on line 6.
pub(crate) fn misspelt(name: &str) -> String {
    policy(name).replace("  match:", "  mtach:")
}
