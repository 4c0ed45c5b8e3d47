//! Compiles the `match` of a RunPolicy.

use std::collections::HashMap;

use super::context::{Context, listed, quote};
use super::integrations::kinds;
use super::policies::Known;
use super::sources::not_an_event;
use crate::domain::definition::{MatchDefinition, Text, TriggerMatchDefinition, WhereDefinition};
use crate::domain::identity::Identities;
use crate::domain::pattern::Glob;
use crate::domain::policy::{Condition, Matcher, Test, TriggerMatch};
use crate::domain::source::{Code, Problem, Span};
use crate::domain::trigger::typed;
use crate::domain::words::{EVENTS, FactName, Operator};

/// Most excluded wildcards that listed namespaces are compared with.
const MOST_WILDCARDS: usize = 64;

/// Longest name of a namespace.
const MAX_NAMESPACE: usize = 63;

/// Compiles the `match` of the policy of this name.
pub(super) fn compile(
    definition: &MatchDefinition,
    policy: &Text,
    known: &Known<'_>,
    context: &mut Context,
) -> Matcher {
    let span = definition.span;
    check_excluded(definition, context);
    Matcher {
        kinds: kinds(definition.kinds.as_deref(), policy, context),
        namespaces: definition.namespaces.as_ref().map(|namespaces| {
            refuse_empty("namespaces", namespaces, span, context);
            globs(namespaces, context)
        }),
        exclude_namespaces: globs(&definition.exclude_namespaces, context),
        namespace_selector: definition
            .namespace_selector
            .as_ref()
            .and_then(|selector| context.selector(selector)),
        selector: definition
            .selector
            .as_ref()
            .and_then(|selector| context.selector(selector)),
        users: definition.users.as_ref().map(|users| {
            refuse_empty("users", users, span, context);
            context.refuse_repeats("user", users);
            Identities::new(users.iter().filter_map(|user| context.glob(user)).collect())
        }),
        trigger: definition
            .trigger
            .as_ref()
            .map(|trigger| trigger_match(trigger, span, known, context)),
        conditions: definition
            .conditions
            .iter()
            .filter_map(|condition| compile_condition(condition, context))
            .collect(),
    }
}

fn refuse_empty(field: &str, values: &[Text], span: Span, context: &mut Context) {
    if values.is_empty() {
        let message =
            format!("expected at least one value in {field}, found an empty list: the policy could never match");
        context.report(Problem::error(Code::EmptyList, span, message).with_help(format!("remove {field} to mean any")));
    }
}

fn globs(namespaces: &[Text], context: &mut Context) -> Vec<Glob> {
    context.refuse_repeats("namespace", namespaces);
    namespaces
        .iter()
        .filter_map(|namespace| namespace_glob(namespace, context))
        .collect()
}

fn namespace_glob(namespace: &Text, context: &mut Context) -> Option<Glob> {
    let text = namespace.value.as_str();
    let is_name = |character: char| matches!(character, 'a'..='z' | '0'..='9' | '-' | '*');
    let letters = text.chars().filter(|character| *character != '*').count();
    if text.is_empty()
        || !text.chars().all(is_name)
        || letters > MAX_NAMESPACE
        || text.starts_with('-')
        || text.ends_with('-')
    {
        let message = format!("expected a namespace, found {}", quote(text));
        context.report(Problem::error(Code::BadNamespace, namespace.span, message).with_help(
            "write a name of at most 63 lower-case letters, digits and '-'; * is a wildcard, and no other is known",
        ));
        return None;
    }
    context.glob(namespace)
}

