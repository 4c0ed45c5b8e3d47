//! State keys of a stored Run: whom they name, and who wrote them.

use std::sync::Arc;

use super::finding::{Finding, ListElement, Reason};
use super::identity::{self, EVENT_ID, Named, RESULT};
use super::stored::{Standing, StoredRun};
use crate::domain::integration::StateKey;
use crate::domain::policy_set::PolicySet;
use crate::domain::schema::quoted;
use crate::domain::words::{Place, ResetRule, StateKeyUpdates};

/// What was seen on the way.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Whether there is any state that its writers could vouch for.
    pub(super) has_state: bool,
}

/// A state key on a Run.
pub(super) struct Entry<'r, 's> {
    pub(super) place: Place,
    pub(super) key: &'r str,
    pub(super) value: &'r str,
    pub(super) state: &'s Arc<StateKey>,
}

/// Every annotation, label and finalizer that is state on this kind of Run.
pub(super) fn entries<'r, 's>(stored: &'r StoredRun<'_>, set: &'s PolicySet) -> Vec<Entry<'r, 's>> {
    let metadata = &stored.run.metadata;
    let annotations = metadata
        .annotations()
        .iter()
        .map(|(key, value)| (Place::Annotation, key, value));
    let labels = metadata.labels().iter().map(|(key, value)| (Place::Label, key, value));
    let finalizers = metadata.finalizers().iter().map(|name| (Place::Finalizer, &**name, ""));
    annotations
        .chain(labels)
        .chain(finalizers)
        .filter_map(|(place, key, value)| {
            let state = set.registry.state_on(stored.kind, place, key)?;
            Some(Entry {
                place,
                key,
                value,
                state,
            })
        })
        .collect()
}

impl Entry<'_, '_> {
    pub(super) fn finding(&self, stored: &StoredRun<'_>, reason: Reason, message: String) -> Finding {
        let managers = stored.ownership.of_key(self.place, self.key);
        let mut finding = Finding::new(self.state.field(self.key), reason, self.state.author(), message);
        if self.place == Place::Finalizer {
            let position = stored
                .run
                .metadata
                .finalizers()
                .iter()
                .position(|name| **name == *self.key);
            finding.element = position.map(|position| ListElement {
                pointer: format!("/metadata/finalizers/{position}"),
                test: String::new(),
                value: self.key.to_owned(),
            });
        }
        finding.written_by(&managers)
    }
}

/// Judges every state key by whom it names and by who wrote it.
pub(super) fn judge(stored: &StoredRun<'_>, standing: Standing, set: &PolicySet, findings: &mut Vec<Finding>) -> Seen {
    let mut seen = Seen::default();
    for entry in entries(stored, set) {
        seen.has_state |= is_judged(entry.state) && !entry.state.field_managers.is_empty();
        let managers = stored.ownership.of_key(entry.place, entry.key);
        let has_inherited = standing == Standing::Child && stored.has_inherited(&managers);
        let finding = foreign_name(&entry, has_inherited, stored)
            .or_else(|| foreign_writer(&entry, has_inherited, &managers, stored));
        findings.extend(finding);
    }
    seen
}

/// Whether it matters who writes a key: some are anybody's to change, and some are true on a copy as well.
fn is_judged(state: &StateKey) -> bool {
    state.reset == ResetRule::Always && state.updates != StateKeyUpdates::Allow
}

