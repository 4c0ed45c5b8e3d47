//! What several test binaries share: policy sets, folders of cases, and the invariants that hold for every decision.
#![allow(dead_code, unused_imports, reason = "each test binary uses its own part")]

use std::fs;
use std::path::{Path, PathBuf};

use runstamp::builtin;
use runstamp::domain::compile::compile;
use runstamp::domain::decision::{Decision, Lineage};
use runstamp::domain::policy_set::PolicySet;
use runstamp::domain::request::Options;
use runstamp::policy_file::{PolicyText, read_texts};
use runstamp::review::{Subject, Webhook, decide};
use serde_json::Value;

pub(crate) mod glob;
pub(crate) mod golden;
mod reply;

pub(crate) use glob::Glob;
pub(crate) use reply::{assert_one_line, assert_reply};

/// The built-in policies alone.
pub(crate) fn builtin_set() -> PolicySet {
    set_of(builtin::policies())
}

/// The built-in and the starter policies.
pub(crate) fn starter_set() -> PolicySet {
    set_of(builtin::policies().into_iter().chain(builtin::starter()))
}

/// The built-in policies and these documents.
pub(crate) fn set_with(yaml: &str) -> PolicySet {
    let own = PolicyText {
        name: "test.yaml".to_owned(),
        content: yaml.as_bytes().to_vec(),
        builtin: false,
    };
    set_of(builtin::policies().into_iter().chain([own]))
}

/// The set of these files, which must be free of errors.
pub(crate) fn set_of(texts: impl IntoIterator<Item = PolicyText>) -> PolicySet {
    let (files, loaded) = read_texts(texts);
    let compilation = compile(loaded.definitions);
    let problems: Vec<String> = loaded
        .problems
        .iter()
        .chain(&compilation.problems)
        .map(|problem| runstamp::diagnostics::one_line(problem, &files))
        .collect();
    compilation
        .set
        .filter(|_| loaded.problems.is_empty())
        .unwrap_or_else(|| panic!("{}", problems.join("\n")))
}

/// The files with an extension below a folder, sorted.
pub(crate) fn files_below(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The object of a review with the decision's patch applied by another implementation of RFC 6902.
pub(crate) fn patched_object(review: &Value, decision: &Decision) -> Value {
    let mut object = review["request"]["object"].clone();
    let patch: json_patch::Patch =
        serde_json::from_value(serde_json::to_value(&decision.patch).unwrap()).expect("the patch is RFC 6902");
    json_patch::patch(&mut object, &patch).expect("the patch applies");
    object
}

/// The review with another object.
pub(crate) fn with_object(review: &Value, object: Value) -> Vec<u8> {
    let mut review = review.clone();
    review["request"]["object"] = object;
    serde_json::to_vec(&review).unwrap()
}

/// What holds for every decision about every review.
pub(crate) fn assert_invariants(
    webhook: Webhook,
    body: &[u8],
    set: &PolicySet,
    subject: &Subject<'_>,
    decision: &Decision,
) {
    let uid = &subject.uid;
    if decision.lineage == Some(Lineage::Child) {
        assert!(decision.is_allowed(), "{uid}: a Child is never denied");
        assert!(decision.notices.is_empty(), "{uid}: nobody reads a Child's warnings");
    }
    if webhook == Webhook::Validate || !decision.is_allowed() {
        assert!(decision.patch.is_empty(), "{uid}: only an allowed mutation has a patch");
    }
    let review: Value = serde_json::from_slice(body).expect("the review is JSON");
    if decision.patch.is_empty() {
        return;
    }
    let object = patched_object(&review, decision);
    assert_untouched(&review["request"]["object"], &object, uid);
    let again = with_object(&review, object);
    let (_, second) = decide(webhook, &again, set, Options::default()).unwrap();
    assert!(
        second.is_allowed(),
        "{uid}: the second pass refuses what the first one made"
    );
    assert!(
        second.patch.is_empty(),
        "{uid}: the second pass changes {:?}",
        second.patch
    );
    assert!(
        second.removed.is_empty() || second.lineage.is_none(),
        "{uid}: the second pass removes {:?}",
        second.removed
    );
}

/// A patch touches nothing but annotations, labels, finalizers, ownerReferences, managedFields and status.
fn assert_untouched(before: &Value, after: &Value, uid: &str) {
    let strip = |object: &Value| {
        let mut object = object.clone();
        object.as_object_mut().unwrap().remove("status");
        if let Some(metadata) = object["metadata"].as_object_mut() {
            for field in [
                "annotations",
                "labels",
                "finalizers",
                "ownerReferences",
                "managedFields",
            ] {
                metadata.remove(field);
            }
        }
        object
    };
    assert_eq!(strip(before), strip(after), "{uid}: something else was changed");
    assert_managed_fields_follow(before, after, uid);
}

/// What is gone from the object is gone from managedFields, and nothing else is.
fn assert_managed_fields_follow(before: &Value, after: &Value, uid: &str) {
    let (Some(old), Some(new)) = (
        before["metadata"]["managedFields"].as_array(),
        after["metadata"]["managedFields"].as_array(),
    ) else {
        return;
    };
    // The API server writes managedFields before it calls; what it did not write is no promise of ours.
    if !old.iter().all(is_managed_entry) {
        return;
    }
    for (old, new) in old.iter().zip(new) {
        for map in ["annotations", "labels"] {
            let owned = &old["fieldsV1"]["f:metadata"][format!("f:{map}")];
            let left = &new["fieldsV1"]["f:metadata"][format!("f:{map}")];
            for (field, _) in owned
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(field, _)| *field != ".")
            {
                let Some(key) = field.strip_prefix("f:") else { continue };
                let was = before["metadata"][map].get(key).is_some();
                let is = after["metadata"][map].get(key).is_some();
                let owned = left.get(field).is_some();
                assert_eq!(owned, is || !was, "{uid}: managedFields {map} {key}");
            }
        }
        let owned = &new["fieldsV1"]["f:metadata"]["f:finalizers"];
        for (element, _) in owned
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(element, _)| *element != ".")
        {
            let name = element
                .strip_prefix("v:")
                .and_then(|json| serde_json::from_str::<String>(json).ok());
            let was = before["metadata"]["finalizers"].as_array().into_iter().flatten();
            let Some(name) = name.filter(|name| was.into_iter().any(|one| *one == *name.as_str())) else {
                continue;
            };
            let is = after["metadata"]["finalizers"]
                .as_array()
                .is_some_and(|all| all.iter().any(|one| *one == *name.as_str()));
            assert!(is, "{uid}: managedFields still owns the finalizer {name}");
        }
    }
}

fn is_managed_entry(entry: &Value) -> bool {
    let is_map = |value: &Value| value.is_object() || value.is_null();
    let metadata = &entry["fieldsV1"]["f:metadata"];
    let parts = ["f:annotations", "f:labels", "f:finalizers", "f:ownerReferences"];
    entry.is_object()
        && is_map(&entry["fieldsV1"])
        && is_map(metadata)
        && parts.iter().all(|part| is_map(&metadata[part]))
}
