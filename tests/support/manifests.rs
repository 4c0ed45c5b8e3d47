//! The files of `manifests/` and of the CRDs, as the API server of the tests gets them.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use serde_json::{Value, json};

/// The repository's root.
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Where a webhook configuration leads to, and for which namespaces it holds.
pub(crate) struct Local<'a> {
    /// Makes names differ where several installations share one API server.
    pub(crate) suffix: &'a str,
    /// `https://127.0.0.1:PORT`, without a path; without it the shipped Service stays.
    pub(crate) url: Option<&'a str>,
    /// The authority that signed what is served there, in base64.
    pub(crate) ca_bundle: &'a str,
    /// A further condition on namespaces, besides the shipped ones.
    pub(crate) namespaces: Option<Value>,
}

/// The shipped webhook configurations with nothing changed but what [`Local`] says.
pub(crate) fn local_webhooks(local: &Local<'_>) -> anyhow::Result<Vec<Value>> {
    let mut configurations = webhooks()?;
    for configuration in &mut configurations {
        let name = configuration
            .pointer("/metadata/name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let name = format!("{name}{}", local.suffix);
        set(configuration, "/metadata/name", json!(name))?;
        for webhook in entries_mut(configuration)? {
            point_at(webhook, local)?;
            if let Some(expression) = &local.namespaces {
                webhook
                    .pointer_mut("/namespaceSelector/matchExpressions")
                    .and_then(Value::as_array_mut)
                    .context("a shipped webhook has no namespaceSelector")?
                    .push(expression.clone());
            }
        }
    }
    Ok(configurations)
}

fn point_at(webhook: &mut Value, local: &Local<'_>) -> anyhow::Result<()> {
    let mut client = webhook.get("clientConfig").cloned().unwrap_or(Value::Null);
    if let Some(url) = local.url {
        let path = client
            .pointer("/service/path")
            .and_then(Value::as_str)
            .unwrap_or_default();
        client = json!({ "url": format!("{url}{path}") });
    }
    let fields = client
        .as_object_mut()
        .context("a shipped webhook has no clientConfig")?;
    fields.insert("caBundle".to_owned(), json!(local.ca_bundle));
    set(webhook, "/clientConfig", client)
}

/// The webhook configurations as shipped.
pub(crate) fn webhooks() -> anyhow::Result<Vec<Value>> {
    documents(&Path::new(ROOT).join("manifests/base/500-webhooks.yaml"))
}

/// Runstamp's own namespace and its Service, as shipped.
pub(crate) fn namespace_and_service() -> anyhow::Result<Vec<Value>> {
    let mut all = documents(&Path::new(ROOT).join("manifests/base/100-namespace.yaml"))?;
    all.extend(documents(&Path::new(ROOT).join("manifests/base/300-service.yaml"))?);
    Ok(all)
}

fn entries_mut(configuration: &mut Value) -> anyhow::Result<&mut Vec<Value>> {
    configuration
        .pointer_mut("/webhooks")
        .and_then(Value::as_array_mut)
        .context("a configuration has no webhooks")
}

fn set(value: &mut Value, pointer: &str, new: Value) -> anyhow::Result<()> {
    *value
        .pointer_mut(pointer)
        .with_context(|| format!("{pointer} is not in the file"))? = new;
    Ok(())
}

/// Tekton's own CRDs where `RUNSTAMP_TEKTON_CRDS` names their folder, else those written for the tests.
pub(crate) fn crds() -> anyhow::Result<Vec<Value>> {
    let folder = match env::var_os("RUNSTAMP_TEKTON_CRDS").filter(|folder| !folder.is_empty()) {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(ROOT).join("tests/cluster/crds"),
    };
    let mut crds = documents_below(&folder)?;
    crds.retain(|document| document.get("kind").and_then(Value::as_str) == Some("CustomResourceDefinition"));
    for crd in &mut crds {
        // Tekton's conversion webhook is not there, and the versions have the same fields where it matters.
        set(crd, "/spec", with_conversion_none(crd))?;
    }
    Ok(crds)
}

fn with_conversion_none(crd: &Value) -> Value {
    let mut spec = crd.get("spec").cloned().unwrap_or(Value::Null);
    if let Some(fields) = spec.as_object_mut() {
        fields.insert("conversion".to_owned(), json!({ "strategy": "None" }));
    }
    spec
}

/// The CRDs as old clusters have them: no status subresource, and unknown fields are kept.
pub(crate) fn crds_without_status_subresource() -> anyhow::Result<Vec<Value>> {
    let mut crds = documents_below(&Path::new(ROOT).join("tests/cluster/crds"))?;
    for crd in &mut crds {
        let versions = crd.pointer_mut("/spec/versions").and_then(Value::as_array_mut);
        for version in versions.context("a CRD has no versions")? {
            set(version, "/subresources", json!({}))?;
            let open = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
            set(version, "/schema/openAPIV3Schema/properties/status", open)?;
        }
    }
    Ok(crds)
}

/// Every document of every YAML file in a folder, in the order of the file names.
pub(crate) fn documents_below(folder: &Path) -> anyhow::Result<Vec<Value>> {
    let entries = fs::read_dir(folder).with_context(|| format!("failed to read {}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    if paths.is_empty() {
        return Err(anyhow!("{} holds no YAML file", folder.display()));
    }
    let mut all = Vec::new();
    for path in paths {
        all.extend(documents(&path)?);
    }
    Ok(all)
}

/// The documents of one YAML file.
pub(crate) fn documents(path: &Path) -> anyhow::Result<Vec<Value>> {
    let text = fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
    parse(&text).with_context(|| format!("failed to parse {}", path.display()))
}

/// The documents of a YAML text.
pub(crate) fn parse(text: &str) -> anyhow::Result<Vec<Value>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|error| anyhow!("{error}"))?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}
