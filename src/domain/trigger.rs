//! The trigger context: typed facts from several sources, by precedence, with conflicts told.

mod candidate;
mod derive;
mod explain;
mod fact_type;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use candidate::{Candidate, candidate, judge_candidate};
pub use fact_type::typed;

use super::path::Presence;
use super::policy_set::PolicySet;
use super::reading::Reading;
use super::schema::quoted;
use super::trace::{Event, Trace};
use super::trigger_source::{FactOrigin, FactSource, TriggerSource, When};
use super::words::FactName;

/// A fact and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact<'f> {
    /// Its value, of the fact's type and normalised.
    pub value: Cow<'f, str>,
    /// Name of the source.
    pub source: &'f Arc<str>,
    /// What it came from.
    pub from: FactField<'f>,
    /// Whether the word of whoever created the Run is trusted by the source.
    pub trusted: bool,
}

/// The field that a fact came from, or the fact that it was derived from; shown as `spec.params[revision]`, `url`.
///
/// Every Run has facts and few people ask for them, so the text is not made before somebody does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactField<'f> {
    /// An annotation of this key.
    Annotation(&'f str),
    /// A label of this key.
    Label(&'f str),
    /// The parameter of this name.
    Param(&'f str),
    /// Where this path leads.
    Path(&'f str),
    /// The trigger source of this name, in its own words.
    Source(&'f str),
    /// Another fact.
    Fact(FactName),
}

impl fmt::Display for FactField<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Annotation(key) => write!(formatter, "metadata.annotations[{key}]"),
            Self::Label(key) => write!(formatter, "metadata.labels[{key}]"),
            Self::Param(name) => write!(formatter, "spec.params[{name}]"),
            Self::Path(path) => formatter.write_str(path.trim_start_matches("$.")),
            Self::Source(name) => write!(formatter, "trigger source {name}"),
            Self::Fact(fact) => formatter.write_str(fact.word()),
        }
    }
}

/// The facts of one Run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts<'f> {
    facts: [Option<Fact<'f>>; FactName::COUNT],
    /// Name of the source that the repository facts came from, and whether it is trusted.
    repository: Option<(&'f Arc<str>, bool)>,
}

impl<'f> Facts<'f> {
    /// The fact of that name.
    pub fn get(&self, name: FactName) -> Option<&Fact<'f>> {
        self.facts.get(name as usize).and_then(Option::as_ref)
    }

    /// The value of a fact.
    pub fn value(&self, name: FactName) -> Option<&str> {
        self.get(name).map(|fact| &*fact.value)
    }

    /// The facts that are there, with their names.
    pub fn iter(&self) -> impl Iterator<Item = (FactName, &Fact<'f>)> {
        FactName::WORDS
            .iter()
            .filter_map(|(_, name)| self.get(*name).map(|fact| (*name, fact)))
    }

    /// Name of the source that the repository facts came from.
    pub fn repository_source(&self) -> Option<&str> {
        self.repository.map(|(source, _)| &**source)
    }

    /// Whether the repository facts are the word of somebody whom their source trusts.
    pub fn are_trusted(&self) -> bool {
        self.repository.as_ref().is_some_and(|(_, trusted)| *trusted)
    }

    fn set(&mut self, name: FactName, fact: Fact<'f>) {
        if let Some(place) = self.facts.get_mut(name as usize) {
            *place = Some(fact);
        }
    }
}

/// The trigger context of one Run, and what is to be said about it.
#[derive(Debug, Default)]
pub struct Context<'f> {
    /// The facts.
    pub facts: Facts<'f>,
    /// Sources that disagree, a sentence each.
    pub conflicts: Vec<String>,
}

/// What a source is asked for in one turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Everything,
    /// What stands in `spec`: what will really run.
    Spec,
    /// What stands in metadata.
    Claims,
}

impl Turn {
    fn asks(self, origin: &FactOrigin) -> bool {
        match self {
            Self::Everything => true,
            Self::Spec => stands_in_spec(origin),
            Self::Claims => !stands_in_spec(origin),
        }
    }
}

