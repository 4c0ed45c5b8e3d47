//! The Run as it is after reset and recall, without a copy of it: what was taken away is marked.

use super::field_path::FieldPath;
use super::integration::field_of;
use super::run::{Run, StringMap};
use super::words::Place;

/// Positions in a list or map, ascending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Positions(Vec<usize>);

impl Positions {
    /// Marks a position; twice is once.
    pub fn insert(&mut self, position: usize) {
        if let Err(place) = self.0.binary_search(&position) {
            self.0.insert(place, position);
        }
    }

    /// Whether the position is marked.
    pub fn contains(&self, position: usize) -> bool {
        self.0.binary_search(&position).is_ok()
    }

    /// The marked positions, ascending.
    pub fn as_slice(&self) -> &[usize] {
        &self.0
    }
}

/// A Run and what has been taken from it.
#[derive(Debug)]
pub struct View<'r> {
    run: &'r Run<'r>,
    /// Annotations that are gone.
    pub gone_annotations: Positions,
    /// Labels that are gone.
    pub gone_labels: Positions,
    /// Finalizers that are gone.
    pub gone_finalizers: Positions,
    /// Owner references that are gone.
    pub gone_owner_references: Positions,
    /// Whether `status` is gone.
    pub gone_status: bool,
}

impl<'r> View<'r> {
    /// The Run with nothing taken from it.
    pub fn new(run: &'r Run<'r>) -> Self {
        Self {
            run,
            gone_annotations: Positions::default(),
            gone_labels: Positions::default(),
            gone_finalizers: Positions::default(),
            gone_owner_references: Positions::default(),
            gone_status: false,
        }
    }

    /// The Run as it came.
    pub fn run(&self) -> &'r Run<'r> {
        self.run
    }

    /// The value of an annotation that is still there.
    pub fn annotation(&self, key: &str) -> Option<&'r str> {
        present(self.run.metadata.annotations(), &self.gone_annotations, key)
    }

    /// The value of a label that is still there.
    pub fn label(&self, key: &str) -> Option<&'r str> {
        present(self.run.metadata.labels(), &self.gone_labels, key)
    }

    /// The value of an annotation or label that is still there.
    pub fn value(&self, place: Place, key: &str) -> Option<&'r str> {
        match place {
            Place::Annotation => self.annotation(key),
            Place::Label => self.label(key),
            Place::Finalizer => None,
        }
    }

    /// The annotations that are still there.
    pub fn annotations(&self) -> impl Iterator<Item = (&'r str, &'r str)> {
        remaining(self.run.metadata.annotations(), &self.gone_annotations)
    }

    /// The labels that are still there.
    pub fn labels(&self) -> impl Iterator<Item = (&'r str, &'r str)> {
        remaining(self.run.metadata.labels(), &self.gone_labels)
    }

    /// The fields that are gone, for a document that must not show them either.
    pub fn gone_fields(&self) -> Vec<FieldPath> {
        let metadata = &self.run.metadata;
        let mut fields: Vec<_> = keys_at(metadata.annotations(), &self.gone_annotations)
            .map(|key| field_of(Place::Annotation, key))
            .chain(keys_at(metadata.labels(), &self.gone_labels).map(|key| field_of(Place::Label, key)))
            .collect();
        // Lists from the end, so that the positions of what is still to go stay true.
        for (list, gone) in [
            ("finalizers", &self.gone_finalizers),
            ("ownerReferences", &self.gone_owner_references),
        ] {
            let list = FieldPath::root().field("metadata").field(list);
            fields.extend(
                gone.as_slice()
                    .iter()
                    .rev()
                    .map(|position| list.clone().index(*position)),
            );
        }
        if self.gone_status {
            fields.push(FieldPath::root().field("status"));
        }
        fields
    }

    /// Whether anything is gone.
    pub fn is_touched(&self) -> bool {
        self.gone_status
            || [
                &self.gone_annotations,
                &self.gone_labels,
                &self.gone_finalizers,
                &self.gone_owner_references,
            ]
            .iter()
            .any(|gone| !gone.as_slice().is_empty())
    }
}

fn present<'r>(map: &'r StringMap<'r>, gone: &Positions, key: &str) -> Option<&'r str> {
    map.find(key)
        .filter(|(position, _)| !gone.contains(*position))
        .map(|(_, value)| value)
}

fn remaining<'r>(map: &'r StringMap<'r>, gone: &Positions) -> impl Iterator<Item = (&'r str, &'r str)> {
    map.iter()
        .enumerate()
        .filter(|(position, _)| !gone.contains(*position))
        .map(|(_, entry)| entry)
}

fn keys_at<'r>(map: &'r StringMap<'r>, positions: &Positions) -> impl Iterator<Item = &'r str> {
    map.iter()
        .enumerate()
        .filter(|(position, _)| positions.contains(*position))
        .map(|(_, (key, _))| key)
}
