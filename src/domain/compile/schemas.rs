//! Compiles value schemas, and points at the terms that do not fit together.

use super::context::{Context, quote, suggest_among};
use super::places::related;
use crate::domain::definition::{SchemaDefinition, Text};
use crate::domain::schema::{DefinitionMistake, Format, HostRule, UrlRules, ValueSchema};
use crate::domain::source::{Code, Located, Problem, Span};

/// Compiles the terms of a schema.
///
/// `base` is the schema that this one tightens: what must hold of both, such as the format, is taken over from it.
pub(super) fn compile(
    definition: &SchemaDefinition,
    base: Option<&ValueSchema>,
    urls: &UrlRules,
    context: &mut Context,
) -> ValueSchema {
    let format = definition.format.as_ref().and_then(|written| format(written, context));
    let hosts = definition.hosts.as_ref().map(|written| hosts(written, context));
    let template = definition.template.as_ref().map(|written| written.value);
    let schema = ValueSchema {
        format: format.or(base.and_then(|base| base.format)),
        pattern: definition.pattern.as_ref().and_then(|pattern| context.pattern(pattern)),
        pattern_message: definition.pattern_message.as_ref().map(|message| message.value.clone()),
        enum_values: texts(definition.enum_values.as_deref()),
        min_length: definition.min_length.as_ref().map(length),
        max_length: definition.max_length.as_ref().map(length),
        minimum: definition.minimum.as_ref().map(|minimum| minimum.value),
        maximum: definition.maximum.as_ref().map(|maximum| maximum.value),
        schemes: texts(definition.schemes.as_deref()),
        hosts: hosts.or(base.map(|base| base.hosts)).unwrap_or_default(),
        template: template.or(base.map(|base| base.template)).unwrap_or_default(),
    };
    check_terms(definition, &schema, urls, context);
    check_example(definition, &schema, urls, context);
    schema
}

fn texts(written: Option<&[Text]>) -> Vec<String> {
    written
        .unwrap_or_default()
        .iter()
        .map(|text| text.value.clone())
        .collect()
}

fn length(written: &Located<u64>) -> usize {
    usize::try_from(written.value).unwrap_or(usize::MAX)
}

fn format(written: &Text, context: &mut Context) -> Option<Format> {
    let format = Format::from_name(&written.value);
    if format.is_none() {
        let message = format!("expected the name of a format, found {}", quote(&written.value));
        let names = Format::ALL.iter().map(|format| format.name());
        context.report(suggest_among(
            Problem::error(Code::UnknownFormat, written.span, message),
            &written.value,
            names,
        ));
    }
    format
}

fn hosts(written: &Text, context: &mut Context) -> HostRule {
    if written.value != "any" {
        let message = format!("expected any, found {}", quote(&written.value));
        let help = "leave hosts out to refuse private hosts; Settings allow single ones under urls.allowedHosts";
        context.report(Problem::error(Code::UnknownWord, written.span, message).with_help(help));
    }
    // What was meant lifts the refusal; an example on a private host must not be a second problem.
    HostRule::Any
}

fn check_terms(definition: &SchemaDefinition, schema: &ValueSchema, urls: &UrlRules, context: &mut Context) {
    for mistake in schema.check_definition(urls) {
        if !follows_from_another(definition, schema, &mistake) {
            let span = place_of(definition, &mistake).unwrap_or(definition.span);
            let message = format!("{}: {}", mistake.term, mistake.message);
            let problem = Problem::error(Code::BadSchema, span, message);
            context.report(related(problem, counterpart(definition, &mistake), "the other term"));
        }
    }
    // The compiled schema cannot tell an empty list from none.
    for (term, values) in [("enum", &definition.enum_values), ("schemes", &definition.schemes)] {
        if values.as_ref().is_some_and(Vec::is_empty) {
            let message = format!("expected at least one value in {term}, found an empty list");
            let help = format!("remove {term} to allow any");
            context.report(Problem::error(Code::EmptyList, definition.span, message).with_help(help));
        }
    }
}

/// Whether the mistake is there only because a pattern or a format could not be read, which was reported.
fn follows_from_another(definition: &SchemaDefinition, schema: &ValueSchema, mistake: &DefinitionMistake) -> bool {
    let is_pattern_broken = definition.pattern.is_some() && schema.pattern.is_none();
    let is_format_broken = definition.format.is_some() && schema.format.is_none();
    match mistake.term {
        "patternMessage" => is_pattern_broken,
        "minimum" | "maximum" | "schemes" | "hosts" => is_format_broken,
        _ => false,
    }
}

/// Where the term stands that limits the same thing from the other side.
fn counterpart(definition: &SchemaDefinition, mistake: &DefinitionMistake) -> Option<Span> {
    let (other, place) = match mistake.term {
        "minLength" => ("maxLength", definition.max_length.as_ref().map(|term| term.span)),
        "maxLength" => ("minLength", definition.min_length.as_ref().map(|term| term.span)),
        "minimum" => ("maximum", definition.maximum.as_ref().map(|term| term.span)),
        "maximum" => ("minimum", definition.minimum.as_ref().map(|term| term.span)),
        _ => return None,
    };
    // The same term may be wrong for another reason.
    place.filter(|_| mistake.message.contains(other))
}

/// Where a term, or one of its values, was written.
fn place_of(definition: &SchemaDefinition, mistake: &DefinitionMistake) -> Option<Span> {
    let listed = |values: &Option<Vec<Text>>| {
        let values = values.as_ref()?;
        values.get(mistake.index.unwrap_or_default()).map(|value| value.span)
    };
    match mistake.term {
        "minLength" => definition.min_length.as_ref().map(|term| term.span),
        "maxLength" => definition.max_length.as_ref().map(|term| term.span),
        "minimum" => definition.minimum.as_ref().map(|term| term.span),
        "maximum" => definition.maximum.as_ref().map(|term| term.span),
        "patternMessage" => definition.pattern_message.as_ref().map(|term| term.span),
        "hosts" => definition.hosts.as_ref().map(|term| term.span),
        "schemes" => listed(&definition.schemes),
        "enum" => listed(&definition.enum_values),
        _ => None,
    }
}

fn check_example(definition: &SchemaDefinition, schema: &ValueSchema, urls: &UrlRules, context: &mut Context) {
    let Some(example) = &definition.example else {
        return;
    };
    // A built-in example says nothing about a schema that the user has tightened, and the user cannot mend it.
    let is_inherited = example.span.file != definition.span.file;
    if let (Err(violation), false) = (schema.check(&example.value, &urls.for_definitions()), is_inherited) {
        let message = format!("the example breaks its own schema: {}", violation.message);
        context.report(
            Problem::error(Code::BadExample, example.span, message).with_help("change the example or the schema"),
        );
    }
}
