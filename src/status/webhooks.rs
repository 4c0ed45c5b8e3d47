//! Whether the webhook configurations are as this version would install them, entry by entry and field by field.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Serialize;
use serde_json::Value;

use super::compare::Comparison;
use super::{Findings, Problem, Question};
use crate::certificates::certificates_in;

/// Most characters of a value that a line repeats.
const MOST_SHOWN: usize = 160;

/// The conditions that name the pipelines controllers.
const CONTROLLERS: [&str; 2] = [
    "matchConditions[by-a-pipelines-controller]",
    "matchConditions[not-by-a-pipelines-controller]",
];

/// How the live configurations compare with what would be installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookReport {
    /// Their name.
    pub name: String,
    /// Whether there is no difference.
    pub as_installed: bool,
    /// How many authorities the API server trusts for them; several while one replaces another.
    pub authorities: usize,
    /// What differs.
    pub differences: Vec<Difference>,
}

/// Something in a webhook configuration that is not as it would be installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// `MutatingWebhookConfiguration` or `ValidatingWebhookConfiguration`.
    pub configuration: String,
    /// The name of the entry; absent where the configuration is meant.
    pub entry: Option<String>,
    /// The field in it; absent where the entry is meant.
    pub field: Option<String>,
    /// What is the matter.
    pub difference: DifferenceKind,
    /// What would be installed.
    pub expected: Value,
    /// What is there.
    pub found: Value,
}

/// What is the matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum DifferenceKind {
    /// It is not there.
    Missing,
    /// Somebody has added it.
    Extra,
    /// It is another.
    Differs,
}

/// Compares the live configurations with what this version would install.
pub(super) fn judge(
    question: &Question,
    live: &[Value],
    installed: &[Value],
    findings: &mut Findings,
) -> WebhookReport {
    let mut comparison = Comparison::default();
    let mut bundles = Vec::new();
    for expected in installed {
        let kind = text(expected, "kind");
        let found = live.iter().find(|document| text(document, "kind") == kind);
        comparison.begin(kind);
        let Some(found) = found else {
            comparison.push(None, DifferenceKind::Missing, Value::Null, Value::Null);
            continue;
        };
        comparison.entries(expected, found);
        bundles.extend(
            entries(found)
                .iter()
                .filter(|entry| named(expected, entry).is_some())
                .map(|entry| Bundle {
                    place: format!("{kind}, {}", text(entry, "name")),
                    base64: entry
                        .pointer("/clientConfig/caBundle")
                        .and_then(Value::as_str)
                        .unwrap_or_default()
                        .to_owned(),
                }),
        );
    }
    let authorities = judge_bundles(&bundles, findings);
    let differences = comparison.into_differences();
    report_differences(question, &differences, findings);
    WebhookReport {
        name: question.configuration.clone(),
        as_installed: differences.is_empty(),
        authorities,
        differences,
    }
}

fn report_differences(question: &Question, differences: &[Difference], findings: &mut Findings) {
    let name = &question.configuration;
    let is_of_controllers = |difference: &&Difference| {
        let field = difference.field.as_deref().unwrap_or_default();
        CONTROLLERS.iter().any(|condition| field.starts_with(condition))
    };
    let (controllers, others): (Vec<&Difference>, Vec<&Difference>) = differences.iter().partition(is_of_controllers);
    let again = "runstamp manifests FLAGS | kubectl apply -f -, with the flags of the installation";
    if !controllers.is_empty() {
        let mut problem = Problem::new(
            "webhooks",
            format!(
                "the pipelines controllers in the conditions of {name} are not those of Settings: Children would meet Fail, or people would pass unanswered"
            ),
            format!("name them in Settings, then {again} and --policies with those Settings"),
        );
        problem.places = controllers.into_iter().map(line).collect();
        findings.problems.push(problem);
    }
    if others.is_empty() {
        return;
    }
    let was_added = others
        .iter()
        .any(|difference| difference.difference == DifferenceKind::Extra);
    let by_hand = "; what somebody has added stays until it is taken out by kubectl edit";
    let mut problem = Problem::new(
        "webhooks",
        format!("the webhook configurations {name} are not as this version installs them"),
        format!(
            "{again}{}; a difference that is wanted is a flag of status too",
            if was_added { by_hand } else { "" }
        ),
    );
    problem.places = others.into_iter().map(line).collect();
    findings.problems.push(problem);
}

/// A difference in words.
fn line(difference: &Difference) -> String {
    let place = [Some(&difference.configuration), difference.entry.as_ref()];
    let place: Vec<&str> = place.into_iter().flatten().map(String::as_str).collect();
    let place = place.join(", ");
    let Some(field) = &difference.field else {
        return match difference.difference {
            DifferenceKind::Extra => format!("{place}: this version installs no such entry"),
            DifferenceKind::Missing | DifferenceKind::Differs => format!("{place}: is not there"),
        };
    };
    let (expected, found) = (shown(&difference.expected), shown(&difference.found));
    match difference.difference {
        DifferenceKind::Missing => format!("{place}: {field}: expected {expected}, found nothing"),
        DifferenceKind::Extra => format!("{place}: {field}: expected nothing, found {found}"),
        DifferenceKind::Differs => format!("{place}: {field}: expected {expected}, found {found}"),
    }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= MOST_SHOWN {
        return text;
    }
    let start: String = text.chars().take(MOST_SHOWN).collect();
    format!("{start}… ({} characters)", text.chars().count())
}

struct Bundle {
    place: String,
    base64: String,
}

/// Whether every entry trusts the same authorities; how many these are.
fn judge_bundles(bundles: &[Bundle], findings: &mut Findings) -> usize {
    let remedy = "replicas that issue their certificate write it within seconds: look at their logs. With cert-manager or files it is for you to see to";
    let without: Vec<String> = bundles
        .iter()
        .filter(|bundle| bundle.base64.is_empty())
        .map(|bundle| bundle.place.clone())
        .collect();
    let different: BTreeSet<&str> = bundles
        .iter()
        .map(|bundle| bundle.base64.as_str())
        .filter(|text| !text.is_empty())
        .collect();
    if !without.is_empty() {
        let mut problem = Problem::new(
            "webhooks",
            "caBundle is empty: the API server trusts no certificate there",
            remedy,
        );
        problem.places = without;
        findings.problems.push(problem);
    }
    if different.len() > 1 {
        let message = format!("the entries have {} different caBundles, expected one", different.len());
        findings.problems.push(Problem::new("webhooks", message, remedy));
    }
    let decoded = different.first().map(|text| BASE64.decode(text).unwrap_or_default());
    let authorities = decoded.map_or(0, |pem| certificates_in(&pem).len());
    if authorities == 0 && !different.is_empty() {
        findings.problems.push(Problem::new(
            "webhooks",
            "expected certificates in caBundle, found none",
            remedy,
        ));
    }
    if authorities > 1 {
        findings.notes.push(format!(
            "the API server trusts {authorities} authorities: one is replacing another"
        ));
    }
    authorities
}

/// The entries of a configuration.
pub(super) fn entries(configuration: &Value) -> &[Value] {
    let list = configuration.get("webhooks").and_then(Value::as_array);
    list.map(Vec::as_slice).unwrap_or_default()
}

/// The entry of a configuration that has the name of another one.
pub(super) fn named<'c>(configuration: &'c Value, other: &Value) -> Option<&'c Value> {
    let name = text(other, "name");
    entries(configuration).iter().find(|entry| text(entry, "name") == name)
}

/// A field that is a text.
pub(super) fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}
