//! Warnings to the client, within the limits of the API server: what matters most comes first, and the last line says what is missing.

use super::reply::cause_text;
use crate::domain::decision::Decision;
use crate::domain::trace::{Event, Trace};
use crate::domain::words::Reaction;

/// Longest warning, in characters; longer ones may be cut by clients (`k8s.io/api/admission/v1`, `AdmissionResponse.warnings`).
const MAX_WARNING_CHARS: usize = 256;

/// Most characters of all warnings together, by the same source.
const MAX_WARNINGS_CHARS: usize = 4096;

/// What the client sees besides the verdict. A Child's creator is a controller, whose log nobody reads: its decisions hold neither.
pub fn warnings(decision: &Decision) -> Vec<String> {
    let violations = decision
        .violations
        .iter()
        .filter(|violation| violation.reaction == Reaction::Warn);
    let violations = violations.map(|violation| format!("{}: {}", violation.cause.field, cause_text(violation)));
    let mut page = Page::new();
    page.push_all(decision.notices.iter().cloned().chain(violations));
    if let Some(trace) = &decision.trace {
        page.push_explanation(trace);
    }
    page.finish()
}

/// Warnings within the limits of the API server, and a word about those that are not.
pub(super) fn fit_warnings(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut page = Page::new();
    page.push_all(texts);
    page.finish()
}

/// Room for warnings. The last line keeps its own, so that a reader learns that something is missing.
struct Page {
    warnings: Vec<String>,
    room: usize,
    warnings_left_out: usize,
    lines_left_out: usize,
}

impl Page {
    fn new() -> Self {
        Self {
            warnings: Vec::new(),
            room: MAX_WARNINGS_CHARS - MAX_WARNING_CHARS,
            warnings_left_out: 0,
            lines_left_out: 0,
        }
    }

    fn push_all(&mut self, texts: impl Iterator<Item = String>) {
        for text in texts {
            self.warnings_left_out += usize::from(!self.push(&text));
        }
    }

    /// The lines of a trace from which a reader learns most; those of one rank stay in order.
    fn push_explanation(&mut self, trace: &Trace) {
        let mut events: Vec<&Event> = trace.events.iter().collect();
        events.sort_by_key(|event| event.rank());
        for event in events {
            self.lines_left_out += usize::from(!self.push(&event.to_string()));
        }
    }

    /// Whether there was room.
    fn push(&mut self, text: &str) -> bool {
        let warning = one_warning(text);
        let length = warning.chars().count();
        if length > self.room {
            // What is worth less must not take the place of what is worth more.
            self.room = 0;
            return false;
        }
        self.room -= length;
        self.warnings.push(warning);
        true
    }

    fn finish(mut self) -> Vec<String> {
        let lines = self.lines_left_out;
        match (self.warnings_left_out, lines) {
            (0, 0) => {}
            (0, lines) => self.warnings.push(format!(
                "{lines} more lines of this explanation do not fit here: runstamp review -f FILE --policies DIR --explain \
                 prints them all (runstamp)"
            )),
            (warnings, 0) => self
                .warnings
                .push(format!("{warnings} more warnings are not shown (runstamp)")),
            (warnings, lines) => self.warnings.push(format!(
                "{warnings} more warnings and {lines} lines of the explanation do not fit here: runstamp review -f FILE \
                 --policies DIR --explain prints them all (runstamp)"
            )),
        }
        self.warnings
    }
}

/// One line within the limit: the API server silently drops a warning that holds a line break.
fn one_warning(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect();
    if line.chars().count() <= MAX_WARNING_CHARS {
        return line;
    }
    let mut short: String = line.chars().take(MAX_WARNING_CHARS - 1).collect();
    short.push('…');
    short
}
