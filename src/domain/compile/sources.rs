//! Compiles TriggerSources.

use std::sync::Arc;

use super::context::{Context, quote, suggest_among};
use super::defaults;
use super::key_rules::check_syntax;
use super::settings::{Surroundings, is_word, not_a_provider};
use crate::domain::definition::{FactDefinition, Text, TriggerSourceDefinition, WhenDefinition};
use crate::domain::git_url::GitUrl;
use crate::domain::schema::Format;
use crate::domain::source::{Code, Problem};
use crate::domain::trigger_source::{FactOrigin, FactSource, TriggerSource, When};
use crate::domain::words::{EVENTS, FactName, Place};

/// Compiles every TriggerSource, sorted by precedence, higher first, then by name.
pub(super) fn compile(
    definitions: &[TriggerSourceDefinition],
    surroundings: &Surroundings,
    context: &mut Context,
) -> Vec<Arc<TriggerSource>> {
    let mut sources: Vec<Arc<TriggerSource>> = definitions
        .iter()
        .map(|definition| Arc::new(source(definition, surroundings, context)))
        .collect();
    sources.sort_by(|a, b| b.precedence.cmp(&a.precedence).then_with(|| a.name.cmp(&b.name)));
    sources
}

fn source(definition: &TriggerSourceDefinition, surroundings: &Surroundings, context: &mut Context) -> TriggerSource {
    let name = &definition.header.name;
    if definition.facts.is_empty() {
        let message = format!(
            "expected at least one fact in trigger source {}, found none",
            quote(&name.value)
        );
        context.report(
            Problem::error(Code::EmptyList, name.span, message)
                .with_help("write facts: and where each of them stands in a Run"),
        );
    }
    TriggerSource {
        name: name.value.as_str().into(),
        precedence: definition
            .precedence
            .as_ref()
            .map_or(defaults::PRECEDENCE, |written| written.value),
        users: surroundings.identities.resolve(&definition.users, context),
        when: definition
            .when
            .iter()
            .filter_map(|when| condition(when, context))
            .collect(),
        facts: definition
            .facts
            .iter()
            .filter_map(|(name, fact)| fact_source(name, fact, context))
            .collect(),
    }
}

/// A condition; readers have refused one without or with several of the fields.
fn condition(definition: &WhenDefinition, context: &mut Context) -> Option<When> {
    let keys = [
        (Place::Annotation, &definition.annotation),
        (Place::Label, &definition.label),
    ];
    if let Some((place, key)) = keys.into_iter().find_map(|(place, key)| Some((place, key.as_ref()?))) {
        check_key(place, key, context);
        let values = definition.values.as_ref();
        if values.is_some_and(Vec::is_empty) {
            let problem = Problem::error(
                Code::EmptyList,
                definition.span,
                "a condition with an empty list of values never holds",
            );
            context
                .report(problem.with_help("list the values, or remove the list to ask only whether the key is there"));
        }
        let values = values.map(|values| values.iter().map(|value| value.value.clone()).collect());
        return Some(When::Key {
            place,
            key: key.value.clone(),
            values,
        });
    }
    let path = definition.path.as_ref()?;
    if definition.values.is_some() {
        let problem = Problem::error(
            Code::MisplacedField,
            definition.span,
            "values stand beside an annotation or a label, not beside a path",
        );
        context.report(problem.with_help("write the comparison into the path as a filter"));
    }
    context.path(path).map(When::Path)
}

fn check_key(place: Place, key: &Text, context: &mut Context) {
    if let Err(problem) = check_syntax(place, &key.value, key) {
        context.report(problem);
    }
}

