//! The trigger context: typed facts from several sources, by precedence, with conflicts told.

mod derive;
mod fact_type;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

pub use fact_type::typed;

use super::path::{Presence, Shape};
use super::policy_set::PolicySet;
use super::reading::{Found, Reading};
use super::schema::quoted;
use super::trace::{Event, Trace};
use super::trigger_source::{FactOrigin, FactSource, TriggerSource, When};
use super::words::FactName;

/// A fact and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Its value, of the fact's type and normalised.
    pub value: String,
    /// Name of the source.
    pub source: Arc<str>,
    /// What it came from.
    pub from: FactField,
    /// Whether the word of whoever created the Run is trusted by the source.
    pub trusted: bool,
}

/// The field that a fact came from, or the fact that it was derived from; shown as `spec.params[revision]`, `url`.
///
/// Every Run has facts and few people ask for them, so the text is not made before somebody does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FactField {
    /// An annotation of this key.
    Annotation(Arc<str>),
    /// A label of this key.
    Label(Arc<str>),
    /// The parameter of this name.
    Param(Arc<str>),
    /// Where this path leads.
    Path(Arc<str>),
    /// The trigger source of this name, in its own words.
    Source(Arc<str>),
    /// Another fact.
    Fact(FactName),
}

impl fmt::Display for FactField {
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
pub struct Facts {
    facts: [Option<Fact>; FactName::COUNT],
    /// Name of the source that the repository facts came from, and whether it is trusted.
    repository: Option<(Arc<str>, bool)>,
}

impl Facts {
    /// The fact of that name.
    pub fn get(&self, name: FactName) -> Option<&Fact> {
        self.facts.get(name as usize).and_then(Option::as_ref)
    }

    /// The value of a fact.
    pub fn value(&self, name: FactName) -> Option<&str> {
        self.get(name).map(|fact| fact.value.as_str())
    }

    /// The facts that are there, with their names.
    pub fn iter(&self) -> impl Iterator<Item = (FactName, &Fact)> {
        FactName::WORDS
            .iter()
            .filter_map(|(_, name)| self.get(*name).map(|fact| (*name, fact)))
    }

    /// Name of the source that the repository facts came from.
    pub fn repository_source(&self) -> Option<&str> {
        self.repository.as_ref().map(|(source, _)| &**source)
    }

    /// Whether the repository facts are the word of somebody whom their source trusts.
    pub fn are_trusted(&self) -> bool {
        self.repository.as_ref().is_some_and(|(_, trusted)| *trusted)
    }

