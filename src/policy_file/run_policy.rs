//! Reads documents of kind RunPolicy.

use super::document::{self, Document};
use super::fields::{Fields, fields};
use super::integration::validation_action;
use super::problems::Problems;
use super::schema;
use super::tree::{Kind, Node};
use super::values::{self, Expected};
use crate::domain::definition::{
    ExpressionDefinition, InjectDefinition, InjectionDefinition, MatchDefinition, RequireDefinition,
    RunPolicyDefinition, SelectorDefinition, TriggerMatchDefinition, VariableDefinition, WhereDefinition,
};
use crate::domain::source::Located;
use crate::domain::words::{Mode, OnConflict, OnMissing, Operator, RunKind};

/// The spec of a RunPolicy.
pub(super) fn run_policy(document: Document, problems: &mut Problems) -> Option<RunPolicyDefinition> {
    document::spec(document, "the spec of a RunPolicy", problems, |header, fields| {
        RunPolicyDefinition {
            header,
            priority: fields.integer("priority"),
            mode: fields.word("mode", Mode::WORDS),
            matches: fields.section("match", "the match of a RunPolicy", matches),
            variables: fields.list("variables", "variables", variable),
            inject: fields.section("inject", "the inject of a RunPolicy", inject),
            require: fields.section("require", "the require of a RunPolicy", |fields| RequireDefinition {
                integrations: fields.texts("integrations").unwrap_or_default(),
                annotations: fields.texts("annotations").unwrap_or_default(),
            }),
            constrain: fields.section("constrain", "the constrain of a RunPolicy", |fields| {
                fields.map("integrations", "integrations and their keys", |node, problems| {
                    values::map(node, "keys and their constraints", problems, schema::constraint)
                })
            }),
            validation_action: validation_action(fields),
        }
    })
}

fn matches(fields: &mut Fields<'_>) -> MatchDefinition {
    MatchDefinition {
        span: fields.place(),
        kinds: fields.words("kinds", RunKind::WORDS),
        namespaces: fields.texts("namespaces"),
        exclude_namespaces: fields.texts("excludeNamespaces").unwrap_or_default(),
        namespace_selector: fields.with("namespaceSelector", selector),
        selector: fields.with("selector", selector),
        users: fields.texts("users"),
        trigger: fields.with("trigger", |node, problems| {
            super::fields::fields(node, "the trigger of a match", problems, |fields| {
                TriggerMatchDefinition {
                    sources: fields.texts("sources"),
                    providers: fields.texts("providers"),
                    hosts: fields.texts("hosts"),
                    events: fields.texts("events"),
                    trusted: fields.boolean("trusted"),
                }
            })
        }),
        conditions: fields.list("where", "conditions", condition),
    }
}

fn selector(node: Node, problems: &mut Problems) -> Option<SelectorDefinition> {
    fields(node, "a selector", problems, |fields| SelectorDefinition {
        span: fields.place(),
        match_labels: fields.map("matchLabels", "labels and their values", values::text),
        match_expressions: fields.list("matchExpressions", "expressions", expression),
    })
}

fn expression(node: Node, problems: &mut Problems) -> Option<ExpressionDefinition> {
    fields(node, "an expression", problems, |fields| {
        let key = fields.required("key", values::text);
        let operator = fields.required("operator", values::text);
        let values = fields.texts("values").unwrap_or_default();
        Some(ExpressionDefinition {
            key: key?,
            operator: operator?,
            values,
        })
    })?
}

fn condition(node: Node, problems: &mut Problems) -> Option<WhereDefinition> {
    fields(node, "a condition of where", problems, |fields| {
        let path = fields.required("path", values::text);
        let operator = fields.required("operator", |node, problems| {
            values::word(node, Operator::WORDS, problems)
        });
        let values = fields.texts("values").unwrap_or_default();
        Some(WhereDefinition {
            path: path?,
            operator: operator?,
            values,
        })
    })?
}

fn variable(node: Node, problems: &mut Problems) -> Option<VariableDefinition> {
    fields(node, "a variable", problems, |fields| {
        let name = fields.required("name", values::text);
        let path = fields.required("path", values::text);
        let pattern = fields.text("pattern");
        let default = fields.text("default");
        Some(VariableDefinition {
            name: name?,
            path: path?,
            pattern,
            default,
        })
    })?
}

fn inject(fields: &mut Fields<'_>) -> InjectDefinition {
    InjectDefinition {
        integrations: fields.map("integrations", "integrations and their keys", |node, problems| {
            values::map(node, "keys and their values", problems, injection)
        }),
        annotations: fields.map("annotations", "annotations and their values", injection),
        labels: fields.map("labels", "labels and their values", injection),
    }
}

/// A string, or the long form with what happens on conflicts and gaps.
fn injection(node: Node, problems: &mut Problems) -> Option<InjectionDefinition> {
    match node.kind {
        Kind::String(value) => Some(InjectionDefinition {
            value: Located::new(value, node.span),
            on_conflict: None,
            on_missing: None,
        }),
        Kind::Mapping(_) => fields(node, "a value to inject", problems, |fields| {
            let value = fields.required("value", values::text);
            let on_conflict = fields.word("onConflict", OnConflict::WORDS);
            let on_missing = fields.word("onMissing", OnMissing::WORDS);
            Some(InjectionDefinition {
                value: value?,
                on_conflict,
                on_missing,
            })
        })?,
        _ => {
            problems.push(Expected::TextOrMapping("a mapping with value").but_found(&node));
            None
        }
    }
}
