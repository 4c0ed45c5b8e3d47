//! Reading values of a Run by path: from what is parsed already wherever a path has a fast form, else from a document tree that is built once.

use std::borrow::Cow;

use super::document::Document;
use super::path::{FastForm, Lookup, Path, Presence};
use super::request::Request;
use super::view::View;

/// The document tree of one request.
#[derive(Debug)]
enum Tree {
    NotBuilt,
    Built(Document),
    /// The object is nested too deep, or larger than a tree may be.
    TooLarge,
}

/// Reads the Run as it is after reset and recall.
#[derive(Debug)]
pub struct Reading<'v, 'r> {
    view: &'v View<'r>,
    request: &'r Request<'r>,
    tree: Tree,
}

impl<'v, 'r> Reading<'v, 'r> {
    /// Reads this view of the request's object.
    pub fn new(view: &'v View<'r>, request: &'r Request<'r>) -> Self {
        Self {
            view,
            request,
            tree: Tree::NotBuilt,
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
    pub fn lookup(&mut self, path: &Path) -> Lookup<'_> {
        let Some(form) = path.fast_form() else {
            return match self.tree() {
                Some(document) => path.lookup(document),
                None => Lookup::TooLarge,
            };
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
        text.map_or(Lookup::Absent, |text| Lookup::Text(Cow::Borrowed(text)))
    }

    /// Whether a path leads to any node at all.
    pub fn presence(&mut self, path: &Path) -> Presence {
        if let Some(FastForm::Param(name)) = path.fast_form() {
            let mut params = self.view.run().spec.params.iter();
            let present = params.any(|param| param.name == *name && param.value.is_some());
            return if present { Presence::Present } else { Presence::Absent };
        }
        if path.fast_form().is_none() {
            return match self.tree() {
                Some(document) => path.exists(document),
                None => Presence::TooLarge,
            };
        }
        match self.lookup(path) {
            Lookup::Absent => Presence::Absent,
            _ => Presence::Present,
        }
    }

    /// The value of the parameter of that name.
    pub fn param(&self, name: &str) -> Lookup<'r> {
        let mut values = self
            .view
            .run()
            .spec
            .params
            .iter()
            .filter(|param| param.name == *name && param.value.is_some());
        match (values.next(), values.next()) {
            (None, _) => Lookup::Absent,
            (Some(_), Some(_)) => Lookup::Mistyped("several values"),
            (Some(param), None) => match param.text() {
                Some(text) => Lookup::Text(text),
                None => Lookup::Mistyped("no text"),
            },
        }
    }

    fn tree(&mut self) -> Option<&Document> {
        if matches!(self.tree, Tree::NotBuilt) {
            self.tree = self.build();
        }
        match &self.tree {
            Tree::Built(document) => Some(document),
            _ => None,
        }
    }

    fn build(&self) -> Tree {
        let Some(mut document) = self
            .request
            .object_text
            .read()
            .and_then(|raw| Document::parse(raw.get()).ok())
        else {
            return Tree::TooLarge;
        };
        for field in self.view.gone_fields() {
            document.remove(&field);
        }
        for (field, value) in self.view.restored_fields() {
            document.set_text(&field, value);
        }
        Tree::Built(document)
    }
}