fn stands_in_spec(origin: &FactOrigin) -> bool {
    match origin {
        FactOrigin::Params(_) => true,
        FactOrigin::Path(path) => {
            let text = path.text();
            text.starts_with("$.spec") || text.starts_with("$['spec'") || text.starts_with("$[\"spec\"")
        }
        FactOrigin::Annotation(_) | FactOrigin::Label(_) | FactOrigin::Literal(_) => false,
    }
}

/// Gathers the facts of a Run.
///
/// On a copy, facts that are only claimed in metadata rank below facts from `spec`: somebody ran another revision again,
/// and the copied annotations tell of the old one.
pub fn context<'f>(
    reading: &mut Reading<'f, '_>,
    copied: bool,
    set: &'f PolicySet,
    mut trace: Option<&mut Trace>,
) -> Context<'f> {
    let mut context = Context::default();
    if let Some(trace) = trace.as_deref_mut() {
        explain::silent_sources(set, reading, trace);
    }
    let user = &reading.request().user.name;
    let speakers: Vec<(&'f TriggerSource, bool)> = set
        .trigger_sources
        .iter()
        .filter(|source| source.when.iter().all(|when| holds(when, reading)))
        .map(|source| (&**source, source.users.contains(user)))
        .collect();
    // What one source says; the next one takes over the room.
    let mut said = Vec::with_capacity(FactName::COUNT);
    for (source, trusted) in &speakers {
        let turn = if copied && !trusted {
            Turn::Spec
        } else {
            Turn::Everything
        };
        listen(
            source,
            *trusted,
            turn,
            reading,
            &mut context,
            &mut said,
            trace.as_deref_mut(),
        );
    }
    if copied {
        for (source, trusted) in speakers.iter().filter(|(_, trusted)| !trusted) {
            listen(
                source,
                *trusted,
                Turn::Claims,
                reading,
                &mut context,
                &mut said,
                trace.as_deref_mut(),
            );
        }
    }
    derive::derive(&mut context.facts, &set.settings, trace.as_deref_mut());
    if let Some(trace) = trace {
        explain::absent_facts(&speakers, &context.facts, set, trace);
    }
    context
}

fn holds(when: &When, reading: &mut Reading<'_, '_>) -> bool {
    match when {
        When::Key { place, key, values } => reading.view().value(*place, key).is_some_and(|found| {
            values
                .as_ref()
                .is_none_or(|values| values.iter().any(|value| value == found))
        }),
        When::Path(path) => reading.presence(path) == Presence::Present,
    }
}

/// A fact as one source has it, and whether the source says so of every Run.
type Said<'f> = (FactName, Fact<'f>, bool);

/// Takes what a source says in one turn.
fn listen<'f>(
    source: &'f TriggerSource,
    trusted: bool,
    turn: Turn,
    reading: &mut Reading<'f, '_>,
    context: &mut Context<'f>,
    said: &mut Vec<Said<'f>>,
    mut trace: Option<&mut Trace>,
) {
    for fact_source in source.facts.iter().filter(|fact_source| turn.asks(&fact_source.origin)) {
        // A trace tells of what was refused as well, and so of everything.
        if trace.is_none() && !may_matter(fact_source.fact, &context.facts)
            || !fact_source.when.iter().all(|when| holds(when, reading))
        {
            continue;
        }
        if let Some((value, from)) = ask(fact_source, source, &context.facts, reading, trace.as_deref_mut()) {
            let literal = matches!(fact_source.origin, FactOrigin::Literal(_));
            let fact = Fact {
                value,
                source: &source.name,
                from,
                trusted,
            };
            said.push((fact_source.fact, fact, literal));
        }
    }
    // A literal says nothing about this Run, so it takes the floor only beside something that does.
    let speaks_of_repository = said
        .iter()
        .any(|(name, _, literal)| name.is_about_the_repository() && !literal);
    let takes_repository = speaks_of_repository && context.facts.repository.is_none();
    if takes_repository {
        context.facts.repository = Some((&source.name, trusted));
    } else {
        tell_conflicts(said, context);
    }
    for (name, fact, _) in said.drain(..) {
        let wanted = if name.is_about_the_repository() {
            takes_repository
        } else {
            context.facts.get(name).is_none()
        };
        if wanted {
            if let Some(trace) = trace.as_deref_mut() {
                trace.events.push(Event::FactFound {
                    fact: name.word(),
                    source: Arc::clone(fact.source),
                    from: fact.from.to_string(),
                    value: fact.value.to_string(),
                });
            }
            context.facts.set(name, fact);
        } else if let Some(trace) = trace.as_deref_mut() {
            trace.events.push(explain::not_wanted(name, &fact, &context.facts));
        }
    }
}

