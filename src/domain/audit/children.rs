//! Whether the children that a PipelineRun names are its own.

use std::collections::HashMap;

use super::stored::StoredRun;
use super::{Finding, Reason, RunIdentity};
use crate::domain::field_path::FieldPath;
use crate::domain::schema::quoted;
use crate::domain::violation::Author;

/// Whose child each Run is, by what it is called: a few dozen bytes a Run, which is all that is kept of it.
#[derive(Debug, Default)]
pub(super) struct Children {
    /// The UID of the owner; empty where Tekton owns it not at all.
    owners: HashMap<Box<str>, Box<str>>,
}

/// A child that has not been seen.
#[derive(Debug)]
pub(super) struct Unresolved {
    position: usize,
    kind: Box<str>,
    name: Box<str>,
}

impl Children {
    /// Remembers whose child a Run is.
    pub(super) fn enter(&mut self, stored: &StoredRun<'_>) {
        let owner = stored.owner().map(|(_, owner)| &*owner.uid).unwrap_or_default();
        let name = called(stored.kind.word(), stored.namespace(), stored.name());
        self.owners.insert(name.into(), owner.into());
    }

    /// Judges the children that have been seen, and hands back the others.
    pub(super) fn judge(&self, stored: &StoredRun<'_>, findings: &mut Vec<Finding>) -> Vec<Unresolved> {
        let mut unresolved = Vec::new();
        for (position, child) in stored.children.iter().enumerate() {
            if let Some(owner) = self.owner(&child.kind, stored.namespace(), &child.name) {
                findings.extend(judge(position, (&child.kind, &child.name), owner, &stored.uid));
            } else {
                let (kind, name) = ((*child.kind).into(), (*child.name).into());
                unresolved.push(Unresolved { position, kind, name });
            }
        }
        unresolved
    }

    /// Judges those that have been seen since. Children that nobody has seen are gone, or were not looked for.
    pub(super) fn judge_late(&self, run: &RunIdentity, unresolved: &[Unresolved], findings: &mut Vec<Finding>) {
        for Unresolved { position, kind, name } in unresolved {
            if let Some(owner) = self.owner(kind, &run.namespace, name) {
                findings.extend(judge(*position, (kind, name), owner, &run.uid));
            }
        }
    }

    fn owner(&self, kind: &str, namespace: &str, name: &str) -> Option<&str> {
        self.owners.get(&*called(kind, namespace, name)).map(|owner| &**owner)
    }
}

fn called(kind: &str, namespace: &str, name: &str) -> String {
    format!("{kind}/{namespace}/{name}")
}

fn judge(position: usize, (kind, name): (&str, &str), owner: &str, uid: &str) -> Option<Finding> {
    if uid.is_empty() || owner == uid {
        return None;
    }
    let field = FieldPath::root()
        .field("status")
        .field("childReferences")
        .index(position);
    let child = format!("{} {}", kind.escape_debug(), quoted(name));
    let message = if owner.is_empty() {
        format!(
            "takes {child} for its child: expected one that is owned by {}, found one that nobody owns",
            quoted(uid)
        )
    } else {
        format!(
            "takes {child} for its child: expected the owner {}, found {}",
            quoted(uid),
            quoted(owner)
        )
    };
    Some(Finding::new(field, Reason::ForeignChild, Author::Runstamp, message))
}
