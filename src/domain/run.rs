//! A Run as the request carries it: borrowed, read once, and only what some rule reads.
//!
//! Metadata is read strictly, since every decision rests on it; `spec` is read leniently, since judging it is Tekton's business.

mod emptiness;
mod lenient;
mod object;
mod string_map;

use std::borrow::Cow;

use serde::Deserialize;

pub use lenient::{NestedMetadata, Param, Spec, text_of};
pub use object::Object;
pub use string_map::{CowStr, StringMap};

use super::json_reader::RawJson;

/// The fields of a Run that decisions rest on.
#[derive(Debug, Default, Deserialize)]
pub struct Run<'a> {
    /// `metadata`
    #[serde(borrow)]
    pub metadata: Object<Metadata<'a>>,
    /// `spec`
    #[serde(borrow, default)]
    pub spec: Spec<'a>,
    /// `status` as it stands.
    #[serde(borrow, default)]
    pub status: Option<RawJson<'a>>,
}

/// `metadata` of a Run.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata<'a> {
    /// `name`; absent while `generateName` has not been used.
    #[serde(borrow, default)]
    pub name: Option<CowStr<'a>>,
    /// `generateName`
    #[serde(borrow, default)]
    pub generate_name: Option<CowStr<'a>>,
    /// `namespace`; the request's counts.
    #[serde(borrow, default)]
    pub namespace: Option<CowStr<'a>>,
    /// `resourceVersion`
    #[serde(borrow, default)]
    pub resource_version: Option<CowStr<'a>>,
    /// `deletionTimestamp`
    #[serde(borrow, default)]
    pub deletion_timestamp: Option<CowStr<'a>>,
    /// `annotations`; absent and `null` are the same.
    #[serde(borrow, default)]
    pub annotations: Option<StringMap<'a>>,
    /// `labels`; absent and `null` are the same.
    #[serde(borrow, default)]
    pub labels: Option<StringMap<'a>>,
    /// `finalizers`
    #[serde(borrow, default)]
    pub finalizers: Option<Vec<CowStr<'a>>>,
    /// `ownerReferences`
    #[serde(borrow, default)]
    pub owner_references: Option<Vec<Object<OwnerReference<'a>>>>,
    /// `managedFields` as it stands: read only where something is removed.
    #[serde(borrow, default)]
    pub managed_fields: Option<RawJson<'a>>,
}

/// One entry of `metadata.ownerReferences`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnerReference<'a> {
    /// Group and version of the owner.
    #[serde(borrow, default)]
    pub api_version: CowStr<'a>,
    /// Kind of the owner.
    #[serde(borrow, default)]
    pub kind: CowStr<'a>,
    /// Name of the owner.
    #[serde(borrow, default)]
    pub name: CowStr<'a>,
    /// Uid of the owner.
    #[serde(borrow, default)]
    pub uid: CowStr<'a>,
    /// Whether the owner is the controller.
    #[serde(default)]
    pub controller: Option<bool>,
}

impl OwnerReference<'_> {
    /// Whether this is a controller reference to something of Tekton's.
    pub fn is_tekton_controller(&self) -> bool {
        self.controller == Some(true)
            && self
                .api_version
                .split_once('/')
                .is_some_and(|(group, _)| group == "tekton.dev")
    }
}

impl<'a> Metadata<'a> {
    /// `metadata.annotations`, empty where there are none.
    pub fn annotations(&self) -> &StringMap<'a> {
        self.annotations.as_ref().unwrap_or(StringMap::EMPTY)
    }

    /// `metadata.labels`, empty where there are none.
    pub fn labels(&self) -> &StringMap<'a> {
        self.labels.as_ref().unwrap_or(StringMap::EMPTY)
    }

    /// `metadata.finalizers`, empty where there are none.
    pub fn finalizers(&self) -> &[CowStr<'a>] {
        self.finalizers.as_deref().unwrap_or_default()
    }

    /// `metadata.ownerReferences`, empty where there are none.
    pub fn owner_references(&self) -> &[Object<OwnerReference<'a>>] {
        self.owner_references.as_deref().unwrap_or_default()
    }

    /// The name, or `<generateName>*` while there is none, or nothing.
    pub fn display_name(&self) -> Cow<'_, str> {
        match (&self.name, &self.generate_name) {
            (Some(name), _) if !name.is_empty() => Cow::Borrowed(name),
            (_, Some(prefix)) if !prefix.is_empty() => Cow::Owned(format!("{}*", &**prefix)),
            _ => Cow::Borrowed(""),
        }
    }
}

