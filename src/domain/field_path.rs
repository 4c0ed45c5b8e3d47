//! The path of a field in a Run: segments, never a dotted string, because annotation keys hold dots and slashes.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use memchr::memchr2;

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
}

/// Appends one reference token of a JSON Pointer, escaped as RFC 6901 section 3 says.
pub fn push_escaped(pointer: &mut String, token: &str) {
    // Whole pieces between the two characters: a key holds one of them, and many others.
    let mut rest = token;
    while let Some(position) = memchr2(b'~', b'/', rest.as_bytes()) {
        let (plain, special) = rest.split_at_checked(position).unwrap_or((rest, ""));
        pointer.push_str(plain);
        pointer.push_str(if special.starts_with('/') { "~1" } else { "~0" });
        rest = special.get(1..).unwrap_or_default();
    }
    pointer.push_str(rest);
}

impl fmt::Display for FieldPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.segments.iter().enumerate() {
            match segment {
                Segment::Field(name) if position == 0 => formatter.write_str(name)?,
                Segment::Field(name) => write!(formatter, ".{name}")?,
                Segment::Key(key) => write_key(key, formatter)?,
                Segment::Index(index) => write!(formatter, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Longest key that is shown, in characters; Kubernetes allows 317 (a prefix of 253, a slash, a name of 63).
const MAX_SHOWN: usize = 320;

/// A key in brackets. Keys come here before Kubernetes has checked them, so nothing in one may end a line or a code fence.
fn write_key(key: &str, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    formatter.write_char('[')?;
    for character in key.chars().take(MAX_SHOWN) {
        match character {
            '`' => formatter.write_char('\'')?,
            other if other.is_control() => write!(formatter, "{}", other.escape_debug())?,
            other => formatter.write_char(other)?,
        }
    }
    if key.chars().nth(MAX_SHOWN).is_some() {
        formatter.write_char('…')?;
    }
    formatter.write_char(']')
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
    }

    #[test]
    fn a_token_of_a_pointer_escapes_tilde_and_slash() {
        let mut pointer = "/metadata/labels/".to_owned();
        push_escaped(&mut pointer, "~1/");
        assert_eq!(pointer, "/metadata/labels/~01~1");
    }

    #[test]
    fn a_key_that_is_none_cannot_break_out_of_its_line() {
        let path = FieldPath::annotation("a/x\n```\n# Approved");
        assert_eq!(path.to_string(), r"metadata.annotations[a/x\n'''\n# Approved]");
        let long = FieldPath::annotation(&"é".repeat(1000)).to_string();
        assert_eq!(
            long.chars().count(),
            "metadata.annotations[".len() + 320 + "…]".chars().count()
        );
    }
}
