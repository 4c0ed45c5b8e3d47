//! What is put through: Runs, lists of them, and recorded AdmissionReviews.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::domain::schema::quoted;
use crate::domain::words::RunKind;

/// Largest input, in bytes.
const MAX_INPUT_BYTES: u64 = 64 * 1024 * 1024;

/// Why a text is neither YAML nor JSON.
pub type SyntaxError = serde_saphyr::Error;

/// Why a file with Runs could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// It cannot be opened.
    #[error("failed to open {}", path.display())]
    Open {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be read, or is no UTF-8.
    #[error("failed to read {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is larger than anything that is meant.
    #[error("{} is larger than {MAX_INPUT_BYTES} bytes", .0.display())]
    TooLarge(PathBuf),
    /// It is neither JSON nor YAML.
    #[error("failed to read {} as YAML", path.display())]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// What is wrong, and where.
        source: Box<SyntaxError>,
    },
    /// The Run before an UPDATE is not in it.
    #[error("{}: expected the Run as it was before, found none", .0.display())]
    NoOldRun(PathBuf),
}

/// What a review says besides the Run.
#[derive(Debug)]
pub struct Request<'a> {
    /// Name of the user.
    pub user: &'a str,
    /// Groups of the user.
    pub groups: &'a [String],
    /// Instead of the namespace that the Run names.
    pub namespace: Option<&'a str>,
    /// The Run before an UPDATE; absent on CREATE.
    pub old: Option<Value>,
    /// Whether nothing is to be stored.
    pub dry_run: bool,
}

/// The AdmissionReviews that a file holds or that its Runs would come in.
///
/// # Errors
/// When the file cannot be read.
pub fn read_reviews(path: &Path, request: &Request<'_>) -> Result<Vec<Value>, InputError> {
    Ok(reviews_of(read_documents(path)?, request))
}

/// The AdmissionReviews among documents, and those that the Runs among them would come in.
pub fn reviews_of(documents: Vec<Value>, request: &Request<'_>) -> Vec<Value> {
    let mut reviews = Vec::new();
    for document in documents {
        if document.get("kind").and_then(Value::as_str) == Some("AdmissionReview") {
            reviews.push(document);
        } else {
            reviews.extend(runs_of(document).into_iter().map(|run| request.review(run)));
        }
    }
    reviews
}

/// The Run as it was before an UPDATE.
///
/// # Errors
/// When the file cannot be read or holds none.
pub fn read_old(path: &Path) -> Result<Value, InputError> {
    let run = read_documents(path)?.into_iter().find(is_run);
    run.ok_or_else(|| InputError::NoOldRun(path.to_owned()))
}

/// The Runs that a document is or lists; none where it is something else.
pub fn runs_of(document: Value) -> Vec<Value> {
    match document.get("kind").and_then(Value::as_str) {
        Some("List" | "PipelineRunList" | "TaskRunList" | "CustomRunList") => {
            let items = document.get("items").and_then(Value::as_array).cloned();
            items.unwrap_or_default().into_iter().filter(is_run).collect()
        }
        _ if is_run(&document) => vec![document],
        _ => Vec::new(),
    }
}

/// Whether a document is a PipelineRun, TaskRun or CustomRun.
pub fn is_run(document: &Value) -> bool {
    kind_of(document).is_some()
}

fn kind_of(document: &Value) -> Option<(RunKind, &str)> {
    let (group, version) = document.get("apiVersion")?.as_str()?.split_once('/')?;
    let kind = RunKind::from_word(document.get("kind")?.as_str()?)?;
    (group == "tekton.dev").then_some((kind, version))
}

/// The documents of a file, YAML or JSON; `-` is stdin.
///
/// # Errors
/// When the file cannot be read.
pub fn read_documents(path: &Path) -> Result<Vec<Value>, InputError> {
    read_documents_from(path, open(path)?)
}

/// Opens a file; `-` is stdin.
///
/// # Errors
/// When it cannot be opened.
pub fn open(path: &Path) -> Result<Box<dyn Read>, InputError> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file = std::fs::File::open(path).map_err(|source| InputError::Open {
        path: path.to_owned(),
        source,
    })?;
    Ok(Box::new(file))
}

/// The documents of a file that has been opened already.
///
/// # Errors
/// When it cannot be read.
pub fn read_documents_from(path: &Path, reader: impl Read) -> Result<Vec<Value>, InputError> {
    documents(&text_of(path, reader)?).map_err(|source| InputError::Syntax {
        path: path.to_owned(),
        source,
    })
}

/// The documents of a text, YAML or JSON.
///
/// # Errors
/// When it is neither.
pub fn documents(text: &str) -> Result<Vec<Value>, Box<SyntaxError>> {
    // JSON first: a recorded review may be larger and deeper than a YAML reader likes.
    if let Ok(document) = serde_json::from_str(text) {
        return Ok(vec![document]);
    }
    serde_saphyr::from_multiple(text).map_err(Box::new)
}

/// The text of a file with Runs; `-` is stdin.
///
/// # Errors
/// When it cannot be read.
pub fn read_text(path: &Path) -> Result<String, InputError> {
    text_of(path, open(path)?)
}

fn text_of(path: &Path, reader: impl Read) -> Result<String, InputError> {
    let mut text = String::new();
    let read = reader.take(MAX_INPUT_BYTES + 1).read_to_string(&mut text);
    read.map_err(|source| InputError::Read {
        path: path.to_owned(),
        source,
    })?;
    if text.len() as u64 > MAX_INPUT_BYTES {
        return Err(InputError::TooLarge(path.to_owned()));
    }
    Ok(text)
}

/// A label as `KEY=VALUE`.
///
/// # Errors
/// When there is no `=`.
pub fn parse_label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| format!("expected KEY=VALUE, found {}", quoted(text)))?;
    Ok((key.to_owned(), value.to_owned()))
}

impl Request<'_> {
    /// The AdmissionReview that the API server would send for a Run.
    pub fn review(&self, mut run: Value) -> Value {
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
