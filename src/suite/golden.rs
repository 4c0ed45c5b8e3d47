//! Golden decisions: files beside a Suite that hold everything that comes out of a case, and that `runstamp test --update` writes.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;
use similar::TextDiff;

use crate::report::Report;

/// Largest golden that is read, in bytes; a Run may be large.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Lines around a difference.
const CONTEXT_LINES: usize = 2;

/// The file that a case names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Golden {
    path: PathBuf,
}

/// Why a golden can neither be compared nor written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GoldenError {
    /// The path leads out of the Suite's folder.
    #[error("expected a path within the folder of the suite, found {0:?}")]
    Outside(String),
    /// Another case names the same file.
    #[error("{} holds the decision of another case already", .0.display())]
    Twice(PathBuf),
    /// Something on the way is a symbolic link.
    #[error("{} is a symbolic link, which is not followed", .0.display())]
    Link(PathBuf),
    /// There is a file, and it holds no decision.
    #[error("expected a file that {TOOL} wrote, or none, found something else in {}", .0.display())]
    NotADecision(PathBuf),
    /// It cannot be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The decision cannot be written as YAML or JSON.
    #[error("failed to write the decision: {0}")]
    Write(#[from] serde_json::Error),
}

const TOOL: &str = "runstamp test --update";

/// A golden that is not what came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaleGolden {
    /// The file.
    pub path: PathBuf,
    /// What it should hold.
    pub text: String,
    /// How what it holds differs.
    pub difference: String,
}

impl Golden {
    /// The file of that name in the Suite's folder.
    pub(super) fn new(folder: &Path, name: &str) -> Result<Self, GoldenError> {
        let mut components = Path::new(name).components().peekable();
        let is_within = components.peek().is_some()
            && components.all(|component| matches!(component, Component::Normal(_) | Component::CurDir));
        if !is_within || name.ends_with('/') {
            return Err(GoldenError::Outside(name.to_owned()));
        }
        let mut path = folder.to_owned();
        for component in Path::new(name).components() {
            if let Component::Normal(part) = component {
                path.push(part);
                if fs::symlink_metadata(&path).is_ok_and(|found| found.is_symlink()) {
                    return Err(GoldenError::Link(path));
                }
            }
        }
        Ok(Self { path })
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Compares the file with what came out; nothing where they say the same, however the file spells it.
    pub(super) fn compare(&self, report: &Report) -> Result<Option<StaleGolden>, GoldenError> {
        let found = decision(report)?;
        let text = written(&found)?;
        let known = self.read()?;
        if known.as_ref() == Some(&found) {
            return Ok(None);
        }
        let difference = match &known {
            None => format!("no such file: {TOOL} writes it"),
            Some(known) => TextDiff::from_lines(&written(known)?, &text)
                .unified_diff()
                .context_radius(CONTEXT_LINES)
                .header("golden", "found")
                .to_string(),
        };
        Ok(Some(StaleGolden {
            path: self.path.clone(),
            text,
            difference,
        }))
    }

    /// The decision in the file; nothing where there is no file, or an empty one.
    ///
    /// A path may be misspelt, and what stands there be somebody's Run: that is neither compared nor overwritten.
    fn read(&self) -> Result<Option<Value>, GoldenError> {
        let failed = |source| GoldenError::Read {
            path: self.path.clone(),
            source,
        };
        let size = match fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            found => found.map_err(failed)?.len(),
        };
        if size > MAX_BYTES {
            return Err(GoldenError::NotADecision(self.path.clone()));
        }
        let text = fs::read_to_string(&self.path).map_err(failed)?;
        if text.trim().is_empty() {
            return Ok(None);
        }
        let decision = read_back(&text).filter(|value| value["kind"] == "Decision");
        match decision {
            Some(decision) => Ok(Some(decision)),
            None => Err(GoldenError::NotADecision(self.path.clone())),
        }
    }
}

/// What came out, without what changes although nothing comes out differently: the digest of the policies.
fn decision(report: &Report) -> Result<Value, GoldenError> {
    let mut decision = serde_json::to_value(report)?;
    if let Some(fields) = decision.as_object_mut() {
        fields.remove("policySet");
    }
    Ok(decision)
}

/// A decision as YAML, or as JSON, which is YAML too, where the YAML would read otherwise.
fn written(decision: &Value) -> Result<String, GoldenError> {
    let yaml = serde_saphyr::to_string(decision).ok();
    if let Some(yaml) = yaml.filter(|yaml| read_back(yaml).as_ref() == Some(decision)) {
        return Ok(yaml);
    }
    Ok(serde_json::to_string_pretty(decision)? + "\n")
}

fn read_back(text: &str) -> Option<Value> {
    serde_json::from_str(text)
        .ok()
        .or_else(|| serde_saphyr::from_str(text).ok())
}