/// Warns about namespaces that are listed and excluded at once.
fn check_excluded(definition: &MatchDefinition, context: &mut Context) {
    // A wildcard that is excluded as it stands is out as surely as a name.
    let as_written: HashMap<&str, &Text> = definition
        .exclude_namespaces
        .iter()
        .map(|text| (text.value.as_str(), text))
        .collect();
    let wildcards: Vec<(&Text, Glob)> = definition
        .exclude_namespaces
        .iter()
        .filter(|text| text.value.contains('*'))
        .take(MOST_WILDCARDS)
        .filter_map(|text| Glob::parse(&text.value).ok().map(|glob| (text, glob)))
        .collect();
    let mut excluded: Vec<(&Text, &Text)> = Vec::new();
    for namespace in definition.namespaces.iter().flatten() {
        let is_name = !namespace.value.contains('*');
        let by_wildcard = || {
            let by = wildcards
                .iter()
                .find(|(_, glob)| is_name && glob.matches(&namespace.value));
            by.map(|(text, _)| *text)
        };
        if let Some(text) = as_written.get(namespace.value.as_str()).copied().or_else(by_wildcard) {
            excluded.push((namespace, text));
        }
    }
    let is_all = definition.namespaces.as_ref().map(Vec::len) == Some(excluded.len());
    let what = |namespace: &Text| format!("{} is listed and excluded", quote(&namespace.value));
    if let (Some((first, by)), true) = (excluded.first(), is_all) {
        let message = format!("no Run can match this policy: {}", what(first));
        let others = excluded.len().saturating_sub(1);
        let message = match others {
            0 => message,
            _ => format!("{message}, and so is every other namespace of the list"),
        };
        let problem = Problem::warning(Code::UnreachablePolicy, first.span, message);
        let problem = problem.with_related(by.span, "excluded here");
        context.report(problem.with_help("remove the namespace from one of the two lists"));
        return;
    }
    for (namespace, by) in excluded {
        let message = format!("{}: the policy will not match there", what(namespace));
        context.report(
            Problem::warning(Code::ExcludedNamespace, namespace.span, message)
                .with_related(by.span, "excluded here")
                .with_help("remove it from one of the two lists"),
        );
    }
}

fn trigger_match(
    definition: &TriggerMatchDefinition,
    span: Span,
    known: &Known<'_>,
    context: &mut Context,
) -> TriggerMatch {
    let words = |field: &str, list: &Option<Vec<Text>>, context: &mut Context| {
        list.as_ref().map(|list| {
            refuse_empty(field, list, span, context);
            context.refuse_repeats("value", list);
            list.iter().map(|word| word.value.clone()).collect::<Vec<String>>()
        })
    };
    for source in definition.sources.iter().flatten() {
        known.check_source(source, context);
    }
    for provider in definition.providers.iter().flatten() {
        known.check_provider(provider, context);
    }
    for host in definition.hosts.iter().flatten() {
        // The fact is in lower case, whatever the URL says.
        if typed(FactName::Host, &host.value).as_deref() != Some(host.value.as_str()) {
            let message = format!("expected a host name in lower case, found {}", quote(&host.value));
            context.report(
                Problem::error(Code::BadHost, host.span, message).with_help("write the host alone, such as github.com"),
            );
        }
    }
    for event in definition
        .events
        .iter()
        .flatten()
        .filter(|event| !EVENTS.contains(&event.value.as_str()))
    {
        context.report(not_an_event(event));
    }
    TriggerMatch {
        sources: words("sources", &definition.sources, context),
        providers: words("providers", &definition.providers, context),
        hosts: words("hosts", &definition.hosts, context),
        events: words("events", &definition.events, context),
        trusted: definition.trusted.as_ref().map(|trusted| trusted.value),
    }
}

fn compile_condition(definition: &WhereDefinition, context: &mut Context) -> Option<Condition> {
    let path = context.path(&definition.path);
    let operator = definition.operator.value;
    let values = || {
        definition
            .values
            .iter()
            .map(|value| value.value.clone())
            .collect::<Vec<String>>()
    };
    let takes_values = !matches!(operator, Operator::Exists | Operator::NotExists);
    match definition.values.first() {
        Some(first) if !takes_values => {
            let found: Vec<String> = definition.values.iter().map(|value| quote(&value.value)).collect();
            let message = format!("expected no values beside {operator}, found {}", listed(&found));
            let help = if operator == Operator::Exists { "In" } else { "NotIn" };
            context.report(
                Problem::error(Code::MisplacedField, first.span, message)
                    .with_help(format!("use operator: {help} to compare values")),
            );
        }
        None if takes_values => {
            let what = if operator == Operator::Matches {
                "pattern"
            } else {
                "value"
            };
            let message = format!("expected at least one {what} beside {operator}, found none");
            context.report(
                Problem::error(Code::EmptyList, definition.operator.span, message)
                    .with_help("write values: and a list"),
            );
        }
        _ => {}
    }
    context.refuse_repeats("value", &definition.values);
    let test = match operator {
        Operator::Exists => Test::Exists,
        Operator::NotExists => Test::NotExists,
        Operator::In => Test::In(values()),
        Operator::NotIn => Test::NotIn(values()),
        Operator::Matches => Test::Matches(
            definition
                .values
                .iter()
                .filter_map(|value| context.pattern(value))
                .collect(),
        ),
    };
    Some(Condition { path: path?, test })
}
