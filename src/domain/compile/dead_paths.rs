//! Warns about paths that lead to fields which no Run has: misspelt, they find nothing and say nothing.

use super::context::{part_of, quote, suggest_among};
use crate::domain::definition::Text;
use crate::domain::path::Path;
use crate::domain::source::{Code, Problem};
use crate::domain::suggest::nearest;

/// The fields of an object of Kubernetes.
const TOP: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];

/// Who owns which field changes with every removal, so a second pass would find something else.
const HIDDEN: &str = "managedFields";

/// The other fields of `metadata`; the API server drops what is none of them.
const METADATA: [&str; 14] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// The warning about a path, if it leads nowhere.
pub(super) fn check(path: &Path, text: &Text) -> Option<Problem> {
    match path.leading_names().as_slice() {
        // Some CRDs keep unknown fields beside spec, so only a slip counts.
        [top, ..] if !TOP.contains(top) => {
            nearest(top, TOP.into_iter())?;
            Some(problem("", top, &TOP, text))
        }
        ["metadata", HIDDEN, ..] => {
            let message = format!("policies are not shown {HIDDEN}: this path never finds anything");
            let problem = Problem::warning(Code::DeadPath, text.span, message);
            Some(problem.with_help("match by users to ask who creates a Run"))
        }
        ["metadata", field, ..] if !METADATA.contains(field) => Some(problem("metadata", field, &METADATA, text)),
        _ => None,
    }
}

fn problem(parent: &str, field: &str, known: &[&str], text: &Text) -> Problem {
    let place = match text.value.find(field) {
        Some(start) => part_of(text, start, start + field.len()),
        None => text.span,
    };
    let below = if parent.is_empty() {
        String::new()
    } else {
        format!(" below {parent}")
    };
    let message = format!(
        "no Run has a field {}{below}: this path never finds anything",
        quote(field)
    );
    let problem = Problem::warning(Code::DeadPath, place, message);
    let mut problem = suggest_among(problem, field, known.iter().copied());
    // The place is a part of the text, whose notation is that of the whole.
    problem.fix = None;
    problem
}
