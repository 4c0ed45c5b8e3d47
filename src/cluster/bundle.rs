//! The caBundle of the webhook configurations: what is published there, and publishing it.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::runtime::watcher;
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::follow::{Objects, follow, named, only};
use super::{ClusterError, FIELD_MANAGER, Installation, SECRET, within};

/// The kinds of webhook configurations: whether it must be there, and the plural.
pub(super) const KINDS: [(&str, &str); 2] = [
    ("MutatingWebhookConfiguration", "mutatingwebhookconfigurations"),
    ("ValidatingWebhookConfiguration", "validatingwebhookconfigurations"),
];

/// The webhook configurations of an installation.
pub(super) struct Bundles {
    installation: Arc<Installation>,
    configurations: Vec<Configuration>,
}

struct Configuration {
    kind: &'static str,
    api: Api<DynamicObject>,
    seen: watch::Receiver<Objects<DynamicObject>>,
}

/// What the webhook configurations say about whom to trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Published {
    /// Not known yet.
    Unknown,
    /// There is no mutating webhook configuration.
    Nowhere,
    /// The caBundles of all entries that lead to this installation, decoded; one that is absent is empty.
    Bundles(Vec<Vec<u8>>),
}

impl Published {
    /// Whether every entry trusts exactly this bundle.
    pub(super) fn is_everywhere(&self, bundle: &str) -> bool {
        matches!(self, Self::Bundles(bundles) if bundles.iter().all(|published| published == bundle.as_bytes()))
    }
}

impl Bundles {
    /// Begins to watch them.
    pub(super) fn follow(client: &Client, installation: Arc<Installation>) -> Self {
        let configurations = KINDS
            .map(|(kind, plural)| {
                let group = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind);
                let api = Api::all_with(client.clone(), &ApiResource::from_gvk_with_plural(&group, plural));
                let selection: watcher::Config = named(&installation.configuration);
                let seen = follow_dynamic(api.clone(), selection);
                Configuration { kind, api, seen }
            })
            .into();
        Self {
            installation,
            configurations,
        }
    }

    /// Waits until one of them changes.
    pub(super) async fn changed(&mut self) {
        let changes = self
            .configurations
            .iter_mut()
            .map(|configuration| Box::pin(configuration.seen.changed()));
        // Whoever ends a watch ends the process.
        let _ = futures::future::select_all(changes).await;
    }

    /// What is published, as far as the watches know.
    pub(super) fn published(&self) -> Published {
        let mut bundles = Vec::new();
        for configuration in &self.configurations {
            let seen = configuration.seen.borrow();
            if seen.is_none() {
                return Published::Unknown;
            }
            match only(&seen, &self.installation.configuration) {
                Some(object) => bundles.extend(self.entries(&object).map(|(_, bundle)| bundle)),
                None if configuration.kind.starts_with("Mutating") => return Published::Nowhere,
                // A cluster may register only the mutating webhook.
                None => {}
            }
        }
        Published::Bundles(bundles)
    }

    /// Writes the bundle of the Secret wherever it is not yet; `bundle_of` finds it there.
    ///
    /// A configuration is read before the Secret, and written only if nobody has written it since. So whoever writes
    /// has seen a Secret at least as new as everybody who wrote before: a replica that lags behind cannot take back
    /// what another one has published.
    pub(super) async fn publish(
        &self,
        secrets: &Api<Secret>,
        bundle_of: fn(Secret) -> Option<String>,
    ) -> Result<(), ClusterError> {
        for configuration in &self.configurations {
            let name = &self.installation.configuration;
            let action = format!("read the {} {name}", configuration.kind);
            let Some(object) = within(action, configuration.api.get_opt(name)).await? else {
                continue;
            };
            let secret = within(format!("read the Secret {SECRET}"), secrets.get_opt(SECRET)).await?;
            let Some(bundle) = secret.and_then(bundle_of) else {
                return Ok(());
            };
            let stale: Vec<usize> = self
                .entries(&object)
                .filter(|(_, published)| published != bundle.as_bytes())
                .map(|(index, _)| index)
                .collect();
            if stale.is_empty() {
                continue;
            }
            self.write(configuration, &object, &stale, &bundle).await?;
        }
        Ok(())
    }

    async fn write(
        &self,
        configuration: &Configuration,
        object: &DynamicObject,
        stale: &[usize],
        bundle: &str,
    ) -> Result<(), ClusterError> {
        let name = &self.installation.configuration;
        let bundle = BASE64.encode(bundle);
        // Setting the version that was read makes the API server refuse the patch when there is a newer one.
        let mut operations = vec![json!({
            "op": "replace",
            "path": "/metadata/resourceVersion",
            "value": object.metadata.resource_version,
        })];
        operations.extend(stale.iter().map(|index| {
            let path = format!("/webhooks/{index}/clientConfig/caBundle");
            json!({ "op": "add", "path": path, "value": bundle })
        }));
        let patch: json_patch::Patch =
            serde_json::from_value(Value::Array(operations)).map_err(|source| ClusterError::Request {
                action: format!("write a patch of the {} {name}", configuration.kind),
                source: kube::Error::SerdeError(source),
            })?;
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let action = format!("publish the authority in the {} {name}", configuration.kind);
        let patch: Patch<()> = Patch::Json(patch);
        match within(action, configuration.api.patch(name, &params, &patch)).await {
            Ok(_) => {
                tracing::info!(
                    configuration = name,
                    kind = configuration.kind,
                    entries = stale.len(),
                    "published whom to trust in the webhook configuration"
                );
                Ok(())
            }
            // Somebody else was first; the watch brings what they wrote.
            Err(error) if error.is_conflict() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The entries that lead to this installation: their places and their caBundles.
    fn entries<'o>(&'o self, object: &'o DynamicObject) -> impl Iterator<Item = (usize, Vec<u8>)> + 'o {
        let webhooks = object.data.get("webhooks").and_then(Value::as_array);
        webhooks
            .into_iter()
            .flatten()
            .enumerate()
            .filter_map(|(index, webhook)| {
                let client = webhook.get("clientConfig")?;
                let service = client.get("service")?;
                let is = |field: &str, expected: &str| service.get(field).and_then(Value::as_str) == Some(expected);
                let is_ours = is("namespace", &self.installation.namespace) && is("name", &self.installation.service);
                let bundle = client.get("caBundle").and_then(Value::as_str).unwrap_or_default();
                is_ours.then(|| (index, BASE64.decode(bundle).unwrap_or_default()))
            })
    }
}

/// Dynamic objects carry their kind as a value, so the watch needs it.
fn follow_dynamic(api: Api<DynamicObject>, selection: watcher::Config) -> watch::Receiver<Objects<DynamicObject>> {
    follow(api, selection, "watch the webhook configurations")
}
