//! AdmissionReviews of ConfigMaps that hold policies: what was asked, and the reply.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::NotAReview;
use super::reply::{StatusCause, invalid, write_answer};
use super::warnings::fit_warnings;
use crate::policy_file::ConfigMapFiles;
use crate::store::EditMistake;

/// The label that makes a ConfigMap one of policies.
pub const POLICIES_LABEL: &str = "runstamp.dev/policies";

/// Its value.
pub const POLICIES_VALUE: &str = "true";

/// Longest name that is repeated; the API server allows 253 characters.
const LONGEST_NAME: usize = 253;

/// A request about a ConfigMap.
#[derive(Debug)]
pub struct ConfigMapReview {
    /// Uid of the request.
    pub uid: String,
    /// `CREATE`, `UPDATE`, `DELETE`, or what the request says instead.
    pub operation: String,
    /// Namespace of the ConfigMap.
    pub namespace: String,
    /// Its name, or `<generateName>*` where there is none yet.
    pub name: String,
    /// Whether the request is about ConfigMaps at all, and not about something below them.
    pub is_config_map: bool,
    /// What stands in it before the request, where it is one of policies then.
    pub before: Option<ConfigMapFiles>,
    /// What stands in it afterwards, where it is one of policies then.
    pub after: Option<ConfigMapFiles>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review {
    api_version: String,
    kind: String,
    request: Request,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    uid: String,
    #[serde(default)]
    kind: Kind,
    sub_resource: Option<String>,
    name: Option<String>,
    namespace: Option<String>,
    #[serde(default)]
    operation: String,
    object: Option<Object>,
    old_object: Option<Object>,
}

#[derive(Default, Deserialize)]
struct Kind {
    #[serde(default)]
    group: String,
    #[serde(default)]
    kind: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    #[serde(default)]
    metadata: Metadata,
    data: Option<BTreeMap<String, String>>,
    binary_data: Option<BTreeMap<String, IgnoredAny>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    generate_name: Option<String>,
    labels: Option<BTreeMap<String, String>>,
}

impl Object {
    /// What stands in it, where it is one of policies.
    fn files(self) -> Option<ConfigMapFiles> {
        let labels = self.metadata.labels.unwrap_or_default();
        let is_ours = labels.get(POLICIES_LABEL).is_some_and(|value| value == POLICIES_VALUE);
        is_ours.then(|| ConfigMapFiles {
            data: self.data.unwrap_or_default(),
            binary: self
                .binary_data
                .unwrap_or_default()
                .into_keys()
                .collect::<BTreeSet<_>>(),
        })
    }
}

/// Reads a request.
///
/// # Errors
/// When the body is no AdmissionReview of `admission.k8s.io/v1` with a uid.
pub fn read_config_map(body: &[u8]) -> Result<ConfigMapReview, NotAReview> {
    let review: Review = serde_json::from_slice(body)
        .map_err(|error| NotAReview(error.to_string().replace('`', "\"").replace(char::is_control, " ")))?;
    if review.api_version != "admission.k8s.io/v1" || review.kind != "AdmissionReview" {
        return Err(NotAReview(format!(
            "expected admission.k8s.io/v1 AdmissionReview, found \"{}\" \"{}\"",
            review.api_version.escape_debug(),
            review.kind.escape_debug()
        )));
    }
    let request = review.request;
    if request.uid.is_empty() {
        return Err(NotAReview("request.uid is empty".to_owned()));
    }
    let is_whole = request.sub_resource.is_none_or(|sub_resource| sub_resource.is_empty());
    let generated = |object: &Object| object.metadata.generate_name.as_ref().map(|name| format!("{name}*"));
    let name = request.name.filter(|name| !name.is_empty());
    let name = name
        .or_else(|| request.object.as_ref().and_then(generated))
        .unwrap_or_default();
    Ok(ConfigMapReview {
        uid: request.uid,
        operation: request.operation,
        namespace: request.namespace.unwrap_or_default(),
        name: name
            .chars()
            .filter(|character| !character.is_control())
            .take(LONGEST_NAME)
            .collect(),
        is_config_map: is_whole && request.kind.group.is_empty() && request.kind.kind == "ConfigMap",
        before: request.old_object.and_then(Object::files),
        after: request.object.and_then(Object::files),
    })
}

/// Writes the reply to a request about a ConfigMap: refused where there are mistakes.
pub fn answer_config_map(review: &ConfigMapReview, mistakes: &[EditMistake], warnings: &[String]) -> Vec<u8> {
    let causes = mistakes.iter().map(|mistake| StatusCause {
        reason: "FieldValueInvalid",
        field: match &mistake.key {
            Some(key) => format!("data[{key}]"),
            None => "data".to_owned(),
        },
        message: format!("{} (runstamp)", mistake.line),
    });
    let status = (!mistakes.is_empty()).then(|| invalid("", "ConfigMap", &review.name, causes, mistakes.len()));
    write_answer(&review.uid, status.as_ref(), &fit_warnings(warnings.iter().cloned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn review(request: &Value) -> Result<ConfigMapReview, NotAReview> {
        let body = json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request });
        read_config_map(body.to_string().as_bytes())
    }

    fn config_map(label: Option<&str>, data: &Value) -> Value {
        let labels = label.map_or(Value::Null, |value| json!({ POLICIES_LABEL: value }));
        json!({ "metadata": { "name": "a", "labels": labels }, "data": data })
    }

    #[test]
    fn only_the_label_makes_a_config_map_one_of_policies() {
        #[track_caller]
        fn check(old: Option<Option<&str>>, new: Option<Option<&str>>, expected: (bool, bool)) {
            let object =
                |label: Option<Option<&str>>| label.map(|label| config_map(label, &json!({ "p.yaml": "a: b" })));
            let request = json!({
                "uid": "1", "kind": { "group": "", "version": "v1", "kind": "ConfigMap" }, "name": "a",
                "namespace": "runstamp", "operation": "UPDATE", "object": object(new), "oldObject": object(old),
            });
            let review = review(&request).unwrap();
            assert!(review.is_config_map);
            assert_eq!((review.before.is_some(), review.after.is_some()), expected);
        }
        check(None, Some(Some("true")), (false, true));
        check(Some(Some("true")), Some(Some("true")), (true, true));
        check(Some(Some("true")), Some(None), (true, false));
        check(Some(Some("true")), Some(Some("false")), (true, false));
        check(Some(None), Some(Some("true")), (false, true));
        check(Some(Some("true")), None, (true, false));
    }

    #[test]
    fn every_part_may_be_absent_and_none_may_be_of_another_kind() {
        let review_of = |request: Value| review(&request);
        assert!(review_of(json!({})).is_err());
        assert!(review_of(json!({ "uid": "" })).is_err());
        assert!(review_of(json!({ "uid": "1", "object": [] })).is_err());
        assert!(review_of(json!({ "uid": "1", "object": { "data": { "a": 1 } } })).is_err());
        assert!(!review_of(json!({ "uid": "1" })).unwrap().is_config_map);
        assert!(read_config_map(b"").is_err());
        assert!(
            read_config_map(b"{\"apiVersion\":\"v1\",\"kind\":\"AdmissionReview\",\"request\":{\"uid\":\"1\"}}")
                .is_err()
        );
        let kind = json!({ "kind": "ConfigMap" });
        let status = json!({ "uid": "1", "kind": kind, "subResource": "status" });
        assert!(!review_of(status).unwrap().is_config_map);
        let named = json!({
            "uid": "1", "kind": kind, "object": { "metadata": { "generateName": "p-" }, "data": null, "binaryData": null },
        });
        assert_eq!(review_of(named).unwrap().name, "p-*");
    }

    #[test]
    fn a_refusal_names_every_mistake_once_and_alone() {
        let review = review(&json!({ "uid": "1", "name": "a", "kind": { "kind": "ConfigMap" } })).unwrap();
        let mistakes = [
            EditMistake {
                key: Some("p.yaml".to_owned()),
                line: "configmap/a/p.yaml:1:1: error: one".to_owned(),
            },
            EditMistake {
                key: None,
                line: "configmap/b/p.yaml:2:2: error: two".to_owned(),
            },
        ];
        let body: Value = serde_json::from_slice(&answer_config_map(&review, &mistakes, &["look".to_owned()])).unwrap();
        assert_eq!(
            body,
            json!({
                "apiVersion": "admission.k8s.io/v1",
                "kind": "AdmissionReview",
                "response": {
                    "uid": "1",
                    "allowed": false,
                    "status": {
                        "status": "Failure",
                        "code": 422,
                        "reason": "Invalid",
                        "message": "runstamp refused ConfigMap \"a\" because of 2 mistakes:\n- data[p.yaml]: configmap/a/p.yaml:1:1: error: one (runstamp)\n- data: configmap/b/p.yaml:2:2: error: two (runstamp)",
                        "details": { "group": "", "kind": "ConfigMap", "name": "a", "causes": [
                            { "reason": "FieldValueInvalid", "field": "data[p.yaml]", "message": "configmap/a/p.yaml:1:1: error: one (runstamp)" },
                            { "reason": "FieldValueInvalid", "field": "data", "message": "configmap/b/p.yaml:2:2: error: two (runstamp)" },
                        ] },
                    },
                    "warnings": ["look"],
                },
            })
        );
        let body: Value = serde_json::from_slice(&answer_config_map(&review, &[], &[])).unwrap();
        assert_eq!(body["response"], json!({ "uid": "1", "allowed": true }));
    }
}
