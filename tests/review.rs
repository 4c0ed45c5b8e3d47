//! Decision cases, a folder each below `tests/review`: what goes in, and the decision that was written down by reasoning.
//!
//! See `tests/review/README.md`. A new case is a new folder.
#![cfg(test)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};

use runstamp::domain::decision::{Decision, Verdict, Violation};
use runstamp::domain::policy_set::PolicySet;
use runstamp::domain::request::Options;
use runstamp::domain::words::Reaction;
use runstamp::review::{Stance, Webhook, answer, cause_text, decide};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use common::{Glob, assert_invariants, assert_reply, builtin_set, set_with, starter_set};

/// Who asks for what.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct Case {
    user: String,
    groups: Vec<String>,
    operation: String,
    namespace: String,
    kind: Option<String>,
    group: String,
    sub_resource: Option<String>,
    dry_run: bool,
    mutate_only: bool,
    /// Whether the starter policies are loaded besides the built-in ones.
    starter: bool,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            user: "alice".to_owned(),
            groups: vec!["system:authenticated".to_owned()],
            operation: "CREATE".to_owned(),
            namespace: "ci".to_owned(),
            kind: None,
            group: "tekton.dev".to_owned(),
            sub_resource: None,
            dry_run: false,
            mutate_only: false,
            starter: false,
        }
    }
}

/// What must come out of `/mutate` and then `/validate`. What is absent must be empty, unless its comment says otherwise.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Expected {
    reason: String,
    allowed: bool,
    #[serde(default)]
    lineage: Option<String>,
    #[serde(default)]
    copied: bool,
    /// Not compared where absent.
    copy_evidence: Option<BTreeSet<String>>,
    #[serde(default)]
    removed: BTreeMap<String, String>,
    #[serde(default)]
    injected: BTreeMap<String, String>,
    /// Field to a glob of the reason; not compared where absent.
    skipped: Option<BTreeMap<String, String>>,
    #[serde(default)]
    causes: Vec<ExpectedCause>,
    /// `mutate` or `validate`; not compared where absent.
    refused_by: Option<String>,
    /// The sentence of a reply with code 400, as a glob.
    unreadable: Option<String>,
    /// Why nothing was judged, as a glob.
    unjudged: Option<String>,
    /// Globs: each matches a warning, and each warning one of them.
    #[serde(default)]
    warnings: Vec<String>,
    /// Violations that are only counted, as globs of their causes.
    #[serde(default)]
    counted: Vec<String>,
    /// Fact to `value from source`; not compared where absent.
    facts: Option<BTreeMap<String, String>>,
    /// Globs that some line of the trace matches.
    #[serde(default)]
    trace: Vec<String>,
    /// Policy, outcome and field of what shadow policies would have done, in that order; not compared where absent.
    shadow: Option<Vec<String>>,
    /// The patch, operation by operation; not compared where absent.
    patch: Option<Value>,
    /// Annotations of the Run in the end.
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    /// Labels of the Run in the end.
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedCause {
    reason: String,
    field: String,
    message: String,
}

#[test]
fn every_case_meets_the_decision_written_down() {
    let mut folders: Vec<PathBuf> = fs::read_dir("tests/review")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    assert!(folders.len() >= 60, "only {} cases were found", folders.len());
    let sets = (builtin_set(), starter_set());
    let mut mistakes = Vec::new();
    for folder in &folders {
        // Printed only if the test fails: the last line names the case in which an invariant broke.
        println!("{}", folder.display());
        let found = check(folder, &sets);
        mistakes.extend(
            found
                .into_iter()
                .map(|mistake| format!("{}: {mistake}", folder.display())),
        );
    }
    assert!(
        mistakes.is_empty(),
        "{} mistakes:\n{}",
        mistakes.len(),
        mistakes.join("\n")
    );
}

