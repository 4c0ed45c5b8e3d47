//! The trigger context: typed facts from several sources.

use std::borrow::Cow;
use std::sync::Arc;

use super::words::FactName;

/// A fact and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact<'a> {
    /// Its value, of the fact's type and normalised.
    pub value: Cow<'a, str>,
    /// Name of the source.
    pub source: Arc<str>,
    /// The field it came from, or the fact that it was derived from: `spec.params[revision]`, `url`.
    pub from: Cow<'a, str>,
    /// Whether the word of whoever created the Run is trusted by the source.
    pub trusted: bool,
}

/// The facts of one Run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts<'a> {
    facts: [Option<Fact<'a>>; FactName::COUNT],
}

impl<'a> Facts<'a> {
    /// The fact of that name.
    pub fn get(&self, name: FactName) -> Option<&Fact<'a>> {
        self.facts.get(name as usize).and_then(Option::as_ref)
    }

    /// The facts that are there, with their names.
    pub fn iter(&self) -> impl Iterator<Item = (FactName, &Fact<'a>)> {
        FactName::WORDS
            .iter()
            .filter_map(|(_, name)| self.get(*name).map(|fact| (*name, fact)))
    }

    /// Sets a fact; the last word counts.
    pub(super) fn set(&mut self, name: FactName, fact: Fact<'a>) {
        if let Some(place) = self.facts.get_mut(name as usize) {
            *place = Some(fact);
        }
    }
}
