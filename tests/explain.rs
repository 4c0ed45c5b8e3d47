//! Explanations, read aloud: each golden file below `tests/explain` is what `--explain` says of a few Runs.
//!
//! A case is a YAML file: its first document lists requests, the others are the policies. `UPDATE_GOLDENS=1 cargo test --test explain`
//! writes the goldens, for a person to read.
#![cfg(test)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use regex::Regex;
use runstamp::domain::decision::Decision;
use runstamp::domain::matching::Mismatch;
use runstamp::domain::request::Options;
use runstamp::domain::trace::{Event, Trace};
use runstamp::policy_file::PolicyText;
use runstamp::report::{Outcome, Report, RunName};
use runstamp::review::{Webhook, decide_with, warnings};
use serde::Deserialize;
use serde_json::{Value, json};

use common::golden::{agrees_with_golden, cases};
use common::set_of;

const FOLDER: &str = "tests/explain";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    requests: Vec<Asked>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Asked {
    title: String,
    user: String,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    namespace: String,
    namespace_labels: Option<BTreeMap<String, String>>,
    operation: Option<String>,
    old: Option<Value>,
    run: Value,
}

impl Asked {
    fn review(&self) -> Vec<u8> {
        let review = json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": "5c7a4d0e-2b0f-4f1c-9f43-1f6d1f6a7e01",
                "kind": {"group": "tekton.dev", "version": "v1", "kind": self.run["kind"]},
                "namespace": self.namespace,
                "operation": self.operation.as_deref().unwrap_or("CREATE"),
                "userInfo": {"username": self.user, "groups": self.groups},
                "object": self.run,
                "oldObject": self.old,
            },
        });
        serde_json::to_vec(&review).unwrap()
    }
}

/// Each request of a case with its trace.
fn traces(path: &Path) -> Vec<(String, Trace)> {
    let text = fs::read_to_string(path).unwrap();
    let (requests, policies) = text.split_once("\n---\n").expect("a case has policies");
    let case: Case = serde_saphyr::from_str(requests).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let set = set_of([PolicyText {
        name: path.display().to_string(),
        content: policies.as_bytes().to_vec(),
        builtin: false,
    }]);
    let mut traces = Vec::new();
    for asked in case.requests {
        let body = asked.review();
        let labels = asked.namespace_labels.map(Arc::new);
        let decide = |explain| {
            let options = Options {
                explain,
                ..Options::default()
            };
            decide_with(Webhook::Mutate, &body, &set, &|_| labels.clone(), options)
                .unwrap()
                .1
        };
        let (mut explained, plain) = (decide(true), decide(false));
        assert_eq!(plain.trace, None, "{}: nobody asked", asked.title);
        let trace = explained.trace.take().expect("somebody asked");
        assert_eq!(
            (
                explained.verdict,
                explained.patch,
                explained.violations,
                explained.notices,
                explained.skipped
            ),
            (
                plain.verdict,
                plain.patch,
                plain.violations,
                plain.notices,
                plain.skipped
            ),
            "{}: asking changes nothing",
            asked.title
        );
        traces.push((asked.title, trace));
    }
    traces
}

#[test]
fn every_explanation_is_one_that_was_read() {
    let mut agree = true;
    for path in cases(FOLDER) {
        let mut text = String::new();
        for (title, trace) in traces(&path) {
            text.push_str(&format!("# {title}\n"));
            for event in &trace.events {
                let line = event.to_string();
                common::assert_one_line(&line);
                text.push_str(&format!("{line}\n"));
            }
            text.push('\n');
        }
        agree &= agrees_with_golden(&path.with_extension("txt"), &text);
    }
    assert!(agree);
}

/// What a golden must hold for each kind of line; a new kind does not compile before it has its place here.
fn line_of(event: &Event) -> &'static str {
    match event {
        Event::Lineage { .. } => "^this Run is a (Root|Child|Mirror): ",
        Event::Copied { .. } => "^this Run is a copy of another ",
        Event::SourceSilent { .. } => "^trigger source .* says nothing: expected .*, found ",
        Event::FactFound { .. } => "^trigger\\.[a-zA-Z]+ is .* from ",
        Event::FactRefused { .. } => "^trigger\\.[a-zA-Z]+ is not .*: ",
        Event::FactAbsent { .. } => "^trigger\\.[a-zA-Z]+ is absent: ",
        Event::PolicyMatched { .. } => "^policy .* is for this Run$",
        Event::PolicySkipped { .. } => "^policy .* is not for this Run: match.* expects .*, found ",
        Event::KeyInjected { .. } => "^policy .* (sets|would set) .* to ",
        Event::KeySatisfied { .. } => "^policy .* leaves .* as it is: ",
        Event::KeySkipped { .. } => "^policy .* does not set .*: ",
    }
}