fn fact_source(name: &Text, definition: &FactDefinition, context: &mut Context) -> Option<FactSource> {
    let fact = FactName::from_word(&name.value);
    if fact.is_none() {
        let message = format!("expected the name of a fact, found {}", quote(&name.value));
        let words = FactName::WORDS.iter().map(|(word, _)| *word);
        context.report(suggest_among(
            Problem::error(Code::UnknownFact, name.span, message),
            &name.value,
            words,
        ));
    }
    let pattern = definition.pattern.as_ref().and_then(|pattern| context.pattern(pattern));
    let origin = origin(name, definition, context);
    let fact = fact?;
    for (_, value) in &definition.map {
        check_type(fact, value, context);
    }
    if let Some(value) = &definition.value {
        check_type(fact, value, context);
        let beside = definition.pattern.as_ref().map(|pattern| ("pattern", pattern.span));
        let beside = beside.or(definition.map.first().map(|(key, _)| ("map", key.span)));
        if let Some((term, span)) = beside {
            let problem = Problem::error(
                Code::MisplacedField,
                span,
                format!("{term} has nothing to work on beside a literal value"),
            );
            context.report(problem.with_help(format!("write the value as it should come out, and remove {term}")));
        }
    }
    let map = definition
        .map
        .iter()
        .map(|(from, to)| (from.value.clone(), to.value.clone()));
    Some(FactSource {
        fact,
        origin: origin?,
        pattern,
        map: map.collect(),
        when: definition
            .when
            .iter()
            .filter_map(|when| condition(when, context))
            .collect(),
    })
}

/// The origin of a fact; readers have refused a fact without or with several of them.
fn origin(name: &Text, definition: &FactDefinition, context: &mut Context) -> Option<FactOrigin> {
    if let Some(key) = &definition.annotation {
        check_key(Place::Annotation, key, context);
        return Some(FactOrigin::Annotation(key.value.as_str().into()));
    }
    if let Some(key) = &definition.label {
        check_key(Place::Label, key, context);
        return Some(FactOrigin::Label(key.value.as_str().into()));
    }
    if let Some(params) = &definition.params {
        check_params(name, params, context);
        return Some(FactOrigin::Params(
            params.iter().map(|param| param.value.as_str().into()).collect(),
        ));
    }
    if let Some(value) = &definition.value {
        return Some(FactOrigin::Literal(value.value.clone()));
    }
    let path = definition.path.as_ref()?;
    context.path(path).map(FactOrigin::Path)
}

fn check_params(fact: &Text, params: &[Text], context: &mut Context) {
    if params.is_empty() {
        let message = format!(
            "expected the name of a parameter for the fact {}, found an empty list",
            quote(&fact.value)
        );
        context.report(
            Problem::error(Code::EmptyList, fact.span, message)
                .with_help("list the parameters in the order in which they are tried"),
        );
    }
    for param in params.iter().filter(|param| param.value.is_empty()) {
        context.report(Problem::error(
            Code::BadName,
            param.span,
            "expected the name of a parameter, found an empty string",
        ));
    }
    context.refuse_repeats("parameter", params);
}

/// Reports a literal that could never be the fact.
fn check_type(fact: FactName, value: &Text, context: &mut Context) {
    let text = value.value.as_str();
    let expected = match fact {
        FactName::Provider if !is_word(text) => {
            context.report(not_a_provider(value));
            return;
        }
        FactName::Event if !EVENTS.contains(&text) => {
            context.report(not_an_event(value));
            return;
        }
        FactName::Host if !Format::Hostname.accepts(text) => "a host name",
        FactName::Sha if !Format::GitSha.accepts(text) => "a commit id of 40 or 64 hex digits",
        FactName::Url if GitUrl::parse(text).is_err() => "the URL of a Git repository",
        FactName::PullRequest | FactName::Installation if !Format::Int64.accepts(text) => "an integer",
        _ if text.is_empty() => "a text",
        _ => return,
    };
    let found = quote(text);
    context.report(Problem::error(
        Code::BadFactValue,
        value.span,
        format!("expected {expected} as the fact {fact}, found {found}"),
    ));
}

/// The problem of a text that should be an event.
pub(super) fn not_an_event(text: &Text) -> Problem {
    let message = format!("expected the name of an event, found {}", quote(&text.value));
    suggest_among(
        Problem::error(Code::UnknownWord, text.span, message),
        &text.value,
        EVENTS.into_iter(),
    )
}
