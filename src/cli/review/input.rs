//! What `review` is given: Runs, lists of them, and recorded AdmissionReviews.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::domain::words::RunKind;

/// Largest input, in bytes: what `serve` takes by default as one body.
const MAX_INPUT_BYTES: u64 = 64 * 1024 * 1024;

/// What a review says besides the Run.
pub(super) struct Request<'a> {
    pub(super) user: &'a str,
    pub(super) groups: &'a [String],
    pub(super) namespace: Option<&'a str>,
    /// The Run before an UPDATE; absent on CREATE.
    pub(super) old: Option<Value>,
    pub(super) dry_run: bool,
}

/// The AdmissionReviews that a file holds or that its Runs would come in.
pub(super) fn read_reviews(path: &Path, request: &Request<'_>) -> anyhow::Result<Vec<Value>> {
    let mut reviews = Vec::new();
    for document in read_documents(path)? {
        match document.get("kind").and_then(Value::as_str) {
            Some("AdmissionReview") => reviews.push(document),
            Some("List" | "PipelineRunList" | "TaskRunList" | "CustomRunList") => {
                let items = document
                    .get("items")
                    .and_then(Value::as_array)
                    .cloned()
                    .unwrap_or_default();
                reviews.extend(items.into_iter().filter(is_run).map(|run| request.review(run)));
            }
            _ if is_run(&document) => reviews.push(request.review(document)),
            _ => {}
        }
    }
    Ok(reviews)
}

/// The Run as it was before an UPDATE.
pub(super) fn read_old(path: &Path) -> anyhow::Result<Value> {
    match read_documents(path)?.into_iter().find(is_run) {
        Some(run) => Ok(run),
        None => bail!("{}: expected the Run as it was before, found none", path.display()),
    }
}

fn is_run(document: &Value) -> bool {
    kind_of(document).is_some()
}

fn kind_of(document: &Value) -> Option<(RunKind, &str)> {
    let (group, version) = document.get("apiVersion")?.as_str()?.split_once('/')?;
    let kind = RunKind::from_word(document.get("kind")?.as_str()?)?;
    (group == "tekton.dev").then_some((kind, version))
}

fn read_documents(path: &Path) -> anyhow::Result<Vec<Value>> {
    let shown = path.display();
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(MAX_INPUT_BYTES + 1)
            .read_to_string(&mut text)
    } else {
        let file = std::fs::File::open(path).with_context(|| format!("failed to open {shown}"))?;
        file.take(MAX_INPUT_BYTES + 1).read_to_string(&mut text)
    };
    read.with_context(|| format!("failed to read {shown}"))?;
    if text.len() as u64 > MAX_INPUT_BYTES {
        bail!("{shown} is larger than {MAX_INPUT_BYTES} bytes");
    }
    // JSON first: a recorded review may be larger and deeper than a YAML reader likes.
    if let Ok(document) = serde_json::from_str(&text) {
        return Ok(vec![document]);
    }
    serde_saphyr::from_multiple(&text).with_context(|| format!("failed to read {shown} as YAML"))
}

impl Request<'_> {
    /// The AdmissionReview that the API server would send for a Run.
    fn review(&self, mut run: Value) -> Value {
        let (kind, version) = kind_of(&run).map_or(("", ""), |(kind, version)| (kind.word(), version));
        let group = json!({"group": "tekton.dev", "version": version, "kind": kind});
        let own = run.pointer("/metadata/namespace").and_then(Value::as_str);
        let namespace = self.namespace.or(own).unwrap_or("default").to_owned();
        let name = run.pointer("/metadata/name").cloned();
        let operation = if self.old.is_some() { "UPDATE" } else { "CREATE" };
        if let Some(old) = &self.old {
            // Files rarely say which version they are; a differing one would make this a stale write.
            let version = old.pointer("/metadata/resourceVersion").cloned();
            if let Some(metadata) = run.get_mut("metadata").and_then(Value::as_object_mut) {
                match version {
                    Some(version) => metadata.insert("resourceVersion".to_owned(), version),
                    None => metadata.remove("resourceVersion"),
                };
            }
        }
        json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": "00000000-0000-0000-0000-000000000000",
                "kind": group,
                "name": name,
                "namespace": namespace,
                "operation": operation,
                "userInfo": {"username": self.user, "groups": self.groups},
                "object": run,
                "oldObject": self.old,
                "dryRun": self.dry_run,
            },
        })
    }
}
