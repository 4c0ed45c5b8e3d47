//! Warns about policies that no Run can match: conditions that contradict each other, or that nothing can ever meet.

use super::context::{Context, listed, quote};
use super::places::related;
use super::policies::Known;
use crate::domain::definition::{MatchDefinition, SelectorDefinition, Text, WhereDefinition};
use crate::domain::path::{FastForm, Path};
use crate::domain::pattern::{Glob, Pattern};
use crate::domain::policy::Matcher;
use crate::domain::selector::Operator as LabelOperator;
use crate::domain::source::{Code, Problem, Span};
use crate::domain::words::{Operator, Place, ResetRule, RunKind};

/// Most conditions that are compared with each other.
const MOST_COMPARED: usize = 64;

/// What a condition asks about.
#[derive(Debug, PartialEq, Eq)]
enum Subject {
    Annotation(String),
    Label(String),
    LabelOfNamespace(String),
    Path(String),
}

/// What a condition asks for.
#[derive(Debug)]
enum Demand {
    Present,
    Absent,
    In(Vec<String>),
    NotIn(Vec<String>),
    Matches(Vec<Pattern>),
}

/// A condition on a label or a field, from wherever in a match.
#[derive(Debug)]
pub(super) struct Condition {
    subject: Subject,
    demand: Demand,
    span: Span,
}

/// Warns where the conditions of one policy leave no Run.
pub(super) fn warn(
    matches: &MatchDefinition,
    conditions: &[Condition],
    matcher: &Matcher,
    known: &Known<'_>,
    context: &mut Context,
) {
    let contradiction = contradiction(conditions)
        .or_else(|| outside_of_match(conditions, matches, matcher))
        .or_else(|| asks_for_what_is_removed(conditions, matcher, known))
        .or_else(|| no_such_source(matches, known));
    if let Some(problem) = contradiction {
        context.report(problem);
    }
}

fn never(span: Span, policy_matches: &str) -> Problem {
    Problem::warning(
        Code::UnreachablePolicy,
        span,
        format!("no Run can match this policy: {policy_matches}"),
    )
}

/// Whether no Run can meet both of two lists of conditions.
pub(super) fn exclude_each_other(one: &[Condition], other: &[Condition]) -> bool {
    one.iter().any(|a| {
        let mut same = other.iter().filter(|b| b.subject == a.subject);
        same.any(|b| a.demand.excludes(&b.demand))
    })
}

/// The conditions of a match on labels and fields.
pub(super) fn conditions(matches: &MatchDefinition) -> Vec<Condition> {
    let mut conditions = Vec::new();
    if let Some(selector) = &matches.selector {
        conditions.extend(of_selector(selector, Subject::Label));
    }
    if let Some(selector) = &matches.namespace_selector {
        conditions.extend(of_selector(selector, Subject::LabelOfNamespace));
    }
    conditions.extend(matches.conditions.iter().filter_map(of_where));
    conditions.truncate(MOST_COMPARED);
    conditions
}

fn of_selector(selector: &SelectorDefinition, subject: fn(String) -> Subject) -> Vec<Condition> {
    let of_labels = selector.match_labels.iter().map(|(key, value)| Condition {
        subject: subject(key.value.clone()),
        demand: Demand::In(vec![value.value.clone()]),
        span: key.span,
    });
    let of_expressions = selector.match_expressions.iter().filter_map(|expression| {
        let demand = match LabelOperator::from_name(&expression.operator.value)? {
            LabelOperator::In => Demand::In(texts(&expression.values)),
            LabelOperator::NotIn => Demand::NotIn(texts(&expression.values)),
            LabelOperator::Exists => Demand::Present,
            LabelOperator::DoesNotExist => Demand::Absent,
        };
        Some(Condition {
            subject: subject(expression.key.value.clone()),
            demand,
            span: expression.key.span,
        })
    });
    of_labels.chain(of_expressions).collect()
}

fn of_where(condition: &WhereDefinition) -> Option<Condition> {
    let path = Path::parse(&condition.path.value).ok()?;
    let subject = match path.fast_form() {
        Some(FastForm::Annotation(key)) => Subject::Annotation(key.clone()),
        Some(FastForm::Label(key)) => Subject::Label(key.clone()),
        _ => Subject::Path(path.text().to_owned()),
    };
    let demand = match condition.operator.value {
        Operator::Exists => Demand::Present,
        Operator::NotExists => Demand::Absent,
        Operator::In => Demand::In(texts(&condition.values)),
        Operator::NotIn => Demand::NotIn(texts(&condition.values)),
        Operator::Matches => {
            let patterns = condition.values.iter().map(|value| Pattern::parse(&value.value).ok());
            Demand::Matches(patterns.collect::<Option<_>>()?)
        }
    };
    Some(Condition {
        subject,
        demand,
        span: condition.path.span,
    })
}

fn texts(values: &[Text]) -> Vec<String> {
    values.iter().map(|value| value.value.clone()).collect()
}

/// Two conditions on one thing that cannot both hold.
fn contradiction(conditions: &[Condition]) -> Option<Problem> {
    for (position, second) in conditions.iter().enumerate() {
        let earlier = conditions.iter().take(position);
        for first in earlier.filter(|first| first.subject == second.subject) {
            if first.demand.excludes(&second.demand) {
                return Some(
                    never(second.span, "two of its conditions exclude each other")
                        .with_label(second.demand.in_words())
                        .with_related(first.span, first.demand.in_words())
                        .with_help("remove one of the two, or write a policy for each"),
                );
            }
        }
    }
    None
}

