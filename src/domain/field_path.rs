//! The path of a field in a Run: segments, never a dotted string, because annotation keys hold dots and slashes.

use std::borrow::Cow;
use std::fmt;

/// One step of a [`FieldPath`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// A field of a struct: `metadata`.
    Field(Cow<'static, str>),
    /// A key of a map: `[github.integrations.tekton.dev/sha]`.
    Key(String),
    /// An element of a list: `[3]`.
    Index(usize),
}

/// The path of a field, shown as Kubernetes shows it: `metadata.annotations[github.integrations.tekton.dev/sha]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FieldPath {
    segments: Vec<Segment>,
}

impl FieldPath {
    /// The path of the whole object.
    pub fn root() -> Self {
        Self::default()
    }

    /// `metadata.annotations[key]`
    pub fn annotation(key: &str) -> Self {
        Self::root().field("metadata").field("annotations").key(key)
    }

    /// `metadata.labels[key]`
    pub fn label(key: &str) -> Self {
        Self::root().field("metadata").field("labels").key(key)
    }

    /// This path and a field below it.
    #[must_use]
    pub fn field(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.segments.push(Segment::Field(name.into()));
        self
    }

    /// This path and a map key below it.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.segments.push(Segment::Key(key.into()));
        self
    }

    /// This path and a list element below it.
    #[must_use]
    pub fn index(mut self, index: usize) -> Self {
        self.segments.push(Segment::Index(index));
        self
    }

    /// The steps, outermost first.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The map key that the path ends with.
    pub fn last_key(&self) -> Option<&str> {
        match self.segments.last() {
            Some(Segment::Key(key)) => Some(key),
            _ => None,
        }
    }

    /// The same path as a JSON Pointer (RFC 6901): `/metadata/annotations/github.integrations.tekton.dev~1sha`.
    pub fn to_pointer(&self) -> String {
        let mut pointer = String::new();
        for segment in &self.segments {
            pointer.push('/');
            match segment {
                Segment::Field(name) => push_escaped(&mut pointer, name),
                Segment::Key(key) => push_escaped(&mut pointer, key),
                Segment::Index(index) => pointer.push_str(&index.to_string()),
            }
        }
        pointer
    }
}

/// Appends one reference token of a JSON Pointer, escaped as RFC 6901 section 3 says.
pub fn push_escaped(pointer: &mut String, token: &str) {
    for character in token.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.segments.iter().enumerate() {
            match segment {
                Segment::Field(name) if position == 0 => formatter.write_str(name)?,
                Segment::Field(name) => write!(formatter, ".{name}")?,
                Segment::Key(key) => write!(formatter, "[{key}]")?,
                Segment::Index(index) => write!(formatter, "[{index}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_puts_map_keys_in_brackets_unquoted() {
        let path = FieldPath::annotation("github.integrations.tekton.dev/sha");
        assert_eq!(
            path.to_string(),
            "metadata.annotations[github.integrations.tekton.dev/sha]"
        );
    }

    #[test]
    fn a_path_into_a_list_shows_the_index() {
        let path = FieldPath::root()
            .field("spec")
            .field("taskRunSpecs")
            .index(2)
            .field("metadata")
            .field("labels")
            .key("a/b");
        assert_eq!(path.to_string(), "spec.taskRunSpecs[2].metadata.labels[a/b]");
        assert_eq!(path.to_pointer(), "/spec/taskRunSpecs/2/metadata/labels/a~1b");
    }

    #[test]
    fn pointer_escapes_tilde_before_slash() {
        assert_eq!(FieldPath::root().key("~1/").to_pointer(), "/~01~1");
    }
}
