//! Takes mappings apart: known fields by name, each of the type it must have, and whatever else stands there reported.

use std::collections::HashSet;

use super::problems::{Problems, quoted};
use super::scalar::Plain;
use super::tree::{Kind, Node};
use super::values::{self, Expected};
use crate::domain::definition::{Mapping, Text};
use crate::domain::source::{Code, Located, Problem, Span};
use crate::domain::suggest;

/// The fields of one mapping; those that nobody asks for are unknown.
pub(super) struct Fields<'p> {
    owner: &'static str,
    place: Span,
    entries: Vec<(Text, Option<Node>)>,
    asked: Vec<&'static str>,
    problems: &'p mut Problems,
}

/// Reads a mapping with known fields; `owner` says what it is, with its article.
///
/// What `decode` does not ask for is reported afterwards, so that no reader can forget it.
pub(super) fn fields<T>(
    node: Node,
    owner: &'static str,
    problems: &mut Problems,
    decode: impl FnOnce(&mut Fields<'_>) -> T,
) -> Option<T> {
    let Kind::Mapping(entries) = node.kind else {
        problems.push(Expected::Fields(owner).but_found(&node));
        return None;
    };
    let mut fields = Fields {
        owner,
        place: entries.first().map_or(node.span, |(key, _)| key.span),
        entries: entries.into_iter().map(|(key, value)| (key, Some(value))).collect(),
        asked: Vec::new(),
        problems,
    };
    let decoded = decode(&mut fields);
    fields.report_unknown();
    Some(decoded)
}

impl Fields<'_> {
    /// Where the mapping is said to stand when something is missing in it: its first key.
    pub(super) fn place(&self) -> Span {
        self.place
    }

    /// Whether a field is written, taken or not.
    pub(super) fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|(key, _)| key.value == name)
    }

    /// Takes a field of any type.
    pub(super) fn take(&mut self, name: &'static str) -> Option<Node> {
        self.asked.push(name);
        self.entries
            .iter_mut()
            .find(|(key, _)| key.value == name)
            .and_then(|(_, value)| value.take())
    }

    /// Takes a field through a reader of its own.
    pub(super) fn with<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(Node, &mut Problems) -> Option<T>,
    ) -> Option<T> {
        let node = self.take(name)?;
        read(node, self.problems)
    }

    /// A mapping with known fields; absent and empty are the same.
    pub(super) fn section<T: Default>(
        &mut self,
        name: &'static str,
        owner: &'static str,
        decode: impl FnOnce(&mut Fields<'_>) -> T,
    ) -> T {
        self.with(name, |node, problems| fields(node, owner, problems, decode))
            .unwrap_or_default()
    }

    /// A field that must be there and have a value; reported where the mapping stands.
    pub(super) fn required<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(Node, &mut Problems) -> Option<T>,
    ) -> Option<T> {
        let Some(node) = self.take(name) else {
            // A misspelt field is reported once, as that.
            if !self.is_misspelt(name) {
                let message = format!("{} needs the field {}", self.owner, quoted(name));
                let problem = Problem::error(Code::MissingField, self.place, message);
                self.problems
                    .push(problem.with_help(format!("write {name}: beside it")));
            }
            return None;
        };
        if matches!(node.kind, Kind::Plain(Plain::Null, _)) {
            let message = format!("{} needs a value for {}, found nothing", self.owner, quoted(name));
            self.problems
                .push(Problem::error(Code::MissingField, node.span, message));
            return None;
        }
        read(node, self.problems)
    }

    /// A string.
    pub(super) fn text(&mut self, name: &'static str) -> Option<Text> {
        self.with(name, values::text)
    }

    /// A list of strings.
    pub(super) fn texts(&mut self, name: &'static str) -> Option<Vec<Text>> {
        self.with(name, values::texts)
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, name: &'static str) -> Option<Located<bool>> {
        self.with(name, values::boolean)
    }

    /// An integer.
    pub(super) fn integer(&mut self, name: &'static str) -> Option<Located<i64>> {
        self.with(name, values::integer)
    }

    /// An integer that counts something.
    pub(super) fn count(&mut self, name: &'static str) -> Option<Located<u64>> {
        let number = self.integer(name)?;
        let Ok(count) = u64::try_from(number.value) else {
            let message = format!("expected 0 or more, found {}", number.value);
            self.problems
                .push(Problem::error(Code::BadNumber, number.span, message));
            return None;
        };
        Some(number.map(|_| count))
    }

    /// One of a closed list of words.
    pub(super) fn word<T: Copy>(&mut self, name: &'static str, words: &[(&'static str, T)]) -> Option<Located<T>> {
        self.with(name, |node, problems| values::word(node, words, problems))
    }

    /// A list of words of a closed list.
    pub(super) fn words<T: Copy>(
        &mut self,
        name: &'static str,
        words: &[(&'static str, T)],
    ) -> Option<Vec<Located<T>>> {
        self.with(name, |node, problems| {
            values::list(node, "strings", problems, |item, problems| {
                values::word(item, words, problems)
            })
        })
    }

    /// A list whose items have a reader of their own; absent and empty are the same.
    pub(super) fn list<T>(
        &mut self,
        name: &'static str,
        items: &'static str,
        read: impl FnMut(Node, &mut Problems) -> Option<T>,
    ) -> Vec<T> {
        self.with(name, |node, problems| values::list(node, items, problems, read))
            .unwrap_or_default()
    }

    /// A mapping with keys of the user's own; absent and empty are the same.
    pub(super) fn map<T>(
        &mut self,
        name: &'static str,
        entries: &'static str,
        read: impl FnMut(Node, &mut Problems) -> Option<T>,
    ) -> Mapping<T> {
        self.with(name, |node, problems| values::map(node, entries, problems, read))
            .unwrap_or_default()
    }

    /// Whether exactly one of several forms is written; reported if not.
    pub(super) fn exactly_one_of(&mut self, forms: &[&'static str]) -> bool {
        let written: Vec<&str> = forms.iter().copied().filter(|form| self.has(form)).collect();
        let forms = values::listed(forms.iter().copied());
        match written.as_slice() {
            [_] => return true,
            // Where an unknown field takes the place of a form, it is reported with the forms that there are.
            [] if self.entries.iter().any(|(_, value)| value.is_some()) => {}
            [] => {
                let message = format!("{} needs one of {forms}", self.owner);
                let problem = Problem::error(Code::MissingField, self.place, message);
                self.problems.push(problem.with_help("write one of them"));
            }
            several => {
                let message = format!(
                    "{} takes only one of {forms}; found {}",
                    self.owner,
                    several.join(" and ")
                );
                let mut places = self
                    .entries
                    .iter()
                    .filter(|(key, _)| several.contains(&key.value.as_str()))
                    .map(|(key, _)| key.span);
                let first = places.next().unwrap_or(self.place);
                let problem = Problem::error(Code::ConflictingFields, first, message).with_help("keep one of them");
                let problem = places.fold(problem, |problem, place| problem.with_related(place, "and this"));
                self.problems.push(problem);
            }
        }
        false
    }

    /// Reports a problem.
    pub(super) fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Whether an unknown field was probably meant to be `name`.
    fn is_misspelt(&self, name: &str) -> bool {
        self.entries
            .iter()
            .filter(|(key, value)| value.is_some() && !self.asked.contains(&key.value.as_str()))
            .any(|(key, _)| suggest::nearest(&key.value, std::iter::once(name)).is_some())
    }

    fn report_unknown(&mut self) {
        let written: HashSet<&str> = self.entries.iter().map(|(key, _)| key.value.as_str()).collect();
        let free: Vec<&str> = self
            .asked
            .iter()
            .copied()
            .filter(|name| !written.contains(name))
            .collect();
        for (key, value) in &self.entries {
            if value.is_none() {
                continue;
            }
            if self.problems.is_full() {
                return self
                    .problems
                    .push(Problem::error(Code::UnknownField, key.span, "unknown field"));
            }
            let message = format!("{} has no field {}", self.owner, quoted(&key.value));
            let mut problem = Problem::error(Code::UnknownField, key.span, message).with_label("not known here");
            let help = match suggest::nearest(&key.value, free.iter().copied()) {
                Some(near) => {
                    problem = problem.with_text(near, suggest::is_same_word(&key.value, near));
                    format!("did you mean {near}?")
                }
                None if free.is_empty() => "remove it".to_owned(),
                None => format!("it may have: {}", values::listed(free.iter().copied())),
            };
            self.problems.push(problem.with_help(help));
        }
    }
}
