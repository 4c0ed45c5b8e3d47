//! Templates: literal text with `$(trigger.FACT)`, `$(vars.NAME)` and `$(run.FIELD)` in it.
//!
//! `$$(` stands for a literal `$(`, so that a placeholder of Tekton's own can be written; every other `$` is text.

use std::borrow::Cow;
use std::fmt;

use super::schema::quoted;
use super::suggest::nearest;
use super::text_problem::TextProblem;
use super::words::FactName;

/// Most bytes of a template as written.
pub const MAX_LENGTH: usize = 16 * 1024;
/// Most bytes of a rendered value: all annotations of an object together may have no more.
pub const MAX_RENDERED_LENGTH: usize = 256 * 1024;

const OPENING: &str = "$(";
const ESCAPED_OPENING: &str = "$$(";
const SCOPES: [&str; 3] = ["trigger", "vars", "run"];

/// A template that has been checked and compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Text as it stands, unescaped.
    Literal(String),
    /// What is put in.
    Reference(Reference),
}

/// What a template puts in; shown as it is written, without the parentheses.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reference {
    /// A fact about the trigger.
    Trigger(FactName),
    /// A variable of the policy, by name.
    Variable(String),
    /// A field of the request.
    Run(RunField),
}

/// What a template can say about the Run itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunField {
    /// The namespace.
    Namespace,
    /// The kind.
    Kind,
    /// The name, which a Run with a `generateName` does not have yet.
    Name,
    /// The beginning of the name to be generated.
    GenerateName,
    /// The name of the user who creates the Run.
    User,
}

impl RunField {
    /// All of them, as an error message lists them.
    pub const ALL: [Self; 5] = [Self::Namespace, Self::Kind, Self::Name, Self::GenerateName, Self::User];

    /// The name in a template.
    pub fn name(self) -> &'static str {
        match self {
            Self::Namespace => "namespace",
            Self::Kind => "kind",
            Self::Name => "name",
            Self::GenerateName => "generateName",
            Self::User => "user",
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trigger(fact) => write!(formatter, "trigger.{fact}"),
            Self::Variable(name) => write!(formatter, "vars.{name}"),
            Self::Run(field) => write!(formatter, "run.{}", field.name()),
        }
    }
}

/// Why a template has no value this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unrendered<'t> {
    /// The first reference without a value.
    Absent(&'t Reference),
    /// The value would be longer than [`MAX_RENDERED_LENGTH`].
    TooLong,
}

impl fmt::Display for Unrendered<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent(reference) => write!(formatter, "{reference} is absent"),
            Self::TooLong => write!(formatter, "the value is longer than {MAX_RENDERED_LENGTH} bytes"),
        }
    }
}

