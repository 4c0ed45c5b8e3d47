//! TriggerSources, compiled: where facts come from.

use std::sync::Arc;

use super::identity::Identities;
use super::key_map::KeyMap;
use super::path::Path;
use super::pattern::Pattern;
use super::words::{FactName, Place};

/// One TriggerSource, compiled.
#[derive(Debug)]
pub struct TriggerSource {
    /// `metadata.name`
    pub name: Arc<str>,
    /// Higher first.
    pub precedence: i64,
    /// Whose word is trusted.
    pub users: Identities,
    /// All must hold for the source to speak.
    pub when: Vec<When>,
    /// What it says.
    pub facts: Vec<FactSource>,
}

impl TriggerSource {
    /// Whether the repository facts can ever come from this source: a literal alone says nothing about a Run.
    pub fn may_speak_of_repository(&self) -> bool {
        self.facts
            .iter()
            .any(|fact| fact.fact.is_about_the_repository() && !matches!(fact.origin, FactOrigin::Literal(_)))
    }
}

/// A condition for a source to speak, or for one of its facts to count.
#[derive(Debug)]
pub enum When {
    /// An annotation or label is there.
    Key {
        /// Annotation or label.
        place: Place,
        /// Its key.
        key: String,
        /// What it must be; `None` means anything.
        values: Option<Vec<String>>,
    },
    /// Any node of a path is there.
    Path(Path),
}

/// Where one fact comes from.
#[derive(Debug)]
pub struct FactSource {
    /// The fact.
    pub fact: FactName,
    /// Where its text stands.
    pub origin: FactOrigin,
    /// Cut out capture group 1; a text that does not match is no fact.
    pub pattern: Option<Pattern>,
    /// Translate; a miss passes through.
    pub map: KeyMap<String>,
    /// All must hold for the fact to count.
    pub when: Vec<When>,
}

/// Where the text of a fact stands.
#[derive(Debug)]
pub enum FactOrigin {
    /// In an annotation.
    Annotation(Arc<str>),
    /// In a label.
    Label(Arc<str>),
    /// In the first of these parameters with a valid value.
    Params(Vec<Arc<str>>),
    /// Where a path leads.
    Path(Path),
    /// In the source itself.
    Literal(String),
}
