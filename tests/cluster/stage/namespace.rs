//! A namespace of a story, and what users do in it.

use hyper::Method;
use serde_json::{Value, json};

use super::{Cluster, GUARD_LABEL, Guard, JSON, admitted, annotation, expect, wait_until};
use crate::support::control_plane::access::Answer;
use crate::support::control_plane::{Kubectl, User};

/// A namespace of a story.
pub(crate) struct Namespace<'a> {
    pub(super) cluster: &'a Cluster,
    pub(crate) name: String,
}

impl Namespace<'_> {
    /// Who acts here from now on.
    pub(crate) fn as_user(&self, user: User) -> Actor<'_> {
        Actor { namespace: self, user }
    }

    /// A Run as it is stored, read by the administrator; none if it is not there.
    pub(crate) fn stored(&self, run: &Value) -> Option<Value> {
        let answer = self.cluster.admin(Method::GET, &self.object_path(run), None);
        match answer.code {
            404 => None,
            200 => Some(answer.body),
            _ => panic!("cannot read {run}: {answer:?}"),
        }
    }

    /// How many Runs of the kind of `run` are stored here.
    pub(crate) fn count(&self, run: &Value) -> usize {
        let answer = self.cluster.admin(Method::GET, &self.collection_path(run), None);
        answer.body["items"]
            .as_array()
            .unwrap_or_else(|| panic!("cannot list: {answer:?}"))
            .len()
    }

    /// From now on Runs of this namespace are sent to another installation.
    pub(crate) fn guard(&self, guard: Guard) {
        self.ask_for(guard);
        self.wait_until_guarded(guard);
    }

    /// Labels the namespace and does not wait for an effect: there may be none.
    pub(crate) fn ask_for(&self, guard: Guard) {
        self.cluster.install(guard);
        let path = format!("/api/v1/namespaces/{}", self.name);
        let patch = json!({ "metadata": { "labels": { GUARD_LABEL: guard.label() } } });
        let merge = "application/merge-patch+json";
        let answer = self
            .cluster
            .plane
            .request(&User::Admin, Method::PATCH, &path, merge, Some(&patch));
        admitted(answer.unwrap());
    }

    /// The API server sees new configurations and labels a little later; both kinds of webhook must be in force.
    pub(super) fn wait_until_guarded(&self, guard: Guard) {
        let probe = |annotations: Value| {
            let run = json!({
                "apiVersion": "tekton.dev/v1",
                "kind": "PipelineRun",
                "metadata": { "name": "probe", "annotations": annotations },
                "spec": { "pipelineRef": { "name": "probe" } },
            });
            self.as_user(User::Admin).dry_run(&run)
        };
        wait_until(&format!("{guard:?} guards {}", self.name), || {
            let copied = probe(json!({ "chains.tekton.dev/signed": "true" }));
            match guard {
                Guard::Off => expect(copied.is_success(), &copied),
                Guard::Down | Guard::DownAndStrict => expect(copied.code == 500, &copied),
                _ => {
                    let reset = copied.is_success() && annotation(&copied.body, "chains.tekton.dev/signed").is_none();
                    expect(reset, &copied)?;
                    // Presence is judged by the validating webhook alone.
                    let half = probe(json!({ "github.integrations.tekton.dev/owner": "acme" }));
                    expect(half.code == 422, &half)
                }
            }
        });
    }

    fn collection_path(&self, run: &Value) -> String {
        let version = run["apiVersion"].as_str().unwrap();
        let plural = run["kind"].as_str().unwrap().to_lowercase();
        format!("/apis/{version}/namespaces/{}/{plural}s", self.name)
    }

    fn object_path(&self, run: &Value) -> String {
        let name = run["metadata"]["name"].as_str().expect("the Run has a name");
        format!("{}/{name}", self.collection_path(run))
    }
}

/// A user in a namespace.
pub(crate) struct Actor<'a> {
    namespace: &'a Namespace<'a>,
    user: User,
}

impl Actor<'_> {
    /// Creates a Run. A namespace that a copied one still names is replaced, as clients do.
    pub(crate) fn create(&self, run: &Value) -> Answer {
        let path = self.namespace.collection_path(run);
        self.send(Method::POST, &path, JSON, &self.placed(run))
    }

    /// Asks what a creation would give.
    pub(crate) fn dry_run(&self, run: &Value) -> Answer {
        let path = format!("{}?dryRun=All", self.namespace.collection_path(run));
        self.send(Method::POST, &path, JSON, &self.placed(run))
    }

    /// Replaces a Run by this one.
    pub(crate) fn update(&self, run: &Value) -> Answer {
        self.send(Method::PUT, &self.namespace.object_path(run), JSON, &self.placed(run))
    }

    /// Replaces the status of a Run.
    pub(crate) fn update_status(&self, run: &Value) -> Answer {
        let path = format!("{}/status", self.namespace.object_path(run));
        self.send(Method::PUT, &path, JSON, &self.placed(run))
    }

    /// Changes some fields of a Run.
    pub(crate) fn merge(&self, run: &Value, patch: &Value) -> Answer {
        self.send(
            Method::PATCH,
            &self.namespace.object_path(run),
            "application/merge-patch+json",
            patch,
        )
    }

    /// Server-side apply of some metadata of a Run, without force.
    pub(crate) fn apply(&self, run: &Value, manager: &str, metadata: &Value) -> Answer {
        let path = format!("{}?fieldManager={manager}", self.namespace.object_path(run));
        let mut object = json!({ "apiVersion": run["apiVersion"], "kind": run["kind"], "metadata": metadata });
        object["metadata"]["name"] = run["metadata"]["name"].clone();
        self.send(Method::PATCH, &path, "application/apply-patch+yaml", &object)
    }

    /// Deletes a Run.
    pub(crate) fn delete(&self, run: &Value) -> Answer {
        let path = self.namespace.object_path(run);
        self.namespace
            .cluster
            .plane
            .request(&self.user, Method::DELETE, &path, JSON, None)
            .unwrap()
    }

    /// Runs kubectl in this namespace.
    pub(crate) fn kubectl(&self, arguments: &[&str], stdin: &str) -> Kubectl {
        let mut all = vec!["--namespace", &self.namespace.name];
        all.extend(arguments);
        self.namespace.cluster.plane.kubectl(&self.user, &all, stdin).unwrap()
    }

    fn send(&self, method: Method, path: &str, content_type: &str, body: &Value) -> Answer {
        self.namespace
            .cluster
            .plane
            .request(&self.user, method, path, content_type, Some(body))
            .unwrap()
    }

    fn placed(&self, run: &Value) -> Value {
        let mut run = run.clone();
        run["metadata"]["namespace"] = json!(self.namespace.name);
        run
    }
}