/// The same for each way in which a policy may not be for a Run.
fn lines_of(mismatch: &Mismatch) -> &'static [&'static str] {
    match mismatch {
        Mismatch::Kind => &["match.kinds expects "],
        Mismatch::Namespace => &["match.namespaces expects "],
        Mismatch::ExcludedNamespace => &["match.excludeNamespaces expects "],
        Mismatch::NamespaceLabelsUnknown => &["match.namespaceSelector expects the labels of namespace "],
        Mismatch::NamespaceLabels => &["match.namespaceSelector expects label .* to be .*, found \""],
        Mismatch::Labels => &[
            "match.selector expects label .* to be \"",
            "match.selector expects label .* not to be \"",
            "match.selector expects label .* to be there, found none",
            "match.selector expects label .* not to be there, found \"",
        ],
        Mismatch::User => &["match.users expects "],
        Mismatch::TriggerSource(_) => &[
            "match.trigger.sources expects .*, found facts about the repository from",
            "match.trigger.sources expects .*, found no facts",
        ],
        Mismatch::Provider(_) => &[
            "match.trigger.providers expects .*, found trigger",
            "providers expects .*, found no ",
        ],
        Mismatch::Host(_) => &[
            "match.trigger.hosts expects .*, found trigger",
            "hosts expects .*, found no ",
        ],
        Mismatch::Event(_) => &[
            "match.trigger.events expects .*, found trigger",
            "events expects .*, found no ",
        ],
        Mismatch::Trust(_) => &[
            "match.trigger.trusted expects true, found .* does not trust ",
            "match.trigger.trusted expects true, found no facts",
            "match.trigger.trusted expects false, found .* trusts ",
        ],
        Mismatch::Field(..) => &[
            "match.where expects .* to be there, found nothing",
            "match.where expects .* not to be there, found it",
            "match.where expects .* to be \".*, found \"",
            "match.where expects .* to be \".*, found nothing",
            "match.where expects .* to be \".*, found an object",
            "match.where expects .* not to be \".*, found \"",
            "match.where expects .* to match \".*, found \"",
        ],
    }
}

/// The reasons why a candidate is no fact, and why a value is left out.
const REASONS: [&str; 21] = [
    "is not .*: \".*\" is not a commit",
    "is not .*: \".*\" does not match the pattern",
    "is not .*: found a list",
    "is not .*: .* come from one source, which is ",
    "is not .*: .* comes first",
    "is not .*: .* is said of every Run",
    "is absent: nothing usable at .*, nor at ",
    "is absent: it would follow from .*, which is absent",
    "it does not follow from .*, which is \"",
    "does not set .*: policy a-first has set it",
    "does not set .*: expected .*, found .*$",
    "does not set .*: expected .* \\(policy d-tight\\)",
    "does not set .*: .* is not a label value",
    "does not set .*: the Run has \"mine\", and onConflict is Keep",
    "does not set .*: the Run has \"mine\", and onConflict is Deny",
    "does not set .*: the Run has .*, which the record .* must not keep",
    "does not set .*: run.name is absent",
    "does not set .*: vars.stage is absent: .* leads to nothing",
    "does not set .*: vars.list is absent: .* leads to ",
    "does not set .*: left out with its group, since .* is absent",
    "does not set .*: it would break a rule: ",
];

#[test]
fn every_reason_has_a_golden() {
    let goldens: String = cases(FOLDER)
        .iter()
        .map(|case| fs::read_to_string(case.with_extension("txt")).unwrap())
        .collect();
    let none = || None::<String>;
    let mismatches = [
        Mismatch::Kind,
        Mismatch::Namespace,
        Mismatch::ExcludedNamespace,
        Mismatch::NamespaceLabelsUnknown,
        Mismatch::NamespaceLabels,
        Mismatch::Labels,
        Mismatch::User,
        Mismatch::TriggerSource(none()),
        Mismatch::Provider(none()),
        Mismatch::Host(none()),
        Mismatch::Event(none()),
        Mismatch::Trust(true),
        Mismatch::Field(0, String::new()),
    ];
    let events: Vec<Event> = cases(FOLDER)
        .iter()
        .flat_map(|case| traces(case))
        .flat_map(|(_, trace)| trace.events)
        .collect();
    let wanted = mismatches
        .iter()
        .flat_map(lines_of)
        .chain(&REASONS)
        .copied()
        .chain(events.iter().map(line_of));
    let missing: Vec<&str> = wanted
        .filter(|pattern| !Regex::new(&format!("(?m){pattern}")).unwrap().is_match(&goldens))
        .collect();
    assert!(missing.is_empty(), "no golden shows {missing:#?}");
    let mut words: Vec<&str> = events.iter().map(Event::word).collect();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), 11, "a kind of line that no case shows: {words:?}");
}