/// Everything in which a case's decision differs from what was written down.
fn check(folder: &Path, (builtin, starter): &(PolicySet, PolicySet)) -> Vec<String> {
    let case: Case = read_yaml(&folder.join("case.yaml")).unwrap_or_default();
    let expected: Expected = read_yaml(&folder.join("expected.yaml")).expect("expected.yaml");
    assert!(!expected.reason.trim().is_empty(), "a case says why");
    let own = fs::read_to_string(folder.join("policies.yaml"))
        .ok()
        .map(|yaml| set_with(&yaml));
    let set = own.as_ref().unwrap_or(if case.starter { starter } else { builtin });
    let review = review(&case, folder);
    let (mutation, validation, object) = decide_both(&case, &review, set);
    let mut mistakes = Vec::new();
    let mut compare = |what: &str, found: &dyn Debug, expected: &dyn Debug| {
        let (found, expected) = (format!("{found:?}"), format!("{expected:?}"));
        if found != expected {
            mistakes.push(format!("{what}\n  expected {expected}\n  found    {found}"));
        }
    };
    let verdicts: Vec<&Decision> = std::iter::once(&mutation).chain(&validation).collect();
    let refusal = verdicts.iter().find(|decision| !decision.is_allowed());
    compare("allowed", &refusal.is_none(), &expected.allowed);
    if let Some(refused_by) = &expected.refused_by {
        let found = match (mutation.is_allowed(), &validation) {
            (false, _) => "mutate",
            (true, Some(validation)) if !validation.is_allowed() => "validate",
            _ => "neither",
        };
        compare("refusedBy", &found, &refused_by);
    }
    compare(
        "lineage",
        &mutation.lineage.map(|lineage| lineage.word()),
        &expected.lineage.as_deref(),
    );
    compare("copied", &mutation.is_copy(), &expected.copied);
    if let Some(evidence) = &expected.copy_evidence {
        let found: BTreeSet<String> = mutation.copy_evidence.iter().map(ToString::to_string).collect();
        compare("copyEvidence", &found, evidence);
    }
    let removed = mutation.removed.iter();
    let removed = removed.map(|removed| (removed.field.to_string(), removed.reason.word().to_owned()));
    compare("removed", &removed.collect::<BTreeMap<_, _>>(), &expected.removed);
    let injected = mutation
        .injected
        .iter()
        .map(|injected| (injected.key.clone(), injected.value.clone()));
    compare("injected", &injected.collect::<BTreeMap<_, _>>(), &expected.injected);
    let unreadable = match &mutation.verdict {
        Verdict::Unreadable(reason) => Some(reason.as_str()),
        _ => None,
    };
    for (what, found, glob) in [
        ("unreadable", unreadable, &expected.unreadable),
        ("unjudged", mutation.unjudged, &expected.unjudged),
    ] {
        if found.is_some() != glob.is_some() || found.zip(glob.as_ref()).is_some_and(|(text, glob)| !fits(text, glob)) {
            compare(what, &found, &glob.as_deref());
        }
    }
    let causes: Vec<&Violation> = verdicts.iter().flat_map(|decision| decision.causes()).collect();
    compare_causes(&causes, &expected.causes, &mut compare);
    let warnings: Vec<String> = verdicts.iter().flat_map(|decision| warnings(decision)).collect();
    compare_globs("warnings", &warnings, &expected.warnings, &mut compare);
    let counted = verdicts
        .iter()
        .flat_map(|decision| texts(decision, Reaction::Audit))
        .collect::<Vec<_>>();
    compare_globs("counted", &counted, &expected.counted, &mut compare);
    if let Some(skipped) = &expected.skipped {
        let found: BTreeMap<String, String> = mutation
            .skipped
            .iter()
            .map(|skipped| (skipped.field.to_string(), skipped.reason.clone()))
            .collect();
        let all_fit = found.len() == skipped.len()
            && skipped
                .iter()
                .all(|(field, glob)| found.get(field).is_some_and(|reason| fits(reason, glob)));
        if !all_fit {
            compare("skipped", &found, skipped);
        }
    }
    if let Some(shadow) = &expected.shadow {
        let found = verdicts.iter().flat_map(|decision| &decision.shadow);
        let found = found.map(|shadow| format!("{} {} {}", shadow.policy, shadow.outcome, shadow.field));
        compare("shadow", &found.collect::<Vec<_>>(), shadow);
    }
    if let Some(patch) = &expected.patch {
        compare(
            "patch",
            &serde_json::to_value(&mutation.patch).unwrap().to_string(),
            &patch.to_string(),
        );
    }
    for (map, wanted) in [("annotations", &expected.annotations), ("labels", &expected.labels)] {
        for (key, value) in wanted {
            compare(
                &format!("{map} {key}"),
                &object["metadata"][map][key].as_str(),
                &Some(value.as_str()),
            );
        }
    }
    compare_explanation(&case, &review, set, &mutation, &expected, &mut compare);
    mistakes
}

/// `/mutate` and, where that allows it, `/validate` on the result; what holds for every decision and reply holds for these.
fn decide_both(case: &Case, review: &Value, set: &PolicySet) -> (Decision, Option<Decision>, Value) {
    let options = options(case, false);
    let body = serde_json::to_vec(review).unwrap();
    let mutation = decide_and_check(Webhook::Mutate, &body, set, options);
    let mut review = review.clone();
    if !mutation.patch.is_empty() {
        review["request"]["object"] = common::patched_object(&review, &mutation);
    }
    let object = review["request"]["object"].clone();
    let is_asked = mutation.is_allowed() && !case.mutate_only;
    let validation = is_asked.then(|| {
        let body = serde_json::to_vec(&review).unwrap();
        decide_and_check(Webhook::Validate, &body, set, options)
    });
    (mutation, validation, object)
}

