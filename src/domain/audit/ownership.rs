//! Who wrote which field of a stored Run, as far as its managedFields tell.

use crate::domain::managed_fields::{self, Elements, ManagedEntry};
use crate::domain::run::{Object, Run};
use crate::domain::words::Place;

/// To whom the API server gives what was there before it kept account: whoever wrote it is not known any more.
const UNKNOWN: &str = "before-first-apply";

/// The managers of a Run's fields. A dump without managedFields has none, and then nobody can tell.
#[derive(Debug, Default)]
pub(super) struct Ownership<'a> {
    entries: Vec<Object<ManagedEntry<'a>>>,
}

impl<'a> Ownership<'a> {
    pub(super) fn of(run: &Run<'a>) -> Self {
        let entries = run.metadata.managed_fields.and_then(managed_fields::read);
        Self {
            entries: entries.unwrap_or_default(),
        }
    }

    /// Whether anything is known.
    pub(super) fn is_known(&self) -> bool {
        !self.entries.is_empty()
    }

    /// The managers of an annotation, label or finalizer, sorted; none where the API server names none.
    pub(super) fn of_key(&self, place: Place, key: &str) -> Vec<&str> {
        self.managers(|entry| {
            let metadata = entry.fields.as_ref().and_then(|fields| fields.metadata.as_ref());
            let Some(metadata) = metadata else { return false };
            let in_map = |map: &Option<Elements<'_>>| {
                let mut names = map.iter().flat_map(Elements::keys);
                names.any(|name| name.strip_prefix("f:") == Some(key))
            };
            match place {
                Place::Annotation => in_map(&metadata.annotations),
                Place::Label => in_map(&metadata.labels),
                Place::Finalizer => {
                    let mut names = metadata.finalizers.iter().flat_map(Elements::keys);
                    names.any(|name| managed_fields::list_value(name).is_some_and(|name| *name == *key))
                }
            }
        })
    }

    /// The managers of the reference to the owner with this uid.
    pub(super) fn of_owner_reference(&self, uid: &str) -> Vec<&str> {
        self.managers(|entry| {
            let metadata = entry.fields.as_ref().and_then(|fields| fields.metadata.as_ref());
            let owners = metadata.and_then(|metadata| metadata.owners.as_ref());
            let mut elements = owners.into_iter().flat_map(Elements::keys);
            elements.any(|element| managed_fields::owner_uid(element).is_some_and(|found| *found == *uid))
        })
    }

    /// Who created the Run: `spec` is written once, by whoever creates it.
    pub(super) fn creators(&self) -> Vec<&str> {
        self.managers(|entry| entry.fields.as_ref().is_some_and(|fields| fields.spec.is_some()))
    }

    /// Whether somebody of this name writes the status of the Run, as a controller does and no client that creates Runs.
    pub(super) fn reports_status(&self, manager: &str) -> bool {
        let of_manager = self.entries.iter().filter(|entry| *entry.manager == *manager);
        let mut fields = of_manager.filter_map(|entry| entry.fields.as_ref());
        fields.any(|fields| fields.status.is_some())
    }

    fn managers(&self, owns: impl Fn(&ManagedEntry<'a>) -> bool) -> Vec<&str> {
        let mut managers: Vec<&str> = (self.entries.iter())
            .filter(|entry| owns(entry))
            .map(|entry| &*entry.manager)
            .filter(|manager| !manager.is_empty())
            .collect();
        if managers.contains(&UNKNOWN) {
            return Vec::new();
        }
        managers.sort_unstable();
        managers.dedup();
        managers
    }
}