fn report_of(decision: &Decision) -> Report {
    let run = RunName {
        kind: "PipelineRun".to_owned(),
        namespace: "ci".to_owned(),
        name: "build".to_owned(),
    };
    let outcome = Outcome {
        mutated: decision,
        validated: None,
        object: Value::Null,
    };
    Report::new(run, outcome, String::new()).with_trace(decision)
}

#[test]
fn programs_get_the_same_as_data() {
    for path in cases(FOLDER) {
        for (title, trace) in traces(&path) {
            let mut decision = Decision::untouched(None);
            let lines: Vec<String> = trace.events.iter().map(ToString::to_string).collect();
            let words: Vec<&str> = trace.events.iter().map(Event::word).collect();
            decision.trace = Some(trace.clone());
            let report = serde_json::to_value(report_of(&decision)).unwrap();
            assert_eq!(report["trace"], json!(lines), "{title}");
            let explanation = report["explanation"].as_array().unwrap();
            for (record, (line, word)) in explanation.iter().zip(lines.iter().zip(words)) {
                assert_eq!((&record["text"], &record["event"]), (&json!(line), &json!(word)));
                assert!(record.as_object().unwrap().len() >= 3, "{record}");
            }
        }
    }
}

/// Explanations are pasted into tickets.
#[test]
fn no_explanation_repeats_a_credential() {
    let secret = "https://jo:s3cret-of-jo@example.com/";
    let event = Event::KeySatisfied {
        policy: "p".into(),
        field: "metadata.annotations[a]".to_owned(),
        value: secret.to_owned(),
    };
    let origin = runstamp::domain::trace::Origin {
        reference: "vars.v".to_owned(),
        value: secret.to_owned(),
        from: "from $.metadata".to_owned(),
    };
    let injected = Event::KeyInjected {
        policy: "p".into(),
        field: "metadata.annotations[a]".to_owned(),
        value: secret.to_owned(),
        shadow: true,
        origins: vec![origin],
    };
    let found = Event::FactFound {
        fact: "title",
        source: "s".into(),
        from: "metadata.labels[a]".to_owned(),
        value: secret.to_owned(),
    };
    let absent = Event::FactAbsent {
        fact: "owner",
        looked: Vec::new(),
        follows: Some(("url", Some(secret.to_owned()))),
    };
    let mut decision = Decision::untouched(None);
    decision.trace = Some(Trace {
        events: vec![event, injected, found, absent],
    });
    let report = serde_json::to_string(&report_of(&decision)).unwrap();
    assert!(!report.contains("s3cret-of-jo"), "{report}");
    assert!(!warnings(&decision).concat().contains("s3cret-of-jo"));
}

/// What a dry run gets: the API server's limits hold, and what is left out is what is worth least.
#[test]
fn a_long_explanation_keeps_what_is_worth_most() {
    let path = Path::new(FOLDER).join("match.yaml");
    let (_, mut trace) = traces(&path).remove(0);
    trace.events.push(Event::KeySkipped {
        policy: "late".into(),
        field: "metadata.annotations[ci.example.com/late]".to_owned(),
        reason: format!("a reason of many words: {}", "word ".repeat(100)),
    });
    trace.events.extend(trace.events.clone());
    let all = trace.events.len();
    let mut decision = Decision::untouched(None);
    decision.trace = Some(trace);
    let warnings = warnings(&decision);
    assert!(warnings.iter().all(|warning| warning.chars().count() <= 256));
    assert!(warnings.iter().map(|warning| warning.chars().count()).sum::<usize>() <= 4096);
    assert!(warnings[0].starts_with("this Run is a Root"), "{warnings:#?}");
    assert!(warnings[2].starts_with("policy late does not set"), "{warnings:#?}");
    assert!(warnings[2].ends_with('…'), "{warnings:#?}");
    let (last, lines) = warnings.split_last().unwrap();
    assert_eq!(
        *last,
        format!(
            "{} more lines of this explanation do not fit here: runstamp review -f FILE --policies DIR --explain prints them \
             all (runstamp)",
            all - lines.len()
        )
    );
}