impl Template {
    /// Checks and compiles a template, or says everything that is wrong with it.
    pub fn parse(text: &str, known_variables: &[&str]) -> Result<Self, Vec<TextProblem>> {
        if text.len() > MAX_LENGTH {
            return Err(vec![TextProblem::new(
                0..text.len(),
                format!("expected at most {MAX_LENGTH} bytes, found {}", text.len()),
            )]);
        }
        let mut parts = Vec::new();
        let mut problems = Vec::new();
        let mut literal = String::new();
        let mut position = 0;
        while let Some(rest) = text.get(position..).filter(|rest| !rest.is_empty()) {
            if rest.starts_with(ESCAPED_OPENING) {
                literal.push_str(OPENING);
                position += ESCAPED_OPENING.len();
            } else if let Some(inside) = rest.strip_prefix(OPENING) {
                let end = match end_of_reference(position, inside) {
                    Ok(length) => {
                        let start = position + OPENING.len();
                        match reference(start, inside.get(..length).unwrap_or_default(), known_variables) {
                            Ok(reference) => {
                                if !literal.is_empty() {
                                    parts.push(Part::Literal(std::mem::take(&mut literal)));
                                }
                                parts.push(Part::Reference(reference));
                            }
                            Err(problem) => problems.push(problem),
                        }
                        start + length + 1
                    }
                    Err(problem) => {
                        let end = problem.range.end;
                        problems.push(problem);
                        end
                    }
                };
                position = end;
            } else {
                // Everything up to the next dollar sign is text, and so is this character if it is one.
                let first = rest.chars().next().map_or(1, char::len_utf8);
                let length = rest.get(first..).and_then(|tail| tail.find('$'));
                let length = length.map_or(rest.len(), |length| first + length);
                literal.push_str(rest.get(..length).unwrap_or_default());
                position += length;
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        if problems.is_empty() {
            Ok(Self {
                text: text.to_owned(),
                parts,
            })
        } else {
            Err(problems)
        }
    }

    /// The template as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The pieces, in order; no two literals stand next to each other.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Everything that is put in, in order, as often as it is.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.parts.iter().filter_map(|part| match part {
            Part::Literal(_) => None,
            Part::Reference(reference) => Some(reference),
        })
    }

    /// Whether nothing is put in.
    pub fn is_literal(&self) -> bool {
        self.references().next().is_none()
    }

    /// The value of a template into which nothing is put.
    pub fn literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// The value, if every reference has one.
    pub fn render<'v>(
        &'v self,
        resolve: impl Fn(&Reference) -> Option<Cow<'v, str>>,
    ) -> Result<Cow<'v, str>, Unrendered<'v>> {
        let piece_of = |part: &'v Part| match part {
            Part::Literal(text) => Ok(Cow::Borrowed(text.as_str())),
            Part::Reference(reference) => resolve(reference).ok_or(Unrendered::Absent(reference)),
        };
        // Most templates are one piece, which is taken as it is.
        if let [only] = self.parts.as_slice() {
            let value = piece_of(only)?;
            return if value.len() > MAX_RENDERED_LENGTH {
                Err(Unrendered::TooLong)
            } else {
                Ok(value)
            };
        }
        let mut value = String::new();
        for part in &self.parts {
            let piece = piece_of(part)?;
            if value.len() + piece.len() > MAX_RENDERED_LENGTH {
                return Err(Unrendered::TooLong);
            }
            value.push_str(&piece);
        }
        Ok(Cow::Owned(value))
    }
}

/// The length of what stands between the parentheses; `opening` is where the `$(` stands.
fn end_of_reference(opening: usize, inside: &str) -> Result<usize, TextProblem> {
    let start = opening + OPENING.len();
    let closing = inside.find(')');
    let nested = inside.find(OPENING);
    match (closing, nested) {
        (Some(closing), Some(nested)) if nested < closing => {
            // Everything up to where the parentheses balance belongs to the mistake.
            let inner_end = closing + 1;
            let outer_end = inside.get(inner_end..).and_then(|tail| tail.find(')'));
            let end = start + outer_end.map_or(inner_end, |offset| inner_end + offset + 1);
            Err(TextProblem::new(
                opening..end,
                "expected one reference, found a reference inside a reference",
            )
            .with_help("put one after the other, or define a variable"))
        }
        (Some(closing), _) => Ok(closing),
        (None, _) => Err(TextProblem::new(
            opening..start + inside.len(),
            "expected ) for this $(, found the end of the text",
        )
        .with_help("write $$( where a literal $( is meant")),
    }
}

/// Reads what stands between the parentheses; `start` is where it begins.
fn reference(start: usize, inside: &str, known_variables: &[&str]) -> Result<Reference, TextProblem> {
    let whole = start..start + inside.len();
    if inside.is_empty() {
        return Err(TextProblem::new(
            start - OPENING.len()..start + 1,
            "expected a reference in $(), found nothing",
        )
        .with_help("for example $(trigger.sha); write $$() where a literal $() is meant"));
    }
    if inside.trim() != inside {
        return Err(TextProblem::new(whole, "expected no white space around the reference")
            .with_help(format!("write $({})", inside.trim())));
    }
    let (scope, name) = inside.split_once('.').unwrap_or((inside, ""));
    let name_range = whole.end - name.len()..whole.end;
    match scope {
        "trigger" => known(name, name_range, "a fact", FactName::WORDS).map(Reference::Trigger),
        "vars" => {
            let variables: Vec<_> = known_variables.iter().map(|variable| (*variable, *variable)).collect();
            known(name, name_range, "a variable of this policy", &variables)
                .map(|name| Reference::Variable(name.to_owned()))
        }
        "run" => {
            let fields = RunField::ALL.map(|field| (field.name(), field));
            known(name, name_range, "a field of the Run", &fields).map(Reference::Run)
        }
        _ => {
            let help = match nearest(scope, SCOPES.into_iter()) {
                Some(scope) if !name.is_empty() => format!("write $({scope}.{name})"),
                _ => format!("write $$({inside}) where a literal $({inside}) is meant"),
            };
            Err(TextProblem::new(
                start..start + scope.len(),
                format!(
                    "expected a reference to {}, found {}",
                    SCOPES.map(|scope| format!("{scope}.…")).join(", "),
                    quoted(inside)
                ),
            )
            .with_help(help))
        }
    }
}

