//! Warns about rules that whoever creates a Run can slip away from: those whose match rests on what the submitter writes.

use super::context::{Context, listed, quote};
use super::policies::Known;
use super::warnings::constrains;
use crate::domain::definition::{RunPolicyDefinition, SelectorDefinition, TriggerMatchDefinition, WhereDefinition};
use crate::domain::path::{FastForm, Path};
use crate::domain::source::{Code, Problem, Span};
use crate::domain::words::{OnConflict, OnMissing, Place, Reaction, ResetRule, RunKind};

/// Most conditions that are shown.
const MOST_SHOWN: usize = 8;

/// What a condition rests on, in words for its label.
struct Condition {
    span: Span,
    label: String,
}

/// Warns where such a policy refuses Runs, or records them.
pub(super) fn warn(definition: &RunPolicyDefinition, known: &Known<'_>, context: &mut Context) {
    let rules = rules(definition);
    if rules.is_empty() {
        return;
    }
    let conditions = submitter_controlled(definition, known);
    let Some((first, others)) = conditions.split_first() else {
        return;
    };
    let message = format!(
        "whoever creates a Run can evade what policy {} {}",
        quote(&definition.header.name.value),
        listed(&rules)
    );
    let problem = Problem::warning(Code::EvadableRule, first.span, message).with_label(&*first.label);
    let problem = others.iter().take(MOST_SHOWN).fold(problem, |problem, other| {
        problem.with_related(other.span, &*other.label)
    });
    context.report(problem.with_help(
        "match by namespaces, namespaceSelector, users, or a trigger with trusted: true, which the submitter does not control",
    ));
}

/// What the policy does that somebody might want to slip away from.
fn rules(definition: &RunPolicyDefinition) -> Vec<&'static str> {
    // Whoever evades a mere warning has read it.
    let is_felt = definition
        .validation_action
        .as_ref()
        .is_none_or(|action| action.value != Reaction::Warn);
    let requires = !definition.require.integrations.is_empty() || !definition.require.annotations.is_empty();
    let inject = &definition.inject;
    let mut injections = (inject.integrations.iter().flat_map(|(_, keys)| keys))
        .chain(&inject.annotations)
        .chain(&inject.labels);
    let refuses = injections.any(|(_, injection)| {
        let on_conflict = injection.on_conflict.as_ref().map(|written| written.value);
        let on_missing = injection.on_missing.as_ref().map(|written| written.value);
        on_conflict == Some(OnConflict::Deny) || on_missing == Some(OnMissing::Deny)
    });
    let rules = [
        ("requires", requires && is_felt),
        ("constrains", constrains(definition) && is_felt),
        ("denies", refuses),
    ];
    rules
        .into_iter()
        .filter(|(_, is_there)| *is_there)
        .map(|(rule, _)| rule)
        .collect()
}

/// The conditions whose outcome the submitter decides.
fn submitter_controlled(definition: &RunPolicyDefinition, known: &Known<'_>) -> Vec<Condition> {
    let matches = &definition.matches;
    let mut conditions = Vec::new();
    if let Some(selector) = &matches.selector {
        conditions.extend(labels(selector, known));
    }
    if let Some(trigger) = &matches.trigger {
        conditions.extend(claims(trigger));
    }
    conditions.extend(
        matches
            .conditions
            .iter()
            .filter_map(|condition| field(condition, known)),
    );
    conditions.sort_by_key(|condition| condition.span);
    conditions
}

fn labels(selector: &SelectorDefinition, known: &Known<'_>) -> Vec<Condition> {
    let labels = selector.match_labels.iter().map(|(key, _)| key);
    let expressions = selector.match_expressions.iter().map(|expression| &expression.key);
    labels
        .chain(expressions)
        .filter(|key| !is_protected(Place::Label, &key.value, known))
        .map(|key| Condition {
            span: key.span,
            label: "the submitter writes the labels of the Run".to_owned(),
        })
        .collect()
}

/// Facts are claimed unless their source trusts whoever creates the Run; nobody can make himself trusted.
fn claims(trigger: &TriggerMatchDefinition) -> Option<Condition> {
    if trigger.trusted.as_ref().is_some_and(|trusted| trusted.value) {
        return None;
    }
    let lists = [&trigger.sources, &trigger.providers, &trigger.hosts, &trigger.events];
    let span = lists.into_iter().flatten().flatten().map(|text| text.span).next()?;
    Some(Condition {
        span,
        label: "anybody can claim a trigger: only trusted: true asks who says so".to_owned(),
    })
}

fn field(condition: &WhereDefinition, known: &Known<'_>) -> Option<Condition> {
    let path = Path::parse(&condition.path.value).ok()?;
    let label = match path.fast_form() {
        // Who may create Runs where, RBAC decides.
        Some(FastForm::Namespace) => return None,
        Some(FastForm::Annotation(key)) if is_protected(Place::Annotation, key, known) => return None,
        Some(FastForm::Label(key)) if is_protected(Place::Label, key, known) => return None,
        Some(FastForm::Annotation(_)) => "the submitter writes the annotations of the Run",
        Some(FastForm::Label(_)) => "the submitter writes the labels of the Run",
        Some(FastForm::Param(_)) => "the submitter writes the params of the Run",
        None if matches!(path.text(), "$.kind" | "$.apiVersion") => return None,
        _ => "the submitter writes this field of the Run",
    };
    Some(Condition {
        span: condition.path.span,
        label: label.to_owned(),
    })
}

/// Whether nobody but those whom an integration names can put a key onto a new Run.
fn is_protected(place: Place, key: &str, known: &Known<'_>) -> bool {
    known
        .registry
        .state(place, key)
        .is_some_and(|state| state.reset == ResetRule::Always && state.kinds.len() == RunKind::WORDS.len())
}
