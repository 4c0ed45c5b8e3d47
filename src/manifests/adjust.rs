//! The changes that flags make to the shipped documents.

use serde_json::{Value, json};

use super::{DEFAULT_NAMESPACE, Parameters, cel};

/// Wherever the namespace of an installation stands besides the metadata.
const NAMESPACE_LABEL: &str = "kubernetes.io/metadata.name";

/// The ConfigMap of the starter policies.
const STARTER: &str = "runstamp-starter-policies";

/// The ConfigMap of the policies that somebody gives besides.
const POLICIES: &str = "runstamp-policies";

/// The kind of a document.
pub(super) fn kind(document: &Value) -> &str {
    document.get("kind").and_then(Value::as_str).unwrap_or_default()
}

/// Its name.
pub(super) fn name(document: &Value) -> &str {
    text(document, "/metadata/name")
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Makes the shipped documents what the parameters say.
pub(super) fn adjust(documents: &mut Vec<Value>, parameters: &Parameters) {
    if !parameters.starter {
        documents.retain(|document| kind(document) != "ConfigMap" || name(document) != STARTER);
    }
    if !parameters.policies.is_empty() {
        add_policies(documents, parameters);
    }
    for document in documents {
        match kind(document) {
            "Deployment" => adjust_deployment(document, parameters),
            "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => adjust_webhooks(document, parameters),
            _ => {}
        }
        if parameters.namespace != DEFAULT_NAMESPACE {
            move_to(document, &parameters.namespace);
        }
    }
}

/// Adds a ConfigMap beside that of the starter policies; where there is no webhook yet that could judge it.
fn add_policies(documents: &mut Vec<Value>, parameters: &Parameters) {
    let config_map = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": POLICIES,
            "namespace": DEFAULT_NAMESPACE,
            "labels": {
                "app.kubernetes.io/name": "runstamp",
                "app.kubernetes.io/part-of": "runstamp",
                "runstamp.dev/policies": "true",
            },
        },
        "data": parameters.policies,
    });
    let webhooks = documents
        .iter()
        .position(|document| kind(document).ends_with("WebhookConfiguration"));
    documents.insert(webhooks.unwrap_or(documents.len()), config_map);
}

fn adjust_deployment(document: &mut Value, parameters: &Parameters) {
    if let (Some(replicas), Some(spec)) = (parameters.replicas, document.get_mut("spec")) {
        set(spec, "replicas", json!(replicas));
    }
    let Some(container) = document.pointer_mut("/spec/template/spec/containers/0") else {
        return;
    };
    if let Some(image) = &parameters.image {
        set(container, "image", json!(image));
    }
    if !parameters.builtin
        && let Some(arguments) = container.get_mut("args").and_then(Value::as_array_mut)
    {
        arguments.push(json!("--no-builtin"));
    }
}

fn adjust_webhooks(document: &mut Value, parameters: &Parameters) {
    for webhook in elements(document.get_mut("webhooks")) {
        if text(webhook, "/failurePolicy") == "Fail" {
            set(webhook, "failurePolicy", json!(parameters.failure_policy.word()));
        }
        for condition in elements(webhook.get_mut("matchConditions")) {
            let is_controller = || cel::is_one_of(&parameters.controllers);
            let expression = match text(condition, "/name") {
                "by-a-pipelines-controller" => is_controller(),
                "not-by-a-pipelines-controller" => format!("!({})", is_controller()),
                _ => continue,
            };
            set(condition, "expression", json!(expression));
        }
    }
}

/// Writes the namespace wherever the shipped one stands.
fn move_to(document: &mut Value, namespace: &str) {
    if kind(document) == "Namespace"
        && let Some(metadata) = document.get_mut("metadata")
    {
        set(metadata, "name", json!(namespace));
    }
    if document.pointer("/metadata/namespace").is_some()
        && let Some(metadata) = document.get_mut("metadata")
    {
        set(metadata, "namespace", json!(namespace));
    }
    if let Some(annotations) = document.pointer_mut("/metadata/annotations")
        && let Some(certificate) = annotations
            .get("cert-manager.io/inject-ca-from")
            .and_then(Value::as_str)
            .and_then(|reference| reference.split_once('/'))
            .map(|(_, certificate)| format!("{namespace}/{certificate}"))
    {
        set(annotations, "cert-manager.io/inject-ca-from", json!(certificate));
    }
    for subject in elements(document.get_mut("subjects")) {
        set(subject, "namespace", json!(namespace));
    }
    if kind(document) == "Certificate" {
        let host = |text: &str| text.replace(&format!(".{DEFAULT_NAMESPACE}.svc"), &format!(".{namespace}.svc"));
        for pointer in ["/spec/commonName", "/spec/dnsNames/0"] {
            if let Some(name) = document.pointer_mut(pointer) {
                *name = json!(host(name.as_str().unwrap_or_default()));
            }
        }
    }
    for webhook in elements(document.get_mut("webhooks")) {
        if let Some(service) = webhook.pointer_mut("/clientConfig/service") {
            set(service, "namespace", json!(namespace));
        }
        for expression in elements(webhook.pointer_mut("/namespaceSelector/matchExpressions")) {
            if text(expression, "/key") == NAMESPACE_LABEL {
                set(expression, "values", json!([namespace]));
            }
        }
    }
}

fn set(value: &mut Value, field: &str, new: Value) {
    if let Some(object) = value.as_object_mut() {
        object.insert(field.to_owned(), new);
    }
}

fn elements(list: Option<&mut Value>) -> impl Iterator<Item = &mut Value> {
    list.and_then(Value::as_array_mut).into_iter().flatten()
}
