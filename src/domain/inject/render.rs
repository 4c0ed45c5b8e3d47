//! Templates with the values of one Run put in.

use std::borrow::Cow;

use crate::domain::pattern::Pattern;
use crate::domain::policy::{RunPolicy, Variable};
use crate::domain::reading::{Found, Reading};
use crate::domain::schema::quoted;
use crate::domain::template::{Reference, RunField, Template, Unrendered};
use crate::domain::trigger::Facts;

/// What a template came to.
pub(super) enum Rendered<'f> {
    /// This text.
    Text(Cow<'f, str>),
    /// Something that it needs is absent: what, and why.
    Missing(String),
}

/// Renders the templates of one policy for one Run; each variable is read once.
pub(super) struct Renderer<'f> {
    policy: &'f RunPolicy,
    facts: &'f Facts<'f>,
    variables: Vec<Option<Result<Cow<'f, str>, String>>>,
}

impl<'f> Renderer<'f> {
    pub(super) fn new(policy: &'f RunPolicy, facts: &'f Facts<'f>) -> Self {
        Self {
            policy,
            facts,
            variables: Vec::new(),
        }
    }

    pub(super) fn render(&mut self, template: &'f Template, reading: &mut Reading<'f, '_>) -> Rendered<'f> {
        for reference in template.references() {
            if let Reference::Variable(name) = reference {
                self.read_variable(name, reading);
            }
        }
        let rendered = template.render(|reference| self.resolve(reference, reading));
        match rendered {
            Ok(text) => Rendered::Text(text),
            Err(Unrendered::Absent(reference)) => Rendered::Missing(self.explain_absence(reference)),
            Err(Unrendered::TooLong) => Rendered::Missing("the value would be too long".to_owned()),
        }
    }

    /// The facts that templates refer to.
    pub(super) fn facts(&self) -> &'f Facts<'f> {
        self.facts
    }

    /// What stands in the place of a placeholder; a variable must have been read.
    pub(super) fn resolve(&self, reference: &Reference, reading: &Reading<'f, '_>) -> Option<Cow<'f, str>> {
        match reference {
            Reference::Trigger(fact) => self.facts.value(*fact).map(Cow::Borrowed),
            Reference::Variable(name) => {
                let position = self.position(name)?;
                self.variables.get(position)?.as_ref()?.as_ref().ok().cloned()
            }
            Reference::Run(field) => run_field(*field, reading),
        }
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.policy.variables.iter().position(|variable| variable.name == name)
    }

    fn read_variable(&mut self, name: &str, reading: &mut Reading<'f, '_>) {
        let Some(position) = self.position(name) else {
            return;
        };
        if self.variables.is_empty() {
            self.variables.resize_with(self.policy.variables.len(), || None);
        }
        if let (Some(slot @ None), Some(variable)) =
            (self.variables.get_mut(position), self.policy.variables.get(position))
        {
            *slot = Some(read(variable, reading));
        }
    }

    fn explain_absence(&self, reference: &Reference) -> String {
        match reference {
            Reference::Trigger(fact) => format!("trigger.{fact} is absent"),
            Reference::Run(field) => format!("run.{} is absent", field.name()),
            Reference::Variable(name) => {
                let read = self
                    .position(name)
                    .and_then(|position| self.variables.get(position)?.as_ref());
                let reason = read
                    .and_then(|read| read.as_ref().err())
                    .map_or("absent", String::as_str);
                format!("vars.{name} is {reason}")
            }
        }
    }
}

/// A variable's value; the error reads well after "is".
fn read<'f>(variable: &'f Variable, reading: &mut Reading<'f, '_>) -> Result<Cow<'f, str>, String> {
    let path = variable.path.text();
    let found = match reading.lookup(&variable.path) {
        Found::Absent => Err(format!("absent: {path} leads to nothing")),
        Found::Mistyped(kind) => Err(format!("absent: {path} leads to {kind}")),
        Found::TooLarge => Err(format!("absent: {path} visits more than a path may")),
        Found::Text(text) => match &variable.pattern {
            None => Ok(text),
            Some(pattern) => match cut(pattern, &text) {
                Some(part) => Ok(part),
                None => Err(format!(
                    "absent: {} at {path} does not match its pattern",
                    quoted(&text)
                )),
            },
        },
    };
    match (found, &variable.default) {
        (Err(_), Some(default)) => Ok(Cow::Borrowed(default)),
        (found, _) => found,
    }
}

fn cut<'f>(pattern: &Pattern, text: &Cow<'f, str>) -> Option<Cow<'f, str>> {
    match text {
        Cow::Borrowed(text) => pattern.capture1(text).map(Cow::Borrowed),
        Cow::Owned(text) => pattern.capture1(text).map(|part| Cow::Owned(part.to_owned())),
    }
}

fn run_field<'f>(field: RunField, reading: &Reading<'f, '_>) -> Option<Cow<'f, str>> {
    let request = reading.request();
    let metadata = &reading.view().run().metadata;
    let text = match field {
        RunField::Namespace => &*request.namespace,
        RunField::Kind => request.kind.word(),
        RunField::Name => metadata.name.as_deref()?,
        RunField::GenerateName => metadata.generate_name.as_deref()?,
        RunField::User => &*request.user.name,
    };
    (!text.is_empty()).then_some(Cow::Borrowed(text))
}
