//! A problem as data.

use serde::Serialize;

use super::{edit, related, severity_word};
use crate::domain::source::{Problem, Span};
use crate::policy_file::SourceFiles;

/// A problem as a JSON object; lines and columns count from 1, columns in characters, and the end is exclusive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    #[serde(rename = "apiVersion")]
    api_version: &'static str,
    kind: &'static str,
    severity: &'static str,
    code: &'static str,
    message: String,
    #[serde(flatten)]
    place: Place,
    label: Option<String>,
    help: Option<String>,
    related: Vec<RelatedRecord>,
    fixes: Vec<FixRecord>,
}

/// An edit that mends a problem, or is the best guess at one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FixRecord {
    certain: bool,
    #[serde(flatten)]
    place: Place,
    replacement: String,
}

/// Another place that belongs to a problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RelatedRecord {
    message: String,
    #[serde(flatten)]
    place: Place,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Place {
    file: String,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

impl Record {
    /// The record of a problem.
    pub fn new(problem: &Problem, files: &SourceFiles) -> Self {
        let related = related(problem, files).map(|(span, label)| RelatedRecord {
            message: label,
            place: Place::new(span, files),
        });
        let fixes = edit(problem, files).map(|edit| FixRecord {
            certain: edit.is_certain,
            place: Place::new(edit.span, files),
            replacement: edit.replacement,
        });
        Self {
            api_version: "runstamp.dev/v1alpha1",
            kind: "Diagnostic",
            severity: severity_word(problem.severity),
            code: problem.code.word(),
            message: problem.message.clone(),
            place: Place::new(problem.span, files),
            label: Some(problem.label.clone()).filter(|label| !label.is_empty()),
            help: problem.help.clone(),
            related: related.collect(),
            fixes: fixes.into_iter().collect(),
        }
    }
}

impl Place {
    fn new(span: Span, files: &SourceFiles) -> Self {
        let Some(file) = files.get(span) else {
            return Self {
                file: String::new(),
                line: 1,
                column: 1,
                end_line: 1,
                end_column: 1,
            };
        };
        let start = file.position(span.start);
        let end = file.position(span.end.max(span.start));
        Self {
            file: file.name.clone(),
            line: start.line,
            column: start.column,
            end_line: end.line,
            end_column: end.column,
        }
    }
}
