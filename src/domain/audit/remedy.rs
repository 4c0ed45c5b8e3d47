//! The commands that take from a Run what is another Run's.

use serde_json::{Value, json};

use super::finding::{Finding, ListElement, Reason, RunIdentity};
use crate::domain::field_path::{FieldPath, Segment};

/// The commands, in the order in which they are best run; none where only a person can tell what is right.
///
/// Names come from the cluster or from a file that anybody wrote, so each is quoted for the shell.
pub(super) fn commands(run: &RunIdentity, findings: &[Finding]) -> Vec<String> {
    let of_map = |map: &str| -> Vec<String> {
        let foreign = findings.iter().filter(|finding| is_removed(finding));
        let keys = foreign.filter_map(|finding| key_below(&finding.field, map));
        keys.map(|key| word(&format!("{key}-"))).collect()
    };
    let kind = run.kind.word().to_lowercase();
    let target = format!("{kind} {}", word(&run.name));
    let kubectl = format!("kubectl -n {}", word(&run.namespace));
    let mut commands = Vec::new();
    for (map, verb) in [("annotations", "annotate"), ("labels", "label")] {
        let keys = of_map(map);
        if !keys.is_empty() {
            commands.push(format!("{kubectl} {verb} {target} {}", keys.join(" ")));
        }
    }
    // From the end of each list, so that the positions of those before stay true.
    let mut elements: Vec<&ListElement> = findings.iter().filter_map(|finding| finding.element.as_ref()).collect();
    elements.sort_by(|left, right| (right.pointer.len(), &right.pointer).cmp(&(left.pointer.len(), &left.pointer)));
    let operations: Vec<Value> = (elements.into_iter())
        .flat_map(|ListElement { pointer, test, value }| {
            [
                json!({ "op": "test", "path": format!("{pointer}{test}"), "value": value }),
                json!({ "op": "remove", "path": pointer }),
            ]
        })
        .collect();
    if !operations.is_empty() {
        let patch = word(&Value::Array(operations).to_string());
        commands.push(format!("{kubectl} patch {target} --type json -p {patch}"));
    }
    commands
}

/// Whether what was found is another Run's, so that it may go.
fn is_removed(finding: &Finding) -> bool {
    matches!(
        finding.reason,
        Reason::ForeignUid | Reason::ForeignNamespace | Reason::UndeclaredWriter | Reason::Copied
    )
}

fn key_below<'f>(field: &'f FieldPath, map: &str) -> Option<&'f str> {
    match field.segments() {
        [Segment::Field(metadata), Segment::Field(name), Segment::Key(key)]
            if metadata == "metadata" && name == map =>
        {
            Some(key)
        }
        _ => None,
    }
}

/// One word of a shell command.
fn word(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._/-".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    // Control characters are no part of any name that the API server takes; shown as they are, they would act on a terminal.
    let visible: String = text
        .chars()
        .map(|character| if character.is_control() { '?' } else { character })
        .collect();
    format!("'{}'", visible.replace('\'', "'\\''"))
}
