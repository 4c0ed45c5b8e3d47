//! Matching: whether a policy is for a Run, judged on the Run as it is after reset and recall and before any injection.

mod explain;

use std::collections::BTreeMap;

use super::path::Presence;
use super::policy::{Condition, Matcher, RunPolicy, Test, TriggerMatch};
use super::reading::{Found, Reading};
use super::request::Operation;
use super::schema::quoted;
use super::trigger::Facts;
use super::words::FactName;

/// The first condition that failed, with what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mismatch {
    /// The kind of the Run is none of the policy's.
    Kind,
    /// No glob matches the namespace.
    Namespace,
    /// A glob of `excludeNamespaces` matches the namespace.
    ExcludedNamespace,
    /// The labels of the namespace are not known: nothing watches them, or the watch has not told of it yet.
    NamespaceLabelsUnknown,
    /// The labels of the namespace do not fit.
    NamespaceLabels,
    /// The labels of the Run do not fit.
    Labels,
    /// Somebody else's Run.
    User,
    /// The repository facts come from another source, or from none.
    TriggerSource(Option<String>),
    /// Another provider, or none.
    Provider(Option<String>),
    /// Another host, or none.
    Host(Option<String>),
    /// Another event, or none.
    Event(Option<String>),
    /// The repository facts are trusted where they should not be, or not where they should.
    Trust(bool),
    /// A field does not fit: the position of the condition, and what was found.
    Field(usize, String),
}

/// What is known of the namespace: its labels, where something watches them.
pub type NamespaceLabels<'l> = Option<&'l BTreeMap<String, String>>;

/// Whether the policy is for the Run; the error is the first condition that failed.
///
/// # Errors
/// The first condition that failed, cheapest first.
pub fn matches(
    policy: &RunPolicy,
    reading: &mut Reading<'_, '_>,
    facts: &Facts<'_>,
    namespace_labels: NamespaceLabels<'_>,
) -> Result<(), Mismatch> {
    let matcher = &policy.matcher;
    check_request(matcher, reading, namespace_labels)?;
    if let Some(selector) = &matcher.selector
        && !selector.matches(|key| reading.view().label(key))
    {
        return Err(Mismatch::Labels);
    }
    if let Some(trigger) = &matcher.trigger {
        check_trigger(trigger, facts, reading.request().operation)?;
    }
    matcher
        .conditions
        .iter()
        .enumerate()
        .try_for_each(|(position, condition)| check_condition(position, condition, reading))
}

fn check_request(
    matcher: &Matcher,
    reading: &Reading<'_, '_>,
    namespace_labels: NamespaceLabels<'_>,
) -> Result<(), Mismatch> {
    let request = reading.request();
    if !matcher.kinds.contains(&request.kind) {
        return Err(Mismatch::Kind);
    }
    if let Some(globs) = &matcher.namespaces
        && !globs.iter().any(|glob| glob.matches(&request.namespace))
    {
        return Err(Mismatch::Namespace);
    }
    if matcher
        .exclude_namespaces
        .iter()
        .any(|glob| glob.matches(&request.namespace))
    {
        return Err(Mismatch::ExcludedNamespace);
    }
    if let Some(selector) = &matcher.namespace_selector {
        let labels = namespace_labels.ok_or(Mismatch::NamespaceLabelsUnknown)?;
        if !selector.matches(|key| labels.get(key).map(String::as_str)) {
            return Err(Mismatch::NamespaceLabels);
        }
    }
    // Whoever changes a Run is not who created it, so on UPDATE nothing is known of the creator.
    if let Some(users) = &matcher.users
        && request.operation == Operation::Create
        && !users.contains(&request.user.name)
    {
        return Err(Mismatch::User);
    }
    Ok(())
}

fn check_trigger(trigger: &TriggerMatch, facts: &Facts<'_>, operation: Operation) -> Result<(), Mismatch> {
    let lists = |list: &Option<Vec<String>>, found: Option<&str>| {
        list.as_ref()
            .is_none_or(|list| found.is_some_and(|found| list.iter().any(|listed| listed == found)))
    };
    if !lists(&trigger.sources, facts.repository_source()) {
        return Err(Mismatch::TriggerSource(facts.repository_source().map(str::to_owned)));
    }
    if !lists(&trigger.providers, facts.value(FactName::Provider)) {
        return Err(Mismatch::Provider(facts.value(FactName::Provider).map(str::to_owned)));
    }
    if !lists(&trigger.hosts, facts.value(FactName::Host)) {
        return Err(Mismatch::Host(facts.value(FactName::Host).map(str::to_owned)));
    }
    if !lists(&trigger.events, facts.value(FactName::Event)) {
        return Err(Mismatch::Event(facts.value(FactName::Event).map(str::to_owned)));
    }
    match trigger.trusted {
        Some(wanted) if operation == Operation::Create && wanted != facts.are_trusted() => {
            Err(Mismatch::Trust(facts.are_trusted()))
        }
        _ => Ok(()),
    }
}

fn check_condition(position: usize, condition: &Condition, reading: &mut Reading<'_, '_>) -> Result<(), Mismatch> {
    let path = &condition.path;
    let fails = |found: String| Err(Mismatch::Field(position, found));
    let holds: fn(&Test, Option<&str>) -> bool = match &condition.test {
        Test::Exists | Test::NotExists => {
            let wanted = matches!(condition.test, Test::Exists);
            return match reading.presence(path) {
                Presence::TooLarge => fails(MORE_THAN_A_PATH_MAY_VISIT.to_owned()),
                presence if (presence == Presence::Present) == wanted => Ok(()),
                _ => fails(if wanted { "nothing" } else { "it" }.to_owned()),
            };
        }
        Test::In(_) => is_listed,
        Test::NotIn(_) => is_not_listed,
        Test::Matches(_) => is_matched,
    };
    let (value, found): (Option<String>, String) = match reading.lookup(path) {
        Found::Absent => (None, "nothing".to_owned()),
        Found::Mistyped(kind) => (None, kind.to_string()),
        Found::TooLarge => return fails(MORE_THAN_A_PATH_MAY_VISIT.to_owned()),
        Found::Text(text) if holds(&condition.test, Some(&text)) => return Ok(()),
        Found::Text(text) => (Some(text.into_owned()), String::new()),
    };
    match value {
        Some(text) => fails(quoted(&text)),
        None if holds(&condition.test, None) => Ok(()),
        None => fails(found),
    }
}

const MORE_THAN_A_PATH_MAY_VISIT: &str = "more than a path may visit";

fn is_listed(test: &Test, value: Option<&str>) -> bool {
    matches!((test, value), (Test::In(values), Some(value)) if values.iter().any(|listed| listed == value))
}

/// Holds when there is no value, as in Kubernetes' selectors.
fn is_not_listed(test: &Test, value: Option<&str>) -> bool {
    matches!(test, Test::NotIn(values) if value.is_none_or(|value| values.iter().all(|listed| listed != value)))
}

fn is_matched(test: &Test, value: Option<&str>) -> bool {
    matches!((test, value), (Test::Matches(patterns), Some(value)) if patterns.iter().any(|pattern| pattern.is_match(value)))
}