/// What the name stands for among the known ones.
fn known<T: Copy>(
    name: &str,
    range: std::ops::Range<usize>,
    what: &str,
    words: &[(&str, T)],
) -> Result<T, TextProblem> {
    if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == name) {
        return Ok(*meaning);
    }
    let names = words.iter().map(|(word, _)| *word);
    let list = match words {
        [] => "none is defined".to_owned(),
        _ => names.clone().collect::<Vec<_>>().join(", "),
    };
    Err(
        TextProblem::new(range, format!("expected {what} ({list}), found {}", quoted(name))).with_optional_help(
            match nearest(name, names) {
                Some(known) => Some(format!("write {known}")),
                None if words.is_empty() => Some("declare it under variables".to_owned()),
                None => None,
            },
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const VARIABLES: [&str; 2] = ["app", "team-name"];

    fn resolve(reference: &Reference) -> Option<Cow<'static, str>> {
        match reference {
            Reference::Trigger(FactName::Sha) => Some("4d2f".into()),
            Reference::Trigger(_) => None,
            Reference::Variable(name) => Some(format!("<{name}>").into()),
            Reference::Run(RunField::Name) => None,
            Reference::Run(field) => Some(field.name().into()),
        }
    }

    #[test]
    #[allow(
        clippy::redundant_closure,
        reason = "the function itself would ask for references that outlive the template"
    )]
    fn templates_render() {
        let check = |text: &str, expected: Result<&str, &str>| {
            let template = Template::parse(text, &VARIABLES).expect(text);
            let rendered = template
                .render(|reference| resolve(reference))
                .map_err(|unrendered| unrendered.to_string());
            assert_eq!(rendered.as_deref().map_err(String::as_str), expected, "{text}");
        };
        check("", Ok(""));
        check("plain", Ok("plain"));
        check("$(trigger.sha)", Ok("4d2f"));
        check("tekton/$(vars.app)-$(trigger.sha)!", Ok("tekton/<app>-4d2f!"));
        check("$(vars.app)$(vars.team-name)", Ok("<app><team-name>"));
        check(
            "$(run.namespace)/$(run.kind) by $(run.user)",
            Ok("namespace/kind by user"),
        );
        check("$$(trigger.sha)", Ok("$(trigger.sha)"));
        check("$$(params.x) $(trigger.sha)", Ok("$(params.x) 4d2f"));
        check("$$$(trigger.sha)", Ok("$$(trigger.sha)"));
        check("$ $$ 5$ (a) {$} )", Ok("$ $$ 5$ (a) {$} )"));
        check("é$é$(trigger.sha)é", Ok("é$é4d2fé"));
        check("$(trigger.title) $(run.name)", Err("trigger.title is absent"));
        check("$(run.name)", Err("run.name is absent"));
    }

    #[test]
    fn every_fact_and_field_is_known() {
        for (word, fact) in FactName::WORDS {
            let template = Template::parse(&format!("$(trigger.{fact})"), &[]).expect(word);
            assert_eq!(template.parts(), [Part::Reference(Reference::Trigger(*fact))]);
        }
        for field in RunField::ALL {
            let text = format!("$(run.{})", field.name());
            let template = Template::parse(&text, &[]).expect(&text);
            assert_eq!(template.parts(), [Part::Reference(Reference::Run(field))]);
        }
    }

    #[test]
    fn literals_are_told_from_the_rest() {
        let check = |text: &str, expected: Option<&str>| {
            let template = Template::parse(text, &VARIABLES).expect(text);
            assert_eq!(template.literal(), expected, "{text}");
            assert_eq!(template.is_literal(), expected.is_some(), "{text}");
            assert_eq!(template.text(), text);
        };
        check("", Some(""));
        check("a$$(b)c", Some("a$(b)c"));
        check("a$(vars.app)", None);
        check("$(vars.app)", None);
    }

    #[test]
    fn references_come_in_order() {
        let template = Template::parse("$(vars.app)$(run.user)x$(vars.app)", &VARIABLES).unwrap();
        let shown: Vec<_> = template.references().map(ToString::to_string).collect();
        assert_eq!(shown, ["vars.app", "run.user", "vars.app"]);
    }

    #[test]
    fn every_mistake_is_marked_and_explained() {
        let check = |text: &str, expected: &[(&str, &str, Option<&str>)]| {
            let problems = Template::parse(text, &VARIABLES).expect_err(text);
            let found: Vec<_> = problems
                .iter()
                .map(|problem| {
                    let marked = text.get(problem.range.clone()).expect("a range within the text");
                    (marked, problem.message.as_str(), problem.help.as_deref())
                })
                .collect();
            assert_eq!(found, expected, "{text}");
        };
        check(
            "a $(trigger.sah) b",
            &[(
                "sah",
                "expected a fact (provider, host, url, project, owner, repo, sha, ref, branch, tag, event, eventId, pullRequest, sender, installation, title), found \"sah\"",
                Some("write sha"),
            )],
        );
        check(
            "$(vars.teamname)",
            &[(
                "teamname",
                "expected a variable of this policy (app, team-name), found \"teamname\"",
                Some("write team-name"),
            )],
        );
        check(
            "$(run.uid)",
            &[(
                "uid",
                "expected a field of the Run (namespace, kind, name, generateName, user), found \"uid\"",
                None,
            )],
        );
        check(
            "$(params.revision)",
            &[(
                "params",
                "expected a reference to trigger.…, vars.…, run.…, found \"params.revision\"",
                Some("write $$(params.revision) where a literal $(params.revision) is meant"),
            )],
        );
        check(
            "$(triger.sha)",
            &[(
                "triger",
                "expected a reference to trigger.…, vars.…, run.…, found \"triger.sha\"",
                Some("write $(trigger.sha)"),
            )],
        );
        check(
            "é$(trigger.sha",
            &[(
                "$(trigger.sha",
                "expected ) for this $(, found the end of the text",
                Some("write $$( where a literal $( is meant"),
            )],
        );
        check(
            "x$()",
            &[(
                "$()",
                "expected a reference in $(), found nothing",
                Some("for example $(trigger.sha); write $$() where a literal $() is meant"),
            )],
        );
        check(
            "$( trigger.sha )",
            &[(
                " trigger.sha ",
                "expected no white space around the reference",
                Some("write $(trigger.sha)"),
            )],
        );
        check(
            "$(vars.$(vars.app)) $(vars.teamname)",
            &[
                (
                    "$(vars.$(vars.app))",
                    "expected one reference, found a reference inside a reference",
                    Some("put one after the other, or define a variable"),
                ),
                (
                    "teamname",
                    "expected a variable of this policy (app, team-name), found \"teamname\"",
                    Some("write team-name"),
                ),
            ],
        );
    }

    #[test]
    fn a_policy_without_variables_says_so() {
        let problems = Template::parse("$(vars.x)", &[]).unwrap_err();
        assert_eq!(
            problems[0].message,
            "expected a variable of this policy (none is defined), found \"x\""
        );
    }

    #[test]
    fn length_is_bounded_as_written_and_as_rendered() {
        assert!(Template::parse(&"a".repeat(MAX_LENGTH), &[]).is_ok());
        assert_eq!(Template::parse(&"a".repeat(MAX_LENGTH + 1), &[]).unwrap_err().len(), 1);
        let template = Template::parse(&"$(run.user)".repeat(256), &[]).unwrap();
        let check = |bytes: usize, expected: Option<Unrendered<'_>>| {
            let rendered = template.render(|_| Some("u".repeat(bytes).into()));
            assert_eq!(rendered.err(), expected, "{bytes}");
        };
        check(1024, None);
        check(1025, Some(Unrendered::TooLong));
    }
}
