//! Which editions of the policies may decide at a moment: a policy carries the number of its edition into every Run.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use runstamp::builtin;
use runstamp::policy_file::{ConfigMapFiles, ConfigMaps};
use runstamp::store::{PolicyTexts, load};
use serde_json::{Value, json};

use crate::installation::stage::NAMESPACE;
use crate::support::manifests;

/// The ConfigMap of the editions, and its only file.
pub(crate) const CONFIG_MAP: &str = "editions";
const FILE: &str = "editions.yaml";

/// The ConfigMap that an installation begins with.
const STARTER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/base/450-starter-policies.yaml");

/// The annotation that carries the number.
const CARRIER: &str = "slack.integrations.tekton.dev/channel";

/// From the last edition that every replica is known to have, to the newest that any may have.
#[derive(Debug)]
pub(crate) struct Editions {
    oldest: AtomicU64,
    newest: AtomicU64,
}

impl Editions {
    /// The first edition alone.
    pub(crate) fn first() -> Self {
        Self {
            oldest: AtomicU64::new(1),
            newest: AtomicU64::new(1),
        }
    }

    /// The number of the next edition, which may decide from now on.
    pub(crate) fn begin_next(&self) -> u64 {
        self.newest.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Every replica has the newest: those before it must not decide any more.
    pub(crate) fn retire_older(&self) {
        self.oldest.store(self.newest(), Ordering::SeqCst);
    }

    /// The oldest edition that may decide about a Run that is sent now.
    pub(crate) fn oldest(&self) -> u64 {
        self.oldest.load(Ordering::SeqCst)
    }

    /// The newest edition that may have decided about a Run whose answer is there now.
    pub(crate) fn newest(&self) -> u64 {
        self.newest.load(Ordering::SeqCst)
    }
}

/// The ConfigMap with an edition.
pub(crate) fn config_map(edition: u64) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": CONFIG_MAP,
            "namespace": NAMESPACE,
            "labels": { "runstamp.dev/policies": "true" },
        },
        "data": { FILE: policy(edition) },
    })
}

/// The policy file of an edition.
fn policy(edition: u64) -> String {
    format!(
        "apiVersion: runstamp.dev/v1alpha1
kind: RunPolicy
metadata:
  name: editions
spec:
  match:
    kinds: [PipelineRun]
  inject:
    integrations:
      slack:
        channel: {{value: edition-{edition}}}
"
    )
}

/// The digest of the built-in policies and those of the two ConfigMaps, the shipped one and an edition.
pub(crate) fn digest(edition: u64) -> String {
    let starter = manifests::documents(Path::new(STARTER)).unwrap();
    let mut config_maps = ConfigMaps::default();
    for map in starter.into_iter().chain([config_map(edition)]) {
        let data = map["data"].as_object().into_iter().flatten();
        let data = data.map(|(key, text)| (key.clone(), text.as_str().unwrap().to_owned()));
        let files = ConfigMapFiles {
            data: data.collect(),
            ..ConfigMapFiles::default()
        };
        config_maps.insert(map["metadata"]["name"].as_str().unwrap(), files);
    }
    let texts = PolicyTexts {
        own: builtin::policies(),
        config_maps: Arc::new(config_maps),
    };
    load(texts).unwrap().digest().as_str().to_owned()
}

/// The edition that decided about a Run.
pub(crate) fn of(run: &Value) -> Option<u64> {
    let value = run["metadata"]["annotations"].get(CARRIER)?.as_str()?;
    value.strip_prefix("edition-")?.parse().ok()
}
