//! From what was taken from a Run and what is put into it to the fewest operations that make it so.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::{Patch, PatchValue};
use crate::domain::field_path::push_escaped;
use crate::domain::managed_fields::{self, Elements};
use crate::domain::view::{Positions, View};
use crate::domain::words::Place;

/// Values that stand in the end, whatever stood there before.
#[derive(Debug, Default)]
pub struct Puts<'p> {
    /// Annotations by key.
    pub annotations: BTreeMap<&'p str, Cow<'p, str>>,
    /// Labels by key.
    pub labels: BTreeMap<&'p str, Cow<'p, str>>,
}

/// The patch from the Run as it came to the view with the values put in.
pub fn build(view: &View<'_>, puts: Puts<'_>) -> Patch {
    let mut patch = Patch::default();
    let Puts { annotations, labels } = puts;
    let annotations = patch_map(
        view,
        Place::Annotation,
        "/metadata/annotations",
        annotations,
        &mut patch,
    );
    let labels = patch_map(view, Place::Label, "/metadata/labels", labels, &mut patch);
    let metadata = &view.run().metadata;
    patch_list(
        "/metadata/finalizers",
        metadata.finalizers().len(),
        &view.gone_finalizers,
        &mut patch,
    );
    let owners = metadata.owner_references();
    patch_list(
        "/metadata/ownerReferences",
        owners.len(),
        &view.gone_owner_references,
        &mut patch,
    );
    if view.gone_status {
        patch.remove("/status".to_owned());
    }
    let at = |gone: &Positions, position: usize| gone.contains(position);
    let finalizers = metadata.finalizers().iter().enumerate();
    let owners = owners.iter().enumerate();
    let gone = Gone {
        annotations,
        labels,
        finalizers: finalizers
            .filter(|(index, _)| at(&view.gone_finalizers, *index))
            .map(|(_, name)| &**name)
            .collect(),
        owners: owners
            .filter(|(index, _)| at(&view.gone_owner_references, *index))
            .map(|(_, owner)| &*owner.uid)
            .collect(),
        status: view.gone_status,
    };
    disown(view, &gone, &mut patch);
    patch
}

/// Removes, replaces and adds entries of one map; returns the keys that are gone.
fn patch_map<'v>(
    view: &'v View<'_>,
    place: Place,
    pointer: &str,
    puts: BTreeMap<&str, Cow<'_, str>>,
    patch: &mut Patch,
) -> Vec<&'v str> {
    let mut gone = Vec::new();
    let map = view.map(place);
    let is_touched = view.is_touched(place) || puts.keys().any(|key| map.get(key).is_some());
    for (position, (key, value)) in map.iter().enumerate().filter(|_| is_touched) {
        let in_the_end = puts
            .get(key)
            .map(|value| &**value)
            .or_else(|| view.left_at(place, position, value));
        match in_the_end {
            None => {
                patch.remove(below(pointer, key));
                gone.push(key);
            }
            Some(other) if other != value => {
                patch.replace(below(pointer, key), PatchValue::Text(other.to_owned()));
            }
            Some(_) => {}
        }
    }
    let exists = match place {
        Place::Annotation => view.run().metadata.annotations.is_some(),
        _ => view.run().metadata.labels.is_some(),
    };
    if !exists {
        // The map must be there before anything can be put into it.
        if !puts.is_empty() {
            let puts = puts
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value.into_owned()));
            patch.add(pointer.to_owned(), PatchValue::Map(puts.collect()));
        }
        return gone;
    }
    patch.operations.reserve(puts.len());
    for (key, value) in puts {
        if !is_touched || map.get(key).is_none() {
            patch.add(below(pointer, key), PatchValue::Text(value.into_owned()));
        }
    }
    gone
}

