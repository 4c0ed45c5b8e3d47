//! Problems as SARIF 2.1.0, the form in which code hosts take them in and show them beside a change.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::explanation::Explanation;
use super::{edit, related, severity_word};
use crate::domain::source::{Code, Problem, Severity, Span};
use crate::policy_file::{SourceFile, SourceFiles};

/// Where the schema of the form is published.
const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// The report of one run; paths below `folder` are relative to it, as code hosts want them.
pub fn sarif(problems: &[Problem], files: &SourceFiles, folder: &Path) -> Value {
    let mut rules: BTreeMap<Code, Severity> = BTreeMap::new();
    for problem in problems {
        let worst = rules.entry(problem.code).or_insert(problem.severity);
        *worst = problem.severity.min(*worst);
    }
    let positions: BTreeMap<Code, usize> = rules
        .keys()
        .enumerate()
        .map(|(position, code)| (*code, position))
        .collect();
    let places = Places { files, folder };
    let results: Vec<Value> = problems
        .iter()
        .map(|problem| places.result(problem, positions.get(&problem.code).copied()))
        .collect();
    let rules: Vec<Value> = rules.into_iter().map(|(code, severity)| rule(code, severity)).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "runstamp",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules
            }},
            "columnKind": "unicodeCodePoints",
            "results": results
        }]
    })
}

fn rule(code: Code, severity: Severity) -> Value {
    let explanation = Explanation::of(code);
    json!({
        "id": code.word(),
        "shortDescription": {"text": code.summary()},
        "fullDescription": {"text": explanation.one_paragraph()},
        "help": {
            "text": explanation.prose,
            "markdown": explanation.prose
        },
        "defaultConfiguration": {"level": severity_word(severity)}
    })
}

struct Places<'p> {
    files: &'p SourceFiles,
    folder: &'p Path,
}

impl Places<'_> {
    fn result(&self, problem: &Problem, rule: Option<usize>) -> Value {
        let help = problem.help.as_ref().map(|help| format!("; {help}"));
        let mut result = json!({
            "ruleId": problem.code.word(),
            "level": severity_word(problem.severity),
            "message": {"text": plain(&format!("{}{}", problem.message, help.unwrap_or_default()))},
            "locations": [{"physicalLocation": self.location(problem.span)}]
        });
        let Value::Object(fields) = &mut result else {
            return result;
        };
        fields.extend(rule.map(|rule| ("ruleIndex".to_owned(), json!(rule))));
        let others: Vec<Value> = related(problem, self.files)
            .enumerate()
            .map(|(number, (span, label))| {
                json!({
                    "id": number + 1,
                    "message": {"text": plain(&label)},
                    "physicalLocation": self.location(span)
                })
            })
            .collect();
        if !others.is_empty() {
            fields.insert("relatedLocations".to_owned(), json!(others));
        }
        // A reader may apply what is listed here without asking.
        if let Some(edit) = edit(problem, self.files).filter(|edit| edit.is_certain) {
            let fixes = json!([{
                "description": {"text": plain(problem.help.as_deref().unwrap_or("mend it"))},
                "artifactChanges": [{
                    "artifactLocation": self.artifact(edit.span),
                    "replacements": [{
                        "deletedRegion": self.region(edit.span),
                        "insertedContent": {"text": edit.replacement}
                    }]
                }]
            }]);
            fields.insert("fixes".to_owned(), fixes);
        }
        result
    }

    fn location(&self, span: Span) -> Value {
        json!({
            "artifactLocation": self.artifact(span),
            "region": self.region(span)
        })
    }

    fn artifact(&self, span: Span) -> Value {
        let uri = self.files.get(span).map(|file| uri(file, self.folder));
        json!({"uri": uri.unwrap_or_default()})
    }

    fn region(&self, span: Span) -> Value {
        let Some(file) = self.files.get(span) else {
            return json!({"startLine": 1});
        };
        let start = file.position(span.start);
        let end = file.position(span.end.max(span.start));
        json!({
            "startLine": start.line,
            "startColumn": start.column,
            "endLine": end.line,
            "endColumn": end.column
        })
    }
}

/// A text in which nothing that a policy file says is taken for a link, which readers of the form write as `[text](target)`.
fn plain(text: &str) -> String {
    if text.contains("](") {
        text.replace('[', "\\[").replace(']', "\\]")
    } else {
        text.to_owned()
    }
}

/// The address of a file: relative where it lies below the folder; what is built in lies in no folder at all.
fn uri(file: &SourceFile, folder: &Path) -> String {
    let path = Path::new(&file.name);
    let path = path.strip_prefix(folder).unwrap_or(path);
    let text = path.to_string_lossy().replace('\\', "/");
    let text = text.trim_start_matches("./");
    let encoded = text.split('/').map(encoded_segment).collect::<Vec<_>>().join("/");
    match (file.builtin, path.is_absolute()) {
        (true, _) => format!("runstamp:/{encoded}"),
        (false, true) => format!("file://{encoded}"),
        (false, false) => encoded,
    }
}

/// A segment of a path with everything else than RFC 3986's unreserved characters as percent codes.
fn encoded_segment(segment: &str) -> String {
    let mut encoded = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy_file::{PolicyText, read_texts};

    #[test]
    fn a_text_of_a_file_is_no_link() {
        assert_eq!(
            plain("found \"[here](https://evil.example.com)\""),
            "found \"\\[here\\](https://evil.example.com)\""
        );
        assert_eq!(plain("metadata.annotations[a]"), "metadata.annotations[a]");
    }

    #[test]
    fn paths_are_addresses() {
        let check = |name: &str, builtin: bool, expected: &str| {
            let (files, _) = read_texts([PolicyText {
                name: name.to_owned(),
                content: Vec::new(),
                builtin,
            }]);
            let file = files.iter().next().unwrap();
            assert_eq!(uri(file, Path::new("/home/me/repo")), expected, "{name}");
        };
        check("policies/a.yaml", false, "policies/a.yaml");
        check("./policies/a.yaml", false, "policies/a.yaml");
        check("/home/me/repo/policies/a b.yaml", false, "policies/a%20b.yaml");
        check("/etc/ä#.yaml", false, "file:///etc/%C3%A4%23.yaml");
        check("../a.yaml", false, "../a.yaml");
        check("builtin/github.yaml", true, "runstamp:/builtin/github.yaml");
    }
}
