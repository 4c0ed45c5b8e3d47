//! Whether an edit of a ConfigMap may be stored: it may not make the policy set worse.

use std::collections::HashMap;
use std::sync::Arc;

use super::compiled::{Compiled, PolicyTexts, compile_texts};
use crate::diagnostics;
use crate::domain::source::Problem;
use crate::policy_file::{ConfigMapFiles, ConfigMaps, PolicyText, config_map_file};

/// An edit of one ConfigMap.
#[derive(Debug)]
pub struct Edit<'e> {
    /// The texts that are no ConfigMaps.
    pub own: Vec<PolicyText>,
    /// The ConfigMaps before the edit.
    pub before: &'e ConfigMaps,
    /// The name of the edited one.
    pub name: &'e str,
    /// What stands in it afterwards; `None` where it belongs to the policies no more.
    pub after: Option<Arc<ConfigMapFiles>>,
}

/// What is to be said about an edit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judgement {
    /// Why it is refused; empty where it is not.
    pub mistakes: Vec<EditMistake>,
    /// What the user should know, most important first.
    pub warnings: Vec<String>,
}

/// A mistake that the edit brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditMistake {
    /// The key of the edited ConfigMap that it stands in; `None` where it stands in another one, or in a file.
    pub key: Option<String>,
    /// The line of `runstamp check` about it.
    pub line: String,
}

impl Edit<'_> {
    /// Judges the edit.
    ///
    /// - A mistake in a file that the edit changes refuses it: whoever edits a file hands it in without mistakes.
    /// - A mistake elsewhere refuses it when it was not there before. What was wrong before stands in nobody's way, or
    ///   one of two broken ConfigMaps could never be mended.
    /// - A name that nobody declares is a warning, since what declares it may be about to come.
    /// - What takes a ConfigMap away is never refused: whoever deletes a namespace or an installation must get through.
    pub fn judge(self) -> Judgement {
        let Self {
            own,
            before,
            name,
            after,
        } = self;
        let is_removal = after.is_none();
        let old = before.get(name).cloned();
        let now = compile_texts(PolicyTexts {
            own: own.clone(),
            config_maps: Arc::new(before.with(name, after.clone())),
        });
        let edited = Edited {
            name,
            old: old.as_deref(),
            new: after.as_deref(),
        };
        let mut judgement = Judgement::default();
        if !now.errors.is_empty() {
            let was = compile_texts(PolicyTexts {
                own,
                config_maps: Arc::new(before.clone()),
            });
            weigh(&now, &was, &edited, is_removal, &mut judgement);
        }
        if !judgement.mistakes.is_empty() {
            // What is doubtful beside a mistake often comes from the mistake.
            return judgement;
        }
        let of_edit = now
            .warnings
            .iter()
            .filter(|warning| edited.changed_key(warning, &now).is_some());
        judgement.warnings.extend(of_edit.map(|warning| line(warning, &now)));
        judgement
    }
}

/// The two states of the edited ConfigMap.
struct Edited<'e> {
    name: &'e str,
    old: Option<&'e ConfigMapFiles>,
    new: Option<&'e ConfigMapFiles>,
}

impl Edited<'_> {
    /// The key of the file that a problem stands in, where the edit changes that file.
    fn changed_key(&self, problem: &Problem, compiled: &Compiled) -> Option<String> {
        let new = self.new?;
        let file = &compiled.files.get(problem.span)?.name;
        if *file == config_map_file(self.name, None) {
            // A ConfigMap without any file.
            return (self.old != self.new).then(String::new);
        }
        let mut keys = new.data.keys().chain(&new.binary);
        let key = keys.find(|key| *file == config_map_file(self.name, Some(key)))?;
        let is_same = self.old.is_some_and(|old| {
            old.data.get(key) == new.data.get(key) && old.binary.contains(key) == new.binary.contains(key)
        });
        (!is_same).then(|| key.clone())
    }
}

/// Sorts the mistakes after an edit into what refuses it and what is said.
fn weigh(now: &Compiled, was: &Compiled, edited: &Edited<'_>, is_removal: bool, judgement: &mut Judgement) {
    let mut known: HashMap<(String, &str), usize> = HashMap::new();
    for error in &was.errors {
        *known.entry((file_name(error, was), &error.message)).or_default() += 1;
    }
    let mut old = Vec::new();
    for error in &now.errors {
        let key = edited.changed_key(error, now);
        let count = known.get_mut(&(file_name(error, now), &error.message));
        let is_new = count.is_none_or(|count| {
            let is_used_up = *count == 0;
            *count = count.saturating_sub(1);
            is_used_up
        });
        if !is_new && key.is_none() {
            old.push(line(error, now));
        } else if error.is_unresolved || is_removal {
            judgement.warnings.push(line(error, now));
        } else {
            let key = key.filter(|key| !key.is_empty());
            let line = line(error, now);
            judgement.mistakes.push(EditMistake { key, line });
        }
    }
    if let Some(first) = old.first() {
        let others = match old.len() {
            1 => String::new(),
            count => format!(" (and {} more)", count - 1),
        };
        judgement.warnings.push(format!("was wrong before: {first}{others}"));
    }
    if judgement.mistakes.is_empty() {
        let said = "runstamp stays with the last good policies until this is mended:";
        judgement.warnings.insert(0, said.to_owned());
    }
}

fn file_name(problem: &Problem, compiled: &Compiled) -> String {
    let file = compiled.files.get(problem.span);
    file.map(|file| file.name.clone()).unwrap_or_default()
}

/// The line of `runstamp check`, with the places that belong to it: here nobody sees an excerpt.
fn line(problem: &Problem, compiled: &Compiled) -> String {
    let mut line = diagnostics::one_line(problem, &compiled.files);
    for (span, label) in diagnostics::related(problem, &compiled.files) {
        if let Some(file) = compiled.files.get(span) {
            let position = file.position(span.start);
            line.push_str(&format!(
                "; {label}: {}:{}:{}",
                file.name, position.line, position.column
            ));
        }
    }
    line
}

#[cfg(test)]
mod tests;
