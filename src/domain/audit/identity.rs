//! The state that names whose it is: which Run, which Result, which namespace.

use crate::domain::words::Place;

/// The Result that groups a Run with others; a person may name any.
pub(super) const RESULT: &str = "results.tekton.dev/result";

/// The record of the Run itself.
const RECORD: &str = "results.tekton.dev/record";

/// Records beside it, under the same Result.
const BESIDE: [&str; 2] = ["results.tekton.dev/log", "results.tekton.dev/eventlist"];

/// What Chains keeps under the UID of the Run that it signs: `chains.tekton.dev/signature-taskrun-UID`.
const SIGNED: [&str; 8] = [
    "chains.tekton.dev/cert-pipelinerun-",
    "chains.tekton.dev/cert-taskrun-",
    "chains.tekton.dev/chain-pipelinerun-",
    "chains.tekton.dev/chain-taskrun-",
    "chains.tekton.dev/payload-pipelinerun-",
    "chains.tekton.dev/payload-taskrun-",
    "chains.tekton.dev/signature-pipelinerun-",
    "chains.tekton.dev/signature-taskrun-",
];

/// The PipelineRun that a Child belongs to.
pub(super) const PIPELINE_RUN_UID: &str = "tekton.dev/pipelineRunUID";

/// The event that created a Run; Results names the Result by it where nobody names another.
pub(super) const EVENT_ID: &str = "triggers.tekton.dev/triggers-eventid";

/// Whom a key or its value names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named<'a> {
    /// A Run, by its UID. A Child may have inherited its owner's.
    Run {
        /// The UID.
        uid: &'a str,
        /// The Result that its record lies in.
        result: &'a str,
        /// The namespace.
        namespace: &'a str,
    },
    /// The Run that a signature is of; nobody inherits one.
    SignedRun(&'a str),
    /// A Result: it may be a Run's, an event's, or a group of somebody's own making.
    Result {
        /// The Result's name.
        name: &'a str,
        /// The namespace.
        namespace: &'a str,
    },
}

/// Whom this annotation names; nobody where its value cannot be read, which its schema judges.
pub(super) fn named<'a>(place: Place, key: &'a str, value: &'a str) -> Option<Named<'a>> {
    if place != Place::Annotation {
        return None;
    }
    if let Some(uid) = SIGNED.iter().find_map(|prefix| key.strip_prefix(prefix)) {
        return is_uuid(uid).then_some(Named::SignedRun(uid));
    }
    let is_record = key == RECORD;
    if !is_record && key != RESULT && !BESIDE.contains(&key) {
        return None;
    }
    let mut parts = value.split('/');
    let namespace = parts.next()?;
    let name = parts.nth(1).filter(|name| !name.is_empty())?;
    if !is_record {
        return Some(Named::Result { name, namespace });
    }
    let uid = parts.nth(1).filter(|uid| !uid.is_empty())?;
    Some(Named::Run {
        uid,
        result: name,
        namespace,
    })
}

/// Whether the text is a UUID as Kubernetes writes it: what else a Result is called, a person has made up.
pub(super) fn is_uuid(text: &str) -> bool {
    let mut lengths = [8, 4, 4, 4, 12].into_iter();
    let mut parts = text.split('-');
    let all = lengths.all(|length| {
        let part = parts.next().unwrap_or_default();
        part.len() == length && part.bytes().all(|byte| byte.is_ascii_hexdigit())
    });
    all && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_a_key_names_is_read_from_where_its_writer_puts_it() {
        let uid = "3947dc60-75b2-4b3b-93ab-7bb4d11a84cb";
        for (key, value, expected) in [
            (
                RECORD,
                "ci/results/a/records/b",
                Some(Named::Run {
                    uid: "b",
                    result: "a",
                    namespace: "ci",
                }),
            ),
            (RECORD, "ci/results/a", None),
            (RECORD, "", None),
            (
                RESULT,
                "ci/results/a",
                Some(Named::Result {
                    name: "a",
                    namespace: "ci",
                }),
            ),
            (RESULT, "ci/results/", None),
            (
                "results.tekton.dev/log",
                "ci/results/a/logs/b",
                Some(Named::Result {
                    name: "a",
                    namespace: "ci",
                }),
            ),
            ("results.tekton.dev/stored", "true", None),
            (
                &format!("chains.tekton.dev/payload-taskrun-{uid}"),
                "",
                Some(Named::SignedRun(uid)),
            ),
            // The image that a TaskRun built is signed under the beginning of its digest.
            ("chains.tekton.dev/payload-05f95b26ed10", "", None),
            ("chains.tekton.dev/payload-taskrun-05f95b26ed10", "", None),
        ] {
            assert_eq!(named(Place::Annotation, key, value), expected, "{key}: {value}");
        }
        assert_eq!(named(Place::Label, RECORD, "ci/results/a/records/b"), None);
    }

    #[test]
    fn only_whole_uuids_are_uuids() {
        for (text, expected) in [
            ("3947dc60-75b2-4b3b-93ab-7bb4d11a84cb", true),
            ("3947dc60-75b2-4b3b-93ab-7bb4d11a84cb-", false),
            ("3947dc60-75b2-4b3b-93ab-7bb4d11a84c", false),
            ("3947dc60-75b2-4b3b-93ab-7bb4d11a84cx", false),
            ("nightly-release", false),
            ("", false),
        ] {
            assert_eq!(is_uuid(text), expected, "{text}");
        }
    }
}
