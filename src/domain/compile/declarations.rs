//! Who declares which key: every key has one meaning, whichever integration declares it and however it is spelt.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::context::{Context, quote};
use super::defaults;
use super::key_rules::{absolute, article, check_syntax, is_own};
use crate::domain::definition::{IntegrationDefinition, StateDefinition, Text};
use crate::domain::source::{Code, Problem, Span};
use crate::domain::words::Place;

/// The explicit declarations of all integrations.
#[derive(Debug, Default)]
pub(super) struct Declarations {
    keys: HashMap<(Place, String), Declaration>,
    prefixes: HashMap<String, Declaration>,
}

/// One declaration, for the problem with a second one.
#[derive(Debug)]
struct Declaration {
    span: Span,
    /// `config of integration "github"`
    what: String,
}

impl Declarations {
    /// Enters every key, and reports those that are no keys and those declared twice.
    pub(super) fn new(integrations: &[IntegrationDefinition], context: &mut Context) -> Self {
        let mut declarations = Self::default();
        for integration in integrations {
            declarations.enter_integration(integration, context);
        }
        declarations
    }

    /// Whether an integration declares this annotation.
    pub(super) fn has_annotation(&self, key: &str) -> bool {
        self.keys.contains_key(&(Place::Annotation, key.to_owned()))
    }

    fn enter_integration(&mut self, integration: &IntegrationDefinition, context: &mut Context) {
        let name = quote(&integration.header.name.value);
        let prefix = integration.prefix.as_ref().map(|prefix| prefix.value.as_str());
        if let Some(prefix) = &integration.prefix {
            self.enter_prefix(prefix, &name, context);
        }
        for (key, schema) in &integration.config {
            let spellings =
                std::iter::once((key, "config")).chain(schema.aliases.iter().map(|alias| (alias, "an alias")));
            for (written, role) in spellings {
                let place = schema.place.as_ref().map_or(defaults::PLACE, |place| place.value);
                match absolute(prefix, &written.value) {
                    Some(spelling) => {
                        for place in place.places() {
                            if let Err(problem) = check_syntax(*place, &spelling, written) {
                                context.report(problem);
                            }
                            let what = format!("{role} of integration {name}");
                            self.enter(*place, spelling.clone(), written, what, context);
                        }
                    }
                    None => context.report(relative_without_prefix(written, &name)),
                }
            }
        }
        let lists = [
            (Place::Annotation, &integration.annotations),
            (Place::Label, &integration.labels),
            (Place::Finalizer, &integration.finalizers),
        ];
        for (place, states) in lists {
            for state in states {
                self.enter_state(place, state, (&name, prefix), context);
            }
        }
    }

    fn enter_prefix(&mut self, prefix: &Text, name: &str, context: &mut Context) {
        // A key of the prefix is the shortest test of the prefix: both follow one rule.
        let is_prefix = !prefix.value.contains('/')
            && check_syntax(Place::Annotation, &format!("{}/a", prefix.value), prefix).is_ok();
        if !is_prefix {
            let message = format!(
                "expected a DNS name in lower case as prefix, found {}",
                quote(&prefix.value)
            );
            let problem = Problem::error(Code::BadKey, prefix.span, message);
            context.report(match prefix.value.strip_suffix('/') {
                Some(name) => problem.with_text(name, false).with_help("leave the slash out"),
                None => problem.with_help("write a name such as slack.integrations.tekton.dev"),
            });
        } else if is_own(&format!("{}/a", prefix.value)) {
            context.report(belongs_to_runstamp("the prefix", prefix));
        }
        let found = Declaration {
            span: prefix.span,
            what: format!("integration {name}"),
        };
        match self.prefixes.entry(prefix.value.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(found);
            }
            Entry::Occupied(entry) => {
                let what = format!("the prefix {}", quote(&prefix.value));
                let problem = declared_twice(&what, ("by ", entry.get()), &found);
                context.report(
                    problem
                        .with_help("give each integration a prefix of its own, or write the whole keys under config"),
                );
            }
        }
    }

    fn enter_state(
        &mut self,
        place: Place,
        state: &StateDefinition,
        (name, of_integration): (&str, Option<&str>),
        context: &mut Context,
    ) {
        let what = format!("state of integration {name}");
        let key = &state.key;
        let (prefix, rest) = key.value.split_once('/').unwrap_or(("", &key.value));
        if let Some(of_integration) = of_integration
            && place != Place::Finalizer
            && !key.value.contains('/')
        {
            // Some controllers write keys without a prefix; beside a prefix of its own the integration means that one.
            let message = format!(
                "expected the whole key of {} {place}, found {}",
                article(place),
                quote(&key.value)
            );
            let whole = format!("{of_integration}/{}", key.value);
            let problem = Problem::error(Code::BadKey, key.span, message).with_help(format!("write {whole}"));
            context.report(problem.with_text(whole, false));
        } else if prefix.is_empty() && rest.contains('*') {
            let message = format!("expected a prefix before a *, found {}", quote(&key.value));
            let help = "write PREFIX/NAME: keys without a prefix belong to whoever comes first";
            context.report(Problem::error(Code::BadKey, key.span, message).with_help(help));
        } else if prefix.contains('*') || rest.matches('*').count() > 1 {
            let message = format!(
                "expected a state key with at most one *, after the slash, found {}",
                quote(&key.value)
            );
            context.report(
                Problem::error(Code::BadKey, key.span, message).with_help("declare a key for each of the forms"),
            );
        } else if let Err(problem) = check_syntax(place, &key.value.replacen('*', "x", 1), key) {
            context.report(problem);
        }
        self.enter(place, key.value.clone(), key, what, context);
    }

    fn enter(&mut self, place: Place, key: String, written: &Text, what: String, context: &mut Context) {
        if is_own(&key) {
            context.report(belongs_to_runstamp("a key", written));
        }
        let found = Declaration {
            span: written.span,
            what,
        };
        match self.keys.entry((place, key)) {
            Entry::Vacant(entry) => {
                entry.insert(found);
            }
            Entry::Occupied(entry) => {
                let what = format!("{place} {}", quote(&entry.key().1));
                let problem = declared_twice(&what, ("as ", entry.get()), &found);
                context.report(problem.with_help("a key has one meaning: remove one of the two"));
            }
        }
    }
}

/// The problem of two declarations of one thing. It belongs to the one that is read later: built-in documents come first,
/// and whoever sees the problem can only mend the other.
fn declared_twice(thing: &str, (preposition, one): (&str, &Declaration), other: &Declaration) -> Problem {
    let (first, second) = if one.span <= other.span {
        (one, other)
    } else {
        (other, one)
    };
    let message = format!(
        "{thing} is declared twice: {preposition}{} and {preposition}{}",
        first.what, second.what
    );
    Problem::error(Code::DuplicateDeclaration, second.span, message)
        .with_label("declared again here")
        .with_related(first.span, "first declared here")
}

fn belongs_to_runstamp(what: &str, written: &Text) -> Problem {
    let message = format!(
        "expected {what} of an integration, found {}, which Runstamp keeps for itself",
        quote(&written.value)
    );
    Problem::error(Code::ReservedKey, written.span, message)
        .with_help("what is under runstamp.dev needs no declaration")
}

fn relative_without_prefix(written: &Text, integration: &str) -> Problem {
    let message = format!(
        "expected an absolute key, since integration {integration} has no prefix, found {}",
        quote(&written.value)
    );
    Problem::error(Code::BadKey, written.span, message).with_help("write PREFIX/NAME, or give the integration a prefix")
}