fn decide_and_check(webhook: Webhook, body: &[u8], set: &PolicySet, options: Options) -> Decision {
    let (subject, decision) = decide(webhook, body, set, options).unwrap();
    assert_invariants(webhook, body, set, &subject, &decision);
    let stance = Stance {
        observe: false,
        mutate_only: options.judge_all_in_mutate,
    };
    assert_reply(webhook, &answer(webhook, body, set, stance).unwrap());
    decision
}

fn options(case: &Case, explain: bool) -> Options {
    Options {
        judge_all_in_mutate: case.mutate_only,
        explain,
    }
}

/// Asking why changes nothing.
fn compare_explanation(
    case: &Case,
    review: &Value,
    set: &PolicySet,
    mutation: &Decision,
    expected: &Expected,
    compare: &mut dyn FnMut(&str, &dyn Debug, &dyn Debug),
) {
    let body = serde_json::to_vec(review).unwrap();
    let (_, explained) = decide(Webhook::Mutate, &body, set, options(case, true)).unwrap();
    compare("the patch, explained", &explained.patch, &mutation.patch);
    compare("the violations, explained", &explained.violations, &mutation.violations);
    compare("the notices, explained", &explained.notices, &mutation.notices);
    if let Some(facts) = &expected.facts {
        let found = explained.facts.iter();
        let found = found.map(|fact| {
            let trust = if fact.trusted { "trusted" } else { "claimed" };
            let text = format!("{} {trust} {} {}", fact.value, fact.source, fact.from);
            (fact.fact.word().to_owned(), text)
        });
        compare("facts", &found.collect::<BTreeMap<_, _>>(), facts);
    }
    let lines: Vec<String> = explained
        .trace
        .iter()
        .flat_map(|trace| &trace.events)
        .map(ToString::to_string)
        .collect();
    for glob in &expected.trace {
        if !lines.iter().any(|line| fits(line, glob)) {
            compare("trace", &lines, glob);
        }
    }
}

fn compare_causes(
    found: &[&Violation],
    expected: &[ExpectedCause],
    compare: &mut dyn FnMut(&str, &dyn Debug, &dyn Debug),
) {
    let found: Vec<[String; 3]> = found
        .iter()
        .map(|violation| {
            let cause = &violation.cause;
            [
                cause.kind.reason().to_owned(),
                cause.field.to_string(),
                cause_text(violation),
            ]
        })
        .collect();
    let all_fit = found.len() == expected.len()
        && found.iter().zip(expected).all(|([reason, field, message], expected)| {
            *reason == expected.reason && *field == expected.field && fits(message, &expected.message)
        });
    if !all_fit {
        compare("causes", &found, &expected);
    }
}

fn compare_globs(
    what: &str,
    found: &[String],
    globs: &[String],
    compare: &mut dyn FnMut(&str, &dyn Debug, &dyn Debug),
) {
    let is_missing = globs.iter().any(|glob| !found.iter().any(|text| fits(text, glob)));
    let is_unexpected = found.iter().any(|text| !globs.iter().any(|glob| fits(text, glob)));
    if is_missing || is_unexpected {
        compare(what, &found, &globs);
    }
}

fn fits(text: &str, glob: &str) -> bool {
    Glob::new(glob).matches(text)
}

fn warnings(decision: &Decision) -> Vec<String> {
    let notices = decision.notices.iter().cloned();
    notices.chain(texts(decision, Reaction::Warn)).collect()
}

fn texts(decision: &Decision, reaction: Reaction) -> Vec<String> {
    let violations = decision
        .violations
        .iter()
        .filter(|violation| violation.reaction == reaction);
    violations
        .map(|violation| format!("{}: {}", violation.cause.field, cause_text(violation)))
        .collect()
}

/// The review that the API server would send.
fn review(case: &Case, folder: &Path) -> Value {
    let object: Value = read_yaml(&folder.join("run.yaml")).unwrap_or_default();
    let old: Option<Value> = read_yaml(&folder.join("old.yaml"));
    let kind = case
        .kind
        .as_deref()
        .or(object["kind"].as_str())
        .unwrap_or("PipelineRun");
    let operation = if old.is_some() && case.operation == "CREATE" {
        "UPDATE"
    } else {
        &case.operation
    };
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": folder.file_name().unwrap().to_str().unwrap(),
            "kind": {"group": case.group, "version": "v1", "kind": kind},
            "subResource": case.sub_resource,
            "name": object["metadata"]["name"],
            "namespace": case.namespace,
            "operation": operation,
            "userInfo": {"username": case.user, "groups": case.groups},
            "object": object,
            "oldObject": old,
            "dryRun": case.dry_run,
        },
    })
}

/// Nothing where there is no such file.
fn read_yaml<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let text = fs::read_to_string(path).ok()?;
    Some(serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}
