//! Problems for people and for programs: a snippet with marks, one line for a log, or a JSON object.

mod edits;
mod excerpt;
mod explanation;
mod record;
mod sarif;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Title};

pub use self::edits::{Edit, edit};
use self::excerpt::Excerpt;
pub use self::explanation::{Explanation, explanations_page, list_of_codes};
pub use self::record::{FixRecord, Record, RelatedRecord};
pub use self::sarif::sarif;
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
///
/// Places that belong to it and stand elsewhere follow as notes.
pub fn render(problem: &Problem, files: &SourceFiles, style: Style) -> String {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut excerpt = Excerpt::around(problem.span, files);
    let mut far = Vec::new();
    if let Some(excerpt) = &mut excerpt {
        excerpt.mark(problem.span, AnnotationKind::Primary, &problem.label);
    }
    let related: Vec<(Span, String)> = related(problem, files).collect();
    for (span, label) in &related {
        let is_shown = excerpt
            .as_mut()
            .is_some_and(|excerpt| excerpt.extend(*span, AnnotationKind::Context, label));
        if !is_shown {
            far.push((*span, label));
        }
    }
    let title = level.primary_title(printable(&problem.message)).id(problem.code.word());
    let mut text = render_group(title, excerpt, problem.help.as_deref(), style);
    for (span, label) in far {
        let mut excerpt = Excerpt::around(span, files);
        if let Some(excerpt) = &mut excerpt {
            excerpt.mark(span, AnnotationKind::Context, "");
        }
        let title = Level::NOTE.primary_title(printable(label));
        text.push_str(&render_group(title, excerpt, None, style));
    }
    text
}

fn render_group(title: Title<'_>, excerpt: Option<Excerpt<'_>>, help: Option<&str>, style: Style) -> String {
    let mut group = Group::with_title(title);
    let place = excerpt.as_ref().map(Excerpt::place);
    if let Some(excerpt) = excerpt {
        group = group.element(excerpt.into_snippet());
    }
    if let Some(help) = help {
        group = group.element(Level::HELP.message(printable(help)));
    }
    let (renderer, place_style) = match style {
        Style::Plain => (Renderer::plain(), annotate_snippets::renderer::Style::new()),
        Style::Coloured => (Renderer::styled(), annotate_snippets::renderer::DEFAULT_LINE_NUM_STYLE),
    };
    let mut text = renderer.render(&[group]);
    // The renderer would count the columns of a clipped line from where it is clipped.
    if let (Some(place), Some(title_end)) = (place, text.find('\n')) {
        let arrow = format!("\n{}{place_style}-->{place_style:#} {}", place.indent, place.text);
        text.insert_str(title_end, &arrow);
    }
    text.push('\n');
    text
}

/// A problem on one line, for logs: `file:line:column: error[code]: message; help`.
pub fn one_line(problem: &Problem, files: &SourceFiles) -> String {
    let severity = severity_word(problem.severity);
    let message = printable(&problem.message);
    let help = problem.help.as_deref().map(printable);
    let help = help.map(|help| format!("; {help}")).unwrap_or_default();
    let place = files.get(problem.span).map(|file| {
        let position = file.position(problem.span.start);
        format!("{}:{}:{}: ", printable(&file.name), position.line, position.column)
    });
    let code = problem.code.word();
    format!("{}{severity}[{code}]: {message}{help}", place.unwrap_or_default())
}

/// The other places of a problem, each with its label; whoever reads it cannot mend what is built in.
pub fn related<'p>(problem: &'p Problem, files: &'p SourceFiles) -> impl Iterator<Item = (Span, String)> {
    problem.related.iter().map(|(span, label)| {
        let is_builtin = files.get(*span).is_some_and(|file| file.builtin);
        let origin = if is_builtin { " (built in)" } else { "" };
        (*span, format!("{label}{origin}"))
    })
}

fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
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
