//! Recorded reviews, each with the decision that was written down before any engine ran; see `tests/reviews/README.md`.
#![cfg(test)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use runstamp::domain::decision::Decision;
use runstamp::domain::policy_set::PolicySet;
use runstamp::domain::request::Options;
use runstamp::domain::words::Reaction;
use runstamp::review::{Webhook, cause_text, decide};
use serde::Deserialize;

use common::{Glob, assert_invariants, builtin_set, files_below, starter_set};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    reason: String,
    webhook: ExpectedWebhook,
    builtin: ExpectedDecision,
    #[serde(default)]
    starter: Option<ExpectedDecision>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ExpectedWebhook {
    Mutate,
    Validate,
}

/// What must come out; in `starter`, what is absent is as in `builtin`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ExpectedDecision {
    allowed: Option<bool>,
    #[serde(default)]
    lineage: Option<String>,
    copied: Option<bool>,
    copy_evidence: Option<Vec<String>>,
    removed: Option<Vec<ExpectedRemoval>>,
    injected: Option<BTreeMap<String, String>>,
    warnings: Option<Vec<String>>,
    causes: Option<Vec<ExpectedCause>>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct ExpectedRemoval {
    field: String,
    reason: String,
}

#[derive(Debug, Clone, Deserialize)]
struct ExpectedCause {
    reason: String,
    field: String,
    message: String,
}

#[test]
fn every_recorded_review_meets_the_decision_written_down_before() {
    let builtin = builtin_set();
    let starter = starter_set();
    let mut mistakes = Vec::new();
    let mut count = 0;
    for file in files_below(Path::new("tests/reviews"), "json") {
        count += 1;
        let expected = read_expected(&file);
        assert!(!expected.reason.trim().is_empty(), "{}: no reason", file.display());
        let body = fs::read(&file).unwrap();
        check(
            &file,
            "builtin",
            &body,
            expected.webhook,
            &builtin,
            &expected.builtin,
            None,
            &mut mistakes,
        );
        let differs = expected.starter.as_ref();
        check(
            &file,
            "starter",
            &body,
            expected.webhook,
            &starter,
            &expected.builtin,
            differs,
            &mut mistakes,
        );
    }
    assert!(count >= 40, "only {count} reviews were found");
    assert!(
        mistakes.is_empty(),
        "{} mistakes:\n{}",
        mistakes.len(),
        mistakes.join("\n")
    );
}

fn read_expected(review: &Path) -> Expected {
    let path: PathBuf = review.with_extension("expected.yaml");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[allow(clippy::too_many_arguments)]
fn check(
    file: &Path,
    policies: &str,
    body: &[u8],
    webhook: ExpectedWebhook,
    set: &PolicySet,
    base: &ExpectedDecision,
    differs: Option<&ExpectedDecision>,
    mistakes: &mut Vec<String>,
) {
    let webhook = match webhook {
        ExpectedWebhook::Mutate => Webhook::Mutate,
        ExpectedWebhook::Validate => Webhook::Validate,
    };
    let (subject, decision) = decide(webhook, body, set, Options::default()).unwrap();
    assert_invariants(webhook, body, set, &subject, &decision);
    let mut say = |what: &str, expected: &dyn std::fmt::Debug, found: &dyn std::fmt::Debug| {
        mistakes.push(format!(
            "{} with {policies}: {what}\n  expected {expected:?}\n  found    {found:?}",
            file.display()
        ));
    };
    macro_rules! expect {
        ($field:ident, $default:expr) => {
            differs
                .and_then(|differs| differs.$field.clone())
                .or_else(|| base.$field.clone())
                .unwrap_or($default)
        };
    }
    let allowed = expect!(allowed, true);
    if decision.is_allowed() != allowed {
        say("allowed", &allowed, &decision.verdict);
    }
    let lineage = differs
        .and_then(|differs| differs.lineage.clone())
        .or_else(|| base.lineage.clone());
    let found = decision.lineage.map(|lineage| lineage.word().to_owned());
    if found != lineage {
        say("lineage", &lineage, &found);
    }
    let copied = expect!(copied, false);
    if decision.is_copy() != copied {
        say("copied", &copied, &decision.is_copy());
    }
    let evidence: BTreeSet<String> = expect!(copy_evidence, Vec::new()).into_iter().collect();
    let found: BTreeSet<String> = decision.copy_evidence.iter().map(ToString::to_string).collect();
    if found != evidence {
        say("copyEvidence", &evidence, &found);
    }
    let removed: BTreeSet<ExpectedRemoval> = expect!(removed, Vec::new()).into_iter().collect();
    let found: BTreeSet<_> = decision
        .removed
        .iter()
        .map(|removed| ExpectedRemoval {
            field: removed.field.to_string(),
            reason: removed.reason.word().to_owned(),
        })
        .collect();
    if found != removed {
        say("removed", &removed, &found);
    }
    let injected = expect!(injected, BTreeMap::new());
    let found: BTreeMap<String, String> = decision
        .injected
        .iter()
        .map(|injected| (injected.key.clone(), injected.value.clone()))
        .collect();
    if found != injected {
        say("injected", &injected, &found);
    }
    let warnings = expect!(warnings, Vec::new());
    let found = warning_texts(&decision);
    let globs: Vec<Glob> = warnings.iter().map(|glob| Glob::new(glob)).collect();
    let unmatched = globs.iter().any(|glob| !found.iter().any(|text| glob.matches(text)));
    let unexpected = found.iter().any(|text| !globs.iter().any(|glob| glob.matches(text)));
    if unmatched || unexpected {
        say("warnings", &warnings, &found);
    }
    check_causes(&decision, &expect!(causes, Vec::new()), &mut say);
}

fn check_causes(
    decision: &Decision,
    causes: &[ExpectedCause],
    say: &mut dyn FnMut(&str, &dyn std::fmt::Debug, &dyn std::fmt::Debug),
) {
    let found: Vec<(String, String, String)> = decision
        .causes()
        .map(|violation| {
            (
                violation.cause.kind.reason().to_owned(),
                violation.cause.field.to_string(),
                cause_text(violation),
            )
        })
        .collect();
    let fits = found.len() == causes.len()
        && found.iter().zip(causes).all(|((reason, field, message), expected)| {
            *reason == expected.reason && *field == expected.field && Glob::new(&expected.message).matches(message)
        });
    if !fits {
        say("causes", &causes, &found);
    }
}

fn warning_texts(decision: &Decision) -> Vec<String> {
    let violations = decision
        .violations
        .iter()
        .filter(|violation| violation.reaction == Reaction::Warn);
    let violations = violations.map(|violation| format!("{}: {}", violation.cause.field, cause_text(violation)));
    decision.notices.iter().cloned().chain(violations).collect()
}