/// A key that names another Run, its Result or another namespace, whoever wrote it: Results repeats what it finds.
fn foreign_name(entry: &Entry<'_, '_>, has_inherited: bool, stored: &StoredRun<'_>) -> Option<Finding> {
    let named = identity::named(entry.place, entry.key, entry.value)?;
    let foreign_run = |uid: &str| {
        let message = format!(
            "names another Run: expected the UID {}, found {}",
            quoted(&stored.uid),
            quoted(uid)
        );
        entry.finding(stored, Reason::ForeignUid, message)
    };
    if let Named::SignedRun(uid) = named {
        return (*uid != *stored.uid).then(|| foreign_run(uid));
    }
    if has_inherited {
        return None;
    }
    let (Named::Run { namespace, .. } | Named::Result { namespace, .. }) = named else {
        return None;
    };
    if namespace != stored.namespace() {
        let message = format!(
            "belongs to another namespace: expected {}, found {}",
            quoted(stored.namespace()),
            quoted(namespace)
        );
        return Some(entry.finding(stored, Reason::ForeignNamespace, message));
    }
    match named {
        Named::Run { uid, .. } if !stored.is_own_or_owners(uid) => Some(foreign_run(uid)),
        // The log lies beside the record, wherever that is. Whether the Result itself is another Run's is told by a copy alone.
        Named::Result { name, .. } if entry.key != RESULT && !may_be_its_result(name, stored) => {
            Some(foreign_result(entry, name, stored))
        }
        _ => None,
    }
}

fn foreign_result(entry: &Entry<'_, '_>, name: &str, stored: &StoredRun<'_>) -> Finding {
    let message = format!(
        "names the Result of another Run: expected the UID {}, found {}",
        quoted(&stored.uid),
        quoted(name)
    );
    entry.finding(stored, Reason::ForeignUid, message)
}

/// Whether a Run may be filed under this Result: its own, its owner's, that of its event, or the one that it names.
fn may_be_its_result(name: &str, stored: &StoredRun<'_>) -> bool {
    let metadata = &stored.run.metadata;
    let is_named = metadata.annotations().get(RESULT).is_some_and(|result| {
        matches!(identity::named(Place::Annotation, RESULT, result), Some(Named::Result { name: named, .. }) if named == name)
    });
    is_named || stored.is_own_or_owners(name) || metadata.labels().get(EVENT_ID) == Some(name)
}

/// A key that none of the integration's programs wrote.
fn foreign_writer(
    entry: &Entry<'_, '_>,
    has_inherited: bool,
    managers: &[&str],
    stored: &StoredRun<'_>,
) -> Option<Finding> {
    let state = entry.state;
    let is_declared = |manager: &&str| state.field_managers.iter().any(|known| known == manager);
    if managers.is_empty() || has_inherited || !is_judged(state) || managers.iter().any(is_declared) {
        return None;
    }
    if !state.field_managers.is_empty() {
        let message = format!(
            "is state of integration {}: expected it to be written by {}, found {}",
            state.integration,
            either(&state.field_managers),
            all(managers)
        );
        return Some(entry.finding(stored, Reason::UndeclaredWriter, message));
    }
    // Nobody has said what the program is called. But no integration creates Runs with this key, and this one was created with it.
    let creators = stored.ownership.creators();
    let creator = managers.iter().find(|manager| creators.contains(manager))?;
    state.creators.is_empty().then(|| {
        let message = format!(
            "is state that integration {} writes later, and {} created the Run with it",
            state.integration,
            quoted(creator)
        );
        entry.finding(stored, Reason::UndeclaredWriter, message)
    })
}

/// Names of which one is expected.
pub(super) fn either(names: &[String]) -> String {
    match names {
        [before @ .., last] if !before.is_empty() => format!("{} or {last}", before.join(", ")),
        _ => names.concat(),
    }
}

/// The names that were found, in quotes.
pub(super) fn all(managers: &[&str]) -> String {
    managers
        .iter()
        .map(|manager| quoted(manager))
        .collect::<Vec<_>>()
        .join(" and ")
}

/// State whose readers cannot read it: a malformed one can break every list of the cluster.
pub(super) fn malformed(stored: &StoredRun<'_>, set: &PolicySet) -> Vec<Finding> {
    let judged = |entry: Entry<'_, '_>| {
        let cause = entry
            .state
            .judge_value(entry.key, entry.value, &set.settings.urls)?
            .cause;
        let mut finding = entry.finding(stored, Reason::Violation, cause.message);
        finding.suggestion = cause.suggestion;
        Some(finding)
    };
    entries(stored, set).into_iter().filter_map(judged).collect()
}