impl Run<'_> {
    /// Whether `status` holds anything but empty values.
    ///
    /// Go clients send `status: {}`, the pipelines controller `status: {"podName": ""}`: neither tells of another Run.
    pub fn has_status(&self) -> bool {
        self.status.is_some_and(|raw| !emptiness::is_empty_value(raw.text()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Run<'_> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn null_and_absent_maps_are_the_same() {
        for json in [
            r#"{"metadata":{"annotations":null,"labels":null}}"#,
            r#"{"metadata":{}}"#,
        ] {
            let run = read(json);
            assert!(
                run.metadata.annotations.is_none() && run.metadata.labels.is_none(),
                "{json}"
            );
        }
    }

    #[test]
    fn metadata_is_strict() {
        for json in [
            "{}",
            r#"{"metadata":null}"#,
            r#"{"metadata":[]}"#,
            r#"{"metadata":{"annotations":{"a":1}}}"#,
            r#"{"metadata":{"annotations":{"a":null}}}"#,
            r#"{"metadata":{"annotations":{"a":"1","a":"2"}}}"#,
            r#"{"metadata":{"annotations":["a"]}}"#,
            r#"{"metadata":{"finalizers":"x"}}"#,
            r#"{"metadata":{},"metadata":{}}"#,
        ] {
            assert!(serde_json::from_str::<Run<'_>>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn spec_is_lenient_whatever_stands_there() {
        for spec in [
            "null",
            "5",
            "[1,2]",
            r#""x""#,
            r#"{"params":5}"#,
            r#"{"params":[5,{"name":7}]}"#,
            r#"{"pipelineSpec":{"tasks":{}}}"#,
        ] {
            let json = format!(r#"{{"metadata":{{}},"spec":{spec}}}"#);
            let run = read(&json);
            assert!(run.spec.nested.is_empty() && run.spec.status.is_none(), "{json}");
        }
    }

    #[test]
    fn status_of_empty_values_is_no_status() {
        for (status, expected) in [
            ("null", false),
            ("{}", false),
            (r#"{"podName":""}"#, false),
            (r#"{"a":{"b":[],"c":{}},"d":null}"#, false),
            (r#"{"podName":"x"}"#, true),
            (r#"{"a":0}"#, true),
            (r#"{"a":{"b":[null,{"c":false}]}}"#, true),
            ("[1]", true),
            (r#""x""#, true),
        ] {
            let json = format!(r#"{{"metadata":{{}},"status":{status}}}"#);
            assert_eq!(read(&json).has_status(), expected, "{status}");
        }
    }

    #[test]
    fn names_are_shown_as_kubernetes_will_make_them() {
        assert_eq!(
            read(r#"{"metadata":{"name":"a","generateName":"b-"}}"#)
                .metadata
                .display_name(),
            "a"
        );
        assert_eq!(
            read(r#"{"metadata":{"generateName":"b-"}}"#).metadata.display_name(),
            "b-*"
        );
        assert_eq!(read(r#"{"metadata":{}}"#).metadata.display_name(), "");
    }

    #[test]
    fn params_and_embedded_metadata_are_read_in_one_pass() {
        let run = read(
            r#"{"metadata":{},"spec":{"params":[{"name":"revision","value":"ma\u0069n"},{"name":"list","value":["a"]}],
              "status":"Cancelled",
              "taskRunSpecs":[{"pipelineTaskName":"t","metadata":{"annotations":{"a/b":"c"}}}],
              "pipelineSpec":{"tasks":[{"name":"x"},{"taskSpec":{"metadata":{"labels":{"l":"v"}}}}],"finally":[{"taskSpec":{"metadata":{"annotations":{"f":"g"}}}}]}}}"#,
        );
        assert_eq!(run.spec.status.as_deref(), Some("Cancelled"));
        let texts: Vec<_> = run
            .spec
            .params
            .iter()
            .map(|param| {
                (
                    param.name.to_string(),
                    param.value.and_then(|value| text_of(value).ok()),
                )
            })
            .collect();
        assert_eq!(
            texts,
            [("revision".to_owned(), Some("main".into())), ("list".to_owned(), None)]
        );
        let fields: Vec<_> = run
            .spec
            .nested
            .iter()
            .map(|nested| nested.field().to_string())
            .collect();
        assert_eq!(
            fields,
            [
                "spec.taskRunSpecs[0].metadata",
                "spec.pipelineSpec.tasks[1].taskSpec.metadata",
                "spec.pipelineSpec.finally[0].taskSpec.metadata"
            ]
        );
    }
}
