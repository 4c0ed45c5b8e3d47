//! The few lines of a file that a problem is shown on; never more, however long the file or its lines are.

use annotate_snippets::{Annotation, AnnotationKind, Snippet};

use super::printable;
use crate::domain::source::Span;
use crate::policy_file::{SourceFile, SourceFiles};

/// Characters of a line on either side of a mark in a line that is longer than both together.
const CONTEXT: usize = 60;

/// Lines between two places that are still shown in one snippet.
const NEAR_LINES: usize = 50;

/// Lines of a file with marks on them.
pub(super) struct Excerpt<'a> {
    file: &'a SourceFile,
    number: u32,
    place: Span,
    first_line: usize,
    last_line: usize,
    marks: Vec<(Span, AnnotationKind, &'a str)>,
}

impl<'a> Excerpt<'a> {
    /// The line that a span begins on; `None` if there is no such file or nothing in it.
    pub(super) fn around(span: Span, files: &'a SourceFiles) -> Option<Self> {
        let file = files.get(span)?;
        let line = file.line_number(span.start);
        Some(Self {
            file,
            number: span.file,
            place: span,
            first_line: line,
            last_line: line,
            marks: Vec::new(),
        })
    }

    /// The file, line and column to stand above the snippet.
    pub(super) fn place(&self) -> Place {
        let position = self.file.position(self.place.start);
        Place {
            indent: " ".repeat(self.last_line.to_string().len()),
            text: format!("{}:{}:{}", printable(&self.file.name), position.line, position.column),
        }
    }

    /// Marks a place on the lines of the excerpt.
    pub(super) fn mark(&mut self, span: Span, kind: AnnotationKind, label: &'a str) {
        self.marks.push((span, kind, label));
    }

    /// Marks a place near the excerpt and takes in the lines between; `false` if it is too far away.
    pub(super) fn extend(&mut self, span: Span, kind: AnnotationKind, label: &'a str) -> bool {
        if span.file != self.number {
            return false;
        }
        let line = self.file.line_number(span.start);
        let first = self.first_line.min(line);
        let last = self.last_line.max(line);
        let is_short = |line| self.file.line(line).is_some_and(|(text, _)| !is_long(text));
        if last - first > NEAR_LINES || !(first..=last).all(is_short) {
            return false;
        }
        self.first_line = first;
        self.last_line = last;
        self.mark(span, kind, label);
        true
    }

    /// The snippet for the renderer.
    pub(super) fn into_snippet(self) -> Snippet<'a, Annotation<'a>> {
        let mut text = String::new();
        let mut annotations = Vec::new();
        for number in self.first_line..=self.last_line {
            let (line, start) = self.file.line(number).unwrap_or_default();
            let window = self.window(line, start);
            let offset = text.len();
            for (span, kind, label) in &self.marks {
                if self.file.line_number(span.start) == number {
                    let range = window.range(*span, start, line);
                    let label = (!label.is_empty()).then(|| printable(label));
                    annotations.push(kind.span(offset + range.start..offset + range.end).label(label));
                }
            }
            text.push_str(&window.text);
            text.push('\n');
        }
        Snippet::source(text)
            .line_start(self.first_line)
            .annotations(annotations)
    }

    /// The part of a line that is shown.
    fn window(&self, line: &str, start: usize) -> Window {
        if !is_long(line) {
            return Window {
                text: without_terminal_controls(line),
                skipped: 0,
                shift: 0,
            };
        }
        let marked = (self.place.start as usize).saturating_sub(start).min(line.len());
        let from = line
            .get(..line.floor_char_boundary(marked))
            .and_then(|before| before.char_indices().rev().nth(CONTEXT - 1))
            .map_or(0, |(byte, _)| byte);
        let shown: String = line.get(from..).unwrap_or_default().chars().take(2 * CONTEXT).collect();
        let dots_before = if from > 0 { "…" } else { "" };
        let dots_after = if from + shown.len() < line.len() { "…" } else { "" };
        Window {
            text: format!("{dots_before}{}{dots_after}", without_terminal_controls(&shown)),
            skipped: from,
            shift: dots_before.len(),
        }
    }
}

/// The line above a snippet.
pub(super) struct Place {
    /// As wide as the snippet's line numbers.
    pub(super) indent: String,
    /// File, line and column.
    pub(super) text: String,
}

/// Part of a line: what is shown, what is skipped before it and what stands there instead.
struct Window {
    text: String,
    skipped: usize,
    shift: usize,
}

impl Window {
    /// Where a span is in the text, cut to the line.
    fn range(&self, span: Span, line_start: usize, line: &str) -> std::ops::Range<usize> {
        let place = |byte: u32| {
            let in_line = (byte as usize).saturating_sub(line_start).min(line.len());
            let shown = (in_line + self.shift).saturating_sub(self.skipped).min(self.text.len());
            self.text.floor_char_boundary(shown)
        };
        let start = place(span.start);
        start..place(span.end).max(start)
    }
}

/// Whether only a part of a line is shown.
fn is_long(line: &str) -> bool {
    line.len() > 2 * CONTEXT && line.chars().nth(2 * CONTEXT).is_some()
}

/// The line with another character of the same size for each one that some terminals obey; the renderer replaces the others itself.
fn without_terminal_controls(line: &str) -> String {
    line.replace(|character| matches!(character, '\u{80}'..='\u{9f}'), "·")
}
