//! The trigger context: typed facts from several sources, by precedence, with conflicts told.

mod derive;
mod fact_type;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

pub use fact_type::typed;

use super::path::{Path, Presence};
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
    /// The field it came from, or the fact that it was derived from: `spec.params[revision]`, `url`.
    pub from: String,
    /// Whether the word of whoever created the Run is trusted by the source.
    pub trusted: bool,
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
                    from: fact.from.clone(),
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
) -> Option<(String, String)> {
    let mut judge = |text: Result<Cow<'_, str>, String>, from: &dyn Fn() -> String| {
        let verdict = match text {
            Ok(text) => judge_candidate(fact_source, &text),
            Err(reason) => Err(reason),
        };
        match verdict {
            Ok(value) => Some((value, from())),
            Err(reason) => {
                if let Some(trace) = trace.as_deref_mut() {
                    let source = Arc::clone(&source.name);
                    trace.events.push(Event::FactRefused {
                        fact: fact_source.fact.word(),
                        source,
                        from: from(),
                        reason,
                    });
                }
                None
            }
        }
    };
    match &fact_source.origin {
        FactOrigin::Annotation(key) => {
            let text = reading.view().annotation(key)?;
            judge(Ok(Cow::Borrowed(text)), &|| format!("metadata.annotations[{key}]"))
        }
        FactOrigin::Label(key) => {
            let text = reading.view().label(key)?;
            judge(Ok(Cow::Borrowed(text)), &|| format!("metadata.labels[{key}]"))
        }
        FactOrigin::Literal(text) => judge(Ok(Cow::Borrowed(text)), &|| format!("trigger source {}", source.name)),
        FactOrigin::Params(names) => names
            .iter()
            .find_map(|name| judge(candidate(reading.param(name))?, &|| format!("spec.params[{name}]"))),
        FactOrigin::Path(path) => {
            let text = candidate(reading.lookup(path))?;
            judge(text, &|| describe(path))
        }
    }
}

fn describe(path: &Path) -> String {
    path.text().trim_start_matches("$.").to_owned()
}

fn candidate(found: Found<'_>) -> Option<Result<Cow<'_, str>, String>> {
    match found {
        Found::Absent => None,
        Found::Text(text) => Some(Ok(text)),
        Found::Mistyped(shape) => Some(Err(format!("found {shape}"))),
        Found::TooLarge => Some(Err("found more than a path may visit".to_owned())),
    }
}

/// Cuts out, translates and types one candidate; the error says what was found and why it will not do.
fn judge_candidate(fact_source: &FactSource, text: &str) -> Result<String, String> {
    let cut = match &fact_source.pattern {
        Some(pattern) => pattern
            .capture1(text)
            .ok_or_else(|| format!("{} does not match the pattern", quoted(text)))?,
        None => text,
    };
    let translated = translate(&fact_source.map, cut);
    typed(fact_source.fact, translated).ok_or_else(|| {
        format!(
            "{} is not {}",
            quoted(translated),
            fact_type::describe(fact_source.fact)
        )
    })
}

fn translate<'t>(map: &'t HashMap<String, String>, text: &'t str) -> &'t str {
    map.get(text).map_or(text, String::as_str)
}