    fn set(&mut self, name: FactName, fact: Fact) {
        if let Some(place) = self.facts.get_mut(name as usize) {
            *place = Some(fact);
        }
    }
}

/// The trigger context of one Run, and what is to be said about it.
#[derive(Debug, Default)]
pub struct Context {
    /// The facts.
    pub facts: Facts,
    /// Sources that disagree, a sentence each.
    pub conflicts: Vec<String>,
    /// Whether facts claimed in metadata were ranked below those from `spec`, because the Run is a copy.
    pub demoted_claims: bool,
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
pub fn context(reading: &mut Reading<'_, '_>, copied: bool, set: &PolicySet, mut trace: Option<&mut Trace>) -> Context {
    let mut context = Context::default();
    let user = &reading.request().user.name;
    let speakers: Vec<(&TriggerSource, bool)> = set
        .trigger_sources
        .iter()
        .filter(|source| source.when.iter().all(|when| holds(when, reading)))
        .map(|source| (&**source, source.users.contains(user)))
        .collect();
    for (source, trusted) in &speakers {
        let turn = if copied && !trusted {
            Turn::Spec
        } else {
            Turn::Everything
        };
        listen(source, *trusted, turn, reading, &mut context, trace.as_deref_mut());
    }
    if copied {
        for (source, trusted) in speakers.iter().filter(|(_, trusted)| !trusted) {
            let spoke = listen(
                source,
                *trusted,
                Turn::Claims,
                reading,
                &mut context,
                trace.as_deref_mut(),
            );
            context.demoted_claims |= spoke;
        }
    }
    derive::derive(&mut context.facts, &set.settings, trace);
    context
}

fn holds(when: &When, reading: &mut Reading<'_, '_>) -> bool {
    match when {
        When::Annotation(key) => reading.view().annotation(key).is_some(),
        When::Label(key) => reading.view().label(key).is_some(),
        When::Path(path) => reading.presence(path) == Presence::Present,
    }
}

/// Takes what a source says in one turn; tells whether it said anything.
fn listen(
    source: &TriggerSource,
    trusted: bool,
    turn: Turn,
    reading: &mut Reading<'_, '_>,
    context: &mut Context,
    mut trace: Option<&mut Trace>,
) -> bool {
    let mut said: Vec<(FactName, Fact, bool)> = Vec::new();
    for fact_source in source.facts.iter().filter(|fact_source| turn.asks(&fact_source.origin)) {
        if let Some((value, from)) = ask(fact_source, source, reading, trace.as_deref_mut()) {
            let literal = matches!(fact_source.origin, FactOrigin::Literal(_));
            let fact = Fact {
                value,
                source: Arc::clone(&source.name),
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
        context.facts.repository = Some((Arc::clone(&source.name), trusted));
    } else {
        tell_conflicts(&said, context);
    }
    let spoke = said.iter().any(|(_, _, literal)| !literal);
    for (name, fact, _) in said {
        let wanted = if name.is_about_the_repository() {
            takes_repository
        } else {
            context.facts.get(name).is_none()
        };
        if wanted {
            if let Some(trace) = trace.as_deref_mut() {
                trace.events.push(Event::FactFound {
                    fact: name.word(),
                    source: Arc::clone(&fact.source),
                    from: fact.from.to_string(),
                    value: fact.value.clone(),
                });
            }
            context.facts.set(name, fact);
        }
    }
    spoke
}

/// Two sources that disagree on what is built deserve a word.
fn tell_conflicts(said: &[(FactName, Fact, bool)], context: &mut Context) {
    for (name, fact, _) in said {
        if !matches!(name, FactName::Url | FactName::Sha | FactName::PullRequest) {
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
fn ask(
    fact_source: &FactSource,
    source: &TriggerSource,
    reading: &mut Reading<'_, '_>,
    mut trace: Option<&mut Trace>,
) -> Option<(String, FactField)> {
    let mut judge = |candidate: Candidate<'_>, from: FactField| {
        let verdict = match &candidate {
            Ok(text) => judge_candidate(fact_source, text),
            Err(unfit) => Err(*unfit),
        };
        match verdict {
            Ok(value) => Some((value, from)),
            Err(unfit) => {
                if let Some(trace) = trace.as_deref_mut() {
                    let source = Arc::clone(&source.name);
                    trace.events.push(Event::FactRefused {
                        fact: fact_source.fact.word(),
                        source,
                        from: from.to_string(),
                        reason: unfit.to_string(),
                    });
                }
                None
            }
        }
    };
    match &fact_source.origin {
        FactOrigin::Annotation(key) => {
            let text = reading.view().annotation(key)?;
            judge(Ok(Cow::Borrowed(text)), FactField::Annotation(Arc::clone(key)))
        }
        FactOrigin::Label(key) => {
            let text = reading.view().label(key)?;
            judge(Ok(Cow::Borrowed(text)), FactField::Label(Arc::clone(key)))
        }
        FactOrigin::Literal(text) => judge(Ok(Cow::Borrowed(text)), FactField::Source(Arc::clone(&source.name))),
        FactOrigin::Params(names) => names
            .iter()
            .find_map(|name| judge(candidate(reading.param(name))?, FactField::Param(Arc::clone(name)))),
        FactOrigin::Path(path) => {
            let text = candidate(reading.lookup(path))?;
            judge(text, FactField::Path(path.text().into()))
        }
    }
}

/// A text that may become a fact, or why there is none.
type Candidate<'c> = Result<Cow<'c, str>, Unfit<'c>>;

/// What was found, and why it will not do. Only a trace puts it into words: most params called `revision` hold a branch.
#[derive(Debug, Clone, Copy)]
enum Unfit<'c> {
    Mistyped(Shape),
    TooLarge,
    Pattern(&'c str),
    Type(&'c str, FactName),
}

impl fmt::Display for Unfit<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mistyped(shape) => write!(formatter, "found {shape}"),
            Self::TooLarge => formatter.write_str("found more than a path may visit"),
            Self::Pattern(text) => write!(formatter, "{} does not match the pattern", quoted(text)),
            Self::Type(text, fact) => write!(formatter, "{} is not {}", quoted(text), fact_type::describe(*fact)),
        }
    }
}

fn candidate(found: Found<'_>) -> Option<Candidate<'_>> {
    match found {
        Found::Absent => None,
        Found::Text(text) => Some(Ok(text)),
        Found::Mistyped(shape) => Some(Err(Unfit::Mistyped(shape))),
        Found::TooLarge => Some(Err(Unfit::TooLarge)),
    }
}

/// Cuts out, translates and types one candidate.
fn judge_candidate<'c>(fact_source: &'c FactSource, text: &'c str) -> Result<String, Unfit<'c>> {
    let cut = match &fact_source.pattern {
        Some(pattern) => pattern.capture1(text).ok_or(Unfit::Pattern(text))?,
        None => text,
    };
    let translated = translate(&fact_source.map, cut);
    typed(fact_source.fact, translated).ok_or(Unfit::Type(translated, fact_source.fact))
}

fn translate<'t>(map: &'t HashMap<String, String>, text: &'t str) -> &'t str {
    map.get(text).map_or(text, String::as_str)
}
