//! Reading values of a Run by path: from what is parsed already wherever a path has a fast form, else from a document tree that is built once.

use std::borrow::Cow;

use super::document::Document;
use super::field_path::FieldPath;
use super::path::{FastForm, Lookup, Path, Presence, Shape};
use super::request::Request;
use super::run::text_of;
use super::view::View;

/// What a path finds when one value is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found<'f> {
    /// No node at all.
    Absent,
    /// One text.
    Text(Cow<'f, str>),
    /// Something that is no single text.
    Mistyped(Shape),
    /// The object, or the path on it, exceeds the bounds.
    TooLarge,
}

impl From<Lookup<'_>> for Found<'_> {
    fn from(lookup: Lookup<'_>) -> Self {
        match lookup {
            Lookup::Absent => Self::Absent,
            // The tree goes with the reading, and the value may stay.
            Lookup::Text(text) => Self::Text(Cow::Owned(text.to_owned())),
            Lookup::Mistyped(shape) => Self::Mistyped(shape),
            Lookup::TooLarge => Self::TooLarge,
        }
    }
}

/// Reads the Run as it is after reset and recall.
#[derive(Debug)]
pub struct Reading<'v, 'r> {
    view: &'v View<'r>,
    request: &'r Request<'r>,
    /// Built when the first path without a fast form is read; nothing where the object's text cannot be found again.
    tree: Option<Option<Document<'r>>>,
}

impl<'v, 'r> Reading<'v, 'r> {
    /// Reads this view of the request's object.
    pub fn new(view: &'v View<'r>, request: &'r Request<'r>) -> Self {
        Self {
            view,
            request,
            tree: None,
        }
    }

    /// What is left of the Run.
    pub fn view(&self) -> &'v View<'r> {
        self.view
    }

    /// The request.
    pub fn request(&self) -> &'r Request<'r> {
        self.request
    }

    /// The value that a path leads to.
    pub fn lookup(&mut self, path: &Path) -> Found<'v> {
        let Some(form) = path.fast_form() else {
            return self
                .tree()
                .map_or(Found::TooLarge, |document| path.lookup(document).into());
        };
        let metadata = &self.view.run().metadata;
        let text = match form {
            FastForm::Annotation(key) => self.view.annotation(key),
            FastForm::Label(key) => self.view.label(key),
            FastForm::Name => metadata.name.as_deref(),
            FastForm::Namespace => metadata.namespace.as_deref(),
            FastForm::GenerateName => metadata.generate_name.as_deref(),
            FastForm::Param(name) => return self.param(name),
        };
        text.map_or(Found::Absent, |text| Found::Text(Cow::Borrowed(text)))
    }

    /// Whether a path leads to any node at all.
    pub fn presence(&mut self, path: &Path) -> Presence {
        match path.fast_form() {
            None => self.tree().map_or(Presence::TooLarge, |document| path.exists(document)),
            Some(_) => match self.lookup(path) {
                Found::Absent => Presence::Absent,
                _ => Presence::Present,
            },
        }
    }

    /// The value of the parameter of that name.
    pub fn param(&self, name: &str) -> Found<'r> {
        let params = self.view.run().spec.params.iter();
        let mut values = params
            .filter(|param| param.name == *name)
            .filter_map(|param| param.value);
        match (values.next(), values.next()) {
            (None, _) => Found::Absent,
            (Some(_), Some(_)) => Found::Mistyped(Shape::Values(2 + values.count())),
            (Some(value), None) => match text_of(value) {
                Ok(text) => Found::Text(text),
                Err(shape) => Found::Mistyped(shape),
            },
        }
    }

    fn tree(&mut self) -> Option<&Document<'r>> {
        let (view, request) = (self.view, self.request);
        self.tree.get_or_insert_with(|| build(view, request)).as_ref()
    }
}

/// The tree of the Run as the view shows it.
fn build<'r>(view: &View<'r>, request: &'r Request<'r>) -> Option<Document<'r>> {
    let mut document = Document::new(request.object_text.read()?);
    for (field, value) in view.restored_fields() {
        document.set_text(&field, value.to_owned());
    }
    for field in view.gone_fields() {
        document.remove(&field);
    }
    // The next pass sees the Run as the API server keeps it: without lists and maps that have become empty.
    // Who owns which field is not told at all, since every removal changes it.
    let metadata = FieldPath::root().field("metadata");
    for field in ["annotations", "labels", "finalizers", "ownerReferences"] {
        document.remove_if_empty(&metadata.clone().field(field));
    }
    document.remove(&metadata.field("managedFields"));
    Some(document)
}