/// Removes elements of a list from its end, so that the positions of those before stay true; the list itself when none is left.
fn patch_list(pointer: &str, length: usize, gone: &Positions, patch: &mut Patch) {
    let positions = gone.as_slice();
    if positions.is_empty() {
        return;
    }
    if positions.len() == length {
        patch.remove(pointer.to_owned());
        return;
    }
    for position in positions.iter().rev() {
        patch.remove(format!("{pointer}/{position}"));
    }
}

fn below(pointer: &str, key: &str) -> String {
    let mut path = String::with_capacity(pointer.len() + key.len() + 3);
    path.push_str(pointer);
    path.push('/');
    push_escaped(&mut path, key);
    path
}

/// What is gone from the Run, by the names under which managedFields knows it.
struct Gone<'g> {
    annotations: Vec<&'g str>,
    labels: Vec<&'g str>,
    finalizers: BTreeSet<&'g str>,
    owners: BTreeSet<&'g str>,
    status: bool,
}

impl Gone<'_> {
    fn is_empty(&self) -> bool {
        self.annotations.is_empty()
            && self.labels.is_empty()
            && self.finalizers.is_empty()
            && self.owners.is_empty()
            && !self.status
    }
}

/// Takes from managedFields the entries of exactly what is gone.
///
/// The API server has computed managedFields before it called: a finalizer that is gone would still belong to whoever sent it,
/// and its controller's server-side apply without force would meet a conflict for ever.
fn disown(view: &View<'_>, gone: &Gone<'_>, patch: &mut Patch) {
    let Some(raw) = view.run().metadata.managed_fields.filter(|_| !gone.is_empty()) else {
        return;
    };
    // What cannot be read here the API server does not keep either: it drops malformed managedFields.
    let Some(entries) = managed_fields::read(raw) else {
        return;
    };
    for (index, entry) in entries.iter().enumerate() {
        let Some(fields) = &entry.fields else {
            continue;
        };
        let pointer = format!("/metadata/managedFields/{index}/fieldsV1");
        if gone.status && fields.status.is_some() {
            patch.remove(format!("{pointer}/f:status"));
        }
        let Some(metadata) = &fields.metadata else {
            continue;
        };
        let pointer = format!("{pointer}/f:metadata");
        for (name, owned, keys) in [
            ("f:annotations", &metadata.annotations, &gone.annotations),
            ("f:labels", &metadata.labels, &gone.labels),
        ] {
            // The gone keys are sorted, since the maps that they come from are.
            let owned = owned
                .iter()
                .flat_map(BTreeMap::keys)
                .filter_map(|name| Some((name, name.strip_prefix("f:")?)));
            for (element, _) in owned.filter(|(_, key)| keys.binary_search(key).is_ok()) {
                patch.remove(below(&format!("{pointer}/{name}"), element));
            }
        }
        let finalizers =
            |element: &str| managed_fields::list_value(element).is_some_and(|name| gone.finalizers.contains(&*name));
        disown_elements(
            &format!("{pointer}/f:finalizers"),
            metadata.finalizers.as_ref(),
            finalizers,
            patch,
        );
        let owners = |element: &str| managed_fields::owner_uid(element).is_some_and(|uid| gone.owners.contains(&*uid));
        disown_elements(
            &format!("{pointer}/f:ownerReferences"),
            metadata.owners.as_ref(),
            owners,
            patch,
        );
    }
}

/// Removes the elements of a list that are gone; the whole list where none of the owner's is left.
fn disown_elements(pointer: &str, owned: Option<&Elements<'_>>, is_gone: impl Fn(&str) -> bool, patch: &mut Patch) {
    let Some(owned) = owned else {
        return;
    };
    let elements = owned.keys().map(|element| &**element).filter(|element| *element != ".");
    let (gone, left): (Vec<&str>, Vec<&str>) = elements.partition(|element| is_gone(element));
    if gone.is_empty() {
        return;
    }
    if left.is_empty() {
        patch.remove(pointer.to_owned());
        return;
    }
    for element in gone {
        patch.remove(below(pointer, element));
    }
}
