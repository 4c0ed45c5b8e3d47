//! An API server with namespaces, each of which has a webhook of its own or none, so that they can be asked in turns.

use std::fs;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use hyper::Method;
use runstamp::policy_file::PolicyText;
use serde_json::{Value, json};

use crate::load;
use crate::support::control_plane::access::Answer;
use crate::support::control_plane::{ControlPlane, Start, Supervised, User};
use crate::support::manifests::{self, Local};
use crate::support::runstamp::{Options, RunstampServer};

const JSON: &str = "application/json";

/// A start beside compilers takes long.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Cluster {
    plane: Box<ControlPlane>,
    /// The Run of the recorded review, as it is sent.
    run: Value,
    /// Who sends it: the controller that did when it was recorded.
    user: User,
    /// They run as long as this does.
    servers: Mutex<Vec<Webhook>>,
}

#[expect(dead_code, reason = "kept until the end, and then dropped")]
enum Webhook {
    Echo(Supervised),
    Runstamp(RunstampServer),
}

/// Where Runs are created.
pub(crate) struct Namespace {
    path: String,
}

impl Cluster {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let plane = match ControlPlane::start()? {
            Start::Running(plane) => plane,
            Start::Missing(sentence) => return Err(anyhow!(sentence)),
        };
        let review: Value = serde_json::from_slice(&load::recorded("pipelines-as-code.mutate"))?;
        let mut run = review
            .pointer("/request/object")
            .cloned()
            .context("the review has no object")?;
        let metadata = run["metadata"].as_object_mut().context("the Run has no metadata")?;
        metadata.retain(|field, _| ["annotations", "labels", "generateName"].contains(&field.as_str()));
        metadata.entry("generateName").or_insert_with(|| json!("build-"));
        let cluster = Self {
            plane,
            run,
            user: User::service_account("pipelines-as-code", "pipelines-as-code-controller"),
            servers: Mutex::default(),
        };
        cluster.plane.create_crds(&manifests::crds()?)?;
        Ok(cluster)
    }

    /// Creates objects with kubectl.
    pub(crate) fn apply(&self, objects: &[Value]) -> anyhow::Result<()> {
        self.plane.create(objects)
    }

    /// Starts an echo that answers every review alike, or with the patch of Runstamp; its address.
    pub(crate) fn echo(&self, kind: &str) -> anyhow::Result<String> {
        let files = self.plane.serving_files("echo", &["127.0.0.1", "localhost"])?;
        let program = std::env::current_exe().context("failed to find this program")?;
        let arguments = [
            kind.to_owned(),
            files.certificate.display().to_string(),
            files.key.display().to_string(),
        ];
        let mut process = Supervised::start(kind, &program, &arguments, self.plane.folder(), None)?;
        let printed = process.stdout_file();
        let address = process.wait_for("serving", PATIENCE, || {
            let text = fs::read_to_string(&printed).ok()?;
            Some(text.strip_prefix("serving ")?.strip_suffix('\n')?.to_owned())
        })?;
        self.keep(Webhook::Echo(process));
        Ok(address)
    }

    /// Starts Runstamp with these policies; its address.
    pub(crate) fn runstamp(&self, name: &str, texts: Vec<PolicyText>) -> anyhow::Result<String> {
        let folder = self.plane.folder().join(format!("policies-{name}"));
        fs::create_dir_all(&folder).context("failed to create a folder of policies")?;
        let mut arguments = Vec::new();
        let shown = folder.display().to_string();
        for text in texts.into_iter().filter(|text| !text.builtin) {
            fs::write(folder.join(text.name), text.content).context("failed to write a policy")?;
            // A folder without policies would be taken for one that was emptied by mistake.
            arguments = vec!["--policies", &shown];
        }
        let options = Options {
            name: &format!("runstamp-{name}"),
            arguments: &arguments,
            ..Options::default()
        };
        let server = RunstampServer::start(&self.plane, &load::runstamp_program(), &options)?;
        let address = server.url().to_owned();
        self.keep(Webhook::Runstamp(server));
        Ok(address)
    }

    fn keep(&self, webhook: Webhook) {
        self.servers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(webhook);
    }

    /// A namespace for which the shipped webhook configurations lead to an address, or for which there are none.
    pub(crate) fn namespace(&self, name: &str, webhook: Option<String>) -> anyhow::Result<Namespace> {
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
        self.plane.create(&[namespace])?;
        if let Some(url) = &webhook {
            let bundle = self.plane.ca_bundle();
            let local = Local {
                suffix: &format!("-{name}"),
                url: Some(url),
                ca_bundle: &bundle,
                namespaces: Some(json!({ "key": "kubernetes.io/metadata.name", "operator": "In", "values": [name] })),
            };
            self.plane.create(&manifests::local_webhooks(&local)?)?;
        }
        let path = format!("/apis/tekton.dev/v1/namespaces/{name}/pipelineruns");
        Ok(Namespace { path })
    }

    /// Creates the Run.
    pub(crate) fn create(&self, namespace: &Namespace) -> anyhow::Result<Answer> {
        let answer = self
            .plane
            .request(&self.user, Method::POST, &namespace.path, JSON, Some(&self.run))?;
        anyhow::ensure!(answer.is_success(), "a Run was not created: {answer:?}");
        Ok(answer)
    }

    /// Waits until the webhook of a namespace is in force, and makes sure that so many keys are injected.
    pub(crate) fn check(&self, namespace: &Namespace, injected: usize) -> anyhow::Result<()> {
        let sent = self.annotations_of(&self.run);
        // The record is one more.
        let expected = if injected == 0 { sent } else { sent + injected + 1 };
        self.wait_for("the webhook", || {
            Ok(self.annotations_of(&self.create(namespace)?.body) == expected)
        })
    }

    /// Asks again and again until something is so.
    pub(crate) fn wait_for(&self, what: &str, mut is_so: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
        let begun = std::time::Instant::now();
        while !is_so()? {
            anyhow::ensure!(begun.elapsed() < PATIENCE, "{what} is not in force after {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    fn annotations_of(&self, run: &Value) -> usize {
        run["metadata"]["annotations"]
            .as_object()
            .map_or(0, serde_json::Map::len)
    }
}
