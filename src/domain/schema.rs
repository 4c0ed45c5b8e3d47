//! Value schemas: what the value of an annotation may be, and what to say when it is not.

mod classes;
mod describe;
mod explain;
mod fixes;
mod format;
mod hosts;
mod placeholders;
mod quote;
mod secrets;
mod shapes;
mod uri;

use std::ops::Range;

use super::cause::CauseKind;
use super::git_url::GitUrl;
use super::pattern::{Glob, Pattern};

use classes::Classes;
pub use format::Format;
pub use quote::{one_line, quoted};
use secrets::credential_among;
pub use secrets::credential_in;

/// What the values of one key may be. Everything is optional; the default takes any single line without credentials.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ValueSchema {
    /// The shape.
    pub format: Option<Format>,
    /// A regular expression for the whole value.
    pub pattern: Option<Pattern>,
    /// What the pattern describes, in words that follow "expected ": `a GitHub account name`.
    pub pattern_message: Option<String>,
    /// The only values allowed; empty means any.
    pub enum_values: Vec<String>,
    /// Least length in characters (Unicode code points, as in JSON Schema).
    pub min_length: Option<usize>,
    /// Most characters, counted in the same way.
    pub max_length: Option<usize>,
    /// Least number.
    pub minimum: Option<i64>,
    /// Greatest number.
    pub maximum: Option<i64>,
    /// Allowed schemes of a `uri` or `git-url`; empty means `https` for a `uri`, and any that Git fetches from.
    pub schemes: Vec<String>,
    /// Where a `uri` may lead.
    pub hosts: HostRule,
    /// Whether `$(…)` and `{{…}}` may be left for somebody else to replace.
    ///
    /// A value that holds one is not final: of its format only scheme and host of a `uri` are judged.
    pub template: bool,
}

/// Where an address may lead.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HostRule {
    /// To public hosts, and to those that the Settings allow.
    #[default]
    Public,
    /// Anywhere: a sink inside the cluster is normal for this key.
    Any,
}

/// What the Settings say about addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UrlRules {
    /// Whether `http` is allowed where a schema lists it.
    pub allow_http: bool,
    /// Internal hosts that are allowed all the same; names and addresses in lower case, IPv6 without brackets.
    pub allowed_hosts: Vec<Glob>,
}

impl UrlRules {
    /// The rules for examples and enums in policy files: `http` is fine there, or a setting would break a definition.
    #[must_use]
    pub fn for_definitions(&self) -> Self {
        Self {
            allow_http: true,
            allowed_hosts: self.allowed_hosts.clone(),
        }
    }
}

/// Why a value was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which kind of mistake.
    pub kind: CauseKind,
    /// What was expected and what was found; one line without full stop, control characters and backticks.
    /// It never repeats a credential.
    pub message: String,
    /// A value that the schema accepts, where one is near.
    pub suggestion: Option<String>,
}

/// A term of a schema that contradicts another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionMistake {
    /// The term as policy files spell it: `maxLength`.
    pub term: &'static str,
    /// Which of its values, if the term is a list.
    pub index: Option<usize>,
    /// What was expected and what was found.
    pub message: String,
}

impl ValueSchema {
    /// Checks a value; the most useful mistake is reported, since the others mostly follow from it.
    ///
    /// Nothing is allocated for a value that passes, unless its format is an address or a repository.
    pub fn check(&self, value: &str, urls: &UrlRules) -> Result<(), Violation> {
        match self.mistake(value, urls) {
            None => Ok(()),
            Some(mistake) => Err(self.violation(value, &mistake, urls)),
        }
    }

    /// Whether a value passes, without words.
    pub fn accepts(&self, value: &str, urls: &UrlRules) -> bool {
        self.mistake(value, urls).is_none()
    }

    /// Every term that contradicts another, and every value of the enum that breaks the rest of the schema.
    pub fn check_definition(&self, urls: &UrlRules) -> Vec<DefinitionMistake> {
        let mut mistakes = Vec::new();
        let mut report = |term, index, message: String| mistakes.push(DefinitionMistake { term, index, message });
        if let (Some(least), Some(most)) = (self.min_length, self.max_length)
            && least > most
        {
            report(
                "minLength",
                None,
                format!("expected at most maxLength, which is {most}, found {least}"),
            );
        }
        if let (Some(minimum), Some(maximum)) = (self.minimum, self.maximum)
            && minimum > maximum
        {
            report(
                "minimum",
                None,
                format!("expected at most maximum, which is {maximum}, found {minimum}"),
            );
        }
        for (term, limit) in [("minimum", self.minimum), ("maximum", self.maximum)] {
            if limit.is_some() && self.format != Some(Format::Int64) {
                report(
                    term,
                    None,
                    format!("expected format int64 beside {term}, found {}", self.format_name()),
                );
            }
        }
        if self.pattern_message.is_some() && self.pattern.is_none() {
            report(
                "patternMessage",
                None,
                "expected a pattern that it describes, found none".to_owned(),
            );
        }
        let has_schemes = matches!(self.format, Some(Format::Uri | Format::GitUrl));
        if !self.schemes.is_empty() && !has_schemes {
            report(
                "schemes",
                None,
                format!(
                    "expected format uri or git-url beside schemes, found {}",
                    self.format_name()
                ),
            );
        }
        if self.hosts == HostRule::Any && self.format != Some(Format::Uri) {
            report(
                "hosts",
                None,
                format!("expected format uri beside hosts, found {}", self.format_name()),
            );
        }
        for (index, scheme) in self.schemes.iter().enumerate() {
            if !is_scheme(scheme) {
                let message = format!(
                    "expected a scheme in lower case such as https, found {}",
                    quoted(scheme)
                );
                report("schemes", Some(index), message);
            }
        }
        let rules = urls.for_definitions();
        for (index, value) in self.enum_values.iter().enumerate() {
            if self.enum_values.iter().take(index).any(|earlier| earlier == value) {
                report(
                    "enum",
                    Some(index),
                    format!("expected each value once, found {} again", quoted(value)),
                );
            } else if let Err(violation) = self.check(value, &rules) {
                report("enum", Some(index), violation.message);
            }
        }
        mistakes
    }

