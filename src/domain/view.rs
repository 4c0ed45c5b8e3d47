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
    /// Annotations and labels that stand as a user wrote them before a policy overwrote them: place, position, value.
    restored: Vec<(Place, usize, String)>,
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
            restored: Vec::new(),
        }
    }

    /// The Run as it came.
    pub fn run(&self) -> &'r Run<'r> {
        self.run
    }

    /// Takes away an annotation or label.
    pub fn take(&mut self, place: Place, position: usize) {
        match place {
            Place::Annotation => self.gone_annotations.insert(position),
            Place::Label => self.gone_labels.insert(position),
            Place::Finalizer => self.gone_finalizers.insert(position),
        }
    }

    /// Gives an annotation or label the value back that a user wrote before a policy overwrote it.
    pub fn restore(&mut self, place: Place, position: usize, value: String) {
        self.restored.push((place, position, value));
    }

    /// Whether anything was taken from the annotations or labels.
    pub fn is_touched(&self, place: Place) -> bool {
        let gone = match place {
            Place::Annotation => &self.gone_annotations,
            Place::Label => &self.gone_labels,
            Place::Finalizer => &self.gone_finalizers,
        };
        !gone.0.is_empty()
    }

    /// The value of an annotation that is still there.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.value(Place::Annotation, key)
    }

    /// The value of a label that is still there.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.value(Place::Label, key)
    }

    /// The value of an annotation or label that is still there.
    pub fn value(&self, place: Place, key: &str) -> Option<&str> {
        let (position, value) = self.map(place).find(key)?;
        self.left_at(place, position, value)
    }

    /// The annotations or labels that are still there, by key.
    pub fn values(&self, place: Place) -> impl Iterator<Item = (&str, &str)> {
        self.entries(place).map(|(_, key, value)| (key, value))
    }

    /// The same with their positions.
    pub fn entries(&self, place: Place) -> impl Iterator<Item = (usize, &str, &str)> {
        let entries = self.map(place).iter().enumerate();
        entries.filter_map(move |(position, (key, value))| Some((position, key, self.left_at(place, position, value)?)))
    }

    /// What is left of the annotation or label that stood at a position with a value.
    pub fn left_at<'v>(&'v self, place: Place, position: usize, value: &'v str) -> Option<&'v str> {
        let gone = match place {
            Place::Annotation => &self.gone_annotations,
            Place::Label => &self.gone_labels,
            Place::Finalizer => &self.gone_finalizers,
        };
        if !gone.contains(position) {
            return Some(value);
        }
        let restored = self
            .restored
            .iter()
            .find(|(at, index, _)| *at == place && *index == position);
        restored.map(|(_, _, value)| value.as_str())
    }

    /// The annotations or labels as they came.
    pub fn map(&self, place: Place) -> &'r StringMap<'r> {
        match place {
            Place::Annotation => self.run.metadata.annotations(),
            Place::Label => self.run.metadata.labels(),
            Place::Finalizer => StringMap::EMPTY,
        }
    }

    /// The annotations and labels that stand as a user wrote them, with these values.
    pub fn restored_fields(&self) -> impl Iterator<Item = (FieldPath, &str)> {
        self.restored.iter().filter_map(|(place, position, value)| {
            let (key, _) = self.map(*place).iter().nth(*position)?;
            Some((field_of(*place, key), value.as_str()))
        })
    }

    /// The fields that are gone, for a document that must not show them either.
    pub fn gone_fields(&self) -> Vec<FieldPath> {
        let mut fields = Vec::new();
        for place in [Place::Annotation, Place::Label] {
            let entries = self.map(place).iter().enumerate();
            let gone = entries.filter(|(position, (_, value))| self.left_at(place, *position, value).is_none());
            fields.extend(gone.map(|(_, (key, _))| field_of(place, key)));
        }
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
}
