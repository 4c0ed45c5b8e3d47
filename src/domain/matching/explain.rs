//! A mismatch in words: the condition, what it wants, and what was found. Made only for a trace.

use std::sync::Arc;

use super::{Mismatch, NamespaceLabels};
use crate::domain::pattern::Glob;
use crate::domain::policy::{Condition, RunPolicy, Test};
use crate::domain::reading::Reading;
use crate::domain::schema::quoted;
use crate::domain::selector::{Operator, Requirement, Selector};
use crate::domain::trace::Event;
use crate::domain::trigger::Facts;

/// Most values of a condition that a line lists.
const MAX_LISTED: usize = 8;

impl Mismatch {
    /// The line of the trace for a policy that failed here.
    pub fn explain(
        &self,
        policy: &RunPolicy,
        reading: &Reading<'_, '_>,
        facts: &Facts<'_>,
        namespace_labels: NamespaceLabels<'_>,
    ) -> Event {
        let (condition, expected, found) = self.told(policy, reading, facts, namespace_labels);
        Event::PolicySkipped {
            policy: Arc::clone(&policy.name),
            condition,
            expected,
            found,
        }
    }

    fn told(
        &self,
        policy: &RunPolicy,
        reading: &Reading<'_, '_>,
        facts: &Facts<'_>,
        namespace_labels: NamespaceLabels<'_>,
    ) -> (&'static str, String, String) {
        let matcher = &policy.matcher;
        let request = reading.request();
        let trigger = matcher.trigger.as_ref();
        let fact = |name: &str, value: &Option<String>| match value {
            Some(value) => format!("trigger.{name} {}", quoted(value)),
            None => format!("no trigger.{name}"),
        };
        let wanted = |list: Option<&Option<Vec<String>>>| {
            let list = list.and_then(Option::as_ref).map(Vec::as_slice).unwrap_or_default();
            either(list.iter().map(|value| quoted(value)))
        };
        match self {
            Self::Kind => {
                let kinds = either(matcher.kinds.iter().map(|kind| kind.word().to_owned()));
                ("match.kinds", kinds, request.kind.word().to_owned())
            }
            Self::Namespace => {
                let globs = matcher.namespaces.as_deref().unwrap_or_default();
                ("match.namespaces", globs_of(globs), quoted(&request.namespace))
            }
            Self::ExcludedNamespace => {
                let globs = matcher.exclude_namespaces.iter();
                let glob = globs.filter(|glob| glob.matches(&request.namespace));
                let expected = format!("no namespace like {}", either(glob.map(|glob| quoted(glob.as_str()))));
                ("match.excludeNamespaces", expected, quoted(&request.namespace))
            }
            Self::NamespaceLabelsUnknown => {
                let expected = format!("the labels of namespace {}", quoted(&request.namespace));
                let found = "nothing that knows them: give them with --namespace-label, or run serve with --namespace";
                ("match.namespaceSelector", expected, found.to_owned())
            }
            Self::NamespaceLabels => {
                let label = |key: &str| namespace_labels?.get(key).map(String::as_str);
                let (expected, found) = selection(matcher.namespace_selector.as_ref(), label);
                ("match.namespaceSelector", expected, found)
            }
            Self::Labels => {
                let (expected, found) = selection(matcher.selector.as_ref(), |key| reading.view().label(key));
                ("match.selector", expected, found)
            }
            Self::User => {
                let globs = matcher.users.as_ref().map_or(&[][..], |users| users.globs());
                ("match.users", globs_of(globs), quoted(&request.user.name))
            }
            Self::TriggerSource(source) => {
                let found = source.as_deref().map_or_else(
                    || "no facts about the repository".to_owned(),
                    |source| format!("facts about the repository from {}", quoted(source)),
                );
                let sources = wanted(trigger.map(|trigger| &trigger.sources));
                ("match.trigger.sources", sources, found)
            }
            Self::Provider(provider) => {
                let providers = wanted(trigger.map(|trigger| &trigger.providers));
                ("match.trigger.providers", providers, fact("provider", provider))
            }
            Self::Host(host) => {
                let hosts = wanted(trigger.map(|trigger| &trigger.hosts));
                ("match.trigger.hosts", hosts, fact("host", host))
            }
            Self::Event(event) => {
                let events = wanted(trigger.map(|trigger| &trigger.events));
                ("match.trigger.events", events, fact("event", event))
            }
            Self::Trust(is_trusted) => {
                let user = quoted(&request.user.name);
                let found = match facts.repository_source() {
                    None => "no facts about the repository".to_owned(),
                    Some(source) if *is_trusted => format!("trigger source {source}, which trusts user {user}"),
                    Some(source) => format!("trigger source {source}, which does not trust user {user}"),
                };
                let expected = if *is_trusted { "false" } else { "true" };
                ("match.trigger.trusted", expected.to_owned(), found)
            }
            Self::Field(position, found) => {
                let condition = matcher.conditions.get(*position);
                ("match.where", condition.map(wish).unwrap_or_default(), found.clone())
            }
        }
    }
}

/// What a condition on a field wants.
fn wish(condition: &Condition) -> String {
    let path = condition.path.text();
    let all = |values: &[String]| either(values.iter().map(|value| quoted(value)));
    match &condition.test {
        Test::Exists => format!("{path} to be there"),
        Test::NotExists => format!("{path} not to be there"),
        Test::In(values) => format!("{path} to be {}", all(values)),
        Test::NotIn(values) => format!("{path} not to be {}", all(values)),
        Test::Matches(patterns) => {
            let patterns = patterns.iter().map(|pattern| quoted(pattern.as_str()));
            format!("{path} to match {}", either(patterns))
        }
    }
}

/// The first requirement of a selector that fails, and the label that it failed on.
fn selection<'l>(selector: Option<&Selector>, label: impl Fn(&str) -> Option<&'l str>) -> (String, String) {
    let requirements = selector.map(Selector::requirements).unwrap_or_default();
    let failed = requirements
        .iter()
        .find(|requirement| !requirement.matches(label(requirement.key())));
    let Some(requirement) = failed else {
        return Default::default();
    };
    let found = label(requirement.key()).map_or_else(|| "none".to_owned(), quoted);
    (requirement_text(requirement), found)
}

fn requirement_text(requirement: &Requirement) -> String {
    let key = requirement.key();
    let values = either(requirement.values().iter().map(|value| quoted(value)));
    match requirement.operator() {
        Operator::In => format!("label {key} to be {values}"),
        Operator::NotIn => format!("label {key} not to be {values}"),
        Operator::Exists => format!("label {key} to be there"),
        Operator::DoesNotExist => format!("label {key} not to be there"),
    }
}

fn globs_of(globs: &[Glob]) -> String {
    either(globs.iter().map(|glob| quoted(glob.as_str())))
}

/// `"a"`, `"a" or "b"`, and how many more there are.
fn either(items: impl Iterator<Item = String>) -> String {
    let mut items: Vec<String> = items.collect();
    if items.len() > MAX_LISTED {
        let more = items.len() - MAX_LISTED;
        items.truncate(MAX_LISTED);
        return format!("{} or one of {more} more", items.join(", "));
    }
    match items.pop() {
        None => "nothing".to_owned(),
        Some(last) if items.is_empty() => last,
        Some(last) => format!("{} or {last}", items.join(", ")),
    }
}
