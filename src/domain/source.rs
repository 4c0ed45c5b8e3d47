//! Where something stands in the policy files, and what is wrong there.
//!
//! The domain knows no YAML: whoever reads the files hands over values with opaque spans, and gets problems with the same spans back.

/// A place in one policy file, in bytes from the file's start; `file` is the index that the reader gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// Index of the file in the reader's list.
    pub file: u32,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// A value as written, with the place where it was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub span: Span,
}

impl<T> Located<T> {
    /// Puts a value and its place together.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }

    /// The same place with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Located<U> {
        Located {
            value: change(self.value),
            span: self.span,
        }
    }
}

/// How bad a problem is: an error keeps the policy set from loading, a warning does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The policy set cannot be used.
    Error,
    /// The policy set can be used; somebody should look.
    Warning,
}

/// One thing that is wrong with the policy files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Error or warning.
    pub severity: Severity,
    /// Where.
    pub span: Span,
    /// One sentence without a full stop: what was found and what was expected.
    pub message: String,
    /// Printed under the marked place; empty means the marks alone.
    pub label: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Other places that belong to the problem, each with its label.
    pub related: Vec<(Span, String)>,
    /// Whether all that is wrong is a name which no document declares: a document that is yet to come may declare it.
    pub is_unresolved: bool,
}

impl Problem {
    /// A problem that keeps the policy set from loading.
    pub fn error(span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, span, message)
    }

    /// A problem that somebody should look at.
    pub fn warning(span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, span, message)
    }

    fn new(severity: Severity, span: Span, message: impl Into<String>) -> Self {
        Self {
            severity,
            span,
            message: message.into(),
            label: String::new(),
            help: None,
            related: Vec::new(),
            is_unresolved: false,
        }
    }

    /// Adds the text under the marked place.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds what to do where there is something to say.
    #[must_use]
    pub fn with_optional_help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }

    /// Says that the problem is a name which nobody declares, and that another document may.
    #[must_use]
    pub fn unresolved(mut self) -> Self {
        self.is_unresolved = true;
        self
    }

    /// Adds another place that belongs to the problem.
    #[must_use]
    pub fn with_related(mut self, span: Span, label: impl Into<String>) -> Self {
        self.related.push((span, label.into()));
        self
    }
}
