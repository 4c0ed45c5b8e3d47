//! Patches: the fewest RFC 6902 operations that make the change, written by hand and never by comparing documents.

mod build;

use serde::Serialize;

pub use build::{Puts, build};

/// One operation of RFC 6902.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Operation {
    /// Puts a value where none is, or in the place of one.
    Add {
        /// JSON Pointer, RFC 6901.
        path: String,
        /// The value.
        value: PatchValue,
    },
    /// Puts another value in the place of one.
    Replace {
        /// JSON Pointer, RFC 6901.
        path: String,
        /// The value.
        value: PatchValue,
    },
    /// Takes a value away.
    Remove {
        /// JSON Pointer, RFC 6901.
        path: String,
    },
}

/// What an operation may put in: metadata holds nothing but strings and maps of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum PatchValue {
    /// The value of an annotation or label.
    Text(String),
    /// The map of annotations or labels, where the Run had none.
    Map(std::collections::BTreeMap<String, String>),
}

/// Operations in the order in which they apply.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Patch {
    /// The operations.
    pub operations: Vec<Operation>,
}

impl Patch {
    /// Whether the object stays as it is.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Takes away what the pointer leads to.
    pub fn remove(&mut self, path: String) {
        self.operations.push(Operation::Remove { path });
    }

    /// Puts in a value where none is.
    pub fn add(&mut self, path: String, value: PatchValue) {
        self.operations.push(Operation::Add { path, value });
    }

    /// Puts in another value.
    pub fn replace(&mut self, path: String, value: PatchValue) {
        self.operations.push(Operation::Replace { path, value });
    }
}