impl Demand {
    /// Whether both can never hold.
    fn excludes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Absent, other) => other.needs_a_value(),
            (one, Self::Absent) => one.needs_a_value(),
            // What has no values or no patterns is reported as that.
            (Self::In(values), other) | (other, Self::In(values)) if !values.is_empty() => match other {
                Self::In(others) => !others.is_empty() && values.iter().all(|value| !others.contains(value)),
                Self::NotIn(others) => values.iter().all(|value| others.contains(value)),
                Self::Matches(patterns) => {
                    let matches = |value: &String| patterns.iter().any(|pattern| pattern.is_match(value));
                    !patterns.is_empty() && !values.iter().any(matches)
                }
                Self::Present | Self::Absent => false,
            },
            _ => false,
        }
    }

    fn needs_a_value(&self) -> bool {
        matches!(self, Self::Present | Self::In(_) | Self::Matches(_))
    }

    fn in_words(&self) -> String {
        let some = |values: &[String]| {
            let shown: Vec<String> = values.iter().take(4).map(|value| quote(value)).collect();
            let more = if values.len() > shown.len() { ", …" } else { "" };
            format!("{}{more}", shown.join(", "))
        };
        match self {
            Self::Present => "must be there".to_owned(),
            Self::Absent => "must not be there".to_owned(),
            Self::In(values) => format!("must be one of {}", some(values)),
            Self::NotIn(values) => format!("must be none of {}", some(values)),
            Self::Matches(patterns) => {
                let patterns: Vec<String> = patterns.iter().map(|pattern| pattern.as_str().to_owned()).collect();
                format!("must match {}", some(&patterns))
            }
        }
    }
}

/// A condition on kind or namespace that the rest of the match leaves out.
fn outside_of_match(conditions: &[Condition], matches: &MatchDefinition, matcher: &Matcher) -> Option<Problem> {
    for condition in conditions {
        let (Subject::Path(path), Demand::In(values)) = (&condition.subject, &condition.demand) else {
            continue;
        };
        if values.is_empty() {
            continue;
        }
        let admits_namespace = |namespace: &String| {
            let is_listed = matcher.namespaces.as_ref().is_none_or(|globs| any(globs, namespace));
            is_listed && !any(&matcher.exclude_namespaces, namespace)
        };
        let admits_kind = |word: &String| matcher.kinds.iter().any(|kind| kind.word() == word);
        let (is_possible, other) = match path.as_str() {
            "$.metadata.namespace" => {
                let listed = matches.namespaces.iter().flatten().chain(&matches.exclude_namespaces);
                let place = listed.map(|namespace| namespace.span).next();
                (values.iter().any(admits_namespace), place)
            }
            "$.kind" => {
                let kinds = matches.kinds.as_ref().and_then(|kinds| kinds.first());
                (values.iter().any(admits_kind), kinds.map(|kind| kind.span))
            }
            _ => continue,
        };
        if !is_possible {
            let problem = never(
                condition.span,
                "a condition asks for what the rest of the match leaves out",
            )
            .with_label(condition.demand.in_words())
            .with_help("remove one of the two");
            return Some(related(problem, other, "and this leaves it out"));
        }
    }
    None
}

fn any(globs: &[Glob], namespace: &str) -> bool {
    globs.iter().any(|glob| glob.matches(namespace))
}

/// A condition that asks for state which is removed before anybody asks.
fn asks_for_what_is_removed(conditions: &[Condition], matcher: &Matcher, known: &Known<'_>) -> Option<Problem> {
    for condition in conditions.iter().filter(|condition| condition.demand.needs_a_value()) {
        let (place, key) = match &condition.subject {
            Subject::Annotation(key) => (Place::Annotation, key),
            Subject::Label(key) => (Place::Label, key),
            Subject::LabelOfNamespace(_) | Subject::Path(_) => continue,
        };
        let Some(state) = known.registry.state(place, key) else {
            continue;
        };
        let is_on_all = |kinds: &[RunKind]| matcher.kinds.iter().all(|kind| kinds.contains(kind));
        if state.reset == ResetRule::Always && state.creators.is_empty() && is_on_all(&state.kinds) {
            let message = format!(
                "{} is state of integration {}, and every new Run loses it before policies are asked",
                quote(key),
                quote(&state.integration)
            );
            let problem = Problem::warning(
                Code::UnreachablePolicy,
                condition.span,
                format!("no new Run can match this policy: {message}"),
            );
            let help = "ask for something that a new Run may carry; what is a copy, reset knows by itself";
            return Some(known.with_state(problem, state).with_help(help));
        }
    }
    None
}

/// Trigger sources of which none can be the one that is asked for.
fn no_such_source(matches: &MatchDefinition, known: &Known<'_>) -> Option<Problem> {
    let trigger = matches.trigger.as_ref()?;
    let names = trigger.sources.as_ref()?;
    let sources: Option<Vec<_>> = names.iter().map(|name| known.source(&name.value)).collect();
    let (sources, first) = (sources?, names.first()?);
    let words: Vec<String> = names.iter().map(|name| quote(&name.value)).collect();
    if sources.iter().all(|source| !source.may_speak_of_repository()) {
        let message = format!(
            "no Run can match this policy: sources asks where the facts about the repository come from, and {} never says any",
            listed(&words)
        );
        return Some(
            Problem::warning(Code::UnreachablePolicy, first.span, message)
                .with_help("name a source that knows url, project, owner, repo, sha, ref, branch, tag or pullRequest"),
        );
    }
    let trusted = trigger.trusted.as_ref().filter(|trusted| trusted.value)?;
    if sources.iter().all(|source| source.users.is_empty()) {
        let message = format!(
            "no new Run can match this policy: it asks for trusted facts, and {} trusts no users",
            listed(&words)
        );
        return Some(
            Problem::warning(Code::UnreachablePolicy, trusted.span, message)
                .with_related(first.span, "only this may say them")
                .with_help("give the source users in a TriggerSource, or match by users instead"),
        );
    }
    None
}
