//! Where something stands in the policy files, and what is wrong there.
//!
//! The domain knows no YAML: whoever reads the files hands over values with opaque spans, and gets problems with the same spans back.

mod code;

pub use code::Code;

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

/// What would mend a problem, for editors and reviewers to offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// What to write instead of the marked place.
    pub change: Change,
    /// Whether nothing else can have been meant; otherwise it is a guess.
    pub is_certain: bool,
}

/// What is written instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Another string, in the notation of the one that stands there.
    Text(String),
    /// Exactly these bytes.
    Source(String),
}

/// One thing that is wrong with the policy files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What kind of problem it is.
    pub code: Code,
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
    /// What would mend it, where a program could do it.
    pub fix: Option<Box<Fix>>,
    /// Other places that belong to the problem, each with its label.
    pub related: Vec<(Span, String)>,
    /// Whether all that is wrong is a name which no document declares: a document that is yet to come may declare it.
    pub is_unresolved: bool,
}

impl Problem {
    /// A problem that keeps the policy set from loading.
    pub fn error(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, span, message)
    }

    /// A problem that somebody should look at.
    pub fn warning(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, span, message)
    }

    fn new(severity: Severity, code: Code, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            severity,
            span,
            message: message.into(),
            label: String::new(),
            help: None,
            fix: None,
            related: Vec::new(),
            is_unresolved: false,
        }
    }

    /// The same with something to do about it, if there is anything at all to be said.
    #[must_use]
    pub fn with_advice(mut self) -> Self {
        self.help = self.help.or_else(|| self.code.advice().map(str::to_owned));
        self
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

    /// Adds the string that should stand there; certain where nothing else can have been meant.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<String>, is_certain: bool) -> Self {
        self.fix = Some(Box::new(Fix {
            change: Change::Text(text.into()),
            is_certain,
        }));
        self
    }

    /// Adds the very bytes that should stand there, where nothing else can have been meant.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<String>) -> Self {
        self.fix = Some(Box::new(Fix {
            change: Change::Source(source.into()),
            is_certain: true,
        }));
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
