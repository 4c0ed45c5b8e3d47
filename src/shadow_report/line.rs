//! One line of a log: of Runstamp's own in JSON, or of the API server's audit log.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::error::Category;

/// The audit annotations of the two webhooks; before the slash stands the webhook's name, in Runstamp's domain.
const AUDIT_KEYS: [&str; 2] = ["runstamp.dev/shadow", "runstamp.dev/shadow-validation"];

/// What a line says.
pub(super) enum Read {
    /// It is no JSON.
    NotJson,
    /// It is about something else.
    AboutSomethingElse,
    /// It is about a dry run.
    DryRun,
    /// What policies in Shadow mode would have done with one request.
    Told(Told),
}

/// What policies in Shadow mode would have done with one request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) namespace: String,
    /// `PipelineRun`, or `pipelineruns` in an audit log.
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) user: String,
    /// What is wrong, where the log says so.
    pub(super) faults: String,
    /// Outcome and field, by policy.
    pub(super) policies: BTreeMap<String, Vec<(String, String)>>,
    /// Whether it names only the first of many keys.
    pub(super) is_cut: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    // Of Runstamp's log.
    timestamp: Option<String>,
    message: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
    policy: Option<String>,
    outcomes: Option<String>,
    faults: Option<String>,
    #[serde(rename = "dry_run")]
    dry_run: Option<bool>,
    // Of both.
    kind: Option<String>,
    user: Option<User>,
    // Of the audit log.
    api_version: Option<String>,
    stage: Option<String>,
    request_received_timestamp: Option<String>,
    #[serde(rename = "requestURI")]
    request_uri: Option<String>,
    object_ref: Option<ObjectRef>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum User {
    Name(String),
    Info { username: Option<String> },
}

#[derive(Deserialize, Default)]
struct ObjectRef {
    resource: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
}

/// Reads one line, and when it was written; what stands before the first brace is what collectors of logs put there.
pub(super) fn read(line: &[u8]) -> (Read, Option<String>) {
    let start = line.iter().position(|byte| *byte == b'{').unwrap_or(line.len());
    let line: Line = match serde_json::from_slice(line.get(start..).unwrap_or_default()) {
        Ok(line) => line,
        // JSON of another shape is about something else.
        Err(error) if error.classify() == Category::Data => return (Read::AboutSomethingElse, None),
        Err(_) => return (Read::NotJson, None),
    };
    let time = line.timestamp.as_ref().or(line.request_received_timestamp.as_ref());
    let time = time.filter(|time| is_time(time)).cloned();
    let is_audit = line
        .api_version
        .as_deref()
        .is_some_and(|version| version.starts_with("audit.k8s.io/"));
    let read = if is_audit {
        of_audit(line)
    } else if line.message.as_deref() == Some("shadow") {
        of_log(line)
    } else {
        Read::AboutSomethingElse
    };
    (read, time)
}

/// Whether it is a time as both logs write it, in UTC: such texts sort as times do.
fn is_time(text: &str) -> bool {
    let is_of_a_time = |character: char| character.is_ascii_digit() || "-:.TZ".contains(character);
    text.len() <= 40 && text.ends_with('Z') && text.chars().all(is_of_a_time)
}

fn of_log(line: Line) -> Read {
    let (Some(policy), Some(outcomes)) = (line.policy, line.outcomes) else {
        return Read::AboutSomethingElse;
    };
    if line.dry_run == Some(true) {
        return Read::DryRun;
    }
    let mut told = Told {
        namespace: line.namespace.unwrap_or_default(),
        kind: line.kind.unwrap_or_default(),
        name: line.name.unwrap_or_default(),
        user: name_of(line.user),
        faults: line.faults.unwrap_or_default(),
        ..Told::default()
    };
    for item in outcomes.split("; ") {
        match item.split_once(' ') {
            Some(("and", _)) => told.is_cut = true,
            Some((outcome, field)) => told.enter(&policy, outcome, field),
            None => {}
        }
    }
    told.or_something_else()
}

fn of_audit(line: Line) -> Read {
    let mut annotations = line.annotations.unwrap_or_default();
    annotations.retain(|key, _| AUDIT_KEYS.iter().any(|ours| key.ends_with(ours)));
    // A request is written at several stages, and complete at the last.
    if annotations.is_empty() || line.stage.as_deref() != Some("ResponseComplete") {
        return Read::AboutSomethingElse;
    }
    let uri = line.request_uri.unwrap_or_default();
    if uri.split(['?', '&']).any(|parameter| parameter.starts_with("dryRun=")) {
        return Read::DryRun;
    }
    let object = line.object_ref.unwrap_or_default();
    let mut told = Told {
        namespace: object.namespace.unwrap_or_default(),
        kind: object.resource.unwrap_or_default(),
        name: object.name.unwrap_or_default(),
        user: name_of(line.user),
        ..Told::default()
    };
    for list in annotations.values() {
        let (items, more) = list.rsplit_once(" and ").unwrap_or((list, ""));
        told.is_cut |= more.ends_with(" more");
        for item in items.split(", ") {
            let mut words = item.splitn(3, ' ');
            if let (Some(policy), Some(outcome), Some(field)) = (words.next(), words.next(), words.next()) {
                told.enter(policy, outcome, field);
            }
        }
    }
    told.or_something_else()
}

impl Told {
    fn enter(&mut self, policy: &str, outcome: &str, field: &str) {
        let outcomes = self.policies.entry(policy.to_owned()).or_default();
        outcomes.push((outcome.to_owned(), field.to_owned()));
    }

    fn or_something_else(self) -> Read {
        if self.policies.is_empty() {
            Read::AboutSomethingElse
        } else {
            Read::Told(self)
        }
    }
}

fn name_of(user: Option<User>) -> String {
    match user {
        Some(User::Name(name)) => name,
        Some(User::Info { username }) => username.unwrap_or_default(),
        None => String::new(),
    }
}