/// What a later source says of a fact that is settled matters only where a conflict is told.
fn may_matter(name: FactName, facts: &Facts<'_>) -> bool {
    let is_open = if name.is_about_the_repository() {
        facts.repository.is_none()
    } else {
        facts.get(name).is_none()
    };
    is_open || is_compared(name)
}

/// The facts on which sources must agree.
fn is_compared(name: FactName) -> bool {
    matches!(name, FactName::Url | FactName::Sha | FactName::PullRequest)
}

/// Two sources that disagree on what is built deserve a word.
fn tell_conflicts(said: &[Said<'_>], context: &mut Context<'_>) {
    for (name, fact, _) in said {
        if !is_compared(*name) {
            continue;
        }
        if let Some(known) = context
            .facts
            .get(*name)
            .filter(|known| !known.value.eq_ignore_ascii_case(&fact.value))
        {
            context.conflicts.push(format!(
                "{} is {} by {} (trigger source {}) and {} by {} (trigger source {}): the first is used",
                name.word(),
                quoted(&known.value),
                known.from,
                known.source,
                quoted(&fact.value),
                fact.from,
                fact.source,
            ));
        }
    }
}

/// The value of a fact by one source, with the field it came from: the first candidate of the right type.
fn ask<'f>(
    fact_source: &'f FactSource,
    source: &'f TriggerSource,
    known: &Facts<'f>,
    reading: &mut Reading<'f, '_>,
    mut trace: Option<&mut Trace>,
) -> Option<(Cow<'f, str>, FactField<'f>)> {
    let known = known.value(fact_source.fact);
    let mut judge = |candidate: Candidate<'f>, from: FactField<'f>| {
        let refused = match candidate {
            Ok(Cow::Borrowed(text)) => match judge_candidate(fact_source, text, known) {
                Ok(value) => return Some((value, from)),
                Err(unfit) => trace.is_some().then(|| unfit.to_string()),
            },
            Ok(Cow::Owned(text)) => match judge_candidate(fact_source, &text, known) {
                Ok(value) => return Some((Cow::Owned(value.into_owned()), from)),
                Err(unfit) => trace.is_some().then(|| unfit.to_string()),
            },
            Err(unfit) => trace.is_some().then(|| unfit.to_string()),
        };
        if let (Some(trace), Some(reason)) = (trace.as_deref_mut(), refused) {
            trace.events.push(Event::FactRefused {
                fact: fact_source.fact.word(),
                source: Arc::clone(&source.name),
                from: from.to_string(),
                reason,
            });
        }
        None
    };
    match &fact_source.origin {
        FactOrigin::Annotation(key) => {
            let text = reading.view().annotation(key)?;
            judge(Ok(Cow::Borrowed(text)), FactField::Annotation(key))
        }
        FactOrigin::Label(key) => {
            let text = reading.view().label(key)?;
            judge(Ok(Cow::Borrowed(text)), FactField::Label(key))
        }
        FactOrigin::Literal(text) => judge(Ok(Cow::Borrowed(text)), FactField::Source(&source.name)),
        FactOrigin::Params(names) => names
            .iter()
            .find_map(|name| judge(candidate(reading.param(name))?, FactField::Param(name))),
        FactOrigin::Path(path) => {
            let text = candidate(reading.lookup(path))?;
            judge(text, FactField::Path(path.text()))
        }
    }
}