    fn format_name(&self) -> &'static str {
        self.format.map_or("no format", Format::name)
    }

    fn violation(&self, value: &str, mistake: &Mistake, urls: &UrlRules) -> Violation {
        let (kind, message) = explain::message(self, value, mistake);
        let suggestion = if value.len() > fixes::MAX_BYTES || quote::may_hold_credential(value) {
            None
        } else {
            fixes::candidates(self, value, mistake).into_iter().find(|candidate| {
                candidate != value
                    && !candidate.is_empty()
                    && candidate.len() <= fixes::MAX_BYTES
                    && self.accepts(candidate, urls)
            })
        };
        Violation {
            kind,
            message,
            suggestion,
        }
    }

    /// The first mistake; credentials come before everything that a message could repeat.
    fn mistake(&self, value: &str, urls: &UrlRules) -> Option<Mistake> {
        let classes = Classes::of(value);
        if let Some(what) = credential_among(value, classes) {
            return Some(Mistake::Credential(what));
        }
        let is_json = matches!(self.format, Some(Format::JsonObject | Format::JsonArray));
        // Most values are plain ASCII, which need not be read character by character.
        let control = classes.have(Classes::UNUSUAL).then(|| {
            value
                .chars()
                .position(|character| is_control(character) && !(is_json && is_json_space(character)))
        });
        if let Some(position) = control.flatten() {
            return Some(Mistake::Control(position));
        }
        if let Some(mistake) = self.length_mistake(value) {
            return Some(mistake);
        }
        let placeholder = classes
            .have(Classes::OPENING)
            .then(|| placeholders::first(value))
            .flatten();
        let is_final = placeholder.is_none();
        if let Some(range) = placeholder.filter(|_| !self.template) {
            return Some(Mistake::Placeholder(range));
        }
        if !self.enum_values.is_empty() && !self.enum_values.iter().any(|allowed| allowed == value) {
            return Some(Mistake::Enum);
        }
        if let Some(mistake) = self.format_mistake(value, is_final, urls) {
            return Some(mistake);
        }
        if self.pattern.as_ref().is_some_and(|pattern| !pattern.is_match(value)) {
            return Some(Mistake::Pattern);
        }
        self.range_mistake(value).filter(|_| is_final)
    }

    fn length_mistake(&self, value: &str) -> Option<Mistake> {
        // A character has one to four bytes: most values need not be counted.
        if let Some(most) = self.max_length
            && value.len() > most
        {
            let length = value.chars().count();
            if length > most {
                return Some(Mistake::TooLong(length));
            }
        }
        if let Some(least) = self.min_length
            && value.len() < least.saturating_mul(4)
        {
            let length = value.chars().count();
            if length < least {
                return Some(Mistake::TooShort(length));
            }
        }
        None
    }

    fn format_mistake(&self, value: &str, is_final: bool, urls: &UrlRules) -> Option<Mistake> {
        match self.format? {
            Format::Uri => {
                let terms = uri::UriTerms {
                    schemes: Some(&self.schemes),
                    hosts: self.hosts,
                    template: self.template,
                };
                uri::mistake(value, terms, urls).map(Mistake::Uri)
            }
            _ if !is_final => None,
            Format::GitUrl if !self.schemes.is_empty() => match GitUrl::parse(value) {
                Ok(url) if self.schemes.iter().any(|allowed| allowed == url.scheme()) => None,
                Ok(url) => Some(Mistake::Uri(uri::UriMistake::Scheme(url.scheme().to_owned()))),
                Err(_) => Some(Mistake::Format(Format::GitUrl)),
            },
            format => (!format.accepts(value)).then_some(Mistake::Format(format)),
        }
    }

    fn range_mistake(&self, value: &str) -> Option<Mistake> {
        if self.minimum.is_none() && self.maximum.is_none() {
            return None;
        }
        let Some(number) = shapes::int64(value) else {
            return Some(Mistake::Format(Format::Int64));
        };
        let below = self.minimum.filter(|minimum| number < *minimum).map(Mistake::Below);
        below.or_else(|| self.maximum.filter(|maximum| number > *maximum).map(Mistake::Above))
    }
}

/// What is wrong, without words: those cost allocations, and most callers that ask often need none.
#[derive(Debug, Clone, PartialEq)]
enum Mistake {
    Credential(&'static str),
    /// Position in characters.
    Control(usize),
    TooLong(usize),
    TooShort(usize),
    Placeholder(Range<usize>),
    Enum,
    Format(Format),
    Uri(uri::UriMistake),
    Pattern,
    Below(i64),
    Above(i64),
}

/// Control characters, and the two other characters that end a line.
fn is_control(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

/// JSON may be laid out over several lines: it is read by a parser, never shown as it is.
fn is_json_space(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\t')
}

fn is_scheme(scheme: &str) -> bool {
    scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.'))
}

#[cfg(test)]
mod tests;
