//! What a trace says of facts that are not there: sources that do not speak, and where a fact was looked for in vain.

use std::sync::Arc;

use super::{Fact, FactField, Facts, holds};
use crate::domain::path::Presence;
use crate::domain::policy::RunPolicy;
use crate::domain::policy_set::PolicySet;
use crate::domain::reading::Reading;
use crate::domain::schema::quoted;
use crate::domain::template::{Reference, Template};
use crate::domain::trace::{Event, Trace};
use crate::domain::trigger_source::{FactOrigin, FactSource, TriggerSource, When};
use crate::domain::words::{FactName, Place};

/// Tells of the sources that say nothing of this Run, each with the first condition that failed.
pub(super) fn silent_sources(set: &PolicySet, reading: &mut Reading<'_, '_>, trace: &mut Trace) {
    for source in &set.trigger_sources {
        if let Some(when) = source.when.iter().find(|when| !holds(when, reading)) {
            let (expected, found) = wish(when, reading);
            trace.events.push(Event::SourceSilent {
                source: Arc::clone(&source.name),
                expected,
                found,
            });
        }
    }
}

/// What a condition wants, and what there is.
fn wish(when: &When, reading: &mut Reading<'_, '_>) -> (String, String) {
    match when {
        When::Key { place, key, values } => {
            let field = match place {
                Place::Label => FactField::Label(key),
                _ => FactField::Annotation(key),
            };
            let found = reading
                .view()
                .value(*place, key)
                .map_or_else(|| "none".to_owned(), quoted);
            let expected = match values.as_deref() {
                None => field.to_string(),
                Some(values) => {
                    let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
                    format!("{field} to be {}", values.join(" or "))
                }
            };
            (expected, found)
        }
        When::Path(path) => {
            let found = match reading.presence(path) {
                Presence::TooLarge => "more than a path may visit",
                _ => "nothing",
            };
            (format!("{} to be there", path.text()), found.to_owned())
        }
    }
}

/// The line about a candidate that would do, and comes too late.
pub(super) fn not_wanted(name: FactName, fact: &Fact<'_>, facts: &Facts<'_>) -> Event {
    let value = quoted(&fact.value);
    let reason = match (facts.repository_source(), facts.get(name)) {
        (Some(source), _) if name.is_about_the_repository() => format!(
            "{value} is not used, since the facts about the repository come from one source, which is {source} here"
        ),
        (_, Some(known)) => format!("{value} is not used, since trigger source {} comes first", known.source),
        _ => format!("{value} is said of every Run, and counts only beside something that this Run says"),
    };
    Event::FactRefused {
        fact: name.word(),
        source: Arc::clone(fact.source),
        from: fact.from.to_string(),
        reason,
    }
}

/// Tells of the facts that are not known although somebody asks for them: a policy, or a source that speaks.
pub(super) fn absent_facts<'f>(
    speakers: &[(&'f TriggerSource, bool)],
    facts: &Facts<'f>,
    set: &PolicySet,
    trace: &mut Trace,
) {
    for (word, fact) in FactName::WORDS {
        if facts.get(*fact).is_some() {
            continue;
        }
        let looked: Vec<(Arc<str>, Vec<String>)> = speakers
            .iter()
            .map(|(source, _)| (Arc::clone(&source.name), fields_of(source, *fact)))
            .filter(|(_, fields)| !fields.is_empty())
            .collect();
        if looked.is_empty() && !set.policies.iter().any(|policy| reads(policy, *fact)) {
            continue;
        }
        let follows = root_of(*fact).map(|root| (root.word(), facts.value(root).map(str::to_owned)));
        if !looked.is_empty() || follows.is_some() {
            trace.events.push(Event::FactAbsent {
                fact: word,
                looked,
                follows,
            });
        }
    }
}

/// Where a source looks for a fact.
fn fields_of(source: &TriggerSource, fact: FactName) -> Vec<String> {
    let sources = source.facts.iter().filter(|fact_source| fact_source.fact == fact);
    sources.flat_map(fields).collect()
}

fn fields(fact_source: &FactSource) -> Vec<String> {
    match &fact_source.origin {
        FactOrigin::Annotation(key) => vec![FactField::Annotation(key).to_string()],
        FactOrigin::Label(key) => vec![FactField::Label(key).to_string()],
        FactOrigin::Params(names) => names.iter().map(|name| FactField::Param(name).to_string()).collect(),
        FactOrigin::Path(path) => vec![FactField::Path(path.text()).to_string()],
        FactOrigin::Literal(_) => Vec::new(),
    }
}

/// The fact that this one follows from where no source says it.
fn root_of(fact: FactName) -> Option<FactName> {
    match fact {
        FactName::Host | FactName::Provider | FactName::Project | FactName::Owner | FactName::Repo => {
            Some(FactName::Url)
        }
        FactName::Branch | FactName::Tag => Some(FactName::Ref),
        _ => None,
    }
}

/// Whether a policy asks for a fact.
fn reads(policy: &RunPolicy, fact: FactName) -> bool {
    let asks = policy.matcher.trigger.as_ref().is_some_and(|trigger| match fact {
        FactName::Provider => trigger.providers.is_some(),
        FactName::Host => trigger.hosts.is_some(),
        FactName::Event => trigger.events.is_some(),
        _ => false,
    });
    let has = |template: &Template| {
        template
            .references()
            .any(|reference| matches!(reference, Reference::Trigger(name) if *name == fact))
    };
    let blocks = policy.integrations.iter().flat_map(|block| &block.keys);
    let mut injections = blocks.map(|(_, injection)| injection).chain(&policy.keys);
    asks || injections.any(|injection| has(&injection.value))
}
