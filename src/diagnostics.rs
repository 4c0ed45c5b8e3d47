//! Problems for people and for programs: a snippet with marks, one line for a log, or a JSON object.

mod excerpt;
mod record;

use annotate_snippets::{AnnotationKind, Element, Group, Level, Renderer};

use self::excerpt::Excerpt;
pub use self::record::{Record, RelatedRecord};
use crate::domain::source::{Problem, Severity, Span};
use crate::policy_file::SourceFiles;
use crate::policy_file::problems::is_unprintable;

/// Whether the text may hold colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// No escape sequences at all.
    Plain,
    /// Colours for a terminal.
    Coloured,
}

/// A problem with its place, the lines around it and what to do, ending in a newline.
pub fn render(problem: &Problem, files: &SourceFiles, style: Style) -> String {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(printable(&problem.message)));
    for element in places(problem, files) {
        group = group.element(element);
    }
    if let Some(help) = &problem.help {
        group = group.element(Level::HELP.message(printable(help)));
    }
    let renderer = match style {
        Style::Plain => Renderer::plain(),
        Style::Coloured => Renderer::styled(),
    };
    let mut text = renderer.render(&[group]);
    text.push('\n');
    text
}

/// A problem on one line, for logs: `file:line:column: error: message; help`.
pub fn one_line(problem: &Problem, files: &SourceFiles) -> String {
    let severity = severity_word(problem.severity);
    let message = printable(&problem.message);
    let help = problem.help.as_deref().map(printable);
    let help = help.map(|help| format!("; {help}")).unwrap_or_default();
    let place = files.get(problem.span).map(|file| {
        let position = file.position(problem.span.start);
        format!("{}:{}:{}: ", printable(&file.name), position.line, position.column)
    });
    format!("{}{severity}: {message}{help}", place.unwrap_or_default())
}

fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// The problem's place and the related ones, each with its lines.
fn places<'a>(problem: &'a Problem, files: &'a SourceFiles) -> Vec<Element<'a>> {
    let mut elements = Vec::new();
    let mut related: Vec<(Span, &str)> = problem
        .related
        .iter()
        .map(|(span, label)| (*span, label.as_str()))
        .collect();
    if let Some(mut excerpt) = Excerpt::around(problem.span, files) {
        let origin = excerpt.origin();
        excerpt.mark(problem.span, AnnotationKind::Primary, &problem.label);
        // What stands near is shown in the same snippet.
        related.retain(|(span, label)| !excerpt.extend(*span, AnnotationKind::Context, label));
        elements.extend([Element::from(origin), excerpt.into_snippet().into()]);
    }
    for (span, label) in related {
        if let Some(mut excerpt) = Excerpt::around(span, files) {
            let origin = excerpt.origin();
            excerpt.mark(span, AnnotationKind::Context, label);
            elements.extend([Element::from(origin), excerpt.into_snippet().into()]);
        }
    }
    elements
}

/// A text without anything that moves the cursor, breaks the line or hides what follows.
fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unprintable(character) {
            printable.extend(character.escape_default());
        } else {
            printable.push(character);
        }
    }
    printable
}

#[cfg(test)]
mod tests;
